"""A topology as manifests for Kubernetes."""

import copy
import functools
import itertools
import re
import shutil
import subprocess
import urllib.parse
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import kubernetes_validate
import pytest
from kubernetes_validate import utils

from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.work import Work
from simulator.errors import ConfigurationError
from simulator.render.kubernetes import kubernetes_files
from simulator.render.kubernetes_pod import stage_pod
from simulator.topology.draining import stage_drain_seconds
from simulator.topology.graph import calls_of, entries, reached_from
from simulator.topology.layers import from_environment, from_flags
from simulator.topology.model import Operation, Role, Stage, Topology
from simulator.topology.reader import parse_topology, read_topology
from simulator.topology.samples import samples_beside
from simulator.topology.settings import resolve_topology_stage
from tests.support.documents import read_document, read_documents

ROOT = Path(__file__).resolve().parents[3]
BY_NAME = {path.stem: read_topology(path) for path in sorted((ROOT / "topologies").glob("*.yaml"))}
every_topology = pytest.mark.parametrize("topology", [pytest.param(BY_NAME[name], id=name) for name in BY_NAME])
SICK = BY_NAME["sick-replica"]
VERSION = "1.37"
GRAFANA = {"provisioning/datasources/all.yaml": "apiVersion: 1\n", "dashboards/stage.json": "{}"}
KUSTOMIZATIONS = ("", "base", "observability", "overlays/podmonitor")


@functools.cache
def ready_made(name, *, with_grafana=False):
    """Return the files of a ready-made topology. Writing YAML takes long, so that all tests share them."""
    return MappingProxyType(kubernetes_files(BY_NAME[name], *[GRAFANA] * with_grafana))


@functools.cache
def documents_in(text):
    return tuple(read_documents(text))


@functools.cache
def topology_in(text):
    return parse_topology(text, "topology.yaml", samples_beside(ROOT), "none")


def documents_of(files):
    """Return every manifest, with the path of its file."""
    for path, text in files.items():
        parts = path.split("/")
        if path.endswith(".yaml") and (parts[0] in ("base", "overlays") or len(parts) == 2):
            for document in documents_in(text):
                if "kind" in document and document["kind"] != "Kustomization":
                    yield path, document


def kinds(files, kind):
    return {document["metadata"]["name"]: document for _, document in documents_of(files) if document["kind"] == kind}


def workloads(files):
    return kinds(files, "Deployment") | kinds(files, "StatefulSet")


def stages_of(files):
    """Return the workloads that are stages."""
    everything = workloads(files).items()
    return {
        name: workload
        for name, workload in everything
        if workload["metadata"]["labels"]["app.kubernetes.io/component"] == "stage"
    }


