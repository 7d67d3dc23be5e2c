"""The headers of a call: what can be one, which variables they name, and what is safe to show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import ConfigurationError
from simulator.net.headers import MAX_FORWARDED_BYTES, MAX_HEADER_BYTES
from simulator.topology.graph import headers_of
from simulator.topology.headers import MAX_BYTES, Headers, parse_headers, values_for, with_hidden_headers
from simulator.topology.model import Stage
from simulator.topology.steps import Call
from simulator.topology.structure import structure, unstructure

BEARER = {"Authorization": "Bearer ${TOKEN}"}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (BEARER, BEARER),
        ({"X-Tenant": " acme\t", "Accept": "a;q=0.5, b: c"}, {"X-Tenant": "acme", "Accept": "a;q=0.5, b: c"}),
        ("Authorization: Bearer ${TOKEN}", BEARER),
        ("A: 1; B: http://host:80/; C:", {"A": "1", "B": "http://host:80/; C:"}),  # no blank, so no name
        ("A: 1\r\nB: 2\n", {"A": "1", "B": "2"}),
        ("Cookie: a=b; c=d", {"Cookie": "a=b; c=d"}),
        (["A: 1", "B: 2; C: 3"], {"A": "1", "B": "2", "C": "3"}),
        (("A: 1",), {"A": "1"}),
        ({}, {}),
        ("", {}),
        ({"X-Empty": ""}, {"X-Empty": ""}),
        ({"User-Agent": "mine/1.0"}, {"User-Agent": "mine/1.0"}),
    ],
)
def test_headers_are_a_mapping_or_lines(value, written):
    """A file has a mapping, and a flag or a variable the lines of HTTP."""
    assert parse_headers(value).written() == written


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "must be a mapping of names to texts"),
        ([{"A": "1"}], "must be a mapping of names to texts"),
        ("nonsense", "must be written as NAME: VALUE"),
        ({"": "x"}, "'' can't be the name of a header"),
        ({"two words": "x"}, "'two words' can't be the name of a header"),
        ({"A:": "x"}, "'A:' can't be the name of a header"),
        ({"A\r\nB": "x"}, "can't be the name of a header"),
        ({7: "x"}, "'7' can't be the name of a header"),
        ({"A": 7}, "the value of the header A must be text, in quotes"),
        ({"A": None}, "the value of the header A must be text, in quotes"),
        ({"A": "x\r\nB: y"}, "the value of the header A must be printable ASCII"),
        ({"A": "x\0"}, "the value of the header A must be printable ASCII"),
        ({"A": "caf\xe9"}, "the value of the header A must be printable ASCII"),
        ({"A": "x" * 8193}, "the value of the header A must be printable ASCII of at most 8192 characters"),
        ({"A": "x" * 5000, "B": "x" * 5000}, "the headers have more than 8192 bytes in all"),
        ({"A": "1", "a": "2"}, "the header A is given twice"),
        ("A: 1; A: 2", "the header A is given twice"),
        ({"A": "${TO KEN}"}, "has a ${ that is not ${NAME}"),
        ({"A": "${"}, "has a ${ that is not ${NAME}"),
        ({"A": "${}"}, "has a ${ that is not ${NAME}"),
        ({"A": "***"}, "*** is shown in place of the header A's value"),
    ],
)
def test_what_can_not_be_a_header_is_refused(value, message):
    """The refusal names the header, and shows no value."""
    with pytest.raises(ValueError) as refusal:
        parse_headers(value)
    assert message in str(refusal.value)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "content-length", "Transfer-Encoding", "CONNECTION", "Keep-Alive", "TE", "Trailer", "Upgrade"),
        *("Expect", "Proxy-Connection", "Content-Type", "Content-Encoding", "X-Message-Id", "X-Trace-Id"),
        *("traceparent", "tracestate", "baggage", "X-Simulator-Caller", "x-simulator-whatever"),
    ],
)
def test_a_header_that_the_stage_sets_itself_is_refused(name):
    """A header that frames the request, or describes the message or its trace, can't be configured."""
    with pytest.raises(ValueError, match=f"the header {name} is set by the stage itself"):
        parse_headers({name: "x"})


