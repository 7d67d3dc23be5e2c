"""What a run is to be: a topology with the changes that the command line asks for."""

from dataclasses import replace
from pathlib import Path

import pytest

from simulator.behaviour.arrivals import ConstantArrivals, PoissonArrivals
from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.delays import no_samples
from simulator.behaviour.distributions import NO_DELAY, Constant, Lognormal
from simulator.behaviour.empirical import Samples
from simulator.behaviour.faults.error import Error
from simulator.behaviour.retries import Retries
from simulator.behaviour.times import Times
from simulator.errors import ConfigurationError
from simulator.local.plan import Overrides, apply_overrides, files_of
from simulator.topology.graph import calls_of
from simulator.topology.load import Load
from simulator.topology.model import OnBadLine
from simulator.topology.objectives import Slo
from simulator.topology.reader import parse_topology
from simulator.topology.steps import Call

TEXT = """
name: orders
seed: 7
stages:
  injector: {role: injector, load: {rate: 20/s, arrivals: constant, messages: 5}, calls: [parse]}
  parse: {delay: constant(10ms), workers: 8, calls: [archive]}
  archive: {role: terminator}
"""
TWO = """
stages:
  first: {role: injector, load: {rate: 20/s}, calls: [end]}
  second: {role: injector, input: in.jsonl, calls: [end, other]}
  end: {role: terminator}
  other: {role: terminator}
"""
ENTRY = "stages: {alone: {calls: []}}"
# A stage that calls `audit` in every way that there is, and others beside it.
CALLS = """
stages:
  front:
    calls:
      - audit
      - parallel: [{to: audit, retries: 2}, price, [stock, audit]]
      - choose: {audit: 90%, price: 10%}
      - {to: stock, timeout: 2s, fallback: audit}
  audit: {calls: []}
  price: {calls: []}
  stock: {calls: [audit]}
"""


def topology(text=TEXT):
    return parse_topology(text, "file.yaml", no_samples, "default")


def overridden(text=TEXT, **overrides):
    return apply_overrides(topology(text), Overrides(**overrides), no_samples)


def refusal_of(text=TEXT, **overrides):
    with pytest.raises(ConfigurationError) as refusal:
        overridden(text, **overrides)
    return [str(problem).split("\n")[0] for problem in refusal.value.problems]


@pytest.mark.parametrize("text", [TEXT, TWO, ENTRY])
def test_without_overrides_all_is_as_the_topology_says(text):
    """Without overrides nothing changes."""
    assert overridden(text) == topology(text)


def changed(name, **changes):
    """Return the topology with one stage changed, by the record's own fields."""
    plain = topology()
    return replace(plain, stages={**plain.stages, name: replace(plain.stages[name], **changes)})


LOAD = Load(rate_per_second=20.0, arrivals=ConstantArrivals(), messages=5)


