"""Merge keys and the keys that begin with x-: what they insert, and what is refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import ConfigurationError
from simulator.topology.document import parse_document
from simulator.topology.reader import parse_topology
from simulator.topology.samples import samples_beside

KEYS = st.sampled_from("abcd")
MAPPINGS = st.dictionaries(KEYS, st.integers(0, 9), max_size=4)


def value_of(text):
    """Return the value of a document."""
    return parse_document(text, "file.yaml").value


def refusals_of(text):
    """Return what is wrong with a document, as (line, column, message)."""
    with pytest.raises(ConfigurationError) as refusal:
        parse_document(text, "file.yaml")
    return [(problem.line, problem.column, problem.message) for problem in refusal.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}", {"b": 3, "c": 2}),
        ("a: &x {b: 1, c: 2}\nd: {b: 3, <<: *x}", {"b": 3, "c": 2}),
        ("a: &x\n  b: 1\nd:\n  <<: *x\n  c: 2\n", {"b": 1, "c": 2}),
        ("a: &x {b: 1}\ne: &y {b: 2, c: 2}\nd: {<<: [*x, *y], f: 3}", {"b": 1, "c": 2, "f": 3}),
        ("a: &x {b: 1}\ne: &y {<<: *x, c: 2}\nd: {<<: *y}", {"b": 1, "c": 2}),
        ("a: &x {b: {p: 1}}\nd: {<<: *x, b: {q: 2}}", {"b": {"q": 2}}),
        ("d: {<<: {b: 1}, c: 2}", {"b": 1, "c": 2}),
        ("d: {<<: [], c: 2}", {"c": 2}),
        ("d: {<<: {}}", {}),
        ("a: &x {b: f(1, 2)}\nd: {<<: *x}", {"b": "f(1, 2)"}),
        ("a: &x {b: 1}\nd: [{<<: *x}, *x]", [{"b": 1}, {"b": 1}]),
        ("a: &x {b: 1}\nd: {'<<': 2}", {"<<": 2}),
    ],
)
def test_a_merge_key_inserts_what_the_mapping_itself_does_not_have(text, value):
    """The mapping's own keys win, then the first of several mappings; mappings in them are not merged."""
    assert value_of(text)["d"] == value


@given(st.lists(MAPPINGS, max_size=3), MAPPINGS, st.booleans())
def test_the_precedence_of_merged_mappings(sources, own, is_first):
    """Whatever is merged into whatever, wherever the merge key stands."""
    written = [f"s{index}: &s{index} {source}\n".replace("'", "") for index, source in enumerate(sources)]
    keys = [f"<<: [{', '.join(f'*s{index}' for index in range(len(sources)))}]"]
    pairs = [f"{key}: {value}" for key, value in own.items()]
    text = "".join(written) + f"d: {{{', '.join(keys + pairs if is_first else pairs + keys)}}}\n"
    expected = {}
    for mapping in [*reversed(sources), own]:
        expected |= mapping
    assert value_of(text)["d"] == expected


def test_a_merged_value_is_where_it_is_written():
    """A mistake in what several mappings insert is one mistake, at the place where it can be mended."""
    text = "a: &x\n  b: !mine 1\nd: {<<: *x}\ne: {<<: *x}\n"
    assert refusals_of(text) == [(2, 6, "a.b: the tag !mine is not supported")]
    places = parse_document("a: &x\n  b: 1\nd: {<<: *x, c: 2}\n", "file.yaml").places
    assert places["d", "b"] == (2, 3)
    assert places["d", "c"] == (3, 13)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: {<<: 3}", 1, 9, "a: a merge key takes a mapping, or a list of them: <<: *name or <<: [*first, *second]"),
        ("a:\n  <<:\n", 2, 6, "a: a merge key takes a mapping, or a list of them"),
        ("a: {<<: [{b: 1}, 2]}", 1, 18, "a: a merge key takes a mapping, or a list of them"),
        ("a: &x [1]\nb: {<<: *x}", 1, 8, "b: a merge key takes a mapping, or a list of them"),
        ("a: {<<: {b: 1}, <<: {c: 1}}", 1, 17, "a: the key '<<' is given twice: write <<: [*first, *second]"),
        ("a: &x {<<: *x}", 1, 4, "a: the merge keys form a cycle: this mapping inserts itself"),
        ("a: &x {<<: [{<<: *x}]}", 1, 4, "a: the merge keys form a cycle: this mapping inserts itself"),
        ("a: {<<: {b: 1, b: 2}}", 1, 16, None),
        ("a: {<<: {[b]: 1}}", 1, 10, "a: a key must be plain text, not a list"),
        ("a: {<<: !mine {b: 1}}", 1, 9, "a: the tag !mine is not supported"),
        ("a: {<<: *x}", 1, 9, "not YAML: found undefined alias"),
    ],
)
def test_what_can_not_be_merged_is_refused_at_its_place(text, line, column, message):
    """What is no mapping, a second merge key and a mapping that inserts itself."""
    if message is None:
        assert value_of(text) == {"a": {"b": 1}}
        return
    [(found_line, found_column, found)] = refusals_of(text)
    assert (found_line, found_column) == (line, column)
    assert found.startswith(message)


