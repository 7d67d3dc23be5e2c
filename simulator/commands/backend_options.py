"""The options of `verify` that say which backends to judge, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--backend", is_flag=True, help="Judge what backends hold of the run, in place of the run itself."),
    click.option("--jaeger", metavar="URL", help="Judge the traces in Jaeger, for instance http://127.0.0.1:16686."),
    click.option("--prometheus", metavar="URL", help="Judge the counts in Prometheus."),
    click.option(
        "--otlp-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Judge what a collector's file exporter, or run --telemetry, wrote as OTLP JSON Lines; or a folder of it.",
    ),
    click.option(
        "--logs", type=click.Path(path_type=Path), metavar="FILE", help="Judge log lines as a shipper kept them."
    ),
    click.option(
        "--expect",
        multiple=True,
        metavar="RULE",
        help="What a sampler keeps: 'sampling: 10%', 'keep: errors', 'keep: slower than 1s'; may be repeated.  "
        "[default: what the topology's key expect says]",
    ),
    click.option(
        "--settle",
        default="10s",
        metavar="TIME",
        show_default=True,
        help="How long after the end of the run telemetry may take to arrive.",
    ),
    click.option(
        "--backend-timeout",
        default="30s",
        metavar="TIME",
        show_default=True,
        help="How long a backend may take to answer a request.",
    ),
)
_GIVEN = ("jaeger", "prometheus", "otlp_file", "logs")


def backend_options(command: _Command) -> _Command:
    """Add the options to a command, whose function gets them by the names in `backend_request`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def has_backends(flags: Mapping[str, Any]) -> bool:
    """Return whether a backend is to be judged. Raise UsageError if there is none, but what is only for one."""
    if any(flags[name] is not None for name in _GIVEN):
        return True
    if flags["backend"] or flags["expect"]:
        raise click.UsageError("name a backend: --jaeger, --prometheus, --otlp-file or --logs")
    return False


def backend_request(flags: Mapping[str, Any], *, as_json: bool, is_quiet: bool, junit: Path | None = None) -> Any:
    """Return the BackendRequest of the options. Raise ConfigurationError if one is invalid."""
    from simulator.local.command import seconds_of
    from simulator.proof.backends.command import BackendRequest
    from simulator.proof.backends.judgement import Backends
    from simulator.proof.backends.sampling_rules import parse_expectation

    return BackendRequest(
        backends=Backends(
            **{name: flags[name] for name in _GIVEN},
            expected=parse_expectation(flags["expect"]),
            timeout_seconds=seconds_of(flags["backend_timeout"], "flag --backend-timeout") or 0.0,
        ),
        settle_seconds=seconds_of(flags["settle"], "flag --settle") or 0.0,
        as_json=as_json,
        is_quiet=is_quiet,
        junit=junit,
    )
