"""The evaluation of the console benchmark's samples."""

from __future__ import annotations

import pytest

from benchmarks.console import (
    MEMORY_BOUND_MIB,
    Sample,
    broken_bounds,
    growth_mib_per_minute,
    row_of,
    verdict,
)
from benchmarks.console_pages import VIEWS, Held, read_held
from benchmarks.errors import BenchmarkFailed

SPANS_PER_SECOND = 1000


def samples(cpu_ratio=0.05, start_mib=90.0, growth=0.0, seconds=600, evicted_from=100.0, load_ratio=1.0):
    """Return samples, one every five seconds; `growth` is in MiB a minute."""
    return [
        Sample(
            at_seconds=float(at),
            cpu_seconds=cpu_ratio * at,
            resident_mib=start_mib + growth * at / 60,
            requests=2 * at,
            view=VIEWS[0],
            held=Held(8000, int(load_ratio * SPANS_PER_SECOND * at), 1000 if at >= evicted_from else 0),
        )
        for at in range(0, seconds + 1, 5)
    ]


def rows(found):
    return [row_of([s for s in found if start <= s.at_seconds <= start + 60], 1) for start in range(0, 600, 60)]


def broken(found):
    return broken_bounds(found, rows(found), 100)


def test_a_row_has_the_shares_and_rates_of_its_minute():
    """CPU and rates are differences over the time between; memory is the maximum."""
    found = samples(cpu_ratio=0.05, growth=6.0, seconds=60)
    row = row_of(found, 3)
    assert (row.minute, row.view) == (3, "/")
    assert row.cpu_ratio == pytest.approx(0.05)
    assert row.resident_mib == pytest.approx(96.0)
    assert row.spans_per_second == pytest.approx(SPANS_PER_SECOND)
    assert row.requests_per_second == pytest.approx(2.0)
    assert row.cells() == ("3", "/", "5.0", "96.0", "8,000", "0", "1,000", "2.0")


def test_samples_within_all_bounds_are_good():
    """Steady memory and little CPU at the full load break nothing."""
    assert broken(samples()) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cpu_ratio": 0.15}, "15.0 % of a core"),
        ({"start_mib": MEMORY_BOUND_MIB + 0.1}, "memory: "),
        ({"growth": 1.1}, "memory grew by 1.10 MiB a minute"),
        ({"load_ratio": 0.89}, "the load: 890 spans a second received, 900 expected"),
    ],
)
def test_each_bound_can_be_broken(changed, said):
    """A minute of 15 % CPU, more memory than the bound, growth and a load that was not reached are each named."""
    found = broken(samples(**changed))
    assert found and all(said in line for line in found)


def test_one_minute_of_much_cpu_is_enough():
    """Each minute must keep the bound: an expensive view is not compensated by the others."""
    found = samples()
    dear = [s if s.at_seconds < 60 else Sample(**{**vars(s), "cpu_seconds": s.cpu_seconds + 7}) for s in found]
    [line] = broken(dear)
    assert line.startswith("minute 1 (/): 16.7 %")


def test_the_growth_is_that_of_the_second_half():
    """Memory that grows while the store fills does not count, nor does an answer that took much for a moment."""
    found = samples()
    filling = [
        Sample(**{**vars(s), "resident_mib": min(150.0, 90.0 + s.at_seconds / 4) + (30 if s.at_seconds == 400 else 0)})
        for s in found
    ]
    assert growth_mib_per_minute(filling) == pytest.approx(0.0)
    assert growth_mib_per_minute(samples(growth=0.7)) == pytest.approx(0.7)


def test_growth_is_not_judged_before_the_store_is_full():
    """If nothing was evicted by the second half, memory has to grow."""
    found = samples(growth=20.0, seconds=60)
    assert growth_mib_per_minute(found) is None
    assert "not judged" in verdict(found, [row_of(found, 1)])[2]


def test_the_words_of_the_page_are_read():
    """The page's status has traces, spans and evicted traces; any other text is a failure, not a zero."""
    assert read_held("8,535 traces, 160,000 spans", "made room: 3,518 older traces") == Held(8535, 160000, 3518)
    assert read_held("1 trace, 1 span", "made room: 1 older trace") == Held(1, 1, 1)
    assert read_held("0 traces, 0 spans", "all received spans are here") == Held(0, 0, 0)
    with pytest.raises(BenchmarkFailed, match="'no traces'"):
        read_held("no traces", "")
