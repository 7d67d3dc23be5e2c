"""What libraries say through `logging`: a JSON line like every other."""

from __future__ import annotations

import logging
from contextlib import contextmanager

from simulator.telemetry.logs import forward_library_warnings
from tests.support.log_lines import Log


@contextmanager
def forwarding(log):
    """Let `logging` know of nothing but the forwarder meanwhile."""
    root, exporter = logging.getLogger(), logging.getLogger("opentelemetry.exporter")
    handlers, level = root.handlers[:], exporter.level
    root.handlers[:] = []
    try:
        forward_library_warnings(log.logger)
        yield
    finally:
        root.handlers[:] = handlers
        exporter.setLevel(level)


def test_warnings_of_libraries_are_lines_too():
    """What a library warns of through `logging` becomes a JSON line that names the library; less is not written."""
    log = Log()
    with forwarding(log):
        logging.getLogger("some.library").info("nothing of note")
        logging.getLogger("some.library").warning("pool of %s is\nfull", "host")
        logging.getLogger("some.library").error("no pool")
    warning, error = log.lines
    assert (warning["event"], warning["level"]) == ("library.message", "warning")
    assert (warning["library"], warning["detail"]) == ("some.library", "pool of host is\nfull")
    assert (error["event"], error["level"], error["detail"]) == ("library.message", "error", "no pool")


def test_a_library_s_exception_is_in_its_line():
    """An exception that a library logs stands in its line with its traceback."""
    log = Log()
    with forwarding(log):
        try:
            raise ZeroDivisionError("by nought")
        except ZeroDivisionError:
            logging.getLogger("some.library").exception("it broke")
    assert "ZeroDivisionError: by nought" in log.lines[0]["exception"]


def test_a_library_s_long_warning_is_cut():
    """A library's warning takes 2,000 characters of the log at most."""
    log = Log()
    with forwarding(log):
        logging.getLogger("some.library").warning("x" * 5000)
    assert log.lines[0]["detail"] == "x" * 2000


def test_the_exporter_does_not_repeat_itself():
    """What the exporter logs at every failed attempt is left to the one line that the simulator writes itself."""
    log = Log()
    with forwarding(log):
        logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").error("failed to export")
    assert log.raw == []


def test_a_library_s_wrong_format_hurts_nobody():
    """A library that logs with arguments that do not fit its text does not break the service."""
    log = Log()
    with forwarding(log):
        logging.getLogger("some.library").warning("%d things", "many")
