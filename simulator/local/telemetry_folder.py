"""The files of a run's telemetry, as the stages and the user are told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from simulator.telemetry.otlp import ENDPOINT_VARIABLES, exporter_variable, exporters, makes_spans
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.telemetry_files import deleted_bytes, prepare_folder, telemetry_file
from simulator.topology.variables import TELEMETRY_LIMIT_VARIABLE, TELEMETRY_VARIABLE

_CONSOLE = "console"


def telemetry_environment(
    folder: Path | None, limit_bytes: int, with_console: bool, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment in which stages write their telemetry to files in a folder, which is created.

    None means that they write none. Where the files are all that is asked for, no collector is looked for. Raise
    StartError if the folder can't be written.
    """
    kept = {name: text for name, text in environment.items() if name != TELEMETRY_VARIABLE}
    if folder is None or not makes_spans(environment):
        return kept
    prepare_folder(folder)
    names_one = any(environment.get(variable) for variable in (*ENDPOINT_VARIABLES, exporter_variable(Signal.TRACES)))
    if not with_console and not names_one:
        kept[exporter_variable(Signal.TRACES)] = "none"
    return {**kept, TELEMETRY_VARIABLE: str(folder.resolve()), TELEMETRY_LIMIT_VARIABLE: str(limit_bytes)}


def without_standard_output(environment: Mapping[str, str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the environment without exporters to standard output, which a run has for its view, and what to say."""
    kept, ignored = dict(environment), []
    for signal in (Signal.TRACES, Signal.METRICS):
        names = exporters(environment, signal)
        if _CONSOLE in names:
            variable = exporter_variable(signal)
            kept[variable] = ",".join(name for name in names if name != _CONSOLE) or "none"
            ignored.append((variable, "console is for a stage on its own; --telemetry DIR writes the files of a run"))
    return kept, ignored


def deleted_telemetry(folder: Path | None) -> Iterator[str]:
    """Yield which files have lost their oldest part, as lines for the terminal."""
    for signal in Signal:
        if folder is not None and (count := deleted_bytes(folder, signal)):
            name = telemetry_file(folder, signal).name
            yield f"{name}: the oldest {count / 1e6:,.1f} MB were deleted; --log-limit keeps more"
