"""The probes: beside the messages, never behind them."""

from __future__ import annotations

import gzip

import pytest
from flask import Flask, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from werkzeug.test import Client

from simulator.stage.probes import PATHS, beside, make_probes

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Rig:
    """The probes of a stage beside an application that remembers what came to it."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.ready = False
        self.rolled = 0
        self.messages = []
        probes = make_probes(self.registry, self._roll, lambda: self.ready)
        messages = Flask("messages")
        messages.add_url_rule("/", view_func=self._take, defaults={"path": ""})
        messages.add_url_rule("/<path:path>", view_func=self._take, methods=["GET", "POST"])
        self.client = Client(beside(dict.fromkeys(PATHS, probes), messages))

    def _roll(self):
        self.rolled += 1

    def _take(self, path):
        self.messages.append(request.path)
        return "taken"


def test_a_stage_that_runs_is_healthy():
    """`/healthz` answers 200 from the start, ready or not."""
    rig = Rig()
    for rig.ready in (False, True):
        answer = rig.client.get("/healthz")
        assert (answer.status_code, answer.text, answer.mimetype) == (200, "ok\n", "text/plain")


def test_ready_only_when_it_is():
    """`/readyz` answers 503 before the stage is ready and while it shuts down, and 200 in between."""
    rig, answers = Rig(), []
    for rig.ready in (False, True, False):
        answer = rig.client.get("/readyz")
        answers.append((answer.status_code, answer.text))
    assert answers == [(503, "not ready\n"), (200, "ready\n"), (503, "not ready\n")]


def test_metrics_are_brought_up_to_date_and_shown():
    """`/metrics` rolls the metrics before it shows the registry."""
    rig = Rig()
    counter = Counter("simulator_seconds", "Seconds.", registry=rig.registry)
    counter.inc(3)
    answer = rig.client.get("/metrics")
    assert (answer.status_code, rig.rolled) == (200, 1)
    assert answer.content_type.startswith("text/plain; version=")
    assert "simulator_seconds_total 3.0\n" in answer.text


def test_exemplars_are_shown_to_those_who_ask_for_openmetrics():
    """The format is negotiated: OpenMetrics, with exemplars and its end mark, only for clients that accept it."""
    rig = Rig()
    Histogram("simulator_x", "X.", registry=rig.registry).observe(0.5, {"trace_id": "abc"})
    accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3"
    asked = rig.client.get("/metrics", headers={"Accept": accept})
    assert asked.content_type.startswith("application/openmetrics-text")
    assert ' # {trace_id="abc"} 0.5' in asked.text
    assert asked.text.endswith("# EOF\n")
    plain = rig.client.get("/metrics", headers={"Accept": "text/plain"})
    assert "trace_id" not in plain.text


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("br, *", True),
        (None, False),
        ("", False),
        ("deflate", False),
        ("gzip;q=0", False),
        ("identity, gzip;q=0.5", False),
    ],
)
def test_metrics_are_packed_for_those_who_ask_for_it(accepted, is_packed):
    """`/metrics` answers in gzip to clients that accept and do not disfavour it, in either format."""
    rig = Rig()
    Counter("simulator_seconds", "Seconds.", registry=rig.registry).inc(3)
    for format_ in ("text/plain", "application/openmetrics-text; version=1.0.0"):
        headers = {"Accept": format_} if accepted is None else {"Accept": format_, "Accept-Encoding": accepted}
        answer = rig.client.get("/metrics", headers=headers)
        assert (answer.headers.get("Content-Encoding") == "gzip") is is_packed
        assert answer.content_length == len(answer.data)
        assert answer.headers["Vary"] == "Accept, Accept-Encoding"
        text = gzip.decompress(answer.data) if is_packed else answer.data
        assert b"simulator_seconds_total 3.0\n" in text


def test_metrics_by_name():
    """`name[]` chooses the series that are shown, as often as it is given; with no such series nothing is."""
    rig = Rig()
    for name in ("a", "b", "c"):
        Counter(f"simulator_{name}", "X.", registry=rig.registry).inc(3)
    Histogram("simulator_h", "H.", registry=rig.registry).observe(1)

    def shown(query):
        text = rig.client.get(f"/metrics?{query}").text
        return {line.split("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")}

    assert shown("name[]=simulator_a_total") == {"simulator_a_total"}
    assert shown("name%5B%5D=simulator_a_total&name[]=simulator_c_total") == {"simulator_a_total", "simulator_c_total"}
    assert shown("name[]=simulator_h_count") == {"simulator_h_count"}
    assert shown("name[]=nothing") == set()
    assert "simulator_b_total" in shown("name=simulator_a_total")


@pytest.mark.parametrize("path", sorted(PATHS))
def test_probes_never_come_to_the_messages(path):
    """None of the three paths reaches the application that takes messages, by whatever method."""
    rig = Rig()
    assert rig.client.get(path).status_code in (200, 404, 503)
    assert rig.client.head(path).data == b""
    assert rig.client.post(path, data=b"x").status_code == 405
    assert rig.messages == []


@pytest.mark.parametrize("path", ["/messages", "/healthz/", "/healthz/x", "/metricsx", "/Metrics", "/injected", "/"])
def test_everything_else_is_a_message(path):
    """Every other path goes to the application of messages."""
    rig = Rig()
    assert rig.client.get(path).text == "taken"
    assert rig.messages == [path]
    assert rig.rolled == 0


def test_each_path_has_its_own_application():
    """Whatever else stands beside the messages gets its own path and no other."""
    others = {path: Flask(path.strip("/")) for path in ("/a", "/b")}
    for path, app in others.items():
        app.add_url_rule(path, view_func=lambda path=path: f"this is {path}")
    client = Client(beside(others, Flask("messages")))
    assert [client.get(path).text for path in ("/a", "/b")] == ["this is /a", "this is /b"]
    assert client.get("/c").status_code == 404
