"""End to end is what a request took, observed where it began, whatever shape the calls have."""

from __future__ import annotations

from collections import Counter

import pytest

from simulator.telemetry.record import Outcome
from simulator.virtual.kernel import Kernel
from simulator.virtual.system import VirtualSystem
from tests.support.accounts import run_to_its_end
from tests.support.virtual import Seen, observe, topology_of

LEAF = {"role": "terminator"}


def clients(*calls, messages=20, **changes):
    load = {"rate": "10/s", "arrivals": "constant", "messages": messages}
    return {"role": "injector", "load": load, "calls": list(calls), **changes}


def whole(stages):
    """Return the percentiles of a run."""
    return run_to_its_end(topology_of(stages)).whole


# HydraGen's simple example (EricssonResearch/cloud-native-app-simulator, generator/examples/simple): two endpoints of a
# service are called at the same time, of which one works for a second and the other answers immediately.
HYDRAGEN_SIMPLE = {
    "clients": clients("service1.endpoint1"),
    "service1": {
        "operations": {
            "endpoint1": {"path": "/endpoint1", "calls": [{"parallel": ["service2.endpoint1", "service2.endpoint2"]}]},
            "endpoint2": {"path": "/endpoint2"},
        }
    },
    "service2": {
        "operations": {
            "endpoint1": {"path": "/endpoint1", "delay": "1100ms"},
            "endpoint2": {"path": "/endpoint2", "delay": "22ms"},
        }
    },
}


def test_a_request_of_more_than_a_second_shows_as_one():
    """Once for each message, at the injector: not the 22 ms after which its first leaf is reached."""
    seen = observe(HYDRAGEN_SIMPLE)
    assert [record.pipeline_seconds for record in seen.records["clients"]] == pytest.approx([1.1] * 20)
    further_in = [record for stage in ("service1", "service2") for record in seen.records[stage]]
    assert {record.pipeline_seconds for record in further_in} == {None}
    found = whole(HYDRAGEN_SIMPLE)
    assert list(found.every.values()) == pytest.approx([1.1] * 4, rel=0.01)
    assert (found.requests, found.accepted) == ({"service1.endpoint1": found.every}, {})


@pytest.mark.parametrize(
    ("calls", "seconds"),
    [
        (["fast", "slow"], 0.52),
        ([{"parallel": ["fast", "slow"]}], 0.5),
        ([{"parallel": ["slow", "fast"], "limit": 1}], 0.52),
        (["fast", {"delay": "30ms"}, "fast"], 0.07),
        ([{"to": "fast", "times": 3}], 0.06),
        # What fails is waited for too, whether it is forgiven or not.
        (["fast", {"to": "failing", "optional": True}], 0.22),
        ([{"to": "failing", "fallback": "fast"}], 0.22),
        ([{"parallel": ["fast", "failing"], "optional": True}], 0.2),
        # Three attempts, with pauses between them, are one request.
        ([{"to": "failing", "retries": "retries(2, backoff=10ms)", "optional": True}], None),
        # The second of two attempts is as slow as the first.
        ([{"to": "slow", "hedge": "100ms"}], 0.5),
        ([{"to": "slow", "timeout": "100ms", "optional": True}], 0.1),
    ],
)
def test_a_request_takes_as_long_as_all_that_it_waits_for(calls, seconds):
    """One observation for each message, whatever is called how often."""
    stages = {
        "clients": clients("entry"),
        "entry": {"calls": calls},
        "fast": {**LEAF, "delay": "20ms"},
        "slow": {**LEAF, "delay": "500ms"},
        "failing": {**LEAF, "delay": "200ms", "faults": ["error(503, 100%)"]},
    }
    topology = {name: stage for name, stage in stages.items() if name in ("clients", "entry") or name in str(calls)}
    found = observe(topology).records
    took = [record.pipeline_seconds for record in found["clients"]]
    assert len(took) == 20
    if seconds is None:
        assert all(0.6 < each < 0.7 for each in took)
    else:
        assert took == pytest.approx([seconds] * 20)
    others = [record for name in topology if name != "clients" for record in found[name]]
    assert {record.pipeline_seconds for record in others} == {None}


def test_a_request_is_counted_from_when_it_was_due():
    """A message that waits for a worker of its injector has been a request all that time."""
    stages = {"clients": clients("entry", workers=1, queue=100, messages=5), "entry": {**LEAF, "delay": "300ms"}}
    took = [record.pipeline_seconds for record in observe(stages).records["clients"]]
    assert sorted(took) == pytest.approx([0.3, 0.5, 0.7, 0.9, 1.1])


def test_a_request_that_fails_is_observed_as_that():
    """With its outcome; the percentiles of a run are those of what succeeded."""
    stages = {
        "clients": clients("entry", messages=200),
        "entry": {**LEAF, "delay": "50ms", "faults": ["error(503, 30%)"]},
    }
    records = observe(stages).records["clients"]
    assert Counter(record.outcome for record in records).keys() == {Outcome.FORWARDED, Outcome.FAULTED}
    assert [record.pipeline_seconds for record in records] == pytest.approx([0.05] * 200)
    result = run_to_its_end(topology_of({**stages, "entry": {**stages["entry"], "faults": ["error(503, 100%)"]}}))
    assert result.whole.every == dict.fromkeys(("p50", "p95", "p99", "max"))
    assert result.ledger.stages[0].faulted == 200


ACCEPTING = {
    "clients": clients("first"),
    "first": {"forward": "accept", "delay": "50ms", "calls": ["second"]},
    "second": {"forward": "accept", "delay": "70ms", "calls": ["last"]},
    "last": {**LEAF, "delay": "20ms"},
}


