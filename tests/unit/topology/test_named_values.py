"""Attributes, resources, labels and lines to log in a topology: what is taken, what is refused, and what comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.errors import ConfigurationError
from simulator.telemetry.catalogue import spans
from simulator.telemetry.catalogue.metric_records import MoreLabels
from simulator.telemetry.catalogue.metrics import ALWAYS, HTTP_DURATION, METRICS
from simulator.telemetry.record import Outcome
from simulator.topology.instance_values import resource_of
from simulator.topology.labels import DURATION_SERIES, OUTCOME_SERIES, labelled_series
from simulator.topology.model import LogLevel
from simulator.topology.named_values import TAKEN, TAKEN_LABELS
from simulator.topology.reader import write_topology
from tests.support.reading import read

SHOP = """
name: shop
seed: 7
stages:
  start:
    role: injector
    load: {rate: 20/s}
    decide: {hit: 90%, tenant: {gold: 5%, silver: 95%}, items: "uniform(1, 8)"}
    baggage: true
    calls: [cart.read]
  cart:
    instances: 2
    resource: {service.version: [v1, v2], cloud.region: eu, replicas: 3}
    labels: [tenant, app.plan]
    attributes: {app.plan: {free: 90%, paid: 10%}, app.user: pick(10000), zone: a}
    operations:
      read:
        attributes: {zone: b, number: sequence}
        log:
          - "cart {tenant} has {items} items for {app.user}"
          - {level: warning, message: "missed {message_id} in {operation}", when: not hit}
      add: {log: added}
