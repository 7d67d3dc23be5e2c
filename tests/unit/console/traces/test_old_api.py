"""Jaeger's older API over the store."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from simulator.console.traces import api_answers
from simulator.console.traces.api import make_api
from simulator.console.traces.store import TraceStore
from tests.support.examples import examples
from tests.support.otlp import START, request, span, trace_hex

START_US = START // 1000
WHOLE_TIME = f"start=0&end={START_US + 10**9}"


@pytest.fixture
def store():
    """Hold two traces of parse and enrich; the second is slower and failed."""
    made = TraceStore()
    for trace, ms, error in ((1, 50, None), (2, 500, "broken")):
        parse = [span(trace, 1, at_ms=trace, ms=ms), span(trace, 2, parent=1, at_ms=trace, kind="client", name="POST")]
        attributes = {"zone": "north", "http.response.status_code": 500}
        enrich = span(trace, 3, parent=2, at_ms=trace, error=error, attributes=attributes)
        made.add(request(parse=parse, enrich=[enrich]))
    return made


@pytest.fixture
def client(store):
    return make_api(store, unix_ns=lambda: START + 10**9).test_client()


def found(client, query):
    answer = client.get(f"/api/traces?{query}")
    assert answer.status_code == 200, answer.text
    assert {**answer.json, "data": None} == {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": None}
    return [int(trace["traceID"], 16) for trace in answer.json["data"]]


def error_of(answer):
    assert (answer.status_code, answer.mimetype) == (400, "application/json")
    (error,) = answer.json["errors"]
    assert (answer.json["data"], error["code"]) == (None, 400)
    return error["msg"]


def test_services_and_their_operations_are_listed(client):
    """Names, and names with kinds, each with its total."""

    def listed(path):
        body = client.get(path).json
        assert body == {"data": body["data"], "total": len(body["data"]), "limit": 0, "offset": 0, "errors": None}
        return body["data"]

    assert listed("/api/services") == ["enrich", "parse"]
    assert listed("/api/services/parse/operations") == ["POST", "POST /messages"]
    assert listed("/api/services/a%2Fb/operations") == []
    post = {"name": "POST", "spanKind": "client"}
    assert listed("/api/operations?service=parse") == [post, {"name": "POST /messages", "spanKind": "server"}]
    assert listed("/api/operations?service=parse&spanKind=client") == [post]
    assert error_of(client.get("/api/operations")) == "parameter 'service' is required"


def test_a_trace_has_spans_that_refer_to_its_processes(client):
    """Ids, references, times in microseconds, typed tags, and one process for each resource."""
    (trace,) = client.get(f"/api/traces/{trace_hex(2)}").json["data"]
    assert trace["traceID"] == trace_hex(2)[16:], "Jaeger leaves out eight bytes of zeros"
    assert {name: process["serviceName"] for name, process in trace["processes"].items()} == {
        "p1": "parse",
        "p2": "enrich",
    }
    assert trace["processes"]["p1"]["tags"] == [{"key": "service.instance.id", "type": "string", "value": "parse-1"}]
    root, _, last = trace["spans"]
    assert (root["startTime"], root["duration"]) == (START_US + 2000, 500_000)
    assert (root["references"], root["processID"], root["operationName"]) == ([], "p1", "POST /messages")
    assert last["references"] == [{"refType": "CHILD_OF", "traceID": trace["traceID"], "spanID": f"{2:016x}"}]
    tags = {tag["key"]: (tag["type"], tag["value"]) for tag in last["tags"]}
    assert tags == {
        "zone": ("string", "north"),
        "http.response.status_code": ("int64", 500),
        "span.kind": ("string", "server"),
        "otel.scope.name": ("string", "tests"),
        "otel.status_code": ("string", "ERROR"),
        "otel.status_description": ("string", "broken"),
        "error": ("bool", True),
    }


@pytest.mark.parametrize(
    ("link_trace", "link_span", "attributes", "expected"),
    [
        (1, 2, {}, [("CHILD_OF", 9, 9), ("FOLLOWS_FROM", 1, 2)]),
        (1, 2, {"opentracing.ref_type": "child_of"}, [("CHILD_OF", 9, 9), ("CHILD_OF", 1, 2)]),
        (9, 9, {}, [("FOLLOWS_FROM", 9, 9)]),
    ],
)
def test_a_link_is_a_reference(store, client, link_trace, link_span, attributes, expected):
    """A link follows from another span, unless it says otherwise; one to the parent decides about that reference."""
    made = span(9, 1, parent=9)
    link = made.links.add(trace_id=link_trace.to_bytes(16, "big"), span_id=link_span.to_bytes(8, "big"))
    for key, value in attributes.items():
        link.attributes.add(key=key).value.string_value = value
    store.add(request(linked=[made]))
    ((only,),) = (trace["spans"] for trace in client.get(f"/api/traces/{trace_hex(9)}").json["data"])
    shown = [(one["refType"], int(one["traceID"], 16), int(one["spanID"], 16)) for one in only["references"]]
    assert shown == expected


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("service=parse", [2, 1]),
        ("service=parse&operation=POST", [2, 1]),
        ("service=parse&operation=GET", []),
        ("service=nobody", []),
        ("service=parse&limit=1", [2]),
        ("service=parse&minDuration=100ms", [2]),
        ("service=parse&maxDuration=20ms", [2, 1]),
        ("service=parse&minDuration=20ms&maxDuration=100ms", [1]),
        ('service=enrich&tags={"error":"true"}', [2]),
        ("service=enrich&tag=error:true", [2]),
        ('service=enrich&tags={"error":"false"}', []),
        ('service=enrich&tags={"zone":"north","http.response.status_code":"500"}', [2, 1]),
        ('service=enrich&tags={"zone":"south"}', []),
        ("service=enrich&tag=zone:north&tag=http.response.status_code:500", [2, 1]),
        (f"service=parse&start={START_US + 2000}", [2]),
        (f"service=parse&end={START_US + 1000}&operation=POST /messages", [1]),
        ("service=parse&lookback=1h", [2, 1]),
        (f"service=parse&lookback=1h&end={START_US + 3_600_000_000 + 1500}", [2]),
        ("service=parse&lookback=custom", [2, 1]),
        (f"traceID={trace_hex(1)}&traceID=2", [1, 2]),
    ],
)
def test_a_search_finds_what_it_asks_for(client, query, numbers):
    """Grafana's search: by service, operation, tags, durations, times, and a limit; the newest first."""
    assert found(client, query) == numbers


