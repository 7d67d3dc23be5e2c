"""A real Prometheus reads a running pipeline."""

from __future__ import annotations

import subprocess
import time

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.backends import find, running_prometheus
from tests.support.collector import collector
from tests.support.processes import ROOT, eventually, running_topology, wait_for, with_collector

PIPELINE = ROOT / "topologies" / "pipeline.yaml"
STAGES = ["injector", "parse", "enrich", "archive"]
# What each histogram needs before its quantile says anything, and where it can be seen.
HISTOGRAMS = {
    "http_server_request_duration_seconds": "parse",
    "simulator_messages_per_second": "parse",
    "simulator_message_bytes": "parse",
    "simulator_queue_wait_seconds": "parse",
    "simulator_delay_drawn_seconds": "parse",
    "simulator_processing_seconds": "parse",
    "simulator_downstream_attempt_duration_seconds": "parse",
    "simulator_downstream_call_duration_seconds": "parse",
    "simulator_pipeline_duration_seconds": "archive",
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
    """Run the pipeline at 50 messages a second for some scrapes, with Prometheus and an OTLP receiver beside it."""
    find("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    begin = time.time()
    with (
        collector() as received,
        running_topology(folder, PIPELINE, "--rate", "50/s", environment=with_collector(received.address)) as running,
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

    # A scrape has a second: one that comes late on a busy machine is made up for by the next.
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
    """histogram_quantile gives a number for every histogram there is."""
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


def test_what_prometheus_computes_is_what_was_configured(scraped):
    """The rate and the median delay that Prometheus computes are the configured ones, within a bucket."""
    _, prometheus, _, _ = scraped
    eventually(lambda: assert_configured(prometheus))


def assert_configured(prometheus):
    rate = prometheus.value('sum(rate(simulator_messages_total{stage="archive"}[6s]))')
    # Poisson at 50/s counts 300 in 6 s with a deviation of 17: five of them, and a scrape more or less.
    assert rate is not None and 50 - 5 * 17 / 6 - 9 < rate < 50 + 5 * 17 / 6 + 9
    # parse is lognormal(p50=12ms, ...): its median lies in the bucket from 10 to 25 ms.
    median = prometheus.value('histogram_quantile(0.5, rate(simulator_delay_drawn_seconds_bucket{stage="parse"}[30s]))')
    assert median is not None and 0.010 < median <= 0.025
    info = prometheus.query('simulator_info{stage="parse"}')
    assert [one["metric"]["delay"] for one in info] == ["lognormal(p50=12ms, p99=80ms, max=1s)"]


@pytest.mark.parametrize("name", WITH_EXEMPLARS)
def test_an_exemplar_leads_to_its_trace(scraped, name):
    """An exemplar out of Prometheus names a trace, and a span in it, that the OTLP receiver has."""
    _, prometheus, received, begin = scraped
    exemplars = wait_for(lambda: prometheus.exemplars(f"{name}_bucket", begin, time.time()), f"exemplars of {name}")

    def known() -> bool:
        ids = {(span.trace_id, span.span_id) for span in received.spans()}
        return any((e["labels"]["trace_id"], e["labels"]["span_id"]) in ids for e in exemplars)

    wait_for(known, "the span that an exemplar names")


def test_every_series_bears_stage_and_role(scraped):
    """Every series of the product's own names the stage and its role."""
    _, prometheus, _, _ = scraped
    for result in prometheus.query('{__name__=~"simulator_.+|http_server_.+"}'):
        assert result["metric"]["stage"] in STAGES
        assert result["metric"]["role"] in ("injector", "processor", "terminator")
