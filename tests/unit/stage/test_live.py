"""Changing a running stage: wholly and at once, or not at all."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.arrivals import BurstyArrivals, ConstantArrivals, PoissonArrivals
from simulator.behaviour.distributions import Constant
from simulator.behaviour.empirical import Samples
from simulator.behaviour.profiles.recording import read_recording
from simulator.behaviour.profiles.registry import parse_profile
from simulator.behaviour.profiles.replay import Replay
from simulator.behaviour.schedules import Schedule, at_rate
from simulator.behaviour.values import Chance
from simulator.engine.live import CHANGEABLE, LiveStage
from simulator.errors import ConfigurationError, RateLimited, Rejected
from simulator.topology.load import Load
from simulator.topology.sizes import Limit
from tests.support.stage_rig import worker

RAMP = "ramp(10/s, 200/s, 60s)"


@dataclass
class Pacing:
    """An injector that remembers at which paces it was told to send."""

    is_paced: bool = True
    paces: list[Any] = field(default_factory=list)

    def repace(self, pace):
        self.paces.append(pace)


class Live:
    """A stage that can be changed, and what was heard of its changes."""

    def __init__(self, rig, injector=None, variables=None, limits=None, decisions=None):
        self.rig, self.injector, self.heard = rig, injector, []
        self.stage = LiveStage(rig.handling, rig.capacity, injector, self.heard.append, variables, limits, decisions)

    def refused(self, patch):
        """Try a change that must be refused and change nothing; return the mistakes."""
        before = (self.stage.settings(), self.rig.handling.behaviour, self.rig.capacity.workers)
        with pytest.raises(ConfigurationError) as raised:
            self.stage.change(patch)
        assert (self.stage.settings(), self.rig.handling.behaviour, self.rig.capacity.workers) == before
        assert self.heard == []
        assert not self.injector or self.injector.paces == []
        return [str(problem) for problem in raised.value.problems]


CALLS = [
    {"to": "price", "timeout": "2s"},
    {"parallel": ["stock", {"to": "price", "retries": 2, "fallback": "cache"}], "limit": 2},
]


@pytest.fixture
def live(make_stage):
    """Return a processor that can be changed."""
    return Live(make_stage(delay="uniform(5ms, 50ms)", faults=["error(503, 5%)"], calls=CALLS))


@pytest.fixture
def injecting(make_stage):
    """Return an injector that can be changed."""
    load = {"rate": "20/s"}
    return Live(make_stage(stage="injector", role="injector", calls=["price"], load=load), Pacing())


def test_headers_are_shown_without_their_secrets(make_stage):
    """What is written down as a header's value is not told; what names a variable is, and not its value."""
    calls = [{"to": "price", "headers": {"Authorization": "Bearer ${TOKEN}", "X-Key": "s3cret"}}]
    live = Live(make_stage(calls=calls), variables={"TOKEN": "t0p"})
    shown = {"to": "price", "headers": {"Authorization": "Bearer ${TOKEN}", "X-Key": "***"}}
    assert live.stage.settings()["calls"] == [shown]
    changes = live.stage.change({"calls": {"price": {"timeout": "1s"}}})
    assert "s3cret" not in str(changes)
    [call] = live.heard[-1].calls
    assert call.headers.written() == calls[0]["headers"]
    assert "is shown in place of" in str(live_refusal(live, {"calls": [shown]}))


def live_refusal(live, patch):
    with pytest.raises(ConfigurationError) as raised:
        live.stage.change(patch)
    return raised.value


def test_headers_change_within_what_the_stage_was_started_with(make_stage):
    """A change may use the variables that were named at the start, and reads no other one of the environment."""
    live = Live(make_stage(calls=[{"to": "price", "headers": {"A": "${TOKEN}"}}]), variables={"TOKEN": "x" * 5000})
    live.stage.change({"calls": {"price": {"headers": "X-Tenant: ${TOKEN}; Y: 1"}}})
    assert live.heard[-1].calls[0].headers.written() == {"X-Tenant": "${TOKEN}", "Y": "1"}
    mistake = live_refusal(live, {"calls": {"price": {"headers": {"A": "${HOME}"}}}})
    assert "calls[0].headers: the stage was not started with the variable HOME; it knows TOKEN" in str(mistake)
    mistake = live_refusal(live, {"calls": {"price": {"headers": {"A": "${TOKEN}", "B": "${TOKEN}"}}}})
    assert "calls[0].headers: with the values of their variables the headers have more than 8192 bytes" in str(mistake)
    live.stage.change({"calls": {"price": {"headers": None}}})
    assert live.heard[-1].calls[0].headers is None


