"""The measurements: one stage between load and sink, and a pipeline of three."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkFailed
from benchmarks.load import LoadResult, closed_loop, open_schedule
from benchmarks.servers import LOG_RECORDS, Server
from benchmarks.stages import PACKED, PROGRAMS, BenchmarkStage, Program, exporting, running, running_packed, with_truth
from benchmarks.truth_cost import truth_seconds_per_message

RATE_PER_SECOND = 50.0
_PIPELINE = ("first", "middle", "last")
_STAGE_CONNECTIONS = 8
_PIPELINE_CONNECTIONS = 32
_IDLE_SECONDS = 0.5
# Of a message in a middle stage: received, sent, handled.
LINES = 3
# The server's in every stage, and a client span in all but the last; with a delay of 0 there is nothing to process.
STAGE_SPANS = 2
PIPELINE_SPANS = 2 + 2 + 1


@dataclass(frozen=True)
class Effort:
    """How long each part takes.

    `flush_seconds` bounds the wait for the exporters to send their last spans, which is part of a message's cost;
    OpenTelemetry's default is to send every 5 s.
    """

    rounds: int
    warm_up_seconds: float
    stage_seconds: float
    latency_seconds: float
    rate_seconds: float
    flush_seconds: float
    truth_messages: int
    rate_turns: int
    turn_seconds: float


FULL = Effort(
    rounds=5,
    warm_up_seconds=1.0,
    stage_seconds=5.0,
    latency_seconds=8.0,
    rate_seconds=5.0,
    flush_seconds=7.0,
    truth_messages=500,
    rate_turns=8,
    turn_seconds=1.0,
)
QUICK = Effort(
    rounds=1,
    warm_up_seconds=0.2,
    stage_seconds=0.5,
    latency_seconds=1.0,
    rate_seconds=0.5,
    flush_seconds=0.5,
    truth_messages=100,
    rate_turns=1,
    turn_seconds=0.3,
)


@dataclass(frozen=True)
class Cost:
    """The cost of a load for the stages; `spans` are those that the collector received because of it."""

    load: LoadResult
    cpu_seconds: float
    spans: int


class Bench:
    """The two ends, a folder for the stages' files, and how much to do."""

    def __init__(self, sink: Server, collector: Server, folder: Path, effort: Effort) -> None:
        self._sink = sink
        self._collector = collector
        self._folder = folder
        self._effort = effort

    def measure_stage(self, program: Program) -> dict[str, float]:
        """Return the figures of one stage before the sink: start-up, memory before the first message, CPU."""
        effort, sink = self._effort, f"{self._sink.url}/messages"
        with running(program, ["middle"], sink, self._collector.url, self._folder) as stages:
            time.sleep(_IDLE_SECONDS)
            resident_bytes = stages[0].resident_bytes()
            self._cost(stages, _STAGE_CONNECTIONS, effort.warm_up_seconds, STAGE_SPANS)
            taken_before = self._sink.count()
            cost = self._cost(stages, _STAGE_CONNECTIONS, effort.stage_seconds, STAGE_SPANS)
            taken = self._sink.count() - taken_before
        if taken != cost.load.messages:
            raise BenchmarkFailed(f"{cost.load.messages} messages were sent through a stage and {taken} arrived")
        return {
            "start_up": stages[0].start_seconds,
            "idle_memory": resident_bytes,
            "stage_cpu": cost.cpu_seconds / cost.load.messages,
            "stage_messages": cost.load.messages,
            "stage_spans_per_message": cost.spans / cost.load.messages,
        }

    def measure_exporting(self) -> dict[str, float]:
        """Return the CPU of one of our stages that exports log records and metrics as well as spans."""
        return self._measure_cpu(exporting, LINES)

    def measure_with_truth(self) -> dict[str, float]:
        """Return the CPU of one of our stages that writes the truth as in a run, and that of the truth by itself."""
        folder = self._folder / "truth"
        values = self._measure_cpu(functools.partial(with_truth, folder))
        truth_cpu = truth_seconds_per_message(self._folder, self._effort.truth_messages)
        return {**values, "truth_cpu": truth_cpu, "truth_share": truth_cpu / (values["stage_cpu"] - truth_cpu)}

    def _measure_cpu(self, program: Program, lines: int = 0) -> dict[str, float]:
        effort, sink = self._effort, f"{self._sink.url}/messages"
        with running(program, ["middle"], sink, self._collector.url, self._folder) as stages:
            time.sleep(_IDLE_SECONDS)
            self._cost(stages, _STAGE_CONNECTIONS, effort.warm_up_seconds, STAGE_SPANS, lines)
            cost = self._cost(stages, _STAGE_CONNECTIONS, effort.stage_seconds, STAGE_SPANS, lines)
        return {"stage_cpu": cost.cpu_seconds / cost.load.messages, "stage_messages": cost.load.messages}

    def measure_pipeline(self, program: Program) -> dict[str, float]:
        """Return the figures of three stages in a row: latency at a fixed rate, and the cost of the highest one."""
        with running(program, _PIPELINE, None, self._collector.url, self._folder) as stages:
            return self._measure_pipeline(stages)

    def measure_packed(self) -> dict[str, float]:
        """Return the same figures of three of our stages in one process."""
        with running_packed(_PIPELINE, self._collector.url, self._folder) as stages:
            return self._measure_pipeline(stages)

    def measure_rates(self) -> dict[str, float]:
        """Return the highest rates of three stages of ours and of the plain program, and of ours packed, by name.

        All are up and get a second of load in turns: in one minute a shared machine has twice the time of the next.
        """
        messages, seconds = dict.fromkeys((*PROGRAMS, PACKED), 0), dict.fromkeys((*PROGRAMS, PACKED), 0.0)
        with contextlib.ExitStack() as stack:
            up: dict[str, Sequence[BenchmarkStage]] = {
                PACKED: stack.enter_context(running_packed(_PIPELINE, self._collector.url, self._folder))
            }
            for name, program in PROGRAMS.items():
                folder = self._folder / f"rate-{name}"
                folder.mkdir(exist_ok=True)
                up[name] = stack.enter_context(running(program, _PIPELINE, None, self._collector.url, folder))
            for stages in up.values():
                closed_loop(stages[0].url, _PIPELINE_CONNECTIONS, self._effort.warm_up_seconds)
            for _ in range(self._effort.rate_turns):
                for name, stages in up.items():
                    load = closed_loop(stages[0].url, _PIPELINE_CONNECTIONS, self._effort.turn_seconds)
                    messages[name] += load.messages
                    seconds[name] += load.seconds
        return {name: messages[name] / seconds[name] for name in up}

    def _measure_pipeline(self, stages: Sequence[BenchmarkStage]) -> dict[str, float]:
        effort = self._effort
        self._cost(stages, _PIPELINE_CONNECTIONS, effort.warm_up_seconds, PIPELINE_SPANS)
        # The latency of the load and a server alone, without a stage between them, is not added by the stages.
        direct = open_schedule(f"{self._sink.url}/messages", RATE_PER_SECOND, effort.latency_seconds / 4)
        floor_seconds = quantile(direct.latencies_seconds, 0.5)
        spans_before = self._collector.count()
        paced = open_schedule(stages[0].url, RATE_PER_SECOND, effort.latency_seconds)
        self._collector.wait_for(spans_before + PIPELINE_SPANS * paced.messages, effort.flush_seconds)
        cost = self._cost(stages, _PIPELINE_CONNECTIONS, effort.rate_seconds, PIPELINE_SPANS)
        return {
            "pipeline_cpu": cost.cpu_seconds / cost.load.messages,
            "pipeline_messages": cost.load.messages,
            "pipeline_spans_per_message": cost.spans / cost.load.messages,
            "latency_p50": quantile(paced.latencies_seconds, 0.5) - floor_seconds,
            "latency_p99": quantile(paced.latencies_seconds, 0.99) - floor_seconds,
            "latency_floor": floor_seconds,
            "latency_messages": paced.messages,
        }

    def _cost(
        self,
        stages: Sequence[BenchmarkStage],
        connections: int,
        seconds: float,
        spans_per_message: int,
        lines_per_message: int = 0,
    ) -> Cost:
        """Send a closed loop to the first stage, and return its cost including the export of what belongs to it."""
        spans_before, cpu_before = self._collector.count(), sum(stage.cpu_seconds() for stage in stages)
        lines_before = self._collector.count(LOG_RECORDS)
        load = closed_loop(stages[0].url, connections, seconds)
        wanted = spans_before + spans_per_message * load.messages
        spans = self._collector.wait_for(wanted, self._effort.flush_seconds) - spans_before
        self._collector.wait_for(
            lines_before + lines_per_message * load.messages, self._effort.flush_seconds, LOG_RECORDS
        )
        return Cost(load, sum(stage.cpu_seconds() for stage in stages) - cpu_before, spans)


def quantile(values: Sequence[float], q: float) -> float:
    """Return the q-quantile, q in (0, 1]: the smallest value that a share q of them does not exceed."""
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]
