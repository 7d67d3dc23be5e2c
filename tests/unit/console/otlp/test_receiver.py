"""`POST /v1/traces`, `/v1/logs` and `/v1/metrics`: every request gets the answer that OTLP prescribes."""

from __future__ import annotations

import gzip
import zlib

import pytest
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics, ScopeMetrics

from simulator.console.otlp import accepted
from simulator.console.otlp.application import JSON, PROTOBUF
from simulator.console.otlp.intake import Takers
from simulator.console.otlp.refusals import Refusals
from simulator.telemetry.otlp_posting import OtlpBatch
from tests.support.receivers import (
    GOOD,
    GOOD_JSON,
    GOOD_PROTOBUF,
    LOGS_PATH,
    METRICS_PATH,
    PATH,
    SMALL,
    Receiver,
    reason_of,
    receiver_of,
)


@pytest.mark.parametrize("content_type", [PROTOBUF, f"{PROTOBUF}; proto=x", "Application/X-Protobuf"])
def test_protobuf_is_taken(content_type):
    """A request in protobuf is accepted and forwarded as it arrived, and the answer is an empty one in protobuf."""
    receiver = Receiver()
    answer = receiver.post(content_type=content_type)
    assert (answer.status_code, answer.content_type, answer.data) == (200, PROTOBUF, b"")
    assert receiver.taken == [GOOD]
    assert receiver.batches == [OtlpBatch(GOOD_PROTOBUF, PROTOBUF, "identity", 3)]


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8"])
def test_json_is_taken(content_type):
    """A request in JSON is accepted as the same, and the answer is an empty one in JSON."""
    receiver = Receiver()
    answer = receiver.post(GOOD_JSON, content_type)
    assert (answer.status_code, answer.content_type, answer.data) == (200, JSON, b"{}")
    assert receiver.taken == [GOOD]
    assert receiver.batches == [OtlpBatch(GOOD_JSON, JSON, "identity", 3)]


@pytest.mark.parametrize(("body", "content_type"), [(GOOD_PROTOBUF, PROTOBUF), (GOOD_JSON, JSON)])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip "])
def test_gzip_is_unpacked_and_forwarded_packed(body, content_type, encoding):
    """A compressed request is the same as a plain one, and is forwarded as it arrived."""
    receiver, packed = Receiver(), gzip.compress(body, mtime=0)
    assert receiver.post(packed, content_type, encoding).status_code == 200
    assert receiver.taken == [GOOD]
    assert receiver.batches == [OtlpBatch(packed, content_type, "gzip", 3)]


@pytest.mark.parametrize("encoding", ["identity", ""])
def test_identity_is_no_encoding(encoding):
    """A body that says it is not compressed is not decompressed."""
    receiver = Receiver()
    assert receiver.post(encoding=encoding).status_code == 200
    assert receiver.taken == [GOOD]


def test_the_via_header_is_forwarded():
    """The header by which a forwarding loop is detected is kept."""
    receiver = Receiver()
    receiver.post(headers={"Via": "1.1 somewhere"})
    assert receiver.batches[0].via == "1.1 somewhere"


@pytest.mark.parametrize(("body", "content_type", "empty"), [(b"", PROTOBUF, b""), (b"{}", JSON, b"{}")])
def test_an_empty_request_is_valid(body, content_type, empty):
    """A request without spans is accepted."""
    receiver = Receiver()
    answer = receiver.post(body, content_type)
    assert (answer.status_code, answer.data) == (200, empty)
    assert [len(request.resource_spans) for request in receiver.taken] == [0]


def test_forwarding_is_optional():
    """Without anywhere to pass it on to, a request is taken all the same."""
    taken = []

    def take(request):
        taken.append(request)
        return Refusals()

    answer = receiver_of(Takers(traces=take)).test_client().post(PATH, data=GOOD_PROTOBUF, content_type=PROTOBUF)
    assert (answer.status_code, taken) == (200, [GOOD])


@pytest.mark.parametrize(("spans", "reason"), [(2, "no trace id"), (0, "a word of warning")])
def test_what_was_refused_is_reported(spans, reason):
    """A request of which spans were refused gets a partial success with their number and the reason."""
    receiver = Receiver(Refusals(spans, reason))
    answer = receiver.post()
    partial = ExportTraceServiceResponse.FromString(answer.data).partial_success
    assert (answer.status_code, partial.rejected_spans, partial.error_message) == (200, spans, reason)
    answer = receiver.post(GOOD_JSON, JSON)
    assert answer.json == {"partialSuccess": {"rejectedSpans": str(spans), "errorMessage": reason}}