def test_a_change_makes_no_body_too_large(make_stage):
    """Where it is known what a called stage takes, a change to larger bodies is refused."""
    live = Live(make_stage(calls=["price"]), limits={("price", ""): Limit(2**20, "price")})
    mistake = live_refusal(live, {"calls": {"price": {"request_bytes": "2MB"}}})
    assert "calls[0].request_bytes: 2MB is more than price takes (max_body: 1048576B)" in str(mistake)
    live.stage.change({"calls": {"price": {"request_bytes": "1MB"}}})


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"calls": [{"to": "price", "when": "hitt"}]}, "calls[0].when: no stage decides 'hitt' before a message gets "),
        ({"calls": [{"to": "price", "when": "hit = 3"}]}, "calls[0].when: 'hit' is never 3"),
        ({"calls": [{"to": "price", "times": "items"}]}, "calls[0].times: no stage decides 'items'"),
        ({"faults": ["error(503, when=item)"]}, "faults[0]: no stage decides 'item'"),
    ],
)
def test_a_change_waits_for_no_decision_that_nobody_draws(make_stage, patch, said):
    """A condition that no message can fulfil is a slip here, too; with what is decided before it is not."""
    live = Live(make_stage(calls=["price"]), decisions={"": {"hit": [Chance(0.9)]}})
    assert said in str(live_refusal(live, patch))
    live.stage.change({"calls": [{"to": "price", "when": "not hit"}], "faults": ["error(503, 5%, when=hit)"]})


def test_the_settings(live):
    """All that can be changed is told, as it would be written in a file, beside who the stage is."""
    assert live.stage.settings() == {
        "stage": "parse",
        "role": "processor",
        "instance": 1,
        "seed": 7,
        "delay": "uniform(5ms, 50ms)",
        "faults": ["error(503, 5%)"],
        "workers": 8,
        "queue": 8,
        "rate_limit": None,
        "forward": "wait",
        "response_bytes": None,
        "calls": [
            {"to": "price", "timeout": "2s"},
            {"parallel": ["stock", {"to": "price", "retries": "retries(2)", "fallback": "cache"}], "limit": 2},
        ],
    }


def test_the_load_is_a_setting_of_injectors(injecting):
    """An injector tells its load as well."""
    assert injecting.stage.settings()["load"] == {"rate": "20/s"}


def test_a_change(live):
    """What is named is changed, from the next message on; what it was before and is now is given and told."""
    assert live.stage.change({"delay": "constant(2s)", "queue": 3, "faults": []}) == {
        "delay": ("uniform(5ms, 50ms)", "constant(2s)"),
        "faults": (["error(503, 5%)"], []),
        "queue": (8, 3),
    }
    model = live.rig.handling.behaviour.model
    assert (model.delay, model.faults, model.queue, model.workers) == (Constant(2.0), (), 3, 8)
    assert (live.rig.capacity.workers, live.rig.capacity.queue) == (8, 3)
    assert live.heard == [model]


def test_a_change_meets_the_messages(make_stage, make_message):
    """After a change messages meet the new delay, and the call its new keys."""
    live = Live(make_stage(calls=["price"]))
    live.stage.change({"delay": "constant(2s)", "calls": {"price": {"timeout": "5s", "times": 2}}})
    record = live.rig.handle(make_message())
    assert (record.delay_drawn_seconds, record.delay_spec) == (2.0, "constant(2s)")
    assert live.rig.adapter.timeouts == [5.0, 5.0]


def test_what_is_as_before_is_no_change(live):
    """A patch that says what is so already changes nothing, and says so."""
    assert live.stage.change({"queue": 8, "delay": "uniform(5ms,50ms)"}) == {}


