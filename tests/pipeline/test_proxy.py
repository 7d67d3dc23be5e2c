"""A stage as a proxy in front of a real service: everything is unchanged, but for the delays and faults asked for."""

from __future__ import annotations

import http.client
import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from simulator.behaviour.delays import parse_delay
from simulator.behaviour.draws import FIRST_VISIT, draw
from tests.support.processes import running_topology, wait_for
from tests.support.statistics import binomial_range
from tests.support.threaded import in_thread, listening

REQUESTS = 1000
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
STATUSES = (200, 201, 204, 301, 304, 400, 404, 409, 429, 500, 503)
PATHS = ("", "a", "a/b/../c", "a//b", "%2e%2E/%41", "x%20y/", "messages", ";p=1")
QUERIES = ("", "?", "?a=b&c=%20", "?q=a+b&q=%C3%BC", "?a?b")
# What each request of a proxy has of its own.
OWN = ("traceparent", "tracestate", "baggage", "host", "content-length", "connection")
# What an answer gets from each server.
OF_THE_ANSWER = ("date", "connection")
TOPOLOGY = """
name: proxy
seed: 7
stages:
  front: {{answer: downstream, {more} calls: [real]}}
  real: {{kind: external, url: "{url}"}}
"""
# It answers with what it was sent: the request line and the headers, in its own headers, and the body.
GO_SERVER = """
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header()["X-Seen-Target"] = []string{r.RequestURI}
		w.Header()["X-Seen-Method"] = []string{r.Method}
		w.Header()["X-Seen-Number"] = []string{r.Header.Get("X-Number")}
		w.Header()["X-Seen-Cookie"] = []string{r.Header.Get("Cookie")}
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		status, _ := strconv.Atoi(r.Header.Get("X-Want"))
		w.WriteHeader(status)
		if status != 204 && status != 304 {
			w.Write(body)
			if f, ok := w.(http.Flusher); ok && len(body) > 1000 {
				f.Flush() // in chunks
			}
			w.Write(body)
		}
	}))
}
"""


class Echo:
    """What a server was asked, and what it answered."""

    def __init__(self):
        self.seen, self.sent = [], []


