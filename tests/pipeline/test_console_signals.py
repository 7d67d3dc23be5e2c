"""Logs and metrics that are sent to the console of a real run, by senders of any manners."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from benchmarks import processes
from benchmarks.console_run import console_pid
from tests.support.metric_points import counter, metrics_request
from tests.support.otlp import START, log_record, logs_request, request, span, trace_hex
from tests.support.processes import running_topology

MIB = 2**20
TWO_STAGES = """
name: shop
stages:
  front: {calls: [back]}
  back: {role: terminator}
"""
PROTOBUF, JSON = "application/x-protobuf", "application/json"


class Console:
    """The console of a run, and how long its slowest answer to a page took while it was busy."""

    def __init__(self, base: str, pid: int) -> None:
        self.base, self._pid = base, pid
        self._session = requests.Session()

    def send(self, signal: str, body: bytes, content_type: str = PROTOBUF, **headers: str) -> requests.Response:
        named = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self._session.post(f"{self.base}/v1/{signal}", data=body, headers=named, timeout=60)

    @property
    def resident_mib(self) -> float:
        return processes.resident_bytes(self._pid) / MIB

    def slowest_answer(self, stop: threading.Event) -> float:
        """Ask for the health until `stop`, as a page asks for its news; return the longest time in seconds."""
        slowest = 0.0
        while not stop.is_set():
            began = time.monotonic()
            assert requests.get(f"{self.base}/healthz", timeout=60).ok
            slowest = max(slowest, time.monotonic() - began)
            stop.wait(0.05)
        return slowest


@pytest.fixture(scope="module")
def console(tmp_path_factory) -> Iterator[Console]:
    environment = {"SIMULATOR_CONSOLE": "1"}
    with running_topology(tmp_path_factory.mktemp("shop"), TWO_STAGES, environment=environment) as running:
        base = running.errors.read_text().split()[1].partition("/?")[0]
        yield Console(base, console_pid(running.report_folder))
        assert (running.report_folder / "console.log").read_text() == "", "nothing went wrong"


def nested(depth: int) -> bytes:
    value = b""
    for _ in range(depth):  # ArrayValue in AnyValue in ArrayValue ...
        value = b"\x2a" + _length(b"\x0a" + _length(value) + value) + b"\x0a" + _length(value) + value
    record = b"\x2a" + _length(value) + value
    scope = b"\x12" + _length(record) + record
    group = b"\x12" + _length(scope) + scope
    return b"\x0a" + _length(group) + group


def _length(content: bytes) -> bytes:
    number, written = len(content), bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


@pytest.mark.parametrize("signal", ["logs", "metrics"])
@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status"),
    [
        (b"\xff\xff\xff", PROTOBUF, "identity", 400),
        (b"{" * 100_000, JSON, "identity", 400),
        (b'{"resourceLogs":' + b"[" * 100_000, JSON, "identity", 400),
        (b'{"resourceLogs": 7, "resourceMetrics": 7}', JSON, "identity", 400),
        (b"\0" * 100, PROTOBUF, "gzip", 400),
        (gzip.compress(bytes(64 * MIB)), PROTOBUF, "gzip", 413),
        (bytes(17 * MIB), PROTOBUF, "identity", 413),
        (b"a 1\n", "text/plain", "identity", 415),
        (b"{}", JSON, "br", 415),
    ],
)
def test_a_malformed_request_gets_its_answer(console, signal, body, content_type, encoding, status):
    """And the next one is taken."""
    answer = console.send(signal, body, content_type, Content_Encoding=encoding)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] in (PROTOBUF, JSON)
    assert console.send(signal, b"{}", JSON).json() == {}


def test_values_within_values_have_a_bound(console):
    """Deeper than protobuf itself reads is malformed; what is read is shown without harm."""
    assert console.send("logs", nested(200)).status_code == 400
    assert console.send("logs", nested(30)).status_code == 200


@pytest.mark.alone
def test_a_flood_of_log_records_stays_within_the_bound(console):
    """Records of 10 MB, and 60 MB of small ones: memory stays within its bound, and the page is answered meanwhile."""
    before = console.resident_mib
    stop, slowest = threading.Event(), []
    asking = threading.Thread(target=lambda: slowest.append(console.slowest_answer(stop)))
    asking.start()
    try:
        for body in ("x" * 10_000_000, ["y" * 1000] * 10_000):
            sent = logs_request(bank=[log_record(body, trace=7, span=1, severity=17)]).SerializeToString()
            answer = console.send("logs", sent)
            assert (answer.status_code, answer.content) == (200, b"")
        for number in range(20):
            records = [log_record("z" * 300, START + 1000 * number + n) for n in range(10_000)]
            sent = logs_request(**{f"s{number % 3}": records}).SerializeToString()
            assert console.send("logs", sent).status_code == 200
        full = logs_request(bank=[log_record(f"r{n}", trace=8) for n in range(3000)]).SerializeToString()
        partial = ExportLogsServiceResponse.FromString(console.send("logs", full).content).partial_success
        assert partial.rejected_log_records == 1000
    finally:
        stop.set()
        asking.join()
    assert console.resident_mib - before < 32 * 1.25 + 60, (
        "the store, what the allocator keeps, and requests being read"
    )
    assert slowest[0] < 2.0


@pytest.mark.alone
def test_a_flood_of_series_stays_within_the_bound(console):
    """A quarter of a million series: all beyond the first two thousand are refused, and their sender is told."""
    before, refused = console.resident_mib, 0
    stop, slowest = threading.Event(), []
    asking = threading.Thread(target=lambda: slowest.append(console.slowest_answer(stop)))
    asking.start()
    try:
        for number in range(25):
            metrics = [counter("c", 1, 60, attributes={"id": 10_000 * number + n}) for n in range(10_000)]
            answer = console.send("metrics", metrics_request("bank", *metrics).SerializeToString())
            assert answer.status_code == 200
            refused += ExportMetricsServiceResponse.FromString(answer.content).partial_success.rejected_data_points
    finally:
        stop.set()
        asking.join()
    assert refused == 248_000
    assert console.resident_mib - before < 16 + 60
    assert slowest[0] < 2.0


def test_afterwards_everything_is_as_before(console):
    """Spans, records and metrics are taken, and read back."""
    assert console.send("traces", request(bank=[span(9, 1)]).SerializeToString()).content == b""
    assert console.send("logs", logs_request(bank=[log_record("said", trace=9)]).SerializeToString()).content == b""
    assert console.send("metrics", metrics_request("other", counter("c", 1, 60)).SerializeToString()).content == b""
    (trace,) = requests.get(f"{console.base}/api/traces/{trace_hex(9)}", timeout=10).json()["data"]
    assert trace["processes"]["p1"]["serviceName"] == "bank"
