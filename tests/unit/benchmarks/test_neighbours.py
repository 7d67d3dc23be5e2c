"""The table of the Go services, and what is said of one that is not built."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import go_programs
from benchmarks.go_programs import GO_PROGRAMS, built
from benchmarks.neighbours import missing, neighbours_table

VALUES = {
    "stage_cpu": [0.001, 0.002, 0.003],
    "latency_p50": [0.0011],
    "latency_p99": [0.0123],
    "idle_memory": [60.4e6],
    "start_up": [0.51],
}


def test_the_table_has_medians_and_what_each_leaves_out():
    """Figures in their units; below them what a service does and does not."""
    text = neighbours_table({"ours": VALUES, "podinfo": VALUES})
    row = next(line for line in text.splitlines() if line.startswith("podinfo"))
    assert row.split() == ["podinfo", "2000", "µs", "1.10", "ms", "12.30", "ms", "60.4", "MB", "0.51", "s"]
    assert "ours          a POST of the same body" in text
    assert "but not: the message's id; spans here" in text
    assert "isotope" not in text


def test_what_is_not_built_is_named(tmp_path, monkeypatch):
    """One that is there is measured; each of the others gets a line with what builds it."""
    monkeypatch.setattr(go_programs, "FOLDER", tmp_path)
    (tmp_path / "podinfo").write_text("#!/bin/sh\n")
    (tmp_path / "isotope").write_text("not a program")
    (tmp_path / "podinfo").chmod(0o755)
    assert [program.name for program in built()] == ["podinfo"]
    assert missing() == [
        f"Skipped: {name} is not built; .ci/neighbours builds it where Go is there."
        for name in ("fake-service", "isotope")
    ]


@pytest.mark.parametrize("program", GO_PROGRAMS, ids=lambda program: program.name)
def test_each_service_listens_here_and_calls_the_sink(tmp_path, program):
    """On 127.0.0.1 at a free port, which the pattern of its address finds; its callee is the sink."""
    launch = program.as_program("http://127.0.0.1:4318", tmp_path)("middle", "http://127.0.0.1:9999/messages")
    configuration = "\n".join(
        [*launch.command, *launch.variables.values(), *(f.read_text() for f in tmp_path.iterdir())]
    )
    assert "127.0.0.1:9999" in configuration and "0.0.0.0" not in configuration
    (port,) = (word for word in launch.address.pattern.split("(") if word.endswith(")"))
    assert launch.address.search(f'"addr":"127.0.0.1:{port[:-1]}"')
    assert Path(launch.command[0]).name == program.name


def test_none_of_them_is_measured_as_the_last_stage(tmp_path):
    """They are stages in the middle."""
    with pytest.raises(ValueError, match="podinfo is only measured as a stage in the middle"):
        GO_PROGRAMS[-1].as_program("http://127.0.0.1:4318", tmp_path)("last", None)
