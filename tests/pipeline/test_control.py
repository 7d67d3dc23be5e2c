"""Live control: what a running stage does is changed from one message to the next, by those who may."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import Counter

import pytest
import requests

from tests.support.processes import run, running_stage, running_topology, wait_for
from tests.support.wire import connect, exchange, post, read_answer

TOKEN = "correct horse battery staple"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A stage that nothing changes."""
    with running_stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


def control(stage, patch=None, **headers):
    url = f"{stage.base}/control"
    if patch is None:
        return requests.get(url, headers=headers, timeout=10)
    return requests.patch(url, json=patch, headers=headers, timeout=10)


def test_a_change_holds_from_one_message_to_the_next(tmp_path):
    """Under load the status changes at once with the patch, back and forth, and not a message is lost."""
    with running_stage(tmp_path) as stage:
        statuses: list[tuple[int, int]] = []  # in the order in which they were sent, by each of four clients
        stop = threading.Event()
        epoch = [0]

        def work():
            while not stop.is_set():
                before = epoch[0]
                status = post(stage.port, b"hi").status
                if before == epoch[0]:  # no patch was in flight while this message was
                    statuses.append((before, status))

        clients = [threading.Thread(target=work) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for number in range(1, 11):
                epoch[0] += 1
                faults = ["error(503, 100%)"] if number % 2 else []
                assert control(stage, {"faults": faults}).status_code == 200
                epoch[0] += 1
                wait_for(lambda: sum(e == epoch[0] for e, _ in statuses) >= 20, "messages after the patch")
        finally:
            stop.set()
            for client in clients:
                client.join()
        for number in range(1, 11):
            assert {status for e, status in statuses if e == 2 * number} == {503 if number % 2 else 200}
        assert stage.total("simulator_messages_total", outcome="failed") == 0
        assert stage.total("simulator_control_requests_total", result="changed") == 10
        changes = wait_for(
            lambda: len(stage.events("control.changed")) == 10 and stage.events("control.changed"), "lines"
        )
    assert (changes[0]["key"], changes[0]["before"], changes[0]["after"]) == ("faults", [], ["error(503, 100%)"])


def test_everything_that_can_change(tmp_path):
    """Delay, faults, workers, queue, limit, forward and sizes are changed together, and shown as they are then."""
    patch = {
        "delay": "growing(constant(1ms), full=3)",
        "faults": ["cpu(1ms, 50%)"],
        "workers": 3,
        "queue": 4,
        "rate_limit": "limit(500/s, burst=50)",
        "forward": "wait",
        "response_bytes": "uniform(1KB, 2KB)",
    }
    with running_stage(tmp_path) as stage:
        changed = control(stage, patch).json()
        assert {key: changed[key] for key in patch} == patch
        assert control(stage).json() == changed
        assert (stage.total("simulator_workers"), stage.total("simulator_queue_capacity")) == (3, 4)
        assert stage.total("simulator_info", delay=patch["delay"]) == 1
        assert stage.total("simulator_info") == 1
        assert 1000 <= len(post(stage.port, b"hi").body) <= 2000
        assert control(stage, {"delay": None, "response_bytes": None}).status_code == 200
        assert control(stage).json()["delay"] == "constant(0s)"
        assert len(post(stage.port, b"hi").body) < 500


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"delay": "constant(1s)", "workers": 0}, "workers"),
        ({"delay": "konstant(1s)"}, "there is no delay 'konstant'"),
        ({"port": 1}, "port: can't be changed"),
        ({"faults": ["error(503, 5%)", "boom(1%)"]}, "there is no fault 'boom'"),
        ({"calls": ["nowhere"]}, "can only call those that it called before"),
        ({"load": {"rate": "5/s"}}, "creates no messages on a schedule"),
        ({}, "write an object"),
        (["delay"], "write an object"),
    ],
)
def test_a_bad_patch_changes_nothing_and_says_why(tmp_path, patch, said):
    with running_stage(tmp_path, "--delay", "constant(1ms)") as stage:
        before = control(stage).json()
        answer = control(stage, patch)
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert said in answer.json()["detail"] and "nothing was changed" in answer.json()["detail"]
        assert control(stage).json() == before
        assert stage.total("simulator_control_requests_total", result="invalid") == 1
        assert not stage.events("control.changed")


