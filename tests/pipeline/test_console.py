"""The console of a run, as a process: it starts and stops with the run, and never disturbs it."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from benchmarks.console_pages import ReplayedPage
from benchmarks.console_run import console_pid
from tests.support.collector import collector
from tests.support.exports import TRACE_ID, export
from tests.support.processes import (
    PROGRAM,
    ROOT,
    RunningTopology,
    clean_environment,
    eventually,
    run,
    running_topology,
    wait_for,
)
from tests.support.wire import connect, exchange, misbehaving, nobody, post

WITH_CONSOLE = {"SIMULATOR_CONSOLE": "1", "OTEL_TRACES_EXPORTER": "otlp"}
PIPELINE = ROOT / "topologies" / "pipeline.yaml"
# It has no load of its own, so that only POSTed messages are there.
TWO_STAGES = """
name: shop
stages:
  front: {calls: [back]}
  back: {role: terminator}
"""
# In a row, paced, ending by itself.
PACED = """
name: paced
stages:
  source: {role: injector, load: {rate: 100/s, arrivals: constant, messages: 300}, calls: [middle]}
  middle: {delay: constant(5ms), workers: 32, queue: 300, calls: [last]}
  last: {role: terminator}
"""
SPANS_A_MESSAGE = 3  # the servers of both stages, and the call between them
MAX_BYTES = 16 * 2**20
PROTOBUF = "application/x-protobuf"
SECRET = "Bearer s3cret"


@dataclass(frozen=True)
class ConsoleOf:
    """The console of a run that is up."""

    running: RunningTopology

    @property
    def address(self) -> str:
        return address_in(self.running.errors.read_text())

    @property
    def base(self) -> str:
        return self.address.partition("/?")[0]

    @property
    def port(self) -> int:
        return int(self.base.rsplit(":", 1)[1])

    @property
    def pid(self) -> int:
        return console_pid(self.running.report_folder)

    @property
    def log(self) -> str:
        return (self.running.report_folder / "console.log").read_text()

    def get(self, path: str, **options) -> requests.Response:
        return requests.get(self.base + path, timeout=10, **options)

    def spans(self) -> set[tuple[str, str]]:
        """Return (trace id, span id) of every span that it has."""
        groups = self.get("/download/traces.json").json()["resourceSpans"]
        return {
            (span["traceId"], span["spanId"])
            for group in groups
            for scope in group["scopeSpans"]
            for span in scope["spans"]
        }

    def send(self, body: bytes, **headers: str) -> requests.Response:
        named = {"Content-Type": PROTOBUF} | {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(f"{self.base}/v1/traces", data=body, headers=named, timeout=10)

    def send_messages(self, count: int) -> list[str]:
        """POST messages to the first stage and return the ids of their traces."""
        port = int(self.running.stage_base("front").rsplit(":", 1)[1])
        return [post(port, b"hi").headers["x-trace-id"] for _ in range(count)]


def address_in(errors: str) -> str:
    return re.findall(r"^Console: (http://127\.0\.0\.1:\d+/\?token=\S+)$", errors, re.MULTILINE)[0]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def nothing_listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return False
    return True


@pytest.fixture(scope="module")
def console(tmp_path_factory) -> Iterator[ConsoleOf]:
    """The console of a run without a load of its own."""
    with running_topology(tmp_path_factory.mktemp("shop"), TWO_STAGES, environment=WITH_CONSOLE) as running:
        yield ConsoleOf(running)


def test_its_address_is_the_first_thing_that_is_printed(console):
    """The first line on standard error is the console's address, and it answers there during the run."""
    assert console.running.errors.read_text().splitlines()[0] == f"Console: {console.address}"
    answer = console.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert console.log == ""


