"""Jaeger's API over the store, and the downloads."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from simulator.console.otlp.json_form import as_json
from simulator.console.traces.api import make_api
from simulator.console.traces.store import TraceStore
from tests.support.examples import examples
from tests.support.otlp import request, span, trace_hex

WHOLE_TIME = "query.start_time_min=2020-01-01T00:00:00Z&query.start_time_max=2100-01-01T00:00:00Z"


@pytest.fixture
def store():
    """Hold two traces of parse and enrich; the second is slower and failed."""
    made = TraceStore()
    for trace, ms, error in ((1, 50, None), (2, 500, "broken")):
        parse = [span(trace, 1, at_ms=trace, ms=ms), span(trace, 2, parent=1, kind="client", name="POST")]
        made.add(request(parse=parse, enrich=[span(trace, 3, parent=2, error=error)]))
    return made


@pytest.fixture
def client(store):
    return client_of(store)


def client_of(store):
    return make_api(store).test_client()


def traces_of(answer):
    assert answer.status_code == 200, answer.text
    body = answer.json
    found = body.get("result", body)["resourceSpans"]
    return [(s["traceId"], int(s["spanId"], 16)) for r in found for c in r["scopeSpans"] for s in c["spans"]]


def found(client, query):
    return list(
        dict.fromkeys(int(trace, 16) for trace, _ in traces_of(client.get(f"/api/v3/traces?{WHOLE_TIME}&{query}")))
    )


def test_services_are_listed(client):
    """Services come in order, as JSON."""
    answer = client.get("/api/v3/services")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json == {"services": ["enrich", "parse"]}
    assert client_of(TraceStore()).get("/api/v3/services").json == {"services": []}


def test_operations_are_listed(client):
    """Operations are those of one service, and of one kind if a kind is given."""
    post, messages = {"name": "POST", "spanKind": "client"}, {"name": "POST /messages", "spanKind": "server"}
    assert client.get("/api/v3/operations?service=parse").json == {"operations": [post, messages]}
    assert client.get("/api/v3/operations?service=parse&span_kind=server").json == {"operations": [messages]}
    assert client.get("/api/v3/operations?service=parse&spanKind=client").json == {"operations": [post]}
    for nothing in ("", "?service=nobody", "?service=parse&span_kind=other"):
        assert client.get(f"/api/v3/operations{nothing}").json == {"operations": []}


def test_a_trace_is_given_in_otlp_json(client, store):
    """A trace is what the store has of it, below "result"."""
    answer = client.get(f"/api/v3/traces/{trace_hex(1)}")
    assert answer.mimetype == "application/json"
    assert answer.json == {"result": as_json(next(store.pieces(trace_hex(1))))}
    assert traces_of(answer) == [(trace_hex(1), 1), (trace_hex(1), 2), (trace_hex(1), 3)]


@pytest.mark.parametrize("text", ["1", "01", "0" * 31 + "1"])
def test_a_trace_is_found_without_its_zeros(client, text):
    """Leading zeros of an id may be left out."""
    assert traces_of(client.get(f"/api/v3/traces/{text}?raw_traces=true&start_time=2026-01-01T00:00:00Z"))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("query.service_name=parse", [2, 1]),
        ("query.serviceName=parse", [2, 1]),
        ("query.service_name=parse&query.num_traces=1", [2]),
        ("query.service_name=parse&query.search_depth=1", [2]),
        ("query.service_name=parse&query.duration_min=100ms", [2]),
        ("query.serviceName=parse&query.durationMax=100ms&query.operationName=POST%20/messages", [1]),
        ("", [2, 1]),
    ],
)
def test_traces_are_searched(client, query, numbers):
    """The latest traces that match the query come in one document, latest start first."""
    assert found(client, query) == numbers


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v3/traces/{trace_hex(9)}",
        "/api/v3/traces/abc",
        f"/api/v3/traces?{WHOLE_TIME}&query.service_name=nobody",
        "/api/v3/traces?query.start_time_min=2020-01-01T00:00:00Z&query.start_time_max=2020-01-02T00:00:00Z",
        f"/download/traces/{trace_hex(9)}.json",
    ],
)
def test_no_traces_are_answered_like_jaeger(client, path):
    """If there is nothing, the answer is 404 with Jaeger's words."""
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (404, "application/json")
    assert answer.json == {"error": {"httpCode": 404, "message": "No traces found"}}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/v3/traces/xyz", "malformed parameter trace_id: 'xyz' is not 1 to 32 hexadecimal digits"),
        ("/download/traces/xyz.json", "malformed parameter trace_id: 'xyz' is not 1 to 32 hexadecimal digits"),
        ("/api/v3/traces", "query.start_time_min and query.start_time_max are required"),
        (f"/api/v3/traces?{WHOLE_TIME}&query.num_traces=-1", "malformed parameter query.num_traces: '-1' is not"),
        (f"/api/v3/traces/{trace_hex(1)}?start_time=x", "malformed parameter start_time: 'x' is not a time"),
        (f"/api/v3/traces/{trace_hex(1)}?end_time=x", "malformed parameter end_time: 'x' is not a time"),
        (f"/api/v3/traces/{trace_hex(1)}?raw_traces=x", "malformed parameter raw_traces: 'x' is neither"),
    ],
)
def test_a_wrong_parameter_is_answered_like_jaeger(client, path, message):
    """An invalid value is answered with 400 and what is wrong with it."""
    answer = client.get(path)
    assert answer.status_code == 400
    assert answer.json["error"]["httpCode"] == 400
    assert answer.json["error"]["message"].startswith(message)