OPERATIONS = {
    "read": {"method": "GET", "calls": ["price"]},
    "add": {"delay": "constant(4ms)", "faults": ["error(503, 5%)"]},
}


@pytest.fixture
def cart(make_stage):
    """Return a service with two operations that can be changed."""
    return Live(make_stage(role="processor", delay="constant(2ms)", operations=OPERATIONS))


def test_the_settings_of_operations(cart):
    """Each operation tells what it does, also what it has from its stage."""
    settings = cart.stage.settings()
    assert settings["operations"] == {
        "read": {
            "delay": "constant(2ms)",
            "faults": [],
            "forward": "wait",
            "response_bytes": None,
            "calls": ["price"],
        },
        "add": {
            "delay": "constant(4ms)",
            "faults": ["error(503, 5%)"],
            "forward": "wait",
            "response_bytes": None,
            "calls": [],
        },
    }
    assert cart.stage.change({key: settings[key] for key in CHANGEABLE if key in settings}) == {}


def test_operations_change_with_their_stage_or_alone(cart):
    """What an operation says itself stays when its stage changes; each change is told at its operation."""
    assert cart.stage.change({"delay": "constant(9ms)"}) == {
        "delay": ("constant(2ms)", "constant(9ms)"),
        "read.delay": ("constant(2ms)", "constant(9ms)"),
    }
    assert cart.stage.change({"operations": {"read": {"delay": "constant(1ms)"}}}) == {
        "read.delay": ("constant(9ms)", "constant(1ms)")
    }
    assert cart.stage.change({"workers": 3}) == {"workers": (8, 3)}
    model = cart.rig.handling.behaviour.model.operations
    assert (model["read"].delay, model["add"].delay) == (Constant(0.001), Constant(0.004))


@pytest.mark.parametrize(
    ("patch", "mistake"),
    [
        ({"reed": {"delay": "1s"}}, "operations.reed: there is no operation 'reed'; did you mean `read`?"),
        ({"read": {"path": "/x"}}, "operations.read.path: can't be changed while the stage runs; these can: delay, "),
        ({"read": {"workers": 3}}, "operations.read.workers: can't be changed while the stage runs; these can: "),
        ({"read": {"delay": "5"}}, "operations.read.delay: '5' has no unit"),
        ({"read": {"calls": ["stock"]}}, "operations.read.calls[0]: a running stage can only call those that it"),
        ({"read": {"calls": {"price": {"to": "x"}}}}, "operations.read.calls.price.to: can't be changed; write"),
        ({"read": None}, "operations.read: must be a mapping of keys to values"),
        (None, "operations: must be a mapping of names to the keys to change"),
    ],
)
def test_a_bad_change_of_an_operation_changes_nothing(cart, patch, mistake):
    """A mistake is told with the operation's name and key."""
    [found] = cart.refused({"operations": patch})
    assert found.startswith(mistake)


def test_null_is_the_default(live):
    """None sets a key back to what it is where nothing is written."""
    live.stage.change({"rate_limit": "5/s", "response_bytes": "1KB", "forward": "accept", "workers": 3})
    live.stage.change(dict.fromkeys(("rate_limit", "response_bytes", "forward", "workers", "delay", "faults")))
    settings = live.stage.settings()
    assert (settings["rate_limit"], settings["response_bytes"], settings["forward"]) == (None, None, "wait")
    assert (settings["delay"], settings["faults"], settings["workers"]) == ("constant(0s)", [], 1000)
    assert live.rig.capacity.workers == 1000


def test_the_settings_can_be_given_back(live):
    """What was told can be given back as a change, and changes nothing."""
    settings = {key: value for key, value in live.stage.settings().items() if key in CHANGEABLE}
    live.stage.change({"delay": None, "calls": {"price": {"retries": 5, "hedge": "1s"}}})
    live.stage.change(settings)
    assert {key: live.stage.settings()[key] for key in settings} == settings


def test_the_settings_of_an_injector_can_be_given_back(make_stage):
    """What was told of an injector's load can be given back too, where it is the same."""
    load = {"rate": "20/s", "messages": 100}
    live = Live(make_stage(stage="injector", role="injector", calls=["price"], load=load), Pacing())
    assert live.stage.change({"load": live.stage.settings()["load"]}) == {}


