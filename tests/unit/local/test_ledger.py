"""The ledger: whatever was lost or made up is found, and nothing else is held against a run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.local.ledger import make_ledger
from simulator.telemetry import tally
from simulator.telemetry.record import Outcome
from simulator.topology.graph import callers, operation_edges
from simulator.topology.load import Load
from simulator.topology.model import OnBadLine, Role, Stage, Topology
from simulator.topology.steps import Call

PIPELINE = Topology(
    name="pipeline",
    stages={
        "injector": Stage(role=Role.INJECTOR, load=Load(), calls=(Call(to="parse"),)),
        "parse": Stage(role=Role.PROCESSOR, calls=(Call(to="archive"),)),
        "archive": Stage(role=Role.TERMINATOR),
    },
)
# What 100 messages leave that all went well.
GOOD = {
    "injector": {
        "received.outside": 100,
        "outcome.forwarded": 100,
        "sent.parse": 100,
        "attempt.parse.ok": 100,
        "due": 100,
    },
    "parse": {
        "received.injector": 100,
        "outcome.forwarded": 100,
        "sent.archive": 100,
        "attempt.archive.ok": 100,
    },
    "archive": {"received.parse": 100, "outcome.delivered": 100},
}


def ledger(counts, ended=None, topology=PIPELINE):
    """Draw up the account of counts of which only those that are not 0 are given."""
    full = {}
    for name in topology.stages:
        called = [to for caller, to in operation_edges(topology.stages) if caller == name]
        zeros = dict.fromkeys(tally.slots(callers(topology, name), called, topology.stages[name].operations), 0)
        assert set(counts[name]) <= set(zeros)
        full[name] = zeros | counts[name]
    return make_ledger(topology, full, ended or {})


def changed(stage, **changes):
    """Return the good counts with some of a stage's changed; `__` stands for the dot."""
    return GOOD | {stage: GOOD[stage] | {name.replace("__", "."): count for name, count in changes.items()}}


def call_of(account, caller):
    (call,) = [call for call in account.calls if call.caller == caller]
    return call


def stage_of(account, name):
    (line,) = [line for line in account.stages if line.stage == name]
    return line


def test_a_run_in_which_all_went_well():
    """A hundred messages that came through are a hundred on every line, and there is nothing to complain of."""
    account = ledger(GOOD)
    assert account.balanced
    assert account.problems == ()
    assert [(line.stage, line.received, line.forwarded, line.delivered) for line in account.stages] == [
        ("injector", 100, 100, 0),
        ("parse", 100, 100, 0),
        ("archive", 100, 0, 100),
    ]
    assert [(call.caller, call.called, call.sent, call.answered, call.received) for call in account.calls] == [
        ("injector", "parse", 100, 100, 100),
        ("parse", "archive", 100, 100, 100),
    ]


def test_the_account_is_plain_values():
    """The account goes into the report as JSON, with the verdict beside the numbers."""
    account = json.loads(json.dumps(ledger(GOOD).as_dict()))
    assert account["balanced"] is True
    assert account["stages"][2] == {
        "stage": "archive",
        "received": 100,
        "delivered": 100,
        "forwarded": 0,
        "rejected": 0,
        "invalid": 0,
        "faulted": 0,
        "failed": 0,
        "broken_off": 0,
        "in_flight": 0,
        "missed": 0,
        "ended": "",
        "operation": "",
    }
    assert account["calls"][0]["in_doubt"] == 0
    assert account["problems"] == []


@pytest.mark.parametrize("received", [0, 99, 101, 200])
def test_a_message_lost_or_made_up_on_the_way(received):
    """Where a stage got fewer or more messages than its caller has answers for, the call does not balance."""
    account = ledger(changed("archive", received__parse=received, outcome__delivered=received))
    assert not account.balanced
    assert [call.balanced for call in account.calls] == [True, False]
    (problem,) = account.problems
    assert problem.startswith("parse -> archive does not balance: 100 answered, 0 in doubt")
    assert problem.endswith(f"{received} received")


@pytest.mark.parametrize(("received", "balanced"), [(89, False), (90, True), (95, True), (100, True), (101, False)])
@pytest.mark.parametrize("how", ["timeout", "broken", "abandoned"])
def test_what_is_in_doubt_may_have_arrived(how, received, balanced):
    """Of ten attempts that ended in doubt none to all may have been received, and not one less or more."""
    counts = {
        "attempt__archive__ok": 90,
        f"attempt__archive__{how}": 10,
        "outcome__forwarded": 90,
        "outcome__failed": 10,
    }
    account = ledger(
        changed("parse", **counts) | {"archive": {"received.parse": received, "outcome.delivered": received}}
    )
    assert call_of(account, "parse").in_doubt == 10
    assert call_of(account, "parse").balanced is account.balanced is balanced