def test_a_trace_is_downloaded(client, store):
    """A trace comes as a file of OTLP's JSON under its full id."""
    answer = client.get("/download/traces/2.json")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="trace-{trace_hex(2)}.json"'
    assert answer.json == as_json(next(store.pieces(trace_hex(2))))


def test_all_traces_are_downloaded(client):
    """All traces come in one file, oldest first; for an empty store it has none."""
    answer = client.get("/download/traces.json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="traces.json"'
    assert [int(trace, 16) for trace, _ in traces_of(answer)] == [1, 1, 1, 2, 2, 2]
    assert client_of(TraceStore()).get("/download/traces.json").json == {"resourceSpans": []}


def test_a_download_outlives_the_traces_in_it():
    """Traces evicted while they are being sent are left out; the file stays valid."""
    store = TraceStore(max_traces=2)
    store.add(request(parse=[span(1), span(2)]))
    answer = client_of(store).get("/download/traces.json", buffered=False)
    pieces = iter(answer.response)
    head = next(pieces) + next(pieces)
    store.add(request(parse=[span(3), span(4)]))
    rest = b"".join(pieces)
    whole = orjson.loads(head + rest)
    answer.close()
    assert [s["traceId"] for r in whole["resourceSpans"] for c in r["scopeSpans"] for s in c["spans"]] == [trace_hex(1)]


def test_a_script_in_a_name_stays_text():
    """Text in a span comes back as it was, in JSON and never as a page."""
    script = '<script>alert("x")</script>\u2028'
    store = TraceStore()
    store.add(request(parse=[span(name=script, attributes={script: script})]))
    answer = client_of(store).get("/api/v3/traces/1")
    (sent,) = answer.json["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (sent["name"], answer.mimetype) == (script, "application/json")
    assert sent["attributes"] == [{"key": script, "value": {"stringValue": script}}]


@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="?"), max_size=30),
    st.dictionaries(
        st.sampled_from(
            [f"query.{n}" for n in ("service_name", "serviceName", "start_time_min", "startTimeMax", "num_traces")]
            + ["query.duration_min", "query.search_depth", "service", "span_kind", "start_time", "raw_traces"]
        ),
        st.text(max_size=30),
    ),
)
def test_no_request_breaks_it(client, path, query):
    """Whatever is in a path and its parameters, the answer is one that Jaeger could give."""
    for base in ("/api/v3/traces/", "/api/v3/traces", "/api/v3/operations", "/download/traces/"):
        answer = client.get(base + (path if base.endswith("/") else ""), query_string=query)
        assert answer.status_code in (200, 308, 400, 404), answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/services/",
        "/api/v3",
        "/api/v3/nonsense",
        "/api/v3/services/",
        "/api/v1/query",
        "/download",
    ],
)
def test_an_unknown_path_is_an_error_of_the_api(client, method, path):
    """Another API's path, or a mistyped one, gets 404 in JSON and not a page."""
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (404, "application/json")
    assert method == "HEAD" or answer.json["error"]["httpCode"] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
@pytest.mark.parametrize("path", ["/api/v3/services", "/api/v3/traces", "/api/v3/traces/1", "/download/traces.json"])
def test_another_method_is_refused_with_the_allowed_ones(client, method, path):
    """It is 405, in JSON, with the allowed methods."""
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (405, "application/json")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.json["error"]["httpCode"] == 405


@pytest.fixture(scope="module")
def crowded():
    """Hold 40 traces of 600 spans, and one of few spans that has too many bytes."""
    made = TraceStore()
    for trace in range(1, 41):
        made.add(request(parse=[span(trace, number, at_ms=trace) for number in range(1, 601)]))
    made.add(request(huge=[span(99, number, attributes={"text": "x" * 2**20}) for number in range(1, 10)]))
    return client_of(made)


def test_a_search_that_finds_too_much_is_refused_with_what_to_ask(crowded):
    """An answer is bounded by its spans and its bytes; the error says which search would fit."""
    asked = f"/api/v3/traces?{WHOLE_TIME}&query.service_name=parse&query.num_traces="
    answer = crowded.get(f"{asked}1000")
    assert answer.status_code == 400
    assert answer.json["error"]["message"].startswith("40 traces with 24,000 spans in ")
    assert answer.json["error"]["message"].endswith("ask for fewer with query.num_traces")
    assert len({trace for trace, _ in traces_of(crowded.get(f"{asked}30"))}) == 30
    answer = crowded.get(f"/api/v3/traces?{WHOLE_TIME}&query.service_name=huge")
    assert (answer.status_code, "bytes: an answer has at most" in answer.json["error"]["message"]) == (400, True)


def test_the_error_for_a_large_trace_names_the_download(crowded):
    """One trace may be too much for an answer; the download has all of it."""
    answer = crowded.get(f"/api/v3/traces/{trace_hex(99)}")
    assert answer.status_code == 400
    place = f"/download/traces/{trace_hex(99)}.json"
    assert answer.json["error"]["message"].endswith(f"it is whole at {place}")
    assert len(traces_of(crowded.get(place))) == 9


@pytest.mark.parametrize("name", ["num_traces", "duration_min", "durationMax", "start_time_min", "raw_traces"])
@pytest.mark.parametrize("text", ["1" * 20_000, "1" * 20_000 + "s", "1h" * 10_000, "0." + "0" * 20_000 + "s"])
def test_no_pattern_sees_a_long_parameter(client, name, text):
    """Twenty thousand digits are refused for their number."""
    times = {"query.start_time_min": "2020-01-01T00:00:00Z", "query.start_time_max": "2100-01-01T00:00:00Z"}
    answer = client.get("/api/v3/traces", query_string={**times, f"query.{name}": text})
    assert answer.status_code == 400
    assert "at most 100 are read" in answer.json["error"]["message"]
