"""The console as one application: each path of its documentation, and nothing else."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from werkzeug.test import Client

from simulator.console.assembly import assemble, make_intake
from simulator.console.otlp.receiver import make_receiver
from simulator.console.traces.api import make_api
from tests.support.metric_points import gauge, metrics_request
from tests.support.otlp import log_record, logs_request, request, span, trace_hex
from tests.support.processes import ROOT
from tests.support.watched import watched

HOST = "127.0.0.1:8090"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
DOCUMENT = (ROOT / "docs" / "console-api.md").read_text()
TABLE = DOCUMENT.partition("\n## ")[0]
PATHS = [
    path.partition("?")[0]
    for row in re.findall(r"^\| (`/.*?) \|", TABLE, re.MULTILINE)
    for path in re.findall(r"`([^`]+)`", row)
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return watched(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def client(run):
    addresses: dict[str, list[str]] = {name: [] for name in run.topology.stages}
    application = assemble(run.watching, addresses, None, 8090, {}, make_intake(run.watching, None), nullcontext)
    return Client(application)


def ask(client, path, method="GET", **options):
    headers = {"Host": HOST, **options.pop("headers", {})}
    return client.open(path, method=method, headers=headers, **options)


def test_the_document_has_every_path(run):
    """Each route of the receiver and of the APIs is in the table, in the document's own notation."""
    applications = make_api(None), make_receiver(make_intake(run.watching, None))
    rules = [rule for application in applications for rule in application.url_map.iter_rules()]
    assert {re.sub(r"<(?:path:)?(?:trace_)?(\w+)>", r"{\1}", rule.rule) for rule in rules} <= set(PATHS)


@pytest.mark.parametrize("path", sorted(set(PATHS)))
def test_every_path_of_the_document_answers(client, run, path):
    """By its method, with an answer of its kind; another method is 405 with the allowed ones."""
    run.store.add(request(parse=[span(1, 1)]))
    method = "POST" if path.startswith("/v1/") else "GET"
    address = path.replace("{id}", trace_hex(1)).replace("{service}", "parse")
    query = {"service": "parse", "query.start_time_min": "2020-01-01T00:00:00Z"} | {
        "query.start_time_max": "2100-01-01T00:00:00Z"
    }
    options = {"data": b"", "headers": PROTOBUF} if method == "POST" else {"query_string": query}
    assert ask(client, address, method, **options).status_code == 200
    refused = ask(client, address, "DELETE")
    assert (refused.status_code, method in refused.headers["Allow"]) == (405, True)
    assert "json" in refused.mimetype


@pytest.mark.parametrize(
    "prefix", ["/v1", "/api", "/download", "/metrics", "/jaeger", "/prometheus", "/loki", "/zipkin"]
)
@pytest.mark.parametrize("rest", ["", "/", "/nonsense", "/api/v1/query"])
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_an_unknown_path_of_an_api_is_json(client, prefix, rest, accept):
    """Even where a browser asks, and for every method."""
    for method in ("GET", "POST"):
        answer = ask(client, prefix + rest, method, headers={"Accept": accept})
        assert answer.status_code == 404
        assert "json" in answer.mimetype
        assert answer.get_json(force=True)


def test_every_signal_reaches_its_store(client, run):
    """Spans, log records and metrics of any service."""
    bodies = {
        "/v1/traces": request(bank=[span(2, 1)]),
        "/v1/logs": logs_request(bank=[log_record("said", trace=1)]),
        "/v1/metrics": metrics_request("bank", gauge("cpu", 1)),
    }
    for path, message in bodies.items():
        answer = ask(client, path, "POST", data=message.SerializeToString(), headers=PROTOBUF)
        assert (answer.status_code, answer.get_data()) == (200, b"")
    assert "bank" in run.store.services() and run.watching.logs.services() == ["bank"]
    assert [row.metric.name for row in run.watching.metric_rows("bank")] == ["cpu"]
    assert "bank" in ask(client, "/api/services").get_data(as_text=True)


def test_the_metrics_of_the_run_s_own_stages_are_not_used(client, run):
    """They are accepted, and counted."""
    data = metrics_request("parse", gauge("cpu", 1)).SerializeToString()
    assert ask(client, "/v1/metrics", "POST", data=data, headers=PROTOBUF).status_code == 200
    assert (run.watching.metric_rows("parse"), run.watching.reported.status().points_unused) == ([], 1)