@pytest.mark.parametrize(("received", "balanced"), [(89, False), (90, True), (91, False)])
def test_what_was_never_connected_has_not_arrived(received, balanced):
    """An attempt that found nobody leaves no doubt: the message was not received."""
    counts = {"attempt__archive__ok": 90, "attempt__archive__unreachable": 10}
    account = ledger(
        changed("parse", outcome__forwarded=90, outcome__failed=10, **counts)
        | {"archive": {"received.parse": received, "outcome.delivered": received}}
    )
    assert (call_of(account, "parse").unreachable, call_of(account, "parse").in_doubt) == (10, 0)
    assert account.balanced is balanced


def test_an_answer_with_an_error_is_an_answer():
    """A message that was answered with an error has been received; it is counted apart and balances."""
    account = ledger(
        changed("parse", attempt__archive__ok=70, attempt__archive__error_status=30)
        | {"archive": {"received.parse": 100, "outcome.delivered": 70, "outcome.rejected": 30}}
    )
    assert (call_of(account, "parse").answered, call_of(account, "parse").answered_with_error) == (70, 30)
    assert account.balanced


@pytest.mark.parametrize(("received", "balanced"), [(94, False), (95, True), (100, True), (101, False)])
def test_the_tries_of_a_killed_caller_are_in_doubt(received, balanced):
    """Attempts that a caller started and did not live to see the end of may have been received or not."""
    account = ledger(
        changed("parse", attempt__archive__ok=95, outcome__forwarded=95)
        | {"archive": {"received.parse": received, "outcome.delivered": received}},
        {"parse": "was killed (SIGKILL)"},
    )
    assert call_of(account, "parse").in_doubt == 5
    assert account.balanced is balanced


@pytest.mark.parametrize(("received", "balanced"), [(99, False), (100, True), (110, True), (111, False)])
def test_a_hedged_try_that_was_given_up_may_have_arrived(received, balanced):
    """Of the second attempts that lost against the first, some may have been received; none of them is a failure."""
    account = ledger(
        changed("parse", sent__archive=110, attempt__archive__abandoned=10)
        | {"archive": {"received.parse": received, "outcome.delivered": received}}
    )
    line = call_of(account, "parse")
    assert (line.sent, line.answered, line.in_doubt, line.without_end) == (110, 100, 10, 0)
    assert line.balanced is account.balanced is balanced
    if balanced:
        assert account.problems == ()


def test_a_hedged_try_that_has_no_end_is_found():
    """An attempt that was given up has an end like any other: one that is not told of does not balance."""
    account = ledger(
        changed("parse", sent__archive=110, attempt__archive__abandoned=9)
        | {"archive": {"received.parse": 105, "outcome.delivered": 105}}
    )
    assert call_of(account, "parse").without_end == 1
    assert not account.balanced
    assert account.problems == (
        "parse -> archive does not balance: 100 answered, 9 in doubt, 1 without an end, but 105 received",
    )


DEAD = "instance 2 was killed (SIGKILL)"


@pytest.mark.parametrize(("received", "balanced"), [(96, False), (97, True), (100, True), (101, False)])
def test_an_instance_that_died_balances(received, balanced):
    """A stage of several processes, one of which was killed, may have messages in flight and attempts in doubt."""
    account = ledger(
        {
            "injector": GOOD["injector"]
            | {"attempt.parse.ok": 97, "attempt.parse.broken": 3, "outcome.forwarded": 97, "outcome.failed": 3},
            "parse": GOOD["parse"] | {"outcome.forwarded": 97, "attempt.archive.ok": 97},
            "archive": {"received.parse": received, "outcome.delivered": received},
        },
        {"parse": DEAD},
    )
    assert (stage_of(account, "parse").in_flight, stage_of(account, "parse").ended) == (3, DEAD)
    assert (call_of(account, "parse").in_doubt, call_of(account, "parse").without_end) == (3, 0)
    assert account.balanced is balanced
    assert f"parse {DEAD}" in account.problems


def test_an_instance_that_died_excuses_no_other_stage():
    """Where an instance was killed, a message that was lost in a stage that ended well is found all the same."""
    account = ledger(changed("archive", outcome__delivered=99), {"parse": DEAD})
    assert not account.balanced
    assert account.problems == (f"parse {DEAD}", "archive: 1 message still in flight at the end")


