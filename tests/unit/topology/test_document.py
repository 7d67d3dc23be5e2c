"""YAML text to plain values with their places, and everything that is refused on the way."""

import math
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import ConfigurationError
from simulator.topology.document import parse_document
from tests.support.python import python


def refusal_of(text):
    """Return what is wrong with a document, as (line, column, message)."""
    with pytest.raises(ConfigurationError) as refusal:
        parse_document(text, "file.yaml")
    assert {problem.source for problem in refusal.value.problems} == {"file.yaml"}
    return [(problem.line, problem.column, problem.message) for problem in refusal.value.problems]


def test_values_are_plain():
    """Text, numbers, booleans, lists and mappings become Python's own."""
    text = "a: text\nb: 1\nc: 0.5\nd: true\ne: null\nf: [1, x]\ng: {h: '1'}\n"
    value = {"a": "text", "b": 1, "c": 0.5, "d": True, "e": None, "f": [1, "x"], "g": {"h": "1"}}
    assert parse_document(text, "file.yaml").value == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *(("0x10", 16), ("+1", 1), ("-1", -1), ("0", 0), ("-0", 0), ("100", 100)),
        *(("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("+.5e-1", 0.05), ("010.5", 10.5), ("-0.0", 0.0)),
        *(("true", True), ("True", True), ("FALSE", False), ("~", None), ("null", None), ("", None), ("NULL", None)),
        *((text, text) for text in ("Y", "y", "n", "tRUE", "nuLL", "=", "<<", "none", "nobody", "once", "yes and no")),
        *((text, text) for text in ("2026-11-25", "2026-11-25T10:00:00Z", "1:99", "a:1", "::1", "10.0.0.1:80", "0:30")),
        *((text, text) for text in ("1_000", "0b11", "0o8", "0xg", "1e", "1.5.2", "--1", "1e3.5", "_1", ".", "+")),
        *((text, text) for text in ("0B", "1d", "٣", "inf", "nan", "NaN", "0x", "0o", "-0x10")),
        *((f"'{text}'", text) for text in ("no", "on", "1:30", "010", "0o17", "Yes")),
        *(("!!str 010", "010"), ("'010'", "010"), ('"true"', "true"), ("!!int '7'", 7), ("!!float 7", 7.0)),
    ],
)
def test_a_scalar_is_what_it_looks_like(written, value):
    """Numbers, booleans and nothing are those of YAML 1.2: no octals, dates or countries by accident."""
    read = parse_document(f"a: {written}\n", "file.yaml").value["a"]
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("written", [".inf", "-.INF", "1e999"])
def test_an_infinite_number_is_one(written):
    """Every key that takes a number refuses it: no bound is infinite."""
    assert math.isinf(parse_document(f"a: {written}", "file.yaml").value["a"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"big: &big '{'x' * 1_000_000}'\nall: [{'*big, ' * 2000}]\n", "the values have more than 16777216 characters"),
        (f"{'a: &a [' + 'x, ' * 90}]\n{'b: &b [' + '*a, ' * 90}]\nc: [{'*b, ' * 90}]\n", "more than 200000 values"),
        ("a: [" + "1, " * 300_000 + "]", "more than 200000 values"),
        ("a: [" + "f(1, " * 10_000 + "]", None),
        ("a: {" + "f(1, " * 10_000 + "}", "the key 'f(1' is given twice"),
        ("a: '" + "(" * 1_000_000 + "'", None),
        ("[" * 1_000_000, "nested too deeply"),
        ("{a: " * 300_000, "nested too deeply"),
        ("- " * 300_000, "nested too deeply"),
        ("a: !" + "t" * 500_000 + " x", "the tag !ttt"),
        ("? " + "k" * 500_000, None),
        ("k" * 500_000 + ": 1", "not YAML: "),
        ("a: {b: " + "f(" * 500_000 + ": 1}", "not YAML: "),
        ("a: {b: " + "/{x}" * 250_000 + ": 1}", "not YAML: "),
        ("a: *" + "k" * 500_000, "not YAML: found undefined alias"),
        ("- " + "\n- ".join(["!mine x"] * 10_000), "the tag !mine is not supported"),
    ],
)
def test_a_large_document_is_read_in_time_that_goes_with_its_length(text, message):
    """Megabytes of anything, and aliases that stand for gigabytes, cost a few seconds and hardly any memory."""
    began = time.process_time()
    try:
        parse_document(text, "file.yaml")
        refusal = None
    except ConfigurationError as error:
        refusal = error.problems[0].message
        assert max(len(problem.message) for problem in error.problems) < 1000
    assert (refusal is None) == (message is None)
    assert refusal is None or message in refusal
    assert time.process_time() - began < 30