@pytest.mark.parametrize(
    ("overrides", "name", "changes"),
    [
        ({"rate": "300/min"}, "injector", {"load": replace(LOAD, rate_per_second=5.0)}),
        ({"messages": 0}, "injector", {"load": replace(LOAD, messages=0)}),
        ({"rate": "1/s", "messages": 9}, "injector", {"load": replace(LOAD, rate_per_second=1.0, messages=9)}),
        ({"input": "in.jsonl"}, "injector", {"load": replace(LOAD, rate_per_second=None), "input": "in.jsonl"}),
        ({"input": "-", "rate": "1/s"}, "injector", {"load": replace(LOAD, rate_per_second=1.0), "input": "-"}),
        (
            {"input": "-", "on_bad_line": "skip"},
            "injector",
            {"load": replace(LOAD, rate_per_second=None), "input": "-", "on_bad_line": OnBadLine.SKIP},
        ),
        ({"output": "out.jsonl"}, "archive", {"output": "out.jsonl"}),
        ({"sets": ("parse.delay=constant(1s)",)}, "parse", {"delay": Constant(1.0)}),
        (
            {"sets": ("parse.delay=lognormal(p50=12ms, p99=80ms)",)},
            "parse",
            {"delay": Lognormal(0.012, 0.08)},
        ),
        ({"sets": (" parse.workers = 3 ",)}, "parse", {"workers": 3}),
        ({"sets": ("parse.workers=2", "parse.workers=3", "parse.queue=4")}, "parse", {"workers": 3, "queue": 4}),
        ({"sets": ("parse.max_body=1KiB",)}, "parse", {"max_body_bytes": 1024}),
        (
            {"sets": ("parse.faults=error(503, 5%); error(500, 1%)",)},
            "parse",
            {"faults": (Error(status=503, rate_ratio=0.05), Error(status=500, rate_ratio=0.01))},
        ),
        ({"sets": ("parse.faults=",)}, "parse", {"faults": ()}),
        ({"sets": ("parse.delay=",)}, "parse", {"delay": NO_DELAY}),
        (
            {"sets": ("parse.calls=[{to: archive, times: 2}]",)},
            "parse",
            {"calls": (Call(to="archive", times=Times(2)),)},
        ),
        ({"sets": ("parse.slo={errors: 1%}",)}, "parse", {"slo": Slo(errors_ratio=0.01)}),
        ({"sets": ("parse.slo.errors=1%",)}, "parse", {"slo": Slo(errors_ratio=0.01)}),
        (
            {"sets": ("injector.load.arrivals=poisson",)},
            "injector",
            {"load": replace(LOAD, arrivals=PoissonArrivals())},
        ),
        ({"sets": ("injector.load.messages=9",)}, "injector", {"load": replace(LOAD, messages=9)}),
        ({"sets": ("archive.output=a=b",)}, "archive", {"output": "a=b"}),
        (
            {"sets": ("injector.load.rate=1/s",), "rate": "2/s"},
            "injector",
            {"load": replace(LOAD, rate_per_second=2.0)},
        ),
        ({"sets": ("parse.calls.archive.timeout=1s",)}, "parse", {"calls": (Call(to="archive", timeout_seconds=1.0),)}),
        (
            {
                "sets": (
                    "parse.calls.archive.retries=retries(2, backoff=50ms)",
                    "parse.calls.archive.breaker=breaker(failures=5, reset=10s)",
                    "parse.calls.archive.optional=true",
                    "parse.calls.archive.deadline=3s",
                    "parse.calls.archive.hedge=20ms",
                    "parse.calls.archive.times=3",
                    "parse.calls.archive.probability=25%",
                )
            },
            "parse",
            {
                "calls": (
                    Call(
                        to="archive",
                        retries=Retries(2, 0.05),
                        breaker=BreakerRule(5, 10.0),
                        optional=True,
                        deadline_seconds=3.0,
                        hedge_seconds=0.02,
                        times=Times(3),
                        probability_ratio=0.25,
                    ),
                )
            },
        ),
        ({"sets": ("parse.calls.archive.retries=2",)}, "parse", {"calls": (Call(to="archive", retries=Retries(2)),)}),
        (
            {"sets": ("parse.calls.archive.timeout=1s", "parse.calls.archive.timeout=2s")},
            "parse",
            {"calls": (Call(to="archive", timeout_seconds=2.0),)},
        ),
        (
            {"sets": (" injector.calls.parse.timeout = 1s ",)},
            "injector",
            {"calls": (Call(to="parse", timeout_seconds=1.0),)},
        ),
        ({"sets": ("parse.instances=3",)}, "parse", {"instances": 3}),
    ],
)
def test_an_override_changes_what_it_names_and_nothing_else(overrides, name, changes):
    """The one stage has its new values, everything else is as it was."""
    assert overridden(**overrides) == changed(name, **changes)


@pytest.mark.parametrize("seed", [0, 8, 2**63 - 1])
def test_an_overridden_seed_beats_the_topologys(seed):
    """Any seed can be overridden, 0 too."""
    assert overridden(seed=seed) == replace(topology(), seed=seed)


def test_an_override_for_several_stages_applies_to_each():
    """Every injector gets the rate, every terminator the output."""
    stages = overridden(TWO, rate="3/s", output="out.jsonl").stages
    assert [stages[name].load.rate_per_second for name in ("first", "second")] == [3.0, 3.0]
    assert [stages[name].output for name in ("end", "other")] == ["out.jsonl", "out.jsonl"]
    assert stages["second"].input == "in.jsonl"