"""
ONE = "name: one\nstages:\n  cart:\n"


def refused(keys):
    """Return what is said of a stage `cart` with these lines."""
    with pytest.raises(ConfigurationError) as error:
        read(ONE + "".join(f"    {line}\n" for line in keys))
    return str(error.value)


def test_a_topology_comes_back():
    """What was read is written, and reads back the same; an operation's attributes are added to the stage's."""
    topology = read(SHOP)
    assert replace(read(write_topology(topology)), name=topology.name) == topology
    cart = topology.stages["cart"]
    plain = {
        name: {key: rule.plain() for key, rule in operation.attributes.items()}
        for name, operation in cart.operations.items()
    }
    assert plain["add"] == {"app.plan": {"free": "90%", "paid": "10%"}, "app.user": "pick(10000)", "zone": "a"}
    assert plain["read"] == {**plain["add"], "zone": "b", "number": "sequence"}
    assert [(line.level, str(line.message)) for line in cart.operations["read"].log] == [
        (LogLevel.INFO, "cart {tenant} has {items} items for {app.user}"),
        (LogLevel.WARNING, "missed {message_id} in {operation}"),
    ]
    assert topology.stages["start"].baggage and not cart.baggage


def test_a_list_has_a_value_for_each_instance():
    cart = read(SHOP).stages["cart"]
    assert resource_of(cart, 1) == {"service.version": "v1", "cloud.region": "eu", "replicas": 3}
    assert resource_of(cart, 2) == {"service.version": "v2", "cloud.region": "eu", "replicas": 3}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["attributes: {http.route: /x}"], "'http.route' can't be the name of an attribute: every span"),
        (["attributes: {simulator.mine: x}"], "'simulator.mine' can't be the name of an attribute"),
        (["attributes: {1a: x}"], "'1a' can't be the name of an attribute: write letters"),
        (["attributes: {a b: x}"], "'a b' can't be the name of an attribute"),
        ([f"attributes: {{{'a' * 64}: x}}"], "can't be the name of an attribute"),
        (["attributes: {price: 1.5}"], "price: 1.5 has a fraction"),
        (["attributes: [a]"], "must be a mapping of names to values"),
        (["resource: {service.version: 1.10}"], "service.version: 1.1 has a fraction: write it in quotes"),
        (["resource: {service.version: [v1, v2]}"], "a list has a value for each instance: 1, not 2"),
        (["instances: 2..3", "resource: {service.version: [v1, v2]}"], "for each instance: 3, not 2"),
        (["resource: {zone: []}"], "this one is empty"),
        (["resource: {service.name: cart}"], "'service.name' is set by the program"),
        (["resource: {telemetry.distro.version: x}"], "'telemetry.distro.version' is set by the program"),
        (["labels: tenant"], "must be a list of decisions and attributes"),
        (["labels: [outcome]"], "'outcome' can't be a label: the metrics have one of this name already"),
        (
            ["attributes: {a.b: x, a-b: y}", "labels: [a.b, a-b]"],
            "'a-b' can't be a label: 'a.b' is one already, as a_b",
        ),
        (["attributes: {tenant: x}", "labels: [tenent]"], "no message has 'tenent' here"),
        (["attributes: {tenant: x}", "labels: [tenent]"], "did you mean `tenant`?"),
        (["attributes: {number: sequence}", "labels: [number]"], "'number' is a sequence"),
        (['log: {message: "{tenent}"}', "decide: {tenant: {a: 1}}"], "did you mean `tenant`?"),
        (['log: {message: "{massage_id}"}'], "did you mean `message_id`?"),
        (["log: {level: warn, message: x}"], "log[0].level: 'warn' is not one of debug, info, warning, error"),
        (["log: {level: info}"], "the key 'message' is missing"),
        (["log: [{message: x, when: hit}]"], "no stage decides 'hit'"),
    ],
)
def test_what_is_refused(keys, said):
    assert said in refused(keys)


def test_the_series_that_labels_make_are_told():
    """Per operation the values of each label, times the series of each combination, in each instance."""
    made = labelled_series(read(SHOP).stages)
    assert list(made) == ["cart"]
    # An operation that nobody with a tenant calls has one value for it, an empty one.
    assert str(made["cart"]) == "(2 tenant x 2 app.plan + 1 tenant x 2 app.plan) x 24 series x 2 instances = 288"
    assert made["cart"].count == 288


def test_too_many_series_are_refused():
    """With the number and its factors; one fewer is taken."""
    said = refused(["attributes: {user: pick(10000), plan: {a: 1, b: 1}}", "labels: [user, plan]"])
    assert "stages.cart.labels: the labels make too many series: 10,000 user x 2 plan x 24 series = 480,000" in said
    assert "fewer than 100,000" in said
    read(f"{ONE}    attributes: {{user: pick(4166)}}\n    labels: [user]\n")
    assert "4,167 user x 24 series = 100,008" in refused(["attributes: {user: pick(4167)}", "labels: [user]"])


def test_the_series_of_all_stages_count():
    stage = "{attributes: {user: pick(3000)}, labels: [user]}"
    with pytest.raises(ConfigurationError, match=r"= 72,000, 144,000 with those of the other stages"):
        read(f"name: two\nstages:\n  a: {stage}\n  b: {stage}\n")


def test_names_are_taken_that_a_span_of_a_message_has():
    """What is refused as an attribute is what the catalogue has for the spans of messages."""
    of_messages = {
        attribute.name for span in (spans.SERVER, spans.INJECT, spans.ACCEPTED) for attribute in span.attributes
    }
    assert {name for name in of_messages if not name.startswith("simulator.")} == TAKEN


def test_labels_are_taken_that_the_metrics_have():
    """What is refused as a label is what the catalogue has for the metrics that get labels."""
    of_metrics = {label for metric in METRICS if metric.more_labels is MoreLabels.ASKED for label in metric.labels}
    assert {*of_metrics, *ALWAYS} == TAKEN_LABELS - {"job", "instance", "le", "quantile"}


def test_each_combination_of_labels_has_the_series_of_the_catalogue():
    """One for each outcome, and a histogram's: its buckets with the infinite one, count and sum."""
    assert len(Outcome) == OUTCOME_SERIES
    assert len(HTTP_DURATION.buckets) + 3 == DURATION_SERIES