def test_aliases_of_a_long_text_take_no_memory():
    """A megabyte repeated two thousand times was once two gigabytes."""
    text = f"big: &big '{'x' * 1_000_000}'\nall: [{'*big, ' * 2000}]\n"
    tracemalloc.start()
    with pytest.raises(ConfigurationError):
        parse_document(text, "file.yaml")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_every_key_and_item_knows_its_place():
    """Lines and columns count from 1, in block style and in flow style alike."""
    places = parse_document("name: x\nstages:\n  a:\n    calls: [b, c]\n    list:\n      - 1\n", "file.yaml").places
    assert places["name",] == (1, 1)
    assert places["stages", "a"] == (3, 3)
    assert places["stages", "a", "calls"] == (4, 5)
    assert places["stages", "a", "calls", 1] == (4, 16)
    assert places["stages", "a", "list", 0] == (6, 9)


@pytest.mark.parametrize(
    ("keys", "place", "message"),
    [
        (("stages", "a", "calls", 0), (3, 13), "stages.a.calls[0]: wrong"),
        (("stages", "a", "calls", 0, "to"), (3, 13), "stages.a.calls[0].to: wrong"),
        (("stages", "a", "delay"), (2, 3), "stages.a.delay: wrong"),
        (("stages", "b", "delay"), (1, 1), "stages.b.delay: wrong"),
        (("name",), (1, 1), "name: wrong"),
        ((), (1, 1), "wrong"),
    ],
)
def test_a_problem_is_at_its_key_or_the_nearest_one_around_it(keys, place, message):
    """A key that is missing from the file is reported where it ought to be."""
    problem = parse_document("stages:\n  a:\n    calls: [b]\n", "file.yaml").problem("wrong", keys)
    assert (problem.source, (problem.line, problem.column), problem.message) == ("file.yaml", place, message)


def test_an_empty_document_has_no_value():
    """Nothing, blank lines and comments alone are a document without a value, not an error."""
    assert [parse_document(text, "file.yaml").value for text in ("", "  \n\n", "# comment\n", "---\n")] == [None] * 4


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: [1, 2", 2, 1, "not YAML: "),
        ("a: b: c", 1, 5, "not YAML: mapping values are not allowed in this context"),
        ("a: 1\n\tb: 2", 2, 1, "not YAML: found a tab character"),
        ("a:\n  b: 1\n c: 2", 3, 2, "not YAML: did not find expected key"),
        ("a: 'open", 1, 9, "not YAML: found unexpected end of stream"),
        ("a: *nobody", 1, 4, "not YAML: found undefined alias"),
        ("a: 1\n---\nb: 2", 2, 1, "not YAML: but found another document"),
        ("a: \x07", 0, 0, "not YAML: unacceptable character #x0007"),
        ("a: 1\na: 2", 2, 1, "the key 'a' is given twice"),
        ("? [a]\n: 1", 1, 3, "a key must be plain text, not a list"),
        ("b: {? {a: 1} : 1}", 1, 7, "b: a key must be plain text, not a mapping"),
        ("'': 1", 1, 1, "a key must be plain text, and not empty"),
        ("a: !!python/object:os.system x", 1, 4, "a: the tag tag:yaml.org,2002:python/object:os.system is not"),
        ("a: !!python/name:os.system ''", 1, 4, "a: the tag tag:yaml.org,2002:python/name:os.system is not supported"),
        ("a: !mine x", 1, 4, "a: the tag !mine is not supported"),
        ("a: !!binary x", 1, 4, "a: the tag tag:yaml.org,2002:binary is not supported"),
        ("a: " + "1" * 5000, 1, 4, "a: a number of 5000 characters is too long: at most 400"),
        ("a: -0." + "1" * 5000, 1, 4, "a: a number of 5003 characters is too long: at most 400"),
        ("a: !!int 1_000", 1, 4, "a: '1_000' is not what its tag says, int"),
        ("a: " + "[" * 60 + "]" * 60, 1, 44, "nested too deeply"),
        ("a: &loop [*loop]", 1, 4, "a[0]: it contains itself, by an alias"),
        ("a: &loop {b: {<<: *loop}}", 1, 14, "a.b.b: it contains itself, by an alias"),
    ],
)
def test_what_can_not_be_read_is_refused_at_its_place(text, line, column, message):
    """Broken YAML, tabs, duplicate and odd keys, unknown tags and endless nesting are shown with line and column."""
    [(found_line, found_column, found)] = refusal_of(text)
    assert (found_line, found_column) == (line, column)
    assert found.startswith(message)