def test_what_is_no_json_changes_nothing(tmp_path):
    with running_stage(tmp_path) as stage:
        for body, content_type in ((b"{", "application/json"), (b'{"workers": 1}', "text/plain")):
            headers = {"Content-Type": content_type}
            answer = requests.patch(f"{stage.base}/control", data=body, headers=headers, timeout=10)
            assert answer.status_code == 400
        big = b'{"workers": 1' + b" " * 100_000 + b"}"
        headers = {"Content-Type": "application/json"}
        assert requests.patch(f"{stage.base}/control", data=big, headers=headers, timeout=10).status_code == 400
        assert requests.post(f"{stage.base}/control", json={}, timeout=10).status_code == 405


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("PATCH /control HTTP/1.1\r\nHost: localhost", b'{"workers": 0}', 400),
        ("PATCH /control HTTP/1.1\r\nHost: localhost", b"{", 400),
        ("PATCH /control HTTP/1.1\r\nHost: localhost", b" " * 100_000, 400),
        ("PATCH /control HTTP/1.1\r\nHost: evil.example", b'{"workers": 1}', 403),
        ("PUT /control HTTP/1.1\r\nHost: localhost", b'{"workers": 1}', 405),
        ("GET /control HTTP/1.1\r\nHost: evil.example", b"", 403),
    ],
    ids=["a wrong value", "no JSON", "too large", "another host", "another method", "a read from another host"],
)
@pytest.mark.parametrize("in_chunks", [False, True], ids=["by length", "in chunks"])
def test_after_a_refused_change_its_connection_answers_the_next_request(stage, head, body, status, in_chunks):
    """A body that was not wanted is read to its end, so that what follows on the connection is not lost."""
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    framing = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {len(body)}"
    refused = f"{head}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n".encode()
    with connect(stage.port) as connection:
        for _ in range(2):
            connection.sendall(refused + (chunks if in_chunks else body))
            answer = read_answer(connection)
            assert answer.status == status
            assert "connection" not in answer.headers
        connection.sendall(b"GET /control HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(connection).json()["workers"] == 1000


def test_the_end_of_a_connection_is_announced_where_the_rest_of_a_change_does_not_come(stage):
    """A client that promised more than it sent is told not to send anything else on the connection."""
    with connect(stage.port) as connection:
        connection.sendall(b"PATCH /control HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n{")
        answer = read_answer(connection)
        assert (answer.status, answer.headers["connection"]) == (400, "close")


def other_address():
    """Return an address of this machine that is not the loopback one; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # no packet is sent by this
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


def test_from_another_address_only_the_token_opens(tmp_path):
    """Without a token another address gets 403; with one everyone needs it, this machine too."""
    address = other_address()
    if address is None:
        pytest.skip("this machine has no address but the loopback one")
    with running_stage(tmp_path, "--host", "0.0.0.0") as stage:
        answer = requests.patch(f"http://{address}:{stage.port}/control", json={"workers": 1}, timeout=10)
        assert answer.status_code == 403
        assert requests.get(f"http://127.0.0.1:{stage.port}/control", timeout=10).json()["workers"] == 1000
        refused = wait_for(lambda: stage.events("control.refused"), "the line")
        assert refused[0]["client"] == address
        assert stage.total("simulator_control_requests_total", result="refused") == 1
    environment = {"SIMULATOR_CONTROL_TOKEN": TOKEN}
    with running_stage(tmp_path, "--host", "0.0.0.0", environment=environment, name="guarded") as stage:
        for host in (address, "127.0.0.1"):
            url = f"http://{host}:{stage.port}/control"
            for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
                assert requests.patch(url, json={"workers": 1}, headers=given, timeout=10).status_code == 403
            right = {"Authorization": f"Bearer {TOKEN}"}
            assert requests.patch(url, json={"workers": 7}, headers=right, timeout=10).json()["workers"] == 7
        assert TOKEN not in stage.log_path.read_text()


def test_a_page_whose_name_leads_here_is_refused(tmp_path):
    """The Host header of a page from elsewhere names that page's machine, whatever address its name leads to."""
    with running_stage(tmp_path) as stage:
        for host, status in (("evil.example", 403), ("127.0.0.1", 200), ("localhost:1", 200), ("[::1]:9", 200)):
            assert exchange(stage.port, f"GET /control HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).status == status


LOADED = """
name: loaded
seed: 1
stages:
  source: {role: injector, load: {rate: 1/m, arrivals: constant}, calls: [sink]}
  sink: {role: terminator, instances: 2}
"""


def test_set_changes_a_stage_of_the_run_that_is_on(tmp_path):
    """`set` finds the run by its folder, changes load and all instances of a stage, and shows what is."""
    with running_topology(tmp_path, LOADED) as running:
        where = ("--run", "report")
        shown = run("set", "source", "load.rate=200/s", *where, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        assert re.fullmatch(r"source: load\.rate: \S+ -> 200/s\n", shown.stdout)
        every = json.loads(run("set", "source", *where, cwd=tmp_path).stdout)
        assert every["load"] == {"rate": "200/s", "arrivals": "constant"}
        wait_for(lambda: sum(len(running.log(f"sink.{n}")) for n in (1, 2)) > 100, "messages at the new rate")
        assert run("set", "sink", "faults=error(503, 100%)", *where, cwd=tmp_path).returncode == 0
        wait_for(lambda: all(faulted(running.log(f"sink.{n}")) for n in (1, 2)), "faults in both")
        assert run("set", "sink", "faults=", "--instance", "2", *where, cwd=tmp_path).returncode == 0
        states = run("set", "sink", *where, cwd=tmp_path).stdout
        assert states.count('"error(503, 100%)"') == 1
        bad = run("set", "sink", "delay=fast", *where, cwd=tmp_path)
        assert bad.returncode == 2 and "neither a duration" in bad.stderr
        unknown = run("set", "snik", "workers=1", *where, cwd=tmp_path)
        assert unknown.returncode == 2 and "did you mean `sink`?" in unknown.stderr
        assert running.interrupt() == 0, running.errors.read_text()
    assert run("set", "sink", "workers=1", *where, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("environment", [{}, {"SIMULATOR_CONTROL_TOKEN": TOKEN}], ids=["its own", "the user's"])
def test_only_who_has_the_token_of_a_run_may_change_its_stages(tmp_path, environment):
    """A run asks for a token by default; only the one file has it, no output or log, and only until the run ends."""
    with running_topology(tmp_path, LOADED, environment=environment) as running:
        kept = running.report_folder / "control-token"
        assert kept.exists() == (not environment)
        token = environment.get("SIMULATOR_CONTROL_TOKEN") or kept.read_text().strip()
        url = f"{running.stage_base('source')}/control"
        for given in ({}, {"Authorization": "Bearer wrong"}):
            assert requests.get(url, headers=given, timeout=10).status_code == 403
            assert requests.patch(url, json={"workers": 7}, headers=given, timeout=10).status_code == 403
        right = {"Authorization": f"Bearer {token}"}
        assert requests.patch(url, json={"workers": 7}, headers=right, timeout=10).json()["workers"] == 7
        where = ("--url", url) if environment else ("--url", url, "--run", "report")
        changed = run("set", "source", "workers=8", *where, cwd=tmp_path, environment=environment)
        assert changed.stdout == "source: workers: 7 -> 8\n", changed.stderr
        assert running.interrupt() == 0, running.errors.read_text()
    assert not kept.exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()] == []


def faulted(log):
    return Counter(line["event"] for line in log)["fault.injected"] > 0
