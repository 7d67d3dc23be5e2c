"""OTEL_BSP_* say how spans are gathered."""

from __future__ import annotations

import pytest

from simulator.telemetry.batching import Batching, read_batching

QUEUE, BATCH, DELAY = "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY"


@pytest.mark.parametrize(
    ("environment", "batching"),
    [
        ({}, Batching(queue_spans=8192, batch_spans=128, every_millis=500)),
        ({QUEUE: "", BATCH: " ", DELAY: ""}, Batching()),
        ({QUEUE: "2048", BATCH: "512", DELAY: "5000"}, Batching(queue_spans=2048, batch_spans=512, every_millis=5000)),
        ({QUEUE: "64"}, Batching(queue_spans=64, batch_spans=64)),
        ({BATCH: "9000"}, Batching(queue_spans=9000, batch_spans=9000)),
        ({QUEUE: "1", BATCH: "1", DELAY: "1"}, Batching(queue_spans=1, batch_spans=1, every_millis=1)),
    ],
)
def test_what_is_set_counts(environment, batching):
    """A size that is set is the one that is used; the other gives way to it where it is not set itself."""
    assert read_batching(environment) == batching


@pytest.mark.parametrize("variable", [QUEUE, BATCH, DELAY])
@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "1000001", "9" * 5000, "1_000", "١٢"])
def test_what_is_no_size_is_refused(variable, text):
    """What is no whole number in its range is refused, by the name of its variable, in one short line."""
    with pytest.raises(ValueError, match=variable) as refusal:
        read_batching({variable: text})
    assert len(str(refusal.value)) < 200


def test_a_batch_larger_than_the_queue_is_refused():
    """No batch can have more spans than may wait."""
    with pytest.raises(ValueError, match=f"{BATCH}=100 must not exceed {QUEUE}=99"):
        read_batching({QUEUE: "99", BATCH: "100"})
