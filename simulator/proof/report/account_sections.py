"""What report.json says, as sections: thresholds, ledger, the latencies that were counted, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.proof.report.figures import count_text, duration_text
from simulator.proof.report.section import Section, Table
from simulator.telemetry.record import Outcome
from simulator.topology.graph import label

Report = Mapping[str, Any]
_MAX_ROWS = 500
_CALL_COUNTS = ("sent", "answered", "answered_with_error", "unreachable", "in_doubt", "received")
_LOSSES = {
    "log_lines_dropped": "log lines could not be written",
    "log_lines_deleted": "older log lines were deleted",
    "truth_rows_dropped": "rows of the truth could not be written",
    "truth_rows_deleted": "older rows of the truth were deleted",
    "spans_dropped": "spans were dropped",
    "log_records_dropped": "log records were not exported",
    "data_points_dropped": "data points of metrics were not exported",
}


def thresholds(report: Report) -> Section | None:
    """Return the section; None if the run has none."""
    found = report.get("thresholds", ())
    if not found:
        return None
    rows = [
        ("kept" if one["kept"] else "broken", one["threshold"], one["observed"] or one.get("reason", ""))
        for one in found
    ]
    broken = frozenset(place for place, one in enumerate(found) if not one["kept"])
    says = [f"{len(broken)} of {len(found)} broken." if broken else f"All {len(found)} kept."]
    table = Table(headings=("verdict", "threshold", "observed"), rows=rows, marked=broken)
    return Section(name="thresholds", title="Thresholds", says=says, tables=[table])


def ledger(report: Report) -> Section:
    """Return the section."""
    account = report["ledger"]
    outcomes = [str(outcome) for outcome in Outcome]
    stages = account["stages"]
    shown = [one for one in outcomes if any(line[one] for line in stages)]
    rows = [
        (line["stage"], *(_count(line[key]) for key in ("received", *shown, "in_flight", "missed")), line["ended"])
        for line in stages[:_MAX_ROWS]
    ]
    names = (one.replace("_", " ") for one in ("received", *shown, "in_flight", "missed"))
    of_stages = Table(
        headings=("stage", *(f">{name}" for name in names), "ended"),
        rows=rows,
        marked=frozenset(place for place, line in enumerate(stages[:_MAX_ROWS]) if line["failed"] or line["ended"]),
    )
    says = ["Every message is accounted for." if account["balanced"] else "The sums do not agree."]
    if len(stages) > _MAX_ROWS:
        says.append(f"The first {_MAX_ROWS} of {len(stages)} stages; report.json has all of them.")
    return Section(name="ledger", title="Ledger", says=says, tables=[of_stages, _calls(account["calls"])])


def _calls(calls: Any) -> Table:
    rows = [
        (
            _edge(call),
            *(_count(call[key]) for key in _CALL_COUNTS),
        )
        for call in calls[:_MAX_ROWS]
    ]
    return Table(headings=("call", *(f">{key.replace('_', ' ')}" for key in _CALL_COUNTS)), rows=rows)


def counted_latencies(report: Report) -> Section:
    """Return the section of the percentiles that the stages have counted, for a run without a truth."""
    rows = [
        (name, *(duration_text(found[key]) for key in ("p50", "p95", "p99", "max")))
        for name, found in list(report["latency_seconds"].items())[:_MAX_ROWS]
    ]
    table = Table(headings=("stage", ">p50", ">p95", ">p99", ">max"), rows=rows)
    return Section(name="latencies", title="Latencies", says=["As the stages have counted them."], tables=[table])


def losses(report: Report) -> Iterator[str]:
    """Yield what of logs, truth and telemetry is missing."""
    for key, words in _LOSSES.items():
        if count := sum(report.get(key, {}).values()):
            yield f"{count_text(count)} {words}"


def _count(count: int | None) -> str:
    return "unknown" if count is None else count_text(count) if count else "·"


def _edge(call: Report) -> str:
    return f"{call['caller']} → {label((call['called'], call['operation']))}"
