"""Services that call each other, or themselves: they stop like any others, and what they have admitted gets through."""

from __future__ import annotations

import re
import signal
import threading

import pytest

from tests.support.containers import running_container
from tests.support.processes import is_alive, running_topology, wait_for

CIRCLE = """
name: circle
drain_timeout: 60s
stages:
  cart:
    host: 127.0.0.1
    port: PORT1
    operations:
      pay: {path: /pay, calls: [stock.take]}
      read: {path: /read}
  stock:
    host: 127.0.0.1
    port: PORT2
    operations:
      take: {path: /take, delay: 1500ms, calls: [cart.read]}
"""
ALONE = """
name: alone
drain_timeout: 60s
stages:
  cart:
    host: 127.0.0.1
    port: PORT1
    operations:
      pay: {path: /pay, delay: 1500ms, calls: [cart.read]}
      read: {path: /read}
"""
RUN = """
name: shop
seed: 7
stages:
  shoppers: {role: injector, load: {rate: 50/s}, calls: [cart.pay]}
  cart:
    forward: FORWARD of cart
    operations:
      pay: {path: /pay, delay: 100ms, calls: [stock.take, cart.look]}
      read: {path: /read}
      look: {path: /look}
  stock: {forward: FORWARD of stock, operations: {take: {path: /take, delay: 100ms, calls: [cart.read]}}}
"""


@pytest.mark.parametrize(
    ("text", "names", "flags"),
    [
        (CIRCLE, ("cart", "stock"), ()),
        (CIRCLE, ("cart", "stock"), ("--processes", "2")),
        (ALONE, ("cart",), ()),
    ],
    ids=["one process", "two processes", "by itself"],
)
def test_a_container_stops_when_what_it_has_admitted_is_done(tmp_path, text, names, flags):
    """SIGTERM comes while a message is on its way through the circle, and before it calls back."""
    with running_container(tmp_path, text, names, *flags) as container:
        answers = []
        sender = threading.Thread(target=lambda: answers.append(container.post("/pay")))
        sender.start()
        last = names[-1]
        wait_for(
            lambda: [line for line in container.lines("message.received") if line["stage"] == last],
            f"the message at {last}",
        )
        container.process.send_signal(signal.SIGTERM)
        assert container.process.wait(50) == 0
        sender.join(50)
        assert [(answer.status_code, answer.json()["outcome"]) for answer in answers] == [(200, "forwarded")]
        unfinished = {line["stage"]: line["unfinished"] for line in container.lines("stage.stopped")}
        assert unfinished == dict.fromkeys(names, 0)


@pytest.mark.parametrize("accepting", ["cart", "stock", "cart and stock"])
@pytest.mark.parametrize("processes", ["3", "1"])
def test_a_run_of_services_in_a_circle_loses_nothing_at_its_end(tmp_path, processes, accepting):
    """What was accepted before Ctrl-C is done to the end, though it calls services that have been asked to stop."""
    text = RUN
    for name in ("cart", "stock"):
        text = text.replace(f"FORWARD of {name}", "accept" if name in accepting else "wait")
    with running_topology(tmp_path, text, "--processes", processes) as running:
        wait_for(
            lambda: len([line for line in running.log("stock") if line["event"] == "message.handled"]) > 20, "traffic"
        )
        assert running.interrupt() == 0
    ledger = running.report()["ledger"]
    assert ledger["balanced"], ledger["problems"]
    assert {line["stage"]: line["failed"] for line in ledger["stages"]} == {"shoppers": 0, "cart": 0, "stock": 0}


@pytest.mark.parametrize("processes", ["3", "1"])
def test_nothing_is_left_of_a_circle_whose_runner_is_killed(tmp_path, processes):
    """Each stage ends, though each is called by another that is still there."""
    with running_topology(tmp_path, re.sub("FORWARD of [a-z]+", "accept", RUN), "--processes", processes) as running:
        pids = {running.pid(name) for name in ("shoppers", "cart", "stock")}
        running.process.kill()
        running.process.wait()
        wait_for(lambda: not any(map(is_alive, pids)), "the end of every stage")
