"""A topology as a Compose project."""

import copy
import functools
import ipaddress
import json
import re
import shutil
import subprocess
import sys
import urllib.parse
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import jsonschema.validators
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema

from simulator.behaviour.delays import parse_delay
from simulator.errors import ConfigurationError
from simulator.render.compose import compose_files
from simulator.topology.draining import stage_drain_seconds
from simulator.topology.graph import calls_of, entries
from simulator.topology.layers import from_environment, from_flags
from simulator.topology.model import Role, Stage, Topology
from simulator.topology.reader import parse_topology, read_topology
from simulator.topology.samples import samples_beside
from simulator.topology.settings import resolve_topology_stage
from tests.support.documents import read_document
from tests.support.wire import misbehaving

ROOT = Path(__file__).resolve().parents[3]
BY_NAME = {path.stem: read_topology(path) for path in sorted((ROOT / "topologies").glob("*.yaml"))}
every_topology = pytest.mark.parametrize("topology", [pytest.param(BY_NAME[name], id=name) for name in BY_NAME])
SICK = BY_NAME["sick-replica"]


@functools.cache
def ready_made(name):
    """Return the files of a ready-made topology. Writing YAML takes long, so that all tests share them."""
    return MappingProxyType(compose_files(BY_NAME[name], ".."))


@functools.cache
def document_in(text):
    return read_document(text)


@functools.cache
def topology_in(text):
    return parse_topology(text, "topology.yaml", samples_beside(ROOT), "none")


def project_of(topology):
    files = compose_files(topology, "..") if topology.name not in BY_NAME else ready_made(topology.name)
    return document_in(files["compose.yaml"])


def stages_of(project):
    """Return the services that are stages, each with the stage that it is."""
    return {
        service: (options, options["labels"]["simulator.stage"])
        for service, options in project["services"].items()
        if "simulator.stage" in options.get("labels", {})
    }


def settings_of(files, options):
    """Return a stage's settings as its process would: from its arguments, its environment and its topology."""
    arguments = options["command"]
    assert arguments[:2] == ["stage", "--topology"]
    mounted = {config["target"]: config["source"] for config in options["configs"]}
    source = document_in(files["compose.yaml"])["configs"][mounted[arguments[2]]]["file"]
    topology = topology_in(files[source.removeprefix("./")])
    assert (arguments[3], arguments[5]) == ("--stage", "--host") and len(arguments) == 7
    given = from_environment(options["environment"]) | from_flags({"HOST": arguments[6]})
    return resolve_topology_stage(topology, arguments[4], given, samples_beside(ROOT))


def complaints(project):
    schema = get_builtin_schema("vendor.compose-spec")
    return [error.message for error in jsonschema.validators.validator_for(schema)(schema).iter_errors(project)]


@every_topology
def test_the_project_is_as_the_compose_specification_says(topology):
    """It contains nothing that the specification does not have, and no version, which is obsolete."""
    project = project_of(topology)
    assert complaints(project) == []
    assert "version" not in project


@pytest.mark.parametrize("key", ["depend_on", "read-only", "healtcheck"])
def test_a_typo_would_be_caught(key):
    """The check against the specification works: a key with a wrong letter does not pass."""
    project = copy.deepcopy(project_of(SICK))
    project["services"]["gateway"][key] = True
    assert any(key in complaint for complaint in complaints(project))


@every_topology
def test_a_stage_in_its_container_is_the_stage_of_the_file(topology):
    """Each instance is the same stage as on one machine, and listens where the others look for it."""
    files = ready_made(topology.name)
    stages = stages_of(project_of(topology))
    numbers = {name: [] for name in topology.stages}
    for options, name in stages.values():
        settings = settings_of(files, options)
        assert settings.name == name
        assert replace(settings.stage, host=None, port=None) == replace(topology.stages[name], host=None, port=None)
        assert (settings.host, settings.port) == ("0.0.0.0", 8080)
        numbers[name].append(settings.instance)
    assert numbers == {name: [*range(1, stage.instances + 1)] for name, stage in topology.stages.items()}


