"""What becomes of what is typed into the controls."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

import pytest

from simulator.behaviour.delays import parse_delay
from simulator.console.page.control_answers import ControlAnswers
from simulator.console.page.controls_view import MOST_AT_ONCE
from simulator.topology.model import Stage, Topology
from tests.support.components import of_class, text_of, texts
from tests.support.controlled import Scripted, control_of, live_stage, served
from tests.support.watched import Watched, watched

TOKEN = "s3cret"
NOT_ALLOWED = ("The token is needed: open the address that `run` printed.", "said bad")
FACTS = {"stage": "parse", "delay": "constant(10ms)", "faults": [], "workers": 8, "queue": 64}


@dataclass
class Run:
    """A run, what answers for its controls, and the addresses of its stages."""

    watched: Watched
    answers: ControlAnswers
    addresses: dict[str, list[str]]


@contextlib.contextmanager
def controlled(folder, *applications, may=True, token=None, stages=("parse",)):
    """Watch a run whose first stage is answered for by these applications, one for each instance."""
    model = Stage(calls=(), instances=max(1, len(applications)), delay=parse_delay("constant(10ms)"))
    system = Topology(name="test", stages={name: model if n == 0 else Stage(calls=()) for n, name in enumerate(stages)})
    run = watched(folder, system)
    with contextlib.ExitStack() as stack:
        addresses = {name: [] for name in stages}
        addresses[stages[0]] = [stack.enter_context(served(application)) for application in applications]
        yield Run(run, ControlAnswers(run.watching, addresses, lambda: may, token), addresses)


def nobody():
    """Give an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/messages"


def live():
    return live_stage("parse", Stage(delay=parse_delay("constant(10ms)"), calls=()))


def test_a_change_is_made(tmp_path):
    """What is typed is what the stage does, it is said what was changed, and figures are asked for at once."""
    stage = live()
    with controlled(tmp_path, control_of(stage)) as run:
        typed = {"delay": "constant(1s)", "faults": "", "workers": "8", "queue": "1000"}
        assert run.answers.apply(0, typed) == ("Changed: delay, workers.", "said good")
        assert run.watched.nudges == [0.0]
    assert (stage.settings()["delay"], stage.settings()["workers"]) == ("constant(1s)", 8)


def test_without_the_token_nothing_is_changed(tmp_path):
    """Whoever has not the run's token changes nothing, and the stage is not even asked."""
    scripted = Scripted(lambda method, patch: (200, FACTS))
    with controlled(tmp_path, scripted, may=False) as run:
        assert run.answers.apply(0, {"delay": "constant(1s)"}) == NOT_ALLOWED
        assert (scripted.asked, run.watched.nudges) == ([], [])


def test_only_what_differs_is_sent(tmp_path):
    """The stage gets one change with the keys that were typed anew, and where there is none no change at all."""
    scripted = Scripted(lambda method, patch: (200, FACTS))
    with controlled(tmp_path, scripted) as run:
        same = {"delay": "constant(10ms)", "faults": "", "workers": "8", "queue": "64"}
        assert run.answers.apply(0, same) == ("That is what it does already.", "said soft")
        assert scripted.patches == []
        assert run.answers.apply(0, {**same, "queue": "128"}) == ("Changed: queue.", "said good")
    assert scripted.patches == [{"queue": 128}]


def test_the_stages_own_token_is_sent(tmp_path):
    """Where the stages want a token the console has it; whoever looks does not need to know it."""
    stage = live()
    with controlled(tmp_path, control_of(stage, TOKEN), token=TOKEN) as run:
        assert run.answers.apply(0, {"delay": "constant(1s)"}) == ("Changed: delay.", "said good")
    (tmp_path / "other").mkdir()
    with controlled(tmp_path / "other", control_of(stage, TOKEN)) as run:
        said, kind = run.answers.apply(0, {"delay": "constant(2s)"})
    assert "answered 403" in said and kind == "said bad"
    assert TOKEN not in said
    assert stage.settings()["delay"] == "constant(1s)"