def chain_of(count, order=1):
    """Return mappings that each insert the one before, as a text: the last is read first with an `order` of -1."""
    lines = [f"x-{number}: &m{number} {{<<: *m{number - 1}, k{number}: 1}}\n" for number in range(1, count)]
    return "".join(["x-0: &m0 {k0: 1}\n", *lines, f"a: *m{count - 1}\n"]).replace("x-", "x-" if order < 0 else "y")


@pytest.mark.parametrize("order", [1, -1])
def test_a_chain_of_merges_has_a_bound(order):
    """Thirty mappings that insert one another are merged; of ten thousand neither the stack nor the time runs out."""
    assert value_of(chain_of(30, order))["a"] == {f"k{number}": 1 for number in range(30)}
    for count in (60, 10_000):
        assert any("are inserted in one another" in message for _, _, message in refusals_of(chain_of(count, order)))


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 {k: 1}\n"
        + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 30)}], k{n}: 1}}\n" for n in range(1, 30)),
        "x-a: &a {" + ", ".join(f"k{n}: 1" for n in range(5000)) + "}\n" + "b: {<<: [" + "*a, " * 50_000 + "]}\n",
        "x-a: &a {"
        + ", ".join(f"k{n}: 1" for n in range(5000))
        + "}\n"
        + "".join(f"b{n}: {{<<: *a}}\n" for n in range(5000)),
        "x-a: &a {" + ", ".join(f"k{n}: 1" for n in range(500)) + "}\n" + "b: [" + "{<<: *a}, " * 20_000 + "]\n",
    ],
)
def test_merges_of_merges_take_bounded_time(text):
    """A few lines can't stand for millions of keys, as with aliases of aliases."""
    began = time.process_time()
    try:
        parse_document(text, "file.yaml")
    except ConfigurationError as error:
        assert "more than 200000 values" in str(error)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x-note: any\na: 1", {"a": 1}),
        ("x-s: &s {w: 1}\na: *s\nb: {<<: *s, v: 2}", {"a": {"w": 1}, "b": {"w": 1, "v": 2}}),
        ("x-: 1\nx-y: {!mine z: no}\nX-a: 2", {"X-a": 2}),
        ("a: {x-b: 1}", {"a": {"x-b": 1}}),
        ("x-a: 1", {}),
    ],
)
def test_keys_that_begin_with_x_are_ignored_at_the_top(text, value):
    """They are places for anchors and notes, as in Compose; further down a header or a stage may have such a name."""
    assert value_of(text) == value


def test_what_an_alias_brings_in_from_an_ignored_key_is_read():
    """A mistake in it is told where it is written."""
    assert refusals_of("x-s: &s {w: no}\na: *s") == [
        (1, 13, "a.w: no is false in YAML 1.1 and text in YAML 1.2: write false, or 'no' in quotes for text")
    ]


def test_a_topology_with_merged_stages(tmp_path):
    """Stages with the same keys are written once, with their differences, as in Compose."""
    text = """
x-service: &service
  delay: lognormal(p50=12ms, p99=80ms)
  workers: 8
stages:
  entry: {<<: *service, calls: [{<<: &slow {timeout: 1s}, to: cart}, {<<: *slow, to: stock, optional: true}]}
  cart: {<<: *service, workers: 16, calls: []}
  stock: {<<: [{queue: 4}, *service], calls: []}
"""
    topology = parse_topology(text, "shop.yaml", samples_beside(tmp_path), "shop")
    assert [stage.workers for stage in topology.stages.values()] == [8, 16, 8]
    assert topology.stages["stock"].queue == 4
    assert {str(stage.delay) for stage in topology.stages.values()} == {"lognormal(p50=12ms, p99=80ms)"}
    assert [call.timeout_seconds for call in topology.stages["entry"].calls] == [1.0, 1.0]
