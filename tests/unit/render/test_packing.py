"""A topology in few containers: stages share one, and each is found by its name at a port of its own."""

from __future__ import annotations

import functools
import itertools
import shutil
import subprocess
import urllib.parse
from dataclasses import replace
from pathlib import Path

import jsonschema.validators
import kubernetes_validate
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_validate import utils

from simulator.errors import ConfigurationError
from simulator.render.compose import compose_files
from simulator.render.containers import in_containers
from simulator.render.kubernetes import kubernetes_files
from simulator.render.packing import grace_seconds, pack
from simulator.topology.graph import calls_of, entries
from simulator.topology.layers import from_environment, from_flags
from simulator.topology.model import Processes, Role, Stage, Topology
from simulator.topology.quantities import Instances
from simulator.topology.reader import parse_topology, read_topology
from simulator.topology.samples import samples_beside
from simulator.topology.settings import resolve_topology_stage
from simulator.topology.several import given_to_each
from tests.support.documents import read_document, read_documents

ROOT = Path(__file__).resolve().parents[3]
VERSION = "1.37"
READY_MADE = {path.stem: read_topology(path) for path in sorted((ROOT / "topologies").glob("*.yaml"))}
TEXT = """
name: shop
stages:
  clients: {role: injector, load: {rate: 5/s}, calls: [shop]}
  webhook: {path: /hooks, calls: [audit]}
  shop:
    calls:
      - {to: stock, headers: {X-Key: "${STOCK_KEY}"}}
      - {to: price, headers: {X-Key: "${PRICE_KEY}"}}
      - archive
  price: {faults: ["memory(10MiB, 100%)"], workers: 2, calls: [stock]}
  stock: {instances: 2, calls: []}
  audit: {processes: apart, calls: [archive]}
  archive: {role: terminator}
"""
SHOP = parse_topology(TEXT, "shop.yaml", samples_beside(ROOT), "shop")
ALONE = ["clients", "stock", "audit"]
PACKED = {"stages-1": ["webhook", "price"], "stages-2": ["shop", "archive"]}

# It reads all schemas anew for each document.
utils.schema_contents = functools.cache(utils.schema_contents)


def chosen(arguments):
    return [name for flag, name in itertools.pairwise(arguments) if flag == "--stage"]


def settings_of(text, arguments, environment):
    """Return the settings of a container's stages, {stage: settings}, as its process would resolve them."""
    topology = parse_topology(text, "topology.yaml", samples_beside(ROOT), "none")
    given = from_environment(environment) | from_flags({"HOST": arguments[-1]})
    own = given_to_each(given, topology, chosen(arguments))
    return {name: resolve_topology_stage(topology, name, one, samples_beside(ROOT)) for name, one in own.items()}


def documents_of(files):
    for path, text in files.items():
        if path.endswith(".yaml") and path.startswith(("base/", "overlays/")) and "topology" not in path:
            yield from (one for one in read_documents(text) if one.get("kind") not in (None, "Kustomization"))


def kinds(files, kind):
    return {one["metadata"]["name"]: one for one in documents_of(files) if one["kind"] == kind}


def test_stages_are_spread_over_as_many_containers_as_are_asked_for():
    """Those that can share one do; injectors, several instances and `processes: apart` have their own."""
    _, packed = pack(in_containers(SHOP, ()), 2)
    assert {name: list(names) for name, names in packed.items()} == PACKED | {name: [name] for name in ALONE}


def test_one_stage_for_each_container_is_the_default_and_the_most():
    """More containers than stages are as many as there are stages, each with its stage's name and on 8080."""
    topology = in_containers(SHOP, ())
    assert pack(topology, None) == (topology, {name: (name,) for name in SHOP.stages})
    many, packed = pack(topology, 100)
    assert many == topology
    assert {name: list(names) for name, names in packed.items()} == {name: [name] for name in SHOP.stages}


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(Processes), st.sampled_from((Role.INJECTOR, Role.PROCESSOR))),
        min_size=1,
        max_size=12,
    ),
    st.none() | st.integers(1, 9),
)
def test_every_stage_is_in_one_container_at_a_port_of_its_own(stages, processes):
    """However they are packed, each is there once, and the first of a container listens where its health is asked."""
    topology = Topology(
        name="any",
        stages={
            f"s{n}": Stage(instances=Instances(count), processes=how, role=role, calls=())
            for n, (count, how, role) in enumerate(stages)
        },
    )
    addressed, packed = pack(topology, processes)
    assert sorted(name for names in packed.values() for name in names) == sorted(topology.stages)
    for names in packed.values():
        ports = [addressed.stages[name].port or 8080 for name in names]
        assert ports == [*range(8080, 8080 + len(names))]


def test_a_stage_with_the_name_of_a_container_is_refused():
    """It is told which, and only where there is such a container."""
    stages = {name: Stage(role=Role.TERMINATOR) for name in ("stages-1", "other")}
    topology = Topology(name="t", stages=stages)
    for render in (functools.partial(compose_files, repository=".."), kubernetes_files):
        with pytest.raises(ConfigurationError, match=r"stages\.stages-1: the name is reserved for a container"):
            render(topology, processes=1)
        assert render(topology, processes=2)


