"""OTEL_BSP_* say how spans are gathered."""

from __future__ import annotations

import pytest

from simulator.telemetry.batching import LOGS_PREFIX, Batching, read_batching

QUEUE, BATCH, DELAY = "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY"


@pytest.mark.parametrize(
    ("environment", "batching"),
    [
        ({}, Batching(queue_items=8192, batch_items=128, every_millis=500)),
        ({QUEUE: "", BATCH: " ", DELAY: ""}, Batching()),
        ({QUEUE: "2048", BATCH: "512", DELAY: "5000"}, Batching(queue_items=2048, batch_items=512, every_millis=5000)),
        ({QUEUE: "64"}, Batching(queue_items=64, batch_items=64)),
        ({BATCH: "9000"}, Batching(queue_items=9000, batch_items=9000)),
        ({QUEUE: "1", BATCH: "1", DELAY: "1"}, Batching(queue_items=1, batch_items=1, every_millis=1)),
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


def test_log_records_have_variables_of_their_own():
    """OTEL_BLRP_* say it for log records, and OTEL_BSP_* do not."""
    environment = {"OTEL_BLRP_MAX_QUEUE_SIZE": "64", "OTEL_BLRP_SCHEDULE_DELAY": "70", BATCH: "3"}
    assert read_batching(environment, LOGS_PREFIX) == Batching(queue_items=64, batch_items=64, every_millis=70)
    with pytest.raises(ValueError, match="OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"):
        read_batching({"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "0"}, LOGS_PREFIX)
