"""The catalogue of variables: each does what it says with nonsense, empty and in capitals, and none is missing."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Mapping
from pathlib import Path

import certifi
import pytest

from simulator.commands.variable_catalogue import COMMAND_VARIABLES
from simulator.commands.variables import OTHER_VARIABLES
from simulator.errors import ConfigurationError
from simulator.telemetry.batching import LOGS_PREFIX, read_batching
from simulator.telemetry.catalogue.unused_variables import UNUSED
from simulator.telemetry.catalogue.variable_records import WrongValue
from simulator.telemetry.catalogue.variables import VARIABLES
from simulator.telemetry.logs import MAX_TEXT_CHARACTERS
from simulator.telemetry.metric_settings import read_metric_settings
from simulator.telemetry.otel_environment import check_environment
from simulator.telemetry.otel_ignored import ignored_variables
from simulator.telemetry.otel_unused import USUAL
from simulator.telemetry.otlp import endpoint_problem
from simulator.telemetry.otlp_destination import DEFAULT_TIMEOUT_SECONDS, read_destination
from simulator.telemetry.otlp_files import AUTHORITY_VARIABLES
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.service import as_the_environment_says, for_named_stages
from simulator.topology.catalogue import flags
from tests.support.authority import make_authority
from tests.support.processes import ROOT
from tests.unit.telemetry.test_service import OWN

USED = {name: variable for variable in VARIABLES for name in variable.names}
# With these a variable comes to matter that otherwise has nothing to do.
EXPORTING = {f"OTEL_{signal}_EXPORTER": "otlp" for signal in ("TRACES", "LOGS", "METRICS")}
NEEDED = {
    "OTEL_TRACES_SAMPLER_ARG": {"OTEL_TRACES_SAMPLER": "traceidratio"},
    **{name: {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:4318"} for name in AUTHORITY_VARIABLES},
}
NONSENSE = "(non sense"
OF_A_CLIENT = ("CLIENT_CERTIFICATE", "CLIENT_KEY")


def around(name: str) -> dict[str, str]:
    """Return the environment in which a variable has an effect."""
    return {**EXPORTING, **NEEDED.get(name, {})}


def refused(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that are refused before anything starts."""
    try:
        check_environment(environment)
    except ConfigurationError as error:
        return [str(problem).split(":")[0].removeprefix("environment ") for problem in error.problems]
    return []