def test_an_instance_with_the_name_of_a_container_is_refused():
    """In Compose an instance is a service of its own."""
    stages = {"stages": Stage(instances=Instances(2), calls=()), "a": Stage(calls=()), "b": Stage(calls=())}
    with pytest.raises(ConfigurationError, match="an instance would be called stages-1, like another service"):
        compose_files(Topology(name="t", stages=stages), "..", 1)


def test_the_time_to_stop_covers_a_chain_in_one_container():
    """A stage stops after those in its container that call it, so that their times add up, and only theirs."""
    lines = "drain_timeout: 10s, stages: {a: {calls: [b]}, b: {calls: [c]}, c: {calls: [d]}, d: {calls: []}}"
    topology = parse_topology(f"{{name: t, {lines}}}", "t", samples_beside(ROOT), "t")
    assert grace_seconds(*pack(topology, None)) == dict.fromkeys("abcd", 30)
    assert grace_seconds(*pack(topology, 1)) == {"stages-1": 120}
    assert grace_seconds(*pack(topology, 2)) == {"stages-1": 30, "stages-2": 30}


@pytest.fixture(scope="module")
def compose():
    return compose_files(SHOP, "..", 2)


@pytest.fixture(scope="module")
def services(compose):
    everything = read_document(compose["compose.yaml"])["services"]
    return {name: options for name, options in everything.items() if "simulator.stage" in options.get("labels", {})}


@pytest.fixture(scope="module")
def kubernetes():
    return kubernetes_files(SHOP, None, 2)


@pytest.mark.parametrize("topology", [SHOP, *READY_MADE.values()], ids=lambda topology: topology.name)
def test_the_files_are_valid(topology):
    """As strictly as those of one stage for each container."""
    schema = get_builtin_schema("vendor.compose-spec")
    project = read_document(compose_files(topology, "..", 2)["compose.yaml"])
    assert not list(jsonschema.validators.validator_for(schema)(schema).iter_errors(project))
    for document in documents_of(kubernetes_files(topology, None, 2)):
        if document["kind"] != "PodMonitor":
            kubernetes_validate.validate(document, VERSION, strict=True)


def test_each_stage_of_a_service_is_found_by_its_name(services):
    """Its name is an alias of the service, and its number of instances leads to services as before."""
    assert set(services) == {*PACKED, "clients", "audit", "stock-1", "stock-2"}
    aliases = {name: options["networks"]["default"]["aliases"] for name, options in services.items() if name in PACKED}
    assert aliases == PACKED
    assert not any("networks" in options for name, options in services.items() if name not in PACKED)


def test_each_stage_is_the_stage_of_the_file_and_calls_go_to_its_port(compose, services):
    """Every container resolves its stages as on one machine, and finds what they call where that listens."""
    listening, called = {}, {}
    for service, options in services.items():
        found = settings_of(compose["topology.yaml"], options["command"], options["environment"])
        for name, settings in found.items():
            assert replace(settings.stage, host=None, port=None) == replace(SHOP.stages[name], host=None, port=None)
            assert settings.host == "0.0.0.0"
            host = service if SHOP.stages[name].instances > 1 else name
            listening.setdefault(name, set()).add(f"{host}:{settings.port}")
            for one in settings.downstreams:
                called.setdefault(name, {})[one.name] = {urllib.parse.urlsplit(url).netloc for url in one.urls}
    assert listening["price"] == {"price:8081"} and listening["stock"] == {"stock-1:8080", "stock-2:8080"}
    for name, stage in SHOP.stages.items():
        assert called.get(name, {}) == {call.to: listening[call.to] for _, call in calls_of(stage)}


def test_a_service_gets_the_variables_of_all_its_stages(services):
    """Headers, and the addresses of several instances; what no stage in it needs is not there."""
    own = [services[name]["environment"].keys() for name in ("stages-1", "stages-2", "audit")]
    common = {"OTEL_EXPORTER_OTLP_ENDPOINT", "SIMULATOR_RUN_SECRET"}
    assert [set(keys) - common for keys in own] == [
        {"SIMULATOR_DOWNSTREAM"},
        {"SIMULATOR_DOWNSTREAM", "STOCK_KEY", "PRICE_KEY"},
        set(),
    ]


def test_entries_are_published_and_injectors_wait_for_services(services):
    """The target of a published port is the stage's own, and each service that is waited for is one that exists."""
    assert entries(SHOP) == ("clients", "webhook")
    published = {name: options["ports"] for name, options in services.items() if "ports" in options}
    assert published == {"clients": ["127.0.0.1:8080:8080"], "stages-1": ["127.0.0.1:8081:8080"]}
    waits = {name for name, how in services["clients"]["depends_on"].items() if how["condition"] == "service_healthy"}
    assert waits == {"stages-1", "stages-2", "stock-1", "stock-2"}


