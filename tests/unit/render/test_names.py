"""Stages whose names can't be names of hosts: what these are in Compose and on Kubernetes, and how they are found."""

from __future__ import annotations

import functools
import itertools
import re
import shutil
import subprocess
import urllib.parse
from pathlib import Path

import jsonschema.validators
import kubernetes_validate
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from kubernetes_validate import utils

from simulator.errors import ConfigurationError
from simulator.render.compose import compose_files
from simulator.render.kubernetes import kubernetes_files
from simulator.topology.graph import calls_of, edges
from simulator.topology.layers import from_environment, from_flags
from simulator.topology.reader import parse_topology
from simulator.topology.samples import samples_beside
from simulator.topology.settings import resolve_topology_stage
from simulator.topology.several import given_to_each
from tests.support.documents import read_document, read_documents

LONG = "99f2e7b5" * 7 + "99f2e7b"
TEXT = f"""
name: My.Shop_2
stages:
  Load.gen: {{role: injector, load: {{rate: 5/s}}, calls: [Frontend]}}
  Frontend:
    slo: {{latency: 300ms@99%, errors: 1%}}
    calls: [product_catalog, a.b, 2nd, {{to: "1e3", optional: true}}, y, {LONG}]
  product_catalog: {{instances: 2, calls: [localhost]}}
  a.b: {{calls: []}}
  2nd: {{calls: [{LONG}]}}
  1e3: {{calls: []}}
  y: {{calls: []}}
  localhost: {{calls: []}}
  {LONG}: {{instances: 3, calls: []}}
"""
TOPOLOGY = parse_topology(TEXT, "names.yaml", samples_beside(Path()), "names")
HOSTS = {
    "Load.gen": "load-gen",
    "Frontend": "frontend",
    "product_catalog": "product-catalog",
    "a.b": "a-b",
    "2nd": "stage-2nd",
    "1e3": "stage-1e3",
    "y": "y",
    "localhost": "stage-localhost",
}
LABEL = re.compile("[a-z]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1035
VERSION = "1.37"
packed_or_not = pytest.mark.parametrize("processes", [None, 2])

# It reads all schemas anew for each document.
utils.schema_contents = functools.cache(utils.schema_contents)


@functools.cache
def compose(processes):
    return compose_files(TOPOLOGY, "..", processes)


@functools.cache
def kubernetes(processes):
    return kubernetes_files(TOPOLOGY, None, processes)


def project(processes):
    return read_document(compose(processes)["compose.yaml"])


def documents(processes):
    """Return every manifest of the base, observability and the overlay."""
    found = []
    for path, text in kubernetes(processes).items():
        parts = path.split("/")
        if path.endswith(".yaml") and "topology" not in path and (len(parts) == 2 or parts[0] in ("base", "overlays")):
            found += [one for one in read_documents(text) if one.get("kind") not in (None, "Kustomization")]
    return found


def downstreams(text, arguments, environment):
    """Return where a container's stages send, {stage: {called stage: {HOST:PORT}}}, as their process resolves it."""
    topology = parse_topology(text, "topology.yaml", samples_beside(Path()), "none")
    names = [name for flag, name in itertools.pairwise(arguments) if flag == "--stage"]
    given = from_environment(environment) | from_flags({"HOST": "0.0.0.0"})
    return {
        name: {
            one.name: {urllib.parse.urlsplit(url).netloc for url in one.urls}
            for one in resolve_topology_stage(topology, name, own, samples_beside(Path())).downstreams
        }
        for name, own in given_to_each(given, topology, names).items()
    }


@packed_or_not
def test_the_compose_project_is_valid_and_its_hosts_are(processes):
    """Compose takes the project, and every name in its network is a label of DNS."""
    schema = get_builtin_schema("vendor.compose-spec")
    found = project(processes)
    assert not list(jsonschema.validators.validator_for(schema)(schema).iter_errors(found))
    assert found["name"] == "my-shop-2"
    hosts = set(found["services"])
    for options in found["services"].values():
        hosts |= set(options.get("networks", {}).get("default", {}).get("aliases", []))
    assert all(LABEL.fullmatch(host) for host in hosts)
    assert {HOSTS[name] for name in HOSTS if name != "product_catalog"} | {"product-catalog-1"} <= hosts


@packed_or_not
def test_each_call_in_compose_goes_to_the_service_of_that_stage(processes):
    """A container resolves the stages by their names in the file, and sends to hosts that are these stages."""
    text, services = compose(processes)["topology.yaml"], project(processes)["services"]
    hosts, sends = {}, {}
    for service, options in services.items():
        if "simulator.stage" not in options.get("labels", {}):
            continue
        names = [name for flag, name in itertools.pairwise(options["command"]) if flag == "--stage"]
        sends |= downstreams(text, options["command"], options["environment"])
        aliases = options.get("networks", {}).get("default", {}).get("aliases", [service])
        for name, alias in zip(names, aliases, strict=True):
            hosts.setdefault(name, set()).add(alias)
    assert set(hosts) == set(TOPOLOGY.stages)
    for caller, called in edges(TOPOLOGY.stages):
        assert {address.partition(":")[0] for address in sends[caller][called]} == hosts[called]


@packed_or_not
def test_the_log_of_a_stage_has_its_own_name(processes):
    """The label from which Alloy takes the stage is the name that its metrics have."""
    labels = {o["labels"]["simulator.stage"] for o in project(processes)["services"].values() if "labels" in o}
    assert labels == (
        set(TOPOLOGY.stages) if processes is None else {"Load.gen", "product_catalog", LONG, "stages-1", "stages-2"}
    )


@packed_or_not
def test_every_manifest_is_valid_and_its_names_are(processes):
    """The API takes them, and its rules for names of services, namespaces and labels, which no schema has, hold."""
    for document in documents(processes):
        if document["kind"] != "PodMonitor":
            kubernetes_validate.validate(document, VERSION, strict=True)
        name, labels = document["metadata"]["name"], document["metadata"].get("labels", {})
        assert isinstance(name, str) and LABEL.fullmatch(name), name
        if document["kind"] == "StatefulSet":
            # The label controller-revision-hash of its pods is its name, a dash and up to ten characters.
            assert len(name) <= 52
        assert all(re.fullmatch("[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", str(v)) for v in labels.values())


@packed_or_not
def test_each_call_on_kubernetes_goes_to_a_service(processes):
    """The host is a Service, or a pod of a StatefulSet in its headless one."""
    text = kubernetes(processes)["base/topology.yaml"]
    services, sets = set(), {}
    for document in documents(processes):
        if document["kind"] == "Service":
            services.add(document["metadata"]["name"])
        if document["kind"] == "StatefulSet":
            sets[document["metadata"]["name"]] = document["spec"]["replicas"]
    pods = {f"{name}-{number}.{name}" for name, count in sets.items() for number in range(1, count + 1)}
    called = set()
    for document in documents(processes):
        if document["metadata"].get("labels", {}).get("app.kubernetes.io/component") != "stage":
            continue
        for container in document["spec"].get("template", {}).get("spec", {}).get("containers", []):
            environment = {one["name"]: one["value"] for one in container["env"] if "value" in one}
            for found in downstreams(text, container["args"], environment).values():
                called |= {address.partition(":")[0] for hosts in found.values() for address in hosts}
    assert called <= services | pods
    assert len(called) == sum(TOPOLOGY.stages[name].instances for name in TOPOLOGY.stages if name != "Load.gen")


def test_prometheus_asks_every_stage_by_its_host():
    """The targets are hosts; the series that they give have the names of the file."""
    for text in (
        compose(None)["prometheus/prometheus.yml"],
        kubernetes(None)["observability/prometheus/prometheus.yml"],
    ):
        jobs = {job["job_name"]: job["static_configs"] for job in read_document(text)["scrape_configs"]}
        targets = [target.partition(":")[0] for one in jobs["stages"] for target in one["targets"]]
        assert len(targets) == sum(stage.instances for stage in TOPOLOGY.stages.values())
        assert all(LABEL.fullmatch(label) for target in targets for label in target.split("."))
    rules = compose(None)["prometheus/rules.yml"]
    assert '{stage="Frontend"}' in rules


def plain_scalars(node):
    """Yield the scalars without quotes in a node."""
    if isinstance(node, yaml.ScalarNode) and node.style is None:
        yield node.value
    elif isinstance(node, yaml.CollectionNode):
        for inner in node.value:
            for one in inner if isinstance(inner, tuple) else (inner,):
                yield from plain_scalars(one)


@pytest.mark.parametrize("name", ["1e3", "1.5e3", "0o17", "0x1f", "12", "1_0", "y", "N", "no", "on", "null"])
def test_a_name_like_a_number_is_text_in_every_rendered_file(name):
    """Go's parser takes 1e3 and y for a number and a boolean where PyYAML does not: they are in quotes."""
    text = f"name: t\nstages: {{'{name}': {{processes: apart, calls: []}}}}"
    topology = parse_topology(text, "t.yaml", samples_beside(Path()), "t")
    for files in (compose_files(topology, ".."), kubernetes_files(topology)):
        for path, written in files.items():
            if path.endswith((".yaml", ".yml")):
                for node in yaml.compose_all(written, yaml.BaseLoader):
                    assert name not in set(plain_scalars(node)), path
        found = next(text for path, text in files.items() if path.endswith("topology.yaml"))
        assert parse_topology(found, "t", samples_beside(Path()), "t") == topology


@pytest.mark.parametrize("name", ["Jaeger", "PROMETHEUS", "k6", "Locust.worker"])
def test_a_name_that_becomes_that_of_another_service_is_refused(name):
    """In DNS Jaeger is jaeger."""
    topology = parse_topology(f"stages: {{{name}: {{calls: []}}}}", "t.yaml", samples_beside(Path()), "t")
    with pytest.raises(ConfigurationError, match=re.escape(f"stages.{name}: the name is reserved")):
        compose_files(topology, "..")


@pytest.mark.parametrize("other", ["a-2", "a_2"])
def test_an_instance_that_is_called_like_another_stage_is_refused(other):
    """In Compose an instance is a service, NAME-2, whatever the other is called in the file."""
    text = f"stages: {{a: {{instances: 2, calls: []}}, {other}: {{calls: []}}}}"
    topology = parse_topology(text, "t.yaml", samples_beside(Path()), "t")
    with pytest.raises(ConfigurationError, match="an instance would be called a-2, like another service"):
        compose_files(topology, "..")


def test_a_stage_that_is_called_like_a_container_of_several_is_refused():
    """As a host Stages.1 is stages-1."""
    text = "stages: {Stages.1: {calls: []}, b: {calls: []}}"
    topology = parse_topology(text, "t.yaml", samples_beside(Path()), "t")
    with pytest.raises(ConfigurationError, match=re.escape("stages.Stages.1: the name is reserved for a container")):
        compose_files(topology, "..", 1)


@pytest.mark.parametrize("other", ["Cart-pods", "cart.pods"])
def test_a_stage_that_is_called_like_the_pods_of_a_range_is_refused(other):
    """On Kubernetes both would be one Service."""
    text = f"stages: {{cart: {{instances: 2..4, calls: []}}, {other}: {{calls: []}}}}"
    topology = parse_topology(text, "t.yaml", samples_beside(Path()), "t")
    with pytest.raises(ConfigurationError, match=re.escape(f"stages.{other}: the name is reserved: by it Prometheus")):
        kubernetes_files(topology)


@packed_or_not
@pytest.mark.processes
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_makes_valid_manifests_of_it(processes, tmp_path):
    """kubectl reads the names as text, and finds every file."""
    for path, text in kubernetes(processes).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    done = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    written = [one["metadata"] for one in read_documents(done.stdout) if "metadata" in one]
    assert {one.get("namespace", "my-shop-2") for one in written} == {"my-shop-2"}


def test_every_called_stage_is_in_a_group_or_alone():
    """The topology of these tests has a stage of each kind of name, and calls each."""
    called = {call.to for stage in TOPOLOGY.stages.values() for _, call in calls_of(stage)}
    assert called == set(TOPOLOGY.stages) - {"Load.gen"}