def test_every_duplicate_key_is_shown():
    """All of them at once, in the order of the lines, at whatever depth."""
    found = refusal_of("a: 1\nb:\n  c: 1\n  c: 2\na: 2\nd: !mine x\n")
    assert found == [
        (4, 3, "b: the key 'c' is given twice"),
        (5, 1, "the key 'a' is given twice"),
        (6, 4, "d: the tag !mine is not supported"),
    ]


def test_an_alias_stands_for_what_was_anchored():
    """Two stages can share what is written once."""
    value = parse_document("a: &both {workers: 3}\nb: *both\n", "file.yaml").value
    assert value == {"a": {"workers": 3}, "b": {"workers": 3}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[error(503, 1%), error(500, 2%)]", ["error(503, 1%)", "error(500, 2%)"]),
        ("[error(503, 1%), [a(b, c), d]]", ["error(503, 1%)", ["a(b, c)", "d"]]),
        ("{a: f(1, g(2, 3), 4), b: 1}", {"a": "f(1, g(2, 3), 4)", "b": 1}),
        ("['f(1', 2), 3]", ["f(1", "2)", 3]),
        ("{a: f(1, b: 2}", {"a": "f(1", "b": 2}),
    ],
)
def test_what_stands_in_parentheses_is_one_value(text, value):
    """A comma in plain text between parentheses does not separate values; with quotes and colons it does."""
    assert parse_document(text, "file.yaml").value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("a: f(1\nb:\nc: 2\n", {"a": "f(1", "b": None, "c": 2}), ("- f(1\n- 2)\n", ["f(1", "2)"])],
)
def test_lines_are_never_joined(text, value):
    """Only YAML's commas are mended: a key or an item on a line of its own stays one, whatever is above it."""
    assert parse_document(text, "file.yaml").value == value


def test_a_value_that_holds_itself_twice_is_one_problem():
    """A short file has a short list of problems."""
    assert len(refusal_of("a: &loop [*loop, *loop]")) < 10


@settings(deadline=None)
@given(
    st.text()
    | st.lists(
        st.sampled_from([*"[]{}:,-&*!?#'\"\n x1", "\n  ", "a: ", "- ", "!!str ", "&a ", "*a ", "<<: ", "{", "}"])
    ).map("".join)
)
def test_no_text_raises_anything_but_a_configuration_error(text):
    """Whatever a file holds, reading it ends in a document or in problems that can be shown."""
    try:
        parse_document(text, "file.yaml")
    except ConfigurationError as error:
        assert str(error)


@pytest.mark.parametrize("text", ["a: !!bool maybe", "a: !!int ''", "a: !!float ''"])
def test_a_value_that_is_not_what_its_tag_claims_is_refused(text):
    """A tag on a value that does not fit it is a problem at that place, not a crash."""
    assert refusal_of(text)[0][:2] == (1, 4)


def test_a_date_has_no_tag_of_its_own():
    """Nothing here is a date, so a tag that claims one is refused at its place."""
    assert refusal_of("a: !!timestamp 2026-11-25")[0][:2] == (1, 4)


@pytest.mark.parametrize("tagged", ["!!python/object/apply:os.system [ls]", "!mine [x]", "!mine {x: 1}"])
def test_an_unknown_tag_on_a_list_or_mapping_is_refused(tagged):
    """An unknown tag is refused wherever it is, not ignored."""
    assert refusal_of(f"a: {tagged}")[0][:2] == (1, 4)


