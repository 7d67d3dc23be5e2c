"""A live stage with operations of several methods: what each path allows, bodies, HEAD, and who may decide."""

from __future__ import annotations

import json

import pytest

from tests.support.processes import running_stage, wait_for
from tests.support.wire import connect, exchange, read_answer

SECRET = "s3cret"
CARTS = """\
name: shop
stages:
  source:
    role: injector
    load: {rate: 1/s}
    decide: {hit: 50%}
    calls: [cart.read, cart.add]
  cart:
    role: terminator
    operations:
      read: {method: GET, path: "/carts/{id}"}
      drop: {method: DELETE, path: "/carts/{id}"}
      peek: {method: HEAD, path: "/carts/{id}", response_bytes: 5KB}
      add: {method: POST, path: /carts, faults: ['error(503, when="hit")']}
      list: {method: GET, path: /carts}
      put: {method: PUT, path: "/items/{id}"}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    (folder / "shop.yaml").write_text(CARTS)
    flags = ("--topology", str(folder / "shop.yaml"), "--stage", "cart")
    with running_stage(folder, *flags, name="cart", environment={"SIMULATOR_RUN_SECRET": SECRET}) as running:
        yield running


def request(method, path, *headers, body=b""):
    lines = [f"{method} {path} HTTP/1.1", "Host: cart", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def handled(stage, message_id):
    """Return the line of a message's handling, when it is there."""

    def line():
        return next((line for line in stage.events("message.handled") if line["message_id"] == message_id), None)

    return wait_for(line, "the log line")


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/carts/7", "read"),
        ("DELETE", "/carts/7", "drop"),
        ("POST", "/carts", "add"),
        ("GET", "/carts", "list"),
        ("PUT", "/items/a%2Fb", "put"),
    ],
)
def test_method_and_path_say_which_operation(stage, method, path, operation):
    """Operations may share a path or a method; a request is handled by the one that has both."""
    answer = exchange(stage.port, request(method, path, f"X-Message-Id: is-{operation}"))
    assert answer.status == 200
    assert handled(stage, f"is-{operation}")["operation"] == operation


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/carts/7", "DELETE, GET, HEAD"),
        ("PUT", "/carts/7", "DELETE, GET, HEAD"),
        ("OPTIONS", "/carts/7", "DELETE, GET, HEAD"),
        ("BREW", "/carts/7", "DELETE, GET, HEAD"),
        ("DELETE", "/carts", "GET, POST"),
        ("GET", "/items/7", "PUT"),
    ],
)
def test_a_method_that_a_path_has_not(stage, method, path, allowed):
    """A wrong method is answered with 405 and all methods of this very path, and is no message."""
    before = stage.total("simulator_messages_total")
    answer = exchange(stage.port, request(method, path))
    assert (answer.status, answer.headers["allow"], answer.json()["status"]) == (405, allowed, 405)
    assert stage.total("simulator_messages_total") == before


def test_head_is_not_allowed_for_each_get(stage):
    """GET does not bring HEAD along: a path without such an operation refuses it, and its answer has no body."""
    with connect(stage.port) as connection:
        connection.sendall(request("HEAD", "/carts", "Connection: close"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 405 ") and "\r\nAllow: GET, POST\r\n" in f"{head}\r\n"
    assert body == ""


@pytest.mark.parametrize("path", ["/carts/7/items", "/carts/", "/carts//", "/items", "/messages", "/"])
def test_other_paths(stage, path):
    """A path that no operation has is answered with 404, without methods that would be allowed."""
    answer = exchange(stage.port, request("GET", path))
    assert (answer.status, "allow" in answer.headers) == (404, False)


@pytest.mark.parametrize(("method", "path"), [("GET", "/carts/7"), ("HEAD", "/carts/7")])
def test_a_body_where_the_method_has_none(stage, method, path):
    """A body on GET or HEAD is refused with 400 that says so, and the connection can be used again."""
    with connect(stage.port) as connection:
        connection.sendall(request(method, path, f"X-Message-Id: body-{method}", body=b'{"n": 1}'))
        if method == "GET":
            answer = read_answer(connection)
            assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
            assert answer.json()["detail"] == "a GET has no body, but this one has 8 bytes"
        else:
            assert read_head(connection).startswith(b"HTTP/1.1 400 ")
        connection.sendall(request("GET", "/carts"))
        assert read_answer(connection).status == 200
    line = handled(stage, f"body-{method}")
    assert (line["outcome"], line["code"], line["error"]) == (
        "invalid",
        400,
        f"a {method} has no body, but this one has 8 bytes",
    )


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/carts/7"), ("PUT", "/items/7"), ("POST", "/carts")])
def test_a_body_where_the_method_may_have_one(stage, method, path):
    """A body is taken by the other methods."""
    assert exchange(stage.port, request(method, path, body=b'{"n": 1}')).status == 200


def test_a_connection_goes_on_after_head(stage):
    """The answer to HEAD announces a body and has none, so that the next request on the connection is answered well."""
    with connect(stage.port) as connection:
        for number in range(3):
            connection.sendall(request("HEAD", f"/carts/{number}"))
            head = read_head(connection)
            assert head.startswith(b"HTTP/1.1 200 ") and b"\r\nContent-Length: 5000\r\n" in head
            connection.sendall(request("GET", f"/carts/{number}", f"X-Message-Id: after-{number}"))
            answer = read_answer(connection)
            assert (answer.status, answer.json()["message_id"]) == (200, f"after-{number}")


def read_head(connection):
    """Read up to the end of a head, byte by byte, so that nothing after it is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    return head


@pytest.mark.parametrize(
    ("secret", "status"),
    [([], 200), (["X-Simulator-Secret: guessed"], 200), ([f"X-Simulator-Secret: {SECRET}"], 503)],
    ids=["none", "guessed", "the run's"],
)
def test_only_the_run_decides(stage, secret, status):
    """Where the run has a secret, decisions of a client without it are ignored: they choose no fault and no route."""
    decisions = json.dumps({"hit": True})
    answer = exchange(stage.port, request("POST", "/carts", f"X-Simulator-Decisions: {decisions}", *secret, body=b"{}"))
    assert answer.status == status
