"""The load of an injector in a topology: a rate or a profile, read from a file, changed and described."""

import math

import pytest

from simulator.behaviour.arrivals import BurstyArrivals, ConstantArrivals, PoissonArrivals
from simulator.behaviour.profiles.replay import Replay
from simulator.behaviour.profiles.sequence import ProfileSequence
from simulator.errors import ConfigurationError
from simulator.local.description import describe
from simulator.topology.changes import changed
from simulator.topology.graph import calls_of
from simulator.topology.model import Stage
from simulator.topology.outlook import Outlook
from simulator.topology.reader import parse_topology, read_topology, write_topology
from simulator.topology.samples import samples_beside
from simulator.topology.structure import structure, unstructure


def injector(load):
    stage, problems = structure({"role": "injector", "load": load, "calls": ["archive"]}, Stage)
    assert problems == []
    return stage


def topology(load, folder, delay="1ms", workers=1):
    text = f"""
name: own
stages:
  injector: {{role: injector, load: {load}, calls: [archive]}}
  archive: {{delay: {delay}, workers: {workers}}}
"""
    return parse_topology(text, "own.yaml", samples_beside(folder), "own")


@pytest.mark.parametrize(
    "profile",
    [
        "constant(5/s, 1m)",
        "ramp(10/s, 100/s, 60s)",
        "steps(1/s, 5/s, each=1s)",
        "spike(1/s, 5/s, 1m, 5s)",
        "sine(40/s, 80/s, 20s)",
        "[ramp(1/s, 9/s, 1m), constant(9/s, 1m)]",
    ],
)
def test_a_profile_in_a_file(profile, tmp_path):
    """It stands in YAML within braces, and the file that is written from it is read as the same."""
    path = tmp_path / "own.yaml"
    first = topology(f"{{profile: {profile}, arrivals: bursts(10)}}", tmp_path)
    path.write_text(write_topology(first))
    assert read_topology(path) == first
    assert first.stages["injector"].load.arriving == BurstyArrivals(10.0)


def test_a_rate_and_a_profile_exclude_each_other(tmp_path):
    """Both are refused, and what to leave out is said."""
    with pytest.raises(ConfigurationError) as raised:
        topology("{rate: 20/s, profile: constant(5/s)}", tmp_path)
    [problem] = raised.value.problems
    assert "rate and profile both say how many messages there are: leave out one of them" in str(problem)


def test_a_replay_is_read_from_beside_the_topology(tmp_path):
    """Its messages are due as they were unless arrivals are given, and it is written with its whole path."""
    (tmp_path / "arrivals.csv").write_text("seconds\n0\n0.25\n0.25\n2\n")
    load = topology("{profile: replay(arrivals.csv)}", tmp_path).stages["injector"].load
    assert isinstance(load.profile, Replay)
    assert load.arriving == ConstantArrivals()
    assert [load.schedule.due_seconds(number) for number in (1, 2, 3, 4, 5)] == [0.0, 0.25, 0.25, 2.0, None]
    assert unstructure(load) == {"profile": f"replay({tmp_path / 'arrivals.csv'})"}
    at_random = topology("{profile: replay(arrivals.csv), arrivals: poisson}", tmp_path).stages["injector"].load
    assert at_random.arriving == PoissonArrivals()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"2\n1\n", "line 2: 1 comes after 2"),
        (b"1\n\xff\n", "it is not UTF-8: line 2"),
        (b"1" * 2000, "line 1 is longer"),
    ],
)
def test_a_replay_that_can_t_be_used(content, said, tmp_path):
    """It is refused with its name and line, before anything starts."""
    (tmp_path / "arrivals.csv").write_bytes(content)
    with pytest.raises(ConfigurationError) as raised:
        topology("{profile: replay(arrivals.csv)}", tmp_path)
    assert f"replay(arrivals.csv) can't be used: {said}" in str(raised.value)


def test_a_replay_without_its_file(tmp_path):
    """The file is named."""
    with pytest.raises(ConfigurationError, match=r"replay\(none.csv\) can't be used: No such file or directory"):
        topology("{profile: replay(none.csv)}", tmp_path)


@pytest.mark.parametrize(
    ("patch", "load"),
    [
        ({"rate": "50/s"}, {"rate": "50/s"}),
        ({"profile": ["constant(5/s, 1s)", "constant(9/s)"]}, {"profile": ["constant(5/s, 1s)", "constant(9/s)"]}),
        ({"messages": 5}, {"profile": "ramp(1/s, 9/s, 60s)", "messages": 5}),
        ({"arrivals": "constant"}, {"profile": "ramp(1/s, 9/s, 60s)", "arrivals": "constant"}),
    ],
)
def test_a_change_of_a_profile(patch, load):
    """A rate or another profile takes its place, and it stays if something else is changed."""
    stage, problems = changed(injector({"profile": "ramp(1/s, 9/s, 1m)"}), {"load": patch})
    assert problems == []
    assert unstructure(stage.load) == load


def test_a_profile_takes_the_place_of_a_rate():
    """And not both remain."""
    stage, _ = changed(injector({"rate": "20/s"}), {"load": {"profile": "constant(5/s); "}})
    assert unstructure(stage.load) == {"profile": "constant(5/s)"}


