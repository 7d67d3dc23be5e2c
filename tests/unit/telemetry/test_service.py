"""A stage is the service that OpenTelemetry's variables say, and a run's stages are each their own."""

from __future__ import annotations

import pytest

import simulator
from simulator.telemetry.service import Service, as_the_environment_says, described, for_named_stages

OWN = Service(name="parse", namespace="orders", instance_id="parse-1")
NAME, ATTRIBUTES = "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, {}),
        ({NAME: "", ATTRIBUTES: ""}, {}),
        ({NAME: "shop-cart"}, {"name": "shop-cart"}),
        ({ATTRIBUTES: "service.name=cart"}, {"name": "cart"}),
        ({ATTRIBUTES: "service.name=cart", NAME: "shop-cart"}, {"name": "shop-cart"}),
        ({ATTRIBUTES: "service.name=shop%20cart, service.version = 9"}, {"name": "shop cart", "version": "9"}),
        (
            {ATTRIBUTES: "service.namespace=shop,service.instance.id=pod-7"},
            {"namespace": "shop", "instance_id": "pod-7"},
        ),
        ({ATTRIBUTES: "service.name=,deployment.environment.name=test"}, {}),
    ],
)
def test_what_is_set_counts(environment, said):
    """Each attribute that is set takes the place of the stage's own, and no other does."""
    values = {"name": "parse", "namespace": "orders", "instance_id": "parse-1", "version": "", **said}
    assert as_the_environment_says(OWN, environment) == Service(**values)


def test_the_version_is_the_user_s():
    """A service has no version unless the user gives it one; the simulator's own is that of its distribution."""
    assert "service.version" not in OWN.attributes()
    theirs = as_the_environment_says(OWN, {ATTRIBUTES: "service.version=9"}).attributes()
    assert theirs["service.version"] == "9"
    for attributes in (OWN.attributes(), theirs):
        assert attributes["telemetry.distro.name"] == "web-service-simulator"
        assert attributes["telemetry.distro.version"] == simulator.__version__


def test_what_can_t_be_every_stage_s_is_left_out_of_a_run():
    """A name and an instance's id are left out with a word; what holds for all stages stays."""
    attributes = "service.name=x,deployment.environment.name=test,service.instance.id=y,service.version=9"
    kept, ignored = for_named_stages({NAME: "shop", ATTRIBUTES: attributes, "PATH": "/bin"})
    assert kept == {ATTRIBUTES: "deployment.environment.name=test,service.version=9", "PATH": "/bin"}
    assert [variable for variable, _ in ignored] == [NAME, ATTRIBUTES]
    assert "service.name and service.instance.id" in ignored[1][1]


def test_a_single_stage_of_a_topology_may_have_an_instance_s_id():
    """Its name is the topology's, and its process is the only one that has this environment."""
    kept, ignored = for_named_stages({ATTRIBUTES: "service.name=x,service.instance.id=y"}, are_several=False)
    assert kept == {ATTRIBUTES: "service.instance.id=y"}
    assert ignored == [(ATTRIBUTES, "service.name can't be the same for every stage of a topology; the rest is used")]


def test_a_run_keeps_all_else():
    """Where nothing names a service, the environment stays as it is and nothing is said."""
    environment = {ATTRIBUTES: "a=1, b=%2C", "PATH": "/bin"}
    assert for_named_stages(environment) == (environment, [])


def test_a_topology_describes_its_service():
    """With a version, a namespace and whatever else, over which the environment has the last word."""
    resource = {"service.version": 2, "service.namespace": "team", "cloud.region": "eu", "k8s.node.name": "n1"}
    service = described(OWN, resource)
    assert service.attributes() == {
        **OWN.attributes(),
        "service.version": "2",
        "service.namespace": "team",
        "cloud.region": "eu",
        "k8s.node.name": "n1",
    }
    theirs = as_the_environment_says(service, {ATTRIBUTES: "cloud.region=us,service.version=9"})
    # The SDK itself adds cloud.region, as every other attribute of the environment.
    assert (theirs.version, theirs.namespace, theirs.more) == ("9", "team", {"k8s.node.name": "n1"})
