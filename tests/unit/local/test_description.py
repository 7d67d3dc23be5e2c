"""A topology in words: what `check` says of it."""

from __future__ import annotations

import io
import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from simulator.behaviour.delays import no_samples
from simulator.local.description import describe
from simulator.topology.graph import calls_of
from simulator.topology.model import Stage, Topology
from simulator.topology.reader import parse_topology
from simulator.topology.structure import unstructure
from tests.support.examples import examples
from tests.support.tables import cells
from tests.unit.topology.strategies import NAMES, steps

NOBODY = "".join(f"  {name}: {{calls: []}}\n" for name in ("audit", "price", "stock"))


def described(text):
    """Return the lines of a description, spaces at their ends left out."""
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(describe(parse_topology(text, "file.yaml", no_samples, "default")), soft_wrap=True)
    return [line.rstrip() for line in console.export_text().splitlines()]


def details_of(text, name):
    """Return the lines under a stage's own."""
    lines = described(text)
    (start,) = [number for number, line in enumerate(lines) if line.split()[:1] == [name]]
    return [line.strip() for line in itertools.takewhile(lambda line: line.startswith("    "), lines[start + 1 :])]


def row_of(text, name):
    (row,) = [cells(line) for line in described(text) if line.split()[:1] == [name]]
    return row


def steps_of(text, name):
    """Return the calls of a stage in words; None if there is no line of them."""
    found = [line for line in details_of(text, name) if line.startswith("calls: ")]
    return found[0].removeprefix("calls: ") if found else None


def test_a_description_in_full():
    """It has the name, a line for each stage with all that it does, and where messages come in."""
    text = """
name: orders
stages:
  injector: {role: injector, load: {rate: 20/s, arrivals: constant}, calls: [parse]}
  parse:
    delay: lognormal(p50=12ms, p99=80ms)
    workers: 8
    queue: 64
    instances: 3
    faults: ["error(503, 5%)", "hang(2s, 1%, instance=2)"]
    calls: [archive]
  archive: {role: terminator}
"""
    lines = described(text)
    assert lines[0] == "orders: 3 stages, good to run"
    assert lines[-1] == "entries: injector (20/s, constant)"
    assert [cells(line) for line in lines[2:-2] if not line.startswith(" ")] == [
        ["stage", "role", "delay", "workers", "queue"],
        ["injector", "injector", "constant(0s)", "1000", "1000"],
        ["parse x 3", "processor", "lognormal(p50=12ms, p99=80ms)", "8", "64"],
        ["archive", "terminator", "constant(0s)", "1000", "1000"],
    ]
    assert details_of(text, "injector") == ["load: rate 20/s, arrivals constant", "calls: parse"]
    assert details_of(text, "parse") == ["faults: error(503, 5%), hang(2s, 1%, instance=2)", "calls: archive"]
    assert details_of(text, "archive") == []


def test_all_that_is_not_as_by_default_is_shown():
    """What a stage does and how it calls stands under it, in the words of the file."""
    text = (
        """
seed: 7
drain_timeout: 20s
stages:
  injector: {role: injector, load: {rate: 20/s, arrivals: constant, messages: 500}, calls: [front]}
  front:
    path: /orders
    host: 127.0.0.2
    port: 8085
    instances: 2..6
    max_body: 2MB
    rate_limit: limit(50/s, burst=10)
    forward: accept
    response_bytes: 10KB
    slo: {latency: 300ms@99%, errors: 0.1%}
    calls:
      - to: audit
        timeout: 500ms
        deadline: 2s
        retries: retries(3, backoff=50ms)
        breaker: breaker(failures=5, reset=10s)
        hedge: 200ms
        optional: true
        request_bytes: 1KB
        headers: {Authorization: "Bearer ${TOKEN}", X-Key: "a-secret"}
        fallback: {to: stock, timeout: 1s, times: 2, fallback: price}
      - {parallel: [price, stock], limit: 1}
      - choose: [{to: audit, weight: 60%, timeout: 3s}, {to: price, weight: 40%, times: 2}]
  end: {role: terminator, output: "out.jsonl"}
"""
        + NOBODY
    )
    text = text.replace("[front]", "[front, end]")
    assert described(text)[:2] == ["default: 6 stages, seed 7, good to run", "    drain_timeout: 20s"]
    assert details_of(text, "injector") == ["load: rate 20/s, arrivals constant, messages 500", "calls: front -> end"]
    assert details_of(text, "end") == ["output: out.jsonl"]
    row = row_of(text, "front")
    assert row[0] == "front x 2..6"
    assert sorted(details_of(text, "front")) == sorted(
        [
            "path: /orders",
            "host: 127.0.0.2",
            "port: 8085",
            "max_body: 2000000",
            "rate_limit: limit(50/s, burst=10)",
            "forward: accept",
            "response_bytes: 10KB",
            "slo: latency 300ms@99%, errors 0.1%",
            "calls: audit -> (price | stock, 1 at a time) -> (60% audit or 40% 2 x price)",
            "call to audit: timeout 500ms, deadline 2s, retries(3, backoff=50ms), hedge 200ms, "
            "breaker(failures=5, reset=10s), optional, request_bytes 1KB, "
            "headers Authorization Bearer ${TOKEN}, X-Key ***, "
            "fallback 2 x stock (timeout 1s, fallback price)",
            "call to audit: timeout 3s",
        ]
    )
    assert details_of(text, "price") == []