def test_a_change_keeps_what_was_read_from_a_file(tmp_path):
    """The recording is read no second time: the file may be gone, or in another process's folder."""
    path = tmp_path / "arrivals.csv"
    path.write_text("0\n1\n")
    stage = topology("{profile: replay(arrivals.csv)}", tmp_path).stages["injector"]
    path.unlink()
    new, problems = changed(stage, {"load": {"messages": 1}})
    assert problems == []
    assert new.load.profile.recording is stage.load.profile.recording


def test_a_sequence_ends_only_where_its_last_profile_does():
    """The last one may be open."""
    profile = injector({"profile": ["constant(5/s, 2s)", "constant(9/s)"]}).load.profile
    assert isinstance(profile, ProfileSequence)
    assert (profile.messages, profile.time_of(19)) == (math.inf, 3.0)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ("{profile: ramp(10/s, 200/s, 5m)}", "up to 200/s, 31,500 messages in 300s, poisson"),
        ("{profile: sine(10/s, 200/s, 1d), arrivals: constant}", "up to 200/s, without an end, constant"),
        ("{rate: 20/s, arrivals: bursts(10)}", "20/s, bursts(10)"),
    ],
)
def test_a_load_is_described(load, words, tmp_path):
    """`check` says the highest rate, how many messages there are, and how long it lasts."""
    assert str(describe(topology(load, tmp_path)).renderables[-1]) == f"entries: injector ({words})"


def test_too_few_workers_for_the_highest_rate(tmp_path):
    """200/s for 20 ms each keep 4 workers busy at the end of the ramp: 3 are too few, 5 enough."""
    few, enough = (topology("{profile: ramp(1/s, 200/s, 5m)}", tmp_path, "20ms", workers) for workers in (3, 5))
    assert "archive has too few workers for the load: 200/s" in Outlook(few).warnings()[0]
    assert Outlook(enough).warnings() == []


USERS = "{users: 50, think: exponential(1s), session: [archive, {to: archive, times: 2}]}"


def with_users(load, folder, extra=""):
    text = f"""
name: own
stages:
  injector: {{role: injector, load: {load}{extra}}}
  archive: {{delay: 1ms}}
"""
    return parse_topology(text, "own.yaml", samples_beside(folder), "own")


def test_users_in_a_file(tmp_path):
    """What they do is written as a session, and read from what is written as the same; there are no calls beside it."""
    path = tmp_path / "own.yaml"
    topology = with_users(USERS, tmp_path)
    path.write_text(write_topology(topology))
    assert "choose" not in path.read_text()
    assert read_topology(path) == topology
    texts = [str(line) for line in describe(topology).renderables]
    assert "entries: injector (50 users, who think exponential(1s))" in texts


def test_the_calls_of_a_session_have_the_defaults_of_calls(tmp_path):
    """As all other calls of the file."""
    text = f"""
name: own
defaults: {{calls: {{timeout: 250ms}}}}
stages:
  injector: {{role: injector, load: {USERS}}}
  archive: {{delay: 1ms}}
"""
    stage = parse_topology(text, "own.yaml", samples_beside(tmp_path), "own").stages["injector"]
    assert {call.timeout_seconds for _, call in calls_of(stage)} == {0.25}


@pytest.mark.parametrize(
    ("load", "extra", "said"),
    [
        ("{users: 5, rate: 20/s}", ", calls: [archive]", "leave out rate and profile, or users"),
        ("{think: 1s, rate: 20/s}", ", calls: [archive]", "only users think and have sessions"),
        ("{users: 5, session: [archive]}", ", calls: [archive]", "stages.injector.calls: its users make the calls"),
        ("{users: 5, session: [{delay: 1s}]}", "", "load.session[0]: a session has no pauses"),
        ("{users: 5, session: [archiv]}", "", "load.session[0]: there is no stage 'archiv'; did you mean `archive`?"),
        (
            "{users: 5, session: [{to: archive, tims: 2}]}",
            "",
            "load.session[0].tims: unknown key; did you mean `times`?",
        ),
        ("{users: 5000, session: [archive]}", "", "5000 users need as many workers; this injector has 1000"),
        ("{users: 5}", ", input: a.jsonl, calls: [archive]", "users make messages of their own: leave out input"),
        ("{users: 0}", ", calls: [archive]", "load.users: 0 is out of range: must be between 1 and 100000"),
    ],
)
def test_what_does_not_go_with_users(load, extra, said, tmp_path):
    """It is refused at its place in the file, and is the only mistake."""
    with pytest.raises(ConfigurationError) as raised:
        with_users(load, tmp_path, extra)
    [problem] = raised.value.problems
    assert said in str(problem)


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ("{rate: 1/s, message: {number: 5}}", "'number' is in every message already"),
        ("{rate: 1/s, message: {a: 5}, messages_from: x}", "its lines are the messages: leave out message"),
        ("{rate: 1/s, kinds: {type: {a: 1}}}", "only lines are of kinds: write the file that has them"),
        ("{rate: 1/s, messages_from: x, kinds: {type: 5}}", "must be one key with the weights of its values"),
        ("{rate: 1/s, message: {a: uniform(2, 1)}}", "2 is more than 1"),
    ],
)
def test_what_does_not_go_with_the_bodies_of_messages(load, said, tmp_path):
    """It is refused at its place in the file, and is the only mistake."""
    with pytest.raises(ConfigurationError) as raised:
        topology(load, tmp_path)
    [problem] = raised.value.problems
    assert said in str(problem)
