"""The delays in the stages' spans."""

from __future__ import annotations

import math
import tracemalloc

import pytest

from simulator.console.traces.delays_seen import DelaySample, DelaysSeen
from tests.support.otlp import MS, START, span

SPEC = "uniform(5ms, 40ms)"


def process(drawn=0.02, spec=SPEC, at_ms=0.0, ms=25.0, **others):
    attributes = {"simulator.delay.drawn_seconds": drawn, "simulator.delay.spec": spec, **others}
    return span(name="process", kind="internal", at_ms=at_ms, ms=ms, attributes=attributes)


def test_a_delay_is_what_was_drawn_and_what_it_took():
    """A sample has the span's end, the configured distribution, the drawn delay and the time that passed."""
    delays = DelaysSeen()
    delays.take(process(), "enrich")
    assert delays.samples("enrich", SPEC) == [DelaySample((START + 25 * MS) / 1e9, SPEC, 0.02, 0.025)]


@pytest.mark.parametrize(("said", "took"), [(0.0206, 0.0206), (-1.0, 0.025), (math.inf, 0.025), (math.nan, 0.025)])
def test_what_the_processing_took_is_what_the_span_says(said, took):
    """The span of the processing leaves out what came before and after it, and says how long it was with that."""
    delays, sent = DelaysSeen(), process()
    sent.attributes.add(key="simulator.processing_seconds").value.double_value = said
    delays.take(sent, "enrich")
    assert delays.samples("enrich", SPEC)[0].took_seconds == took


def test_services_and_configurations_are_apart():
    """A service has only its own delays, and those of one configuration only."""
    delays = DelaysSeen()
    delays.take(process(0.01), "enrich")
    delays.take(process(0.02), "parse")
    delays.take(process(0.03, "constant(30ms)"), "enrich")
    assert [sample.drawn_seconds for sample in delays.samples("enrich", SPEC)] == [0.01]
    assert [sample.drawn_seconds for sample in delays.samples("enrich", "constant(30ms)")] == [0.03]
    assert delays.samples("archive", SPEC) == []


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_the_latest_stay(count):
    """Of more than there is room for the latest are kept, in their order."""
    delays = DelaysSeen(max_samples=3)
    for number in range(count):
        delays.take(process(float(number)), "enrich")
    kept = [sample.drawn_seconds for sample in delays.samples("enrich", SPEC)]
    assert kept == [float(number) for number in range(count)][-3:]


def test_the_least_recently_seen_configuration_is_dropped():
    """Of more services and configurations than there is room for, the ones in use stay."""
    delays = DelaysSeen(max_series=2)
    for service in ("a", "b", "a", "c"):
        delays.take(process(), service)
    assert [len(delays.samples(service, SPEC)) for service in "abc"] == [2, 0, 1]


@pytest.mark.parametrize(
    "sent",
    [
        span(name="process"),
        process(drawn=-1.0),
        process(drawn=float("nan")),
        process(drawn=float("inf")),
        process(spec=""),
        process(spec="x" * 1001),
        span(name="process", attributes={"simulator.delay.spec": SPEC}),
    ],
)
def test_a_span_without_a_valid_delay_is_left_out(sent):
    """A span without a drawn delay or its configuration, or with an impossible one, gives no sample."""
    delays = DelaysSeen()
    delays.take(sent, "enrich")
    assert delays.samples("enrich", SPEC) == delays.samples("enrich", "") == delays.samples("enrich", "x" * 1001) == []


def test_a_processing_that_ends_before_it_starts_took_no_time():
    """Clocks that were set back give a time of 0, not a negative one."""
    delays = DelaysSeen()
    delays.take(process(ms=-3.0), "enrich")
    assert delays.samples("enrich", SPEC)[0].took_seconds == 0.0


def test_memory_is_bounded():
    """Whatever services and configurations are sent, ten full series of 500 take a 120th of 15 MB."""
    tracemalloc.start()
    try:
        delays = DelaysSeen(max_samples=500, max_series=10)
        for number in range(14):
            sent = process(spec=f"constant({number}ms)")
            for _ in range(525):
                delays.take(sent, f"service-{number}")
        assert tracemalloc.get_traced_memory()[0] < 150_000
    finally:
        tracemalloc.stop()


def test_operations_are_kept_apart():
    """Each has its own samples, and the configuration of its latest span."""
    delays = DelaysSeen()
    for operation, drawn, spec in (("read", 0.01, SPEC), ("read", 1.0, "constant(1s)"), ("add", 0.02, SPEC)):
        delays.take(process(drawn, spec, **{"simulator.operation": operation}), "cart")
    assert [sample.drawn_seconds for sample in delays.samples("cart", SPEC, "read")] == [0.01]
    assert [sample.drawn_seconds for sample in delays.samples("cart", SPEC, "add")] == [0.02]
    assert delays.samples("cart", SPEC) == []
    latest = [delays.latest_spec("cart", operation) for operation in ("read", "add", "drop", "")]
    assert latest == ["constant(1s)", SPEC, "", ""]
