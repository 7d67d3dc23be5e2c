"""Consoles for tests: that of a real run, and one of a fake run of any size."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import yaml
from playwright.sync_api import Page

from simulator.local.console import ConsoleProcess
from simulator.telemetry import tally
from simulator.telemetry.run_files import RunFiles
from tests.support.processes import COMMAND, RunningTopology, clean_environment, running_topology, wait_for
from tests.support.threaded import in_thread, listening

CONSOLE = {"SIMULATOR_CONSOLE": "1", "OTEL_TRACES_EXPORTER": "otlp"}
PER_SECOND = 1234.0
_ALL_HAVE_FIGURES = """(count) => {
    const figures = [...document.querySelectorAll("#canvas .card:not(.dead) .numbers b")].map((b) => b.textContent);
    return figures.length >= 4 * count && figures.every((text) => text !== "-");
}"""


@dataclass(frozen=True)
class Shown:
    """A run and the address of its page, token included."""

    running: RunningTopology
    url: str

    @property
    def origin(self) -> str:
        return self.url.partition("/?")[0]

    def port(self, stage: str) -> int:
        return int(self.running.stage_base(stage).rsplit(":", 1)[1])


@contextlib.contextmanager
def running_console(folder: Path, topology: Path, *flags: str, **environment: str) -> Iterator[Shown]:
    """Run a topology with its console."""
    with running_topology(folder, topology, *flags, environment={**CONSOLE, **environment}) as running:
        told = re.match(r"Console: (\S+)\n", running.errors.read_text())
        assert told, "the first thing that `run` prints is the address of its page"
        yield Shown(running, told[1])


def wait_for_figures(page: Page, stages: int, timeout_seconds: float = 120) -> None:
    """Wait until at least so many cards of living stages all have their figures, and lines are drawn."""
    page.wait_for_function(_ALL_HAVE_FIGURES, arg=stages, timeout=1000 * timeout_seconds)
    page.wait_for_selector("#edges path", state="attached", timeout=1000 * timeout_seconds)


@dataclass(frozen=True)
class MadeUp:
    """The address of a page, and how to kill the stage that is to die."""

    url: str
    kill: Callable[[], None]


@contextlib.contextmanager
def console_of_a_made_up_run(folder: Path, text: str, mortal: str, struggling: str) -> Iterator[MadeUp]:
    """Start the console alone, on a run whose stages only count.

    One stage dies when told to, one has a full queue and fails half of its calls; all the others do well.
    """
    files, stages = RunFiles(folder), list(yaml.safe_load(text)["stages"])
    files.logs.mkdir()
    files.tallies.mkdir()
    files.topology.write_text(text)
    tallies = [
        tally.Tally.create(files.tally(name), tally.slots(stages, [(name, "") for name in stages])) for name in stages
    ]
    with contextlib.ExitStack() as open_things, contextlib.ExitStack() as life:
        well, unwell = (open_things.enter_context(_counting(stages, tallies, full)) for full in (False, True))
        one = {mortal: life.enter_context(_counting(stages, tallies, False)), struggling: unwell}
        files.addresses.write_text(json.dumps({name: [one.get(name, well)] for name in stages}))
        read_end, write_end = os.pipe()
        open_things.callback(os.close, write_end)
        open_things.callback(os.close, read_end)
        console = open_things.enter_context(ConsoleProcess(files, COMMAND, clean_environment(), 0))
        console.start(read_end)
        wait_for(lambda: console.wait_until_ready() is None, "a console that is up")
        yield MadeUp(console.url, life.close)


@contextlib.contextmanager
def _counting(stages: list[str], tallies: list[tally.Tally], is_full: bool) -> Iterator[str]:
    """Answer /metrics like a stage that handles messages all the time, for every stage."""
    began = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            for one in tallies:
                for which in ("handling_seconds", "pipeline_seconds"):
                    one.observe(which, 0.1234)
                one.add("received.outside")
                one.add("outcome.forwarded")
            handled = int(PER_SECOND * (1 + time.monotonic() - began))
            text = _exposition(stages, handled, is_full).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = listening(Handler)
    with in_thread(server):
        yield f"{server.origin}/messages"


def _exposition(stages: list[str], handled: int, is_full: bool) -> str:
    failed = handled // 2 if is_full else 0
    gauges = {
        "workers": 1000,
        "workers_busy": 1000 if is_full else 125,
        "queue_capacity": 1000,
        "queue_depth": 1000 if is_full else 10,
        "in_flight": 2000 if is_full else 135,
    }
    call = "simulator_downstream_call_duration_seconds_count"
    lines = ['simulator_info{delay="lognormal(p50=12ms, p99=80ms, max=1s)"} 1']
    lines += [f'simulator_{name}{{role="any"}} {value}' for name, value in gauges.items()]
    counts = {"forwarded": handled - failed, "failed": failed}
    lines += [f'simulator_messages_total{{outcome="{outcome}"}} {count}' for outcome, count in counts.items()]
    for name in stages:
        for outcome, count in (("ok", handled - failed), ("error_status", failed)):
            lines.append(f'{call}{{downstream="{name}",outcome="{outcome}"}} {count}')
    return "\n".join([*lines, ""])