@pytest.mark.parametrize(
    ("body", "content_type", "encoding"),
    [
        (b"no protobuf", PROTOBUF, None),
        (GOOD_PROTOBUF[:-1], PROTOBUF, None),
        (GOOD_JSON, PROTOBUF, None),
        (b"", JSON, None),
        (b"[]", JSON, None),
        (GOOD_JSON[:-1], JSON, None),
        (GOOD_PROTOBUF, JSON, None),
        (b'{"resourceSpans": 1}', JSON, None),
        (GOOD_PROTOBUF, PROTOBUF, "gzip"),
        (b"", PROTOBUF, "gzip"),
        (gzip.compress(GOOD_PROTOBUF, mtime=0)[:-9], PROTOBUF, "gzip"),
        (gzip.compress(GOOD_PROTOBUF, mtime=0)[:-1], PROTOBUF, "gzip"),
        (gzip.compress(GOOD_PROTOBUF, mtime=0)[:-8] + bytes(8), PROTOBUF, "gzip"),
        (gzip.compress(GOOD_PROTOBUF, mtime=0) + gzip.compress(b"", mtime=0), PROTOBUF, "gzip"),
        (gzip.compress(GOOD_PROTOBUF, mtime=0) + b"\0", PROTOBUF, "gzip"),
        (zlib.compress(GOOD_JSON), JSON, "gzip"),
        (gzip.compress(b"", mtime=0), JSON, "gzip"),
    ],
)
def test_a_malformed_body_is_a_bad_request(body, content_type, encoding):
    """An unreadable body gets 400 and a Status in its own format, and is neither stored nor forwarded."""
    receiver = Receiver()
    answer = receiver.post(body, content_type, encoding)
    assert (answer.status_code, answer.content_type) == (400, content_type)
    code, message = reason_of(answer)
    assert code == 3
    assert message
    assert (receiver.taken, receiver.batches) == ([], [])


