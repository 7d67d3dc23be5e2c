"""The product with one lie planted in it: `python lying_program.py LIE run ...` runs as usual, but for one thing.

A lie is in the process that runs a topology in virtual time, and in the stages of one that runs live. What judges the
run is another process, without it.
"""

from __future__ import annotations

import itertools
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def every(number):
    """Return a function that is true at each `number`th call."""
    calls = itertools.count(1)
    return lambda: next(calls) % number == 0


def patch(owner, name, make):
    """Replace a function by `make(original)`."""
    setattr(owner, name, make(getattr(owner, name)))


def a_delay_is_cut_short():
    from simulator.telemetry.observe import Observation

    patch(Observation, "own_time_over_at", lambda true: lambda self, seconds: true(self, 0.9 * seconds))


def a_delay_is_drawn_too_short():
    from simulator.behaviour.distributions import Exponential

    Exponential.under_load = lambda self, u, utilisation: 0.9 * self.quantile(u)


def a_delay_between_calls_is_another_draw():
    from simulator.engine.calls import Visit

    def draw(true):
        return lambda self, purpose: true(self, f"another {purpose}" if purpose.startswith("delay ") else purpose)

    patch(Visit, "draw", draw)


def a_share_is_too_large():
    from simulator.behaviour.faults.base import Fault

    Fault.hits = lambda self, u: u < 1.2 * self.rate_ratio


def a_message_is_lost():
    from simulator.engine.wire import Reply
    from simulator.telemetry.record import CallOutcome
    from simulator.virtual.wire import MemoryWire

    is_lost = every(50)
    lost = Reply(CallOutcome.OK, code=200, retryable=False)
    patch(MemoryWire, "send", lambda true: lambda self, *of: lost if is_lost() else true(self, *of))


def a_message_is_doubled():
    from simulator.virtual.wire import MemoryWire

    is_doubled = every(50)

    def send(true):
        def twice(self, outgoing, *limits):
            if is_doubled():
                true(self, outgoing, *limits)
            return true(self, outgoing, *limits)

        return twice

    patch(MemoryWire, "send", send)


def an_attempt_is_unannounced():
    from simulator.virtual.wire import MemoryWire

    is_repeated = every(50)

    def send(true):
        def again(self, outgoing, *limits):
            if is_repeated():
                true(self, replace(outgoing, visit=f"{outgoing.visit}-again"), *limits)
            return true(self, outgoing, *limits)

        return again

    patch(MemoryWire, "send", send)


def a_queue_serves_last_come_first():
    from simulator.engine.capacity import Capacity

    class Stack(deque):
        popleft = deque.pop

    def begin(true):
        def with_stack(self, *of):
            true(self, *of)
            self._waiting = Stack()

        return with_stack

    patch(Capacity, "__init__", begin)


def a_schedule_slips():
    from simulator.behaviour.schedules import RunningSchedule

    def following(true):
        def late(self, u):
            turn = true(self, u)
            return None if turn is None else replace(turn, due_at=turn.due_at + 0.0001 * turn.number)

        return late

    patch(RunningSchedule, "next", following)


def a_span_is_dropped():
    from simulator.telemetry.span_export import StageSpans

    is_dropped = every(20)

    def on_end(true):
        def without_some(self, span):
            if span.name != "process" or not is_dropped():
                true(self, span)

        return without_some

    patch(StageSpans, "on_end", on_end)


def a_parent_is_wrong():
    """Send the id of the caller's own span in place of that of its attempt."""
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    def inject(true):
        def wrong(self, carrier, *of, **more):
            true(self, carrier, *of, **more)
            span = trace.get_current_span()
            if getattr(span, "parent", None) is not None and "traceparent" in carrier:
                version, trace_id, _, flags = carrier["traceparent"].split("-")
                carrier["traceparent"] = "-".join((version, trace_id, format(span.parent.span_id, "016x"), flags))

        return wrong

    patch(TraceContextTextMapPropagator, "inject", inject)


def a_counter_is_wrong():
    from simulator.telemetry.catalogue import metrics as catalogue
    from simulator.telemetry.metrics import Metrics

    is_counted_twice = every(20)

    def handled(true):
        def counted(self, record):
            true(self, record)
            if is_counted_twice():
                arrival = record.arrival
                self._families.series(catalogue.MESSAGES, operation=arrival.operation, outcome=record.outcome).inc()

        return counted

    patch(Metrics, "handled", handled)


def a_log_line_is_missing():
    from simulator.telemetry.logs import LogSink

    is_left_out = every(20)

    def handled(true):
        return lambda self, record: None if is_left_out() else true(self, record)

    patch(LogSink, "handled", handled)


def an_own_line_is_missing():
    from simulator.telemetry.logs import LogSink

    is_left_out = every(20)

    def logged(true):
        return lambda self, *of: None if is_left_out() else true(self, *of)

    patch(LogSink, "logged", logged)


def a_bucket_is_off_by_one():
    from simulator.telemetry.data_points import MetricsReader

    def histogram(true):
        def shifted(self, *of):
            found = true(self, *of)
            counts = list(found.counts)
            full = next((index for index, count in enumerate(counts[:-1]) if count), None)
            if full is not None:
                counts[full] -= 1
                counts[full + 1] += 1
            return replace(found, counts=tuple(counts))

        return shifted

    patch(MetricsReader, "_histogram", histogram)


def main(lie, arguments):
    """Run the product with a lie."""
    from simulator.commands import stage_process
    from simulator.commands.program import Program

    plant = globals()[lie]

    def prepare(true):
        def prepared():
            true()
            plant()

        return prepared

    patch(stage_process, "prepare_stage_process", prepare)
    if "--virtual" in arguments:
        plant()
    from simulator.cli import main as run

    command = (sys.executable, str(Path(__file__).resolve()), lie)
    return run(arguments, Program(name="lying", command=command, root=ROOT, is_installed=False))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1], sys.argv[2:]))
