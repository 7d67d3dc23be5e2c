"""Changing a running stage: what is asked for, which run it is in, and what the stage says to it."""

from __future__ import annotations

import contextlib
import json
import socket
from http.server import BaseHTTPRequestHandler

import pytest

from simulator.behaviour.delays import parse_delay
from simulator.errors import ConfigurationError, StartError
from simulator.local.current_runs import CurrentRun
from simulator.local.folder import open_run_folder
from simulator.local.setting import change_stage
from simulator.topology.model import Stage
from tests.support.controlled import control_of, live_stage, served
from tests.support.threaded import in_thread, listening

STATE = {"stage": "enrich", "instance": 1, "delay": "constant(1s)"}


class Answering:
    """A stage's place: it gives one answer to everything, and keeps what it was asked."""

    def __init__(self, status, body):
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.asked = []
        self.url = ""


@contextlib.contextmanager
def answering(status=200, body=STATE):
    """Run a server on this machine for the body of the `with`."""
    answers = Answering(status, body)

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            content = json.loads(self.rfile.read(length)) if length else None
            answers.asked.append((self.command, self.path, content, dict(self.headers)))
            self.send_response(answers.status)
            self.send_header("Content-Length", str(len(answers.body)))
            self.end_headers()
            self.wfile.write(answers.body)

        do_GET = do_PATCH = answer  # noqa: N815

    server = listening(Handler)
    answers.url = f"{server.origin}/messages"
    with in_thread(server):
        yield answers


@contextlib.contextmanager
def running(path, token=None, **addresses):
    """Have a run go on in a folder for the body of the `with`."""
    folder = open_run_folder(path, "pipeline")
    try:
        if token:
            folder.control_token.write_text(f"{token}\n")
        if addresses:
            folder.addresses.write_text(json.dumps(addresses))
        yield folder
    finally:
        folder.release()


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Return the folder that holds the runs, in a working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def change(stage="enrich", changes=(), url=None, run=None, instance=None, token=None):
    return [changed.after for changed in change_stage(stage, changes, url, run, instance, token)]


def test_a_stage_is_asked_for_what_it_does():
    """Without changes nothing is changed: the stage is read, and what it says is given back."""
    with answering() as stage:
        assert change(url=stage.url) == [STATE]
    [(method, path, content, _)] = stage.asked
    assert (method, path, content) == ("GET", "/control", None)


def test_a_stage_is_changed_in_one_request():
    """All changes go together as one JSON object; what the stage does then, and did before, is given back."""
    with answering() as stage:
        changes = ["delay=constant(1s)", "calls.audit.timeout="]
        [changed] = change_stage("enrich", changes, stage.url, None, None, None)
        assert (changed.before, changed.after) == (STATE, STATE)
    (asked, _, _, _), (method, path, content, headers) = stage.asked
    assert asked == "GET"
    assert (method, path) == ("PATCH", "/control")
    assert content == {"delay": "constant(1s)", "calls": {"audit": {"timeout": None}}}
    assert headers["Content-Type"] == "application/json"


CART = {
    "stage": "v1.cart",
    "instance": 1,
    "delay": "constant(1s)",
    "operations": {"read": {"delay": "constant(1s)"}, "add": {"delay": "constant(2s)"}},
}


@pytest.mark.parametrize("by_url", [True, False])
def test_an_operation_is_changed_by_its_name(runs, by_url):
    """`set cart.read` is for that operation of the stage; without changes it shows only that."""
    with answering(body=CART) as stage, running(runs / "shop", **{"v1.cart": [stage.url]}):
        url = stage.url if by_url else None
        assert change("v1.cart.add", url=url) == [{"delay": "constant(2s)"}]
        change("v1.cart.read", ["delay=5ms"], url=url)
        change("v1.cart", ["read.delay=5ms"], url=url)
        with pytest.raises(ConfigurationError) as refusal:
            change("v1.cart.reed", ["delay=5ms"], url=url)
    patches = [content for method, _, content, _ in stage.asked if method == "PATCH"]
    assert patches == [{"operations": {"read": {"delay": "5ms"}}}] * 2
    assert str(refusal.value) == "v1.cart has no operation 'reed'; did you mean `read`?"


@pytest.mark.parametrize("place", ["", "/", "/messages", "/a/b?c=d"])
def test_any_address_of_a_stage_will_do(place):
    """Whichever path a URL has, the control is at its own."""
    with answering() as stage:
        change(url=stage.url.removesuffix("/messages") + place)
    assert [asked[1] for asked in stage.asked] == ["/control"]


