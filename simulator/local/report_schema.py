"""The JSON Schema of report.json, made from the records that are written into it.

Keys may be added within a version, so no object forbids others.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

from simulator.errors import ConfigurationError
from simulator.local.conclusion import REPORT_VERSION
from simulator.local.ledger import CallLine, StageLine

Schema = dict[str, Any]
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_COUNT: Schema = {"type": "integer", "minimum": 0}
_JSON_TYPES: Mapping[object, Schema] = {str: {"type": "string"}, int: {"type": "integer"}}
_LATENCIES = {"p50": "median", "p95": "95th percentile", "p99": "99th percentile", "max": "maximum"}


def report_schema() -> Schema:
    """Return the schema of the current version of report.json."""
    properties: Schema = {
        "version": {"const": REPORT_VERSION, "description": "The version of this format."},
        "program_version": {"type": "string", "description": "The version of the simulator that wrote it."},
        "topology": {"type": "string", "description": "The name of the topology."},
        "seed": {**_COUNT, "description": "The seed for every random draw."},
        "seconds": {"type": "number", "minimum": 0, "description": "How long it ran; of virtual time if it was that."},
        "ledger": _ledger(),
        "latency_seconds": _by_name(
            "Of handling a message: by stage, by operation as `cart.read`; and of requests from `end to end`."
        ),
        "request_latency_seconds": _by_name("From end to end, by what requests asked for."),
        "accepted_work_seconds": _by_name("Until accepted work was done, by what had accepted it."),
        "thresholds": _thresholds(),
        "log_lines_dropped": _counts("Log lines that could not be written, by process."),
        "log_lines_deleted": _counts("Log lines that gave way to later ones, by process."),
        "truth_rows_dropped": _counts("Rows of the truth that could not be written, by process."),
        "truth_rows_deleted": _counts("Rows of the truth that gave way to later ones, by process."),
        "spans_dropped": _counts("Spans that did not reach the console or the collector, by process."),
        "log_records_dropped": _counts("Log records that were not exported, by process."),
        "data_points_dropped": _counts("Data points of metrics that were not exported, by process."),
        "spans_not_passed_on": {**_COUNT, "description": "Spans that the console did not forward to the collector."},
    }
    return {
        "$schema": _DRAFT,
        "title": "Report of a run of the web service simulator",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def report_schema_text(version: int = REPORT_VERSION) -> str:
    """Return the schema of a version as JSON. Raise ConfigurationError for one that this program does not know."""
    if version != REPORT_VERSION:
        message = f"this program knows version {REPORT_VERSION} of report.json, not {version}: a newer one may know it"
        raise ConfigurationError.of(message, "flag --version")
    return json.dumps(report_schema(), indent=2) + "\n"


def _ledger() -> Schema:
    lines = {"stages": StageLine, "operations": StageLine, "calls": CallLine}
    properties: Schema = {name: {"type": "array", "items": _record(of)} for name, of in lines.items()}
    properties |= {
        "lines_read": {**_COUNT, "description": "Lines of the input that were read."},
        "bad_lines": {**_COUNT, "description": "Lines of the input that were not messages."},
        "problems": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What is wrong; empty if nothing is.",
        },
        "balanced": {"type": "boolean", "description": "Whether every message is accounted for."},
    }
    return {
        "type": "object",
        "description": "What became of every message.",
        "properties": properties,
        "required": list(properties),
    }


def _thresholds() -> Schema:
    texts = {
        "threshold": "What must hold, in its notation.",
        "observed": "What was observed, for people.",
        "reason": "Why nothing could be judged; empty if something was.",
        "subject": "The stage or operation; empty for the whole.",
        "measure": "What is measured.",
        "statistic": "The percentile, `mean` or `max` of a time; else empty.",
        "operator": "How it is compared with the bound.",
        "unit": "The unit of bound and value: seconds, share, count or per second.",
    }
    numbers = {
        "value": "What was observed; of windows, that of the worst. Null if nothing could be judged.",
        "over_seconds": "The length of its windows; null without windows.",
        "windows": "The windows that were judged; null without windows.",
        "broken_windows": "Those of them that broke it.",
        "first_broken_seconds": "The start of the first of these, since the load began.",
    }
    properties: Schema = {name: {"type": "string", "description": text} for name, text in texts.items()}
    properties |= {name: {"type": ["number", "null"], "description": text} for name, text in numbers.items()}
    properties["kept"] = {"type": "boolean", "description": "Whether it holds; false also if nothing could be judged."}
    properties["bound"] = {"type": "number", "description": "The configured bound."}
    properties["messages"] = {**_COUNT, "description": "The messages that were judged."}
    one = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "array", "items": one, "description": "The thresholds of the run, and their verdicts."}


def _record(record: type[StageLine] | type[CallLine]) -> Schema:
    """Return the schema of a record of texts and whole numbers, of which some may be null."""
    properties = {name: _value(hint) for name, hint in typing.get_type_hints(record).items()}
    return {
        "type": "object",
        "description": (record.__doc__ or "").partition("\n")[0],
        "properties": properties,
        "required": [field.name for field in dataclasses.fields(record)],
    }


def _value(hint: Any) -> Schema:
    if isinstance(hint, types.UnionType):
        return {"anyOf": [{"type": "null"} if one is type(None) else _value(one) for one in typing.get_args(hint)]}
    return dict(_JSON_TYPES[hint])


def _by_name(description: str) -> Schema:
    figures: Schema = {
        name: {"type": ["number", "null"], "minimum": 0, "description": f"The {meaning}; null without a message."}
        for name, meaning in _LATENCIES.items()
    }
    one = {"type": "object", "properties": figures, "required": list(figures)}
    return {"type": "object", "description": description, "additionalProperties": one}


def _counts(description: str) -> Schema:
    return {"type": "object", "description": description, "additionalProperties": _COUNT}
