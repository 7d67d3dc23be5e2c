"""All signals of a service that is not ours, by OpenTelemetry's own SDK, on the console's page in real Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, expect

from tests.support.backends import free_port
from tests.support.browser import opened
from tests.support.consoles import Shown, running_console, wait_for_figures
from tests.support.contrast import faint_texts
from tests.support.processes import ROOT, wait_for
from tests.support.sdk_service import FAILS_EVERY, NAME

# Its own stages send their lines and figures to the console as well: none of them is to be shown twice.
EVERYTHING = {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_BLRP_SCHEDULE_DELAY": "200"}
TOPOLOGY = """
name: with-a-bank
stages:
  shop: {{role: injector, load: {{rate: 10/s, arrivals: constant}}, calls: [{{to: bank, optional: true}}, archive]}}
  bank: {{kind: external, url: "http://127.0.0.1:{port}/book"}}
  archive: {{role: terminator}}
"""

pytestmark = pytest.mark.backend("chromium")


@contextlib.contextmanager
def running_bank(console_port: int) -> Iterator[int]:
    """Run the service, which sends its telemetry to the console's port; yield its own."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{console_port}"
    command = [sys.executable, "-m", "tests.support.sdk_service", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture(scope="module")
def shown(browser, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("signals"), free_port()
    with running_bank(port) as bank_port:
        topology = folder / "with-a-bank.yaml"
        topology.write_text(TOPOLOGY.format(port=bank_port))
        with running_console(folder, topology, "--console-port", str(port), **EVERYTHING) as running:
            yield running


@pytest.fixture(scope="module")
def tab(browser, shown):
    with opened(browser, shown.origin) as tab:
        tab.page.goto(shown.url)
        yield tab


@pytest.fixture
def page(tab):
    yield tab.page
    tab.check()


def assert_none_twice(lines: Locator) -> None:
    """No line is there twice; that of another message may be like it, and of the same millisecond."""
    texts = lines.locator("summary").all_inner_texts()
    spans = [json.loads(whole)["span_id"] for whole in lines.locator("pre").all_text_contents()]
    assert len(set(zip(texts, spans, strict=True))) == len(texts) > 0


def failed_traces(shown: Shown) -> list[str]:
    """Return the ids of the traces in which the bank failed, by Jaeger's older API."""
    query = {"service": NAME, "tags": '{"error":"true"}', "limit": "1000"}
    return [
        trace["traceID"].rjust(32, "0")
        for trace in requests.get(f"{shown.origin}/api/traces", query, timeout=10).json()["data"]
    ]


def test_its_log_lines_stand_beside_the_trace_and_ours_are_there_once(page, shown):
    """In the order of their times, with their levels, and marked on the spans in which they were written."""
    wait_for(lambda: len(failed_traces(shown)) > 1, "traces in which the bank failed", 60)
    [trace_id, *_] = failed_traces(shown)
    page.goto(f"{shown.origin}/traces/{trace_id}")
    lines = page.locator("#trace-lines .line")
    error = lines.filter(has_text="the account is closed")
    expect(error).to_have_count(1)
    expect(error.locator(".level")).to_have_text("error")
    expect(error.locator("b")).to_have_text(NAME)
    expect(lines.filter(has_text="booking ")).to_have_count(1)
    expect(lines.filter(has_text="message.handled")).to_have_count(2)  # of the shop and of the archive
    texts = lines.locator("summary").all_inner_texts()
    assert_none_twice(lines)
    times = [re.match(r"\d\d:\d\d:\d\d\.\d{3}", text)[0] for text in texts]
    assert times == sorted(times)
    marked = page.locator("details.span", has=page.locator("b", has_text=re.compile(f"^{NAME}$")))
    expect(marked.locator(".mark.error")).to_have_count(1)
    error.locator("summary").click()
    expect(error.locator("pre")).to_contain_text('"account.id": 17')


def test_lines_that_come_after_the_trace_are_shown_without_a_reload(page, shown):
    """A batch of log records may be slower than that of the spans."""
    [trace_id, *_] = failed_traces(shown)
    page.goto(f"{shown.origin}/traces/{trace_id}")
    page.locator("#trace-lines .line").first.wait_for()
    record = {"traceId": trace_id, "severityText": "WARN", "body": {"stringValue": "an afterthought"}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": NAME}}]}
    sent = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}
    assert requests.post(f"{shown.origin}/v1/logs", json=sent, timeout=10).json() == {}
    expect(page.locator("#trace-lines .line.warning", has_text="an afterthought")).to_have_count(1)


def test_its_metrics_are_on_its_card_and_in_its_view(page, shown):
    """By name, with values and units, labelled as its own; rate, errors and percentiles of its requests."""
    page.goto(shown.url)
    wait_for_figures(page, 3)
    card = page.locator("#canvas").get_by_role("link", name=re.compile(f"^{NAME} "))
    expect(card.locator(".own")).to_have_text(re.compile(r"^itself: \d[\d.]*/s, p99 [\d.]+m?s, \d[\d.]* % errors$"))
    card.click()
    page.get_by_role("heading", name=NAME, exact=True).wait_for()
    own = page.locator("#stage-own")
    expect(own).to_have_text(
        re.compile(r"Its requests: .* mean .* p50 .* over the last .*http\.server\.request\.duration")
    )
    metrics = page.locator("#reported .metric")
    expect(metrics).to_have_count(4)
    for name, value in (
        ("bank.balance", r"1,000\.5 EUR"),
        ("bank.bookings", r"\d+ bookings?, \d[\d.]*/s"),
        ("process.memory.usage", r"50\.0 MiB"),
        ("http.server.request.duration", r"\d[\d.]*/s, mean .*, p50 .*, p99 .*"),
    ):
        expect(metrics.filter(has_text=name).locator("summary span").last).to_have_text(re.compile(value))
    requests_of = metrics.filter(has_text="http.server.request.duration")
    requests_of.locator("summary").click()
    expect(requests_of.locator("tr")).to_have_count(2)
    expect(page.locator("#stage-lines .line", has_text="booking").first).to_be_visible()


def test_its_own_figures_are_right(page, shown):
    """Every fourth booking fails, by its own metrics as by its spans."""
    page.goto(f"{shown.origin}/stages/{NAME}")

    def share(element: str) -> float:
        return float(re.search(r"([\d.]+) %", page.locator(element).inner_text())[1])

    expect(page.locator("#stage-own")).to_contain_text("% errors")
    for element in ("#stage-own", "#stage-errors"):
        wait_for(lambda e=element: abs(share(e) - 100 / FAILS_EVERY) < 8, f"a quarter of errors in {element}", 60)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(page, shown, theme):
    """In both themes, texts have a contrast of 4.5 to 1."""
    page.emulate_media(color_scheme=theme)
    page.goto(f"{shown.origin}/stages/{NAME}")
    page.locator("#reported .metric").first.click()
    page.locator("#stage-lines .line").first.wait_for()
    faint: set[Any] = faint_texts(page)
    page.goto(f"{shown.origin}/traces/{failed_traces(shown)[0]}")
    page.locator("#trace-lines .line").first.wait_for()
    faint |= faint_texts(page)
    page.goto(shown.origin)
    page.locator("#canvas .own").wait_for()
    assert faint | faint_texts(page) == set()
    page.emulate_media(color_scheme="light")


def test_our_own_stages_are_no_external_services(page, shown):
    """What they send by OTLP makes no second card of them, and their metrics are read from themselves."""
    page.goto(shown.origin)
    wait_for_figures(page, 3)
    expect(page.locator("#canvas > .card")).to_have_count(3)
    page.goto(f"{shown.origin}/stages/archive")
    lines = page.locator("#stage-lines .line")
    lines.first.wait_for()
    assert_none_twice(lines)