def test_a_missing_trace_is_told(client):
    """By its own path with 404, and among others with an error beside those that are here."""
    answer = client.get("/api/traces/abc")
    assert (answer.status_code, answer.json["errors"]) == (404, [{"code": 404, "msg": "trace not found"}])
    answer = client.get("/api/traces?traceID=1&traceID=abc")
    assert [int(trace["traceID"], 16) for trace in answer.json["data"]] == [1]
    assert answer.json["errors"] == [{"msg": "trace not found", "traceID": "0000000000000abc"}]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "service=",
        "traceID=xyz",
        "service=parse&start=x",
        "service=parse&end=1e3",
        "service=parse&minDuration=5",
        "service=parse&minDuration=2s&maxDuration=1s",
        "service=parse&limit=0",
        "service=parse&limit=-1",
        "service=parse&limit=many",
        "service=parse&tags=x",
        "service=parse&tags=[]",
        'service=parse&tags={"a":1}',
        "service=parse&tag=x",
        "service=parse&raw=maybe",
        "service=parse&tags=" + json.dumps({f"k{number}": "v" for number in range(40)}),
        "service=parse&tags=" + "[" * 9000,
    ],
)
def test_a_malformed_search_is_a_bad_request(client, query):
    """The answer says which parameter is wrong."""
    assert error_of(client.get(f"/api/traces?{query}"))


def test_calls_between_services_are_counted(client):
    """Over the traces of a period: by default of the last day."""
    expected = [
        {"parent": "parse", "child": "enrich", "callCount": 2},
        {"parent": "parse", "child": "parse", "callCount": 2},
    ]
    assert client.get("/api/dependencies").json["data"] == expected
    end = f"/api/dependencies?endTs={START // 10**6 + 1}&lookback=1000"
    assert [link["callCount"] for link in client.get(end).json["data"]] == [1, 1]
    assert client.get("/api/dependencies?service=enrich").json["data"] == expected[:1]
    assert client.get(f"/api/dependencies?endTs={START // 10**6 - 1}").json["data"] == []
    assert error_of(client.get("/api/dependencies?endTs=x"))


def test_an_answer_has_a_bound(client, monkeypatch):
    """Too many spans are refused with what to do about it."""
    monkeypatch.setattr(api_answers, "MAX_ANSWER_SPANS", 5)
    assert "ask for fewer with limit" in error_of(client.get(f"/api/traces?service=parse&{WHOLE_TIME}"))
    monkeypatch.setattr(api_answers, "MAX_ANSWER_SPANS", 2)
    assert "/download/traces/" in error_of(client.get(f"/api/traces/{trace_hex(1)}"))


@given(
    path=st.sampled_from(["/api/traces", "/api/traces/{}", "/api/services/{}/operations", "/api/dependencies"]),
    item=st.text(min_size=1, max_size=40),
    query=st.dictionaries(
        st.sampled_from(["service", "tags", "tag", "start", "end", "limit", "lookback", "endTs", "traceID"]),
        st.text(max_size=40),
    ),
)
@examples(100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_request_breaks_it(client, path, item, query):
    """Whatever is in a path and its parameters, the answer is in JSON and one that Jaeger could give."""
    answer = client.get(path.format(quote(item, safe="")), query_string=query)
    assert answer.status_code in (200, 308, 400, 404), answer.text
