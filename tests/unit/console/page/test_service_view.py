"""The view of an external service: its figures, its own metrics, and its last log lines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.logs.store import LogStore
from simulator.console.page.card import own_text
from simulator.console.page.reported_panel import reported_metrics
from simulator.console.page.stage_answers import StageAnswers
from simulator.console.reported.figures import metric_rows
from simulator.console.reported.store import ReportedMetrics
from tests.support.components import assert_harmless, by_id, ids, text_of, texts
from tests.support.consoled import answers_for
from tests.support.fake_time import UNIX_START
from tests.support.metric_points import REQUESTS, counter, gauge, histogram, metrics_request
from tests.support.otlp import START, log_record, logs_request, request, span
from tests.support.watched import watched

SCRIPT = '"><script>alert(1)</script>'
NOW_MS = (UNIX_START * 10**9 - START) / 1e6


@pytest.fixture
def run(tmp_path):
    """Return a run beside which a bank sends everything, and a shop only metrics and logs."""
    run = watched(tmp_path)
    run.store.add(request(bank=[span(1, 1, at_ms=NOW_MS, ms=20)]))
    for service in ("bank", "shop"):
        metrics = histogram((0, 60, 0), 60, total=12.0), counter("orders", 120, 60), gauge("cpu", 0.5)
        run.watching.take_metrics(metrics_request(service, *metrics))
        records = [log_record(f"{service} {n}", UNIX_START * 10**9 + n, severity=13) for n in range(50)]
        run.watching.take_logs(logs_request(**{service: records}))
    run.look()
    return run


def test_its_view_has_figures_metrics_and_lines(run):
    """By its spans, and what it reports itself, labelled as its own."""
    answers = StageAnswers(run.watching)
    view = answers.view("bank", "")
    assert_harmless(view)
    assert len(set(ids(view))) == len(ids(view))
    assert "external service; these figures are by the spans of its requests" in texts(view)
    assert by_id(view, "stage-p50").children == "20.0ms"
    assert by_id(view, "stage-own").children == (
        "Its requests: 1.0/s, mean 200ms, p50 200ms, p99 298ms, 0 % errors, over the last 60.0s"
        " (by the buckets of http.server.request.duration)."
    )
    rows = {texts(row)[0]: texts(row)[1] for row in answers.reported("bank")}
    assert rows == {"cpu": "0.5", REQUESTS: "1.0/s, mean 200ms, p50 200ms, p99 298ms", "orders": "120 orders, 2.0/s"}
    lines = answers.lines("bank")
    assert [texts(line)[1:4] for line in lines[:2]] == [["warn", "bank", "bank 49"], ["warn", "bank", "bank 48"]]
    assert len(lines) == 40


def test_a_service_without_spans_has_its_own_figures(run):
    """And says so, on its card and in its view."""
    view = StageAnswers(run.watching).view("shop", "")
    assert "external service; these figures are by its own metrics, because it sends no spans" in texts(view)
    assert (by_id(view, "stage-rate").children, by_id(view, "stage-state").children) == ("1.0/s", "well")
    assert own_text(run.watching.external("shop")) == "by its own metrics: it sends no spans"
    assert own_text(run.watching.external("bank")) == "itself: 1.0/s, p99 298ms"


def test_its_news_are_its_own(run):
    """The figures of an open view are updated, and are never those of a stage, even when nothing is heard any more."""
    frame = answers_for(run)
    _, laid = frame.view("/stages/bank", "")
    news, _ = frame.news("/stages/bank", "", laid, None)
    assert news["texts"]["stage-own"].startswith("Its requests: 1.0/s")
    run.time.advance(3600)
    run.look()
    news, _ = frame.news("/stages/bank", "", laid, None)
    assert (news["texts"]["stage-rate"], news["texts"]["stage-own"]) == ("-", "")
    assert "stage-busy" not in news["texts"]


def test_a_service_that_sends_nothing_of_itself(run):
    """Its view says what it would have to send, and where."""
    run.store.add(request(quiet=[span(2, 1, at_ms=NOW_MS, ms=20)]))
    run.look(3.0)
    answers = StageAnswers(run.watching)
    assert by_id(answers.view("quiet", ""), "stage-own").children == ""
    assert "/v1/metrics" in text_of(answers.reported("quiet"))
    assert "/v1/logs" in text_of(answers.lines("quiet"))


def test_what_was_dropped_is_told(run):
    """In the frame, beside what became of spans."""
    run.watching.logs = LogStore(max_records=2)
    run.watching.take_logs(logs_request(bank=[log_record(f"r{n}") for n in range(5)]))
    run.watching.take_metrics(
        metrics_request("flood", *(counter("c", 1, 60, attributes={"n": n}) for n in range(2100)))
    )
    frame = answers_for(run)
    run.look()
    news, _ = frame.news("/", "", {"path": "/", "search": ""}, None)
    title = news["titles"]["status-traces"]
    assert title == "made room: 3 older log records; refused: 100 data points of series for which there is no room"


def test_percentiles_that_buckets_do_not_tell_are_only_bounds(run):
    """An instrument that nobody adjusted has all requests in its first bucket, to 5 seconds: the mean says more."""
    run.watching.take_metrics(metrics_request("web", histogram((60, 0), 60, bounds=(5.0,), total=0.9)))
    run.look(2.0)
    assert own_text(replace(run.watching.external("web"), has_spans=True)) == "itself: 1.0/s, mean 15.0ms"
    answers = StageAnswers(run.watching)
    assert "mean 15.0ms, p50 < 5.00s, p99 < 5.00s" in by_id(answers.view("web", ""), "stage-own").children
    assert by_id(answers.view("web", ""), "stage-p99").children == "-"
    [row] = answers.reported("web")
    assert texts(row)[1] == "1.0/s, mean 15.0ms, p50 < 5.00s, p99 < 5.00s"


def rows_of(*metrics):
    store = ReportedMetrics()
    store.add(metrics_request("bank", *metrics), 0.0)
    return reported_metrics(metric_rows(store, "bank", 0.0))


def test_the_series_of_a_metric_on_demand():
    """Each with its attributes and figures, and how many there are."""
    metrics = [counter("orders", n, 60, attributes={"kind": f"k{n:02}"}) for n in range(30)]
    [row] = rows_of(*metrics)
    assert "how many orders (counter, {order}, 30 series)" in texts(row)
    assert texts(row)[3:7] == ["kind=k00", "0 orders, 0.0/s", "kind=k01", "1 order, 0.0/s"]
    assert texts(row)[-1] == "and 10 more"


def test_gauges_have_a_range_and_histograms_may_be_quiet():
    """Several levels are no sum, and a histogram without recent values says how many there were."""
    rows = rows_of(gauge("cpu", 0.25, 0.5, unit="1"), histogram((0, 0, 0), 60), gauge("one", 1))
    assert [texts(row)[1] for row in rows] == ["0.25 to 0.5", "0 so far, none lately", "1"]


def test_very_many_metrics_are_shown_in_part():
    """A page has a bound."""
    rows = rows_of(*(gauge(f"g{n:03}", 1) for n in range(150)))
    assert (len(rows), text_of(rows[-1])) == (101, "and 50 more metrics")


@given(st.text(min_size=1, max_size=50), st.text(max_size=300), st.text(max_size=300), st.floats())
def test_no_metric_hurts(name, unit, value, number):
    """Whatever a service calls its metrics, it is text."""
    metrics = counter(name, 1, 60, unit=unit, attributes={SCRIPT: value}), gauge(SCRIPT, number, unit=SCRIPT)
    assert_harmless(rows_of(*metrics))
