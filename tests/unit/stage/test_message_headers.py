"""What is read from the headers of a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InvalidMessage
from simulator.stage.message_headers import (
    caller_from,
    deadline_from,
    decisions_from,
    decisions_text,
    is_of_the_run,
    message_id_from,
    visit_from,
    wsgi_key,
)

ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@+=/-"


def headers(**values):
    return {wsgi_key(name): value for name, value in values.items()}


@given(st.text(ID_CHARACTERS, min_size=1, max_size=128))
def test_an_id_is_kept(given_id):
    """Any id of up to 128 letters, digits and . _ : @ + = / - is taken as it is."""
    assert message_id_from(headers(X_Message_Id=given_id)) == given_id


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200))
def test_an_id_is_taken_or_refused(given_id):
    """Whatever a client writes, it is an id as it stands or refused with 400; nothing is changed or cut."""
    good = 1 <= len(given_id) <= 128 and set(given_id) <= set(ID_CHARACTERS)
    if good:
        assert message_id_from(headers(X_Message_Id=given_id)) == given_id
    else:
        with pytest.raises(InvalidMessage) as refused:
            message_id_from(headers(X_Message_Id=given_id))
        assert refused.value.status == 400


def test_no_id():
    """A message without an id has none, rather than an empty one."""
    assert message_id_from(headers()) is None


@pytest.mark.parametrize("given_id", ["a" * 129, "", "a b", "ä", "a\u2028"])
def test_a_bad_id_is_refused_with_what_is_allowed(given_id):
    """The refusal of an id names the header and what may stand in it."""
    with pytest.raises(InvalidMessage, match="X-Message-Id must be 1 to 128 letters, digits or"):
        message_id_from(headers(X_Message_Id=given_id))


@pytest.mark.parametrize(
    ("given_visit", "visit"),
    [
        (None, "0"),
        ("0", "0"),
        ("00ff12ab34cd56ef", "00ff12ab34cd56ef"),
        ("f" * 32, "f" * 32),
        ("f" * 33, "0"),
        ("", "0"),
        ("FF", "0"),
        ("xyz", "0"),
        ("-1", "0"),
    ],
)
def test_a_visit(given_visit, visit):
    """A visit is up to 32 hexadecimal digits; anything else is the first visit."""
    assert visit_from(headers() if given_visit is None else headers(X_Simulator_Visit=given_visit)) == visit


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40))
def test_a_caller_is_one_of_those_known(name):
    """Whatever a client calls itself, the caller is a known stage or `outside`."""
    known = frozenset({"parse", "enrich"})
    assert caller_from(headers(X_Simulator_Caller=name), known) == (name if name in known else "outside")


def test_a_known_caller():
    """A stage that is known is named as the caller; no name at all is `outside`."""
    assert caller_from(headers(X_Simulator_Caller="parse"), frozenset({"parse"})) == "parse"
    assert caller_from(headers(), frozenset({"parse"})) == "outside"


@pytest.mark.parametrize(
    ("secret", "given", "is_one"),
    [
        ("", None, True),
        ("", "anything", True),
        ("s3cret", "s3cret", True),
        ("s3cret", None, False),
        ("s3cret", "", False),
        ("s3cret", "s3cre", False),
        ("s3cret", "s3cret ", False),
        ("s3cret", "\xe9", False),
    ],
)
def test_a_request_of_the_run(secret, given, is_one):
    """Where there is a secret, only who has it is of the run."""
    assert is_of_the_run(headers(**({} if given is None else {"X_Simulator_Secret": given})), secret) is is_one


@pytest.mark.parametrize(
    ("text", "deadline"),
    [
        (None, None),
        ("2.5", 2.5),
        ("0.000001", 0.000001),
        ("0", 0.0),
        ("-3", -3.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e400", None),
        ("2,5", None),
    ],
)
def test_a_deadline(text, deadline):
    """A deadline is how many seconds are left, none where they are over; anything else means that there is none."""
    assert deadline_from(headers() if text is None else headers(X_Simulator_Deadline=text)) == deadline


@given(st.floats(1e-3, 6e5))
def test_a_deadline_is_sent_to_the_microsecond(seconds):
    """A deadline that one stage writes is the same for the next, to a microsecond."""
    assert deadline_from(headers(X_Simulator_Deadline=f"{seconds:.6f}")) == pytest.approx(seconds, abs=1e-6)


DECISIONS = {"hit": True, "tenant": "gold", "items": 3}


def test_decisions_travel_as_they_are():
    """A header brings decisions as they were drawn, each of its kind."""
    assert decisions_from(headers(X_Simulator_Decisions=decisions_text(DECISIONS))) == DECISIONS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"a": null}',
        '{"a": 1.5}',
        '{"a": NaN}',
        '{"a": {"b": 1}}',
        '{"a": 9223372036854775808}',
        '{"a": "\\ud800"}',
        '{"a": "x\\ny"}',
        '{"a": "caf\\u00e9"}',
        f'{{"a": "{"x" * 201}"}}',
        f'{{"a": {"9" * 5000}}}',
        "[" * 8000,
        '{"a":' * 1600,
        f'{{"a": 1{" " * 8192}}}',
    ],
)
def test_what_no_decisions_are(text):
    """Whatever else is in the header, and however deep, it is as if it was not there."""
    assert decisions_from(headers(X_Simulator_Decisions=text)) == {}


def test_decisions_have_names():
    """A name that no file could have is left out."""
    assert decisions_from(headers(X_Simulator_Decisions='{"": 1, "a b": 2, "\\n": 3, "c": 4}')) == {"c": 4}