@every_topology
def test_every_call_goes_to_a_service_that_is_that_stage(topology):
    """A caller knows every instance of what it calls, by a host that exists."""
    files, project = ready_made(topology.name), project_of(topology)
    stages = stages_of(project)
    for options, name in stages.values():
        found = {}
        for downstream in settings_of(files, options).downstreams:
            urls = [urllib.parse.urlsplit(url) for url in downstream.urls]
            assert all(stages[url.hostname][1] == downstream.name and url.port == 8080 for url in urls)
            assert len({url.hostname for url in urls}) == topology.stages[downstream.name].instances
            found[downstream.name] = {url.hostname for url in urls}
        assert set(found) == {call.to for _, call in calls_of(topology.stages[name])}


def awaited(options):
    return {host for host, how in options["depends_on"].items() if how["condition"] == "service_healthy"}


@every_topology
def test_only_what_makes_messages_waits(topology):
    """An injector waits for every stage that its messages reach, and a chain does not start one by one."""
    project = project_of(topology)
    stages = stages_of(project)
    ends = {name for name, stage in topology.stages.items() if not stage.calls}
    for options, name in stages.values():
        waits = {stages[host][1] for host in awaited(options)}
        assert bool(waits) is (topology.stages[name].role is Role.INJECTOR)
        assert name not in waits
        assert not waits or (waits & ends and {call.to for _, call in calls_of(topology.stages[name])} <= waits)
    assert len(entries(topology)) > 1 or set(stages) == awaited(project["services"]["k6"])


def test_an_injector_waits_for_a_chain_to_its_end():
    """It waits for every instance that its messages reach through other stages, as a load generator does."""
    lines = "stages: {i: {role: injector, calls: [a]}, a: {calls: [b]}, b: {instances: 2, calls: [c]}"
    topology = parse_topology(f"{lines}, c: {{role: terminator}}}}", "t", samples_beside(ROOT), "t")
    services = project_of(topology)["services"]
    assert awaited(services["i"]) == {"a", "b-1", "b-2", "c"}
    assert awaited(services["locust"]) == {"i", "a", "b-1", "b-2", "c"}
    assert awaited(services["a"]) == awaited(services["b-1"]) == set()


@every_topology
def test_only_this_machine_gets_in(topology):
    """Ports are published on loopback and are different, and of the stages only the entries have one."""
    project = project_of(topology)
    published = [port for options in project["services"].values() for port in options.get("ports", ())]
    hosts, ports, _ = zip(*(port.split(":") for port in published), strict=True)
    assert all(ipaddress.ip_address(host).is_loopback for host in hosts)
    assert len(set(ports)) == len(ports)
    assert {name for options, name in stages_of(project).values() if "ports" in options} == set(entries(topology))
    assert not any("network_mode" in options for options in project["services"].values())


@every_topology
def test_a_stage_can_do_no_more_than_it_needs(topology):
    """No root, nothing writable but /tmp, no privileges, and enough time to finish what it has admitted."""
    for options, name in stages_of(project_of(topology)).values():
        user, group = options["user"].split(":")
        assert int(user) > 0 < int(group)
        assert options["read_only"] is True
        assert options["tmpfs"] == ["/tmp"]
        assert options["cap_drop"] == ["ALL"]
        assert "cap_add" not in options and "privileged" not in options and "volumes" not in options
        assert options["security_opt"] == ["no-new-privileges:true"]
        drain_seconds = stage_drain_seconds(name, topology.stages[name], topology)
        assert int(options["stop_grace_period"].removesuffix("s")) >= max(30, drain_seconds + 20)


