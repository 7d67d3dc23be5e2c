"""Every table of the truth of a run, with its columns.

A name that ends in `_at` is a time of the monotonic clock, which is the same for all stages on a machine.
"""

from __future__ import annotations

from simulator.telemetry.catalogue.truth_records import ColumnType, TruthColumn, TruthTable

# A reader refuses any other. It changes when a column goes, or gets another meaning, and not when one is added.
VERSION = 1


def _text(name: str, help_text: str) -> TruthColumn:
    return TruthColumn(name=name, type=ColumnType.TEXT, help=help_text, default="")


def _integer(name: str, help_text: str) -> TruthColumn:
    return TruthColumn(name=name, type=ColumnType.INTEGER, help=help_text, default=0)


def _maybe_integer(name: str, help_text: str) -> TruthColumn:
    return TruthColumn(name=name, type=ColumnType.INTEGER, help=help_text, default=None)


def _real(name: str, help_text: str) -> TruthColumn:
    return TruthColumn(name=name, type=ColumnType.REAL, help=help_text, default=0.0)


def _maybe_real(name: str, help_text: str) -> TruthColumn:
    return TruthColumn(name=name, type=ColumnType.REAL, help=help_text, default=None)


def _flag(name: str, help_text: str) -> TruthColumn:
    return TruthColumn(name=name, type=ColumnType.FLAG, help=help_text, default=False)


# By these a row of one table is found in another.
OF_A_STAGE = (_text("stage", "The stage"), _integer("instance", "Its instance, from 1"))
OF_A_VISIT = (
    *OF_A_STAGE,
    _text("message_id", "The message"),
    _text("visit", "One arrival of the message at the stage: with the message, unique in a run"),
)

_FROM_A_VISIT = tuple(column.name for column in OF_A_VISIT)

