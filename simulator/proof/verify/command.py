"""The command `verify`: run, judge, show, and return the exit code."""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from simulator.local.command import RunRequest, run_topology, topology_to_run
from simulator.local.finished import FinishedRun
from simulator.local.folder import DEFAULT_PARENT, write
from simulator.local.terminal import Outlet, make_console
from simulator.local.virtual_run import VirtualTime, run_virtually
from simulator.proof.after_run import after_run
from simulator.proof.junit import junit_xml
from simulator.proof.promises.every import FALSE_ALARM_RATIO, judge
from simulator.proof.promises.evidence import Evidence
from simulator.proof.promises.finding import Finding, PromiseVerdict
from simulator.proof.truth.reading import open_truth
from simulator.proof.verify.needed import needed
from simulator.proof.verify.shown import findings_table, problems, summary, verdict_json, verdict_judgements
from simulator.topology.model import Topology

LIVE_DURATION = "60s"
# In virtual time what bounds a run is the judging of it: minutes.
_MAX_VIRTUAL_VISITS = 200_000
_TELEMETRY = "telemetry"
_RAN = (0, 1)  # the exit codes of a run to its end
# What a user may have set for other runs, and what would keep values from being compared.
_WITHOUT = (
    "SIMULATOR_LOG_LEVEL",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
)


@dataclass(frozen=True, kw_only=True)
class Showing:
    """How the verdict is shown: as a table, only what is broken, or as JSON; `junit` is a file for it, too."""

    is_quiet: bool = False
    as_json: bool = False
    junit: Path | None = None


def verify_run(run_folder: Path, telemetry: Path | None, showing: Showing) -> int:
    """Judge a run that is over by its folder, and return the exit code. Raise TruthError if there is no truth."""
    files = run_folder / _TELEMETRY if telemetry is None else telemetry
    with open_truth(run_folder) as truth:
        evidence = Evidence(truth, files if files.is_dir() else None)
        findings = judge(evidence)
        messages = truth.value("SELECT count(*) FROM visits WHERE request <> ''")
        told = verdict_json(findings, messages, truth.manifest.topology, truth.manifest.seed)
        gap = evidence.gap
    return _show(findings, told, gap, showing)


def verify_topology(
    request: RunRequest, virtual: VirtualTime | None, showing: Showing, program: Sequence[str], env: Mapping[str, str]
) -> int:
    """Run a topology until its verdicts have the messages that they need, within its bounds, and judge the run."""
    err = make_console(Outlet(sys.stderr))
    topology = topology_to_run(request, env)
    folder = request.report or DEFAULT_PARENT / f"{topology.name}-verify"
    request = _sized(request, topology, virtual is not None, lambda text: err.print(text, soft_wrap=True, markup=False))
    request = replace(request, report=folder, with_console=False, as_json=True)
    environment = {name: value for name, value in env.items() if name not in _WITHOUT}
    finished: list[FinishedRun] = []

    def after(run: FinishedRun, show: Callable[[str], None]) -> Sequence[str]:
        finished.append(run)
        return after_run(run, show)

    # The report, as JSON, which a run without a view prints.
    with contextlib.redirect_stdout(io.StringIO()):
        if virtual is None:
            request = replace(request, telemetry=folder / _TELEMETRY)
            code = run_topology(request, program, environment, after)
        else:
            code = run_virtually(request, virtual, environment, after)
    if code not in _RAN or not finished:
        return code
    err.print("Judging the run ...", style="dim")
    return verify_run(folder, folder / _TELEMETRY if virtual is None else None, showing)


def _sized(request: RunRequest, topology: Topology, is_virtual: bool, show: Callable[[str], None]) -> RunRequest:
    """Return the request with as many messages as the verdicts need, within the bounds that are given."""
    need = needed(topology, FALSE_ALARM_RATIO / 100)
    own = [stage.load.messages for stage in topology.stages.values() if stage.load is not None]
    bounds = [float(bound) for bound in (request.overrides.messages, *own) if bound is not None]
    duration = request.duration if is_virtual or request.duration is not None else LIVE_DURATION
    if is_virtual and not bounds and duration is None:
        bounds.append(math.ceil(_MAX_VIRTUAL_VISITS / need.visits))
    messages = int(min([float(need.messages), *bounds])) if request.overrides.messages is None else int(min(bounds))
    bound = f", {duration} at most" if duration is not None else ""
    show(
        f"The verdicts need {need.messages:,} messages, most of all that on {need.what}: to find a delay that is 10% "
        f"too long, or a share of 5% that is 6%. This run has {messages:,}{bound}."
    )
    return replace(request, duration=duration, overrides=replace(request.overrides, messages=messages))


def _show(findings: Sequence[Finding], told: Mapping[str, object], gap: str, showing: Showing) -> int:
    outlet = Outlet(sys.stdout)
    out, err = make_console(outlet), make_console(Outlet(sys.stderr))
    if showing.as_json:
        outlet.write(json.dumps(told, indent=2) + "\n")
        outlet.flush()
    elif not showing.is_quiet:
        out.print(findings_table(findings))
    if showing.junit is not None:
        properties = {"seed": str(told["seed"]), "messages": str(told["messages"])}
        xml = junit_xml(f"verify {told['topology']}", verdict_judgements(findings, gap), properties)
        write(showing.junit, xml.decode())
    for line in problems(findings):
        err.print(line, style="bold red", soft_wrap=True, markup=False)
    if gap:
        err.print(f"broken: the run itself: {gap}", style="bold red", soft_wrap=True, markup=False)
    is_kept = not gap and not problems(findings)
    if not showing.as_json:
        out.print(summary(findings), style="green" if is_kept else "bold red", soft_wrap=True, markup=False)
    return 0 if is_kept and any(found.verdict is PromiseVerdict.KEPT for found in findings) else 1