@contextmanager
def python_server() -> Iterator[tuple[str, Echo]]:
    echo = Echo()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            echo.seen.append((self.command, self.path, list(self.headers.items()), body))
            status = int(self.headers["X-Want"])
            has_body = self.command != "HEAD" and status not in (204, 304)
            answer = os.urandom(len(body) % 500) + body if has_body else b""
            echo.sent.append(answer)
            self.send_response(status, "Its own reason")
            for name, value in (("X-One", "a"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")):
                self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    for method in METHODS:
        setattr(Handler, f"do_{method}", Handler.answer)
    server = listening(Handler)
    with in_thread(server):
        yield server.origin, echo


def generated(count):
    """Yield (method, target, body, headers), the same in each run."""
    lots = random.Random(5)
    for number in range(count):
        method = lots.choice(METHODS)
        target = f"/{lots.choice(PATHS)}{lots.choice(QUERIES)}"
        body = lots.randbytes(lots.randint(0, 2000)) if method in ("POST", "PUT", "PATCH", "DELETE") else None
        headers = {
            "X-Want": str(lots.choice(STATUSES)),
            "X-Number": f"\xe9{number}",
            "Accept-Encoding": "gzip",
            "Content-Type": lots.choice(("application/json", "text/x")),
            "Content-Encoding": lots.choice(("identity", "br")),
            "Cookie": "a=1; b=2",
            "X_under": "1",
        }
        yield method, target, body, headers


def connection_to(running):
    address = urlsplit(running.stage_base("front")).netloc
    return closing(http.client.HTTPConnection(address, timeout=60))


def test_python_s_server_behind_a_stage_sees_and_sends_the_same(tmp_path):
    """Method, path, query, headers and body of each request, and status, reason, headers and body of each answer."""
    with (
        python_server() as (url, echo),
        running_topology(tmp_path, TOPOLOGY.format(url=url, more="")) as running,
        connection_to(running) as client,
    ):
        for method, target, body, headers in generated(REQUESTS):
            client.request(method, target, body, headers)
            answer = client.getresponse()
            got = answer.read()
            seen, sent = echo.seen[-1], echo.sent[-1]
            assert (*seen[:2], seen[3]) == (method, target, body or b"")
            assert {k.lower(): v for k, v in seen[2] if k.lower() not in OWN} == {
                k.lower(): v for k, v in headers.items()
            }
            assert (answer.status, answer.reason, got) == (int(headers["X-Want"]), "Its own reason", sent)
            length = [] if answer.status in (204, 304) else [("content-length", str(len(sent)))]
            there = [(k.lower(), v) for k, v in answer.getheaders() if k.lower() not in (*OF_THE_ANSWER, "server")]
            assert sorted(there) == sorted([("x-one", "a"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), *length])
        assert len(echo.seen) == REQUESTS


def test_a_go_server_behind_a_stage_sees_and_sends_the_same(tmp_path):
    """Also answers in chunks."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    (tmp_path / "server.go").write_text(GO_SERVER)
    environment = {**os.environ, "GOCACHE": str(tmp_path / "cache"), "GOFLAGS": "-mod=mod"}
    subprocess.run(["go", "build", "-o", "server", "server.go"], cwd=tmp_path, env=environment, check=True, timeout=400)
    with subprocess.Popen([str(tmp_path / "server")], stdout=subprocess.PIPE, text=True) as server:
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            with (
                running_topology(tmp_path, TOPOLOGY.format(url=url, more="")) as running,
                connection_to(running) as client,
            ):
                for method, target, body, headers in generated(REQUESTS):
                    client.request(method, target, body, headers)
                    answer = client.getresponse()
                    got, status = answer.read(), int(headers["X-Want"])
                    assert answer.status == status
                    assert (answer.headers["X-Seen-Method"], answer.headers["X-Seen-Target"]) == (method, target)
                    assert (answer.headers["X-Seen-Number"], answer.headers["X-Seen-Cookie"]) == (
                        headers["X-Number"],
                        "a=1; b=2",
                    )
                    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
                    has_body = method != "HEAD" and status not in (204, 304)
                    assert got == ((body or b"") * 2 if has_body else b"")
        finally:
            server.kill()


def handled(running, count):
    """Return the lines of all requests of the proxy, when so many are there."""

    def found():
        lines = [line for line in running.log("front") if line["event"] == "message.handled"]
        return lines if len(lines) == count else None

    return wait_for(found, "every line")


def test_the_percentiles_of_the_delay_are_added(tmp_path):
    """What is drawn has the configured percentiles; each request takes that long, and what the service takes."""
    delay, percentiles = "percentiles(p50=5ms, p90=15ms, p99=40ms, max=60ms)", {0.5: 0.005, 0.9: 0.015, 0.99: 0.04}
    with (
        python_server() as (url, _),
        running_topology(tmp_path, TOPOLOGY.format(url=url, more=f'delay: "{delay}",')) as running,
        connection_to(running) as client,
    ):
        took = {}
        for number in range(200):
            start = time.perf_counter()
            client.request("GET", "/x", headers={"X-Want": "200", "X-Message-Id": f"m{number}"})
            client.getresponse().read()
            took[f"m{number}"] = time.perf_counter() - start
        drawn = {line["message_id"]: line["delay_drawn_seconds"] for line in handled(running, len(took))}
    quantile = parse_delay(delay).quantile
    expected = {message: quantile(draw(7, "front", message, FIRST_VISIT, "delay")) for message in took}
    assert drawn == pytest.approx(expected, abs=1e-6)
    for share, seconds in percentiles.items():
        least, most = binomial_range(len(drawn), share, 1 - 1e-9)
        assert least <= sum(value <= seconds for value in drawn.values()) <= most
    added = [took[message] - drawn[message] for message in took]
    assert min(added) >= -0.001  # a timer may end a millisecond early
    assert statistics.median(added) < 0.1


def test_delays_and_faults_are_in_front_of_the_service(tmp_path):
    """The stage adds its delay to each, and its faults are its own answers."""
    more = 'delay: "uniform(20ms, 60ms)", faults: ["error(503, 30%)"],'
    with (
        python_server() as (url, echo),
        running_topology(tmp_path, TOPOLOGY.format(url=url, more=more)) as running,
        connection_to(running) as client,
    ):
        statuses = []
        for _ in range(100):
            client.request("GET", "/x", headers={"X-Want": "200"})
            answer = client.getresponse()
            answer.read()
            statuses.append(answer.status)
        lines = handled(running, 100)
    assert 10 < statuses.count(503) < 60
    assert len(echo.seen) == statuses.count(200) == 100 - statuses.count(503)
    delays = [line["delay_drawn_seconds"] for line in lines]
    assert all(0.02 <= delay <= 0.06 for delay in delays)
    assert all(line["duration_seconds"] >= line["delay_drawn_seconds"] - 0.001 for line in lines)


def test_a_service_that_is_gone_is_a_bad_gateway(tmp_path):
    with (
        running_topology(tmp_path, TOPOLOGY.format(url="http://127.0.0.1:9", more="")) as running,
        connection_to(running) as client,
    ):
        client.request("GET", "/x")
        answer = client.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (502, "application/problem+json")
