"""The console's page against attacks: scripts in its contents, pages of other origins, no token."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
from http.server import BaseHTTPRequestHandler

import pytest
import requests
from playwright.sync_api import expect

from tests.support.browser import opened
from tests.support.consoles import running_console, wait_for_figures
from tests.support.pictures import measure
from tests.support.processes import ROOT, eventually
from tests.support.threaded import in_thread, listening
from tests.support.wire import post

PIPELINE = ROOT / "topologies" / "pipeline.yaml"
STAGES = ("injector", "parse", "enrich", "archive")
SERVICE = "<img src=x onerror=hurt()>"
SPAN = "<script>hurt()</script>"
KEY, VALUE = "<svg onload=hurt()>", '"><iframe srcdoc="<script>parent.hurt()</script>">'
MESSAGE = "'\"><b onmouseover=hurt() id=made-of-text>m</b>{{7*7}}"
TRACE = "5" * 31 + "a"
# Elements that only text taken for HTML would create; Plotly's images of charts are its own.
MADE_OF_TEXT = "#made-of-text, #view iframe, #view script, #view img, [onerror], [onload], [onmouseover]"
FOCUS_INVALID = """() => {
    const lines = [...document.querySelectorAll("#stage-lines .line")];
    const summary = lines.find((line) => line.textContent.includes("invalid"))?.querySelector("summary");
    summary?.focus();
    return !!summary;
}"""

pytestmark = pytest.mark.backend("chromium")


@pytest.fixture(scope="module")
def shown(browser, tmp_path_factory):
    with running_console(tmp_path_factory.mktemp("safety"), PIPELINE) as running:
        yield running


@pytest.fixture(scope="module")
def tab(browser, shown):
    """A tab that was opened with the token."""
    with opened(browser, shown.origin) as tab:
        tab.page.goto(shown.url)
        wait_for_figures(tab.page, len(STAGES))
        yield tab
        tab.check()


def delay_of(shown, stage):
    return shown.running.control(stage).json()["delay"]


def attributes(**texts):
    return [{"key": key, "value": {"stringValue": text}} for key, text in texts.items()]


def group(service, **span):
    now = time.time_ns()
    whole = {"traceId": TRACE, "kind": 2, "startTimeUnixNano": str(now - 10**7), "endTimeUnixNano": str(now), **span}
    resource = {"attributes": attributes(**{"service.name": service})}
    return {"resource": resource, "scopeSpans": [{"scope": {"name": SPAN}, "spans": [whole]}]}


def hostile_signals():
    """Return log records and metrics of the external service, with a script in everything that it may choose."""
    now, resource = str(time.time_ns()), {"attributes": attributes(**{"service.name": SERVICE})}
    told = attributes(**{KEY: VALUE})
    body = {"stringValue": MESSAGE}
    record = {"traceId": TRACE, "spanId": "b" * 16, "timeUnixNano": now, "severityText": SPAN, "body": body}
    logs = {"scope": {"name": SPAN}, "logRecords": [{**record, "attributes": told}]}
    point = {"timeUnixNano": now, "asDouble": 1.5, "attributes": told}
    metric = {"name": SPAN, "unit": SPAN, "description": MESSAGE, "gauge": {"dataPoints": [point]}}
    return {
        "/v1/logs": {"resourceLogs": [{"resource": resource, "scopeLogs": [logs]}]},
        "/v1/metrics": {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]},
    }


def hostile_trace():
    """Return a trace in which the archive calls an external service, with a script in everything that it may choose."""
    told = attributes(**{KEY: VALUE, "simulator.message_id": MESSAGE, "simulator.fault": SPAN})
    event = {"name": SPAN, "timeUnixNano": str(time.time_ns()), "attributes": told}
    status = {"code": 2, "message": SPAN}
    external = {"spanId": "b" * 16, "parentSpanId": "a" * 16, "name": SPAN, "attributes": told}
    return {
        "resourceSpans": [
            group("archive", spanId="a" * 16, name="POST /messages"),
            group(SERVICE, **external, events=[event], status=status),
        ]
    }


def apply_request(shown, tab, stage, delay):
    """Return the page's request when this delay is typed for a stage and applied: the address and the body."""
    page = tab.page
    page.goto(f"{shown.origin}/controls")
    section = page.locator("section.control", has=page.get_by_role("heading", name=stage, exact=True))
    with page.expect_request(lambda request: '"result' in (request.post_data or "").replace("\\", "")) as caught:
        section.get_by_role("button", name="Apply").click()
    expect(section.get_by_role("status")).to_have_text("No change: it has these settings already.")
    body = json.loads(caught.value.post_data)
    values = next(itertools.chain.from_iterable(part for part in body["state"] if isinstance(part, list)), None)
    assert values is not None
    for part in itertools.chain.from_iterable(part for part in body["state"] if isinstance(part, list)):
        if isinstance(part.get("id"), dict) and part["id"]["key"] == "delay" and part["property"] == "value":
            part["value"] = delay
    return caught.value.url, json.dumps(body)


