"""What of a soak is broken: growth of memory, threads or sockets, a loss, or a load that was not reached."""

from __future__ import annotations

import pytest

from benchmarks.measure import PIPELINE_SPANS
from benchmarks.processes import Footprint
from benchmarks.soak import Sample, Sums, broken_bounds, summary

SUMS = Sums(seconds=600.0, due=60_000, answered=60_000, spans=60_000 * PIPELINE_SPANS)


def samples(growth_mib=0.0, threads=(4, 4), sockets=(20, 20), count=120):
    """Return samples of a stage, one every five seconds; threads and sockets are those of the halves."""
    return {
        "middle": [
            Sample(
                at_seconds=5.0 * number,
                held=Footprint(
                    resident_bytes=int(60e6 + growth_mib * 2**20 * 5 * number / 60),
                    threads=threads[number >= count // 2],
                    sockets=sockets[number >= count // 2],
                ),
            )
            for number in range(count)
        ]
    }


def test_what_stays_is_good():
    """A little growth, one thread and a few sockets more break nothing."""
    found = samples(growth_mib=0.9, threads=(4, 5), sockets=(20, 28))
    assert broken_bounds(found, SUMS) == []
    assert "+0.90 MiB/min" in summary(found, SUMS)[1]
    assert summary(found, SUMS)[-1] == "60,000 messages answered in 600 s, 0 spans lost"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (samples(growth_mib=1.1), "middle: memory grew by 1.10 MiB a minute; the bound is 1"),
        (samples(threads=(4, 6)), "middle: 6 threads after 4; the bound is one more"),
        (samples(sockets=(20, 29)), "middle: 29 sockets after 20; the bound is 8 more"),
    ],
)
def test_each_growth_is_told(found, said):
    assert broken_bounds(found, SUMS) == [said]


@pytest.mark.parametrize(
    ("sums", "said"),
    [
        (Sums(**{**vars(SUMS), "spans": SUMS.spans - 1}), "of 300,000 spans 299,999 reached the collector"),
        (
            Sums(seconds=600.0, due=60_000, answered=50_000, spans=50_000 * PIPELINE_SPANS),
            "the load: 50,000 of 60,000 messages that were due; is the machine busy?",
        ),
    ],
)
def test_a_loss_is_told(sums, said):
    assert broken_bounds(samples(), sums) == [said]


def test_too_few_samples_judge_no_growth():
    """Nor is there a figure of it."""
    found = samples(growth_mib=50.0, count=4)
    assert broken_bounds(found, SUMS) == []
    assert "too few samples" in summary(found, SUMS)[1]
