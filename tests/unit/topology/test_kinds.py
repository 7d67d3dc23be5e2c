"""Kinds of stages: what a database's callers see of it, and what is refused."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.errors import ConfigurationError
from simulator.topology.addresses import routes_of
from simulator.topology.kinds import DatabaseOperation, Kind
from simulator.topology.reader import parse_topology, write_topology
from simulator.topology.settings import resolve_topology_stage

SHOP = """
name: shop
stages:
  shop: {calls: [db.find, cache]}
  db: {kind: database, system: postgresql, namespace: orders, operations: {find: {}, set: {span: set_order}}}
  cache: {kind: cache, system: redis}
  pay: {kind: external, server_span: true}
"""


def read(text):
    return parse_topology(text, "shop.yaml", no_samples, "shop")


def mistakes(stage, **more):
    others = "".join(f"  {name}: {text}\n" for name, text in more.items())
    with pytest.raises(ConfigurationError) as caught:
        read(f"name: shop\nstages:\n  shop: {stage}\n{others}")
    return [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"operation": "find", "collection": "carts", "namespace": "orders"}, "find carts"),
        ({"operation": "find", "namespace": "orders"}, "find orders"),
        ({"operation": "find"}, "find"),
        ({"namespace": "orders"}, "orders"),
        ({}, "postgresql"),
    ],
)
def test_a_database_s_span_has_the_name_that_the_conventions_ask_for(known, name):
    """The operation and its target; without both, the system."""
    assert DatabaseOperation(system="postgresql", **known).span_name == name


def test_the_callers_of_a_database_see_its_operations():
    """A route has what the file says of the database; one to anything else has none."""
    stages = read(SHOP).stages
    found = routes_of(stages["db"])
    wanted = DatabaseOperation(system="postgresql", operation="find", namespace="orders")
    assert found["find"].database == wanted
    assert dict(wanted.attributes) == {
        "db.system.name": "postgresql",
        "db.operation.name": "find",
        "db.namespace": "orders",
    }
    assert found["set"].span == "set_order"
    assert routes_of(stages["cache"])[""].database == DatabaseOperation(system="redis")
    assert routes_of(stages["pay"])[""].database is None


def test_only_services_have_spans_of_their_own_unless_asked_for():
    """`server_span` decides; without it the kind does."""
    stages = read(SHOP).stages
    assert {name: stage.has_server_span for name, stage in stages.items()} == {
        "shop": True,
        "db": False,
        "cache": False,
        "pay": True,
    }


def test_kinds_are_written_as_they_were_read():
    topology = read(SHOP)
    assert read(write_topology(topology)) == topology


@pytest.mark.parametrize("kind", [Kind.DATABASE, Kind.CACHE])
def test_a_database_without_a_system_is_refused(kind):
    (message,) = mistakes(f"{{kind: {kind}}}")
    assert f"a {kind} has a system: write one" in message


@pytest.mark.parametrize("key", ["system", "namespace"])
def test_only_a_database_has_a_system(key):
    (message,) = mistakes(f"{{{key}: orders}}")
    assert f"only a database or cache has a {key}" in message


def test_an_injector_is_a_service():
    (message,) = mistakes("{role: injector, load: {rate: 1/s}, calls: [db], kind: external}", db="{}")
    assert "an injector is not called, so it has no kind" in message


def test_an_unknown_kind_gets_the_nearest():
    (message,) = mistakes("{kind: databse, system: redis}")
    assert "database" in message


def test_a_span_s_name_is_one_line():
    (message,) = mistakes('{span: "a\\nb"}')
    assert "must be one line of at most 200 characters" in message


EXTERNAL = "{kind: external, url: 'http://127.0.0.1:9000/base', operations: {get: {method: GET, path: '/x/{id}'}}}"


def test_an_external_service_is_called_at_its_url():
    """With the path of the operation after it, if it has several; it is no stage of the run."""
    topology = read(
        "name: shop\nstages:\n  shop: {calls: [pay.get, flat, secret]}\n"
        f"  pay: {EXTERNAL}\n"
        "  flat: {kind: external, url: 'http://127.0.0.1:9001/charge'}\n"
        "  secret: {kind: external, url: 'https://joe:word@example.org', path: /v1}\n"
    )
    assert list(topology.started) == ["shop"]
    found = {one.name: one for one in resolve_topology_stage(topology, "shop", {}, no_samples).downstreams}
    assert {name: one.urls for name, one in found.items()} == {
        "pay": ("http://127.0.0.1:9000/base",),
        "flat": ("http://127.0.0.1:9001/charge",),
        "secret": ("https://example.org/v1",),
    }
    assert not any(one.is_stage for one in found.values())
    assert list(found["secret"].authorizations.values()) == ["Basic am9lOndvcmQ="]
    assert read(write_topology(topology)) == topology


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("{url: 'http://h:1'}", "only an external service has a url"),
        ("{kind: external, url: 'http://h:1', calls: [other]}", "what a service at a URL calls is its own affair"),
        ("{kind: external, url: 'http://h:1', port: 80}", "leave out port"),
        ("{kind: external, url: 'http://h:1', instances: 2}", "leave out instances"),
        ("{kind: external, url: 'ftp://h:1'}", "is not a URL"),
        ("{kind: external, url: 'http://h:1/?a=b'}", "must end before its query"),
    ],
)
def test_what_a_service_at_a_url_can_t_have(stage, message):
    found = mistakes("{calls: [pay]}", pay=stage, other="{}")
    assert any(message in text for text in found), found


def test_an_external_service_that_nobody_calls_is_refused():
    (message,) = mistakes("{}", pay="{kind: external, url: 'http://h:1'}")
    assert "no stage calls this external service" in message


def test_an_external_service_can_t_be_started():
    topology = read(f"name: shop\nstages:\n  shop: {{calls: [pay.get]}}\n  pay: {EXTERNAL}\n")
    with pytest.raises(ConfigurationError, match="is called, and not started"):
        resolve_topology_stage(topology, "pay", {}, no_samples)


@pytest.mark.parametrize(
    "stage",
    [
        "{answer: downstream}",
        "{answer: downstream, calls: [other, other]}",
        "{answer: downstream, calls: [{to: other, optional: true}]}",
        "{answer: downstream, calls: [{to: other, probability: 50%}]}",
        "{answer: downstream, calls: [{parallel: [other, other]}]}",
    ],
)
def test_the_answer_of_a_downstream_is_that_of_one_call(stage):
    (message,) = mistakes(stage, other="{}")
    assert "needs exactly one call" in message


def test_a_stage_that_answers_as_its_downstream_takes_any_path():
    """Unless it has operations; below its own path, if it has one."""
    stages = read(
        "name: shop\nstages:\n"
        "  a: {answer: downstream, calls: [other]}\n"
        "  b: {answer: downstream, path: /api, calls: [other]}\n"
        "  c: {answer: downstream, calls: [other], operations: {get: {method: GET, path: /x}}}\n"
        "  other: {}\n"
    ).stages
    found = {name: (stage.takes_any_path, stage.route) for name, stage in stages.items()}
    assert found == {"a": (True, "/*"), "b": (True, "/api/*"), "c": (False, "/messages"), "other": (False, "/messages")}


def test_attributes_by_the_conventions_names_beat_what_follows_from_names():
    """Two finds of one database differ in their collections, and both are finds."""
    stages = read(
        "name: shop\nstages:\n  shop: {calls: [db.find_number]}\n"
        "  db:\n    kind: database\n    system: mongodb\n    namespace: hotel\n    operations:\n"
        "      find_number: {attributes: {db.operation.name: find, db.collection.name: number}}\n"
        "      insert: {attributes: {db.collection.name: reservation}}\n"
    ).stages
    found = {name: route.database.span_name for name, route in routes_of(stages["db"]).items()}
    assert found == {"find_number": "find number", "insert": "insert reservation"}