def told(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that are told at the start because they have no effect, or not the one that was meant."""
    problems = [endpoint_problem(environment, signal) for signal in Signal]
    return [variable for variable, _ in ignored_variables(environment)] + [text.split("=")[0] for text in problems]


@pytest.mark.parametrize("name", USED)
def test_nonsense_is_refused_or_told(name):
    """Before anything starts, or at the start; only where any text has a meaning is none refused."""
    environment = {**around(name), name: NONSENSE}
    if name.endswith("CLIENT_KEY"):
        environment[name.replace("CLIENT_KEY", "CLIENT_CERTIFICATE")] = __file__
    if name in refused(environment):
        found = WrongValue.REFUSED
    else:
        found = WrongValue.TOLD if name in told(environment) else WrongValue.IMPOSSIBLE
    assert found is USED[name].wrong


@pytest.mark.parametrize("name", [*USED, *UNUSED])
def test_an_empty_variable_is_as_good_as_none(name):
    """As the specification has it."""
    environment = {**around(name), name: ""}
    without = {key: text for key, text in environment.items() if text}
    assert refused(environment) == refused(without) == []
    assert list(ignored_variables(environment)) == list(ignored_variables(without)) == []
    assert read_destination(environment) == read_destination(without)
    assert read_batching(environment) == read_batching(without)
    assert read_metric_settings(environment) == read_metric_settings(without)
    assert as_the_environment_says(OWN, environment) == as_the_environment_says(OWN, without)


WORDS = [name for name, variable in USED.items() if re.fullmatch(r"[a-z][a-z/_]*", variable.example)]


@pytest.mark.parametrize("name", WORDS)
def test_a_word_may_be_in_capitals(name):
    """As the specification recommends, except where the name of something installed is asked for."""
    value = USED[name].example.upper()
    is_a_name = name in ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",) or name.startswith("OTEL_PYTHON_")
    environment = {**around(name), name: value}
    takes_any = USED[name].wrong is WrongValue.IMPOSSIBLE
    assert refused(environment) == ([name] if is_a_name and not takes_any else [])


@pytest.mark.parametrize("name", [name for name in USED if not name.endswith(OF_A_CLIENT)])
def test_an_example_is_allowed(name):
    """What the table shows as an allowed value is taken, without a word."""
    value = certifi.where() if name.endswith("_CERTIFICATE") else USED[name].example
    environment = {**around(name), name: value}
    assert (refused(environment), [name for name in told(environment) if name]) == ([], [])


@pytest.mark.processes
@pytest.mark.parametrize("signal", ["", "TRACES_", "LOGS_", "METRICS_"])
def test_an_example_of_a_client_s_certificate_is_allowed(signal, authority):
    prefix = f"OTEL_EXPORTER_OTLP_{signal}CLIENT_"
    environment = EXPORTING | {f"{prefix}CERTIFICATE": str(authority.certificate), f"{prefix}KEY": str(authority.key)}
    assert (refused(environment), [name for name in told(environment) if name]) == ([], [])


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("name", UNUSED)
def test_an_unused_variable_is_told(name):
    """Once, with why, whatever its value."""
    for value in ("x", "TRUE", "(non sense"):
        assert list(ignored_variables({**EXPORTING, name: value})) == [(name, UNUSED[name])]
        assert refused({name: value}) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OTEL_SERVICENAME", "OTEL_SERVICE_NAME"),
        ("OTEL_EXPORTER_OTLP_ENDPONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_TRACE_SAMPLER", "OTEL_TRACES_SAMPLER"),
        ("OTEL_EXPORTER_OTLP_TRACE_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
    ],
)
def test_a_misspelt_variable_is_told(name, meant):
    assert list(ignored_variables({name: "x"})) == [(name, f"there is no such variable; did you mean {meant}?")]


@pytest.mark.parametrize("name", ["OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "OTEL_NODE_IP", "OTEL_JAVAAGENT_ENABLED"])
def test_variables_of_others_are_not_told(name):
    """OpenTelemetry's operator and other languages have variables of their own."""
    assert list(ignored_variables({name: "x"})) == []


def test_settings_of_a_signal_that_stays_are_told():
    """OpenTelemetry exports logs by default, and a stage only if it is asked to; whoever says none knows."""
    names = ("OTEL_BLRP_SCHEDULE_DELAY", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
    given = dict(zip(names, ("100", "http://127.0.0.1:4318/v1/logs"), strict=True))
    assert [name for name, _ in ignored_variables(given)] == list(names)
    for other in ({"OTEL_LOGS_EXPORTER": "otlp"}, {"OTEL_LOGS_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}):
        assert list(ignored_variables(given | other)) == []


def test_the_defaults_are_those_of_the_code():
    """Those that stand in the catalogue without being read from the code."""
    assert USED["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"].default == str(MAX_TEXT_CHARACTERS)
    assert float(USED["OTEL_EXPORTER_OTLP_TIMEOUT"].default) == DEFAULT_TIMEOUT_SECONDS * 1000


def test_a_variable_is_in_the_catalogue_once():
    names = [*(name for variable in VARIABLES for name in variable.names), *UNUSED]
    assert len(names) == len(set(names))
    assert {variable.name for variable in COMMAND_VARIABLES} >= set(OTHER_VARIABLES)
    for variable in (*VARIABLES, *COMMAND_VARIABLES):
        assert not variable.help.endswith("."), variable.name


KNOWN = {*USED, *UNUSED, *(v.name for v in COMMAND_VARIABLES), *(f"SIMULATOR_{key}" for key in flags())}
NAME = re.compile(r"(?:OTEL|SIMULATOR)_[A-Z0-9_]*[A-Z0-9]|[A-Z]+_PROXY|[A-Z_]+_CA_BUNDLE|SSL_CERT_[A-Z]+")


def constants(path: Path) -> set[str]:
    """Return the texts in a module that are the name of a variable and nothing else."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value)
    }


def test_no_variable_is_read_that_the_catalogue_does_not_have():
    """Every name in the program is one of its entries."""
    unknown = {
        (path.name, name)
        for path in (ROOT / "simulator").rglob("*.py")
        for name in constants(path)
        if name not in KNOWN
    }
    assert unknown == set()


class Recording(dict):
    """An environment that remembers which names were asked for."""

    def __init__(self, *given):
        super().__init__(*given)
        self.asked: set[str] = set()

    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)

    def __contains__(self, name):
        self.asked.add(name)
        return super().__contains__(name)


def test_no_name_is_put_together_that_the_catalogue_does_not_have():
    """Also of those that are made of parts, such as OTEL_EXPORTER_OTLP_ and a setting."""
    environment = Recording({**EXPORTING, "OTEL_EXPORTER_OTLP_CLIENT_KEY": "k"})
    check_environment(environment)
    list(ignored_variables(environment))
    for signal in Signal:
        read_destination(environment, signal)
        endpoint_problem(environment, signal)
    read_batching(environment)
    read_batching(environment, LOGS_PREFIX)
    read_metric_settings(environment)
    as_the_environment_says(OWN, environment)
    for_named_stages(environment)
    assert environment.asked > {"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_BSP_MAX_QUEUE_SIZE", "SSL_CERT_DIR"}
    assert environment.asked <= KNOWN


PACKAGES = (
    "opentelemetry.sdk",
    "opentelemetry.trace",
    "opentelemetry.context",
    "opentelemetry.environment_variables",
    "opentelemetry.propagate",
    "opentelemetry.util.http",
    "opentelemetry.instrumentation",
)


def sources(name: str) -> list[Path]:
    spec = importlib.util.find_spec(name)
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)]
    return [path for folder in spec.submodule_search_locations for path in Path(folder).rglob("*.py")]


def test_every_variable_of_opentelemetry_is_used_or_told():
    """Those that its API, SDK and instrumentations name: none of them may be set without a word or an effect."""
    named = {name for package in PACKAGES for path in sources(package) for name in constants(path)}
    named = {name for name in named if name.startswith("OTEL_")}
    assert len(named) > 80
    assert named <= KNOWN


def test_what_the_instrumentations_make_of_names_is_used():
    """They put the names of some variables together from their own."""
    from opentelemetry.util.http import get_excluded_urls, get_traced_request_attrs

    assert "{instrumentation}_EXCLUDED_URLS" in inspect.getsource(get_excluded_urls)
    assert "{instrumentation}_TRACED_REQUEST_ATTRS" in inspect.getsource(get_traced_request_attrs)
    callers = "".join(path.read_text() for path in sources("opentelemetry.instrumentation"))
    assert set(re.findall(r'get_excluded_urls\("(\w+)"\)', callers)) == {"FLASK", "REQUESTS"}
    assert not re.findall(r'get_traced_request_attrs\("(\w+)"\)', callers)


def test_what_most_stages_find_needs_no_catalogue():
    """Each of these is used, so that nothing is to be said about it."""
    assert {name for variable in VARIABLES for name in variable.names} >= USUAL