def test_without_the_token_the_controls_are_off_and_say_how_to_get_it(browser, shown, tab):
    """Opened without the token the page shows everything and changes nothing, even if its request is forged."""
    url, body = apply_request(shown, tab, "parse", "constant(7s)")
    before = delay_of(shown, "parse")
    with opened(browser, shown.origin) as bare:
        page = bare.page
        page.goto(shown.origin)
        wait_for_figures(page, len(STAGES))
        page.keyboard.press("4")
        expect(page.get_by_role("alert")).to_contain_text("open the address that `run` printed")
        for locator in (page.locator(".control input"), page.locator(".control button")):
            assert locator.count() >= 4
            assert all(locator.nth(number).is_disabled() for number in range(locator.count()))
        answer = page.request.post(url, data=body, headers={"Content-Type": "application/json"})
        assert answer.status == 200
        assert "The token is needed" in answer.text()
        bare.check()
    assert delay_of(shown, "parse") == before


@contextlib.contextmanager
def page_from_elsewhere():
    """Serve an empty page on another port of this machine, which is the same site for browsers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>elsewhere</title>")

    server = listening(Handler)
    with in_thread(server):
        yield f"{server.origin}/"


ATTACK = """async ([origin, url, body, spans]) => {
    const send = (to, type, text) => fetch(to, {
        method: "POST", body: text, credentials: "include", headers: { "Content-Type": type },
        mode: type === "text/plain" ? "no-cors" : "cors",
    }).then((answer) => answer.type, () => "refused");
    return [
        await send(url, "text/plain", body),
        await send(url, "application/json", body),
        await send(`${origin}/v1/traces`, "text/plain", spans),
        await send(`${origin}/v1/traces`, "application/json", spans),
        navigator.sendBeacon(`${origin}/v1/traces`, spans) ? "sent" : "refused",
        await fetch(origin, { credentials: "include" }).then(() => "read", () => "not read"),
    ];
}"""
SUBMIT = """([url, body]) => {
    const form = document.body.appendChild(document.createElement("form"));
    Object.assign(form, { action: url, method: "post", enctype: "text/plain" });
    const [name, value] = [body.slice(0, -1) + ',"x":"', '"}'];
    Object.assign(form.appendChild(document.createElement("input")), { name, value, type: "hidden" });
    form.submit();
}"""


def test_a_page_from_elsewhere_changes_nothing_and_reads_nothing(browser, shown, tab):
    """Neither by fetch nor by beacon nor by a form, although the browser sends the token along."""
    before = delay_of(shown, "parse")
    url, body = apply_request(shown, tab, "parse", "uniform(1ms, 2ms)")
    evil = {"resourceSpans": [group("evil", spanId="c" * 16, name="evil")]}
    with page_from_elsewhere() as elsewhere, opened(browser, shown.origin) as victim:
        page = victim.page
        page.goto(shown.url)
        answers: list[tuple[str, int]] = []
        page.goto(elsewhere)
        page.on("response", lambda response: answers.append((response.request.method, response.status)))
        told = page.evaluate(ATTACK, [shown.origin, url, body, json.dumps(evil)])
        assert set(told) <= {"opaque", "refused", "sent", "not read"}
        with page.expect_navigation():
            page.evaluate(SUBMIT, [url, body])
        expect(page.locator("body")).to_contain_text("a page of another origin can't change anything here")
    # Answers that it may not read are hidden from the page; the form's answer is visible.
    assert {status for method, status in answers if method == "POST"} == {403}
    assert delay_of(shown, "parse") == before
    assert "evil" not in requests.get(f"{shown.origin}/api/v3/services", timeout=10).text
    # The request is valid: from the page itself it does change the stage.
    send = "([url, body]) => fetch(url, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } })"
    tab.page.evaluate(f"(given) => ({send})(given).then((answer) => answer.text())", [url, body])
    assert delay_of(shown, "parse") == "uniform(1ms, 2ms)"
    tab.check()


def test_a_script_is_shown_as_text_wherever_it_is(shown, tab):
    """In names of services and spans, keys, values, events and message ids: no script runs, no element is created."""
    page = tab.page
    page.goto(shown.origin)
    page.evaluate("() => { window.hurt = () => { window.isHurt = true; }; }")
    answer = requests.post(f"{shown.origin}/v1/traces", json=hostile_trace(), timeout=10)
    assert answer.status_code == 200 and not answer.json().get("partialSuccess")
    external = page.locator("#canvas .card.external")
    expect(external.locator(".name")).to_have_text(SERVICE)
    wait_for_figures(page, len(STAGES) + 1)
    picture = measure(page)
    assert (["archive"], [SERVICE]) in picture.connected()
    assert picture.overlapping() == []
    external.hover()
    external.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(SERVICE)
    for path, body in hostile_signals().items():
        answer = requests.post(f"{shown.origin}{path}", json=body, timeout=10)
        assert answer.status_code == 200 and answer.json() == {}
    metric = page.locator("#reported .metric", has_text=SPAN)
    metric.locator("summary").click()
    for text in (KEY, VALUE, MESSAGE):
        expect(metric).to_contain_text(text)
    line = page.locator("#stage-lines .line", has_text=MESSAGE)
    line.locator("summary").click()
    expect(line.locator("pre")).to_contain_text(KEY)
    page.locator(".stage-head").get_by_role("link", name="Traces").click()
    row = page.locator("#trace-list a", has_text=MESSAGE)
    expect(row).to_contain_text(SERVICE)
    page.get_by_label("Message id or trace id").fill(MESSAGE)
    expect(page).to_have_url(re.compile("text="))
    expect(page.locator("#trace-list a")).to_have_count(1)
    row.hover()
    row.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(MESSAGE)
    shown_row = page.locator("#waterfall details.span").nth(1)
    expect(shown_row.locator(".span-name")).to_contain_text(SERVICE + SPAN)
    shown_row.locator("summary").click()
    for text in (KEY, VALUE, f"error {SPAN}"):
        expect(shown_row.locator(".about").get_by_text(text, exact=True).first).to_be_visible()
    expect(page.locator("#trace-lines .line", has_text=MESSAGE).locator("b")).to_have_text(SERVICE)
    page.get_by_role("link", name="Every span").click()
    expect(page).to_have_url(re.compile("every=1"))
    assert page.evaluate("() => window.isHurt") is None, "the page was never left"
    assert page.evaluate("() => typeof window.hurt") == "function"
    assert page.locator(MADE_OF_TEXT).count() == 0
    tab.check()


def test_a_script_in_a_message_s_id_is_refused_and_its_log_line_is_text(shown, tab):
    """A stage refuses such an id; a message's own texts are in the log lines as they are."""
    page = tab.page
    page.goto(f"{shown.origin}/stages/injector")

    def send_and_find() -> None:
        answer = post(shown.port("injector"), b"<script>hurt()</script>", "X-Message-Id: <script>hurt()</script>")
        assert answer.status == 400
        # Within two seconds other lines replace it, unless it has the focus.
        page.wait_for_timeout(500)
        assert page.evaluate(FOCUS_INVALID)

    eventually(send_and_find)
    page.keyboard.press("Enter")
    expect(page.locator("#stage-lines .line[open] pre")).to_contain_text('"outcome": "invalid"')
    assert page.locator(MADE_OF_TEXT).count() == 0
    tab.check()
