"""What the truth of a message costs a middle stage, by itself: its row is made, and written by the writer's thread.

With and without the truth a stage differs by less than two measurements of the same stage do on a shared machine. What
is measured here is all that is added, with real records, a real file and the real thread, and next to nothing else.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from benchmarks.errors import BenchmarkFailed
from simulator.behaviour.delays import no_samples
from simulator.stage.truth import make_truth
from simulator.telemetry.clock import SystemClock
from simulator.telemetry.lines import Flag, WriterThread
from simulator.telemetry.log_file import LogBound
from simulator.telemetry.record import Arrival, Attempt, CallOutcome, CallRecord, Outcome, StageRecord, TraceIds, Via
from simulator.topology.settings import resolve_stage

_REPEATS = 5
_CLOSE_SECONDS = 60.0
_LIMIT_BYTES = 2**30
# So many messages come between two turns of the writer's thread, at 400/s: it writes rows in batches as small as a
# stage's.
_TOGETHER = 20
_APART_SECONDS = 0.05


def truth_seconds_per_message(folder: Path, messages: int) -> float:
    """Return the CPU of the truth of one message, in seconds: the best of several times so many messages.

    The best, because what else runs on a machine only ever adds to it. `folder` holds the rows meanwhile.
    """
    return min(_once(folder / f"rows-{number}.jsonl", messages) for number in range(_REPEATS))


def _once(rows: Path, messages: int) -> float:
    thread = WriterThread(lambda run: threading.Thread(target=run, daemon=True).start(), threading.Event, time.sleep)
    truth = make_truth(resolve_stage({}, no_samples), LogBound(rows, _LIMIT_BYTES), None, SystemClock(), thread)
    records = [_record(number) for number in range(messages)]
    begin = time.process_time()
    for number, record in enumerate(records):
        truth.sink.handled(record)
        if number % _TOGETHER == _TOGETHER - 1:
            time.sleep(_APART_SECONDS)
    truth.close(_is_done)
    took_seconds = time.process_time() - begin
    thread.close()
    written = rows.read_bytes().count(b"\n")
    rows.unlink()
    if written != messages:
        raise BenchmarkFailed(f"of {messages} rows of the truth {written} were written")
    return took_seconds / messages


def _is_done(flag: Flag) -> bool:
    return flag.wait(_CLOSE_SECONDS)


def _record(number: int) -> StageRecord:
    """Return the record of a message that a middle stage sent on, as in the measurement of a stage."""
    seconds = number * 1e-6
    arrival = Arrival(
        message_id=f"m-{number:08d}",
        visit="0",
        caller="outside",
        via=Via.HTTP,
        content_type="application/json",
        body_bytes=100,
        due_unix_seconds=1.7e9 + seconds,
        due_at=1e4 + seconds,
        received_unix_ns=1_700_000_000_123_456_789 + number,
        received_at=1e4 + seconds,
        trace=TraceIds(f"{number:032x}", f"{number:016x}", "03", True),
        route="/messages",
    )
    attempt = Attempt(outcome=CallOutcome.OK, code=200, duration_seconds=0.00123456789 + seconds)
    call = CallRecord(
        downstream="sink",
        attempts=(attempt,),
        duration_seconds=attempt.duration_seconds,
        outcome=CallOutcome.OK,
        code=200,
    )
    return StageRecord(
        arrival=arrival,
        outcome=Outcome.FORWARDED,
        code=200,
        faults=(),
        error="",
        reading_seconds=0.000123456789,
        queue_wait_seconds=0.000012345678 + seconds,
        delay_drawn_seconds=0.0,
        delay_spec="constant(0s)",
        utilisation=0.125,
        processed_seconds=0.000234567891 + seconds,
        fault_times=(),
        downstream_seconds=call.duration_seconds,
        duration_seconds=0.00234567891 + seconds,
        answer_seconds=None,
        calls=(call,),
    )
