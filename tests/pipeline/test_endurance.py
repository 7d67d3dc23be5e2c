"""A stage does not grow: not in memory, not in threads, not in sockets; and what an idle one takes is bounded."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.collector import collector
from tests.support.load import send_all
from tests.support.processes import clean_environment, running_stage, running_topology, wait_for, with_collector

PIPELINE = """
name: steady
stages:
  source: {role: injector, load: {rate: 100/s, arrivals: poisson, messages: 3000}, calls: [middle]}
  middle: {delay: "uniform(1ms, 20ms)", calls: [last]}
  last: {role: terminator, delay: exponential(5ms)}
"""


@dataclass(frozen=True)
class Footprint:
    rss_mebibytes: float
    threads: int
    files: int


def footprint(pid: int) -> Footprint:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Footprint(
        int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir()))
    )


@pytest.mark.calm
def test_thirty_seconds_at_a_hundred_a_second_twice(tmp_path):
    """Between 5 s and the end of 30 s at 100 messages a second nothing grows; and the same in a second run."""
    ends = []
    with collector() as received:
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            with running_topology(folder, PIPELINE, environment=with_collector(received.address)) as running:
                pids = {name: running.pid(name) for name in ("source", "middle", "last")}
                samples: dict[str, list[Footprint]] = {name: [] for name in pids}
                for at in range(500, 3000, 250):
                    wait_for(lambda at=at, running=running: handled(running, "last") >= at, f"message {at}")
                    for name, pid in pids.items():
                        samples[name].append(footprint(pid))
                assert running.process.wait(60) == 0
            for name, found in samples.items():
                first, last, second_half = found[:3], found[-3:], found[len(found) // 2 :]
                grown = statistics.median(f.rss_mebibytes for f in last) - statistics.median(
                    f.rss_mebibytes for f in first
                )
                assert grown < 3, (name, found)
                assert max(f.threads for f in last) <= max(f.threads for f in first) + 1, (name, found)
                # A machine that stalls for a moment piles up messages, with a socket each, which go away again when
                # they have been idle for a while; what leaks does not. So it is the middle one that is compared.
                middle = statistics.median(f.files for f in second_half)
                assert middle <= max(f.files for f in first) + 8, (name, found)
            ends.append({name: found[-1].rss_mebibytes for name, found in samples.items()})
    for name, first in ends[0].items():
        assert ends[1][name] == pytest.approx(first, abs=5)


def handled(running, stage: str) -> int:
    return sum(line["event"] == "message.handled" for line in running.log(stage))


def test_a_burst_leaves_no_threads_behind(tmp_path):
    """A hundred calls that set out at once, each on a connection of its own, start no threads."""
    with running_stage(tmp_path, "--delay", "constant(300ms)", name="last") as last, running_stage(
        tmp_path, "--downstream", last.url, name="first"
    ) as first:  # fmt: skip
        assert set(send_all(first.port, ["warm-up"], connections=1).values()) == {200}
        before = footprint(first.process.pid).threads
        answers = send_all(first.port, [f"m{number}" for number in range(100)], connections=100)
        assert set(answers.values()) == {200}
        assert footprint(first.process.pid).threads == before


# A program that does what a stage does, as far as its libraries, without those that a stage keeps out.
LIBRARIES = """
import sys
sys.modules.update(rich=None, charset_normalizer=None)
from gevent import monkey
monkey.patch_all()
import cattrs, click, flask, httptools, orjson, prometheus_client, requests, structlog, yaml
import opentelemetry.instrumentation.flask, opentelemetry.instrumentation.requests
import opentelemetry.proto.collector.trace.v1.trace_service_pb2, opentelemetry.sdk.trace.export
import gc
gc.collect()
print("up", flush=True)
sys.stdin.read()
"""


def own_mebibytes(pid: int) -> float:
    """Return the memory that belongs to a process alone, without the files that it shares with others."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["RssAnon"].split()[0]) / 1024


@pytest.fixture(scope="module")
def libraries_mebibytes():
    with subprocess.Popen(
        [sys.executable, "-c", LIBRARIES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment()
    ) as process:
        assert process.stdout.readline() == b"up\n"
        yield own_mebibytes(process.pid)
        process.kill()


def test_an_idle_stage_takes_little_more_than_its_libraries(tmp_path, libraries_mebibytes):
    """Beside what its libraries take an idle stage has its own code, its connections and nothing large."""
    with collector() as received, running_stage(
        tmp_path, "--downstream", "http://127.0.0.1:9/messages", environment=with_collector(received.address)
    ) as stage:  # fmt: skip
        assert own_mebibytes(stage.process.pid) - libraries_mebibytes < 7.5


@pytest.mark.alone
def test_a_stage_is_up_quickly(tmp_path):
    """A stage is up in less than 1.5 s (the best of three)."""
    took = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        begin = time.monotonic()
        with collector() as received, running_stage(
            folder, "--downstream", "http://127.0.0.1:9/messages", environment=with_collector(received.address)
        ):  # fmt: skip
            took.append(time.monotonic() - begin)
    assert min(took) < 1.5