def test_a_mistake_is_told(tmp_path):
    """Everything that is wrong is said as the stage says it, once for all instances, and nothing is changed."""
    stages = [live(), live()]
    with controlled(tmp_path, *map(control_of, stages)) as run:
        said, kind = run.answers.apply(0, {"delay": "constant(soon)", "workers": "0"})
    assert kind == "said bad"
    assert said.count("soon") >= 1 and said.count("workers: ") == 1
    assert [stage.settings()["delay"] for stage in stages] == ["constant(10ms)"] * 2


def test_every_instance_is_changed(tmp_path):
    """A stage of several processes does the same in all of them."""
    stages = [live(), live(), live()]
    with controlled(tmp_path, *map(control_of, stages)) as run:
        assert run.answers.apply(0, {"delay": "constant(1s)"}) == ("Changed: delay.", "said good")
    assert [stage.settings()["delay"] for stage in stages] == ["constant(1s)"] * 3


def test_an_instance_that_is_gone_is_told(tmp_path):
    """The others are changed, and which one could not be reached is said."""
    stage = live()
    with controlled(tmp_path, control_of(stage)) as run:
        gone = nobody()
        run.addresses["parse"].insert(0, gone)
        said, kind = run.answers.apply(0, {"delay": "constant(1s)"})
    assert said.startswith(f"{gone} can't be reached") and kind == "said bad"
    assert stage.settings()["delay"] == "constant(1s)"


def test_a_stage_that_is_gone_is_told(tmp_path):
    """Where nobody answers, that is said, and nothing else is tried."""
    with controlled(tmp_path) as run:
        assert run.answers.apply(0, {"delay": "constant(1s)"}) == ("It has no address.", "said bad")
        run.addresses["parse"].append(nobody())
        said, kind = run.answers.apply(0, {"delay": "constant(1s)"})
        assert "can't be reached" in said and kind == "said bad"
        assert run.watched.nudges == []


def test_an_instance_that_does_otherwise_is_changed_too(tmp_path):
    """An instance that was started anew, and does what the file says, is changed though the first one was before."""
    stages = [live(), live()]
    stages[0].change({"delay": "constant(1s)"})
    with controlled(tmp_path, *map(control_of, stages)) as run:
        run.answers.apply(0, {"delay": "constant(1s)"})
    assert stages[1].settings()["delay"] == "constant(1s)"


def test_the_rate_of_a_load_is_said_by_its_name(tmp_path):
    """What was changed of a load is said by its keys."""
    facts = {"stage": "in", "delay": "constant(0s)", "load": {"rate": "20/s"}}
    with controlled(tmp_path, Scripted(lambda method, patch: (200, facts))) as run:
        typed = {"delay": "constant(1s)", "rate": "50/s", "arrivals": "constant"}
        assert run.answers.apply(0, typed) == ("Changed: delay, rate, arrivals.", "said good")


def test_the_controls_show_what_the_stage_does(tmp_path):
    """What is laid out is what the stage says now, and what it does not answer to is said."""
    with controlled(tmp_path, control_of(live()), stages=("parse", "archive")) as run:
        view = run.answers.lay_out("")
    [parse, archive] = of_class(view, "control")
    assert texts(parse)[0] == "parse" and texts(archive)[0] == "archive"
    assert text_of(of_class(archive, "said")) == "It has no address."
    assert of_class(view, "notice") == []


def test_who_may_not_change_sees_it(tmp_path):
    """The notice is there for whoever has no token."""
    with controlled(tmp_path, control_of(live()), may=False) as run:
        assert len(of_class(run.answers.lay_out(""), "notice")) == 1


@pytest.mark.parametrize(
    ("count", "search", "numbers"),
    [
        (3, "", [0, 1, 2]),
        (3, "?stage=s1", [1]),
        (3, "?stage=nothing", [0, 1, 2]),
        (MOST_AT_ONCE, "", list(range(MOST_AT_ONCE))),
        (MOST_AT_ONCE + 1, "", [0]),
        (MOST_AT_ONCE + 1, "?stage=s12", [12]),
        (MOST_AT_ONCE + 1, "?stage=nothing", [0]),
    ],
)
def test_which_stages_are_shown(tmp_path, count, search, numbers):
    """The chosen one, or all of a small system, or the first of a large one; each by its number in the topology."""
    with controlled(tmp_path, stages=tuple(f"s{number}" for number in range(count))) as run:
        shown = run.answers.shown(search)
    assert [(number, node.name) for number, node in shown] == [(number, f"s{number}") for number in numbers]
