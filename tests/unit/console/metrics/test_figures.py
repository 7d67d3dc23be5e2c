"""The figures of a stage, over all its instances."""

import math
from dataclasses import replace

import pytest

from simulator.console.metrics.figures import CallFigures, OperationFigures, StageFigures, stage_figures
from simulator.console.metrics.history import History
from simulator.telemetry.standing import OperationSnapshot, StageSnapshot
from tests.support.series import key

MESSAGES = "simulator_messages_total"
CALLS = "simulator_downstream_call_duration_seconds_count"


def reading(outcomes=None, calls=None, gauges=None, delay="constant(1s)", missed=0):
    """Return what a process counted; `calls` are {(downstream, outcome): how many}."""
    samples = {key("simulator_info", delay=delay): 1.0, key("simulator_injector_missed_total"): float(missed)}
    for outcome, count in (outcomes or {}).items():
        samples[key("simulator_messages_total", outcome=outcome)] = float(count)
    for (downstream, outcome), count in (calls or {}).items():
        samples[key(CALLS, downstream=downstream, outcome=outcome)] = float(count)
    return samples | {key(f"simulator_{name}"): float(value) for name, value in (gauges or {}).items()}


def history(*readings, step=2.0):
    found = History()
    for number, samples in enumerate(readings):
        found.record(number * step, samples)
    return found


def standing(p50, p99):
    return StageSnapshot(
        rate_per_second=1.0,
        p50_seconds=p50,
        p95_seconds=p99,
        p99_seconds=p99,
        in_flight=0,
        queue_depth=0,
        outcomes={},
    )


def test_outcomes_and_errors_are_those_of_the_window():
    """Messages per second by outcome; rejected, faulted and failed ones are errors, invalid ones the client's own."""
    before = {"forwarded": 1000, "delivered": 0, "rejected": 500, "invalid": 0, "faulted": 0, "failed": 0}
    after = {"forwarded": 1012, "delivered": 0, "rejected": 501, "invalid": 4, "faulted": 2, "failed": 1}
    figures = stage_figures([history(reading(before), reading(after))], standing(math.nan, math.nan))
    assert figures.outcomes == {
        "forwarded": 6.0, "delivered": 0.0, "rejected": 0.5, "invalid": 2.0, "faulted": 1.0, "failed": 0.5,
        "broken_off": 0.0,
    }  # fmt: skip
    assert figures.rate_per_second == 10
    assert figures.error_ratio == pytest.approx(0.2)


def test_operations_have_figures_of_their_own():
    """Rates and errors are those of the counters with its label; the stage has those of all."""

    def samples(read, add, failed):
        counts = {("read", "forwarded"): read, ("add", "forwarded"): add, ("add", "failed"): failed}
        return {key(MESSAGES, operation=one, outcome=outcome): float(n) for (one, outcome), n in counts.items()}

    one = OperationSnapshot(
        rate_per_second=9.0, p50_seconds=0.1, p95_seconds=0.2, p99_seconds=0.3, in_flight=0, outcomes={}
    )
    shown = replace(standing(math.nan, math.nan), operations={"read": one, "add": one})
    figures = stage_figures([history(samples(0, 0, 0), samples(20, 6, 2))], shown)
    assert figures.rate_per_second == 14
    assert figures.operations == {
        "read": OperationFigures(rate_per_second=10.0, p50_seconds=0.1, p99_seconds=0.3, error_ratio=0.0),
        "add": OperationFigures(rate_per_second=4.0, p50_seconds=0.1, p99_seconds=0.3, error_ratio=0.25),
    }


def test_instances_are_added_up():
    """Rates, workers and queues of a stage are those of all its instances that answer."""
    gauges = {"in_flight": 2, "workers": 8, "workers_busy": 3, "queue_depth": 5, "queue_capacity": 64}
    first = history(reading({"forwarded": 0}, gauges=gauges), reading({"forwarded": 20}, gauges=gauges))
    second = history(reading({"forwarded": 0}, gauges=gauges), reading({"forwarded": 4}, gauges=gauges))
    figures = stage_figures([first, second], standing(math.nan, math.nan))
    assert (figures.instances, figures.up, figures.rate_per_second) == (2, 2, 12)
    assert (figures.in_flight, figures.workers, figures.workers_busy) == (4, 16, 6)
    assert (figures.queue_depth, figures.queue_capacity) == (10, 128)