def test_an_override_may_name_a_file_of_samples():
    """Samples are read as they are for the topology itself."""
    planned = apply_overrides(
        topology(), Overrides(sets=("parse.delay=samples(x)",)), lambda path: (f"/data/{path}", [0.2, 0.1])
    )
    assert planned.stages["parse"].delay == Samples("/data/x", (0.1, 0.2))


def test_the_topology_that_was_read_stays_as_it_is():
    """A plan is a new topology; the one it was made from can be used again."""
    before = topology()
    apply_overrides(before, Overrides(rate="1/s", sets=("parse.workers=1",), output="x"), no_samples)
    assert before == topology()


@pytest.mark.parametrize(
    ("text", "overrides", "problem"),
    [
        (ENTRY, {"rate": "1/s"}, "flag --rate: the topology has no injector that could make messages"),
        (
            ENTRY,
            {"rate": "1/s", "messages": 1, "input": "-"},
            "flag --rate, --messages, --input: the topology has no injector that could make messages",
        ),
        (ENTRY, {"output": "x"}, "flag --output: the topology has no terminator that could write it"),
        (TWO, {"input": "-"}, "flag --input: the topology has several injectors: first, second"),
        (TEXT, {"rate": "1/x"}, "flags: injector.load.rate: '1/x' has the unknown unit '/x': allowed are /s, "),
        (TEXT, {"rate": "50"}, "flags: injector.load.rate: '50' has no unit: write 50/s"),
        (TEXT, {"messages": -1}, "flags: injector.load.messages: -1 is out of range"),
        (TEXT, {"input": ""}, "flags: injector.input: '' is not text"),
        (TEXT, {"output": ""}, "flags: archive.output: '' is not text"),
        (TEXT, {"input": "-", "on_bad_line": "cry"}, "flags: injector.on_bad_line: 'cry' is not one of stop, skip"),
        (TEXT, {"sets": ("workers=3",)}, "flag --set workers=3: must be STAGE.KEY=VALUE, as in enrich.delay="),
        (TEXT, {"sets": ("parse.workers",)}, "flag --set parse.workers: must be STAGE.KEY=VALUE"),
        (TEXT, {"sets": ("parse.=3",)}, "flag --set parse.=3: must be STAGE.KEY=VALUE"),
        (TEXT, {"sets": ("",)}, "flag --set : must be STAGE.KEY=VALUE"),
        (
            TEXT,
            {"sets": ("pars.workers=3",)},
            "flag --set pars.workers=3: there is no stage 'pars'; did you mean `parse`?",
        ),
        (TEXT, {"sets": ("parse.worker=3",)}, "flags: parse.worker: unknown key; did you mean `workers`?"),
        (TEXT, {"sets": ("parse.workers=0",)}, "flags: parse.workers: 0 is out of range: must be between 1 and 100000"),
        (TEXT, {"sets": ("parse.workers=-1",)}, "flags: parse.workers: '-1' is not a whole number"),
        (TEXT, {"sets": ("parse.delay=oops(1s)",)}, "flags: parse.delay: there is no delay 'oops'"),
        (
            TEXT,
            {"sets": ("parse.faults=error(503, 5%);oops()",)},
            "flags: parse.faults.1: there is no fault 'oops'; there are error",
        ),
        (TEXT, {"sets": ("parse.calls=archive",)}, "flags: parse.calls: must be a list of steps"),
        (TEXT, {"sets": ("injector.load.speed=1",)}, "flags: injector.load.speed: unknown key; allowed are rate, "),
        (
            TEXT,
            {"sets": ("parse.calls.archive.timeout=fast",)},
            "flags: parse.calls.0.timeout: 'fast' is not a duration",
        ),
        (TEXT, {"sets": ("parse.calls.archive.timeout=0s",)}, "flags: parse.calls.0.timeout: '0s' must be more than 0"),
        (
            TEXT,
            {"sets": ("parse.calls.archive.speed=1",)},
            "flags: parse.calls.0.speed: unknown key; allowed are to, timeout, deadline,",
        ),
        (CALLS, {"sets": ("stock.calls.audit.to=nobody",)}, "flags: stock.calls.0: there is no stage 'nobody'; "),
        (CALLS, {"sets": ("stock.calls.audit.to=front",)}, "flags: front.calls: the calls form a cycle: "),
        (
            TEXT,
            {"sets": ("archive.calls.parse.timeout=1s",)},
            "flags: archive.calls.parse: there are no calls",
        ),
        (TEXT, {"sets": ("injector.instances=2",)}, "flags: injector.instances: an injector is one process; "),
        (
            TEXT,
            {"sets": ("parse.faults=error(503, 5%, instance=2)",)},
            "flags: parse.faults.0: there is no instance 2; there are 1",
        ),
    ],
)
def test_an_override_that_is_invalid_is_refused(text, overrides, problem):
    """The refusal names the flag, the value and what is allowed."""
    [found] = refusal_of(text, **overrides)
    assert found.startswith(problem)


