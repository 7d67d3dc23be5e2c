"""What is wrong with operations, decisions and defaults: each mistake alone, with its place and its remedy."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.errors import ConfigurationError
from simulator.topology.reader import parse_topology

SHOP = """\
stages:
  shoppers:
    role: injector
    load: {rate: 1/s}
    decide: {hit: 90%, tenant: {gold: 5%, silver: 95%}, items: uniform(1, 8)}
    calls:
      - cart.read
  cart:
    operations:
      read: {method: GET, path: "/carts/{id}", calls: [db.find]}
      add: {path: /carts}
  db:
    operations:
      find: {method: GET}
      set: {method: PUT, calls: [cart.add]}
"""
CALL = "cart.read"
ADD = "add: {path: /carts}"


def problems(text):
    """Return what is told of a topology."""
    try:
        parse_topology(text, "shop.yaml", no_samples, "shop")
    except ConfigurationError as error:
        return str(error).splitlines()
    return []


def test_a_circle_of_services_is_none_of_operations():
    """Services may call each other as long as no operation comes to call itself."""
    assert problems(SHOP) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            ADD,
            "add: {method: GET, path: '/carts/{id}'}",
            "11:26: stages.cart.operations.add.path: GET /carts/{id} can be the same as GET /carts/{id} of 'read'",
        ),
        (
            ADD,
            "add: {method: GET, path: /carts/mine}",
            "11:26: stages.cart.operations.add.path: GET /carts/mine can be the same as GET /carts/{id} of 'read'",
        ),
        (
            ADD,
            "add: {method: FETCH, path: '/x'}\n      put: {path: /x}",
            "11:13: stages.cart.operations.add.method: 'FETCH' is not one of GET, HEAD, POST, PUT, PATCH, DELETE",
        ),
        (
            ADD,
            "add: {path: x}\n      put: {path: /add}",
            "11:13: stages.cart.operations.add.path: 'x' must be a path like /messages or /carts/{id}",
        ),
        (
            CALL,
            "cart.raed",
            "7:9: stages.shoppers.calls[0]: 'cart' has no operation 'raed'; did you mean `read`?",
        ),
        (
            CALL,
            "cart.drop",
            "7:9: stages.shoppers.calls[0]: 'cart' has no operation 'drop'; there are read, add",
        ),
        (CALL, "crat.read", "7:9: stages.shoppers.calls[0]: there is no stage 'crat.read'; did you mean `cart.read`?"),
        (
            CALL,
            "cart",
            "7:9: stages.shoppers.calls[0]: 'cart' has several operations: write one of them, as in cart.read",
        ),
        (
            CALL,
            "{to: cart.read, when: hitt}",
            "7:25: stages.shoppers.calls[0].when: no stage decides 'hitt' before a message gets here; "
            "did you mean `hit`?",
        ),
        (
            CALL,
            "{to: cart.read, when: warm}",
            "7:25: stages.shoppers.calls[0].when: no stage decides 'warm' before a message gets here; "
            "there are hit, items, tenant",
        ),
        (
            CALL,
            "{to: cart.read, when: tenant = golden}",
            "7:25: stages.shoppers.calls[0].when: 'tenant' is never golden: it is gold or silver",
        ),
        (
            CALL,
            "{to: cart.read, when: hit = 1}",
            "7:25: stages.shoppers.calls[0].when: 'hit' is never 1: it is true or false",
        ),
        (
            CALL,
            "{to: cart.read, times: tenant}",
            "7:25: stages.shoppers.calls[0].times: 'tenant' is not a number of times: it is gold or silver",
        ),
        (
            CALL,
            "{to: cart.read, request_bytes: 1KB}",
            "7:9: stages.shoppers.calls[0]: a GET has no body: leave out request_bytes",
        ),
        (
            ADD,
            "add: {path: /carts, calls: [cart.read]}\n      buy: {calls: [db.set]}",
            "",
        ),
        (
            ADD,
            "add: {path: /carts, calls: [db.set]}",
            "11:27: stages.cart.operations.add.calls: the calls form a cycle: cart.add -> db.set -> cart.add",
        ),
        (
            "calls: [db.find]",
            "faults: ['error(503, when=\"warm\")']",
            "10:57: stages.cart.operations.read.faults[0]: no stage decides 'warm' before a message gets here; "
            "there are hit, items, tenant",
        ),
        (
            "stages:\n",
            "version: 2\nstaages:\n",
            "1:1: version: this program reads version 1, not 2: a newer one may read it",
        ),
        (
            "stages:\n",
            "defaults: {stages: {on_bad_line: skip, forward: accept}}\nstages:\n",
            "",
        ),
        (
            "stages:\n",
            "defaults: {stages: {port: 8080}}\nstages:\n",
            "1:21: defaults.stages.port: each stage has its own; "
            "the keys calls, input, operations, output, port, role, url have no defaults",
        ),
        (
            "stages:\n",
            "defaults: {stages: {wrkers: 5}}\nstages:\n",
            "1:21: defaults.stages.wrkers: unknown key; did you mean `workers`?",
        ),
        ("stages:\n", "defaults: {calls: {to: cart}}\nstages:\n", "1:20: defaults.calls.to: each call has its own"),
        (
            "stages:\n",
            "defaults: {calls: {timeout: 5}}\nstages:\n",
            "1:20: defaults.calls.timeout: 5 has no unit: write 5ms or 5s",
        ),
        (
            "stages:\n",
            "defaults: {rest: {}}\nstages:\n",
            "1:12: defaults.rest: there are defaults for stages and calls only",
        ),
        # What some can't have is passed over: an injector has one process, and a GET no body.
        ("stages:\n", "defaults: {stages: {instances: 2, slo: {errors: 1%}}}\nstages:\n", ""),
        ("stages:\n", "defaults: {calls: {request_bytes: 1KB}}\nstages:\n", ""),
    ],
)
def test_a_mistake_is_told_once_with_its_place(old, new, told):
    """One mistake is one line, which says where it is, what is wrong, and where it can what was meant."""
    assert old in SHOP
    found = problems(SHOP.replace(old, new, 1))
    assert found == ([f"shop.yaml:{told}"] if told else [])


def test_defaults_that_no_stage_can_have():
    """A default that no stage here can have says nothing, which is told."""
    text = "defaults:\n  stages:\n    on_bad_line: skip\nstages: {a: {calls: [b]}, b: {role: terminator}}\n"
    assert problems(text) == ["shop.yaml:3:5: defaults.stages.on_bad_line: no stage here can have this"]


def test_an_injector_has_no_operations():
    """An injector is not called: one mistake, though what it should call stands there too."""
    text = "stages: {a: {role: injector, load: {rate: 1/s}, operations: {x: {calls: [b]}}}, b: {role: terminator}}"
    assert problems(text) == ["shop.yaml:1:49: stages.a.operations: an injector is not called, so it has no operations"]


@pytest.mark.parametrize("written", ["[]", "''", "false", "x"])
def test_what_no_operations_are(written):
    """Anything but a mapping is refused, also what Python takes for nothing."""
    (told,) = problems(f"stages: {{a: {{operations: {written}}}}}")
    assert told.startswith("shop.yaml:1:14: stages.a.operations: must be a mapping of names to operations, as in")
