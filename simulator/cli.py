"""The commands and their exit codes.

0: good. 1: it ran and something is wrong. 2: bad usage or configuration, or it could not start. 130: Ctrl-C before it
was up.

A stage's process must be patched by gevent before anything else is imported, and the runner's must not be; so the
commands import what they need themselves.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from simulator import __version__
from simulator.errors import ConfigurationError, StartError
from simulator.grants import complain_of_machine, open_standard_streams
from simulator.topology.layers import CONTROL_TOKEN_VARIABLE, KEYS, SECRET_VARIABLE

CONFIG = Path("instance") / "config.py"
PIPELINE = Path("topologies") / "pipeline.yaml"
CONSOLE_VARIABLE = "SIMULATOR_CONSOLE"
LOG_LIMIT_VARIABLE = "SIMULATOR_LOG_LIMIT"
PROCESSES_VARIABLE = "SIMULATOR_PROCESSES"
_OF_OTHERS = (CONTROL_TOKEN_VARIABLE, CONSOLE_VARIABLE, LOG_LIMIT_VARIABLE, PROCESSES_VARIABLE, SECRET_VARIABLE)
_HIDDEN_HEADERS_VARIABLE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"


@dataclass(frozen=True)
class Program:
    """The file that was started, and the project's folder that contains it."""

    file: Path

    @property
    def root(self) -> Path:
        """Return the project's folder."""
        return self.file.parent


def main(arguments: Sequence[str], program: Path) -> int:
    """Run a command and return its exit code."""
    try:
        open_standard_streams()
        code = _run_command(arguments, program)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (OSError, RuntimeError) as error:
        return complain_of_machine(error, program.name)
    return code


def _run_command(arguments: Sequence[str], program: Path) -> int:
    try:
        result = cli.main(list(arguments), prog_name=program.name, standalone_mode=False, obj=Program(program))
        return int(result or 0)
    except click.ClickException as error:
        error.show()
    except ConfigurationError as error:
        click.echo(f"{len(error.problems)} mistake{'s' if len(error.problems) > 1 else ''}:", err=True)
        click.echo(str(error), err=True)
    except StartError as error:
        click.echo(str(error), err=True)
    return 2


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.pass_context
def cli(context: click.Context) -> int | None:
    """Simulate web services that are completely observable.

    Without a command: run one stage from instance/config.py; if that file is missing, run the default pipeline.

    \b
    Try:  run_web_service.py run                         the default pipeline, live
          run_web_service.py run --set enrich.delay='constant(1s)'
          run_web_service.py check topologies/pipeline.yaml
    """
    if context.invoked_subcommand is not None:
        return None
    root: Path = context.obj.root
    if (root / CONFIG).exists():
        return int(context.invoke(stage))
    click.echo(f"There is no {CONFIG}, so this runs the default pipeline, {PIPELINE}.", err=True)
    click.echo(f"For a stage of your own: cp {CONFIG}.sample {CONFIG}, edit it, and start again.\n", err=True)
    with run.make_context("run", [], parent=context) as run_context:
        return int(run.invoke(run_context))


def _key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for key, text in reversed(list(KEYS.items())):
        flag = f"--{key.lower().replace('_', '-')}"
        if key == "HEADERS":
            option = click.option(flag, "--header", key, metavar="TEXT", help=text, multiple=True, callback=_as_list)
        else:
            option = click.option(flag, key, metavar="TEXT", help=text)
        command = option(command)
    return command


