"""Applying what is typed into the controls."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest

from simulator.behaviour.delays import parse_delay
from simulator.console.page.control_answers import ControlAnswers
from simulator.console.page.controls_view import MAX_STAGES
from simulator.topology.model import Stage, Topology
from tests.support.components import of_class, text_of, texts
from tests.support.controlled import Scripted, control_of, live_stage, served
from tests.support.watched import Watched, watched
from tests.support.wire import nobody

TOKEN = "s3cret"
NOT_ALLOWED = ("The token is needed: open the address that `run` printed.", "result bad")
FACTS = {"stage": "parse", "delay": "constant(10ms)", "faults": [], "workers": 8, "queue": 64}


@dataclass
class Run:
    """A run, its controls, and the addresses of its stages."""

    watched: Watched
    answers: ControlAnswers
    addresses: dict[str, list[str]]


@contextlib.contextmanager
def controlled(folder, *applications, may=True, token=None, stages=("parse",)):
    """Watch a run whose first stage is played by these applications, one for each instance."""
    model = Stage(calls=(), instances=max(1, len(applications)), delay=parse_delay("constant(10ms)"))
    system = Topology(name="test", stages={name: model if n == 0 else Stage(calls=()) for n, name in enumerate(stages)})
    run = watched(folder, system)
    with contextlib.ExitStack() as stack:
        addresses = {name: [] for name in stages}
        addresses[stages[0]] = [stack.enter_context(served(application)) for application in applications]
        yield Run(run, ControlAnswers(run.watching, addresses, lambda: may, token), addresses)


def live():
    return live_stage("parse", Stage(delay=parse_delay("constant(10ms)"), calls=()))


def test_a_change_is_made(tmp_path):
    """The stage does what was typed, the result names what was changed, and figures are fetched immediately."""
    stage = live()
    with controlled(tmp_path, control_of(stage)) as run:
        typed = {"delay": "constant(1s)", "faults": "", "workers": "8", "queue": "1000"}
        assert run.answers.apply(0, typed) == ("Changed: delay, workers.", "result good")
        assert run.watched.nudges == [0.0]
    assert (stage.settings()["delay"], stage.settings()["workers"]) == ("constant(1s)", 8)


def test_without_the_token_nothing_is_changed(tmp_path):
    """Without the run's token nothing is changed, and the stage is not even asked."""
    scripted = Scripted(lambda method, patch: (200, FACTS))
    with controlled(tmp_path, scripted, may=False) as run:
        assert run.answers.apply(0, {"delay": "constant(1s)"}) == NOT_ALLOWED
        assert (scripted.asked, run.watched.nudges) == ([], [])


def test_only_what_differs_is_sent(tmp_path):
    """The stage gets one change with the keys that differ, and no change at all if there are none."""
    scripted = Scripted(lambda method, patch: (200, FACTS))
    with controlled(tmp_path, scripted) as run:
        same = {"delay": "constant(10ms)", "faults": "", "workers": "8", "queue": "64"}
        assert run.answers.apply(0, same) == ("No change: it has these settings already.", "result soft")
        assert scripted.patches == []
        assert run.answers.apply(0, {**same, "queue": "128"}) == ("Changed: queue.", "result good")
    assert scripted.patches == [{"queue": 128}]


def test_the_stages_own_token_is_sent(tmp_path):
    """If the stages require a token, the console has it; a user of the page does not need to know it."""
    stage = live()
    with controlled(tmp_path, control_of(stage, TOKEN), token=TOKEN) as run:
        assert run.answers.apply(0, {"delay": "constant(1s)"}) == ("Changed: delay.", "result good")
    (tmp_path / "other").mkdir()
    with controlled(tmp_path / "other", control_of(stage, TOKEN)) as run:
        said, kind = run.answers.apply(0, {"delay": "constant(2s)"})
    assert "answered 403" in said and kind == "result bad"
    assert TOKEN not in said
    assert stage.settings()["delay"] == "constant(1s)"


def test_a_mistake_is_reported(tmp_path):
    """Every mistake is shown in the stage's own words, once for all instances, and nothing is changed."""
    stages = [live(), live()]
    with controlled(tmp_path, *map(control_of, stages)) as run:
        said, kind = run.answers.apply(0, {"delay": "constant(soon)", "workers": "0"})
    assert kind == "result bad"
    assert said.count("soon") >= 1 and said.count("workers: ") == 1
    assert [stage.settings()["delay"] for stage in stages] == ["constant(10ms)"] * 2


