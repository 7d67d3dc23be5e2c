"""Take the pictures of the console and of a report in docs/ again, in both themes: `make pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import requests
from playwright.sync_api import Page

from tests.support.browser import running_chromium
from tests.support.processes import ROOT, run, running_topology, wait_for

DOCS = ROOT / "docs"
TOPOLOGY = ROOT / "topologies" / "checkout.yaml"
SIZE = {"width": 1280, "height": 940}
STAGES, TRACES = 8, 150


def main() -> None:
    """Run a topology with a problem in it, and take pictures of the page."""
    DOCS.mkdir(exist_ok=True)
    take_report()
    environment = {"SIMULATOR_CONSOLE": "1", "OTEL_TRACES_EXPORTER": "otlp"}
    flags = ("--rate", "20/s", "--seed", "7", "--set", "payment.faults=error(503, 12%)")
    with tempfile.TemporaryDirectory() as folder, running_topology(
        Path(folder), TOPOLOGY, *flags, environment=environment
    ) as running:  # fmt: skip
        address = running.errors.read_text().split()[1]
        base = address.partition("/?")[0]
        wait_for(lambda: len(whole_traces(base)) > TRACES, "traces", 60)
        trace_id = whole_traces(base)[TRACES // 2]
        with running_chromium() as browser:
            for theme in ("light", "dark"):
                page = browser.new_context(viewport=SIZE, color_scheme=theme).new_page()
                take_system(page, address, theme)
                take_trace(page, f"{base}/traces/{trace_id}", theme)


def take_report() -> None:
    """Run a topology in virtual time, and take pictures of its page."""
    flags = ("--virtual", "--duration", "100s", "--seed", "7", "--set", "payment.faults=error(503, 12%)")
    thresholds = ("--threshold", "p99 < 500ms", "--threshold", "missed = 0")
    with tempfile.TemporaryDirectory() as folder, running_chromium() as browser:
        run("run", str(TOPOLOGY), *flags, *thresholds, cwd=Path(folder), environment={"SIMULATOR_PAGE": "1"})
        for theme in ("light", "dark"):
            page = browser.new_context(viewport=SIZE, color_scheme=theme).new_page()
            page.goto((Path(folder) / "runs" / TOPOLOGY.stem / "report.html").as_uri())
            page.wait_for_selector("[data-chart=time] .main-svg")
            page.screenshot(path=DOCS / f"report-{theme}.png")


def whole_traces(base: str) -> list[str]:
    """Return the ids of the traces in which every stage has a part."""
    query = {"query.service_name": "mail", "query.num_traces": 1000}
    query |= {"query.start_time_min": "2020-01-01T00:00:00Z", "query.start_time_max": "2100-01-01T00:00:00Z"}
    found = requests.get(f"{base}/api/v3/traces", params=query, timeout=30)
    services: dict[str, set[str]] = {}
    for group in found.json()["result"]["resourceSpans"] if found.ok else ():
        name = next(a["value"]["stringValue"] for a in group["resource"]["attributes"] if a["key"] == "service.name")
        for span in (span for scope in group["scopeSpans"] for span in scope["spans"]):
            services.setdefault(span["traceId"], set()).add(name)
    return [trace_id for trace_id, names in services.items() if len(names) == STAGES]


def take_system(page: Page, address: str, theme: str) -> None:
    """Take the picture of the system."""
    page.goto(address)
    page.wait_for_selector("#edges path", state="attached")
    page.wait_for_selector("#whole-latency .main-svg")
    page.wait_for_timeout(3000)  # so that every figure is there
    page.screenshot(path=DOCS / f"system-{theme}.png")


def take_trace(page: Page, address: str, theme: str) -> None:
    """Take the picture of a trace."""
    page.goto(address)
    page.wait_for_selector("#waterfall .lane")
    page.wait_for_selector("#view-traces.here")
    height = page.evaluate("document.querySelector('main').getBoundingClientRect().bottom")
    page.set_viewport_size({**SIZE, "height": int(min(height, SIZE["height"]))})
    page.screenshot(path=DOCS / f"trace-{theme}.png")
    page.set_viewport_size(SIZE)


if __name__ == "__main__":
    main()
