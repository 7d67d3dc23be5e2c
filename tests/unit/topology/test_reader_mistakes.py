"""Mistakes in a topology's file: all of them together, each at its line and column, and nothing else."""

import pytest

from simulator.errors import ConfigurationError
from tests.support.reading import HEAD, assert_shown, read, refusal_of

MISTAKES = """\
name: orders.
seed: -1
sedes: 1
stages:
  injector:
    role: injector
    load: {rate: 20, speed: 1}
    calls: [parse]
  parse:
    delay: lognormal(p50=80ms, p99=12ms)
    workers: 0
    calls: [enrich]
  enrich:
    faults:
      - error(503, 1%)
      - error(200, 1%)
    max_body: 1.5B
    path: /metrics
    calls: [enrich]
  front:
    calls: [nowhere, injector]
  price:
    role: pricer
    queue: many
    port: 99999
    calls:
      - {to: archive, timeout: 5, chance: 5%}
  archive:
    role: terminator
    calls: [parse]
  -stock:
    calls: []
  nothing:
"""


def test_a_file_with_many_mistakes_shows_them_all():
    """Every mistake is shown at its line and column, and nothing else is."""
    assert_shown(
        refusal_of(MISTAKES),
        [
            (1, 1, "name: 'orders.' ends with a dot; a name begins and ends with a letter or digit"),
            (2, 1, "seed: -1 is out of range: must be between 0 and 9223372036854775807"),
            (3, 1, "sedes: unknown key; did you mean `seed`?"),
            (7, 12, "stages.injector.load.rate: 20 has no unit: write 20/s"),
            (
                7,
                22,
                "stages.injector.load.speed: unknown key; allowed are rate, profile, arrivals, messages, users, ",
            ),
            (10, 5, "stages.parse.delay: p99 must be more than p50: 12ms is not more than 80ms"),
            (11, 5, "stages.parse.workers: 0 is out of range: must be between 1 and 100000"),
            (16, 9, "stages.enrich.faults[1]: '200' is not an HTTP error status: must be between 400 and 599"),
            (17, 5, "stages.enrich.max_body: '1.5B' is not a whole number of bytes"),
            (18, 5, "stages.enrich.path: '/metrics' is reserved"),
            (19, 5, "stages.enrich.calls: the calls form a cycle: enrich -> enrich"),
            (21, 13, "stages.front.calls[0]: there is no stage 'nowhere'; there are -stock, archive, enrich, front,"),
            (21, 22, "stages.front.calls[1]: 'injector' is an injector: it can't be called"),
            (23, 5, "stages.price.role: 'pricer' is not one of injector, processor, terminator"),
            (24, 5, "stages.price.queue: 'many' is not a whole number"),
            (25, 5, "stages.price.port: 99999 is out of range: must be between 0 and 65535"),
            (27, 23, "stages.price.calls[0].timeout: 5 has no unit: write 5ms or 5s"),
            (27, 35, "stages.price.calls[0].chance: unknown key; did you mean `probability`?"),
            (30, 5, "stages.archive.calls: a terminator is the last stage: it can't call another"),
            (31, 3, "stages.-stock: '-stock' begins with a dash; a name begins and ends with a letter or digit"),
        ],
    )


def test_a_mistake_is_shown_with_its_file_line_and_column():
    """The text of an error begins like a compiler's, so that an editor can jump to it."""
    with pytest.raises(ConfigurationError) as refusal:
        read("name: orders\nstages:\n  a: {workers: 0, calls: []}\n")
    assert str(refusal.value).startswith("file.yaml:3:7: stages.a.workers: 0 is out of range")


