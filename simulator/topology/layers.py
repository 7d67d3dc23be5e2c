"""What flags, the environment and `instance/config.py` say about one stage, each value with its source."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import ConfigurationError, Problem
from simulator.nearest import nearest, unknown_key
from simulator.topology.catalogue import flags
from simulator.topology.text_files import read_text
from simulator.topology.variables import ENVIRONMENT_PREFIX

# Every key, and what is said about it: `instance/config.py`, SIMULATOR_<KEY> and --<key> alike.
KEYS: Mapping[str, str] = {name: key.flag_text for name, key in flags().items()}


@dataclass(frozen=True)
class Given:
    """A value and its source."""

    value: Any
    source: str
    line: int = 0


def from_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    """Return the keys that SIMULATOR_<KEY> variables set."""
    return {
        key: Given(environment[ENVIRONMENT_PREFIX + key], f"environment {ENVIRONMENT_PREFIX}{key}")
        for key in KEYS
        if environment.get(ENVIRONMENT_PREFIX + key)
    }


def from_flags(flags: Mapping[str, Any]) -> dict[str, Given]:
    """Return the keys that flags set; `flags` is {key: value or None}."""
    return {
        key: Given(value, f"flag --{key.lower().replace('_', '-')}")
        for key, value in flags.items()
        if value is not None
    }


def from_config_file(path: Path) -> dict[str, Given]:
    """Run a configuration file, which is Python, and return the keys that it assigns.

    Raise ConfigurationError if it does not run, or assigns an upper-case name that is not a key.
    """
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError.of(f"can't be read: {reason}", str(path)) from None
    values: dict[str, Any] = {"__file__": str(path)}
    try:
        tree = ast.parse(text, str(path))
        exec(compile(tree, str(path), "exec"), values)  # noqa: S102 - the user's own configuration, as Flask runs it
    except SyntaxError as error:
        raise ConfigurationError([Problem(error.msg, str(path), error.lineno or 0, error.offset or 0)]) from None
    except Exception as error:  # noqa: BLE001 - whatever the user's own code raises is reported to her
        message = f"can't be run: {type(error).__name__}: {error}"
        raise ConfigurationError([Problem(message, str(path), _line_in(path, error))]) from None
    lines = _assignment_lines(tree)
    unknown = [key for key in values if key.isupper() and key not in KEYS]
    if unknown:
        raise ConfigurationError(
            Problem(f"{key}: {unknown_key(key, KEYS)}", str(path), lines.get(key, 0)) for key in unknown
        )
    return {key: Given(values[key], str(path), lines.get(key, 0)) for key in KEYS if values.get(key) is not None}


def _line_in(path: Path, error: Exception) -> int:
    """Return the last line of a file that is in an error's traceback; 0 if there is none."""
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == str(path)]
    return lines[-1] if lines else 0


def _assignment_lines(tree: ast.Module) -> dict[str, int]:
    stored = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return {node.id: node.lineno for node in sorted(stored, key=lambda node: node.lineno)}


def unknown_variables(environment: Mapping[str, str], known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the SIMULATOR_* variables that mean nothing, which are probably misspelt."""
    return tuple(
        sorted(
            variable
            for variable in environment
            if variable.startswith(ENVIRONMENT_PREFIX)
            and variable.removeprefix(ENVIRONMENT_PREFIX) not in KEYS
            and variable not in known
        )
    )


def variable_hint(variable: str) -> str:
    """Return what to say of a variable that means nothing: which was probably meant."""
    meant = nearest(variable.removeprefix(ENVIRONMENT_PREFIX), KEYS)
    return f"no such setting; {f'did you mean {ENVIRONMENT_PREFIX}{meant}?' if meant else 'see --help'}"
