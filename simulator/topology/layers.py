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
from simulator.topology.text_files import read_text

ENVIRONMENT_PREFIX = "SIMULATOR_"
# The secret by which the stages of a run know each other; not a key, because no file or flag should hold it.
SECRET_VARIABLE = f"{ENVIRONMENT_PREFIX}RUN_SECRET"
# The token that /control asks for; not a key, for the same reason.
CONTROL_TOKEN_VARIABLE = f"{ENVIRONMENT_PREFIX}CONTROL_TOKEN"

# Every key, and one sentence about it: `instance/config.py`, SIMULATOR_<KEY> and --<key> alike.
KEYS: Mapping[str, str] = {
    "NAME": "The stage's name: up to 63 letters, digits, dashes, underscores and dots, as in cart or product_catalog.",
    "ROLE": "injector (first), processor (in the middle) or terminator (last). By default as the other keys imply.",
    "HOST": "The address to listen on; 0.0.0.0 lets other machines in.",
    "PORT": "The port to listen on.",
    "PATH": "The path that takes POSTed messages.",
    "DOWNSTREAM": "Where to send messages on: URL or name=URL, several separated by commas, called in order.",
    "TIMEOUT": "How long each attempt waits for a downstream's answer.",
    "DEADLINE": "How long a call may take with all its attempts; the rest of the time travels on with the message.",
    "RETRIES": "Attempts after the first, for instance 2 or retries(3, backoff=50ms, max=2s, budget=20%).",
    "BREAKER": "When to stop calling for a while, for instance breaker(failures=5, reset=10s).",
    "HEDGE": "Send a second attempt when the first has had no answer for this long.",
    "OPTIONAL": "true: a call that fails does not fail the message.",
    "REQUEST_BYTES": "Send a body of this size in place of the message's own, for instance uniform(1KB, 10KB).",
    "HEADERS": "Headers of every call, for instance 'Authorization: Bearer ${TOKEN}'; ${TOKEN} is a variable's value.",
    "DELAY": "The simulated processing time, for instance lognormal(p50=12ms, p99=80ms).",
    "FAULTS": "The faults to inject, for instance error(503, 5%); several separated by semicolons.",
    "WORKERS": "Messages processed concurrently; more wait.",
    "QUEUE": "Messages that may wait for a worker; beyond that the answer is 503 with Retry-After.",
    "RATE_LIMIT": "Messages taken per second, for instance 50/s; beyond that the answer is 429 with Retry-After.",
    "FORWARD": "When to answer: wait (when all is done) or accept (202, as soon as the message is in the queue).",
    "RESPONSE_BYTES": "The size of the answer, for instance 10KB; by default a short receipt.",
    "INSTANCE": "Which of the stage's instances this process is, from 1.",
    "MAX_BODY": "The largest body taken, for instance 1MiB.",
    "RATE": "Messages an injector creates, for instance 20/s.",
    "ARRIVALS": "How an injector's messages follow each other: poisson or constant.",
    "MESSAGES": "How many messages an injector creates before it stops; by default it never stops.",
    "CONCURRENCY": "Messages of an input in flight at a time, if no RATE paces it.",
    "INPUT": "A JSON Lines file whose lines an injector sends; - is standard input.",
    "ON_BAD_LINE": "What a line of INPUT that is not JSON does: stop, or skip.",
    "OUTPUT": "A JSON Lines file to which a terminator appends what it gets.",
    "SEED": "The seed for every random draw; by default one is drawn and logged.",
    "LOG_LEVEL": "debug, info, warning or error.",
    "SHUTDOWN_DELAY": "How long a stage keeps accepting messages after SIGTERM, until its callers know of it.",
    "DRAIN_TIMEOUT": "How long a stopping stage may take to finish what it has admitted; by default as long as needed.",
}


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
