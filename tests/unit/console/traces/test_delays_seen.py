"""The delays in the stages' spans."""

from __future__ import annotations

import tracemalloc

import pytest

from simulator.console.traces.delays_seen import DelaySample, DelaysSeen, may_have_delay
from tests.support.otlp import MS, START, span

SPEC = "uniform(5ms, 40ms)"


def handled(drawn=0.02, spec=SPEC, took=0.025, at_ms=0.0, ms=30.0, **others):
    """Return the span in which a message is handled."""
    attributes = {
        "simulator.delay.drawn_seconds": drawn,
        "simulator.delay.spec": spec,
        "simulator.processing_seconds": took,
    }
    return span(at_ms=at_ms, ms=ms, attributes={**attributes, **others})


def test_a_delay_is_what_was_drawn_and_what_it_took():
    """A sample has the span's end, the configured distribution, the drawn delay and the time that the stage took."""
    delays = DelaysSeen()
    delays.take(handled(), "enrich")
    assert delays.samples("enrich", SPEC) == [DelaySample((START + 30 * MS) / 1e9, SPEC, 0.02, 0.025)]


def test_a_delay_of_nothing_counts_too():
    """A stage without anything to process has no span for it, and is as it was configured."""
    delays = DelaysSeen()
    delays.take(handled(drawn=0.0, spec="constant(0s)", took=0.001), "enrich")
    assert [sample.drawn_seconds for sample in delays.samples("enrich", "constant(0s)")] == [0.0]


@pytest.mark.parametrize("name", ["process", "delay"])
def test_a_delay_counts_once(name):
    """The spans inside that show where a delay was do not count again."""
    inside = {"simulator.delay.drawn_seconds": 0.02, "simulator.delay.spec": SPEC}
    delays = DelaysSeen()
    for sent in (span(name=name, kind="internal", attributes=inside), handled()):
        assert may_have_delay(sent.SerializeToString()) is (sent.name != name)
        delays.take(sent, "enrich")
    assert len(delays.samples("enrich", SPEC)) == 1


def test_services_and_configurations_are_apart():
    """A service has only its own delays, and those of one configuration only."""
    delays = DelaysSeen()
    delays.take(handled(0.01), "enrich")
    delays.take(handled(0.02), "parse")
    delays.take(handled(0.03, "constant(30ms)"), "enrich")
    assert [sample.drawn_seconds for sample in delays.samples("enrich", SPEC)] == [0.01]
    assert [sample.drawn_seconds for sample in delays.samples("enrich", "constant(30ms)")] == [0.03]
    assert delays.samples("archive", SPEC) == []


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_the_latest_stay(count):
    """Of more than there is room for the latest are kept, in their order."""
    delays = DelaysSeen(max_samples=3)
    for number in range(count):
        delays.take(handled(float(number)), "enrich")
    kept = [sample.drawn_seconds for sample in delays.samples("enrich", SPEC)]
    assert kept == [float(number) for number in range(count)][-3:]


def test_the_least_recently_seen_configuration_is_dropped():
    """Of more services and configurations than there is room for, the ones in use stay."""
    delays = DelaysSeen(max_series=2)
    for service in ("a", "b", "a", "c"):
        delays.take(handled(), service)
    assert [len(delays.samples(service, SPEC)) for service in "abc"] == [2, 0, 1]


@pytest.mark.parametrize(
    "sent",
    [
        span(),
        handled(took=-1.0),
        handled(took=float("nan")),
        handled(took=float("inf")),
        handled(drawn=-1.0),
        handled(drawn=float("nan")),
        handled(drawn=float("inf")),
        handled(spec=""),
        handled(spec="x" * 1001),
        span(attributes={"simulator.delay.spec": SPEC, "simulator.processing_seconds": 0.1}),
    ],
)
def test_a_span_without_a_valid_delay_is_left_out(sent):
    """A span without a drawn delay or its configuration, or with an impossible one, gives no sample."""
    delays = DelaysSeen()
    delays.take(sent, "enrich")
    assert delays.samples("enrich", SPEC) == delays.samples("enrich", "") == delays.samples("enrich", "x" * 1001) == []


def test_memory_is_bounded():
    """Whatever services and configurations are sent, ten full series of 500 take a 120th of 15 MB."""
    tracemalloc.start()
    try:
        delays = DelaysSeen(max_samples=500, max_series=10)
        for number in range(14):
            sent = handled(spec=f"constant({number}ms)")
            for _ in range(525):
                delays.take(sent, f"service-{number}")
        assert tracemalloc.get_traced_memory()[0] < 150_000
    finally:
        tracemalloc.stop()


def test_operations_are_kept_apart():
    """Each has its own samples, and the configuration of its latest span."""
    delays = DelaysSeen()
    for operation, drawn, spec in (("read", 0.01, SPEC), ("read", 1.0, "constant(1s)"), ("add", 0.02, SPEC)):
        delays.take(handled(drawn, spec, **{"simulator.operation": operation}), "cart")
    assert [sample.drawn_seconds for sample in delays.samples("cart", SPEC, "read")] == [0.01]
    assert [sample.drawn_seconds for sample in delays.samples("cart", SPEC, "add")] == [0.02]
    assert delays.samples("cart", SPEC) == []
    latest = [delays.latest_spec("cart", operation) for operation in ("read", "add", "drop", "")]
    assert latest == ["constant(1s)", SPEC, "", ""]