def _as_list(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> list[str] | None:
    return list(values) or None


@cli.command()
@click.option("--topology", type=click.Path(path_type=Path), help="Run a stage of this topology file.")
@click.option(
    "--stage", "stage_names", multiple=True, help="The stage of the topology to run; several run in one process."
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="The configuration file.  [default: instance/config.py]"
)
@_key_options
@click.option("--listen-fd", type=int, hidden=True)
@click.pass_obj
def stage(
    program: Program,
    /,
    topology: Path | None,
    stage_names: tuple[str, ...],
    config: Path | None,
    listen_fd: int | None,
    **flags: Any,
) -> int:
    """Run one stage, or several of a topology, until Ctrl-C or SIGTERM; its log, JSON lines, goes to standard output.

    Flags beat SIMULATOR_* variables, which beat instance/config.py, which beats the defaults.

    \b
    Try:  run_web_service.py stage --port 8081 --delay 'exponential(20ms)'
          run_web_service.py stage --downstream http://127.0.0.1:8081/messages
          run_web_service.py stage --topology topologies/pipeline.yaml --stage parse
          run_web_service.py stage --topology orders.yaml --stage parse --stage enrich
    """
    if (topology is None) == bool(stage_names):
        raise click.UsageError("--topology and --stage must be given together")
    _prepare_stage_process()
    from simulator.telemetry.otel_environment import check_environment

    check_environment(os.environ)  # before importing the SDK, which fails with a traceback on some wrong values
    from simulator.stage.assembly import Surroundings
    from simulator.stage.process import run_stages

    if topology is not None:
        resolved = _topology_stages(topology, stage_names, flags)
    else:
        resolved = [_single_stage(program, config, flags)]
    return run_stages([(settings, Surroundings(listen_fd)) for settings in resolved], os.environ)


@cli.command(hidden=True, name="fork-server")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--socket", "descriptor", type=int, required=True)
@click.argument("room", required=False)
def fork_server(folder: Path, descriptor: int, room: str | None) -> int:
    """Become the stages of the run in a folder, a process at a time, for the run that starts it."""
    del room  # it only makes the command longer, so that what is shown in its place finds room
    _prepare_stage_process()
    from simulator.stage.fork_server import run_fork_server
    from simulator.stage.process import run_stages_for_runner
    from simulator.telemetry.run_files import RunFiles
    from simulator.topology.layers import from_environment, from_flags, unknown_variables
    from simulator.topology.reader import read_topology, samples_beside
    from simulator.topology.settings import resolve_topology_stage
    from simulator.topology.survey import Survey

    survey, samples = Survey(read_topology(RunFiles(folder).topology)), samples_beside(folder)
    given, ignored = from_environment(os.environ), unknown_variables(os.environ, _OF_OTHERS)

    def resolve(name: str, instance: int) -> Any:
        # Its callers are stopped before it, so that no stage sends to it when it is asked to stop.
        own = given | from_flags({"INSTANCE": instance, "SHUTDOWN_DELAY": "0s"})
        return resolve_topology_stage(survey, name, own, samples, ignored)

    return run_fork_server(descriptor, lambda channel: run_stages_for_runner(channel, folder, resolve, os.environ))


def _prepare_stage_process() -> None:
    # Imported objects stay: searching them for garbage again and again takes a twentieth of the start-up.
    gc.set_threshold(5_000, 20, 50)
    from gevent import monkey

    monkey.patch_all()
    # structlog imports rich, if it is installed, to draw tracebacks on terminals, and requests charset_normalizer to
    # guess the encoding of a text. A stage needs neither, and saves 6 MB of memory and some start-up time.
    for unused in ("rich", "charset_normalizer"):
        sys.modules.setdefault(unused, None)  # type: ignore[arg-type]
    warnings.filterwarnings("ignore", message="Unable to find acceptable character detection")
    # Read by the instrumentations when they are imported: without it they use the old attribute names.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    # Even a user who records every header in spans does not record the secret of the run.
    hidden = os.environ.get(_HIDDEN_HEADERS_VARIABLE, "")
    os.environ[_HIDDEN_HEADERS_VARIABLE] = ",".join(filter(None, (hidden, "x-simulator-secret")))


def _topology_stages(topology: Path, names: Sequence[str], flags: dict[str, Any]) -> list[Any]:
    from simulator.local.collisions import check_files
    from simulator.topology.layers import from_environment, from_flags, unknown_variables
    from simulator.topology.reader import read_topology, samples_beside
    from simulator.topology.settings import resolve_topology_stage
    from simulator.topology.several import given_to_each
    from simulator.topology.survey import Survey

    given, ignored = from_environment(os.environ) | from_flags(flags), unknown_variables(os.environ, _OF_OTHERS)
    survey, samples = Survey(read_topology(topology)), samples_beside(topology.parent)
    own = given_to_each(given, survey.topology, list(dict.fromkeys(names)))
    resolved = [resolve_topology_stage(survey, name, given, samples, ignored) for name, given in own.items()]
    stages = survey.topology.stages | {settings.name: settings.stage for settings in resolved}
    check_files(stages, [topology])
    return resolved


def _single_stage(program: Program, config: Path | None, flags: dict[str, Any]) -> Any:
    from simulator.local.collisions import check_files
    from simulator.topology.layers import from_config_file, from_environment, from_flags, unknown_variables
    from simulator.topology.reader import samples_beside
    from simulator.topology.settings import resolve_stage

    given, ignored = from_environment(os.environ) | from_flags(flags), unknown_variables(os.environ, _OF_OTHERS)
    path = config or program.root / CONFIG
    if config is not None or path.exists():
        given = from_config_file(path) | given
    settings = resolve_stage(given, samples_beside(path.parent), ignored)
    check_files({settings.name: settings.stage}, [path])
    return settings


@cli.command()
@click.argument("topology", type=click.Path(path_type=Path))
@click.pass_obj
def check(program: Program, /, topology: Path) -> int:
    """Report what is wrong with a topology file, or describe it."""
    from simulator.local.collisions import check_files
    from simulator.local.description import describe
    from simulator.local.machine import size_warning, this_machine
    from simulator.local.packing import pack, sharing_warnings
    from simulator.local.terminal import Outlet, make_console
    from simulator.topology.reader import read_topology

    read = read_topology(topology)
    check_files(read.stages, [topology])
    machine = this_machine()
    too_large = size_warning(read, machine)
    make_console(Outlet(sys.stdout)).print(describe(read, fits=too_large is None), soft_wrap=True)
    for warning in (*filter(None, [too_large]), *sharing_warnings(read, pack(read, None, machine.cores))):
        click.echo(f"warning: {warning}", err=True)
    return 0


# What only a run in real time has, and what it lacks in virtual time.
_REAL_FLAGS = {
    "with_stack": ("--stack", "metrics and spans for backends"),
    "with_console": ("--console", "a console"),
    "console_port": ("--console-port", "a console"),
    "processes": ("--processes", "processes of its own"),
    "start_timeout": ("--start-timeout", "processes of its own"),
}


def _refuse_flags(flags: Mapping[str, tuple[str, str]]) -> None:
    """Raise UsageError for those that the user has written; a variable of the environment may be for other runs."""
    context = click.get_current_context()
    for name, (flag, what) in flags.items():
        if context.params[name] and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{flag}: virtual time does not have {what}")


@cli.command()
@click.argument("topology", type=click.Path(path_type=Path), required=False)
@click.option(
    "--input", metavar="FILE", help="Send the lines of this JSON Lines file (- for standard input), then stop."
)
@click.option("--on-bad-line", type=click.Choice(["stop", "skip"]), help="What to do at a line that is not JSON.")
@click.option("--output", metavar="FILE", help="Append what the terminators receive to this JSON Lines file.")
@click.option("--rate", metavar="RATE", help="Messages that each injector creates, for instance 50/s.")
@click.option("--messages", type=click.IntRange(0), metavar="N", help="Stop after this many messages.")
@click.option("--duration", metavar="TIME", help="Stop after this time, for instance 30s.")
@click.option(
    "--drain-timeout",
    metavar="TIME",
    envvar="SIMULATOR_DRAIN_TIMEOUT",
    show_envvar=True,
    help="How long stopping may take, for instance 60s.  [default: as long as a message can still take]",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="The seed for every random draw.")
@click.option("--set", "sets", multiple=True, metavar="STAGE.KEY=VALUE", help="Change a stage; may be repeated.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder for logs and the report.  [default: runs/NAME, replaced by the next run]",
)
@click.option(
    "--console/--no-console",
    "with_console",
    default=True,
    envvar=CONSOLE_VARIABLE,
    show_envvar=True,
    help="Show the running system on a web page.  [default: --console]",
)
@click.option(
    "--console-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="The port of the console on this machine.  [default: 8090, or any free one if that is taken]",
)
@click.option("--stack", "with_stack", is_flag=True, help="Start Prometheus and Jaeger as well, if they are installed.")
@click.option(
    "--start-timeout",
    metavar="TIME",
    help="Give up if no further stage becomes ready within this time.  [default: 60s]",
)
@click.option(
    "--log-limit",
    metavar="SIZE",
    envvar=LOG_LIMIT_VARIABLE,
    show_envvar=True,
    help="The limit of all logs together; the newest lines of each stage are kept.  [default: 1GiB]",
)
@click.option(
    "--virtual", is_flag=True, help="Run in virtual time: the same story without sockets or waiting, and without spans."
)
@click.option(
    "--start",
    metavar="TIME",
    help="The start of virtual time, for instance 2026-01-31T08:00:00Z.  [default: 2000-01-01T00:00:00Z]",
)
@click.option("--overhead", metavar="TIME", help="The time that each request adds in virtual time.  [default: 0s]")
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    envvar=PROCESSES_VARIABLE,
    show_envvar=True,
    help="The number of processes for the stages.  [default: one for each of up to 8 stages, one for each core beyond]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and nothing else, on standard output.")
