"""The sections of the page have the figures that follow from the truth by hand."""

from __future__ import annotations

import contextlib

import pytest

from simulator.proof.report.due_time import due_time
from simulator.proof.report.headline import headline
from simulator.proof.report.latency_over_time import latency_over_time
from simulator.proof.report.offered_rate import offered_rate
from simulator.proof.report.percentile_curve import percentile_curve
from simulator.proof.report.requests import make_requests
from simulator.proof.report.run_span import RunSpan, run_span
from simulator.proof.report.slowest import slowest
from simulator.proof.report.time_spent import time_spent
from simulator.proof.report.went_wrong import went_wrong
from simulator.proof.truth.reading import open_truth
from tests.support.truths import write_truth

UNIX = 1_000_000


@contextlib.contextmanager
def tables_of(folder, visits=(), seconds=()):
    with open_truth(write_truth(folder / "run", visits, seconds)) as truth:
        make_requests(truth.connection)
        yield truth.connection


def request(number, at, took, lag=0.0, **more):
    """Return the visit of an injector: due at a time, sent `lag` later, answered `took` after it was due."""
    return {
        "stage": "injector",
        "message_id": f"m-{number}",
        "via": "schedule",
        "request": "shop",
        "outcome": "forwarded",
        "due_at": at,
        "received_at": at + lag,
        "received_unix_ns": int((UNIX + at - 100 + lag) * 1e9),
        "lag_seconds": lag,
        "duration_seconds": took - lag,
        "downstream_seconds": took - lag,
        "end_to_end_seconds": took,
        **more,
    }


def test_a_truth_without_messages_has_no_sections(tmp_path):
    """So the page of a run in which nothing was sent has its ledger, and no empty charts."""
    with tables_of(tmp_path) as tables:
        span = run_span(tables)
        assert span.seconds == 0.0
        found = [latency_over_time(tables, span), percentile_curve(tables), due_time(tables), time_spent(tables)]
        assert [*found, offered_rate(tables, span), went_wrong(tables), slowest(tables)] == [None] * 7
        assert headline(tables, {"seed": 7}, span)[0] == ("0", "requests")


def test_latency_counts_in_the_interval_in_which_a_message_was_due(tmp_path):
    """A message that was due in the first second and sent in the third is of the first."""
    visits = [request(1, 100.0, 0.010), request(2, 100.5, 2.2, lag=2.0), request(3, 105.0, 0.030)]
    with tables_of(tmp_path, visits) as tables:
        section = latency_over_time(tables, RunSpan(started_at=100.0, started_unix_seconds=UNIX, seconds=10.0))
    p50, p90, p99 = section.chart["data"]
    assert p50["x"] == [0, 1, 2, 3, 4, 5]
    assert p50["y"] == [pytest.approx(0.010), None, None, None, None, pytest.approx(0.030)]
    assert p90["y"][0] == pytest.approx(2.2)
    assert p99["y"][-1] == pytest.approx(0.030)


def test_percentiles_are_those_of_the_durations(tmp_path):
    """Of 1 to 1001 ms, p50 is 501 ms, p99 is 991 ms and p99.9 is 1 s; failed requests are not among them."""
    visits = [request(n, 100.0 + n / 100, n / 1000) for n in range(1, 1002)]
    visits.append(request(0, 200.0, 30.0, outcome="failed"))
    with tables_of(tmp_path, visits) as tables:
        section = percentile_curve(tables)
        figures = dict(reversed(pair) for pair in headline(tables, {"seed": 7}, run_span(tables)))
    assert section.tables[0].rows == [
        ("all requests", "1,001", "501ms", "901ms", "951ms", "991ms", "1.00s", "1.00s"),
    ]
    assert section.chart["data"][0]["x"][-1] == pytest.approx(1000)
    assert section.chart["data"][0]["y"][-1] == pytest.approx(1.0)
    assert (figures["p50"], figures["p99"], figures["not good"]) == ("501ms", "991ms", "0.1 %")


def test_a_stall_is_hidden_from_a_client_that_waits(tmp_path):
    """100/s for 20 s, each answered in 9 ms, but for a second of stall: p99 is 800 ms, and the client reads 9 ms.

    Of 2000 messages 100 wait 1.009 s down to 0.019 s. The 20 slowest of all are the first 20 of these, so p99 is about
    1.009 - 0.2 s. A client with one connection has measured one of them.
    """
    visits = [
        request(n, at := 100 + n / 100, 0.009 + (111.0 - at if 1000 <= n < 1100 else 0.0), stage="injector")
        for n in range(2000)
    ]
    with tables_of(tmp_path, visits) as tables:
        section = due_time(tables)
    honest, sent, waiting = section.tables[0].rows
    assert honest[4] == sent[4] == "809ms"
    assert waiting[0] == "by a client that waits, on one connection" and waiting[4] == "9.00ms"
    assert "would have reported a p99 of 9.00ms. It was 809ms" in section.says[0]


