"""The command `find-capacity`: read a topology, drive it at one rate after the other, and report where it ends."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from simulator.behaviour.thresholds import Threshold
from simulator.errors import ConfigurationError
from simulator.local.command import RunRequest, seconds_of, topology_to_run
from simulator.local.plan import Overrides
from simulator.local.stop_request import Interrupted, StopRequest
from simulator.local.terminal import Outlet, make_console
from simulator.proof.capacity.finding import DEFAULT_THRESHOLDS, CapacityFound, CapacitySearch, find_capacity
from simulator.proof.capacity.live_probe import LiveProber
from simulator.proof.capacity.load import injector_of
from simulator.proof.capacity.probe import Probe, ProbePlan, Prober
from simulator.proof.capacity.showing import asked_line, result_lines, show_probe, shown_rate
from simulator.proof.capacity.virtual_probe import VirtualProber
from simulator.topology.load import Load
from simulator.topology.model import Topology
from simulator.units import MAX_RATE_PER_SECOND, parse_positive_rate, parse_ratio

_DEFAULT_PROBE_SECONDS, _DEFAULT_PRECISION = 10.0, 0.02
_MIN_PROBE_SECONDS = 1.0
_MIN_PRECISION, _MAX_PRECISION = 0.001, 0.5
# A probe in virtual time needs no more messages than these for a long time that was asked for.
_MAX_VIRTUAL_MESSAGES = 20_000


@dataclass(frozen=True, kw_only=True)
class CapacityRequest:
    """What the command line asked for; None means the default."""

    topology: Path
    overrides: Overrides
    from_rate: str | None = None
    to_rate: str | None = None
    probe: str | None = None
    precision: str | None = None
    warm_up: str | None = None
    report: Path | None = None
    as_json: bool = False
    is_virtual: bool = False


def run_find_capacity(request: CapacityRequest, program: Sequence[str], environment: Mapping[str, str]) -> int:
    """Find the capacity of a topology, show it, and return the exit code."""
    run = RunRequest(
        topology=request.topology, overrides=request.overrides, duration=None, report=request.report, as_json=True
    )
    topology = topology_to_run(run, environment)
    injector = injector_of(topology, str(request.topology), request.from_rate is not None)
    asked = _asked(request, topology, injector)
    outlet = Outlet(sys.stdout)
    out, err = make_console(outlet), make_console(Outlet(sys.stderr))
    err.print(asked_line(topology.name, asked.thresholds, not topology.thresholds), soft_wrap=True, markup=False)
    err.print(f"seed {topology.seed}; {'virtual time' if request.is_virtual else 'real time'}\n", style="dim")
    stop = StopRequest(raises=not request.is_virtual)
    with stop.listening():
        prober = _prober(request, topology, injector, asked.thresholds, stop, program, environment)
        try:
            capacity = find_capacity(asked, _Announced(prober, err), lambda probe: show_probe(probe, err))
        except Interrupted:
            return 130
    if request.as_json:
        outlet.write(json.dumps(_report(capacity, topology, asked, request.is_virtual), indent=2) + "\n")
        outlet.flush()
    else:
        out.print()
        for line, style in result_lines(capacity, topology.name):
            out.print(line, style=style, soft_wrap=True, markup=False, highlight=False)
    return 0 if capacity.is_found else 1


def _prober(
    request: CapacityRequest,
    topology: Topology,
    injector: str,
    thresholds: tuple[Threshold, ...],
    stop: StopRequest,
    program: Sequence[str],
    environment: Mapping[str, str],
) -> Prober:
    if request.is_virtual:
        return VirtualProber(topology, injector, thresholds, _interruption(stop))
    return LiveProber(topology, injector, thresholds, request.topology, request.report, program, environment, stop)


def _interruption(stop: StopRequest) -> Callable[[], None]:
    def check() -> None:
        if stop.made:
            raise Interrupted

    return check


class _Announced:
    """A prober that says what it is doing, on a terminal, while it does."""

    def __init__(self, prober: Prober, console: Console) -> None:
        self._prober = prober
        self._console = console
        self._count = 0

    def probe(self, rate_per_second: float, plan: ProbePlan) -> Probe:
        self._count += 1
        with self._status(f"probe {self._count}: {shown_rate(rate_per_second)} for {plan.total_seconds:.3g} s"):
            return self._prober.probe(rate_per_second, plan)

    @contextlib.contextmanager
    def _status(self, text: str) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(text):
            yield


def _asked(request: CapacityRequest, topology: Topology, injector: str) -> CapacitySearch:
    load = topology.stages[injector].load or Load()
    start = _rate(request.from_rate, "--from")
    to_rate = _rate(request.to_rate, "--to") or MAX_RATE_PER_SECOND
    own = load.rate_per_second or 1.0
    if start is not None and start > to_rate:
        raise ConfigurationError.of(f"--from {request.from_rate} is above --to {request.to_rate}", "flag --from")
    return CapacitySearch(
        topology=topology,
        thresholds=topology.thresholds or DEFAULT_THRESHOLDS,
        start_rate=own if start is None else start,
        max_rate=to_rate,
        min_rate=start,
        precision=_precision(request.precision),
        probe_seconds=_probe_seconds(request.probe),
        warm_up_seconds=seconds_of(request.warm_up, "flag --warm-up"),
        max_messages=_MAX_VIRTUAL_MESSAGES if request.is_virtual else math.inf,
    )


def _rate(text: str | None, flag: str) -> float | None:
    try:
        return None if text is None else parse_positive_rate(text)
    except ValueError as error:
        raise ConfigurationError.of(str(error), f"flag {flag}") from None


def _precision(text: str | None) -> float:
    try:
        ratio = _DEFAULT_PRECISION if text is None else parse_ratio(text)
    except ValueError as error:
        raise ConfigurationError.of(str(error), "flag --precision") from None
    if not _MIN_PRECISION <= ratio <= _MAX_PRECISION:
        raise ConfigurationError.of(f"{text} is out of range: must be between 0.1% and 50%", "flag --precision")
    return ratio


def _probe_seconds(text: str | None) -> float:
    seconds = seconds_of(text, "flag --probe")
    if seconds is not None and seconds < _MIN_PROBE_SECONDS:
        raise ConfigurationError.of(f"{text} is too short: must be at least 1s", "flag --probe")
    return _DEFAULT_PROBE_SECONDS if seconds is None else seconds


def _report(capacity: CapacityFound, topology: Topology, asked: CapacitySearch, is_virtual: bool) -> Mapping[str, Any]:
    return {
        "topology": topology.name,
        "seed": topology.seed,
        "virtual": is_virtual,
        "thresholds": [str(threshold) for threshold in asked.thresholds],
        "precision": asked.precision,
        **capacity.as_dict(),
    }