@pytest.mark.parametrize("changes", [[], ["workers=1"]])
@pytest.mark.parametrize(("token", "sent"), [("secret", "Bearer secret"), (None, None), ("", None)])
def test_the_token_is_sent_where_there_is_one(changes, token, sent):
    """The token goes along as a bearer's, for reading as for changing, and without one there is no such header."""
    with answering() as stage:
        change(changes=changes, url=stage.url, token=token)
    assert stage.asked[0][3].get("Authorization") == sent


def test_no_proxy_is_asked(monkeypatch):
    """A proxy that the environment names for other things does not come between."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with answering() as stage:
        assert change(url=stage.url) == [STATE]


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        (
            {"detail": "nothing was changed", "problems": ["workers: 0 is out of range", "delay: no"]},
            ["workers: 0 is out of range", "delay: no"],
        ),
        ({"detail": "nothing was changed"}, ["nothing was changed"]),
        ({"detail": "nothing was changed", "problems": []}, ["nothing was changed"]),
        (b"<h1>Bad request</h1>", ["<h1>Bad request</h1>"]),
        (b"x" * 5000, ["x" * 200]),
    ],
)
def test_a_change_that_the_stage_refuses(body, problems):
    """What the stage finds wrong is recorded as the mistakes they are, each of them, and never at any length."""
    with answering(400, body) as stage, pytest.raises(ConfigurationError) as refusal:
        change(changes=["workers=0"], url=stage.url)
    assert [str(problem) for problem in refusal.value.problems] == problems


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, {"detail": "the token is needed"}, "answered 403: the token is needed"),
        (403, b"Forbidden", "answered 403: not a stage of this simulator"),
        (404, b"<h1>Not found</h1>", "answered 404: not a stage of this simulator"),
        (404, {}, "answered 404: not a stage of this simulator"),
        (500, {"detail": "it broke"}, "answered 500: it broke"),
        (204, b"", "answered 204: not a stage of this simulator"),
    ],
)
def test_a_stage_that_will_not(status, body, reason):
    """A server that refuses, or is not a stage, is named with its URL, the status and what it said."""
    with answering(status, body) as stage, pytest.raises(StartError) as raised:
        change(url=stage.url)
    assert str(raised.value) == f"{stage.url.removesuffix('/messages')}/control {reason}"


@pytest.mark.parametrize("body", [b"<h1>Welcome</h1>", b"", []])
def test_a_server_that_is_no_stage_is_not_taken_for_one(body):
    """A server that answers with something else than a stage's settings is no stage of ours."""
    with answering(200, body) as stage, pytest.raises(StartError):
        change(changes=["workers=1"], url=stage.url)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, [1], StartError),
        (200, "welcome", StartError),
        (200, b"null", StartError),
        (403, ["no"], StartError),
        (400, ["no"], ConfigurationError),
        (400, "no", ConfigurationError),
    ],
)
def test_an_answer_that_is_no_object_is_told_in_a_line(status, body, error):
    """Whatever JSON a server answers with, what is wrong is reported as an error of ours."""
    with answering(status, body) as stage, pytest.raises(error):
        change(changes=["workers=1"], url=stage.url)


def test_a_stage_that_is_not_there():
    """Where nobody listens, the URL and the reason are told."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(StartError) as raised:
            change(url=f"http://127.0.0.1:{port}/messages")
    assert str(raised.value).startswith(f"http://127.0.0.1:{port}/messages can't be reached: ")


@pytest.mark.parametrize("url", ["enrich", "127.0.0.1:8080", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/"])
def test_what_is_no_url(url):
    """A URL that leads nowhere is reported as one that can't be reached."""
    with pytest.raises(StartError, match="can't be reached"):
        change(url=url)


def test_a_url_that_can_not_be_taken_apart():
    """A URL with half an IPv6 address is told like every other that leads nowhere."""
    with pytest.raises(StartError, match="can't be reached"):
        change(url="http://[::1/messages")


def test_the_run_that_goes_on_is_found(runs):
    """The one run that goes on is the one that is meant; those that have ended and other files are skipped."""
    with answering() as stage:
        with running(runs / "ended", enrich=["http://127.0.0.1:9/messages"]):
            pass
        (runs / "never").mkdir()
        (runs / "notes.txt").write_text("of the user")
        with running(runs / "pipeline", parse=["http://127.0.0.1:9/messages"], enrich=[stage.url]):
            assert change() == [STATE]
    assert len(stage.asked) == 1


def test_looking_for_a_run_takes_nothing_from_it(runs):
    """A run that was found still has its folder, and one that has ended leaves its own free."""
    with answering() as stage:
        with running(runs / "ended", enrich=[stage.url]):
            pass
        with running(runs / "pipeline", enrich=[stage.url]):
            for _ in range(3):
                assert change() == [STATE]
            with pytest.raises(StartError):
                open_run_folder(runs / "pipeline", "pipeline")
        with running(runs / "ended"), pytest.raises(StartError):
            open_run_folder(runs / "ended", "pipeline")