def test_a_killed_stage_with_messages_in_flight():
    """What was in flight in a process that was killed is accounted for, and is something wrong all the same."""
    account = ledger(
        changed("injector", attempt__parse__ok=97, attempt__parse__broken=3, outcome__forwarded=97, outcome__failed=3)
        | {"parse": GOOD["parse"] | {"outcome.forwarded": 97}},
        {"parse": "was killed (SIGKILL)"},
    )
    assert (stage_of(account, "parse").in_flight, stage_of(account, "parse").ended) == (3, "was killed (SIGKILL)")
    assert account.balanced
    assert account.problems == (
        "injector: 3 messages failed",
        "parse was killed (SIGKILL)",
        "parse: 3 messages still in flight at the end",
    )


def test_nothing_stays_in_flight_in_a_stage_that_ended_well():
    """A stage that stopped in order and has not told the end of a message has lost it."""
    account = ledger(changed("parse", outcome__forwarded=99))
    assert not account.balanced
    assert account.problems == ("parse: 1 message still in flight at the end",)


@pytest.mark.parametrize("ended", ["", "was killed (SIGKILL)"])
def test_more_ends_than_messages(ended):
    """A stage that ended more messages than it received does not balance, even where it was killed."""
    account = ledger(changed("parse", outcome__forwarded=101), {"parse": ended} if ended else {})
    assert stage_of(account, "parse").in_flight == -1
    assert not account.balanced
    assert account.problems


@pytest.mark.parametrize(
    ("outcome", "wrong"),
    [
        (Outcome.DELIVERED, False),
        (Outcome.REJECTED, False),
        (Outcome.INVALID, False),
        (Outcome.FAULTED, False),
        (Outcome.FAILED, True),
    ],
)
def test_only_genuine_failures_are_wrong(outcome, wrong):
    """A rejection, a client's mistake and an injected fault are what they are; a failure is something wrong."""
    account = ledger(changed("archive", **{"outcome__delivered": 98, f"outcome__{outcome}": 2}))
    if outcome is Outcome.DELIVERED:
        account = ledger(GOOD)
    assert account.balanced
    assert account.problems == (("archive: 2 messages failed",) if wrong else ())


def test_a_process_that_ended_by_itself_is_wrong():
    """A stage that ended before its time is something wrong although every sum agrees."""
    account = ledger(GOOD, {"archive": "ended (exit code 1)"})
    assert account.balanced
    assert account.problems == ("archive ended (exit code 1)",)


def test_missed_messages_stand_in_the_account():
    """What the schedule could not start for want of room is on the injector's line."""
    account = ledger(changed("injector", received__outside=110, outcome__rejected=10, due=110, missed=10))
    assert (stage_of(account, "injector").missed, stage_of(account, "injector").rejected) == (10, 10)
    assert account.balanced
    assert account.problems == ()


SHOP = Topology(
    name="shop",
    stages={
        "front": Stage(calls=(Call(to="price"), Call(to="stock"), Call(to="price"))),
        "back": Stage(calls=(Call(to="price"),)),
        "price": Stage(calls=()),
        "stock": Stage(calls=()),
    },
)


def test_each_call_has_a_line_of_its_own():
    """A stage with two callers has a line for each of them, and one that is called twice by one caller one for both."""
    account = ledger(
        {
            "front": {
                "received.outside": 10,
                "outcome.forwarded": 10,
                "sent.price": 20,
                "attempt.price.ok": 20,
                "sent.stock": 10,
                "attempt.stock.ok": 10,
            },
            "back": {"received.outside": 5, "outcome.forwarded": 5, "sent.price": 5, "attempt.price.ok": 5},
            "price": {"received.front": 20, "received.back": 5, "received.outside": 7, "outcome.delivered": 32},
            "stock": {"received.front": 10, "outcome.delivered": 10},
        },
        topology=SHOP,
    )
    assert [(call.caller, call.called, call.sent, call.received) for call in account.calls] == [
        ("front", "price", 20, 20),
        ("front", "stock", 10, 10),
        ("back", "price", 5, 5),
    ]
    assert stage_of(account, "price").received == 32
    assert account.balanced


def test_callers_can_t_make_up_for_each_other():
    """A message too few from one caller and one too many from another are two imbalances, not none."""
    account = ledger(
        {
            "front": {
                "received.outside": 5,
                "outcome.forwarded": 5,
                "sent.price": 10,
                "attempt.price.ok": 10,
                "sent.stock": 5,
                "attempt.stock.ok": 5,
            },
            "back": {"received.outside": 5, "outcome.forwarded": 5, "sent.price": 5, "attempt.price.ok": 5},
            "price": {"received.front": 9, "received.back": 6, "outcome.delivered": 15},
            "stock": {"received.front": 5, "outcome.delivered": 5},
        },
        topology=SHOP,
    )
    assert [call.balanced for call in account.calls] == [False, True, False]
    assert len(account.problems) == 2