def test_calls_by_name(live):
    """Calls are changed by the name of the called stage, wherever they stand, and the others stay as they are."""
    live.stage.change({"calls": {"price": {"timeout": "9s", "retries": None}, "cache": {"optional": True}}})
    assert live.stage.settings()["calls"] == [
        {"to": "price", "timeout": "9s"},
        {
            "parallel": ["stock", {"to": "price", "timeout": "9s", "fallback": {"to": "cache", "optional": True}}],
            "limit": 2,
        },
    ]


def test_calls_as_a_list(live):
    """A whole list of calls takes the place of the one before; a stage that was called at first may be called again."""
    live.stage.change({"calls": ["stock"]})
    assert live.stage.settings()["calls"] == ["stock"]
    live.stage.change({"calls": [{"choose": {"price": "90%", "cache": "10%"}}]})
    assert live.stage.settings()["calls"] == [{"choose": {"price": "90%", "cache": "10%"}}]


def test_a_list_of_no_calls(make_stage, make_message):
    """A processor may be told to call nobody, and back."""
    live = Live(make_stage(calls=["price"]))
    for none in ([], None):
        live.stage.change({"calls": none})
        live.rig.handle(make_message())
        live.stage.change({"calls": ["price"]})
    live.rig.handle(make_message())
    assert live.rig.adapter.names == ["price"]


@pytest.mark.parametrize(
    ("patch", "mistakes"),
    [
        ({"delay": "constant(5)"}, ["delay: '5' has no unit"]),
        ({"delay": "wibble(5ms)"}, ["delay: there is no delay 'wibble'"]),
        ({"delay": 5}, ["delay: "]),
        ({"workers": 0}, ["workers: 0 is out of range"]),
        ({"workers": "4"}, ["workers: '4' is not a whole number"]),
        ({"queue": -1}, ["queue: -1 is out of range"]),
        ({"faults": "error(503, 5%)"}, ["faults: must be a list of faults"]),
        ({"faults": ["error(503, 5%)", "error(200, 5%)"]}, ["faults[1]: "]),
        ({"faults": ["reset(5%, instance=2)"]}, ["faults[0]: there is no instance 2"]),
        ({"rate_limit": "5"}, ["rate_limit: '5' has no unit"]),
        ({"forward": "now"}, ["forward: 'now' is not one of wait, accept"]),
        ({"response_bytes": "0.5B"}, ["response_bytes: "]),
        ({"calls": [{"to": "price", "timeout": 5}]}, ["calls[0].timeout: 5 has no unit"]),
        (
            {"calls": ["archive"]},
            ["calls[0]: a running stage can only call those that it called before: cache, price, stock"],
        ),
        ({"calls": ["parse"]}, ["calls[0]: a running stage can only call those", "calls: the calls form a cycle"]),
        ({"calls": "price"}, ["calls: must be a list of steps"]),
        (
            {"calls": {"archive": {"timeout": "1s"}}},
            ["calls.archive: there is no call to it, only to cache, price, stock"],
        ),
        ({"calls": {"price": "1s"}}, ["calls.price: must be a mapping of keys to values"]),
        ({"calls": {"price": {"to": "stock"}}}, ["calls.price.to: can't be changed; write the whole"]),
        (
            {"calls": {"price": {"speed": 1}}},
            ["calls[0].speed: unknown key", "calls[1].parallel[1].speed: unknown key"],
        ),
        ({"worker": 3}, ["worker: can't be changed while the stage runs; did you mean `workers`?"]),
        ({"instances": 3}, ["instances: can't be changed while the stage runs; these can: delay, faults, workers, "]),
        ({"delay": 15}, ["delay: 15 has no unit: write 15ms or 15s"]),
        ({"load": {"rate": "5/s"}}, ["load: this stage creates no messages on a schedule"]),
        ({"load": None}, ["load: this stage creates no messages on a schedule"]),
    ],
)
def test_a_bad_change_changes_nothing(live, patch, mistakes):
    """A mistake is told at its key with what is wrong, and nothing is changed, also not what was good in the patch."""
    found = live.refused({"queue": 3, **patch})
    assert len(found) == len(mistakes)
    for text, begin in zip(found, mistakes, strict=True):
        assert text.startswith(begin)