@pytest.mark.parametrize(
    ("more", "line", "column", "fragment"),
    [
        ("  a:\n    calls: [end, nobody]\n", 8, 18, "there is no stage 'nobody'; there are a, end, in"),
        ("  a:\n    calls: [in]\n", 8, 13, "'in' is an injector: it can't be called"),
        ("  a:\n    calls: [a]\n", 8, 5, "the calls form a cycle: a -> a"),
        (
            "  a:\n    port: 80\n    calls: []\n  b: {port: 80, calls: []}\n",
            10,
            7,
            "port 80 is already the port of 'a'",
        ),
        ("  end-2:\n    role: terminator\n", 7, 3, "no stage calls it, so no message can reach it"),
        ("  a:\n    load: {rate: 1/s}\n    calls: []\n", 8, 5, "only an injector has load; this stage is a processor"),
        ("  a:\n    calls: []\n    input: '-'\n", 9, 5, "only an injector has input; this stage is a processor"),
        ("  a:\n    output: x\n    calls: []\n", 8, 5, "only a terminator has output; this stage is a processor"),
        (
            "  a:\n    calls: [{to: end, chance: 5%}]\n",
            8,
            23,
            "chance: unknown key; did you mean `probability`?",
        ),
        (
            "  a:\n    calls:\n      - parallel:\n          - end\n          - nobody\n",
            11,
            13,
            "no stage 'nobody'; there",
        ),
        (
            "  a:\n    calls:\n      - end\n      - parallel: [a-2]\n        on_error:\n          - in\n  a-2:\n",
            12,
            13,
            "'in' is an injector: it can't be called",
        ),
        ("  a:\n    calls: [{parallel: [end, [end, nobody]]}]\n", 8, 36, "calls[0].parallel[1][1]: there is no stage"),
        ("  a:\n    calls: [{to: end, fallback: nobody}]\n", 8, 23, "calls[0].fallback: there is no stage 'nobody'"),
        (
            "  a:\n    calls:\n      - to: end\n        fallback:\n          to: end\n          fallback: nobody\n",
            12,
            11,
            "calls[0].fallback.fallback: there is no stage 'nobody'",
        ),
        (
            "  a:\n    calls:\n      - choose:\n          - {to: end, weight: 90%}\n"
            "          - {to: nobody, weight: 10%}\n",
            11,
            13,
            "calls[0].choose[1]: there is no stage 'nobody'",
        ),
        (
            "  a:\n    calls:\n      - end\n      - choose: {end: 0%}\n",
            10,
            9,
            "stages.a.calls[1].choose: every weight is 0, so there is nothing to choose",
        ),
        ("  a:\n    calls: [end, {parallel: [a]}]\n", 8, 5, "the calls form a cycle: a -> a"),
        ("  a:\n    calls:\n      - parallel: end\n", 9, 9, "calls[0].parallel: must be a list of steps, as in"),
        (
            "  a:\n    calls: [{parallel: [end], choose: {}}]\n",
            8,
            13,
            "calls[0]: `parallel` and `choose` are steps of their own: write one for each",
        ),
        (
            "  a:\n    calls: []\n    instances: 2\n    faults:\n      - reset(1%)\n      - reset(1%, instance=3)\n",
            12,
            9,
            "stages.a.faults[1]: there is no instance 3; there are 2",
        ),
        (
            "  a:\n    calls: []\n    port: 80\n    instances: 2\n  b: {calls: [], port: 81}\n",
            11,
            18,
            "stages.b.port: port 81 is already the port of 'a'",
        ),
        (
            "  in-2:\n    role: injector\n    calls: [end]\n    instances: 2\n",
            10,
            5,
            "stages.in-2.instances: an injector is one process; use a higher rate, or a second injector",
        ),
        ("  a: {calls: [], forward: now}\n", 7, 18, "forward: 'now' is not one of wait, accept"),
        ("  a: {calls: [], rate_limit: 5}\n", 7, 18, "rate_limit: 5 has no unit: write 5/s"),
        (
            "  a: {calls: [], response_bytes: 17MiB}\n",
            7,
            18,
            "response_bytes: '17MiB' is out of range: must be between 0B and 16MiB",
        ),
        ("  a:\n    calls: [{timeout: 5s}]\n", 8, 13, "the key 'to' is missing"),
        ("  a: [end]\n", 7, 3, "must be a mapping of keys to values, not ['end']"),
        (
            "  1st_: {calls: []}\n",
            7,
            3,
            "'1st_' ends with an underscore; a name begins and ends with a letter or digit",
        ),
        ("  a: {calls: [], delay: samples(x)}\n", 7, 18, "samples(x) can't be used"),
        ("  in: {calls: []}\n", 7, 3, "the key 'in' is given twice"),
        ("\ta: {calls: []}\n", 7, 1, "not YAML"),
        ("seed: yes\n", 7, 7, "seed: yes is true in YAML 1.1 and text in YAML 1.2"),
        ("seed: maybe\n", 7, 1, "'maybe' is not a whole number"),
    ],
)
def test_one_mistake_is_one_problem_at_its_place(more, line, column, fragment):
    """A valid topology with one mistake added is refused for that mistake alone, with its line and column."""
    assert read(HEAD).name == "default"
    assert_shown(refusal_of(HEAD + more), [(line, column, fragment)])


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ("  a:\n    workers: 0\n    load: {rate: 1/s}\n    calls: []\n", [8, 9]),
        ("  a:\n    workers: 0\n    output: x\n    calls: []\n", [8, 9]),
        ("  a:\n    port: 80\n    calls: []\n  b:\n    workers: 0\n    port: 80\n    calls: []\n", [11, 12]),
        ("  a:\n    calls:\n      - nobody\n      - {to: end, timeout: 5}\n", [9, 10]),
        ("  a:\n    calls:\n      - {to: end, times: 0}\n      - parallel: [nobody]\n", [9, 10]),
        ("  a:\n    calls:\n      - {to: nobody, fallback: {to: end, hedge: 0s}}\n", [9, 9]),
        ("  a:\n    instances: 0\n    calls:\n      - parallel:\n          - end\n          - nobody\n", [8, 12]),
        ("  a:\n    workers: 0\n    instances: 2\n    faults: ['reset(1%, instance=3)']\n    calls: []\n", [8, 10]),
    ],
)
def test_one_mistake_hides_no_other(more, lines):
    """A stage with a wrong value is checked for all its other mistakes too."""
    assert [line for line, _, _ in refusal_of(HEAD + more)] == lines