def test_lateness_of_the_sending_is_in_the_honest_figure_alone(tmp_path):
    with tables_of(tmp_path, [request(n, 100.0 + n, 0.5, lag=0.4) for n in range(10)]) as tables:
        honest, sent, _ = due_time(tables).tables[0].rows
    assert (honest[2], sent[2]) == ("500ms", "100ms")


def test_what_was_due_sent_and_missed_is_told_by_second(tmp_path):
    visits = [request(n, 100.0 + n / 10, 0.01) for n in range(18)]
    seconds = [{"second": UNIX, "due": 10}, {"second": UNIX + 1, "due": 10, "missed": 2, "max_lag_seconds": 0.3}]
    with tables_of(tmp_path, visits, seconds) as tables:
        section = offered_rate(tables, run_span(tables))
    due, sent, _, missed = section.chart["data"]
    assert (due["y"], sent["y"], missed["y"]) == ([10, 10], [10, 8], [0, 2])
    assert section.tables[0].rows == [("injector", "20", "18", "2", "90 %", "0", "0", "300ms")]
    assert section.tables[0].marked == {0}


def test_the_parts_of_a_visit_add_up(tmp_path):
    """Queue, delay, overhead, faults and downstream are averages whose sum is the mean duration."""
    parts = {"queue_wait_seconds": 0.02, "delay_drawn_seconds": 0.03, "overhead_seconds": 0.004}
    parts |= {"fault_seconds": 0.1, "downstream_seconds": 0.05, "step_delay_seconds": 0.01, "reading_seconds": 0.001}
    visits = [
        {"stage": "shop", "message_id": "m-1", "duration_seconds": sum(parts.values()), **parts},
        {"stage": "shop", "message_id": "m-2", "queue_wait_seconds": None, "outcome": "rejected"},
    ]
    with tables_of(tmp_path, visits) as tables:
        section = time_spent(tables)
    assert [curve["x"][0] for curve in section.chart["data"]] == pytest.approx([10, 20, 2.5, 50, 25])
    assert sum(curve["x"][0] for curve in section.chart["data"]) == pytest.approx(1000 * sum(parts.values()) / 2)
    assert section.tables[0].rows[0][:3] == ("shop", "2", "50 %")


def test_a_waterfall_has_each_visit_below_its_caller(tmp_path):
    """With its bar from its arrival, in percent from the due time, and how it ended where that is not good."""
    called = {"downstream": "shop", "called_visit": "1"}
    calls = [
        {"downstream": "shop", "attempts": [{**called, "number": 1}, {**called, "number": 2, "called_visit": "2"}]}
    ]
    visits = [
        request(1, 100.0, 1.0, lag=0.1, calls=calls, visit="0"),
        {"visit": "2", "received_at": 100.6, "duration_seconds": 0.4, "queue_wait_seconds": 0.1},
        {"visit": "1", "received_at": 100.2, "duration_seconds": 0.2, "outcome": "failed", "error": "<b>gone</b>"},
    ]
    visits[1]["processed_seconds"] = 0.3
    with tables_of(tmp_path, visits) as tables:
        (picture,) = slowest(tables).pictures
    root, first, second = picture.bars
    assert picture.title == "1.00s for shop" and "sent 100ms late" in picture.about
    assert (root.depth, root.left, root.width) == (0, 10.0, 90.0)
    assert (first.depth, first.left, first.width, first.wrong) == (1, 20.0, 20.0, "failed: <b>gone</b>")
    assert (second.left, second.width, second.wrong) == (60.0, 40.0, "")
    assert [(part.kind, part.left, part.width) for part in second.segments] == [
        ("queue", 60.0, 10.0),
        ("processing", 70.0, 20.0),
    ]


def test_errors_are_counted_by_stage_and_text(tmp_path):
    failed = {"outcome": "failed", "error": "no\x1b[31m answer"}
    visits = [request(1, 100.0, 1.0), request(2, 101.0, 1.0, **failed), {**failed, "message_id": "m-2"}]
    with tables_of(tmp_path, visits) as tables:
        ended, errors = went_wrong(tables).tables
    assert ended.rows == [("failed", "1", "50 %"), ("forwarded", "1", "50 %")]
    assert ("shop", "failed", "no\\x1b[31m answer", "1") in errors.rows


@pytest.mark.parametrize(
    ("seconds", "interval"),
    [(0.0, 0.01), (5.0, 0.5), (20.0, 1), (120.0, 1), (121.0, 2), (86_400.0, 900), (1e7, 86_400)],
)
def test_a_run_has_no_more_intervals_than_a_chart_can_show(seconds, interval):
    span = RunSpan(started_at=0.0, started_unix_seconds=0.0, seconds=seconds)
    assert span.interval_seconds == interval
    assert 1 <= span.intervals <= 120