def test_a_proxy_gets_nothing_of_a_run(tmp_path):
    """Whatever variable names it, everything on this machine is sent directly: messages, spans and figures."""
    heard: list[bytes] = []

    def record(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.close()

    with misbehaving(record) as port:
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        proxies = dict.fromkeys(names, f"http://127.0.0.1:{port}") | {"no_proxy": "", "NO_PROXY": ""}
        with running_topology(tmp_path, TWO_STAGES, environment=WITH_CONSOLE | proxies) as running:
            console = ConsoleOf(running)
            traces = set(console.send_messages(3))
            eventually(lambda: spans_of_every(console.spans(), traces))
            assert running.interrupt(60) == 0
    assert heard == []
    assert "did not arrive" not in running.errors.read_text()


def spans_of_every(spans: set[tuple[str, str]], traces: set[str]) -> None:
    """Assert that all spans of these traces are there, and no others."""
    assert Counter(trace for trace, _ in spans) == dict.fromkeys(traces, SPANS_A_MESSAGE)


def test_a_message_posted_is_found_by_its_trace_id(console):
    """GET /api/v3/traces/ID with the X-Trace-Id of a message's answer has the spans of every stage."""
    [trace_id] = console.send_messages(1)

    def whole() -> None:
        answer = console.get(f"/api/v3/traces/{trace_id}")
        assert answer.status_code == 200
        groups = answer.json()["result"]["resourceSpans"]
        found = {
            attribute["value"]["stringValue"]: sum(len(scope["spans"]) for scope in group["scopeSpans"])
            for group in groups
            for attribute in group["resource"]["attributes"]
            if attribute["key"] == "service.name"
        }
        assert set(found) == {"front", "back"} and sum(found.values()) == SPANS_A_MESSAGE

    eventually(whole, 10)


def test_a_page_of_another_origin_is_refused(console):
    """Another machine's name is a 403, and so is a POST by a page of another origin, to spans and to the page."""
    assert console.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert console.get("/api/v3/services", headers={"Host": f"evil.example:{console.port}"}).status_code == 403
    good = export(service="elsewhere").SerializeToString()
    assert console.send(good, Origin="http://evil.example").status_code == 403
    assert console.send(good, Origin=f"http://127.0.0.1:{console.port + 1}").status_code == 403
    update = f"{console.base}/_dash-update-component"
    assert requests.post(update, json={}, headers={"Origin": "http://evil.example"}, timeout=10).status_code == 403
    assert requests.post(update, json={}, headers={"Sec-Fetch-Site": "cross-site"}, timeout=10).status_code == 403
    assert "elsewhere" not in console.get("/api/v3/services").json()["services"]
    assert console.log == ""


def test_only_the_token_gets_the_cookie(console):
    """The printed address opens a session, in a cookie that is not the token; a wrong token opens none."""
    right = requests.get(console.address, timeout=10, allow_redirects=False)
    assert right.status_code == 303 and right.headers["Location"] == "/"
    session, rest = right.headers["Set-Cookie"].split("; ", 1)
    assert re.match(rf"simulator-console-{console.port}=\S+$", session)
    assert rest == "Path=/_dash-update-component; HttpOnly; SameSite=Strict"
    assert console.address.partition("token=")[2] not in session
    wrong = requests.get(console.address + "x", timeout=10, allow_redirects=False)
    assert wrong.status_code == 303 and "Set-Cookie" not in wrong.headers


def test_malformed_spans_do_no_harm(console):
    """A body too large, compressed or not, is a 413, other than OTLP a 400; a valid request after each is a 200."""
    good = export(service="other").SerializeToString()
    bomb = gzip.compress(bytes(MAX_BYTES + 1))
    for status, body, headers in (
        (413, bytes(MAX_BYTES + 1), {}),
        (413, bomb, {"Content_Encoding": "gzip"}),
        (400, b"\xff" * 100, {}),
        (400, good[:-3], {}),
        (400, b"no gzip", {"Content_Encoding": "gzip"}),
        (400, b'{"resourceSpans": 7}', {"Content_Type": "application/json"}),
        (415, good, {"Content_Type": "text/plain"}),
    ):
        assert console.send(body, **headers).status_code == status, (status, headers)
        assert console.send(good).status_code == 200
    assert exchange(console.port, _head("Content-Length: 999999999999")).status == 413
    assert exchange(console.port, _head("Transfer-Encoding: chunked") + b"zzz\r\n").status == 400
    assert console.get(f"/api/v3/traces/{TRACE_ID}").status_code == 200
    assert "other" in console.get("/api/v3/services").json()["services"]
    assert console.log == ""


def _head(header: str) -> bytes:
    return f"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {PROTOBUF}\r\n{header}\r\n\r\n".encode()


def test_idle_connections_and_half_requests_do_not_stop_the_page(console):
    """With 200 idle connections and 100 stopped within a request the page, its news and spans are not delayed."""
    with contextlib.ExitStack() as stack:
        begin = time.monotonic()
        for _ in range(200):
            stack.enter_context(connect(console.port))
        for half in (b"POST /v1/traces HT", _head("Content-Length: 5000") + b"\n"):
            for _ in range(50):
                stack.enter_context(connect(console.port)).sendall(half)
        assert console.get("/").status_code == 200
        page = ReplayedPage(console.address)
        page.wait(1.0)
        assert page.texts()["status-traces"]
        assert console.send(export().SerializeToString()).status_code == 200
        assert time.monotonic() - begin < 10  # the limit for a body, so none of them was waited for
    assert console.log == ""


def test_the_variable_switches_it_off(tmp_path):
    """With SIMULATOR_CONSOLE=0 the bare command has no console, and does not mention one."""
    finished = run_bare(tmp_path, {"SIMULATOR_CONSOLE": "0"})
    assert finished.returncode == 0, finished.stderr
    assert "onsole" not in finished.stderr
    assert not list(tmp_path.rglob("console.log"))


def test_the_flag_switches_it_off(tmp_path):
    """With --no-console a run has no console, whatever the variable says."""
    finished = run(
        "run", str(PIPELINE), "--no-console", "--messages", "2", cwd=tmp_path, environment={"SIMULATOR_CONSOLE": "1"}
    )
    assert finished.returncode == 0, finished.stderr
    assert "onsole" not in finished.stderr
    assert not list(tmp_path.rglob("console.log"))


def run_bare(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the program without an argument until it is up, and interrupt it."""
    errors = folder / "bare.stderr"
    with errors.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM)], cwd=folder, env=clean_environment(environment),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
        )  # fmt: skip
    try:
        wait_for(lambda: "logs and report in" in errors.read_text(), "a run that is up")
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
    finally:
        process.kill()
        process.wait()
    return subprocess.CompletedProcess(process.args, code, "", errors.read_text())


def test_a_console_port_that_is_taken_stops_the_run(tmp_path):
    """--console-port with a port of another program: one line names it, nothing is started, exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run(
            "run", str(PIPELINE), "--console-port", str(port), cwd=tmp_path, environment={"SIMULATOR_CONSOLE": "1"}
        )
    assert finished.returncode == 2
    [line] = finished.stderr.strip().splitlines()
    assert "console" in line and str(port) in line and "in use" in line
    assert not list(tmp_path.rglob("*.jsonl"))


def test_two_runs_have_two_consoles_and_each_ends_with_its_run(tmp_path):
    """Simultaneous runs, with the usual port taken, have a console each, which stops with its own run."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with contextlib.ExitStack() as stack:
        has_known_port = False
        with contextlib.suppress(OSError):  # another program may have it, and release it meanwhile
            stack.enter_context(socket.create_server(("127.0.0.1", 8090)))
            has_known_port = True
        first, second = (
            ConsoleOf(stack.enter_context(running_topology(tmp_path / name, TWO_STAGES, environment=WITH_CONSOLE)))
            for name in ("first", "second")
        )
        assert first.port != second.port
        if has_known_port:
            assert 8090 not in (first.port, second.port)
        [trace_id] = first.send_messages(1)
        eventually(lambda: _assert_found(first, trace_id), 10)
        assert second.get(f"/api/v3/traces/{trace_id}").status_code == 404
        pids = first.pid, second.pid
        assert first.running.interrupt() == 0
        assert is_gone(pids[0]) and nothing_listens(first.port)
        assert second.get("/healthz").status_code == 200
        second.running.process.kill()
        wait_for(lambda: is_gone(pids[1]), "the end of the console", 5)
        assert nothing_listens(second.port)
    assert first.log == second.log == ""


def _assert_found(console: ConsoleOf, trace_id: str) -> None:
    assert console.get(f"/api/v3/traces/{trace_id}").status_code == 200


@pytest.mark.calm
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_console_that_dies_or_hangs_does_no_harm(tmp_path, number):
    """In the middle of a run: every message is handled in time, the ledger balances, no log line is missing."""
    with running_topology(tmp_path, PACED, environment=WITH_CONSOLE) as running:
        console = ConsoleOf(running)
        wait_for(lambda: any(x["event"] == "message.handled" for x in running.log("last")), "traffic")
        os.kill(console.pid, number)
        begin = time.monotonic()
        assert running.process.wait(60) == 0
        assert time.monotonic() - begin < 25
    report = running.report()
    assert report["ledger"]["balanced"]
    assert {line["stage"]: line["received"] for line in report["ledger"]["stages"]} == dict.fromkeys(
        ("source", "middle", "last"), 300
    )
    for name in ("source", "middle", "last"):
        assert sum(line["event"] == "message.handled" for line in running.log(name)) == 300
    # A machine that is busy with other tests takes its time; a call that waits for a console takes ten seconds.
    assert report["latency_seconds"]["end to end"]["p99"] < 2


@pytest.fixture(scope="module")
def secretive(tmp_path_factory) -> Iterator[tuple[ConsoleOf, list[bytes], list[str]]]:
    """A console whose collector never answers; the collector's requests, and traces of messages."""
    came: list[bytes] = []

    def listen_only(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            came.append(data)

    with misbehaving(listen_only) as port:
        environment = WITH_CONSOLE | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={SECRET}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
        }
        with running_topology(tmp_path_factory.mktemp("secretive"), TWO_STAGES, environment=environment) as running:
            console = ConsoleOf(running)
            yield console, came, console.send_messages(20)


def test_a_collector_that_hangs_costs_the_console_nothing(secretive):
    """The console still has every span, and its page shows the problem and how many wait."""
    console, _, trace_ids = secretive
    eventually(lambda: _assert_all_spans(console, trace_ids), 15)
    page = ReplayedPage(console.address)
    wait_for(lambda: _after_news(page, "did not answer within 1 s"), "what is the matter", 10)
    waiting = SPANS_A_MESSAGE * len(trace_ids)
    wait_for(lambda: _after_news(page, f"0 spans forwarded, {waiting} waiting, "), "what waits", 10)
    assert console.log == ""


def test_only_the_collector_gets_the_secrets(secretive):
    """The headers of OTEL_EXPORTER_OTLP_HEADERS reach the collector, and no stage knows them."""
    console, came, trace_ids = secretive
    wait_for(lambda: f"authorization: {SECRET}".encode() in b"".join(came), "the header", 10)
    eventually(lambda: _assert_all_spans(console, trace_ids), 15)
    for name in ("front", "back"):
        environment = Path(f"/proc/{console.running.pid(name)}/environ").read_bytes()
        assert b"s3cret" not in environment
        assert f"OTEL_EXPORTER_OTLP_ENDPOINT={console.base}\0".encode() in environment
    for file in console.running.folder.rglob("*"):
        assert not file.is_file() or b"s3cret" not in file.read_bytes(), file


def _assert_all_spans(console: ConsoleOf, trace_ids: list[str]) -> None:
    spans = console.spans()
    assert {trace for trace, _ in spans} >= set(trace_ids)
    assert sum(trace in trace_ids for trace, _ in spans) == SPANS_A_MESSAGE * len(trace_ids)


def _after_news(page: ReplayedPage, text: str) -> bool:
    page.wait(0.5)
    return text in page.texts()["status-forwarding"]


def test_every_span_is_also_in_the_collector_of_the_user(tmp_path):
    """With OTEL_EXPORTER_OTLP_ENDPOINT set, that collector gets exactly the spans that the console has."""
    with collector() as received:
        environment = WITH_CONSOLE | received.environment
        with running_topology(tmp_path, TWO_STAGES, environment=environment) as running:
            console = ConsoleOf(running)
            trace_ids = console.send_messages(20)
            eventually(lambda: _assert_all_spans(console, trace_ids), 15)
            spans = console.spans()
            wait_for(lambda: len(received.spans()) >= len(spans), "the spans", 10)
            assert f"spans go to the console and on to {received.address}/v1/traces" in running.errors.read_text()
            late = console.send_messages(5)
            assert running.interrupt() == 0
    passed_on = {(span.trace_id, span.span_id) for span in received.spans()}
    assert passed_on > spans and len(passed_on) == len(received.spans())
    # The last ones, which were sent during the stop, are not lost either.
    assert sum(trace in late for trace, _ in passed_on) == SPANS_A_MESSAGE * len(late)


def test_without_a_collector_the_console_has_every_span(tmp_path):
    """If nothing listens, the run says so, the console has every span, and its page shows the problem."""
    with nobody() as port, running_topology(
        tmp_path, TWO_STAGES, environment=WITH_CONSOLE | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    ) as running:  # fmt: skip
        console = ConsoleOf(running)
        wait_for(lambda: "no collector at" in running.errors.read_text(), "the news")
        trace_ids = console.send_messages(20)
        eventually(lambda: _assert_all_spans(console, trace_ids), 15)
        page = ReplayedPage(console.address)
        wait_for(lambda: _after_news(page, "no connection to the collector"), "what is the matter", 10)
        assert page.news["titles"]["status-forwarding"] == f"to http://127.0.0.1:{port}/v1/traces"
        assert running.interrupt() == 0


def test_spans_that_were_not_forwarded_are_reported_at_the_end(tmp_path):
    """If a collector was missing to the end, the console's log says how many spans it did not get."""
    with nobody() as port, running_topology(
        tmp_path, TWO_STAGES, environment=WITH_CONSOLE | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    ) as running:  # fmt: skip
        console = ConsoleOf(running)
        trace_ids = console.send_messages(20)
        eventually(lambda: _assert_all_spans(console, trace_ids), 15)
        assert running.interrupt() == 0
    assert str(SPANS_A_MESSAGE * len(trace_ids)) in console.log


def test_without_traces_it_shows_the_system(tmp_path):
    """With OTEL_TRACES_EXPORTER=none the picture is there, with rates, and there are no traces."""
    environment = WITH_CONSOLE | {"OTEL_TRACES_EXPORTER": "none"}
    with running_topology(tmp_path, PIPELINE, "--rate", "10/s", environment=environment) as running:
        page = ReplayedPage(ConsoleOf(running).address)

        def shows_rates() -> bool:
            page.wait(0.5)
            return any(re.search(r"\d/s", text) for text in page.texts().values())

        wait_for(shows_rates, "rates")
        assert page.texts()["status-traces"] == "0 traces, 0 spans"
        assert ConsoleOf(running).get("/api/v3/services").json()["services"] == []
        assert running.interrupt() == 0


@pytest.mark.calm
def test_twenty_seconds_at_a_hundred_a_second_are_cheap(tmp_path):
    """At 100 messages a second with its page open it takes less than 15 % of a core, and memory within its bound."""
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.console", "--duration", "20s", "--page", "replay"],
        cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    # Whether this machine can carry the load beside its other work is not tested here.
    broken = [line for line in finished.stderr.splitlines() if line.startswith("Broken") and "the load" not in line]
    assert "CPU:" in finished.stdout and not broken, finished.stdout + finished.stderr