GROUPS_WITH_MISTAKES = """\
stages:
  in:
    role: injector
    instances: 2
    calls:
      - parallel:
          - {to: a, timeout: 5}
          - [a, {to: b, retries: many}]
        limit: 0
      - choose:
          - {to: a, weight: 50%, breaker: oops(1)}
          - {to: b, weight: 60%, fallback: {to: -up, times: 0}}
  a:
    port: 80
    instances: 3
    rate_limit: 5
    forward: later
    faults:
      - reset(1%, instance=4)
      - hang(1%)
    calls:
      - parallel: [nobody, [end, other]]
      - choose: {end: 90%, b: 5%}
  b:
    port: 82
    calls:
      - {to: nowhere, optional: maybe}
  end:
    role: terminator
  other:
    role: injector
    calls: [end]
"""


def test_every_mistake_in_groups_is_shown_at_once():
    """Mistakes in groups, in their calls and in the wiring are shown together, each at its line and column."""
    assert_shown(
        refusal_of(GROUPS_WITH_MISTAKES),
        [
            (4, 5, "stages.in.instances: an injector is one process"),
            (7, 21, "stages.in.calls[0].parallel[0].timeout: 5 has no unit"),
            (8, 25, "stages.in.calls[0].parallel[1][1].retries: 'many' is not a number of retries"),
            (9, 9, "stages.in.calls[0].limit: 0 is out of range"),
            (11, 34, "stages.in.calls[1].choose[0].breaker: write breaker(failures=5, reset=10s)"),
            (12, 45, "stages.in.calls[1].choose[1].fallback.to: '-up' begins with a dash"),
            (12, 54, "stages.in.calls[1].choose[1].fallback.times: 0 is out of range"),
            (16, 5, "stages.a.rate_limit: 5 has no unit"),
            (17, 5, "stages.a.forward: 'later' is not one of wait, accept"),
            (20, 9, "stages.a.faults[1]: '1%' has the unknown unit '%'"),
            (22, 20, "stages.a.calls[0].parallel[0]: there is no stage 'nobody'"),
            (22, 34, "stages.a.calls[0].parallel[1][1]: 'other' is an injector: it can't be called"),
            (25, 5, "stages.b.port: port 82 is already the port of 'a'"),
            (27, 9, "there is no stage 'nowhere'"),
            (27, 23, "stages.b.calls[0].optional: 'maybe' is neither true nor false"),
        ],
    )


@pytest.mark.parametrize(
    ("calls", "line", "column"),
    [
        ("      - parallel: [end, {to: end, timeout: 5}]\n      - nobody\n", 10, 9),
        ("      - parallel: [{to: end, timeout: 5}, nobody]\n      - end\n", 9, 43),
        ("      - parallel: [[end, {to: end, timeout: 5}]]\n      - end\n      - parallel: [nobody]\n", 11, 20),
        ("      - {to: end, timeout: 5, fallback: end}\n      - nobody\n", 10, 9),
        ("      - {to: end, times: 0, fallback: nobody}\n", 9, 29),
        ("      - choose: {end: 10%, a-2: x}\n      - nobody\n", 10, 9),
    ],
)
def test_a_mistake_in_a_group_does_not_move_another(calls, line, column):
    """A call to an unknown stage is shown at its own place, even after or within a group with a wrong value."""
    found = refusal_of(HEAD + "  a:\n    calls:\n" + calls + "  a-2: {calls: []}\n")
    assert len(found) == 2
    assert [problem[:2] for problem in found if "no stage 'nobody'" in problem[2]] == [(line, column)]


