"""`POST /v1/traces`: every body gets the answer that OTLP prescribes, and hurts nothing."""

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

from simulator.console.traces.other_signals import LOGS_PATH, METRICS_PATH
from simulator.console.traces.otlp_http import JSON, PROTOBUF
from simulator.console.traces.otlp_json import as_json
from simulator.console.traces.otlp_protobuf import MAX_SPANS
from simulator.console.traces.receiver import PATH, make_receiver
from simulator.console.traces.refusals import Refusals
from simulator.console.turns import Turns
from simulator.telemetry.otlp_posting import Parcel
from tests.support.exports import export, exports
from tests.support.serving import answers_of, say, serving

GOOD = export(spans=3)
GOOD_PROTOBUF = GOOD.SerializeToString()
GOOD_JSON = orjson.dumps(as_json(GOOD.resource_spans))
PRESCRIBED = {200, 400, 413, 415}
SMALL = 4096


class Receiver:
    """A receiver, a client for it, and what it took and passed on."""

    def __init__(self, refusals=None, **options):
        self.taken, self.parcels, self.refusals = [], [], refusals or Refusals()
        self.app = make_receiver(self._take, self.parcels.append, **options)
        self.client = self.app.test_client()

    def _take(self, request):
        self.taken.append(request)
        return self.refusals

    def post(self, body=GOOD_PROTOBUF, content_type=PROTOBUF, encoding=None, method="POST", path=PATH, **options):
        headers = {**options.pop("headers", {}), **({} if encoding is None else {"Content-Encoding": encoding})}
        return self.client.open(path, method=method, data=body, content_type=content_type, headers=headers, **options)

    def post_stream(self, stream, length=None, content_type=PROTOBUF):
        """Post what is read from a stream; without a length, in chunks that the server has put together."""
        environ = {"wsgi.input": stream, "wsgi.input_terminated": True}
        if length is None:
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        else:
            environ["CONTENT_LENGTH"] = str(length)
        return self.client.post(PATH, content_type=content_type, environ_overrides=environ)


def reason_of(answer):
    """Read the Status of an answer, in whichever format it is."""
    if answer.content_type == PROTOBUF:
        status = Status.FromString(answer.data)
        return status.code, status.message
    assert answer.content_type == JSON
    return answer.json["code"], answer.json["message"]


class Broken(io.BytesIO):
    """A body that breaks after what has come of it."""

    def __init__(self, come, error):
        super().__init__(come)
        self._error = error

    def read(self, size=-1):
        if piece := super().read(size):
            return piece
        raise self._error


@pytest.mark.parametrize("content_type", [PROTOBUF, f"{PROTOBUF}; proto=x", "Application/X-Protobuf"])
def test_protobuf_is_taken(content_type):
    """A request in protobuf is taken and passed on as it came, and the answer is an empty one in protobuf."""
    receiver = Receiver()
    answer = receiver.post(content_type=content_type)
    assert (answer.status_code, answer.content_type, answer.data) == (200, PROTOBUF, b"")
    assert receiver.taken == [GOOD]
    assert receiver.parcels == [Parcel(GOOD_PROTOBUF, PROTOBUF, "identity", 3)]


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8"])
def test_json_is_taken(content_type):
    """A request in JSON is taken as the same thing, and the answer is an empty one in JSON."""
    receiver = Receiver()
    answer = receiver.post(GOOD_JSON, content_type)
    assert (answer.status_code, answer.content_type, answer.data) == (200, JSON, b"{}")
    assert receiver.taken == [GOOD]
    assert receiver.parcels == [Parcel(GOOD_JSON, JSON, "identity", 3)]


@pytest.mark.parametrize(("body", "content_type"), [(GOOD_PROTOBUF, PROTOBUF), (GOOD_JSON, JSON)])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip "])
def test_gzip_is_unpacked_and_passed_on_packed(body, content_type, encoding):
    """A packed request is the same as a plain one, and is passed on as it came."""
    receiver, packed = Receiver(), gzip.compress(body, mtime=0)
    assert receiver.post(packed, content_type, encoding).status_code == 200
    assert receiver.taken == [GOOD]
    assert receiver.parcels == [Parcel(packed, content_type, "gzip", 3)]