@pytest.mark.parametrize(
    "key", ["role", "port", "host", "path", "instances", "output", "input", "seed", "stage", "max_body", "", "x"]
)
def test_what_can_t_be_changed(live, key):
    """Any other key is refused by its name, with those that can be changed."""
    (text,) = live.refused({key: 1})
    assert text == f"{key}: can't be changed while the stage runs; these can: {', '.join(CHANGEABLE)}"


def test_every_mistake_is_told(live):
    """All that is wrong with a change is told at once."""
    found = live.refused({"delay": "5", "workers": 0, "faults": ["x", "y"], "calls": {"nobody": {}, "price": 1}})
    assert sorted(text.split(":")[0] for text in found) == [
        "calls.nobody",
        "calls.price",
        "delay",
        "faults[0]",
        "faults[1]",
        "workers",
    ]


def test_every_mistake_is_told_beside_a_key_that_can_t_be_changed(live):
    """Also beside a key that can't be changed every other mistake is told."""
    found = live.refused({"port": 1, "delay": "5", "load": {}})
    assert [text.split(":")[0] for text in found] == ["port", "load", "delay"]


@pytest.mark.parametrize(
    ("patch", "pace", "load"),
    [
        ({"rate": "50/s"}, at_rate(50.0, PoissonArrivals()), {"rate": "50/s"}),
        ({"rate": 0}, at_rate(0.0, PoissonArrivals()), {"rate": "0/s"}),
        ({"arrivals": "constant"}, at_rate(20.0, ConstantArrivals()), {"rate": "20/s", "arrivals": "constant"}),
        (
            {"rate": "60/min", "arrivals": "bursts(5)"},
            at_rate(1.0, BurstyArrivals(5.0)),
            {"rate": "1/s", "arrivals": "bursts(5)"},
        ),
        ({"profile": RAMP}, Schedule(arrivals=PoissonArrivals(), profile=parse_profile(RAMP)), {"profile": RAMP}),
    ],
)
def test_another_rate(injecting, patch, pace, load):
    """An injector that sends at a rate takes another one, a profile or other arrivals, and keeps what is not named."""
    assert injecting.stage.change({"load": patch}) == {"load": ({"rate": "20/s"}, load)}
    assert injecting.injector.paces == [pace]


def test_the_same_rate_is_no_other_pace(injecting):
    """A load that stays is not begun again, whatever else is changed."""
    injecting.stage.change({"load": {"rate": "20/s"}, "delay": "constant(1ms)"})
    assert injecting.injector.paces == []


@pytest.mark.parametrize(
    "load",
    [{}, {"messages": 5}, {"rate": "5/s", "concurrency": 3}, {"rate": None}, None, "5/s", {"rate": "5"}, {"rate": 5}],
)
def test_what_can_t_be_changed_of_a_load(injecting, load):
    """Only the rate and the arrivals of a load that runs can be changed, to what they can be, and not taken away."""
    assert all(text.startswith("load") for text in injecting.refused({"load": load}))


def test_a_closed_loop_has_no_rate(make_stage):
    """An injector that sends a number of messages at a time can't be given a rate."""
    load = {"concurrency": 4}
    live = Live(make_stage(stage="injector", role="injector", calls=["price"], load=load), Pacing(is_paced=False))
    assert live.refused({"load": {"rate": "5/s"}}) == ["load: this stage creates no messages on a schedule"]


def test_a_profile_of_a_file_stays(make_stage):
    """A recording is not read again when something else is changed, and no client can name a file."""
    live = Live(make_stage(stage="injector", role="injector", calls=["price"], load={"rate": "20/s"}), Pacing())
    behaviour = live.rig.handling.behaviour
    replayed = replace(behaviour.model, load=Load(profile=Replay("times.csv", read_recording(["1", "2"]))))
    live.rig.handling.behaviour = replace(behaviour, model=replayed)
    live.stage.change({"delay": "constant(1ms)"})
    assert live.rig.handling.behaviour.model.load is replayed.load
    live.stage.change({"load": {"arrivals": "poisson"}})
    assert live.rig.handling.behaviour.model.load.profile == replayed.load.profile
    assert "can't be read here" in Live(live.rig, Pacing()).refused({"load": {"profile": "replay(/etc/passwd)"}})[0]