def test_variables_are_replaced():
    """Each ${NAME} becomes its value, also several times, and $${ becomes ${."""
    headers = parse_headers({"A": "${X}-${Y_2}-${X}", "B": "$${X} $X $$ {X}", "C": "plain"})
    assert headers.variables == ("X", "Y_2")
    resolved = headers.resolved({"X": "1", "Y_2": "${X}"})
    assert resolved == {"A": "1-${X}-1", "B": "${X} $X $$ {X}", "C": "plain"}


def test_the_environment_must_have_them():
    """Every variable that is not set, or that no header can hold, is named once, and its value nowhere."""
    headers = [("a.headers", parse_headers({"A": "${X} ${Y}"})), ("b.headers", parse_headers({"A": "${X} ${Z} ${OK}"}))]
    with pytest.raises(ConfigurationError) as raised:
        values_for(headers, {"Y": "s3cret\n", "Z": "", "OK": "fine", "PATH": "x"})
    assert [str(problem) for problem in raised.value.problems] == [
        "a.headers: the variable X of the environment is not set",
        "a.headers: the variable Y of the environment has a value with a line break or another character that no "
        "header can hold",
        "b.headers: the variable Z of the environment is not set",
    ]
    assert "s3cret" not in str(raised.value)
    assert values_for(headers, {"X": "1", "Y": "2", "Z": "3", "OK": "4", "PATH": "x"}) == {
        "X": "1",
        "Y": "2",
        "Z": "3",
        "OK": "4",
    }


def test_what_the_environment_has_must_not_be_too_long():
    """Headers are bounded with the values of their variables, so that the request sent with them is accepted."""
    headers = [("a.headers", parse_headers({"A": "${X}", "B": "${X}"}))]
    with pytest.raises(ConfigurationError) as raised:
        values_for(headers, {"X": "x" * 4096})
    assert "a.headers: with the values of their variables the headers have more than 8192 bytes in all" in str(
        raised.value
    )
    values_for(headers, {"X": "x" * 4000})
    own_bytes = 2048  # the headers that a stage adds itself
    assert MAX_FORWARDED_BYTES + MAX_BYTES + own_bytes < MAX_HEADER_BYTES


def test_a_literal_value_is_hidden():
    """The names of headers are shown, and a value if the secret is in the environment."""
    headers = parse_headers({"Authorization": "Bearer ${TOKEN}", "X-Key": "s3cret"})
    assert headers.shown() == {"Authorization": "Bearer ${TOKEN}", "X-Key": "***"}
    calls = [
        "a",
        {"to": "b", "headers": {"X-Key": "s3cret"}, "fallback": {"to": "c", "headers": {"X-Key": "s3cret"}}},
        {"parallel": [[{"to": "d", "headers": {"X-Key": "s3cret"}}]]},
        {"choose": [{"to": "e", "weight": "100%", "headers": {"X-Key": "s3cret"}}]},
    ]
    shown = with_hidden_headers(calls)
    assert "s3cret" not in str(shown)
    assert str(shown).count("'X-Key': '***'") == 4
    assert with_hidden_headers(["a", {"to": "b", "timeout": "1s"}]) == ["a", {"to": "b", "timeout": "1s"}]


def test_headers_in_a_stage():
    """A call of a stage has its headers, wherever it is, and they are written as they were read."""
    plain = {"calls": [{"to": "a", "headers": BEARER, "fallback": {"to": "b", "headers": {"X": "1"}}}, "c"]}
    stage, problems = structure(plain, Stage)
    assert problems == []
    assert headers_of(stage) == [
        ("calls[0].headers", Headers((("Authorization", "Bearer ${TOKEN}"),))),
        ("calls[0].fallback.headers", Headers((("X", "1"),))),
    ]
    assert unstructure(stage) == plain
    assert unstructure(Call(to="a")) == {"to": "a"}


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=30), max_size=4) | st.text() | st.lists(st.text()))
def test_no_value_raises_anything_but_a_value_error(value):
    """Whatever is written, it is read as headers that can be sent, or refused."""
    try:
        headers = parse_headers(value)
    except ValueError:
        return
    resolved = headers.resolved(dict.fromkeys(headers.variables, "v"))
    assert all(text.isascii() and text.isprintable() for text in (*resolved, *resolved.values()))
