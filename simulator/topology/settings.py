"""The settings of one stage process: flags beat the environment beats the file beats the defaults.

The file is `instance/config.py` for a single stage, or one stage of a topology. An error names the source that set the
wrong value.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.behaviour.distributions import ReadSamples
from simulator.errors import ConfigurationError, Problem
from simulator.nearest import unknown_name
from simulator.quoting import quoted
from simulator.topology.addresses import (
    DEFAULT_DOWNSTREAM_NAME,
    DEFAULT_PORT,
    Address,
    Route,
    external_address,
    parse_address,
    routes_of,
    stage_urls,
)
from simulator.topology.catalogue import flags
from simulator.topology.changes import EVERY, Patch, applied, put, read_value
from simulator.topology.decisions import Known, stage_decision_problems
from simulator.topology.draining import stage_drain_seconds
from simulator.topology.graph import Node, calls_of
from simulator.topology.layers import Given
from simulator.topology.model import DEFAULT_HOST, Role, Stage, Topology
from simulator.topology.names import check_name
from simulator.topology.places import Keys
from simulator.topology.process import Process
from simulator.topology.sizes import Limit
from simulator.topology.steps import Call
from simulator.topology.structure import structure, unstructure
from simulator.topology.survey import Survey
from simulator.topology.targets import resolved
from simulator.topology.wiring import wiring_problems
from simulator.units import parse_duration, whole_number_in

LOG_LEVELS = ("debug", "info", "warning", "error")
_LOAD_KEYS = tuple(name for name, key in flags().items() if key.place == "load")
_CALL_KEYS = tuple(name for name, key in flags().items() if key.place == "call")
# They are read here; all others are keys of the stage.
_APART_KEYS = tuple(name for name, key in flags().items() if key.place in ("process", "topology"))


@dataclass(frozen=True)
class Downstream:
    """One stage to send to: its name and where its instances are.

    `is_stage` is True if it is known to be one of ours, which can be asked why it gave no answer. `authorizations` are
    the headers of those URLs that came with a user and a password, {URL: value}. `routes` are those of its operations.
    """

    name: str
    urls: tuple[str, ...]
    is_stage: bool = False
    authorizations: Mapping[str, str] = field(default_factory=dict, repr=False)
    routes: Mapping[str, Route] = field(default_factory=lambda: {"": Route()})


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """The complete settings of one stage process.

    `seed` of None means that one is to be drawn; `callers` are the stages that may send to this one, of which
    `callers_stopped_before` stop before it: all but those that call back in a circle, whose stages are the `circle`,
    this one included. `ignored` are environment variables with our prefix that mean nothing. `limits` are those of the
    operations that it calls. `decisions` are those that messages may have at each of its operations.
    """

    name: str
    topology: str
    stage: Stage
    host: str
    port: int
    downstreams: tuple[Downstream, ...]
    callers: tuple[str, ...]
    callers_stopped_before: tuple[str, ...]
    circle: tuple[str, ...]
    instance: int
    seed: int | None
    log_level: str
    drain_seconds: float
    shutdown_delay_seconds: float = 0.0
    ignored: tuple[str, ...] = ()
    limits: Mapping[Node, Limit] = field(default_factory=dict)
    decisions: Mapping[str, Known] = field(default_factory=dict)


def resolve_stage(
    given: Mapping[str, Given], read_samples: ReadSamples, ignored: tuple[str, ...] = ()
) -> StageSettings:
    """Return the settings of a single stage. Raise ConfigurationError with every mistake."""
    role = _value(given, "ROLE") or _implied_role(given)
    base: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        base["instances"] = _instance(whole_number_in(_value(given, "INSTANCE")))  # there are at least as many
    return _Resolution(given, read_samples).settle(
        base | {"role": role}, _value(given, "NAME") or Process.name, None, ignored
    )


def resolve_topology_stage(
    topology: Topology | Survey,
    name: str,
    given: Mapping[str, Given],
    read_samples: ReadSamples,
    ignored: tuple[str, ...] = (),
) -> StageSettings:
    """Return the settings of one stage of a topology, which flags and environment may change. Raise as above.

    To resolve many stages of one topology, make one `Survey` of it.
    """
    survey = topology if isinstance(topology, Survey) else Survey(topology)
    topology = survey.topology
    if name not in topology.stages:
        raise ConfigurationError.of(
            unknown_name(f"there is no stage {name!r} in the topology {topology.name}", name, topology.stages)
        )
    if topology.stages[name].url is not None:
        raise ConfigurationError.of(f"{name!r} is an external service with a URL: it is called, and not started")
    return _Resolution(given, read_samples).settle(unstructure(topology.stages[name]), name, survey, ignored)


def _value(given: Mapping[str, Given], key: str) -> Any:
    return given[key].value if key in given else None


def _implied_role(given: Mapping[str, Given]) -> Role:
    if given.keys() & {"RATE", "PROFILE", "INPUT"}:
        return Role.INJECTOR
    return Role.PROCESSOR if "DOWNSTREAM" in given else Role.TERMINATOR


class _Resolution:
    """One pass over the given values, collecting problems."""

    def __init__(self, given: Mapping[str, Given], read_samples: ReadSamples) -> None:
        self.given = given
        self.read_samples = read_samples
        self.problems: list[Problem] = []

    def settle(self, base: dict[str, Any], name: str, survey: Survey | None, ignored: tuple[str, ...]) -> StageSettings:
        topology = survey.topology if survey else None
        addresses = self._addresses()
        addresses_are_valid = not self.problems
        if topology is None:
            base = base | ({"calls": list(dict.fromkeys(address.name for address in addresses))} if addresses else {})
            name = self._check("NAME", name, check_name) or Process.name
        else:
            self._check_fits(topology, name, addresses)
        stage, found = structure(self._overlay(base), Stage, self.read_samples)
        self._add(found)
        self._check_call_keys()
        if stage is not None and addresses_are_valid:
            names = survey.names if survey else frozenset([name, *(address.name for address in addresses)])
            stage = resolved(stage, survey.operations if survey else dict.fromkeys(names, ("",)))
            self._add([(keys[2:], message) for keys, message in wiring_problems({name: stage}, names)])
            self._add(stage_decision_problems(stage, _decisions(survey, name, stage)))
        if stage is not None and survey is not None:
            self._add(_size_problems(survey.with_stage(name, stage), name))
        settings = {
            "instance": self._check("INSTANCE", whole_number_in(_value(self.given, "INSTANCE")), _instance),
            "seed": self._check("SEED", whole_number_in(_value(self.given, "SEED")), _seed),
            "shutdown_delay_seconds": self._check("SHUTDOWN_DELAY", _value(self.given, "SHUTDOWN_DELAY"), _delay),
            "log_level": self._check("LOG_LEVEL", _value(self.given, "LOG_LEVEL") or "info", _log_level),
        }
        if stage is not None and topology is not None and (settings["instance"] or 1) > stage.instances:
            self.problems.append(self._problem(("INSTANCE",), f"must be between 1 and {stage.instances}"))
        if self.problems or stage is None:
            raise ConfigurationError(self.problems)
        if settings["seed"] is None and topology is not None:
            settings["seed"] = topology.seed
        return StageSettings(
            name=name,
            topology=topology.name if topology else name,
            stage=stage,
            host=stage.host or DEFAULT_HOST,
            port=_port(stage, settings["instance"] if topology else 1),
            downstreams=tuple(_downstreams(stage, topology, addresses)),
            callers=survey.callers[name] if survey else (),
            callers_stopped_before=tuple(survey.callers_stopped_before[name]) if survey else (),
            circle=survey.circles.get(name, ()) if survey else (),
            limits=_limits(survey, name) if survey else {},
            decisions=_decisions(survey, name, stage),
            drain_seconds=_drain_seconds(survey, name, stage),
            ignored=ignored,
            **settings,
        )

    def _overlay(self, base: dict[str, Any]) -> dict[str, Any]:
        patch: Patch = {}
        for key, given in self.given.items():
            if key not in _APART_KEYS:
                put(patch, _keys(key), _plain(key, given.value))
        stage, _ = applied(base, patch)
        return stage | ({"load": {}} if "load" not in stage and _reads_input(stage) else {})

    def _addresses(self) -> tuple[Address, ...]:
        addresses: list[Address] = []
        texts = _split(_value(self.given, "DOWNSTREAM") or [], ",")
        if not isinstance(texts, list):
            texts = [texts]
        for number, text in enumerate(texts, 1):
            default = DEFAULT_DOWNSTREAM_NAME if number == 1 else f"{DEFAULT_DOWNSTREAM_NAME}-{number}"
            address = self._check("DOWNSTREAM", text, lambda value, name=default: parse_address(value, name))
            if address is not None:
                addresses.append(address)
        return tuple(addresses)

    def _check_fits(self, topology: Topology, name: str, addresses: tuple[Address, ...]) -> None:
        """Add a problem for each value that has no effect on a stage of a topology."""
        if "NAME" in self.given and self.given["NAME"].value != name:
            self.problems.append(self._problem(("NAME",), f"the stage is {name!r}, by --stage"))
        called = list(dict.fromkeys(call.to for _, call in calls_of(topology.stages[name])))
        for address in addresses:
            if address.name not in called:
                message = f"{name} does not call {address.name!r}; it calls {', '.join(called) or 'no stage'}"
                self.problems.append(self._problem(("DOWNSTREAM",), message))

    def _check_call_keys(self) -> None:
        """Check the keys of calls even if the stage has no calls."""
        written = {key.lower(): _plain(key, given.value) for key, given in self.given.items() if key in _CALL_KEYS}
        self._add([(("calls", *keys), message) for keys, message in structure({"to": "any", **written}, Call)[1]])

    def _add(self, found: Iterable[tuple[Keys, str]]) -> None:
        for problem in dict.fromkeys(self._problem(keys, message) for keys, message in found):
            if problem not in self.problems:
                self.problems.append(problem)

    def _problem(self, keys: Keys, message: str) -> Problem:
        names = [str(key).upper() for key in keys]
        if names == ["LOAD"]:
            names = [key for key in _LOAD_KEYS if key in self.given] or names
        if names[:1] == ["CALLS"]:
            names = [name for name in names if name in _CALL_KEYS and name in self.given] or ["DOWNSTREAM"]
        key = next((name for name in names if name in self.given), names[0] if names else "")
        given = self.given.get(key, Given(None, ""))
        return Problem(f"{key}: {message}" if key else message, given.source, given.line)

    def _check(self, key: str, value: Any, read: Any) -> Any:
        try:
            return read(value)
        except ValueError as error:
            self.problems.append(self._problem((key,), str(error)))
            return None


def _keys(key: str) -> tuple[str, ...]:
    """Return the keys in a patch that a key of a process changes."""
    if key in _LOAD_KEYS:
        return ("load", key.lower())
    return ("calls", EVERY, key.lower()) if key in _CALL_KEYS else (key.lower(),)


def _plain(key: str, value: Any) -> Any:
    if isinstance(value, str) and value:
        with contextlib.suppress(ValueError):  # what can't be read is told with its text
            return read_value(key.lower(), value)
    return list(value) if isinstance(value, tuple) else value


def _limits(survey: Survey, name: str) -> dict[Node, Limit]:
    found = survey.limits
    called = {(call.to, call.operation) for _, call in calls_of(survey.topology.stages[name])}
    return {node: found[node] for node in called if node in found}


def _decisions(survey: Survey | None, name: str, stage: Stage) -> dict[str, Known]:
    if survey is None:
        return {key: {of: [rule] for of, rule in each.decide.items()} for key, each in stage.all_operations.items()}
    found = survey.decisions
    return {key: found[name, key] for key in stage.all_operations if found.get((name, key))}


def _drain_seconds(survey: Survey | None, name: str, stage: Stage) -> float:
    if survey is None:
        return stage_drain_seconds(name, stage, None)
    return survey.with_stage(name, stage).drain_seconds[name]


def _size_problems(survey: Survey, name: str) -> Iterator[tuple[Keys, str]]:
    """Yield the messages too large for the resolved stage; those of its callers are too large for its MAX_BODY."""
    for keys, message in survey.size_problems:
        yield (keys[2:] if keys[1] == name else ("MAX_BODY",)), message


def _reads_input(stage: Mapping[str, Any]) -> bool:
    return stage.get("role") == Role.INJECTOR and "input" in stage


def _downstreams(stage: Stage, topology: Topology | None, addresses: tuple[Address, ...]) -> Iterator[Downstream]:
    for name in dict.fromkeys(call.to for _, call in calls_of(stage)):
        given = [address for address in addresses if address.name == name]
        called = None if topology is None else topology.stages[name]
        if called is not None and called.url is not None and not given:
            given = [external_address(called, name)]
        routes = {"": Route()} if topology is None else routes_of(topology.stages[name])
        has_base = any(route.path for route in routes.values())
        by_url = {address.url.rstrip("/") if has_base else address.url: address.authorization for address in given}
        urls = tuple(by_url) or (stage_urls(topology, name) if topology else ())
        authorizations = {url: authorization for url, authorization in by_url.items() if authorization}
        yield Downstream(name, urls, called is not None and called.url is None, authorizations, routes)


def _port(stage: Stage, instance: int) -> int:
    """Return the port of an instance, counted from the stage's own."""
    if not stage.port:
        return DEFAULT_PORT if stage.port is None else 0
    return stage.port + instance - 1


def _split(value: Any, separator: str) -> Any:
    """Return text split at the separator, and a list as it is; anything else is a mistake that is reported later."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(separator) if part.strip()]
    return list(value) if isinstance(value, list | tuple) else value


def _instance(value: Any) -> int:
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100:
        raise ValueError(f"{quoted(value)} must be a whole number from 1 to 100")
    return value


def _seed(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"{quoted(value)} must be a whole number from 0 to 2^63 - 1")
    return value


def _log_level(value: Any) -> str:
    if str(value).lower() not in LOG_LEVELS:
        raise ValueError(f"{quoted(value)} is not one of {', '.join(LOG_LEVELS)}")
    return str(value).lower()


def _delay(value: Any) -> float:
    return Process.shutdown_delay_seconds if value is None else parse_duration(value)
