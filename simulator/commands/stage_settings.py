"""The settings of the stages that a command line asks for, from its flags, the environment and files.

The command `stage` imports it once gevent has patched the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.commands.program import Program
from simulator.commands.variables import OTHER_VARIABLES
from simulator.errors import StartError
from simulator.local.collisions import check_files
from simulator.telemetry.log_file import LogBound
from simulator.telemetry.run_files import labels
from simulator.topology.layers import from_config_file, from_environment, from_flags, unknown_variables
from simulator.topology.samples import samples_beside
from simulator.topology.settings import StageSettings, resolve_stage, resolve_topology_stage
from simulator.topology.several import given_to_each
from simulator.topology.survey import Survey

_TRUTH_LIMIT_BYTES = 2**30


def topology_stages(
    topology: Path, names: Sequence[str], flags: Mapping[str, Any], environment: Mapping[str, str]
) -> list[StageSettings]:
    """Return the settings of some stages of a topology file. Raise ConfigurationError for what is wrong in them."""
    # A stage of its own does without the memory that reading YAML takes.
    from simulator.topology.reader import read_topology

    given = from_environment(environment) | from_flags(flags)
    ignored = unknown_variables(environment, OTHER_VARIABLES)
    survey, samples = Survey(read_topology(topology)), samples_beside(topology.parent)
    own = given_to_each(given, survey.topology, list(dict.fromkeys(names)))
    resolved = [resolve_topology_stage(survey, name, given, samples, ignored) for name, given in own.items()]
    stages = survey.topology.stages | {settings.name: settings.stage for settings in resolved}
    check_files(stages, [topology])
    return resolved


def truth_bound(folder: Path | None, settings: StageSettings, stages: int) -> LogBound | None:
    """Return where one of so many stages writes its truth, if a folder is given, which is created.

    Raise StartError if that can't be done.
    """
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"the folder {folder} for the truth can't be made: {error.strerror}") from None
    label = labels(settings.name, settings.stage.instances)[settings.instance - 1]
    return LogBound(folder / f"{label}.jsonl", _TRUTH_LIMIT_BYTES // stages)


def is_unconfigured(program: Program, flags: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    """Return whether nothing says what a stage of its own is: no flag, no variable and no configuration file."""
    return not (program.config.exists() or from_flags(flags) or from_environment(environment))


def single_stage(
    program: Program, config: Path | None, flags: Mapping[str, Any], environment: Mapping[str, str]
) -> StageSettings:
    """Return the settings of a stage of its own; without `config`, instance/config.py is read if it exists.

    Raise ConfigurationError for what is wrong in them.
    """
    given = from_environment(environment) | from_flags(flags)
    ignored = unknown_variables(environment, OTHER_VARIABLES)
    path = config or program.config
    if config is not None or path.exists():
        given = from_config_file(path) | given
    settings = resolve_stage(given, samples_beside(path.parent), ignored)
    check_files({settings.name: settings.stage}, [path])
    return settings
