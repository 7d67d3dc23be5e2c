"""A topology in words: what `check` says of it."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from simulator.behaviour.delays import no_samples
from simulator.local.description import describe
from simulator.topology.reader import parse_topology

NOBODY = "".join(f"  {name}: {{calls: []}}\n" for name in ("audit", "price", "stock"))


def described(text):
    """Give the lines of a description, spaces at their ends left out."""
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(describe(parse_topology(text, "file.yaml", no_samples, "default")))
    return [line.rstrip() for line in console.export_text().splitlines()]


def cells(line):
    return re.split(r"\s{2,}", line.strip())


def row_of(text, name):
    (row,) = [cells(line) for line in described(text) if line.split()[:1] == [name]]
    return row


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
    assert lines[-1] == "messages come in at injector (20/s, constant)"
    assert [cells(line) for line in lines[2:6]] == [
        ["stage", "role", "delay", "workers", "queue", "faults", "calls"],
        ["injector", "injector", "constant(0s)", "1000", "1000", "-", "parse"],
        [
            "parse x 3",
            "processor",
            "lognormal(p50=12ms, p99=80ms)",
            "8",
            "64",
            "error(503, 5%), hang(2s, 1%, instance=2)",
            "archive",
        ],
        ["archive", "terminator", "constant(0s)", "1000", "1000", "-", "-"],
    ]


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ("[]", "-"),
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
    assert row_of(f"stages:\n  front: {{calls: {calls}}}\n{NOBODY}", "front")[-1] == words


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
    assert described(text)[-1] == f"messages come in at source ({words})"


def test_an_injector_without_a_load_takes_messages():
    """An injector that makes no messages of its own is one that messages are sent to."""
    text = "stages:\n  source: {role: injector, calls: [end]}\n  end: {role: terminator}\n"
    assert described(text)[-1] == "messages come in at source (POST)"


@pytest.mark.parametrize("load", ["{messages: 5}", "{concurrency: 4}"])
def test_an_injector_in_a_closed_loop_takes_no_messages(load):
    """An injector whose load has no rate makes its messages itself, as fast as they are taken."""
    text = f"stages:\n  source: {{role: injector, load: {load}, calls: [end]}}\n  end: {{role: terminator}}\n"
    assert "POST" not in described(text)[-1]


def test_a_stage_that_nobody_calls_takes_messages():
    """A topology without an injector takes messages where no other stage calls, and says so."""
    text = "stages:\n  front: {calls: [audit]}\n  back: {calls: [audit]}\n  audit: {calls: []}\n"
    assert described(text)[-1] == "messages come in at front (POST), back (POST)"