def environment_of(container, pod_index):
    return {
        variable["name"]: variable["value"]
        if "value" in variable
        else pod_index[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        for variable in container["env"]
    }


def settings_of(files, workload, number):
    """Return an instance's settings as its process would."""
    container = workload["spec"]["template"]["spec"]["containers"][0]
    arguments = container["args"]
    assert arguments[:3] == ["stage", "--topology", f"{container['volumeMounts'][0]['mountPath']}/topology.yaml"]
    assert (arguments[3], arguments[5]) == ("--stage", "--host") and len(arguments) == 7
    topology = topology_in(files["base/topology.yaml"])
    index = {"metadata.labels['apps.kubernetes.io/pod-index']": str(number)}
    given = from_environment(environment_of(container, index)) | from_flags({"HOST": arguments[6]})
    return resolve_topology_stage(topology, arguments[4], given, samples_beside(ROOT))


# It reads all schemas anew for each document.
utils.schema_contents = functools.cache(utils.schema_contents)


def validated(document):
    kubernetes_validate.validate(document, VERSION, strict=True)


@every_topology
def test_every_manifest_is_valid(topology):
    """The API has every key, strictly; a PodMonitor is an operator's and not in its schemas."""
    for _, document in documents_of(ready_made(topology.name, with_grafana=True)):
        if document["kind"] != "PodMonitor":
            validated(document)


@pytest.mark.parametrize("where", ["spec", "pod", "container"])
def test_a_typo_would_be_caught(where):
    """The check works: a key with a wrong letter does not pass."""
    workload = copy.deepcopy(workloads(ready_made(SICK.name))["gateway"])
    pod = workload["spec"]["template"]["spec"]
    {"spec": workload["spec"], "pod": pod, "container": pod["containers"][0]}[where]["replicaz"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        validated(workload)


@every_topology
def test_a_stage_in_its_pods_is_the_stage_of_the_file(topology):
    """Each instance is the same stage as on one machine, has its number, and listens where the others look for it."""
    files = ready_made(topology.name)
    stages = stages_of(files)
    assert set(stages) == set(topology.stages)
    for name, workload in stages.items():
        expected = topology.stages[name]
        assert workload["spec"]["replicas"] == expected.instances
        for number in range(1, expected.instances + 1):
            settings = settings_of(files, workload, number)
            assert (settings.name, settings.instance, settings.host, settings.port) == (name, number, "0.0.0.0", 8080)
            assert replace(settings.stage, host=None, port=None) == replace(expected, host=None, port=None)


@every_topology
def test_every_call_goes_to_a_pod_of_that_stage(topology):
    """The host is a service, or a pod of a StatefulSet within its headless one."""
    files = ready_made(topology.name)
    services, sets, stages = kinds(files, "Service"), kinds(files, "StatefulSet"), stages_of(files)
    for name, workload in stages.items():
        hosts = set()
        for downstream in settings_of(files, workload, 1).downstreams:
            found = [urllib.parse.urlsplit(url) for url in downstream.urls]
            hosts |= {f"{url.hostname}:{url.port}" for url in found}
            pods = [url.hostname.partition(".")[0] for url in found]
            if downstream.name in sets:
                spec = sets[downstream.name]["spec"]
                start = spec["ordinals"]["start"]
                assert services[spec["serviceName"]]["spec"]["clusterIP"] == "None"
                assert {url.hostname.partition(".")[2] for url in found} == {spec["serviceName"]}
                assert pods == [f"{downstream.name}-{start + n}" for n in range(spec["replicas"])]
            else:
                assert pods == [downstream.name]
            labels = stages[downstream.name]["spec"]["template"]["metadata"]["labels"]
            assert services[downstream.name]["spec"]["selector"].items() <= labels.items()
        assert bool(hosts) == any(calls_of(topology.stages[name]))


@every_topology
def test_only_what_makes_messages_waits(topology):
    """An injector waits for each pod that its messages reach, and a chain does not start one by one."""
    for name, workload in stages_of(ready_made(topology.name)).items():
        waiting = workload["spec"]["template"]["spec"].get("initContainers", [])
        awaited = {urllib.parse.urlsplit(url).hostname for each in waiting for url in each["command"][3:]}
        reached = reached_from(topology, name) if topology.stages[name].role is Role.INJECTOR else ()
        assert {host.rpartition(".")[2] for host in awaited} == set(reached)
        assert len(awaited) == sum(topology.stages[other].instances for other in reached)


@every_topology
def test_every_pod_keeps_to_the_restricted_profile(topology):
    """No root, no privileges, nothing writable but its volumes, no token, and no variables of other services."""
    files = ready_made(topology.name, with_grafana=True)
    namespace = kinds(files, "Namespace")[topology.name]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for workload in workloads(files).values():
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"memory"} == set(container["resources"]["limits"])
            assert {"cpu", "memory"} == set(container["resources"]["requests"])
            assert re.search(r":v?\d+\.\d+\.\d+$", container["image"])


@every_topology
def test_a_stage_is_probed(topology):
    """Readiness and liveness are separate probes, and a stage that stops has enough time to finish."""
    for name, workload in stages_of(ready_made(topology.name)).items():
        pod = workload["spec"]["template"]["spec"]
        container = pod["containers"][0]
        paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")}
        assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"}
        sleep_seconds = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain_seconds = stage_drain_seconds(name, topology.stages[name], topology)
        assert pod["terminationGracePeriodSeconds"] >= max(30, sleep_seconds + drain_seconds + 15)


@every_topology
def test_prometheus_asks_every_instance(topology):
    """In its own pod, by annotation and by the operator's PodMonitor alike."""
    files = ready_made(topology.name)
    config = read_document(files["observability/prometheus/prometheus.yml"])
    targets = [t for job in config["scrape_configs"] for static in job["static_configs"] for t in static["targets"]]
    assert len(targets) == len(set(targets)) == sum(stage.instances for stage in topology.stages.values()) + 1
    monitor = kinds(files, "PodMonitor")["stages"]["spec"]
    for name, workload in workloads(files).items():
        template = workload["spec"]["template"]
        is_stage = name in topology.stages
        assert (monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()) is is_stage
        if is_stage:
            assert template["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
            ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
            assert ports[monitor["podMetricsEndpoints"][0]["port"]] == 8080


@every_topology
def test_the_manifests_keep_no_secret(topology):
    """No Secret, no password, token or key, and no text that refers to another one."""
    files = ready_made(topology.name, with_grafana=True)
    assert not kinds(files, "Secret")
    for workload in workloads(files).values():
        variables = workload["spec"]["template"]["spec"]["containers"][0].get("env", [])
        assert not [each for each in variables if re.search("PASSWORD|SECRET|TOKEN|KEY", each["name"])]
    assert not any(re.search(r"^\s*- &id|\*id\d", text, re.MULTILINE) for text in files.values())


@every_topology
def test_what_a_kustomization_names_is_there(topology):
    """Each resource and each file of a ConfigMap exists, and each mounted ConfigMap is generated."""
    files = ready_made(topology.name, with_grafana=True)
    made = set()
    for folder in KUSTOMIZATIONS:
        kustomization = read_document(files[str(Path(folder) / "kustomization.yaml")])
        for resource in kustomization["resources"]:
            path = (ROOT / folder / resource).resolve().relative_to(ROOT).as_posix()
            assert path in files or f"{path}/kustomization.yaml" in files
        for generated in kustomization.get("configMapGenerator", []):
            made.add(generated["name"])
            assert all(str(Path(folder) / name) in files for name in generated["files"])
    mounted = {
        volume["configMap"]["name"]
        for workload in workloads(files).values()
        for volume in workload["spec"]["template"]["spec"]["volumes"]
        if "configMap" in volume
    }
    assert mounted == made


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
@every_topology
@pytest.mark.processes
def test_kustomize_makes_valid_manifests_of_it(topology, folder, tmp_path):
    """The result is valid too, is in the topology's namespace, and is complete."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    files = ready_made(topology.name, with_grafana=True)
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    command = [program, "kustomize", str(tmp_path / folder)]
    made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert made.stderr == ""
    documents = list(read_documents(made.stdout))
    for document in documents:
        if document["kind"] != "PodMonitor":
            validated(document)
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == topology.name
    if folder == "":
        names = {d["metadata"]["name"] for d in documents if d["kind"] in ("Deployment", "StatefulSet")}
        assert names == {*topology.stages, "jaeger", "prometheus", "grafana"}
    if folder == "overlays/podmonitor":
        assert [d["metadata"]["name"] for d in documents if d["kind"] == "PodMonitor"] == ["stages"]


def admitted(policies, pod, port, direction="ingress"):
    """Return who may connect to a pod of these labels at a port (or where it may connect to), None for everybody.

    As the API defines it: what no policy selects is open, and policies of one direction only ever add up.
    """
    selecting = [
        policy["spec"]
        for policy in policies.values()
        if direction.capitalize() in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], pod)
    ]
    if not selecting:
        return None
    peers = []
    for rule in (rule for spec in selecting for rule in spec[direction]):
        if any(port == each["port"] for each in rule["ports"]):
            if not rule.get({"ingress": "from", "egress": "to"}[direction]):
                return None
            peers += rule[{"ingress": "from", "egress": "to"}[direction]]
    return peers


def within(peers, labels):
    """Return whether pods of these labels, in the same namespace, are among the peers."""
    assert all(peer.keys() == {"podSelector"} for peer in peers or ())
    return peers is None or any(selects(peer["podSelector"], labels) for peer in peers)


def selects(selector, labels):
    listed = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in listed)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in listed
    )


@every_topology
def test_stages_talk_to_stages_and_prometheus_scrapes_and_nobody_else(topology):
    """Between any two pods only the needed connections are allowed; entries are open to all."""
    files = ready_made(topology.name, with_grafana=True)
    overlay = "overlays/podmonitor/networkpolicy.yaml"
    policies = kinds({path: text for path, text in files.items() if path != overlay}, "NetworkPolicy")
    pods = {name: workload["spec"]["template"]["metadata"]["labels"] for name, workload in workloads(files).items()}
    ways = {("prometheus", "jaeger", 8889), ("grafana", "jaeger", 16686)}
    ways |= {(reader, "prometheus", 9090) for reader in ("jaeger", "grafana")}
    ways |= {(stage, "jaeger", 4318) for stage in topology.stages}
    ways |= {(other, stage, 8080) for stage in topology.stages for other in (*topology.stages, "prometheus")}
    inlets = {(other, entry, 8080) for entry in entries(topology) for other in pods}
    for port in (8080, 4318, 8889, 16686, 9090, 3000):
        coming = {name: admitted(policies, labels, port) for name, labels in pods.items()}
        going = {name: admitted(policies, labels, port, "egress") for name, labels in pods.items()}
        found = {
            (sender, receiver, port)
            for sender, receiver in itertools.product(pods, repeat=2)
            if within(coming[receiver], pods[sender]) and within(going[sender], pods[receiver])
        }
        assert found == {way for way in ways | inlets if way[2] == port}
    assert all(admitted(policies, pods[stage], 53, "egress") is None for stage in topology.stages)


def test_an_operators_prometheus_scrapes_from_another_namespace():
    """The overlay for it lets it in, and nobody else."""
    text = ready_made(SICK.name)["overlays/podmonitor/networkpolicy.yaml"]
    (policy,) = read_documents(text)
    (rule,) = policy["spec"]["ingress"]
    labels = {"app.kubernetes.io/name": "prometheus"}
    assert rule["from"] == [{"namespaceSelector": {}, "podSelector": {"matchLabels": labels}}]


def test_an_autoscaler_says_what_it_needs():
    """The file of a range names metrics-server, and its pods are scraped before they are ready."""
    topology = Topology(name="t", stages={"a": Stage(role=Role.TERMINATOR, instances=2, max_instances=6)})
    files = kubernetes_files(topology)
    assert "metrics-server" in files["base/stages/a.yaml"]
    assert kinds(files, "Service")["a-pods"]["spec"]["publishNotReadyAddresses"] is True
    assert "metrics-server" not in ready_made(SICK.name)["base/stages/gateway.yaml"]


def test_an_injector_is_never_there_twice():
    """While one is replaced the old one stops first: two would be twice the load."""
    deployments = kinds(ready_made(SICK.name), "Deployment")
    assert deployments["clients"]["spec"]["strategy"] == {"type": "Recreate"}
    assert deployments["gateway"]["spec"]["strategy"] == {"type": "RollingUpdate"}


def test_the_memory_limit_includes_memory_faults():
    """A memory fault shows as memory, not as a pod that is killed."""
    stage = Stage(role=Role.TERMINATOR, workers=4, faults=(parse_fault("memory(50MiB)"),))
    pod = workloads(kubernetes_files(Topology(name="t", stages={"a": stage})))["a"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"] == {"memory": f"{512 + 4 * 50}Mi"}


def test_the_memory_limit_includes_the_operation_that_holds_the_most():
    """Operations share the workers, so at most all of them hold what the greediest operation holds."""
    read = Operation(path="/read", faults=(parse_fault("memory(10MiB)"),))
    add = Operation(path="/add", faults=(parse_fault("memory(20MiB)"),), work=Work(size_bytes=30 * 2**20))
    stage = Stage(role=Role.TERMINATOR, workers=4, operations={"read": read, "add": add})
    pod = stage_pod(Topology(name="t", stages={"a": stage}), ["a"], 30)
    assert pod["containers"][0]["resources"]["limits"] == {"memory": f"{512 + 4 * 50}Mi"}


def test_grafana_gets_its_files():
    """Each folder is a ConfigMap, mounted where Grafana looks for it."""
    pod = workloads(ready_made(SICK.name, with_grafana=True))["grafana"]["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts["grafana-provisioning-datasources"] == "/etc/grafana/provisioning/datasources"
    assert mounts["grafana-dashboards"] == "/var/lib/grafana/dashboards"
    files = ready_made(SICK.name, with_grafana=True)
    assert files["observability/grafana/dashboards/stage.json"] == "{}"


def test_what_can_not_be_in_pods_is_refused():
    """A stage with the name of an observability service is refused when it is rendered."""
    with pytest.raises(ConfigurationError, match=r"stages\.grafana: the name is reserved"):
        kubernetes_files(Topology(name="t", stages={"grafana": Stage(calls=())}))


def test_a_pod_gets_the_variables_of_its_headers_from_a_secret():
    """The variables in headers are keys of the Secret `headers`, only in the pods that need them."""
    text = "{name: one, stages: {a: {calls: [{to: b, headers: {X: '${TOKEN}'}}]}, b: {calls: []}}}"
    topology = parse_topology(text, "one.yaml", samples_beside(ROOT), "one")
    reference = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "headers", "key": "TOKEN"}}}
    [a, b] = [stage_pod(topology, [name], 10)["containers"][0]["env"] for name in ("a", "b")]
    assert reference in a
    assert [one["name"] for one in b] == ["OTEL_EXPORTER_OTLP_ENDPOINT"]