def test_an_instance_that_is_gone_counts_only_as_down():
    """The last figures of an instance that does not answer are dropped, but its configuration is still known."""
    gone = history(reading({"forwarded": 0}, gauges={"workers": 8}), reading({"forwarded": 9}, gauges={"workers": 8}))
    gone.mark_down("nothing is listening there")
    alive = history(reading({"forwarded": 0}, gauges={"workers": 8}), reading({"forwarded": 2}, gauges={"workers": 8}))
    figures = stage_figures([gone, alive], standing(math.nan, math.nan))
    assert (figures.instances, figures.up, figures.rate_per_second, figures.workers) == (2, 1, 1, 8)
    dead = stage_figures([gone], standing(math.nan, math.nan))
    assert (dead.up, dead.workers, dead.delay) == (0, 0, "constant(1s)")
    assert math.isnan(dead.rate_per_second) and math.isnan(dead.error_ratio)


def test_why_an_instance_does_not_answer_is_reported():
    """It is the reason of the first that does not; if all answer there is none, even if one was down before."""
    first, second, third = (history(reading({"forwarded": 0})) for _ in range(3))
    assert stage_figures([first, second, third], standing(math.nan, math.nan)).why_down == ""
    third.mark_down("HTTP status 503")
    assert stage_figures([first, second, third], standing(math.nan, math.nan)).why_down == "HTTP status 503"
    second.mark_down("nothing is listening there")
    assert stage_figures([first, second, third], standing(math.nan, math.nan)).why_down == "nothing is listening there"
    for each in (second, third):
        each.record(2.0, reading({"forwarded": 1}))
    assert stage_figures([first, second, third], standing(math.nan, math.nan)).why_down == ""


def test_at_first_nothing_is_known():
    """Before the first reading everything is unknown, and no instance counts as down."""
    figures = stage_figures([History()], standing(math.nan, math.nan))
    assert (figures.instances, figures.up, figures.calls, figures.delay) == (1, 1, {}, "")
    assert math.isnan(figures.rate_per_second) and math.isnan(figures.p50_seconds)
    assert (figures.missed_per_second, figures.queue_capacity) == (0, 0)


def test_an_idle_stage_has_a_rate_of_0_and_no_share_of_errors():
    """Where nothing was handled there is no share of it."""
    figures = stage_figures(
        [history(*[reading({"forwarded": 7}, {("enrich", "ok"): 7})] * 2)], standing(math.nan, math.nan)
    )
    assert figures.rate_per_second == 0
    assert math.isnan(figures.error_ratio)
    assert figures.calls["enrich"].rate_per_second == 0
    assert math.isnan(figures.calls["enrich"].error_ratio)


def test_percentiles_are_those_of_the_tally():
    """The tally's percentiles are right to 1 %, so they are the ones that are shown."""
    figures = stage_figures([history(reading())], standing(0.0123, 0.0801))
    assert (figures.p50_seconds, figures.p99_seconds) == (0.0123, 0.0801)


def test_calls_are_by_the_called_stage():
    """Each call has its rate, and the share that failed."""
    before = {("enrich", "ok"): 0, ("audit", "ok"): 0}
    after = {("enrich", "ok"): 15, ("enrich", "timeout"): 5, ("audit", "ok"): 2}
    calls = stage_figures([history(reading(calls=before), reading(calls=after))], standing(math.nan, math.nan)).calls
    assert calls == {"enrich": CallFigures(10.0, 0.25), "audit": CallFigures(1.0, 0.0)}


def test_missed_messages_and_the_delay():
    """What the schedule missed per second, and the delay as it is configured now."""
    figures = stage_figures(
        [history(reading(missed=0), reading(missed=3, delay="uniform(1ms, 2ms)"))], standing(math.nan, math.nan)
    )
    assert (figures.missed_per_second, figures.delay) == (1.5, "uniform(1ms, 2ms)")


def test_the_window_may_be_chosen():
    """A shorter window covers only the last moments."""
    readings = [reading({"forwarded": count}) for count in (0, 100, 110, 120)]
    assert stage_figures([history(*readings)], standing(math.nan, math.nan), window_seconds=2.0).rate_per_second == 5
    assert stage_figures([history(*readings)], standing(math.nan, math.nan), window_seconds=60.0).rate_per_second == 20


def test_default_figures_are_unknown():
    """Default figures are those of one process without any known problem."""
    assert (StageFigures().instances, StageFigures().up) == (1, 1)
    assert math.isnan(StageFigures().rate_per_second)