@click.pass_obj
def run(
    program: Program,
    /,
    topology: Path | None,
    duration: str | None,
    report: Path | None,
    as_json: bool,
    with_stack: bool,
    with_console: bool,
    console_port: int | None,
    drain_timeout: str | None,
    log_limit: str | None,
    start_timeout: str | None,
    virtual: bool,
    start: str | None,
    overhead: str | None,
    processes: int | None,
    **overrides: Any,
) -> int:
    """Run a whole topology on this machine.

    It stops at Ctrl-C, --duration, --messages or the end of --input; then the ledger accounts for every message. Exit
    code 1 means that a message was lost or failed, or that a stage died.

    \b
    Try:  run_web_service.py run --duration 30s
          run_web_service.py run --rate 100/s --set parse.workers=1
          run_web_service.py run --input orders.jsonl --output archived.jsonl
          run_web_service.py run --virtual --duration 1h --seed 7
    """
    if not virtual and (start is not None or overhead is not None):
        raise click.UsageError("--start and --overhead need --virtual")
    if virtual:
        _refuse_flags(_REAL_FLAGS)
    from simulator.telemetry.otel_environment import check_environment

    check_environment(os.environ)
    from simulator.local.command import RunRequest, run_topology
    from simulator.local.plan import Overrides

    request = RunRequest(
        topology or program.root / PIPELINE,
        Overrides(**overrides),
        duration,
        report,
        as_json,
        with_stack,
        with_console,
        console_port,
        drain_timeout,
        log_limit,
        start_timeout,
        processes,
    )
    if virtual:
        from simulator.local.virtual_run import VirtualTime, run_virtually

        return run_virtually(request, VirtualTime(start=start, overhead=overhead), os.environ)
    return run_topology(request, program.file, os.environ)