@pytest.mark.parametrize("encoding", ["identity", ""])
def test_identity_is_no_encoding(encoding):
    """A body that says it is not packed is not unpacked."""
    receiver = Receiver()
    assert receiver.post(encoding=encoding).status_code == 200
    assert receiver.taken == [GOOD]


def test_who_passed_a_request_on_is_told():
    """The header by which a request that goes round in a circle is known goes along."""
    receiver = Receiver()
    receiver.post(headers={"Via": "1.1 somewhere"})
    assert receiver.parcels[0].via == "1.1 somewhere"


@pytest.mark.parametrize(("body", "content_type", "empty"), [(b"", PROTOBUF, b""), (b"{}", JSON, b"{}")])
def test_an_empty_request_is_a_good_one(body, content_type, empty):
    """No spans at all are taken."""
    receiver = Receiver()
    answer = receiver.post(body, content_type)
    assert (answer.status_code, answer.data) == (200, empty)
    assert [len(request.resource_spans) for request in receiver.taken] == [0]


def test_nothing_need_be_passed_on():
    """Without anywhere to pass it on to, a request is taken all the same."""
    taken = []

    def take(request):
        taken.append(request)
        return Refusals()

    answer = make_receiver(take).test_client().post(PATH, data=GOOD_PROTOBUF, content_type=PROTOBUF)
    assert (answer.status_code, taken) == (200, [GOOD])


@pytest.mark.parametrize(("spans", "reason"), [(2, "no trace id"), (0, "a word of warning")])
def test_what_was_refused_is_told(spans, reason):
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
    """What can't be read gets 400 and a Status in its own format, and is neither taken nor passed on."""
    receiver = Receiver()
    answer = receiver.post(body, content_type, encoding)
    assert (answer.status_code, answer.content_type) == (400, content_type)
    code, message = reason_of(answer)
    assert code == 3
    assert message
    assert (receiver.taken, receiver.parcels) == ([], [])


