"""`POST /v1/traces`: every body gets the answer that OTLP prescribes, and does no harm."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib
from contextlib import contextmanager

import orjson
import pytest
from google.protobuf.json_format import MessageToJson
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
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
from simulator.console.otlp.intake import MAX_BYTES, OtlpIntake, Takers
from simulator.console.otlp.json_form import as_json
from simulator.console.otlp.receiver import make_receiver
from simulator.console.otlp.refusals import Refusals
from simulator.console.turns import Turns
from simulator.telemetry.otlp_posting import OtlpBatch
from tests.support.exports import export, exports
from tests.support.serving import answers_of, say, serving

GOOD = export(spans=3)
GOOD_PROTOBUF = GOOD.SerializeToString()
GOOD_JSON = orjson.dumps(as_json(GOOD.resource_spans))
PATH, LOGS_PATH, METRICS_PATH = (signal.path for signal in (accepted.TRACES, accepted.LOGS, accepted.METRICS))
MAX_SPANS = accepted.TRACES.max_items
PRESCRIBED = {200, 400, 413, 415}
SMALL = 4096


def takers_in(options):
    """Take what takes log records and metrics out of the options of a receiver."""
    return {name: options.pop(f"take_{name}") for name in ("logs", "metrics") if f"take_{name}" in options}


def receiver_of(takers, max_bytes=MAX_BYTES, turns=None, **options):
    return make_receiver(OtlpIntake(takers, turns or Turns(), max_bytes), **options)


class Receiver:
    """A receiver, a client for it, and what it took and forwarded."""

    def __init__(self, refusals=None, **options):
        self.taken, self.batches, self.refusals = [], [], refusals or Refusals()
        self.app = receiver_of(Takers(traces=self._take, forward=self.batches.append, **takers_in(options)), **options)
        self.client = self.app.test_client()

    def _take(self, request):
        self.taken.append(request)
        return self.refusals

    def post(self, body=GOOD_PROTOBUF, content_type=PROTOBUF, encoding=None, method="POST", path=PATH, **options):
        headers = {**options.pop("headers", {}), **({} if encoding is None else {"Content-Encoding": encoding})}
        return self.client.open(path, method=method, data=body, content_type=content_type, headers=headers, **options)

    def post_stream(self, stream, length=None, content_type=PROTOBUF):
        """Post the content of a stream; without a length, as chunks that the server has joined."""
        environ = {"wsgi.input": stream, "wsgi.input_terminated": True}
        if length is None:
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        else:
            environ["CONTENT_LENGTH"] = str(length)
        return self.client.post(PATH, content_type=content_type, environ_overrides=environ)


def reason_of(answer):
    """Return the reason in the Status of an answer, in either format."""
    if answer.content_type == PROTOBUF:
        status = Status.FromString(answer.data)
        return status.code, status.message
    assert answer.content_type == JSON
    return answer.json["code"], answer.json["message"]


class Broken(io.BytesIO):
    """A body that fails after its first part."""

    def __init__(self, come, error):
        super().__init__(come)
        self._error = error

    def read(self, size=-1):
        if piece := super().read(size):
            return piece
        raise self._error


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


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_body_that_declares_too_much_is_refused_unread(content_type):
    """A length over the bound is 413 before any of the body is read."""
    receiver, stream = Receiver(max_bytes=SMALL), Broken(b"", AssertionError("read"))
    answer = receiver.post_stream(stream, SMALL + 1, content_type)
    assert (answer.status_code, answer.content_type) == (413, content_type)
    assert reason_of(answer) == (8, "the body has 4097 bytes; at most 4096 are taken; send smaller batches")


class Endless:
    """An endless body that counts what was read of it."""

    def __init__(self):
        self.read_bytes = 0

    def read(self, size):
        self.read_bytes += size
        return bytes(size)


def test_an_endless_chunked_body_is_refused():
    """A chunked body is read up to the bound and no further, then it is 413 and the connection is closed."""
    receiver, endless = Receiver(max_bytes=100_000), Endless()
    answer = receiver.post_stream(endless)
    assert (answer.status_code, answer.headers["Connection"]) == (413, "close")
    assert endless.read_bytes < 200_000


def test_a_chunked_body_is_accepted():
    """A chunked body, as of exporters that compress while they send, is accepted."""
    receiver = Receiver()
    assert receiver.post_stream(io.BytesIO(GOOD_PROTOBUF)).status_code == 200
    assert receiver.taken == [GOOD]


@pytest.mark.parametrize("encoding", ["gzip, chunked", "gzip", "identity"])
def test_a_body_with_another_transfer_encoding_needs_its_length(encoding):
    """A body whose end is unknown is 411."""
    answer = Receiver().post(headers={"Transfer-Encoding": encoding})
    assert (answer.status_code, answer.headers["Connection"]) == (411, "close")


def test_a_body_of_the_maximum_size_is_accepted():
    """The bound itself is still accepted, plain and decompressed."""
    body = export(spans=20).SerializeToString()
    receiver = Receiver(max_bytes=len(body))
    assert (
        receiver.post(body).status_code
        == receiver.post(gzip.compress(body, mtime=0), encoding="gzip").status_code
        == 200
    )
    receiver = Receiver(max_bytes=len(body) - 1)
    assert (
        receiver.post(body).status_code
        == receiver.post(gzip.compress(body, mtime=0), encoding="gzip").status_code
        == 413
    )


def test_a_gzip_bomb_is_decompressed_only_up_to_the_bound():
    """A small body that decompresses to a very large one is 413, at the cost of the bound and no more."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    receiver = Receiver(max_bytes=2**20)
    tracemalloc.start()
    try:
        answer = receiver.post(bomb, encoding="gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason_of(answer) == (8, "unpacked the body has more than 1048576 bytes; send smaller batches")
    assert (answer.status_code, peak < 4 * 2**20) == (413, True)


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"\x0a\x00" * 600_000, PROTOBUF), (b"[" + b"[]," * 600_000 + b"[]]", JSON)]
)
@pytest.mark.long
def test_a_body_that_would_be_large_in_memory_is_refused(body, content_type):
    """A body of empty parts, which take a hundred times their bytes, is 413."""
    answer = Receiver().post(body, content_type)
    assert (answer.status_code, reason_of(answer)[0]) == (413, 8)


