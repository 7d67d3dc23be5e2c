"""A rule or a panel can name exactly the series that a stage exports."""

from __future__ import annotations

import re

import pytest

from simulator.render.series import UnknownSeries, checked, stage_series
from simulator.telemetry.catalogue.metrics import DOWNSTREAM_OPERATION, OPERATION
from tests.support.processes import running_stage
from tests.support.wire import post


@pytest.mark.processes
def test_the_series_are_those_of_a_live_stage(tmp_path):
    """A live stage exports the known series, and no others, with the known labels but those of operations."""
    with running_stage(tmp_path, "--downstream", "http://127.0.0.1:9/", "--faults", "hang(1ms, 100%)") as stage:
        post(stage.port, b"hi")
        kinds = re.findall(r"^# TYPE ((?:simulator|http|db_client)_\w+) (\w+)$", stage.metrics(), re.MULTILINE)
        samples = stage.samples()
    exported = {
        f"{name}{suffix}"
        for name, kind in kinds
        for suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))
        if not name.endswith("_created")
    }
    assert exported == set(stage_series())
    labels = {name: {label for label, _ in found} for name, found in samples if name in exported}
    not_here = {"job", "instance", OPERATION, DOWNSTREAM_OPERATION}
    # This one calls no database, and answers when its work is done.
    elsewhere = ("db_client", "simulator_accepted_work")
    here = {name: known for name, known in stage_series().items() if not name.startswith(elsewhere)}
    assert labels == {name: known - not_here for name, known in here.items()}


def test_a_name_that_no_stage_has_is_refused_by_name():
    assert checked("sum(rate(simulator_messages_total[5m]))") == "sum(rate(simulator_messages_total[5m]))"
    for wrong in ("simulator_mesages_total", "simulator_messages", "http_server_request_duration_milliseconds_bucket"):
        with pytest.raises(UnknownSeries, match=wrong):
            checked(f"sum(rate({wrong}[5m])) / rate(simulator_messages_total[5m])")


@pytest.mark.parametrize(
    ("expression", "label"),
    [
        ('sum(rate(simulator_messages_total{result="failed"}[5m]))', "label result"),
        ('simulator_workers{stage=~"a|b", outcome!="ok"}', "label outcome"),
        ('simulator_messages_total{stage="{a=1}", state="x"}', "label state"),
        ("sum by (stage, tenant) (rate(simulator_messages_total[5m]))", "label tenant"),
    ],
)
def test_a_label_that_a_series_does_not_have_is_refused_by_name(expression, label):
    """Whether a series is selected by it or the result is grouped by it."""
    with pytest.raises(UnknownSeries, match=label):
        checked(expression)


def test_labels_that_series_have_are_fine():
    """Their own, those of every stage, a bucket's bound and those that Prometheus adds."""
    for good in (
        'sum by (stage, instance, outcome) (rate(simulator_messages_total{outcome=~"failed|faulted", role="x"}[5m]))',
        'http_server_request_duration_seconds_bucket{le="0.5",job="stages",http_route!~"/a{1}"}',
        "process_cpu_seconds_total * on (job, instance) group_left (stage) simulator_info",
        'stage:error_ratio:rate5m{stage="a"}',
    ):
        assert checked(good) == good
