"""Which series miss counts, and how many."""

from __future__ import annotations

from simulator.proof.backends.expectation.records import ExpectedCount
from simulator.proof.backends.held import HeldCount
from simulator.proof.backends.judging.counts import judge_counts, sample_remarks

NAME = "simulator_messages_total"
END = 1000.0


def expected(count, **labels):
    return ExpectedCount(name=NAME, labels={"stage": "page", **labels}, count=count)


def held(count, source="1", last=END + 1, **labels):
    return HeldCount(
        name=labels.pop("name", NAME),
        labels={"stage": "page", "role": "processor", "instance": source, **labels},
        source=source,
        count=count,
        last_unix_seconds=last,
    )


def findings(wanted, found):
    return [(one.name, one.examples) for one in judge_counts(wanted, found, END).findings]


def test_equal_counts_are_good_over_all_instances():
    """What several processes counted is added; series at zero, and metrics that are not compared, do not matter."""
    wanted = [expected(10, outcome="delivered"), expected(0, outcome="failed")]
    there = [held(4, "1", outcome="delivered"), held(6, "2", outcome="delivered"), held(0, outcome="rejected")]
    assert findings(wanted, [*there, held(5, name="simulator_message_bytes")]) == []


def test_each_way_to_be_wrong_has_a_name_and_the_figures():
    """Missing altogether, too few, a multiple, too many, and what never happened."""
    one = [expected(10, outcome="delivered")]
    shown = "simulator_messages_total{stage=page, outcome=delivered}"
    assert findings(one, []) == [("series missing", (f"{shown}: 0 for 10",))]
    assert findings(one, [held(9, outcome="delivered")]) == [("counts missing", (f"{shown}: 9 for 10",))]
    assert findings(one, [held(20, outcome="delivered")]) == [("counts doubled", (f"{shown}: 20 for 10",))]
    assert findings(one, [held(11, outcome="delivered")]) == [("counts too high", (f"{shown}: 11 for 10",))]
    assert findings([], [held(3, outcome="failed")])[0][0] == "counts too high"


def test_a_last_scrape_before_the_end_is_said():
    """What was counted after it was in no scrape: the processes had ended."""
    check = judge_counts([expected(10)], [held(8, last=END - 1.5)], END)
    assert "1.5 s before the end of the run" in check.findings[0].meaning
    assert "before the end" not in judge_counts([expected(10)], [held(8)], END).findings[0].meaning


def test_a_gap_between_samples_is_remarked_where_it_is_three_times_as_long_as_usual():
    """A single late scrape is none."""

    def with_gap(seconds):
        return HeldCount(name=NAME, labels={}, source="", count=1, gap_seconds=seconds, interval_seconds=1.0)

    assert sample_remarks([with_gap(2.5)]) == []
    [found] = sample_remarks([with_gap(4.0)])
    assert found == "1 of 1 series have no sample for up to 4.0 s, where they usually have one every 1.0 s"