def test_a_few_lines_of_aliases_do_not_grow_without_bound():
    """Lists of lists of the same alias ("a billion laughs") are refused, or read in time that goes with the text."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 6)]
    try:
        document = parse_document("\n".join(lines), "file.yaml")
    except ConfigurationError:
        return
    assert len(document.places) < 20_000


@pytest.mark.processes
def test_a_hundred_thousand_brackets_are_refused():
    """No text crashes the process, however deeply it is nested."""
    code = "from simulator.topology.document import parse_document; parse_document('a: ' + '[' * 100_000, 'file.yaml')"
    ended = python(code)
    assert ended.returncode == 1
    assert "ConfigurationError" in ended.stderr


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("no", "no is false in YAML 1.1 and text in YAML 1.2: write false, or 'no' in quotes for text"),
        ("ON", "ON is true in YAML 1.1 and text in YAML 1.2: write true, or 'ON' in quotes for text"),
        ("Yes", "Yes is true in YAML 1.1 and text in YAML 1.2: write true, or 'Yes' in quotes for text"),
        ("off", "off is false in YAML 1.1 and text in YAML 1.2: write false, or 'off' in quotes for text"),
        ("010", "010 is 8 in YAML 1.1 and 10 in YAML 1.2: write 10, or '010' in quotes for text"),
        ("-010", "-010 is -8 in YAML 1.1 and -10 in YAML 1.2: write -10, or '-010' in quotes for text"),
        ("017600", "017600 is 8064 in YAML 1.1 and 17600 in YAML 1.2: write 17600, or '017600' in quotes for text"),
        ("007", "007 has a leading zero: write 7, or '007' in quotes for text"),
        ("+08", "+08 has a leading zero: write 8, or '+08' in quotes for text"),
        ("0o17", "0o17 is text in YAML 1.1 and 15 in YAML 1.2: write 15, or '0o17' in quotes for text"),
        (
            "1:30",
            "1:30 is 90 in YAML 1.1 and text in YAML 1.2: write 90, a duration such as 1m30s, or '1:30' in quotes",
        ),
        ("-1:00:00", "-1:00:00 is -3600 in YAML 1.1 and text in YAML 1.2: write -3600, a duration such as 1m30s, or"),
        ("190:20:30.15", "190:20:30.15 is a number in YAML 1.1 and text in YAML 1.2: write a number, a duration such"),
    ],
)
def test_what_the_versions_of_yaml_read_differently_is_refused(written, message):
    """Octal and base-60 numbers and the many booleans are refused by name wherever they are a value."""
    for text in (f"a: {written}", f"a: [{written}]", f"a: {{b: {written}}}", f"- {written}"):
        [(_, _, found)] = refusal_of(text)
        assert found.split(": ", 1)[1].startswith(message)


def test_a_key_may_be_called_as_a_boolean():
    """A key is always text, so there is nothing to confuse."""
    assert parse_document("on: 1\nno: {yes: 2, 010: 3}\non_error: 4\n", "file.yaml").value == {
        "on": 1,
        "no": {"yes": 2, "010": 3},
        "on_error": 4,
    }


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            "stages:\n  a: {delay: mixture(90%: uniform(1ms, 5ms), 10%: constant(1s)), queue: 1}",
            (2, 25),
            "not YAML: did not find expected ',' or '}'; put it in quotes: "
            "'mixture(90%: uniform(1ms, 5ms), 10%: constant(1s))'",
        ),
        (
            "delay: mixture(90%: uniform(1ms, 5ms), 10%: constant(1s))",
            (1, 19),
            "not YAML: mapping values are not allowed in this context; put it in quotes: "
            "'mixture(90%: uniform(1ms, 5ms), 10%: constant(1s))'",
        ),
        (
            'a: {faults: [reset(1%), error(503, 5%, "it\'s down")]}',
            None,
            "not YAML: did not find expected ',' or ']'; put it in quotes: 'error(503, 5%, \"it''s down\")'",
        ),
        (
            "a: {read: {path: /carts/{id}/items, method: GET}}",
            None,
            "not YAML: did not find expected ',' or '}'; put it in quotes: '/carts/{id}/items'",
        ),
        (
            "a: [mixture(90%: uniform(1ms, 5ms), 10%: constant(1s))]",
            (1, 5),
            "a[0]: 'mixture(90%' is read as a key, because of the colon after it: put the whole notation in quotes",
        ),
        (
            "stages: {x: {calls: [{choose: {a: 50%, [b, c]: 50%}}]}}",
            (1, 40),
            "stages.x.calls[0].choose: a key must be plain text, not a list: write a list, as in "
            "choose: [{to: a, weight: 1}, {steps: [b, c], weight: 1}]",
        ),
        (
            'a: {faults: [error(503, 5%, "redis: down", instance="2")]}',
            (1, 14),
            "a.faults[0]: 'error(503, 5%' ends at the quotes after it: put the whole notation in quotes",
        ),
        ("a:\n\tb: 1", (2, 1), "not YAML: found character that cannot start any token; indent with spaces"),
        ("a: `b", (1, 4), "not YAML: found character that cannot start any token; a value that begins with it needs"),
        ("a: {b: 1", (2, 1), "not YAML: did not find expected ',' or '}'"),
    ],
)
def test_what_needs_quotes_is_shown_with_them(text, place, message):
    """Of a notation or path that YAML takes apart, the message has the whole, as it is to be written."""
    (line, column, found), *_ = refusal_of(text)
    assert found.startswith(message)
    assert place in (None, (line, column))