def test_prometheus_asks_each_stage(compose, kubernetes):
    """One target for each, by its name and port, in both."""
    expected = {"clients:8080", "webhook:8080", "price:8081", "shop:8080", "archive:8081", "audit:8080"}
    for text, instances in (
        (compose["prometheus/prometheus.yml"], {"stock-1:8080", "stock-2:8080"}),
        (kubernetes["observability/prometheus/prometheus.yml"], {"stock-1.stock:8080", "stock-2.stock:8080"}),
    ):
        jobs = {job["job_name"]: job["static_configs"] for job in read_document(text)["scrape_configs"]}
        targets = [target for static in jobs["stages"] for target in static["targets"]]
        assert len(targets) == len(set(targets))
        assert set(targets) == expected | instances


def test_each_stage_of_a_pod_has_a_service(kubernetes):
    """It leads to the pod that the stage is in, at the stage's own port, and announces that for scraping."""
    assert set(kinds(kubernetes, "Deployment")) == {*PACKED, "clients", "audit"}
    services = kinds(kubernetes, "Service")
    assert set(services) == set(SHOP.stages)
    for pod, names in PACKED.items():
        template = kinds(kubernetes, "Deployment")[pod]["spec"]["template"]
        container = template["spec"]["containers"][0]
        assert chosen(container["args"]) == names
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        assert ports == {"http": 8080, "http-8081": 8081}
        assert "annotations" not in template["metadata"]
        for number, name in enumerate(names):
            (port,) = services[name]["spec"]["ports"]
            assert (port["port"], ports[port["targetPort"]]) == (8080 + number, 8080 + number)
            assert services[name]["spec"]["selector"].items() <= template["metadata"]["labels"].items()
            assert services[name]["metadata"]["annotations"]["prometheus.io/port"] == str(8080 + number)


def test_an_operators_prometheus_scrapes_every_port(kubernetes):
    """The PodMonitor has an endpoint for each port that a stage of a pod may have."""
    endpoints = kinds(kubernetes, "PodMonitor")["stages"]["spec"]["podMetricsEndpoints"]
    assert [one["port"] for one in endpoints] == ["http", "http-8081"]


def test_policies_admit_the_ports_of_all_stages_and_outsiders_only_to_entries(kubernetes):
    """Stages and Prometheus reach every port, clients from anywhere only the ports of entries."""
    policies = {name: policy["spec"] for name, policy in kinds(kubernetes, "NetworkPolicy").items()}
    everything = [{"port": 8080, "endPort": 8081}]
    for rule in (policies["stages"]["ingress"][0], policies["stages"]["egress"][0]):
        assert rule["ports"] == everything
    assert policies["scraped-by-operator"]["ingress"][0]["ports"] == everything
    inlets = {
        tuple(policy["podSelector"]["matchExpressions"][0]["values"]): policy["ingress"]
        for name, policy in policies.items()
        if name.startswith("entries")
    }
    assert inlets == {("clients",): [{"ports": [{"port": 8080}]}], ("stages-1",): [{"ports": [{"port": 8080}]}]}


def test_a_pod_asks_for_what_its_stages_need(kubernetes):
    """Requests grow with the stages, up to the one core that a process can use, and memory faults add up."""
    pods = {
        name: one["spec"]["template"]["spec"]["containers"][0] for name, one in kinds(kubernetes, "Deployment").items()
    }
    assert pods["audit"]["resources"]["requests"] == {"cpu": "50m", "memory": "96Mi"}
    assert pods["stages-1"]["resources"]["requests"] == {"cpu": "100m", "memory": "97Mi"}
    assert pods["stages-1"]["resources"]["limits"] == {"memory": f"{512 + 4 + 2 * 10}Mi"}
    many = Topology(name="t", stages={f"s{number}": Stage(calls=()) for number in range(100)})
    (large,) = kinds(kubernetes_files(many, None, 1), "Deployment").values()
    resources = large["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "1000m", "memory": "195Mi"}, "limits": {"memory": f"{512 + 4 * 99}Mi"}}


def test_an_injectors_pod_waits_for_every_stage(kubernetes):
    """Each is asked by its name at its own port."""
    (waiting,) = kinds(kubernetes, "Deployment")["clients"]["spec"]["template"]["spec"]["initContainers"]
    hosts = {urllib.parse.urlsplit(url).netloc for url in waiting["command"][3:]}
    assert hosts == {"shop:8080", "price:8081", "archive:8081", "stock-1.stock:8080", "stock-2.stock:8080"}


def test_a_range_keeps_its_autoscaler():
    """A stage whose number of instances is a range shares no pod."""
    text = "{name: t, stages: {a: {instances: 1..3, calls: []}, b: {calls: []}, c: {calls: []}}}"
    files = kubernetes_files(parse_topology(text, "t", samples_beside(ROOT), "t"), None, 1)
    assert set(kinds(files, "HorizontalPodAutoscaler")) == {"a"}
    assert set(kinds(files, "Deployment")) == {"a", "stages-1"}


@pytest.mark.processes
def test_kustomize_reads_it(kubernetes, tmp_path):
    """The base is complete: every resource that it names is there."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    for path, text in kubernetes.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    command = [program, "kustomize", str(tmp_path)]
    made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    names = {one["metadata"]["name"] for one in read_documents(made.stdout) if one["kind"] == "Service"}
    assert names >= set(SHOP.stages)