def test_every_override_that_is_invalid_is_shown():
    """All refusals come at once."""
    found = refusal_of(
        rate="fast", messages=-1, output="", sets=("x", "nobody.a=1", "parse.workers=0", "archive.delay=constant(1)")
    )
    assert [problem.split(":")[0:2] for problem in found] == [
        ["flag --set nobody.a=1", " there is no stage 'nobody'; there are injector, parse, archive"],
        ["flag --set x", " must be STAGE.KEY=VALUE, as in enrich.delay='constant(1s)' or cart.read.delay=5ms"],
        ["flags", " parse.workers"],
        ["flags", " archive.delay"],
        ["flags", " archive.output"],
        ["flags", " injector.load.rate"],
        ["flags", " injector.load.messages"],
    ]


@pytest.mark.parametrize(
    "sets",
    [
        ("parse.role=terminator",),
        ("parse.output=x",),
        ("parse.load.rate=1/s",),
        ("parse.input=x",),
        ("parse.port=8081", "archive.port=8081"),
    ],
)
def test_an_override_that_makes_a_topology_that_can_not_work_is_refused(sets):
    """What a file is refused for is refused on the command line too."""
    assert refusal_of(sets=sets)


@pytest.mark.parametrize(
    "overrides",
    [
        {"sets": ("parse.delay.mean=1s",)},
        {"sets": ("parse.calls.0=archive",)},
        {"sets": ("parse.workers.max=1",)},
        {"sets": ("injector.load=20/s",), "rate": "1/s"},
    ],
)
def test_an_override_for_a_key_inside_of_a_plain_value_is_refused(overrides):
    """A key that is too deep is a mistake in the flag, not a breakdown."""
    assert refusal_of(**overrides)


def timeouts(topology):
    """Return (called stage, timeout in seconds) of every call of `front`, those in groups and fallbacks too."""
    return [(call.to, call.timeout_seconds) for _, call in calls_of(topology.stages["front"])]


def test_an_override_for_a_call_reaches_every_call_to_that_stage():
    """Calls within groups, alternatives and fallbacks are changed too, and calls to other stages are not."""
    before, after = topology(CALLS), overridden(CALLS, sets=("front.calls.audit.timeout=1s",))
    assert len(timeouts(before)) == 9
    assert timeouts(after) == [(to, 1.0 if to == "audit" else seconds) for to, seconds in timeouts(before)]
    assert after.stages["stock"] == before.stages["stock"]


def test_an_override_leaves_the_rest_of_a_call():
    """A call keeps its other keys, and its place in its group, where one of them is changed."""
    before, after = topology(CALLS), overridden(CALLS, sets=("front.calls.audit.timeout=1s",))
    kept = [replace(call, timeout_seconds=30.0, fallback=()) for _, call in calls_of(after.stages["front"])]
    was = [replace(call, timeout_seconds=30.0, fallback=()) for _, call in calls_of(before.stages["front"])]
    assert kept == was
    assert [keys for keys, _ in calls_of(after.stages["front"])] == [
        keys for keys, _ in calls_of(before.stages["front"])
    ]


DOTTED = """
stages:
  Load.gen: {role: injector, load: {rate: 20/s}, calls: [a, a.b]}
  a: {calls: []}
  a.b: {calls: [2nd]}
  2nd: {calls: []}
"""


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("a.workers=3", "a"),
        ("a.b.workers=3", "a.b"),
        ("2nd.workers=3", "2nd"),
        (" a.b.workers =3", "a.b"),
    ],
)
def test_an_override_is_for_the_stage_with_the_longest_name(text, stage):
    """A name may have dots, as the place of a key has."""
    after = overridden(DOTTED, sets=(text,))
    assert [name for name, one in after.stages.items() if one.workers == 3] == [stage]


