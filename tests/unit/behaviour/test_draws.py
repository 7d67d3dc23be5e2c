"""Random draws without a shared random source: uniform, independent, and the same again for the same inputs."""

import math
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.draws import FIRST_VISIT, draw, message_id, next_visit
from tests.support.python import python

COUNT = 10_000
INPUTS = {"seed": 7, "stage": "parse", "message_id": "m-1", "visit": FIRST_VISIT, "purpose": "delay"}
CHANGES = {"seed": 8, "stage": "enrich", "message_id": "m-2", "visit": "1", "purpose": "fault"}


def draws(**changes):
    return [draw(**{**INPUTS, "message_id": f"m-{number}", **changes}) for number in range(COUNT)]


def correlation(first, second):
    mean_first, mean_second = sum(first) / len(first), sum(second) / len(second)
    shared = sum((x - mean_first) * (y - mean_second) for x, y in zip(first, second, strict=True))
    own = sum((x - mean_first) ** 2 for x in first) * sum((y - mean_second) ** 2 for y in second)
    return shared / math.sqrt(own)


@given(st.integers(0, 2**63 - 1), st.text(), st.text(), st.text(), st.text())
def test_a_draw_lies_strictly_between_0_and_1(seed, stage, ident, visit, purpose):
    """A draw is an odd multiple of 2^-53, so neither end, where quantiles are infinite, can come up."""
    steps = draw(seed, stage, ident, visit, purpose) * 2**53
    assert 0 < steps < 2**53
    assert steps % 2 == 1


@pytest.mark.parametrize("changed", INPUTS)
def test_a_change_of_any_one_input_changes_the_draw(changed):
    """The seed, the stage, the message, the visit and the purpose all count."""
    assert draw(**{**INPUTS, changed: CHANGES[changed]}) != draw(**INPUTS)


def test_inputs_that_only_join_to_the_same_text_draw_apart():
    """The end of one input is not mistaken for the beginning of the next."""
    together = {
        draw(7, "ab", "c", "0", "delay"),
        draw(7, "a", "bc", "0", "delay"),
        draw(7, "abc", "", "0", "delay"),
        draw(7, "", "abc", "0", "delay"),
        draw(7, "a", "1:b", "c", "0"),
        draw(7, "a1:b", "c", "0", ""),
    }
    assert len(together) == 6


@pytest.mark.processes
def test_another_process_draws_the_same():
    """The same inputs give the same draw, visit and id in a process with other hash seeds."""
    code = "from simulator.behaviour.draws import *; print(draw(7, 'a', 'm', '0', 'd'), next_visit('0', 'a', 1))"
    printed = python(f"{code}; print(message_id(7, 'a', 3))", PYTHONHASHSEED="12345")
    assert printed.stdout.split() == [
        repr(draw(7, "a", "m", "0", "d")),
        next_visit("0", "a", 1),
        message_id(7, "a", 3),
    ]


@pytest.mark.parametrize("seed", [0, 1, 7, 2**63 - 1])
def test_draws_are_uniform(seed):
    """The distance of 10,000 draws from the uniform distribution is within Kolmogorov's bound for one in a million."""
    ordered = sorted(draws(seed=seed))
    distance = max(max((i + 1) / COUNT - u, u - i / COUNT) for i, u in enumerate(ordered))
    assert distance < math.sqrt(math.log(2 / 1e-6) / 2 / COUNT)


@pytest.mark.parametrize(
    "other",
    [{"visit": next_visit(FIRST_VISIT, "parse/0", 1)}, {"purpose": "fault"}, {"stage": "enrich"}, {"seed": 8}],
    ids=["visit", "purpose", "stage", "seed"],
)
def test_draws_for_something_else_are_independent(other):
    """A retry, another purpose, stage or seed tells nothing: the correlation is within 4.9 standard errors of none."""
    assert abs(correlation(draws(), draws(**other))) < 4.9 / math.sqrt(COUNT)


def test_neighbouring_messages_are_independent():
    """One message's draw tells nothing about the next one's."""
    values = draws()
    assert abs(correlation(values[:-1], values[1:])) < 4.9 / math.sqrt(COUNT)


def test_a_visit_has_its_own_name_for_each_caller_call_and_attempt():
    """No two of 10,000 attempts, calls and callers have the same visit, and each has it again the next time."""
    causes = [
        (visit, call, attempt)
        for visit in (FIRST_VISIT, next_visit(FIRST_VISIT, "a/0", 1))
        for call in (f"a/{index}" for index in range(50))
        for attempt in range(1, 101)
    ]
    visits = [next_visit(*cause) for cause in causes]
    assert len(set(visits)) == COUNT
    assert visits == [next_visit(*cause) for cause in causes]
    assert FIRST_VISIT not in visits


def test_every_message_has_an_id_of_its_own():
    """10,000 messages of one stage, and as many of another seed or stage, all have different ids."""
    ids = {
        message_id(seed, stage, number)
        for seed, stage in ((7, "injector"), (8, "injector"), (7, "other"))
        for number in range(1, COUNT + 1)
    }
    assert len(ids) == 3 * COUNT


def test_what_is_drawn_is_the_same_in_every_version():
    """A seed that somebody wrote down gives next year the delays, visits and ids of today."""
    assert draw(7, "parse", "m-1", FIRST_VISIT, "delay") == 0.8756681845700179
    assert next_visit(FIRST_VISIT, "parse/0", 1) == "4e881875247111c0"
    assert message_id(7, "injector", 1) == "8c635c93-a462-53fc-8ddf-aea8e5f11c49"


@pytest.mark.parametrize("number", [1, 2, 10_000])
def test_a_message_id_is_a_uuid(number):
    """An id has the form, the version and the variant of RFC 9562, so that any tool takes it."""
    ident = message_id(7, "injector", number)
    parsed = uuid.UUID(ident)
    assert str(parsed) == ident
    assert (parsed.version, parsed.variant) == (5, uuid.RFC_4122)
