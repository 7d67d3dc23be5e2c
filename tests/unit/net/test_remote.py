"""The other side of /control."""

from __future__ import annotations

import socket

import pytest

from simulator.behaviour.delays import parse_delay
from simulator.errors import ConfigurationError, StartError
from simulator.net.remote import exchange
from simulator.topology.model import Stage
from tests.support.controlled import Scripted, control_of, live_stage, served

TOKEN = "s3cret"
FACTS = {"stage": "parse", "delay": "constant(1s)"}


@pytest.fixture
def live():
    """Return what a stage may have changed."""
    return live_stage("parse", Stage(delay=parse_delay("constant(10ms)"), calls=()))


def test_a_stage_says_what_it_does(live):
    """Without a change a stage is only asked."""
    with served(control_of(live)) as address:
        found = exchange(address, {}, None)
    assert (found["stage"], found["delay"], found["faults"], found["workers"]) == ("parse", "constant(10ms)", [], 1000)


def test_a_change_is_made_and_what_it_comes_to_is_given(live):
    """The stage does what it was told, and says so."""
    with served(control_of(live)) as address:
        found = exchange(address, {"delay": "constant(1s)", "faults": ["error(503, 5%)"]}, None)
    assert (found["delay"], found["faults"]) == ("constant(1s)", ["error(503, 5%)"])
    assert live.settings()["delay"] == "constant(1s)"


def test_a_change_that_can_t_be_is_told_in_full(live):
    """Everything that is wrong is an error of its own, as the stage has it, and nothing is changed."""
    with served(control_of(live)) as address, pytest.raises(ConfigurationError) as refusal:
        exchange(address, {"delay": "constant(soon)", "workers": 0}, None)
    said = [str(problem) for problem in refusal.value.problems]
    assert len(said) == 2 and "soon" in said[0] and said[1].startswith("workers:")
    assert live.settings()["delay"] == "constant(10ms)"


def test_the_token_is_sent_along(live):
    """A stage that wants a token gets it, and refuses clients with another one or none."""
    with served(control_of(live, TOKEN)) as address:
        assert exchange(address, {}, TOKEN)["stage"] == "parse"
        for wrong in (None, "", "other"):
            with pytest.raises(StartError, match="answered 403: the token of SIMULATOR_CONTROL_TOKEN is needed"):
                exchange(address, {"delay": "constant(1s)"}, wrong)
    assert live.settings()["delay"] == "constant(10ms)"


def test_without_a_token_none_is_sent():
    """No empty Authorization goes out, and whatever path messages have, the control has its own."""
    scripted = Scripted(lambda method, patch: (200, FACTS))
    with served(scripted) as address:
        exchange(address, {}, None)
        exchange(address, {"delay": "constant(1s)"}, TOKEN)
    assert scripted.asked == [("GET", None, None), ("PATCH", {"delay": "constant(1s)"}, f"Bearer {TOKEN}")]
    assert scripted.paths == ["/control", "/control"]


def test_nobody_there():
    """A stage that is gone is named with its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/messages"
    with pytest.raises(StartError) as refusal:
        exchange(address, {}, None)
    assert str(refusal.value).startswith(f"{address} can't be reached: ")


@pytest.mark.parametrize("address", ["http://ann:s3cret@127.0.0.1:1/messages", "ann:s3cret@127.0.0.1:1/messages"])
def test_an_address_is_told_without_its_password(address):
    """A URL with a user and a password is named in the error without them."""
    with pytest.raises(StartError) as refusal:
        exchange(address, {}, None)
    assert "127.0.0.1" in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("address", ["http://[", "nowhere", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"])
def test_an_address_that_is_none(address):
    """An address that nothing can be sent to is recorded as such."""
    with pytest.raises(StartError, match="can't be reached"):
        exchange(address, {}, None)


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_no_proxy_is_asked(monkeypatch, live, proxy):
    """What is on this machine is not asked of a proxy, whatever the environment says."""
    monkeypatch.setenv(proxy, "http://127.0.0.1:1")
    with served(control_of(live)) as address:
        assert exchange(address, {}, None)["stage"] == "parse"


@pytest.mark.parametrize(
    ("status", "content", "told"),
    [
        (200, {}, "answered 200: not a stage of this simulator"),
        (200, "<html>", "answered 200: not a stage of this simulator"),
        (200, ["stage"], "answered 200: not a stage of this simulator"),
        (404, {"detail": "no such page"}, "answered 404: no such page"),
        (500, "broken", "answered 500: not a stage of this simulator"),
    ],
)
def test_whoever_is_no_stage_is_told_as_such(status, content, told):
    """An answer that is none of /control's is not taken for one."""
    with served(Scripted(lambda method, patch: (status, content))) as address, pytest.raises(StartError) as refusal:
        exchange(address, {}, None)
    assert str(refusal.value) == f"{address.removesuffix('/messages')}/control {told}"


@pytest.mark.parametrize(
    ("content", "told"),
    [({"detail": "wrong"}, ["wrong"]), ("x" * 500, ["x" * 200]), ({"problems": ["a", "b"]}, ["a", "b"])],
)
def test_a_refusal_is_told_by_what_there_is(content, told):
    """A 400 is recorded by its list of problems, else its detail, else how it starts."""
    scripted = Scripted(lambda method, patch: (400, content))
    with served(scripted) as address, pytest.raises(ConfigurationError) as refusal:
        exchange(address, {"delay": "x"}, None)
    assert [str(problem) for problem in refusal.value.problems] == told