@pytest.mark.parametrize("alternative", ["nobody: 10%", "-up: 10%", "end: x"])
def test_a_mistake_in_the_short_form_of_a_choice_is_shown_at_its_line(alternative):
    """In `{stable: 90%, canary: 10%}` each alternative is a key of its own, with a line of its own."""
    text = f"  a:\n    calls:\n      - choose:\n          in-2: 90%\n          {alternative}\n  in-2: {{calls: []}}\n"
    assert refusal_of(HEAD + text)[0][:2] == (11, 11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a mapping with the key `stages`"),
        ("# nothing yet\n", "must be a mapping with the key `stages`"),
        ("- a\n- b\n", "must be a mapping with the key `stages`"),
        ("stages", "must be a mapping with the key `stages`"),
        ("name: orders\n", "stages: there must be at least one stage under the key `stages`"),
        ("stages: {}\n", "stages: there must be at least one stage under the key `stages`"),
        ("stages: [a, b]\n", "stages: must be a mapping of names, not a list: write `a: {...}` in place of `- a`"),
        (
            "stages:\n  - name: cart\n    workers: 8\n",
            "stages: must be a mapping of names, not a list: write `cart: {...}` in place of `- name: cart`",
        ),
        ("stages: [{workers: 8}]\n", "stages: must be a mapping, as in {cart: {workers: 8}}, not [{'workers': 8}]"),
        ("stages: cart\n", "stages: must be a mapping, as in {cart: {workers: 8}}, not 'cart'"),
        ("stages:\n", "stages: there must be at least one stage under the key `stages`"),
    ],
)
def test_a_file_without_stages_is_refused(text, message):
    """The error about an empty file, a list or an empty mapping says what a topology needs."""
    [(_, _, found)] = refusal_of(text)
    assert found == message


@pytest.mark.parametrize("name", ["My Shop", "end.", "é", "9f" * 32])
@pytest.mark.parametrize(
    "calls", ["[{0}]", "[{{to: {0}, timeout: 1s}}]", "[{{parallel: [{0}, [{0}]]}}]", "[{{choose: {{{0}: 100%}}}}]"]
)
def test_a_wrong_name_is_one_mistake_however_often_it_is_called(name, calls):
    """It is told where the stage is, not again at its calls, and not as a stage that nothing calls."""
    found = refusal_of(
        f"stages:\n  {name}:\n    role: terminator\n  in:\n    role: injector\n    calls: {calls.format(name)}\n"
    )
    assert [(line, column) for line, column, _ in found] == [(2, 3)]
    assert found[0][2].startswith(f"stages.{name}: {name!r} ")


def test_a_call_to_a_wrong_name_is_told_where_no_stage_has_it():
    """The stage that is meant is not told to be out of reach as well."""
    found = refusal_of(HEAD.replace("[end]", "[end., 'end ']"))
    assert_shown(found, [(4, 13, "'end.' ends with a dot"), (4, 19, "'end ' has a space in it")])


def test_a_name_like_a_number_needs_quotes_where_it_is_called():
    """As a key it is text; in a list YAML takes it for a number."""
    text = "stages:\n  in:\n    role: injector\n    calls: [{}]\n  1e3:\n    role: terminator\n"
    assert set(read(text.format("'1e3'")).stages) == {"in", "1e3"}
    hint = "a name like a number, true or false needs quotes"
    assert_shown(refusal_of(text.format("1e3")), [(4, 13, f"not 1000.0; {hint}")])
    assert_shown(refusal_of(text.format("{to: 1e3}")), [(4, 14, f"1000.0 is not a name; {hint}")])


@pytest.mark.parametrize(
    ("stages", "line", "fragment"),
    [
        ("  End:\n    role: terminator\n", 7, "it is the same as 'end'"),
        ("  in-2: {calls: []}\n  in.2: {calls: []}\n", 8, "it is the same as 'in-2'"),
        (
            "  a: {instances: 2, calls: []}\n  a.1: {calls: []}\n",
            8,
            "instance 1 of 'a' has this name in logs and reports",
        ),
        ("  outside: {calls: [end]}\n", 7, "'outside' is the caller of messages that no stage sends"),
    ],
)
def test_a_name_that_can_not_be_told_from_another_is_refused(stages, line, fragment):
    """It would be the same file, host or count as another."""
    found = refusal_of(HEAD.replace("[end]", "[end, End]") + stages if "End" in stages else HEAD + stages)
    assert_shown(found, [(line, 3, fragment)])


def test_a_leaf_may_be_called_outside():
    """Only a stage that calls others is counted as a caller."""
    assert "outside" in read(HEAD + "  outside: {calls: []}\n").stages