@cli.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--listen-fd", type=int, required=True)
@click.option("--parent-fd", type=int, required=True)
def console(folder: Path, listen_fd: int, parent_fd: int) -> int:
    """Run the console of the run in a folder, for the run that starts it."""
    from gevent import monkey

    monkey.patch_all()
    from simulator.telemetry.otel_environment import check_environment

    check_environment(os.environ)
    try:
        from simulator.console.process import run_console
    except ModuleNotFoundError as missing:
        raise StartError(f"the console needs {missing.name}, which is not installed: see requirements.txt") from None

    return run_console(folder, listen_fd, parent_fd, os.environ)


@cli.command(name="set")
@click.argument("stage")
@click.argument("changes", metavar="KEY=VALUE", nargs=-1)
@click.option("--url", metavar="URL", help="The URL of a stage that no run here has started.")
@click.option("--run", "run_folder", type=click.Path(path_type=Path), metavar="DIR", help="The folder of the run.")
@click.option("--instance", type=click.IntRange(1), metavar="N", help="Only this instance.  [default: all of them]")
def set_(stage: str, changes: tuple[str, ...], url: str | None, run_folder: Path | None, instance: int | None) -> int:
    """Change a running stage, from one message to the next; without KEY=VALUE show its settings.

    The changes are shown. They are all applied together, or none. A key without a value returns to its default.
    The token of a run is read from its folder. If a stage has its own token, as it must to be changed from another
    machine, set SIMULATOR_CONTROL_TOKEN to it here, too.

    \b
    Try:  run_web_service.py set enrich
          run_web_service.py set enrich delay='constant(1s)' faults='error(503, 5%); hang(2s, 1%)'
          run_web_service.py set injector load.rate=100/s
          run_web_service.py set enrich calls.archive.timeout=200ms calls.archive.retries=2
    """
    import json

    from simulator.local.differences import describe_change
    from simulator.local.setting import change_stage

    token = os.environ.get(CONTROL_TOKEN_VARIABLE) or None
    changed = change_stage(stage, changes, url, run_folder, instance, token)
    for one in changed:
        if one.before is None:
            click.echo(json.dumps(one.after, indent=2))
            continue
        name = stage if len(changed) == 1 else f"{stage}.{one.after['instance']}"
        click.echo("\n".join(describe_change(name, one.before, one.after)))
    if changes:
        click.echo(f"set {stage} shows all its settings", err=True)
    return 0