@given(st.lists(steps(NAMES), max_size=2))
@examples(20)
def test_no_value_of_a_call_is_left_out(some):
    """Whatever a call says is found in the description: the keys that are not as by default, and their values."""
    stage = Stage(calls=tuple(some), max_body_bytes=5)
    topology = Topology(name="any", stages={"a": stage})
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(describe(topology), soft_wrap=True)
    shown = console.export_text()
    for _, call in calls_of(stage):
        for key, value in unstructure(call).items():
            if key not in ("fallback", "optional", "to", "times", "headers"):
                assert str(value) in shown
    assert "max_body: 5" in shown


def test_nothing_is_cut_or_broken_however_wide_it_is():
    """A pipe has no width: long names, delays and many calls are whole, and none moves the others' columns far."""
    names = [f"{'a' * 50}{number}" for number in range(30)]
    text = f"stages:\n  front: {{calls: [{', '.join(names)}]}}\n" + "".join(
        f"  {name}: {{calls: []}}\n" for name in names
    )
    assert steps_of(text, "front") == " -> ".join(names)
    long = "mixture(" + ", ".join(["1%: constant(1s)"] * 40 + ["60%: constant(2s)"]) + ")"
    lines = described(f"stages:\n  a: {{delay: '{long}', calls: [b]}}\n  b: {{calls: []}}\n")
    assert long in lines[3]
    assert len(lines[4]) < 150


def test_what_a_file_holds_is_neither_obeyed_nor_marked_up():
    """An escape sequence in a file's name would repaint the terminal, and [red] would vanish."""
    text = 'stages:\n  a: {role: terminator, output: "[red]\\e]0;x\\a[/red].jsonl"}\n'
    assert details_of(text, "a") == ["output: [red]\\x1b]0;x\\x07[/red].jsonl"]
    text = 'stages:\n  a: {role: injector, input: "[b]\\e[2J", calls: [b]}\n  b: {role: terminator}\n'
    assert described(text)[-1] == "entries: a (from [b]\\x1b[2J)"


def test_thousands_of_stages_are_described_in_time_that_goes_with_them():
    """Described, not laid out: a table of so many rows took minutes."""
    text = "stages:\n" + "".join(f"  s{number}: {{delay: constant(1ms), calls: []}}\n" for number in range(3_000))
    topology = parse_topology(text, "file.yaml", no_samples, "default")
    console = Console(file=io.StringIO(), width=200)
    began = time.process_time()
    console.print(describe(topology, fits=False), soft_wrap=True)
    assert time.process_time() - began < 20
    first = console.file.getvalue().splitlines()[0]
    assert first == "default: 3000 stages, nothing is wrong with it, but it is large for this machine"


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ("[]", None),
        ("[audit]", "audit"),
        ("[audit, price, audit]", "audit -> price -> audit"),
        ("[{to: audit, times: 1, probability: 100%}]", "audit"),
        ("[{to: audit, times: 3}]", "3 x audit"),
        ("[{to: audit, probability: 30%}]", "30% audit"),
        ("[{to: audit, times: 3, probability: 30%}]", "30% 3 x audit"),
        ("[{to: audit, probability: 0}]", "0% audit"),
        ("[{parallel: [audit, price]}]", "(audit | price)"),
        ("[{parallel: [audit, price], probability: 12.5%}]", "12.5% (audit | price)"),
        ("[{parallel: [{to: audit, times: 2}, {to: price, probability: 50%}]}]", "(2 x audit | 50% price)"),
        ("[{choose: {audit: 90%, price: 10%}}]", "(90% audit or 10% price)"),
        ("[{choose: [{to: audit, weight: 25%}, {to: price, weight: 0.75}]}]", "(25% audit or 75% price)"),
        ("[{parallel: [[audit, price], stock]}]", "((audit -> price) | stock)"),
        ("[{parallel: [{choose: {audit: 50%, price: 50%}}, stock]}]", "((50% audit or 50% price) | stock)"),
        ("[{parallel: [[audit, {parallel: [price, stock]}], stock]}]", "((audit -> (price | stock)) | stock)"),
        ("[audit, {parallel: [price, stock]}, {to: audit, times: 2}]", "audit -> (price | stock) -> 2 x audit"),
    ],
)
def test_the_steps_of_a_stage(calls, words):
    """In order is an arrow, at the same time a bar, a choice has its shares, and a perhaps its probability."""
    assert steps_of(f"stages:\n  front: {{calls: {calls}}}\n{NOBODY}", "front") == words