def test_batches_in_chunks_on_one_connection():
    """An exporter that sends chunks keeps its connection after every batch, and gets an error for malformed chunks."""
    receiver = Receiver()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    batch = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD_PROTOBUF), GOOD_PROTOBUF)
    with serving(receiver.app) as (port, _):
        answers = answers_of(say(port, batch * 3 + head + b"-1\r\n" + batch))
    assert [(answer.status, answer.headers.get("connection")) for answer in answers] == [
        *[(200, None)] * 3,
        (400, "close"),
    ]
    assert receiver.taken == [GOOD] * 3


@pytest.mark.parametrize("error", [OSError("unexpected end"), ConnectionResetError(), ValueError("no chunk")])
@pytest.mark.parametrize("length", [None, len(GOOD_PROTOBUF)])
def test_a_connection_that_breaks_is_a_bad_request(error, length):
    """A body that is cut short is 400, whatever the server makes of it."""
    receiver = Receiver()
    answer = receiver.post_stream(Broken(GOOD_PROTOBUF[:20], error), length)
    assert (answer.status_code, answer.headers["Connection"]) == (400, "close")
    assert receiver.taken == []


def test_a_body_that_ends_early_is_a_bad_request():
    """Fewer bytes than declared are 400, and the reason says how many arrived."""
    answer = Receiver().post_stream(io.BytesIO(GOOD_PROTOBUF[:20]), 100)
    assert answer.status_code == 400
    assert reason_of(answer) == (3, "the connection ended after 20 of 100 bytes of the body")


def test_a_body_that_does_not_arrive_is_a_timeout():
    """A body that the server waited for in vain is 408."""
    answer = Receiver().post_stream(Broken(b"\n", TimeoutError()), 100)
    assert (answer.status_code, reason_of(answer)) == (408, (4, "the body did not arrive in time"))


def test_a_body_has_a_time_limit():
    """Each body has its own time limit, and one that exceeds it is 408."""
    entered = []

    @contextmanager
    def limit():
        entered.append(True)
        yield
        if len(entered) == 2:
            raise TimeoutError

    receiver = Receiver(time_limit=limit)
    assert [receiver.post().status_code for _ in range(3)] == [200, 408, 200]
    assert len(receiver.taken) == 2


