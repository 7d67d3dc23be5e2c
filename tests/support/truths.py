"""Run folders with a truth as a test wants it, written as stages write it."""

from __future__ import annotations

import json

from simulator.local.folder import create
from simulator.telemetry.catalogue.truth import VERSION
from simulator.telemetry.run_files import RunFiles
from simulator.topology.reader import write_topology

MANIFEST = {
    "version": VERSION,
    "topology": "shop",
    "seed": 7,
    "virtual": False,
    "started_unix_seconds": 1_000_000.0,
    "ended_unix_seconds": 1_000_060.0,
    "rows_lost": {},
    "torn_lines": 0,
}


def write_truth(folder, visits=(), seconds=(), *, topology=None, **manifest):
    """Write the rows of a run into a folder and return its path; each row is a dict of what differs from the defaults.

    A visit may have `calls` with `attempts` in them, `choices`, `step_delays` and `fault_times`. A row goes to the file
    of its stage. `topology` is written beside them, `manifest` changes what that says.
    """
    files = RunFiles(folder)
    for made in (files.path, files.truth, files.truth_rows):
        made.mkdir(exist_ok=True)
    by_label: dict[str, list[dict]] = {}
    for kind, rows in (("visit", map(visit, visits)), ("second", map(second, seconds))):
        for row in rows:
            by_label.setdefault(row["stage"], []).append({"kind": kind, **row})
    for label, rows in (by_label or {"nobody": []}).items():
        with create(files.truth_rows_of(label)) as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    files.truth_manifest.write_text(json.dumps({**MANIFEST, **manifest}))
    if topology is not None:
        files.topology.write_text(write_topology(topology))
    return folder


def visit(changes):
    """Return the row of a visit."""
    return {
        "stage": "shop",
        "instance": 1,
        "message_id": "m-1",
        "visit": "0",
        "caller": "outside",
        "via": "http",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "sampled": True,
        "received_at": 100.0,
        "received_unix_ns": 1_000_000 * 10**9,
        "body_bytes": 100,
        "outcome": "delivered",
        "code": 200,
        "queue_wait_seconds": 0.0,
        "delay_drawn_seconds": 0.0,
        "duration_seconds": 0.0,
        **changes,
    }


def second(changes):
    """Return the row of a second of an injector's load."""
    return {"stage": "injector", "instance": 1, "second": 1_000_000, "due": 1, **changes}