@pytest.mark.parametrize(
    ("injector", "words"),
    [
        ("load: {rate: 20/s}", "20/s, poisson"),
        ("load: {rate: 300/min, arrivals: constant}", "5/s, constant"),
        ("input: orders.jsonl", "from orders.jsonl"),
        ("input: orders.jsonl, load: {rate: 5/s}", "from orders.jsonl"),
        ("load: {messages: 5}, input: '-'", "from -"),
    ],
)
def test_where_the_messages_of_an_injector_are_from(injector, words):
    """An injector says its rate and how messages follow each other, or the file that they are read from."""
    text = f"stages:\n  source: {{role: injector, {injector}, calls: [end]}}\n  end: {{role: terminator}}\n"
    assert described(text)[-1] == f"entries: source ({words})"


def test_an_injector_without_a_load_takes_messages():
    """An injector that makes no messages of its own is one that messages are sent to."""
    text = "stages:\n  source: {role: injector, calls: [end]}\n  end: {role: terminator}\n"
    assert described(text)[-1] == "entries: source (POST)"


@pytest.mark.parametrize("load", ["{messages: 5}", "{concurrency: 4}"])
def test_an_injector_in_a_closed_loop_takes_no_messages(load):
    """An injector whose load has no rate makes its messages itself, as fast as they are taken."""
    text = f"stages:\n  source: {{role: injector, load: {load}, calls: [end]}}\n  end: {{role: terminator}}\n"
    assert "POST" not in described(text)[-1]


def test_a_stage_that_nobody_calls_takes_messages():
    """A topology without an injector takes messages where no other stage calls, and says so."""
    text = "stages:\n  front: {calls: [audit]}\n  back: {calls: [audit]}\n  audit: {calls: []}\n"
    assert described(text)[-1] == "entries: front (POST), back (POST)"


@pytest.mark.parametrize(
    ("front", "words"),
    [
        ("operations: {a: {method: GET, path: /a}, b: {path: /a, calls: [end]}, c: {method: GET}}", "GET, POST"),
        ("method: PUT, path: /a, calls: [end]", "PUT"),
        ("answer: downstream, calls: [end]", "any request"),
    ],
)
def test_an_entry_says_what_requests_it_takes(front, words):
    """The methods of a stage's operations; a stage that stands as a proxy takes any request."""
    text = f"stages:\n  front: {{{front}}}\n  end: {{kind: external, url: 'http://127.0.0.1:9'}}\n"
    assert f"front ({words})" in described(text)[-1]


OPERATIONS = """
defaults: {calls: {timeout: 1s}}
stages:
  front:
    calls: [cart.read, {to: cart.add, timeout: 2s}, {to: audit, timeout: 30s, optional: true}, audit, audit]
  cart:
    delay: 5ms
    faults: ["error(503, 1%)"]
    calls: [{to: audit, fallback: [price, {to: stock, retries: 2}]}]
    operations:
      read: {method: GET, path: "/carts/{id}", delay: 2ms, faults: [], slo: {latency: 300ms@99%}, calls: []}
      add: {response_bytes: 10KB, forward: accept, decide: {tenant: {gold: 1, silver: 9}}}
"""


def test_each_operation_says_what_it_does_otherwise_than_its_stage():
    """Its method and path, and each key of its own; what it has from the stage stands there."""
    assert details_of(OPERATIONS + NOBODY, "cart") == [
        "faults: error(503, 1%)",
        "calls: audit",
        "call to audit: fallback price -> stock (stock: retries(2))",
        "read: GET /carts/{id}",
        "delay: constant(2ms)",
        "faults: none",
        "slo: latency 300ms@99%",
        "calls: none",
        "add: POST /add",
        "forward: accept",
        "response_bytes: 10KB",
        "decide: tenant (gold 1, silver 9)",
    ]


def test_what_most_calls_have_is_said_once():
    """A default of all calls stands at the top, and only calls with another value repeat it."""
    lines = described(OPERATIONS + NOBODY)
    assert lines[1] == "    calls, unless they say otherwise: timeout 1s"
    assert details_of(OPERATIONS + NOBODY, "front") == [
        "calls: cart.read -> cart.add -> audit -> audit -> audit",
        "call to cart.add: timeout 2s",
        "call to audit: optional, timeout 30s",
    ]


def test_a_terminal_of_eighty_columns():
    """Lines are wrapped between words and go on further in; nothing is lost."""
    text = Path("topologies/shop.yaml").read_text()
    topology = parse_topology(text, "file.yaml", no_samples, "default")

    def shown(width):
        console = Console(record=True, width=80, file=io.StringIO())
        console.print(describe(topology, width=width), soft_wrap=True)
        return console.export_text()

    assert max(map(len, shown(80).splitlines())) <= 80 < max(map(len, shown(None).splitlines()))
    assert shown(80).split() == shown(None).split()