def test_where_no_run_goes_on(runs):
    """Without a run, the place that was looked in and the ways out are told."""
    message = "no run is active in {}; start one, or say where the stage is with --url or --run"
    with pytest.raises(StartError) as raised:
        change()
    assert str(raised.value) == message.format("runs")
    with running(runs / "ended", enrich=["http://127.0.0.1:9/messages"]):
        pass
    for run, where in ((None, "runs"), (runs / "ended", runs / "ended"), (runs / "nowhere", runs / "nowhere")):
        with pytest.raises(StartError) as raised:
            change(run=run)
        assert str(raised.value) == message.format(where)


@pytest.mark.parametrize("content", [None, "", '{"enrich": ["http'])
def test_a_run_that_is_only_just_starting_is_none_yet(runs, content):
    """A run whose addresses are not there yet, or only half, does not go on yet."""
    with running(runs / "pipeline") as folder:
        if content is not None:
            folder.addresses.write_text(content)
        with pytest.raises(StartError, match="no run is active in runs"):
            change()


def test_a_run_elsewhere_is_found_by_its_folder(runs, tmp_path):
    """A run whose folder is named is the one that is meant, wherever it lies and whatever else goes on."""
    with contextlib.ExitStack() as stack:
        here, there = (stack.enter_context(answering()) for _ in range(2))
        stack.enter_context(running(runs / "pipeline", enrich=[here.url]))
        stack.enter_context(running(tmp_path / "mine", enrich=[there.url]))
        change(run=tmp_path / "mine")
    assert (len(here.asked), len(there.asked)) == (0, 1)


def test_the_one_of_several_runs_that_has_the_stage(runs):
    """Where several runs go on, the one that has such a stage is meant."""
    with (
        answering() as stage,
        running(runs / "orders", enrich=[stage.url]),
        running(runs / "shop", front=["http://x/"]),
    ):
        assert change() == [STATE]


def tokens(stage):
    return [headers.get("Authorization") for *_, headers in stage.asked]


@pytest.mark.parametrize(
    ("token", "sent"), [(None, "Bearer of-the-run"), ("", "Bearer of-the-run"), ("mine", "Bearer mine")]
)
@pytest.mark.parametrize("by", ["name", "folder", "url"])
def test_the_token_of_the_run_is_found(runs, by, token, sent):
    """Without a token of the user's that of the run is sent, whichever way the stage was found."""
    with (
        answering() as stage,
        running(runs / "other", token="of-another", parse=["http://127.0.0.1:9/messages"]),
        running(runs / "pipeline", token="of-the-run", enrich=["http://127.0.0.1:9/", stage.url]),
    ):
        by_folder = runs / "pipeline" if by == "folder" else None
        instance = None if by == "url" else 2
        change(
            changes=["workers=1"], url=stage.url if by == "url" else None, run=by_folder, instance=instance, token=token
        )
    assert tokens(stage) == [sent, sent]


@pytest.mark.parametrize(
    ("listening", "url", "known"),
    [
        ("127.0.0.1", "http://127.0.0.1:{}", True),
        ("127.0.0.1", "http://localhost:{}/x?y", True),
        ("127.0.0.1", "http://LOCALHOST.:{}/", True),
        ("0.0.0.0", "http://127.0.0.1:{}/messages", True),
        ("127.0.0.1", "http://127.0.0.2:{}/messages", False),
        ("127.0.0.1", "https://127.0.0.1:{}/messages", False),
        ("127.0.0.1", "http://127.0.0.1:{}@example.com/messages", False),
        ("127.0.0.1", "http://127.0.0.1:1/{}", False),
        ("127.0.0.1", "http://[::1", False),
    ],
)
def test_which_urls_are_those_of_a_run(tmp_path, listening, url, known):
    """A URL is known by host and port, and the token goes to the address that the run itself has written down."""
    address = f"http://{listening}:8081/messages"
    found = CurrentRun(tmp_path, {"parse": ["http://127.0.0.1:8082/"], "enrich": [address]}, None).address_at(
        url.format(8081)
    )
    assert found == (address if known else None)


def test_the_token_of_a_run_goes_nowhere_else(runs):
    """A stage that no run here has started gets no token of a run."""
    with answering() as stage, running(runs / "pipeline", token="of-the-run", enrich=["http://127.0.0.1:9/"]):
        change(url=stage.url)
    assert tokens(stage) == [None]