def test_the_error_for_a_bad_request_names_the_place():
    """The reason names the place in the JSON."""
    answer = Receiver().post(b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"<b>"}]}]}]}', JSON)
    assert answer.json == {
        "code": 3,
        "message": "resourceSpans[0].scopeSpans[0].spans[0].traceId: an id in hexadecimal is expected, not '<b>'",
    }


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/grpc", "application/x-ndjson", "*/*", "é"]
)
def test_another_content_type_is_refused(content_type):
    """A type other than protobuf or JSON is 415, in JSON, with the accepted ones; a form can send nothing here."""
    receiver = Receiver()
    answer = receiver.post(content_type=content_type)
    assert (answer.status_code, answer.headers["Accept-Post"]) == (415, f"{PROTOBUF}, {JSON}")
    assert answer.json == {"code": 3, "message": f"the Content-Type must be {PROTOBUF} or {JSON}"}
    assert receiver.taken == []


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "x"])
def test_another_encoding_is_refused(encoding):
    """A body with another encoding is 415 with the accepted ones."""
    answer = Receiver().post(encoding=encoding)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "gzip, identity")
    assert reason_of(answer) == (3, "the Content-Encoding must be gzip or identity")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_another_method_is_refused(method):
    """Anything but POST is 405 with the allowed method; a preflight from another origin gets no permission."""
    answer = Receiver().post(method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", [PATH, METRICS_PATH, LOGS_PATH])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_another_method_is_refused_in_json(path, method):
    """A probe without a content type can read why it is refused."""
    answer = Receiver().post(None, None, path=path, method=method)
    assert (answer.status_code, answer.headers["Allow"], answer.content_type) == (405, "POST", JSON)
    assert answer.json["code"] == 12


METRICS = ExportMetricsServiceRequest(
    resource_metrics=[ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[Metric(name="orders")])])]
)
LOGS = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[LogRecord()])])])


@pytest.mark.parametrize(
    ("path", "message", "response"),
    [
        (METRICS_PATH, METRICS, ExportMetricsServiceResponse),
        (LOGS_PATH, LOGS, ExportLogsServiceResponse),
    ],
)
@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_metrics_and_logs_are_accepted(path, message, response, encoding):
    """An SDK that sends all of its signals here gets the expected answer for each, whatever is done with them."""
    receiver, pack = Receiver(), (lambda body: body) if encoding is None else gzip.compress
    body = message.SerializeToString()
    answer = receiver.post(pack(body), encoding=encoding, path=path)
    assert (answer.status_code, answer.content_type) == (200, PROTOBUF)
    assert response.FromString(answer.data) == response()
    answer = receiver.post(pack(MessageToJson(message).encode()), JSON, encoding, path=path)
    assert (answer.status_code, answer.content_type, answer.data) == (200, JSON, b"{}")
    assert [receiver.post(b"", path=path).status_code, receiver.post(b"{}", JSON, path=path).status_code] == [200, 200]
    assert (receiver.taken, receiver.batches) == ([], [])


@pytest.mark.parametrize(
    ("option", "path", "message", "response", "field"),
    [
        ("take_metrics", METRICS_PATH, METRICS, ExportMetricsServiceResponse, "rejected_data_points"),
        ("take_logs", LOGS_PATH, LOGS, ExportLogsServiceResponse, "rejected_log_records"),
    ],
)
@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_metrics_and_logs_are_taken_like_spans(option, path, message, response, field, encoding):
    """The request is handed over as it is, in both formats, and what was refused of it is told by its own name."""
    taken, pack = [], (lambda body: body) if encoding is None else gzip.compress

    def take(request):
        taken.append(request)
        return Refusals(3, "too many")

    receiver = Receiver(**{option: take})
    answer = receiver.post(pack(message.SerializeToString()), encoding=encoding, path=path)
    partial = response.FromString(answer.data).partial_success
    assert (answer.status_code, getattr(partial, field), partial.error_message) == (200, 3, "too many")
    answer = receiver.post(pack(MessageToJson(message).encode()), JSON, encoding, path=path)
    in_json = {"rejected_data_points": "rejectedDataPoints", "rejected_log_records": "rejectedLogRecords"}[field]
    assert answer.json == {"partialSuccess": {in_json: "3", "errorMessage": "too many"}}
    assert (taken, receiver.taken, receiver.batches) == ([message, message], [], [])


@pytest.mark.parametrize("path", [METRICS_PATH, LOGS_PATH])
@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status"),
    [
        (b"no protobuf", PROTOBUF, None, 400),
        (b"[]", JSON, None, 400),
        (b'{"resourceMetrics"', JSON, None, 400),
        (b"", JSON, None, 400),
        (METRICS.SerializeToString(), PROTOBUF, "gzip", 400),
        (METRICS.SerializeToString(), PROTOBUF, "br", 415),
        (b"orders 1", "text/plain", None, 415),
        (bytes(SMALL + 1), PROTOBUF, None, 413),
        (gzip.compress(bytes(2 * SMALL), mtime=0), PROTOBUF, "gzip", 413),
    ],
)
def test_metrics_and_logs_have_the_bounds_of_spans(path, body, content_type, encoding, status):
    """What would be refused for spans is refused for them, in the same format."""
    answer = Receiver(max_bytes=SMALL).post(body, content_type, encoding, path=path)
    assert answer.status_code == status
    assert answer.content_type in (PROTOBUF, JSON)


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        (METRICS_PATH, b"\x0a\x00" * 600_000, PROTOBUF),
        (LOGS_PATH, b"[" + b"[]," * 600_000 + b"[]]", JSON),
    ],
)
@pytest.mark.long
def test_metrics_and_logs_that_would_be_large_in_memory_are_refused(path, body, content_type):
    """A body of empty parts is 413 here too."""
    assert Receiver().post(body, content_type, path=path).status_code == 413


@pytest.mark.parametrize(
    ("signal", "body"),
    [
        (accepted.LOGS, b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[%b]}]}]}'),
        (accepted.METRICS, b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[%b]}}]}]}]}'),
    ],
)
@pytest.mark.long
def test_too_many_records_or_points_are_refused(signal, body):
    """In one request, so that a million of them take many requests, which others come between."""
    taken = []
    receiver = Receiver(take_logs=taken.append, take_metrics=taken.append)
    answer = receiver.post(body % b",".join([b"{}"] * (signal.max_items + 1)), JSON, path=signal.path)
    assert (answer.status_code, taken) == (413, [])
    assert reason_of(answer) == (8, f"more than {signal.max_items} {signal.noun} in one request; send smaller ones")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/traces/", "/v1/metrics/x", "/v1/profiles", "/v1/traces/x"])
@pytest.mark.parametrize(
    ("method", "content_type"), [("POST", PROTOBUF), ("POST", JSON), ("GET", None), ("PUT", "a/b")]
)
def test_another_path_does_not_exist(path, method, content_type):
    """There is nothing else here, and the error is in OTLP's format, in JSON for other clients."""
    answer = Receiver().post(path=path, method=method, content_type=content_type)
    assert (answer.status_code, answer.content_type) == (404, content_type if content_type == PROTOBUF else JSON)
    if answer.content_type == JSON:
        assert answer.json["code"] == 5