@cli.command()
@click.argument("engine", type=click.Choice(["compose", "kubernetes", "grafana"]))
@click.argument("topology", type=click.Path(path_type=Path), required=False)
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder for the files.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    help="Containers or pods for all stages that can share one.  [default: one for each stage]",
)
@click.pass_obj
def render(program: Program, /, engine: str, topology: Path | None, output: Path, processes: int | None) -> int:
    """Write a topology as files for Docker Compose or Kubernetes, with Jaeger, Prometheus and Grafana.

    A stage in a container or pod reads the same topology as on this machine. The Grafana dashboards fit every topology.

    \b
    Try:  run_web_service.py render compose topologies/checkout.yaml --output checkout
          run_web_service.py render kubernetes topologies/checkout.yaml --output checkout-kubernetes
          run_web_service.py render compose large.yaml --processes 4 --output large
          run_web_service.py render grafana --output grafana
    """
    from simulator.render.command import render as render_files

    for path in render_files(engine, topology, output, program.root, processes):
        click.echo(str(path))
    return 0


@cli.command()
@click.option(
    "--stages",
    type=click.IntRange(1, 10_000),
    default=20,
    metavar="N",
    help="Stages, injectors included.  [default: 20]",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="Seed for every choice.  [default: drawn]")
@click.option("--name", metavar="NAME", help="The topology's name.  [default: generated-STAGES]")
@click.option("--layers", type=click.IntRange(1), metavar="N", help="Length of the longest chain of calls.")
@click.option("--injectors", type=click.IntRange(1), default=1, metavar="N", help="Injectors.  [default: 1]")
@click.option(
    "--visits",
    "max_visits",
    type=click.FloatRange(5),
    default=20,
    metavar="N",
    help="Upper bound of the visits to stages that a message makes on average, without retries.  [default: 20]",
)
@click.option(
    "--rate", default="10/s", show_default=True, metavar="RATE", help="Messages per second from each injector."
)
@click.option(
    "--faults", default="0%", show_default=True, metavar="SHARE", help="Share of the stages that sometimes fail."
)
@click.option(
    "--options",
    default="0%",
    show_default=True,
    metavar="SHARE",
    help="Share of the calls that have timeouts, retries, breakers, hedges or fallbacks, or are optional.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a new file instead of standard output."
)
@click.option("--overwrite", is_flag=True, help="Write to --output even where it exists.")
def generate(output: Path | None, overwrite: bool, seed: int | None, **given: Any) -> int:
    """Write a random topology in the shape of a large system of microservices.

    Entries, services, databases and caches form layers; calls go to deeper layers, in order, in parallel or by choice,
    and some are rare. Fan-out, depth, the share of leaves and the size of call graphs follow published studies of
    Alibaba and Meta: most messages visit a few stages, some visit hundreds. At the given rate no stage has more than
    70% of its workers busy. The same options and seed give the same file, byte for byte.

    \b
    Try:  run_web_service.py generate --stages 30 --seed 7 --output shop.yaml
          run_web_service.py check shop.yaml
          run_web_service.py generate --stages 1000 --visits 40 --rate 50/s --faults 5% --options 30%
    """
    import secrets

    from simulator.generation.command import generate_text, plan_of, write_new

    chosen = secrets.randbits(31) if seed is None else seed
    generated = generate_text(plan_of(seed=chosen, **given))
    if output is None:
        click.echo(generated.text, nl=False)
    else:
        write_new(output, generated.text, overwrite)
    click.echo(generated.summary, err=True)
    return 0