VISITS = TruthTable(
    name="visits",
    kind="visit",
    help="One visit of a message to a stage, written when its answer had left",
    columns=(
        *OF_A_VISIT,
        _text("operation", "The operation, empty if the stage has only itself"),
        _text("caller", "The stage that sent it, or `outside`"),
        _text("via", "How it came: `http`, `schedule` or `input`"),
        _text("request", "What a message asks for that began here, else empty"),
        _text("trace_id", "Its trace"),
        _text("span_id", "The span in which it was handled"),
        _flag("sampled", "Whether that span is exported"),
        _maybe_real("due_at", "When the message was due; null if that is not credible"),
        _maybe_real("lag_seconds", "How late an injector started it; null elsewhere"),
        _real("received_at", "When its first byte arrived"),
        _integer("received_unix_ns", "The same by the time of day"),
        _maybe_integer("body_bytes", "The size of its body; null if that was never known"),
        _maybe_real("deadline_seconds", "How long its caller waits; null for no limit"),
        _text("outcome", "How it ended, as in the log"),
        _maybe_integer("code", "The status of the answer; null if there was none"),
        _text("error", "Why it did not succeed"),
        TruthColumn(name="faults", type=ColumnType.TEXTS, help="The faults that were injected, in order", default=[]),
        _real("reading_seconds", "Waiting for the client's bytes"),
        _maybe_real("queue_wait_seconds", "Waiting for a worker; null if it never had one"),
        _real("queued_seconds", "When it asked for a worker, since the arrival; 0 if it never had one"),
        _maybe_real("delay_drawn_seconds", "What was drawn for the delay; null if it was not reached"),
        _text("delay_spec", "The delay's distribution at that time"),
        _real("utilisation", "The share of workers that were busy when the delay began"),
        _real("processed_seconds", "When the delay was over, since the arrival"),
        _flag("has_worked", "Whether it used processor or memory as `work` says"),
        _real("fault_seconds", "What faults took"),
        _real("step_delay_seconds", "What delays between calls took"),
        _real("downstream_seconds", "During which calls were in flight, or waited for their next attempt"),
        _real("own_seconds", "The stage's own time"),
        _real("overhead_seconds", "The part of it that did not fit into the drawn delay"),
        _real("duration_seconds", "From the arrival until the answer had left, or all was done"),
        _maybe_real("answer_seconds", "When an answer left before the work was done (202); null elsewhere"),
        _maybe_real("end_to_end_seconds", "What a request that began here took since it was due; null elsewhere"),
        _maybe_real("accepted_work_seconds", "The same of work that had been accepted; null elsewhere"),
        TruthColumn(name="decisions", type=ColumnType.JSON, help="Its decisions, by name", default="{}"),
        TruthColumn(name="attributes", type=ColumnType.JSON, help="Its attributes here, by name", default="{}"),
    ),
)
CALLS = TruthTable(
    name="calls",
    inside="visits",
    inherited=_FROM_A_VISIT,
    help="One call of a visit, with all its attempts",
    columns=(
        *OF_A_VISIT,
        _text("position", "The step, as in `0`, `1.parallel.2` or `0#3`"),
        _text("downstream", "The called stage"),
        _text("operation", "Its operation, empty if it has only itself"),
        _text("outcome", "How it ended, as in the log"),
        _maybe_integer("code", "The status of the last answer; null if there was none"),
        _flag("injected", "Whether injected faults are the cause of its failure"),
        _flag("forgiven", "Whether the message went on although it failed"),
        _real("duration_seconds", "What it took, with pauses"),
        _text("error", "Why it failed"),
    ),
)
ATTEMPTS = TruthTable(
    name="attempts",
    inside="calls",
    inherited=(*_FROM_A_VISIT, "position", "downstream", "operation"),
    help="One attempt at a call",
    columns=(
        *OF_A_VISIT,
        _text("position", "The step of its call"),
        _integer("number", "Its number, from 1"),
        _text("downstream", "The called stage"),
        _text("operation", "Its operation, empty if it has only itself"),
        _text("called_visit", "The visit that it causes there"),
        _text("outcome", "How it ended"),
        _maybe_integer("code", "The status of the answer; null if there was none"),
        _flag("injected", "Whether an injected fault is the cause of its failure"),
        _flag("ending", "Whether the called stage was shutting down and did not take the message"),
        _flag("retryable", "Whether another attempt may succeed"),
        _real("duration_seconds", "What it took"),
        _maybe_real("retry_in_seconds", "The pause before the next attempt; null if none follows"),
        _text("error", "Why it failed"),
    ),
)
CHOICES = TruthTable(
    name="choices",
    inside="visits",
    inherited=_FROM_A_VISIT,
    help="One draw that decided something: whether a step is taken, which, how often, or whether a fault hits",
    columns=(
        *OF_A_VISIT,
        _text("kind", "`probability`, `choose`, `times`, `pick` or `fault`"),
        _text("position", "The step, or the number and name of the fault in its operation: `fault 0 error`"),
        _integer("chosen", "The result: 0 or 1, the number of the alternative from 0, or how often"),
    ),
)
STEP_DELAYS = TruthTable(
    name="step_delays",
    inside="visits",
    inherited=_FROM_A_VISIT,
    help="One delay between calls",
    columns=(
        *OF_A_VISIT,
        _text("spec", "Its distribution"),
        _text("position", "The step"),
        _real("drawn_seconds", "What was drawn"),
        _real("after_seconds", "When it began, since the arrival"),
        _real("duration_seconds", "What it took"),
    ),
)
FAULT_TIMES = TruthTable(
    name="fault_times",
    inside="visits",
    inherited=_FROM_A_VISIT,
    help="The time that a fault took of a message",
    columns=(
        *OF_A_VISIT,
        _text("fault", "The fault"),
        _real("after_seconds", "When it began, since the arrival"),
        _real("duration_seconds", "What it took"),
    ),
)
SECONDS = TruthTable(
    name="seconds",
    kind="second",
    help="One second of an injector's load in which messages were due",
    columns=(
        *OF_A_STAGE,
        _integer("second", "The second, since 1970"),
        _integer("due", "Messages that were due in it"),
        _integer("missed", "Messages of which it became known in it that they were not sent in time"),
        _real("max_lag_seconds", "How late the latest of them started"),
    ),
)
# In place of rows that could not be written, which is counted in the manifest, too.
LOST = "lost"
TABLES = (VISITS, CALLS, ATTEMPTS, CHOICES, STEP_DELAYS, FAULT_TIMES, SECONDS)