@pytest.mark.parametrize(("on_bad_line", "wrong"), [(OnBadLine.STOP, True), (OnBadLine.SKIP, False)])
def test_bad_lines(on_bad_line, wrong):
    """A bad line that ended the input is something wrong; one that was to be skipped is only counted."""
    injector = replace(PIPELINE.stages["injector"], load=None, input="orders.jsonl", on_bad_line=on_bad_line)
    topology = replace(PIPELINE, stages=PIPELINE.stages | {"injector": injector})
    account = ledger(changed("injector", lines=101, bad_lines=1), topology=topology)
    assert (account.lines_read, account.bad_lines) == (101, 1)
    assert account.balanced
    assert ["the input was read only up to its bad line" in problem for problem in account.problems] == (
        [True] if wrong else []
    )


# What can become of an attempt: how the caller saw it end, and whether the called stage has seen the message.
FATES = st.sampled_from(
    [
        ("ok", True),
        ("error_status", True),
        ("unreachable", False),
        ("timeout", True),
        ("timeout", False),
        ("broken", True),
        ("broken", False),
        ("abandoned", True),
        ("abandoned", False),
        (None, True),
        (None, False),
    ]
)


def counts_of(fates):
    """Return the counts that attempts with these fates leave, the caller killed where it saw no end of some."""
    parse = {"received.injector": len(fates), "sent.archive": len(fates)}
    for outcome in tally.ATTEMPT_OUTCOMES:
        parse[f"attempt.archive.{outcome}"] = sum(fate == outcome for fate, _ in fates)
    parse["outcome.forwarded"] = sum(fate == "ok" for fate, _ in fates)
    parse["outcome.failed"] = sum(fate not in ("ok", None) for fate, _ in fates)
    seen = sum(seen for _, seen in fates)
    answered = sum(fate is not None for fate, _ in fates)
    injector = {
        "received.outside": len(fates),
        "sent.parse": len(fates),
        "attempt.parse.ok": parse["outcome.forwarded"],
        "attempt.parse.error_status": parse["outcome.failed"],
        "attempt.parse.broken": len(fates) - answered,
        "outcome.forwarded": parse["outcome.forwarded"],
        "outcome.failed": len(fates) - parse["outcome.forwarded"],
    }
    return {"injector": injector, "parse": parse, "archive": {"received.parse": seen, "outcome.delivered": seen}}


@given(st.lists(FATES, max_size=60))
def test_whatever_happens_on_the_way_balances(fates):
    """A mixture of answers, timeouts, breaks, abandoned attempts and a killed caller balances if nothing is lost."""
    killed = any(fate is None for fate, _ in fates)
    assert ledger(counts_of(fates), {"parse": "was killed (SIGKILL)"} if killed else {}).balanced


CERTAIN = st.sampled_from([("ok", True), ("error_status", True), ("unreachable", False)])


@given(
    fates=st.lists(CERTAIN, min_size=1, max_size=60),
    off=st.sampled_from(
        [
            ("archive", "received.parse", -1),
            ("archive", "received.parse", 1),
            ("archive", "outcome.delivered", -1),
            ("archive", "outcome.delivered", 7),
            ("parse", "received.injector", -1),
            ("parse", "received.injector", 1),
            ("parse", "outcome.forwarded", -7),
            ("parse", "outcome.failed", 1),
            ("parse", "sent.archive", -1),
            ("parse", "attempt.archive.ok", 1),
            ("parse", "attempt.archive.error_status", 1),
            ("injector", "received.outside", -1),
            ("injector", "received.outside", 7),
            ("injector", "attempt.parse.ok", 1),
        ]
    ),
)
def test_any_count_that_is_off_is_found(fates, off):
    """Where nothing is in doubt, a count that is too low or too high is found, whichever it is."""
    counts, (stage, name, by) = counts_of(fates), off
    assert ledger(counts).balanced
    counts[stage][name] += by
    assert not ledger(counts).balanced
    assert ledger(counts).problems


@pytest.mark.parametrize("changes", [{"attempt__archive__ok": 99}, {"sent__archive": 101}])
def test_a_try_without_an_end_is_found(changes):
    """A caller that ended normally has seen the end of every attempt; an attempt without one does not balance."""
    account = ledger(changed("parse", **changes))
    assert not account.balanced
    assert account.problems