def test_accepted_work_is_told_apart():
    """A request takes until it is accepted; the work goes on for so long since the message was due, stage by stage."""
    records = observe(ACCEPTING).records
    assert [record.pipeline_seconds for record in records["clients"]] == pytest.approx([0.0] * 20)
    told = {name: {round(record.accepted_work_seconds, 6) for record in records[name]} for name in ("first", "second")}
    assert told == {"first": {0.05}, "second": {0.14}}
    assert {record.accepted_work_seconds for name in ("clients", "last") for record in records[name]} == {None}
    found = whole(ACCEPTING)
    assert found.every["max"] < 0.001
    assert found.accepted["second"]["p50"] == pytest.approx(0.14, rel=0.01)
    assert list(found.accepted) == ["first", "second"]


def test_an_operation_that_accepts_is_told_apart_from_one_that_does_not():
    stages = {
        "clients": clients({"choose": {"orders.place": 1, "orders.list": 1}}, messages=100),
        "orders": {
            "role": "terminator",
            "operations": {
                "place": {"forward": "accept", "delay": "400ms"},
                "list": {"method": "GET", "delay": "30ms"},
            },
        },
    }
    found = whole(stages)
    assert found.requests["orders.place"]["max"] < 0.001
    assert found.requests["orders.list"]["p50"] == pytest.approx(0.03, rel=0.01)
    assert list(found.accepted) == ["orders.place"]
    assert found.accepted["orders.place"]["p50"] == pytest.approx(0.4, rel=0.01)


def test_each_kind_of_request_has_its_own_figures():
    """A choice of an injector makes kinds, of single calls and of journeys; each message is of the one drawn for it."""
    journey = {"steps": ["cart.read", "cart.pay"], "weight": 1}
    stages = {
        "clients": clients({"choose": [{"to": "cart.read", "weight": 3}, journey]}, messages=400),
        "cart": {
            "role": "terminator",
            "operations": {"read": {"method": "GET", "delay": "10ms"}, "pay": {"path": "/pay", "delay": "90ms"}},
        },
    }
    records = observe(stages).records["clients"]
    for record in records:
        targets = [f"{call.downstream}.{call.operation}" for call in record.calls]
        assert record.arrival.request == " + ".join(targets)
        assert record.pipeline_seconds == pytest.approx(0.1 if len(targets) == 2 else 0.01)
    kinds = Counter(record.arrival.request for record in records)
    assert 60 < kinds["cart.read + cart.pay"] < 140
    found = whole(stages)
    assert found.requests["cart.read"]["max"] == pytest.approx(0.01, rel=0.01)
    assert found.requests["cart.read + cart.pay"]["p50"] == pytest.approx(0.1, rel=0.01)
    assert found.every["max"] == pytest.approx(0.1, rel=0.01)


def test_two_injectors_have_requests_of_their_own():
    """The run has the percentiles of both, and of each kind by what is called, whoever calls it."""
    stages = {
        "web": clients("shop"),
        "app": clients("shop"),
        "cron": clients("report"),
        "shop": {**LEAF, "delay": "10ms"},
        "report": {**LEAF, "delay": "800ms", "workers": 100},
    }
    found = whole(stages)
    assert {name: percentiles["p50"] for name, percentiles in found.requests.items()} == {
        "shop": pytest.approx(0.01, rel=0.01),
        "report": pytest.approx(0.8, rel=0.01),
    }
    assert (found.every["p50"], found.every["max"]) == pytest.approx((0.01, 0.8), rel=0.01)


def test_a_leaf_that_is_a_database_and_instances_change_nothing():
    stages = {
        "clients": clients("entry"),
        "entry": {"instances": 3, "delay": "5ms", "calls": ["db.SELECT", "db.UPDATE"]},
        "db": {
            "kind": "database",
            "system": "postgresql",
            "role": "terminator",
            "instances": 2,
            "operations": {"SELECT": {"delay": "15ms"}, "UPDATE": {"path": "/update", "delay": "30ms"}},
        },
    }
    seen = observe(stages)
    assert [record.pipeline_seconds for record in seen.records["clients"]] == pytest.approx([0.05] * 20)
    assert whole(stages).every["p50"] == pytest.approx(0.05, rel=0.01)


def test_a_proxy_is_part_of_the_way():
    """A request through it took its delay and that of the service behind it, also if it relays a failure."""
    stages = {
        "clients": clients("front"),
        "front": {"answer": "downstream", "delay": "40ms", "calls": ["back"]},
        "back": {**LEAF, "delay": "60ms", "faults": ["error(503, 50%)"]},
    }
    records = observe(stages).records
    assert {record.outcome for record in records["clients"]} == {Outcome.FORWARDED, Outcome.FAULTED}
    assert [record.pipeline_seconds for record in records["clients"]] == pytest.approx([0.1] * 20)
    assert {record.pipeline_seconds for record in (*records["front"], *records["back"])} == {None}


def test_a_message_that_is_broken_off_is_observed_as_that():
    """Until it was broken off."""
    stages = {"clients": clients({"to": "entry", "timeout": "2h"}, messages=1), "entry": {**LEAF, "delay": "1h"}}
    kernel, seen = Kernel(), Seen()
    seen.now = kernel.now
    system = VirtualSystem(topology_of(stages), kernel, seen.setup)
    system.start()
    kernel.run(10.0)
    system.break_off()
    (record,) = seen.records["clients"]
    assert record.outcome is Outcome.BROKEN_OFF
    assert record.pipeline_seconds == pytest.approx(10.0 - record.arrival.due_at)