@every_topology
def test_the_health_of_a_stage_is_its_readiness(topology):
    """The check asks /readyz, with the Python that is in the image, whatever the image itself says."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    image = json.loads(re.search(r"HEALTHCHECK .*\\\n\s+CMD (.*)$", dockerfile, re.MULTILINE)[1])
    for options, _ in stages_of(project_of(topology)).values():
        command, *test = options["healthcheck"]["test"]
        assert (command, test) == ("CMD", image)
        assert "GET /readyz" in test[-1] and "'127.0.0.1', 8080" in test[-1]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
@pytest.mark.processes
def test_the_health_check_tells_ready_from_not_ready(status, healthy):
    """Run as it is against a server, it succeeds only with 200."""
    project = project_of(SICK)
    _, _, *arguments = project["services"]["gateway"]["healthcheck"]["test"]

    def answer(connection):
        connection.recv(4096)
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())

    with misbehaving(answer) as port:
        flag, code = arguments
        command = [sys.executable, flag, code.replace("8080", str(port))]
        asked = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert (asked.returncode == 0) is healthy, asked.stderr


@every_topology
def test_everything_that_is_mounted_is_there(topology):
    """Each config is a file of the project, and declared in it; images are pinned."""
    files, project = ready_made(topology.name), project_of(topology)
    for config in project["configs"].values():
        assert config["file"].removeprefix("./") in files
    for options in project["services"].values():
        assert {config["source"] for config in options.get("configs", ())} <= set(project["configs"])
        assert re.search(r":v?\d+\.\d+\.\d+$", options["image"])
        for volume in options.get("volumes", ()):
            assert volume["read_only"] if isinstance(volume, dict) else volume.split(":")[0] in project["volumes"]
    ours = {source.removeprefix("../").split("/")[0] for source in _bound_sources(project) if source.startswith("../")}
    assert ours == {"grafana", "deploy"}


def _bound_sources(project):
    for options in project["services"].values():
        for volume in options.get("volumes", ()):
            if isinstance(volume, dict):
                yield volume["source"]


@every_topology
def test_prometheus_asks_every_instance(topology):
    """Its targets are the services that are stages, each of them, and Jaeger."""
    files, project = ready_made(topology.name), project_of(topology)
    config = read_document(files["prometheus/prometheus.yml"])
    targets = {
        target for job in config["scrape_configs"] for static in job["static_configs"] for target in static["targets"]
    }
    assert targets == {f"{service}:8080" for service in stages_of(project)} | {"jaeger:8889"}
    assert [f"prometheus/{name}" for name in config["rule_files"]] == ["prometheus/rules.yml"]
    assert "--enable-feature=exemplar-storage" in project["services"]["prometheus"]["command"]


def test_a_stage_gets_the_variables_of_its_headers():
    """The variables in headers come from the user's environment, and only the stages that need them get them."""
    text = "{name: one, stages: {a: {calls: [{to: b, headers: {X: '${TOKEN}'}}]}, b: {calls: []}}}"
    services = project_of(parse_topology(text, "one.yaml", samples_beside(ROOT), "one"))["services"]
    assert services["a"]["environment"]["TOKEN"] == "${TOKEN}"
    assert "TOKEN" not in services["b"]["environment"]


@every_topology
def test_nothing_in_it_is_secret(topology):
    """No password, token or key is in the files; secrets come from the user's environment."""
    project = project_of(topology)
    assert "secrets" not in project
    variables = [pair for options in project["services"].values() for pair in options.get("environment", {}).items()]
    secret = [(name, value) for name, value in variables if re.search("PASSWORD|SECRET|TOKEN|KEY", name)]
    assert all(value == f"${{{name}:-}}" for name, value in secret), secret


@every_topology
def test_nothing_is_left_out_for_standing_elsewhere_already(topology):
    """No text refers to another one."""
    assert "&id" not in ready_made(topology.name)["compose.yaml"]


@every_topology
def test_load_goes_to_an_entry(topology):
    """Every load generator starts only when asked for, and POSTs to an entry at its own path."""
    project = project_of(topology)
    loads = {name: options for name, options in project["services"].items() if options.get("profiles") == ["load"]}
    assert set(loads) == {"k6", "locust", "locust-worker"}
    for options in loads.values():
        target = urllib.parse.urlsplit(options["environment"]["TARGET"])
        name = stages_of(project)[target.hostname][1]
        assert name in entries(topology)
        assert (target.port, target.path) == (8080, topology.stages[name].path)


def test_an_entry_from_outside_gets_the_load_before_an_injector():
    """An injector has load of its own already."""
    last = Stage(role=Role.TERMINATOR)
    lines = "stages: {a: {role: injector, calls: [c]}, b: {path: /in, calls: [c]}, c: {role: terminator}}"
    topology = parse_topology(lines, "t", samples_beside(ROOT), "t")
    assert topology.stages["c"] == last
    assert project_of(topology)["services"]["k6"]["environment"]["TARGET"] == "http://b:8080/in"