def test_bodies_being_received_are_bounded_together():
    """While many bodies are being read another is 429 with Retry-After, and afterwards everything is as before."""
    receiver = Receiver(max_bytes=SMALL, max_held_bytes=SMALL)
    nested = []

    class Slow(io.BytesIO):
        def read(self, size=-1):
            piece = super().read(size)
            if not piece:  # all of this body is held; meanwhile another one comes
                nested.append(receiver.post(bytes(200)))
            return piece

    answer = receiver.post_stream(Slow(bytes(SMALL - 100)))
    assert answer.status_code == 400
    assert (nested[0].status_code, nested[0].headers["Retry-After"]) == (429, "1")
    assert reason_of(nested[0]) == (8, "too many bodies are being received")
    assert receiver.post().status_code == 200


def test_a_bug_of_our_own_is_a_server_error(caplog):
    """An internal error is 500, in the format of the request, without its details."""
    receiver = Receiver()
    receiver.refusals = None
    answer = receiver.post(GOOD_JSON, JSON)
    assert (answer.status_code, answer.json["code"]) == (500, 13)
    assert "refusals" not in answer.json["message"]
    assert "AttributeError" in caplog.text


@given(
    body=st.binary(max_size=300),
    content_type=st.sampled_from([PROTOBUF, JSON, "text/plain"])
    | st.text(st.characters(max_codepoint=255), max_size=9),
    encoding=st.sampled_from([None, "gzip", "identity"]) | st.text(st.characters(max_codepoint=255), max_size=9),
)
def test_any_body_gets_a_prescribed_answer(body, content_type, encoding):
    """Any bytes of any type and encoding get a status of OTLP's, and a valid request afterwards is accepted."""
    receiver = Receiver(max_bytes=SMALL)
    headers = [("Content-Type", content_type.translate(_NO_BREAKS))]
    if encoding is not None:
        headers.append(("Content-Encoding", encoding.translate(_NO_BREAKS)))
    answer = receiver.client.post(PATH, data=body, headers=headers)
    assert answer.status_code in PRESCRIBED
    assert _is_still_well(receiver)


_NO_BREAKS = dict.fromkeys(map(ord, "\r\n\0"), "_")


@given(exports(), st.sampled_from([PROTOBUF, JSON]), st.sampled_from([None, "gzip"]), st.data())
def test_any_damaged_body_gets_a_prescribed_answer(request, content_type, encoding, data):
    """A request cut short, or with flipped bits, compressed or not, gets a status of OTLP's and does no harm."""
    receiver = Receiver(max_bytes=2**20)
    plain = request.SerializeToString() if content_type == PROTOBUF else orjson.dumps(as_json(request.resource_spans))
    assert receiver.post(plain, content_type).status_code == 200
    body = bytearray(gzip.compress(plain, mtime=0) if encoding else plain)
    for _ in range(data.draw(st.integers(0, 3)) if body else 0):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    answer = receiver.post(bytes(body[: data.draw(st.integers(0, len(body)))]), content_type, encoding)
    assert answer.status_code in (200, 400, 413)
    assert answer.content_type == content_type
    assert _is_still_well(receiver)


def _is_still_well(receiver):
    return receiver.post().status_code == 200 and receiver.taken[-1] == GOOD


def tiny_spans(count):
    """Return a request of spans that have nothing but their ids, about thirty bytes each."""
    spans = b"".join(
        b"\x12\x1c\x0a\x10" + number.to_bytes(16, "big") + b"\x12\x08" + number.to_bytes(8, "big")
        for number in range(1, count + 1)
    )
    scope = b"\x12" + varint(len(spans)) + spans
    return b"\x0a" + varint(len(scope)) + scope


def varint(number):
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


@pytest.mark.long
def test_too_many_spans_in_one_request_are_refused():
    """Half a million tiny spans in one body are refused before any is stored, and the answer says what to do."""
    receiver = Receiver()
    as_json_too = b",".join([b'{"traceId":"01","spanId":"01"}'] * (MAX_SPANS + 1))
    in_json = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + as_json_too + b"]}]}]}"
    for answer in (receiver.post(tiny_spans(500_000)), receiver.post(in_json, JSON)):
        assert (answer.status_code, receiver.taken) == (413, [])
        assert reason_of(answer) == (8, f"more than {MAX_SPANS} spans in one request; send smaller ones")
    assert [receiver.post(tiny_spans(MAX_SPANS)).status_code, len(receiver.taken)] == [200, 1]


def test_a_large_request_in_json_is_read_in_turns():
    """While a body of many values is read other greenlets get their turn."""
    given = []
    receiver = Receiver(turns=Turns(lambda: given.append(None)))
    body = orjson.dumps(as_json(export(spans=2000).resource_spans))
    assert receiver.post(body, JSON).status_code == 200
    assert len(given) >= 10