@pytest.mark.parametrize(
    ("token", "advice"),
    [
        (None, "with a token of its own: set SIMULATOR_CONTROL_TOKEN to that, or name the folder of a run"),
        ("wrong", "SIMULATOR_CONTROL_TOKEN is set to another one here"),
    ],
)
def test_what_to_do_about_a_token_is_told(token, advice):
    """A stage that wants another token is reported with the way out, and without the token."""
    live = live_stage("enrich", Stage(delay=parse_delay("constant(10ms)"), calls=()))
    with served(control_of(live, "of-the-stage")) as address, pytest.raises(StartError) as raised:
        change(changes=["delay=constant(1s)"], url=address, token=token)
    said = str(raised.value)
    assert "answered 403: the token of SIMULATOR_CONTROL_TOKEN is needed; " in said and advice in said
    assert "wrong" not in said and "of-the-stage" not in said


def test_several_runs_with_the_same_stage(runs):
    """Where several runs have such a stage, they are named, and none of them is changed."""
    with answering() as stage, contextlib.ExitStack() as stack:
        for name in ("b", "a"):
            stack.enter_context(running(runs / name, enrich=[stage.url]))
        refusal = stack.enter_context(pytest.raises(ConfigurationError))
        change(changes=["workers=1"])
    assert str(refusal.value) == "several runs have a stage 'enrich'; choose one with --run: runs/a, runs/b"
    assert stage.asked == []


def test_a_stage_that_no_run_has(runs):
    """A name that no run has is reported with all that there are, each once."""
    addresses = {"parse": ["http://127.0.0.1:9/"], "archive": ["http://127.0.0.1:9/"]}
    with (
        running(runs / "a", **addresses),
        running(runs / "b", **addresses),
        pytest.raises(ConfigurationError) as refusal,
    ):
        change("pars")
    assert str(refusal.value) == "no running stage is called 'pars'; did you mean `parse`?"


def test_every_instance_is_changed(runs):
    """A change is made in every instance of a stage, and what each does then is given in their order."""
    with contextlib.ExitStack() as stack:
        stages = [stack.enter_context(answering(body={"stage": "enrich", "instance": number})) for number in (1, 2, 3)]
        stack.enter_context(running(runs / "pipeline", enrich=[stage.url for stage in stages]))
        assert change(changes=["workers=1"]) == [{"stage": "enrich", "instance": number} for number in (1, 2, 3)]
        assert change(changes=["workers=2"], instance=2) == [{"stage": "enrich", "instance": 2}]
    sent = [[content for method, _, content, _ in stage.asked if method == "PATCH"] for stage in stages]
    assert sent == [[{"workers": 1}], [{"workers": 1}, {"workers": 2}], [{"workers": 1}]]


def test_an_instance_that_is_gone_does_not_keep_the_others_as_they_were(runs):
    """Where one instance can't be reached the others are changed all the same, and both is told."""
    with contextlib.ExitStack() as stack:
        first, last = (stack.enter_context(answering(body={"stage": "enrich"})) for _ in range(2))
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            gone = f"http://127.0.0.1:{nobody.getsockname()[1]}/messages"
        stack.enter_context(running(runs / "pipeline", enrich=[first.url, gone, last.url]))
        with pytest.raises(StartError) as raised:
            change(changes=["workers=1"])
    assert str(raised.value).startswith(f"{gone} can't be reached")
    assert str(raised.value).endswith("The other 2 of 3 instances: done.")
    assert [[method for method, *_ in stage.asked] for stage in (first, last)] == [["GET", "PATCH"]] * 2


@pytest.mark.parametrize("instance", [0, 3])
def test_an_instance_that_there_is_not(runs, instance):
    """An instance beyond those that there are is refused with their number, and nothing is changed."""
    with answering() as stage, contextlib.ExitStack() as stack:
        stack.enter_context(running(runs / "pipeline", enrich=[stage.url, stage.url]))
        refusal = stack.enter_context(pytest.raises(ConfigurationError))
        change(changes=["workers=1"], instance=instance)
    assert str(refusal.value) == "flag --instance: enrich has instances 1 to 2"
    assert stage.asked == []


def test_what_is_no_change_is_sent_nowhere(runs):
    """A mistake in what is asked for is told before anything is looked for or sent."""
    with answering() as stage:
        for url in (stage.url, None):
            with pytest.raises(ConfigurationError):
                change(changes=["workers=1", "delay"], url=url)
    assert stage.asked == []


def test_a_change_with_the_stage_in_it_is_taken_apart(runs):
    """`--set` takes both in one, `set` does not, and says how it is written."""
    with running(runs / "a", parse=["http://127.0.0.1:9/"]), pytest.raises(ConfigurationError) as refusal:
        change("parse.delay=15ms")
    assert str(refusal.value) == "no running stage is called 'parse.delay=15ms'; write: set parse delay=15ms"