def test_every_instance_is_changed(tmp_path):
    """A stage of several processes does the same in all of them."""
    stages = [live(), live(), live()]
    with controlled(tmp_path, *map(control_of, stages)) as run:
        assert run.answers.apply(0, {"delay": "constant(1s)"}) == ("Changed: delay.", "result good")
    assert [stage.settings()["delay"] for stage in stages] == ["constant(1s)"] * 3


def test_an_instance_that_is_gone_is_reported(tmp_path):
    """The others are changed, and the result names the one that could not be reached."""
    stage = live()
    with controlled(tmp_path, control_of(stage)) as run, nobody() as port:
        gone = f"http://127.0.0.1:{port}/messages"
        run.addresses["parse"].insert(0, gone)
        said, kind = run.answers.apply(0, {"delay": "constant(1s)"})
    assert said.startswith(f"{gone} can't be reached") and kind == "result bad"
    assert stage.settings()["delay"] == "constant(1s)"


def test_a_stage_that_is_gone_is_reported(tmp_path):
    """If no instance answers, the result says so, and nothing else is attempted."""
    with controlled(tmp_path) as run, nobody() as port:
        assert run.answers.apply(0, {"delay": "constant(1s)"}) == ("It has no address.", "result bad")
        run.addresses["parse"].append(f"http://127.0.0.1:{port}/messages")
        said, kind = run.answers.apply(0, {"delay": "constant(1s)"})
        assert "can't be reached" in said and kind == "result bad"
        assert run.watched.nudges == []


def test_an_instance_that_does_otherwise_is_changed_too(tmp_path):
    """An instance that was restarted, and does what the file says, is changed even if the first one was before."""
    stages = [live(), live()]
    stages[0].change({"delay": "constant(1s)"})
    with controlled(tmp_path, *map(control_of, stages)) as run:
        run.answers.apply(0, {"delay": "constant(1s)"})
    assert stages[1].settings()["delay"] == "constant(1s)"


def test_the_rate_of_a_load_is_named_by_its_key(tmp_path):
    """The result names the changed keys of a load."""
    facts = {"stage": "in", "delay": "constant(0s)", "load": {"rate": "20/s"}}
    with controlled(tmp_path, Scripted(lambda method, patch: (200, facts))) as run:
        typed = {"delay": "constant(1s)", "load.rate": "50/s", "load.arrivals": "constant"}
        assert run.answers.apply(0, typed) == ("Changed: delay, load.rate, load.arrivals.", "result good")


def test_the_controls_show_what_the_stage_does(tmp_path):
    """The controls have the stage's present settings, or the reason why they are unknown."""
    with controlled(tmp_path, control_of(live()), stages=("parse", "archive")) as run:
        view = run.answers.view("")
    [parse, archive] = of_class(view, "control")
    assert texts(parse)[0] == "parse" and texts(archive)[0] == "archive"
    assert text_of(of_class(archive, "result")) == "It has no address."
    assert of_class(view, "notice") == []


def test_without_the_token_there_is_a_notice(tmp_path):
    """The notice is shown only without the token."""
    with controlled(tmp_path, control_of(live()), may=False) as run:
        assert len(of_class(run.answers.view(""), "notice")) == 1


@pytest.mark.parametrize(
    ("count", "search", "numbers"),
    [
        (3, "", [0, 1, 2]),
        (3, "?stage=s1", [1]),
        (3, "?stage=nothing", [0, 1, 2]),
        (MAX_STAGES, "", list(range(MAX_STAGES))),
        (MAX_STAGES + 1, "", [0]),
        (MAX_STAGES + 1, "?stage=s12", [12]),
        (MAX_STAGES + 1, "?stage=nothing", [0]),
    ],
)
def test_which_stages_are_shown(tmp_path, count, search, numbers):
    """The chosen one, or all of a small system, or the first of a large one; each by its number in the topology."""
    with controlled(tmp_path, stages=tuple(f"s{number}" for number in range(count))) as run:
        shown = run.answers.shown(search)
    assert [(number, node.name) for number, node in shown] == [(number, f"s{number}") for number in numbers]
