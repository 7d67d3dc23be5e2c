"""A rule or a panel can name exactly the series that a stage exports."""

from __future__ import annotations

import re

import pytest

from simulator.render.series import UnknownSeries, checked, stage_series
from tests.support.processes import running_stage
from tests.support.wire import post


@pytest.mark.processes
def test_the_series_are_those_of_a_live_stage(tmp_path):
    """A live stage exports the known series, and no others."""
    with running_stage(tmp_path, "--downstream", "http://127.0.0.1:9/") as stage:
        post(stage.port, b"hi")
        kinds = re.findall(r"^# TYPE ((?:simulator|http_server)_\w+) (\w+)$", stage.metrics(), re.MULTILINE)
    exported = {
        f"{name}{suffix}"
        for name, kind in kinds
        for suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))
        if not name.endswith("_created")
    }
    assert exported == stage_series()


def test_a_name_that_no_stage_has_is_refused_by_name():
    assert checked("sum(rate(simulator_messages_total[5m]))") == "sum(rate(simulator_messages_total[5m]))"
    for wrong in ("simulator_mesages_total", "simulator_messages", "http_server_request_duration_milliseconds_bucket"):
        with pytest.raises(UnknownSeries, match=wrong):
            checked(f"sum(rate({wrong}[5m])) / rate(simulator_messages_total[5m])")