def test_a_bad_request_is_told_where():
    """The reason names the place in the JSON."""
    answer = Receiver().post(b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"<b>"}]}]}]}', JSON)
    assert answer.json == {
        "code": 3,
        "message": "resourceSpans[0].scopeSpans[0].spans[0].traceId: an id in hexadecimal is wanted, not '<b>'",
    }


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/grpc", "application/x-ndjson", "*/*", "é"]
)
def test_another_content_type_is_refused(content_type):
    """Neither protobuf nor JSON is 415, told in JSON, with what is taken; a page's form can send nothing here."""
    receiver = Receiver()
    answer = receiver.post(content_type=content_type)
    assert (answer.status_code, answer.headers["Accept-Post"]) == (415, f"{PROTOBUF}, {JSON}")
    assert answer.json == {"code": 3, "message": f"the Content-Type must be {PROTOBUF} or {JSON}"}
    assert receiver.taken == []


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "x"])
def test_another_encoding_is_refused(encoding):
    """A body packed in another way is 415 with what is taken."""
    answer = Receiver().post(encoding=encoding)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "gzip, identity")
    assert reason_of(answer) == (3, "the Content-Encoding must be gzip or identity")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_another_method_is_refused(method):
    """Whatever is no POST is 405 with what is allowed; asking for permission from elsewhere gets none."""
    answer = Receiver().post(method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", [PATH, METRICS_PATH, LOGS_PATH])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_another_method_is_told_in_json(path, method):
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
def test_metrics_and_logs_are_taken_and_dropped(path, message, response, encoding):
    """An SDK that sends all of its signals here gets for each the answer that it waits for."""
    receiver, pack = Receiver(), (lambda body: body) if encoding is None else gzip.compress
    body = message.SerializeToString()
    answer = receiver.post(pack(body), encoding=encoding, path=path)
    assert (answer.status_code, answer.content_type) == (200, PROTOBUF)
    assert response.FromString(answer.data) == response()
    answer = receiver.post(pack(MessageToJson(message).encode()), JSON, encoding, path=path)
    assert (answer.status_code, answer.content_type, answer.data) == (200, JSON, b"{}")
    assert [receiver.post(b"", path=path).status_code, receiver.post(b"{}", JSON, path=path).status_code] == [200, 200]
    assert (receiver.taken, receiver.parcels) == ([], [])


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
    """What would be refused of spans is refused of them, in the same form."""
    answer = Receiver(most_bytes=SMALL).post(body, content_type, encoding, path=path)
    assert answer.status_code == status
    assert answer.content_type in (PROTOBUF, JSON)


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        (METRICS_PATH, b"\x0a\x00" * 600_000, PROTOBUF),
        (LOGS_PATH, b"[" + b"[]," * 600_000 + b"[]]", JSON),
    ],
)
def test_metrics_and_logs_that_would_be_large_in_memory_are_refused(path, body, content_type):
    """A body of empty parts is 413 here too."""
    assert Receiver().post(body, content_type, path=path).status_code == 413


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/traces/", "/v1/metrics/x", "/v1/profiles", "/v1/traces/x"])
@pytest.mark.parametrize(
    ("method", "content_type"), [("POST", PROTOBUF), ("POST", JSON), ("GET", None), ("PUT", "a/b")]
)
def test_another_path_is_not_there(path, method, content_type):
    """There is nothing else here, and that is told as OTLP tells it, in JSON to whoever speaks none of it."""
    answer = Receiver().post(path=path, method=method, content_type=content_type)
    assert (answer.status_code, answer.content_type) == (404, content_type if content_type == PROTOBUF else JSON)
    if answer.content_type == JSON:
        assert answer.json["code"] == 5


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_body_that_announces_too_much_is_refused_unread(content_type):
    """A length over the bound is 413 before any of it is read."""
    receiver, stream = Receiver(most_bytes=SMALL), Broken(b"", AssertionError("read"))
    answer = receiver.post_stream(stream, SMALL + 1, content_type)
    assert (answer.status_code, answer.content_type) == (413, content_type)
    assert reason_of(answer) == (8, "the body has 4097 bytes; at most 4096 are taken; send smaller batches")


class Endless:
    """A body without an end, that counts what was read of it."""

    def __init__(self):
        self.read_bytes = 0

    def read(self, size):
        self.read_bytes += size
        return bytes(size)


def test_a_body_in_chunks_without_end_is_refused():
    """A body in chunks is read up to the bound and no further, then it is 413 and the connection is done with."""
    receiver, endless = Receiver(most_bytes=100_000), Endless()
    answer = receiver.post_stream(endless)
    assert (answer.status_code, answer.headers["Connection"]) == (413, "close")
    assert endless.read_bytes < 200_000


def test_a_body_in_chunks_is_taken():
    """A body that comes in chunks, as of exporters that pack as they send, is taken."""
    receiver = Receiver()
    assert receiver.post_stream(io.BytesIO(GOOD_PROTOBUF)).status_code == 200
    assert receiver.taken == [GOOD]


@pytest.mark.parametrize("encoding", ["gzip, chunked", "gzip", "identity"])
def test_a_body_that_comes_in_another_way_needs_its_length(encoding):
    """A body of which it is not known where it ends is 411."""
    answer = Receiver().post(headers={"Transfer-Encoding": encoding})
    assert (answer.status_code, answer.headers["Connection"]) == (411, "close")


def test_a_body_of_the_most_bytes_is_taken():
    """The bound itself is still taken, plain and unpacked."""
    body = export(spans=20).SerializeToString()
    receiver = Receiver(most_bytes=len(body))
    assert (
        receiver.post(body).status_code
        == receiver.post(gzip.compress(body, mtime=0), encoding="gzip").status_code
        == 200
    )
    receiver = Receiver(most_bytes=len(body) - 1)
    assert (
        receiver.post(body).status_code
        == receiver.post(gzip.compress(body, mtime=0), encoding="gzip").status_code
        == 413
    )


def test_a_gzip_bomb_is_unpacked_only_up_to_the_bound():
    """A small body that unpacks to a great deal is 413, at the cost of the bound and no more."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    receiver = Receiver(most_bytes=2**20)
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
def test_a_body_that_would_be_large_in_memory_is_refused(body, content_type):
    """A body of empty parts, which take a hundred times their bytes, is 413."""
    answer = Receiver().post(body, content_type)
    assert (answer.status_code, reason_of(answer)[0]) == (413, 8)


def test_batches_in_chunks_on_one_connection():
    """An exporter that sends in chunks keeps its connection after every batch, and is told where chunks are none."""
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
    """A body that breaks off is 400, whatever the server makes of it."""
    receiver = Receiver()
    answer = receiver.post_stream(Broken(GOOD_PROTOBUF[:20], error), length)
    assert (answer.status_code, answer.headers["Connection"]) == (400, "close")
    assert receiver.taken == []


def test_a_body_that_ends_early_is_a_bad_request():
    """Fewer bytes than were announced are 400, and the reason says how many came."""
    answer = Receiver().post_stream(io.BytesIO(GOOD_PROTOBUF[:20]), 100)
    assert answer.status_code == 400
    assert reason_of(answer) == (3, "the connection ended after 20 of 100 bytes of the body")


def test_a_body_that_does_not_come_is_a_timeout():
    """A body that the server waited for in vain is 408."""
    answer = Receiver().post_stream(Broken(b"\n", TimeoutError()), 100)
    assert (answer.status_code, reason_of(answer)) == (408, (4, "the body did not come in time"))


def test_a_body_has_its_time():
    """Each body is read within a limit of time of its own, and what breaks that is 408."""
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


def test_bodies_on_their_way_are_bounded_together():
    """While many bodies are being read at once another is 429 with Retry-After, and afterwards all is as before."""
    receiver = Receiver(most_bytes=SMALL, most_held_bytes=SMALL)
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
    assert reason_of(nested[0]) == (8, "too many bodies are on their way at once")
    assert receiver.post().status_code == 200


def test_a_mistake_of_our_own_is_told_as_one(caplog):
    """What breaks inside is 500, in the format of the request, without what broke."""
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
def test_any_body_gets_an_answer_that_is_prescribed(body, content_type, encoding):
    """Any bytes of any type, packed in any way, get a status of OTLP's, and a good request afterwards is taken."""
    receiver = Receiver(most_bytes=SMALL)
    headers = [("Content-Type", content_type.translate(_NO_BREAKS))]
    if encoding is not None:
        headers.append(("Content-Encoding", encoding.translate(_NO_BREAKS)))
    answer = receiver.client.post(PATH, data=body, headers=headers)
    assert answer.status_code in PRESCRIBED
    assert _is_still_well(receiver)


_NO_BREAKS = dict.fromkeys(map(ord, "\r\n\0"), "_")


@given(exports(), st.sampled_from([PROTOBUF, JSON]), st.sampled_from([None, "gzip"]), st.data())
def test_any_spoilt_body_gets_an_answer_that_is_prescribed(request, content_type, encoding, data):
    """A request cut short, or with bits of it turned, packed or not, gets a status of OTLP's and hurts nothing."""
    receiver = Receiver(most_bytes=2**20)
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
    """Write a request of spans that have nothing but their ids, some thirty bytes each."""
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


def test_too_many_spans_in_one_request_are_refused():
    """Half a million tiny spans in one body are refused before any is kept, and the answer says what to do."""
    receiver = Receiver()
    as_json_too = b",".join([b'{"traceId":"01","spanId":"01"}'] * (MAX_SPANS + 1))
    in_json = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + as_json_too + b"]}]}]}"
    for answer in (receiver.post(tiny_spans(500_000)), receiver.post(in_json, JSON)):
        assert (answer.status_code, receiver.taken) == (413, [])
        assert reason_of(answer) == (8, f"more than {MAX_SPANS} spans in one request; send smaller ones")
    assert [receiver.post(tiny_spans(MAX_SPANS)).status_code, len(receiver.taken)] == [200, 1]


def test_a_large_request_in_json_is_read_in_turns():
    """While a body of many values is read others have their turn."""
    given = []
    receiver = Receiver(turns=Turns(lambda: given.append(None)))
    body = orjson.dumps(as_json(export(spans=2000).resource_spans))
    assert receiver.post(body, JSON).status_code == 200
    assert len(given) >= 10