@pytest.mark.parametrize(
    ("stage", "method", "path"),
    [
        ('operations: {read: {method: GET, path: "/carts/{id}"}, add: {path: /carts}}', "GET", "/carts/{id}"),
        ("path: /in", "POST", "/in"),
    ],
)
def test_load_goes_to_the_first_operation_of_an_entry(stage, method, path):
    """The scripts are given the method and the path of the first operation, as a template."""
    topology = parse_topology(f"stages: {{b: {{{stage}, role: terminator}}}}", "t", samples_beside(ROOT), "t")
    for name in ("k6", "locust", "locust-worker"):
        environment = project_of(topology)["services"][name]["environment"]
        assert (environment["METHOD"], environment["TARGET"]) == (method, f"http://b:8080{path}")


def test_samples_of_an_operation_and_between_calls_need_a_file(tmp_path):
    """A container has neither the file of an operation's delay nor that of a delay between calls."""
    (tmp_path / "samples.txt").write_text("10ms\n20ms\n")
    for lines in (
        "operations: {read: {delay: samples(samples.txt)}}, role: terminator",
        "operations: {read: {calls: [{delay: samples(samples.txt)}]}}",
    ):
        topology = parse_topology(f"stages: {{b: {{{lines}}}}}", "t", samples_beside(tmp_path), "t")
        with pytest.raises(ConfigurationError, match="samples"):
            compose_files(topology, "..")


def test_addresses_on_one_machine_are_left_out():
    """In containers a stage is found by its name, whatever host and port it has elsewhere."""
    topology = Topology(name="t", stages={"a": Stage(role=Role.TERMINATOR, host="10.0.0.1", port=9001, path="/in")})
    files = compose_files(topology, "../..")
    assert read_document(files["topology.yaml"])["stages"] == {"a": {"role": "terminator", "path": "/in"}}
    project = read_document(files["compose.yaml"])
    assert project["services"]["a"]["build"] == {"context": "../..", "dockerfile": "deploy/Dockerfile"}
    assert project["services"]["a"]["ports"] == ["127.0.0.1:8080:8080"]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ({"jaeger": Stage(calls=())}, "stages.jaeger: the name is reserved"),
        ({"a": Stage(role=Role.TERMINATOR, output="kept.jsonl")}, "stages.a: output is a file"),
        (
            {"a": Stage(calls=(), delay=parse_delay("samples(x)", lambda path: (path, [1.0])))},
            "stages.a: samples(FILE)",
        ),
        (
            {"a": Stage(calls=(), instances=2), "a-2": Stage(calls=())},
            "stages.a: an instance would be called a-2",
        ),
    ],
)
def test_what_can_not_be_in_containers_is_refused(stages, message):
    """It is refused when it is rendered, not only when it runs."""
    with pytest.raises(ConfigurationError) as refusal:
        compose_files(Topology(name="t", stages=stages), "..")
    assert message in str(refusal.value)


def test_the_image_gets_the_signals_and_is_not_root():
    """SIGTERM goes to Python itself, and the user is a number other than 0."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert json.loads(re.search(r"^ENTRYPOINT (.*)$", dockerfile, re.MULTILINE)[1]) == ["python", "run_web_service.py"]
    assert int(re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)[1]) > 0
    assert re.search(r"^ARG PYTHON=3\.13\.\d+-slim$", dockerfile, re.MULTILINE)
    assert "syntax=" not in dockerfile  # BuildKit would fetch a frontend for it
    assert json.loads(re.search(r"HEALTHCHECK .*\\\n\s+CMD (.*)$", dockerfile, re.MULTILINE)[1])[0] == "python"


def test_the_image_contains_only_what_runs():
    """What the Dockerfile copies reaches the builder; tests, runs and a user's own configuration do not."""
    copied = set(re.findall(r"^COPY (?!--)(\S+)", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE))
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def compose_program():
    """Return the command of Docker Compose; skip if version 2 or later is not installed."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            asking = [*command, "version", "--short"]
            asked = subprocess.run(asking, check=False, capture_output=True, text=True, timeout=60)
            if asked.returncode == 0 and not asked.stdout.lstrip("v").startswith("1."):
                return command
    pytest.skip("docker compose, version 2 or later, is not installed")


@every_topology
@pytest.mark.processes
def test_compose_itself_reads_it(topology, tmp_path):
    """If Docker Compose is installed, it accepts the project, too."""
    command = compose_program()
    for path, text in compose_files(topology, str(ROOT)).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    file = ["--profile", "load", "--file", str(tmp_path / "compose.yaml")]
    subprocess.run([*command, *file, "config", "--quiet"], check=True, timeout=60)