def test_a_rate_takes_the_place_of_a_profile(injecting):
    """And a profile that of a rate, without a word about the other."""
    injecting.stage.change({"load": {"profile": RAMP}})
    injecting.stage.change({"load": {"rate": "50/s"}})
    assert injecting.stage.settings()["load"] == {"rate": "50/s"}
    assert injecting.injector.paces[-1] == at_rate(50.0, PoissonArrivals())


def test_a_rate_and_a_profile_together_are_refused(injecting):
    """Which of the two is meant is for the user to say."""
    (reason,) = injecting.refused({"load": {"rate": "5/s", "profile": RAMP}})
    assert "leave out one of them" in reason


def test_a_delay_of_a_file_stays(make_stage):
    """A delay that was measured is not read again when something else is changed, and no client can name a file."""
    samples = Samples("delays.txt", (0.25, 0.5))
    live = Live(make_stage(delay=samples))
    live.stage.change({"queue": 1})
    assert live.rig.handling.behaviour.model.delay is samples
    assert "can't be read here" in Live(live.rig).refused({"delay": "samples(/etc/passwd)"})[0]


def test_a_limit_that_stays_goes_on(make_stage, make_message):
    """A change of something else does not fill the bucket of the rate limit again; another limit starts again."""
    live = Live(make_stage(rate_limit="limit(1/s, burst=1)"))
    live.rig.handle(make_message())
    live.stage.change({"queue": 2})
    with pytest.raises(RateLimited):
        live.rig.handle(make_message())
    live.stage.change({"rate_limit": "limit(1/s, burst=2)"})
    for _ in range(2):
        live.rig.handle(make_message())
    live.stage.change({"rate_limit": None})
    for _ in range(20):
        live.rig.handle(make_message())


def test_fewer_workers_from_now_on(make_stage, make_message):
    """With fewer workers and no queue a message finds no room that would have found it before."""
    live = Live(make_stage(workers=2, queue=4))
    with worker(live.rig.capacity):
        live.rig.handle(make_message())
        live.stage.change({"workers": 1, "queue": 0})
        with pytest.raises(Rejected):
            live.rig.handle(make_message())


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 2000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["price", "constant(5ms)", "error(503, 5%)", "5/s", "10KB", "accept", "retries(2)", "1s", "5%"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["price", "to", "timeout", "retries", "choose", "parallel", "rate", "weight", "fallback"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(patch=st.dictionaries(st.sampled_from([*CHANGEABLE, "port"]), VALUES, min_size=1, max_size=3))
@settings(max_examples=80)
def test_any_change_is_made_or_refused(make_stage, patch):
    """Whatever is sent, it is made, and can be made again without effect, or refused, and then nothing is changed."""
    live = Live(make_stage(delay="constant(1ms)", calls=CALLS))
    before = live.stage.settings()
    try:
        changes = live.stage.change(patch)
    except ConfigurationError as error:
        assert error.problems
        assert (live.stage.settings(), live.heard) == (before, [])
    else:
        after = live.stage.settings()
        assert changes == {key: (before[key], after[key]) for key in before if before[key] != after[key]}
        assert live.stage.change(patch) == {}
        assert live.stage.change({key: after[key] for key in CHANGEABLE if key in after}) == {}


@pytest.mark.parametrize("key", CHANGEABLE)
@pytest.mark.parametrize(
    "value", [["x", 1], {"x": {"y": [1]}}, 1.5e300, 10**400, -1, True, "1" * 60_000, "(" * 60_000, "\x1b[2J", [[[5]]]]
)
def test_a_value_of_a_wrong_kind_is_refused_at_once(live, key, value):
    """JSON can say anything of any key: every such change is refused in words of bounded length."""
    began = time.process_time()
    problems = live.refused({key: value})
    assert time.process_time() - began < 5
    assert all(problem.startswith(key) for problem in problems)
    assert max(map(len, problems)) < 2000
