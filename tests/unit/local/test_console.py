"""The console beside a run, as far as it goes without a process."""

from __future__ import annotations

import os
import socket
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from simulator.errors import StartError
from simulator.local import console
from simulator.local.console import ConsoleProcess, console_missing
from simulator.telemetry.otlp_destination import read_destination
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.run_files import RunFiles

PROGRAM = (sys.executable, "run_web_service.py")


def beside(folder, environment=None, port=0):
    return ConsoleProcess(RunFiles(folder), PROGRAM, environment or {}, port)


def test_the_address_to_open(tmp_path):
    """It is of this machine alone, and has a token that nobody guesses and no other run has."""
    with beside(tmp_path) as first, beside(tmp_path) as second:
        urls = [urlsplit(one.url) for one in (first, second)]
    tokens = [parse_qs(url.query)["token"][0] for url in urls]
    assert [url.hostname for url in urls] == ["127.0.0.1", "127.0.0.1"]
    assert urls[0].port != urls[1].port
    assert tokens[0] != tokens[1] and min(map(len, tokens)) >= 20


def test_it_listens_from_the_start(tmp_path):
    """Spans of the first stages find somebody, whenever the process is ready; at the end the port is free again."""
    with beside(tmp_path) as there:
        port = urlsplit(there.url).port
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_port_that_is_asked_for_is_had_or_refused(tmp_path):
    """A port that is asked for is used, or reported as taken."""
    with beside(tmp_path) as there:
        port = urlsplit(there.url).port
        with pytest.raises(StartError, match=f"the console: port {port} on 127.0.0.1 can't be used"):
            beside(tmp_path, port=port)


def test_without_a_port_a_taken_one_is_in_nobody_s_way(tmp_path, monkeypatch):
    """The usual port is taken where it is free, and otherwise any."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr(console, "DEFAULT_PORT", taken)
        with beside(tmp_path, port=None) as there:
            assert urlsplit(there.url).port not in (taken, 0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    monkeypatch.setattr(console, "DEFAULT_PORT", free)
    with beside(tmp_path, port=None) as there:
        assert urlsplit(there.url).port == free


def test_the_stages_send_their_spans_to_it(tmp_path):
    """The console has the user's own settings, which are for her collector; the stages have the console's address."""
    own = {
        "PATH": "/bin",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example/v1/traces",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/etc/ca.pem",
        "OTEL_TRACES_SAMPLER": "always_on",
    }
    with beside(tmp_path, own) as there:
        given = there.stage_environment()
        base = there.url.partition("/?")[0]
    assert given == {
        "PATH": "/bin",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": base,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "10000",
    }
    assert own["OTEL_EXPORTER_OTLP_HEADERS"] == "authorization=secret"


@pytest.mark.parametrize(
    ("own", "millis"), [("60000", "60000"), ("10001", "10001"), ("500", "10000"), ("0", "600000"), ("", "10000")]
)
def test_who_waits_longer_for_a_collector_waits_longer_for_the_console(tmp_path, own, millis):
    """A console that starts slowly costs no spans of a user who has given them the time."""
    for name in ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"):
        with beside(tmp_path, {"OTEL_TRACES_EXPORTER": "otlp", name: own}) as there:
            given = there.stage_environment()
        assert {key: text for key, text in given.items() if "TIMEOUT" in key} == {"OTEL_EXPORTER_OTLP_TIMEOUT": millis}


@pytest.mark.parametrize("off", [{"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
def test_who_wants_no_spans_has_none(tmp_path, off):
    """Where spans are switched off the stages' environment is as it is."""
    own = {**off, "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example"}
    with beside(tmp_path, own) as there:
        assert there.stage_environment() == own


def test_the_token_is_not_for_the_stages(tmp_path):
    """No stage gets to know the token of the controls."""
    with beside(tmp_path) as there:
        token = parse_qs(urlsplit(there.url).query)["token"][0]
        assert token not in " ".join(there.stage_environment().values())


def test_its_last_words_are_told(tmp_path):
    """A console that has ended is reported with the end of what it wrote, or where to look."""
    with beside(tmp_path) as there:
        assert there.wait_until_ready() == f"it ended: see {tmp_path / 'console.log'}"
        there.log.write_text("")
        assert there.wait_until_ready() == f"it ended: see {tmp_path / 'console.log'}"
        there.log.write_bytes(b"x" * 1000 + b"\xff OSError: too late\n")
        said = there.wait_until_ready()
    assert said.startswith("it ended: xxx") and said.endswith("OSError: too late")
    assert len(said) <= 520


@pytest.mark.processes
def test_a_program_that_ends_at_once_hurts_no_run(tmp_path):
    """The run gets the console's last words, and its end is an end all the same."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\nsys.exit(f'no {sys.argv[1]} for {bool(os.environ[\"SIMULATOR_CONSOLE_TOKEN\"])}')\n"
    )
    reading, writing = os.pipe()
    try:
        with ConsoleProcess(RunFiles(tmp_path), [sys.executable, str(program)], {}, 0) as there:
            there.start(reading)
            assert there.wait_until_ready() == "it ended: no console for True"
    finally:
        os.close(reading)
        os.close(writing)


def test_logs_go_to_the_user_s_own_collector(tmp_path):
    """Spans go to the console, which forwards them; log records go where the user's settings say, with all of these."""
    own = {
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "x=y",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "5000",
    }
    with beside(tmp_path, own) as there:
        given = there.stage_environment()
    assert read_destination(given).endpoint.startswith("http://127.0.0.1:")
    assert read_destination(given).headers == {}
    logs = read_destination(given, Signal.LOGS)
    assert (logs.endpoint, logs.headers, logs.timeout_seconds) == ("https://collector:4318/v1/logs", {"x": "y"}, 5.0)
    with beside(tmp_path, {"OTEL_LOGS_EXPORTER": "otlp"}) as there:
        assert read_destination(there.stage_environment(), Signal.LOGS).endpoint.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"dash", "igraph"}, ""),
        ({"dash"}, "not installed: igraph; pip install 'web-service-simulator[console]'"),
        (set(), "not installed: dash and igraph; pip install 'web-service-simulator[console]'"),
    ],
)
def test_what_is_not_installed_is_named_with_how_to_get_it(there, said):
    """Nothing is imported to find that out."""
    found = console_missing(lambda name: name if name in there else None)
    assert found == (f"{said} (in a checkout '.[console]')" if said else "")
