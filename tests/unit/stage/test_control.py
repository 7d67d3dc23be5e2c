"""`/control`: who may change a running stage, and what a client is told."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.live import LiveStage
from simulator.net.request_body import BrokenBody
from simulator.stage.control import PATH, make_control
from simulator.telemetry.logs import make_logger
from simulator.topology.variables import CONTROL_TOKEN_VARIABLE

TOKEN = "s3cret"


class Control:
    """The control of a stage, a client for it, and what was counted and logged."""

    def __init__(self, rig, token=None):
        self.rig, self.counted, self.lines = rig, [], []
        self.live = LiveStage(rig.handling, rig.capacity, None, lambda stage: None)
        logger = make_logger(self.lines.append, "info")
        self.client = make_control(self.live, token, logger, self.counted.append).test_client()

    def ask(self, method="GET", remote="127.0.0.1", host="127.0.0.1:8080", body=None, content_type=None, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(
            PATH,
            method=method,
            data=body,
            content_type=content_type,
            headers={"Host": host, **names},
            environ_overrides={"REMOTE_ADDR": remote},
        )

    def patch(self, change, content_type="application/json", **options):
        body = change if isinstance(change, bytes) else json.dumps(change).encode()
        return self.ask("PATCH", body=body, content_type=content_type, **options)

    @property
    def logged(self):
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def control(make_stage):
    """Return the control of a stage without a token."""
    return Control(make_stage(calls=["price"]))


@pytest.fixture
def guarded(make_stage):
    """Return the control of a stage with a token."""
    return Control(make_stage(calls=["price"]), TOKEN)


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]:8080", "[::1]"])
def test_without_a_token_this_machine_is_answered(control, remote, host):
    """Without a token clients on this machine that use a name of this machine are answered."""
    answer = control.ask(remote=remote, host=host)
    assert (answer.status_code, control.counted) == (200, ["read"])
    assert answer.json == control.live.settings()


@pytest.mark.parametrize(
    "remote", ["10.0.0.1", "192.168.1.5", "8.8.8.8", "2001:db8::1", "::ffff:10.0.0.1", "", "unix:"]
)
def test_without_a_token_nobody_else_is(control, remote):
    """Without a token nobody from another machine is answered, whatever it calls this one."""
    for method in ("GET", "PATCH"):
        answer = control.ask(method, remote=remote, host="localhost")
        assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
        assert answer.json["detail"] == f"without {CONTROL_TOKEN_VARIABLE} only this machine itself is answered"
        assert "WWW-Authenticate" not in answer.headers
    assert control.counted == ["refused", "refused"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil",
        "10.0.0.1",
        "",
        "[2001:db8::1]:80",
        "[::1].evil.com",
        "127.0.0.1:80@evil.com",
        "localhost:80.evil",
    ],
)
def test_a_page_from_elsewhere_is_refused(control, host):
    """A request from this machine that has another name in its Host header is refused: a page was led here."""
    answer = control.ask(host=host)
    assert (answer.status_code, answer.json["detail"]) == (403, "the Host header names a machine other than this one")


@pytest.mark.parametrize("remote", ["127.0.0.1", "10.0.0.1", ""])
@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (None, 403),
        ("", 403),
        ("Bearer ", 403),
        (f"Bearer {TOKEN}x", 403),
        (f"Bearer {TOKEN[:-1]}", 403),
        (f"Bearer {TOKEN.upper()}", 403),
        (TOKEN, 403),
        (f"Basic {TOKEN}", 403),
        ("Bearer ü", 403),
    ],
)
def test_with_a_token_whoever_bears_it(guarded, remote, authorization, status):
    """With a token only clients that send it are answered, from any address and by any name."""
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = guarded.ask(remote=remote, host="stage.example", **headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json["detail"] == f"the token of {CONTROL_TOKEN_VARIABLE} is needed"
        assert TOKEN not in answer.text
    assert guarded.counted == ["read" if status == 200 else "refused"]


def test_a_refusal_is_logged_and_the_token_is_not(guarded):
    """A refused client is logged with its address, method and the reason, but never with the token that it sent."""
    guarded.ask("PATCH", remote="10.0.0.1", Authorization="Bearer s3cret-but-wrong")
    (line,) = guarded.logged
    assert (line["event"], line["level"], line["client"], line["method"]) == (
        "control.refused",
        "warning",
        "10.0.0.1",
        "PATCH",
    )
    assert "s3cret" not in guarded.lines[0].decode()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20))
def test_no_other_token_opens(make_stage, given_token):
    """Whatever else is given for a token is refused."""
    control = Control(make_stage(), TOKEN)
    answer = control.ask(Authorization=f"Bearer {given_token}")
    assert answer.status_code == (200 if given_token == TOKEN else 403)


def test_a_refused_change_changes_nothing(control):
    """Who may not, changes nothing."""
    before = control.live.settings()
    assert control.patch({"delay": "constant(1s)"}, remote="10.0.0.1").status_code == 403
    assert control.patch({"delay": "constant(1s)"}, host="evil.example").status_code == 403
    assert control.live.settings() == before


def test_a_change(control):
    """A change is answered with all settings as they are now, counted, and logged key by key with before and after."""
    answer = control.patch({"delay": "constant(1s)", "calls": {"price": {"timeout": "5s"}}})
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json == control.live.settings()
    assert answer.json["delay"] == "constant(1s)"
    assert control.counted == ["changed"]
    assert [(line["event"], line["key"], line["before"], line["after"]) for line in control.logged] == [
        ("control.changed", "delay", "constant(0s)", "constant(1s)"),
        ("control.changed", "calls", ["price"], [{"to": "price", "timeout": "5s"}]),
    ]


def test_a_merge_patch_is_one_too(control):
    """The content type of merge patches is taken as well, with parameters or without."""
    for content_type in ("application/merge-patch+json", "application/json; charset=utf-8"):
        assert control.patch({"queue": 5}, content_type=content_type).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "mistake"),
    [
        (b'{"queue": 5}', "text/plain", "the content type must be application/json"),
        (b'{"queue": 5}', "application/x-www-form-urlencoded", "the content type must be application/json"),
        (b'{"queue": 5}', None, "the content type must be application/json"),
        (b"", "application/json", "not JSON: "),
        (b"{", "application/json", "not JSON: "),
        (b"\xff", "application/json", "not JSON: "),
        (b"[]", "application/json", "write an object of keys to change"),
        (b"{}", "application/json", "write an object of keys to change"),
        (b"null", "application/json", "write an object of keys to change"),
        (b"[" * 70_000, "application/json", "a change must have at most 65536 bytes"),
        (b" " * 65_536 + b"{}", "application/json", "a change must have at most 65536 bytes"),
    ],
)
def test_what_is_no_change(control, body, content_type, mistake):
    """What is not an object of JSON, or too long, or could come from a form, is refused and told why."""
    answer = control.ask("PATCH", body=body, content_type=content_type)
    assert (answer.status_code, answer.content_type, control.counted) == (400, "application/problem+json", ["invalid"])
    (problem,) = answer.json["problems"]
    assert problem.startswith(mistake)
    assert control.logged == []


def test_a_change_in_chunks_is_bounded_too(control):
    """Of a change of unknown length no more is read than a change may have; a small one is taken."""
    endless = BytesIO(b" " * 10_000_000)

    def patch(stream):
        headers = {"Host": "localhost", "Transfer-Encoding": "chunked"}
        return control.client.patch(PATH, input_stream=stream, content_type="application/json", headers=headers)

    answer = patch(endless)
    assert (answer.status_code, answer.json["problems"]) == (400, ["a change must have at most 65536 bytes"])
    assert endless.tell() < 100_000
    assert patch(BytesIO(b'\xef\xbb\xbf{"queue": 5}')).status_code == 200
    assert control.live.settings()["queue"] == 5
    answer = patch(Breaking())
    assert (answer.status_code, answer.json["problems"]) == (400, ["the body can't be read: not the size of a chunk"])


class Breaking(BytesIO):
    """A body whose chunks are none."""

    def read(self, *_):
        raise BrokenBody("not the size of a chunk")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"])
def test_no_other_method_changes_anything(control, method):
    """Whatever body a request brings, only PATCH changes something; any method but three is a 405."""
    before = control.live.settings()
    answer = control.ask(method, body=b'{"delay": "constant(9s)"}', content_type="application/json")
    assert control.live.settings() == before
    assert answer.status_code == (200 if method in ("GET", "HEAD") else 405)
    if answer.status_code == 405:
        assert (answer.content_type, sorted(answer.headers["Allow"].split(", "))) == (
            "application/problem+json",
            ["GET", "HEAD", "PATCH"],
        )


def test_every_mistake_of_a_change_is_told(control):
    """The answer to a bad change lists all that is wrong, each by its key, and nothing is changed."""
    before = control.live.settings()
    answer = control.patch({"queue": 5, "delay": "1", "workers": 0, "faults": ["x"]})
    assert answer.status_code == 400
    assert [text.split(":")[0] for text in answer.json["problems"]] == ["delay", "faults[0]", "workers"]
    assert answer.json["detail"].startswith("nothing was changed: ")
    assert (control.live.settings(), control.counted, control.logged) == (before, ["invalid"], [])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_no_other_method(control, method):
    """Nothing else is answered, so that no page from elsewhere is told that it may ask."""
    answer = control.ask(method)
    assert answer.status_code == 405
    assert "Access-Control-Allow-Origin" not in answer.headers
