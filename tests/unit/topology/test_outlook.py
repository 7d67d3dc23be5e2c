"""What is foreseen of a run: what one message multiplies to, and what will hardly be meant."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.topology.outlook import Outlook
from simulator.topology.reader import parse_topology


def warnings(text):
    return Outlook(parse_topology(text, "file.yaml", no_samples, "any")).warnings()


def of_call(options, stages="slow: {delay: 'lognormal(p50=200ms, p99=400ms)'}"):
    """Return the warnings about a call of `slow` with some options."""
    return warnings(f"stages:\n  front: {{calls: [{{to: slow, {options}}}]}}\n  {stages}\n")


def test_a_timeout_below_the_median():
    """It is told which share of the calls that will be."""
    assert of_call("timeout: 150ms") == [
        "front: about 83% of the calls of slow will time out: the timeout is 150ms, "
        "and its delay is 200ms at the median"
    ]
    assert of_call("timeout: 199ms") != []
    assert of_call("timeout: 201ms") == []


def test_a_timeout_below_what_the_called_stage_itself_waits_for():
    """Its calls take their time, too."""
    stages = "slow: {delay: 1ms, calls: [behind]}\n  behind: {delay: 100ms}"
    assert of_call("timeout: 50ms", stages) == [
        "front: all of the calls of slow will time out: the timeout is 50ms, and its delay is 1ms at the median, "
        "and its calls take 100ms on average"
    ]
    assert of_call("timeout: 102ms", stages) == []


def test_a_stage_that_accepts_answers_before_its_delay():
    """So no timeout is too short for it."""
    assert of_call("timeout: 10ms", "slow: {delay: 1s, forward: accept}") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("timeout: 1s, deadline: 1s, retries: 2", "an attempt to call slow that times out leaves no time for a retry"),
        (
            "timeout: 1s, deadline: 3s, retries: 'retries(5, backoff=1s)'",
            "the pauses between them take 12.5s on average",
        ),
        ("timeout: 1s, deadline: 3s, retries: 2", None),
        ("deadline: 3s, retries: 2", None),
        ("timeout: 1s, deadline: 1s", None),
    ],
)
def test_a_deadline_without_time_for_the_retries(options, said):
    """With a timeout of its own that is as long, or with pauses that are longer, retries are never made."""
    found = of_call(options)
    assert (len(found) == 1 and said in found[0]) if said else found == []


LOADED = """
stages:
  start: {role: injector, load: {rate: 100/s}, calls: [{choose: {shop.read: 1, shop.pay: 1}}]}
  shop:
    WORKERS
    operations:
      read: {method: GET, path: /r, delay: 20ms}
      pay: {path: /p, delay: 100ms, calls: [bank]}
  bank: {delay: 80ms}
"""


@pytest.mark.parametrize(
    ("workers", "too_few"),
    [
        ("workers: 9", True),
        ("workers: 10", False),
        ("{workers: 3, instances: 3}", True),
        ("{workers: 3, instances: 2..4}", False),
        ("{workers: 4, rate_limit: 30/s}", False),
    ],
)
def test_workers_that_the_load_keeps_busy(workers, too_few):
    """Half of 100/s keep one for 20 ms, half for 180 ms: ten are busy on average, over all operations."""
    found = warnings(LOADED.replace("WORKERS", workers.strip("{}").replace(", ", "\n    ")))
    said = (
        "shop has too few workers for the load: 100/s, each for 100ms, keep 10 busy, and there are 9; "
        "its queue fills, and the rest is answered 503"
    )
    assert found == ([said] if too_few else [])


def test_what_one_message_multiplies_to():
    """Of several entries it is the one from which an operation is called most often."""
    text = """
stages:
  one: {role: injector, calls: [a]}
  two: {calls: [{to: a, retries: 2}]}
  a: {calls: [{to: b, times: 2}]}
  b: {}
"""
    found = Outlook(parse_topology(text, "file.yaml", no_samples, "any")).multiplied()
    assert [(one.entry[0], one.called[0], one.max_calls, one.mean_calls) for one in found] == [
        ("two", "a", 3, 1.0),
        ("two", "b", 6, 2.0),
    ]
