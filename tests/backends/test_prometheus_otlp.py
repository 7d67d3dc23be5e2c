"""Prometheus 3 takes a stage's metrics by OTLP: the same series, labels and figures as it scrapes from /metrics."""

from __future__ import annotations

import math

import pytest
import requests

from tests.support.backends import find, running_prometheus
from tests.support.processes import eventually, running_stage

MESSAGES = 60
OURS = '{__name__=~"(simulator|http|db)_.+"}'
RECEIVER = ("--web.enable-otlp-receiver",)
# What each way adds to a series: who was asked, or whose resource it is.
ADDED = {"__name__", "job", "instance", "service"}
pytestmark = pytest.mark.backend("prometheus3")


@pytest.fixture
def prometheus(tmp_path):
    with running_prometheus(tmp_path, {}, name="prometheus3", options=RECEIVER) as running:
        yield running


def exporting_to(prometheus, **more):
    return {
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{prometheus.base}/api/v1/otlp/v1/metrics",
        "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=shop",
        **more,
    }


def send_messages(stage):
    for number in range(MESSAGES):
        answer = requests.post(stage.url, json={"number": number}, timeout=30)
        assert answer.status_code in (200, 503), answer.text


def figures(prometheus, job):
    """Return every series of a job, by name and labels, without what goes on when nothing happens."""
    return {
        (series["metric"]["__name__"], labels_of(series["metric"])): value
        for series in prometheus.query(f'{OURS[:-1]},job="{job}"}}')
        if math.isfinite(value := float(series["value"][1]))
        and not series["metric"]["__name__"].startswith(("simulator_messages_per_second", "simulator_info"))
        and not series["metric"]["__name__"].endswith("_created")
    }


def labels_of(metric):
    """Return the labels; the end of a bucket is a number, which Prometheus writes as 30.0 or 30."""
    labels = {name: text for name, text in metric.items() if name not in ADDED}
    return frozenset({**labels, **({"le": float(labels["le"])} if "le" in labels else {})}.items())


def test_what_is_pushed_is_what_is_scraped(tmp_path):
    """Dashboards and rules that are written for /metrics hold for OTLP, too."""
    find("prometheus3")
    flags = ("--delay", "exponential(2ms)", "--faults", "error(503, 30%)", "--seed", "7")
    # A stage needs the address of the one that it sends to, and the one that scrapes needs the stage's.
    with (
        running_prometheus(tmp_path, {}, name="prometheus3", options=RECEIVER) as receiving,
        running_stage(tmp_path, *flags, environment=exporting_to(receiving)) as stage,
    ):
        scraping = tmp_path / "scraping"
        scraping.mkdir()
        with running_prometheus(scraping, {"stage": f"127.0.0.1:{stage.port}"}, name="prometheus3") as asking:
            send_messages(stage)

            def agree():
                pushed, scraped = figures(receiving, "shop/stage"), figures(asking, "simulator")
                messages = sum(value for (name, _), value in scraped.items() if name == "simulator_messages_total")
                assert messages == MESSAGES
                assert pushed == pytest.approx(scraped)
                assert len(pushed) > 150

            eventually(agree)


def test_an_exemplar_leads_to_its_trace(prometheus, tmp_path):
    """The trace ids of the exemplars are those of messages in the log."""
    with running_stage(tmp_path, environment=exporting_to(prometheus, OTEL_TRACES_EXPORTER="otlp")) as stage:
        send_messages(stage)

        def told():
            exemplars = prometheus.exemplars("http_server_request_duration_seconds_bucket", 0, 4e9)
            ids = {exemplar["labels"]["trace_id"] for exemplar in exemplars}
            assert ids and ids <= {line["trace_id"] for line in stage.events("message.handled")}

        eventually(told)


def test_exponential_histograms_become_native_ones(prometheus, tmp_path):
    """With buckets of its own making a p99 is as exact as they are, 4 % here, whatever the latencies are."""
    environment = exporting_to(
        prometheus, OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="base2_exponential_bucket_histogram"
    )
    with running_stage(tmp_path, "--delay", "constant(137ms)", "--workers", "60", environment=environment) as stage:
        for number in range(8):
            assert requests.post(stage.url, json={"number": number}, timeout=30).status_code == 200

        def told():
            assert prometheus.value("histogram_count(simulator_delay_drawn_seconds)") == 8
            p99 = prometheus.value("histogram_quantile(0.99, simulator_delay_drawn_seconds)")
            assert p99 == pytest.approx(0.137, rel=0.05)

        eventually(told)