def test_the_keys_of_a_stage_with_dots_may_have_dots_too():
    """The load of a stage, and a call to a stage, each with a dot in its name."""
    after = overridden(DOTTED, sets=("Load.gen.load.rate=5/s", "Load.gen.calls.a.b.timeout=1s")).stages["Load.gen"]
    assert after.load.rate_per_second == 5.0
    assert [(call.to, call.timeout_seconds) for _, call in calls_of(after)] == [("a", 30.0), ("a.b", 1.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.c.workers=3", "flags: a.operations.c: there is no operation 'c': the stage has no operations"),
        ("b.c.workers=3", "flag --set b.c.workers=3: there is no stage 'b'; there are Load.gen, a, a.b, 2nd, a.1"),
        ("a.b=3", "flags: a.b: unknown key"),
        ("a.instances=2", "flags: a.1: instance 1 of 'a' has this name in logs and reports"),
    ],
)
def test_an_override_that_no_stage_with_dots_can_have_is_refused(text, message):
    """What is before the first dot is taken for the stage if no longer name fits."""
    [found] = refusal_of(f"{DOTTED}  a.1: {{calls: []}}\n", sets=(text,))
    assert found.startswith(message)


def test_overrides_for_several_calls_add_up():
    """Each override of a call changes what the ones before it left."""
    after = overridden(
        CALLS,
        sets=("front.calls.audit.timeout=1s", "front.calls.price.timeout=3s", "stock.calls.audit.timeout=4s"),
    )
    assert set(timeouts(after)) == {("audit", 1.0), ("price", 3.0), ("stock", 30.0), ("stock", 2.0)}
    [(_, call)] = calls_of(after.stages["stock"])
    assert call.timeout_seconds == 4.0


@pytest.mark.parametrize(
    "text", ["parse.calls.nobody.timeout=1s", "parse.calls.injector.timeout=1s", "parse.calls.archive=1s"]
)
def test_an_override_for_a_call_that_is_not_made_is_refused(text):
    """An override that could have no effect is a mistake: the stage is not called, or no key of the call is named."""
    assert refusal_of(sets=(text,))


def test_a_rate_that_was_set_paces_the_input():
    """--input drops the topology's own rate, not the one that the same command line sets."""
    load = overridden(input="in.jsonl", sets=("injector.load.rate=1/s",)).stages["injector"].load
    assert load.rate_per_second == 1.0


def test_bad_lines_may_be_skipped_in_an_input_of_the_topologys_own():
    """--on-bad-line holds for the input that the file names, too."""
    text = TWO.replace("first: {role: injector, load: {rate: 20/s}, calls: [end]}", "")
    assert overridden(text, on_bad_line="skip").stages["second"].on_bad_line is OnBadLine.SKIP


def test_the_files_that_stages_write_are_known():
    """Every output is named with its stage, so that it can be checked before anything starts."""
    assert list(files_of(topology(TWO))) == []
    assert list(files_of(overridden(TWO, output="out.jsonl"))) == [
        ("end", Path("out.jsonl")),
        ("other", Path("out.jsonl")),
    ]


OPERATIONS = """
stages:
  in: {role: injector, load: {rate: 20/s}, decide: {hit: 90%}, calls: [{choose: {cart.read: 9, cart.pay: 1}}]}
  cart:
    operations:
      read: {method: GET, calls: [{to: end, when: not hit}]}
      pay: {delay: 5ms}
  end: {role: terminator}
"""


def test_an_override_of_a_stage_that_calls_operations():
    """The calls stay what they are, whatever else is overridden."""
    topology = overridden(OPERATIONS, messages=5, sets=("cart.workers=3",))
    calls = [call.target for _, call in calls_of(topology.stages["in"])]
    assert (calls, topology.stages["cart"].workers) == (["cart.read", "cart.pay"], 3)


def test_an_override_that_takes_a_decision_away_is_refused():
    """What asks for it would never happen."""
    assert refusal_of(OPERATIONS, sets=("in.decide=",))[0].startswith("flags: ")
