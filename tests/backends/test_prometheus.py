"""A real Prometheus reads a running pipeline."""

from __future__ import annotations

import itertools
import math
import subprocess
import time
from bisect import bisect

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from simulator.behaviour.arrivals import PoissonArrivals, arrival_draw
from simulator.behaviour.delays import parse_delay
from simulator.behaviour.draws import message_id
from simulator.behaviour.schedules import RunningSchedule, at_rate
from tests.support.backends import find, running_prometheus
from tests.support.collector import SERVER, collector
from tests.support.processes import ROOT, eventually, running_topology, wait_for, with_collector
from tests.support.statistics import binomial_range

PIPELINE = ROOT / "topologies" / "pipeline.yaml"
RATE = 50.0
SEED = 7
SLACK_SECONDS = 0.25
FLAGS = ["--rate", f"{RATE:g}/s", "--seed", str(SEED)]
STAGES = ["injector", "parse", "enrich", "archive"]
DELAY = "lognormal(p50=12ms, p99=80ms, max=1s)"  # that of parse
# What each histogram needs before it has a quantile, and which stages have it.
HISTOGRAMS = {
    "http_server_request_duration_seconds": "parse",
    "http_client_request_duration_seconds": "parse",
    "simulator_messages_per_second": "parse",
    "simulator_message_bytes": "parse",
    "simulator_queue_wait_seconds": "parse",
    "simulator_delay_drawn_seconds": "parse",
    "simulator_processing_seconds": "parse",
    "simulator_overhead_seconds": "parse",
    "simulator_downstream_attempt_duration_seconds": "parse",
    "simulator_downstream_call_duration_seconds": "parse",
    "simulator_pipeline_duration_seconds": "injector",
    "simulator_injector_lag_seconds": "injector",
}
WITH_EXEMPLARS = [
    "http_server_request_duration_seconds",
    "simulator_delay_drawn_seconds",
    "simulator_processing_seconds",
    "simulator_downstream_attempt_duration_seconds",
    "simulator_pipeline_duration_seconds",
]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """Run the pipeline at 50 messages a second for some scrapes, with Prometheus and an OTLP receiver."""
    find("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    begin = time.time()
    with (
        collector() as received,
        running_topology(folder, PIPELINE, *FLAGS, environment=with_collector(received.address)) as running,
        running_prometheus(folder, {n: running.stage_base(n).removeprefix("http://") for n in STAGES}) as prometheus,
    ):
        wait_for(lambda: (prometheus.value('min(count_over_time(up{job="simulator"}[1m]))') or 0) >= 8, "eight scrapes")
        yield running, prometheus, received, begin


def test_every_stage_is_scraped(scraped):
    """All four targets are up and none has an error."""
    _, prometheus, _, _ = scraped

    def assert_up() -> None:
        targets = prometheus.targets()
        assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")] * 4

    # A scrape has a second: a late one on a busy machine is compensated by the next.
    eventually(assert_up)


@pytest.mark.parametrize("stage", STAGES)
def test_promtool_finds_nothing_wrong(scraped, stage):
    """promtool check metrics is clean, and the OpenMetrics text passes the strict parser."""
    running, *_ = scraped
    url = f"{running.stage_base(stage)}/metrics"
    plain = requests.get(url, timeout=10)
    assert plain.headers["Content-Type"].startswith("text/plain")
    checked = subprocess.run(
        [find("promtool"), "check", "metrics"], input=plain.content, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    open_metrics = requests.get(url, headers={"Accept": "application/openmetrics-text;version=1.0.0"}, timeout=10)
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert list(text_string_to_metric_families(open_metrics.text))


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_histogram_quantile_works_over_every_histogram(scraped, name):
    """histogram_quantile has a number for every histogram."""
    _, prometheus, _, _ = scraped
    expression = f'histogram_quantile(0.5, sum by (le) (rate({name}_bucket{{stage="{HISTOGRAMS[name]}"}}[30s])))'
    wait_for(lambda: (value := prometheus.value(expression)) is not None and value >= 0, expression)


def test_the_list_of_histograms_above_is_complete(scraped):
    """No histogram is left out of the test above."""
    _, prometheus, _, _ = scraped

    def assert_complete() -> None:
        found = {result["metric"]["__name__"] for result in prometheus.query('{__name__=~".+_bucket"}')}
        assert {name.removesuffix("_bucket") for name in found} == set(HISTOGRAMS)

    eventually(assert_complete)


def test_messages_are_due_when_the_seed_says(scraped):
    """Each message's root span starts at its time of the seeded Poisson process of 50/s, counted from the first one."""
    _, _, received, _ = scraped
    wait_for(lambda: len(roots(received)) >= 300, "the spans of 300 messages")
    begun = roots(received)
    running, due_seconds = RunningSchedule.starting(at_rate(RATE, PoissonArrivals()), 0.0), []
    for number in range(1, len(begun) + 1):
        running = running.next(arrival_draw(SEED, "injector", number))
        due_seconds.append(running.due_at)
    offsets = [root.start_ns / 1e9 - due for root, due in zip(begun, due_seconds, strict=True)]
    # A due time on the wall clock comes from two clocks that are read one after the other.
    assert max(offsets) - min(offsets) < 0.1


def roots(received):
    """Return the injector's root spans in the order of their numbers, up to the first missing one."""
    spans = (span for span in received.spans() if span.service == "injector" and not span.parent_id)
    found = {span.attributes["simulator.message_id"]: span for span in spans}
    idents = (message_id(SEED, "injector", number) for number in itertools.count(1))
    return [found[ident] for ident in itertools.takewhile(found.__contains__, idents)]


def test_prometheus_counts_the_messages(scraped):
    """At each scrape the terminator's counter is the number of its spans that had ended by then."""
    _, prometheus, received, _ = scraped
    counts = prometheus.samples('simulator_messages_total{stage="archive",outcome="delivered"}', "1m")
    durations = prometheus.samples('scrape_duration_seconds{service="archive"}', "1m")
    wait_for(lambda: len(ended(received)) > max(counts.values()), "the spans of what was counted")
    ends = ended(received)
    assert len(counts) >= 5 and max(counts.values()) > 100
    for at, count in counts.items():
        # A span ends a little before or after its message is counted.
        low, high = bisect(ends, at - SLACK_SECONDS), bisect(ends, at + durations[at] + SLACK_SECONDS)
        assert low <= count <= high, (at, low, count, high)


def ended(received):
    return sorted(span.end_ns / 1e9 for span in received.spans() if span.service == "archive" and span.kind == SERVER)


def test_what_prometheus_computes_is_what_was_configured(scraped):
    """Each bucket of the delays has the distribution's share of the draws, and the notation is as written."""
    _, prometheus, _, _ = scraped
    eventually(lambda: assert_configured(prometheus))


def assert_configured(prometheus):
    info = prometheus.query('simulator_info{stage="parse"}')
    assert [one["metric"]["delay"] for one in info] == [DELAY]
    buckets = {
        float(result["metric"]["le"]): int(result["value"][1])
        for result in prometheus.query('simulator_delay_drawn_seconds_bucket{stage="parse"}')
    }
    delay, count = parse_delay(DELAY), buckets[math.inf]
    assert count > 250
    for seconds, within in buckets.items():
        low, high = binomial_range(count, delay.cdf(seconds), 0.9999)
        assert low <= within <= high, (seconds, within, (low, high))


@pytest.mark.parametrize("name", WITH_EXEMPLARS)
def test_an_exemplar_links_to_its_trace(scraped, name):
    """An exemplar in Prometheus names a trace, and a span in it, that the OTLP receiver has."""
    _, prometheus, received, begin = scraped
    exemplars = wait_for(lambda: prometheus.exemplars(f"{name}_bucket", begin, time.time()), f"exemplars of {name}")

    def known() -> bool:
        ids = {(span.trace_id, span.span_id) for span in received.spans()}
        return any((e["labels"]["trace_id"], e["labels"]["span_id"]) in ids for e in exemplars)

    wait_for(known, "the span that an exemplar names")


def test_every_series_has_stage_and_role(scraped):
    """Every series of the product's own names the stage and its role."""
    _, prometheus, _, _ = scraped
    for result in prometheus.query('{__name__=~"simulator_.+|http_server_.+"}'):
        assert result["metric"]["stage"] in STAGES
        assert result["metric"]["role"] in ("injector", "processor", "terminator")
