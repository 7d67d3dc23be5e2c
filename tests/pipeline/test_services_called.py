"""A stage that calls an external service: what goes there, what is told of it, and what is told to nobody."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

import pytest
import requests

from tests.support.processes import run, running_stage, wait_for
from tests.support.sending import OK, read_request
from tests.support.wire import misbehaving, post

PASSWORD, TOKEN, KEY = "pa55word", "t0ken", "k3y"
TRACEPARENT = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Service:
    """A service that leaves a used connection without a word when a message's id says so."""

    heads: list[bytes] = field(default_factory=list)

    def serve(self, connection):
        is_used = False
        while request := read_request(connection):
            head = request.partition(b"\r\n\r\n")[0]
            self.heads.append(head)
            if is_used and b"X-Message-Id: unanswered" in head:
                connection.shutdown(socket.SHUT_RDWR)
                return
            connection.sendall(OK)
            is_used = True

    def headers_of(self, message_id):
        """Return the headers of the requests with a message, {name in small letters: value} each."""
        lines = [head.decode("latin-1").split("\r\n")[1:] for head in self.heads]
        headers = [{line.partition(":")[0].lower(): line.partition(": ")[2] for line in one} for one in lines]
        return [one for one in headers if one["x-message-id"] == message_id]


@pytest.fixture(scope="module")
def service():
    return Service()


@pytest.fixture(scope="module")
def stage(tmp_path_factory, service):
    with misbehaving(service.serve) as port:
        flags = [
            "--downstream",
            f"api=http://ann:{PASSWORD}@127.0.0.1:{port}/messages?key={KEY}",
            "--header",
            "X-Token: ${TOKEN}",
        ]
        folder = tmp_path_factory.mktemp("stage")
        with running_stage(folder, *flags, environment={"TOKEN": TOKEN}) as running:
            yield running


def send(stage, message_id, *headers):
    answer = post(stage.port, b"x", f"X-Message-Id: {message_id}", *headers)
    assert answer.status == 200
    wait_for(lambda: [line for line in stage.events("message.handled") if line["message_id"] == message_id], "its line")


def test_what_is_not_the_stage_s_own_is_handed_on(stage, service):
    """Baggage of several headers and trace state arrive byte for byte, with the message's id beside them."""
    baggage = ["baggage: note=two%20words,user=ann;ttl=3 , a+b=c", "baggage: no-value,b=%zz"]
    send(stage, "carried", TRACEPARENT, *baggage, "tracestate: rojo=1 ,congo=t61,UPPER=x")
    [headers] = service.headers_of("carried")
    assert headers["baggage"] == ("note=two%20words,user=ann;ttl=3 , a+b=c,no-value,b=%zz,simulator.message_id=carried")
    assert headers["tracestate"] == "rojo=1 ,congo=t61,UPPER=x"
    assert headers["traceparent"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")


def test_junk_in_baggage_fills_no_log(stage, service):
    """A request with 8 KB of junk as baggage leaves no line but those of every message."""
    junk = ",".join(["junk"] * 1600)
    send(stage, "junk", TRACEPARENT, f"baggage: {junk}", f"tracestate: {'junk,' * 100}")
    assert service.headers_of("junk")[0]["baggage"].startswith(junk)
    assert stage.events("library.message") == []


def test_a_request_that_met_a_closing_connection_is_told(stage, service):
    """A message that a service left unanswered on a used connection is delivered, and log and metrics say how."""
    send(stage, "first")
    send(stage, "unanswered")
    assert len(service.headers_of("unanswered")) == 2
    [line] = stage.events("attempt.resent")
    assert (line["level"], line["message_id"], line["downstream"], line["attempt"]) == ("info", "unanswered", "api", 1)
    assert len(line["trace_id"]) == 32
    assert stage.total("simulator_downstream_resends_total", downstream="api") == 1
    assert stage.total("simulator_downstream_call_duration_seconds_count", outcome="ok", downstream="api") >= 2


def test_secrets_arrive_and_are_shown_nowhere(stage, service):
    """The service gets user, password, query and token; the log, the metrics and /control have none of them."""
    send(stage, "secret")
    [headers] = service.headers_of("secret")
    assert headers["authorization"] == f"Basic {requests.auth._basic_auth_str('ann', PASSWORD).partition(' ')[2]}"
    assert headers["x-token"] == TOKEN
    control = requests.get(f"{stage.base}/control", timeout=20)
    assert control.json()["calls"] == [{"to": "api", "headers": {"X-Token": "${TOKEN}"}}]
    shown = stage.log_path.read_text() + control.text + stage.metrics()
    assert PASSWORD not in shown
    assert KEY not in shown
    assert TOKEN not in shown
    assert stage.events("stage.started")[0]["calls"]["api"].endswith("/messages?***")


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        (["--header", "A: ${MISSING}"], {}, "the variable MISSING of the environment is not set"),
        ([], {"SSL_CERT_FILE": "/missing.pem"}, "SSL_CERT_FILE: /missing.pem can't be read: No such file or directory"),
    ],
)
def test_what_is_missing_ends_the_start(tmp_path, flags, environment, message):
    """A variable or an authority that is not there is one line and exit code 2."""
    command = ["stage", "--config", "/dev/null", "--port", "0", "--downstream", "https://127.0.0.1:9/messages", *flags]
    finished = run(*command, cwd=tmp_path, environment=environment)
    assert finished.returncode == 2
    assert finished.stderr.strip().endswith(message)
    assert "Traceback" not in finished.stderr


def test_a_header_s_mistake_shows_no_value(tmp_path):
    """A header that can't be sent is named, and its value is not."""
    command = ["stage", "--config", "/dev/null", "--port", "0", "--downstream", "http://127.0.0.1:9/messages"]
    finished = run(*command, "--header", f"Host: {TOKEN}", cwd=tmp_path)
    assert finished.returncode == 2
    assert "flag --headers: HEADERS: the header Host is set by the stage itself" in finished.stderr
    assert TOKEN not in finished.stderr
