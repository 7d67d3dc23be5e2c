"""Reading the truth of a run, from rows and from tables, whole and damaged."""

from __future__ import annotations

import json
import math

import pytest

from simulator.errors import TruthError
from simulator.proof.truth.compaction import compact
from simulator.proof.truth.reading import connect, open_truth
from simulator.telemetry.catalogue.truth import TABLES
from simulator.telemetry.run_files import RunFiles
from tests.support.truths import write_truth

CALL = {
    "position": "1.parallel.0",
    "downstream": "db",
    "operation": "get",
    "outcome": "ok",
    "code": 200,
    "duration_seconds": 0.5,
    "attempts": [
        {"number": 1, "called_visit": "v-1", "outcome": "timeout", "duration_seconds": 0.25, "retry_in_seconds": 0.0},
        {"number": 2, "called_visit": "v-2", "outcome": "ok", "code": 200, "duration_seconds": 0.25},
    ],
}
VISITS = [
    {"message_id": "m-1", "calls": [CALL, {**CALL, "position": "2", "attempts": []}], "faults": ["hang", "error"]},
    {"message_id": "m-2", "choices": [{"kind": "fault", "position": "fault 0 error", "chosen": 1}]},
    {"stage": "db", "visit": "v-2", "decisions": {"n": 3}, "queue_wait_seconds": None, "code": None},
    {
        "stage": "db",
        "step_delays": [{"spec": "constant(1s)", "drawn_seconds": 1.0}],
        "fault_times": [{"fault": "hang"}],
    },
]
SECONDS = [{"due": 3, "missed": 1}, {"second": 1_000_001, "max_lag_seconds": 0.5}]


def all_tables(folder):
    """Return the rows of every table, in an order that depends on nothing but them."""
    with open_truth(folder) as truth:
        return {table.name: sorted(truth.rows(f"FROM {table.name}"), key=repr) for table in TABLES}


def test_tables_say_what_the_rows_say(tmp_path):
    """Each table has its rows with its columns, also those of the row that they are in, and defaults for the rest."""
    with open_truth(write_truth(tmp_path, VISITS, SECONDS)) as truth:
        assert truth.rows("SELECT stage, message_id, faults, code, decisions FROM visits ORDER BY ALL") == [
            ("db", "m-1", [], 200, "{}"),
            ("db", "m-1", [], None, '{"n":3}'),
            ("shop", "m-1", ["hang", "error"], 200, "{}"),
            ("shop", "m-2", [], 200, "{}"),
        ]
        assert truth.rows("SELECT message_id, position, downstream, injected, error FROM calls ORDER BY ALL") == [
            ("m-1", "1.parallel.0", "db", False, ""),
            ("m-1", "2", "db", False, ""),
        ]
        attempts = truth.rows("SELECT position, operation, number, called_visit, code, retry_in_seconds FROM attempts")
        assert sorted(attempts) == [
            ("1.parallel.0", "get", 1, "v-1", None, 0.0),
            ("1.parallel.0", "get", 2, "v-2", 200, None),
        ]
        assert truth.rows("SELECT stage, kind, position, chosen FROM choices") == [
            ("shop", "fault", "fault 0 error", 1)
        ]
        assert truth.rows("SELECT stage, drawn_seconds, after_seconds FROM step_delays") == [("db", 1.0, 0.0)]
        assert truth.rows("SELECT fault, duration_seconds FROM fault_times") == [("hang", 0.0)]
        assert truth.rows("SELECT second, due, missed, max_lag_seconds FROM seconds ORDER BY ALL") == [
            (1_000_000, 3, 1, 0.0),
            (1_000_001, 1, 0, 0.5),
        ]
        assert truth.is_complete


def test_parquet_and_rows_read_the_same(tmp_path):
    """Made into Parquet, the tables are the same to the value, and the rows are gone."""
    before = all_tables(write_truth(tmp_path, VISITS, SECONDS))
    compact(RunFiles(tmp_path))
    assert list(RunFiles(tmp_path).truth_rows.iterdir()) == []
    assert all_tables(tmp_path) == before
    assert all(RunFiles(tmp_path).truth_table(table.name).stat().st_mode & 0o077 == 0 for table in TABLES)


def test_a_run_without_messages_has_empty_tables(tmp_path):
    """Nothing handled, nothing in the tables, and they can be made and read."""
    write_truth(tmp_path)
    assert all(rows == [] for rows in all_tables(tmp_path).values())
    compact(RunFiles(tmp_path))
    assert all(rows == [] for rows in all_tables(tmp_path).values())


def test_a_folder_may_have_any_name(tmp_path):
    """Names that are patterns or quotes elsewhere stand for themselves."""
    folder = tmp_path / "a[b] *?'\"; c"
    folder.mkdir()
    before = all_tables(write_truth(folder, VISITS))
    compact(RunFiles(folder))
    assert all_tables(folder) == before


def test_a_torn_line_is_left_out_and_counted(tmp_path):
    """A stage that was killed may leave half a line: what is before it counts, and more is known to be missing."""
    write_truth(tmp_path, VISITS)
    rows = RunFiles(tmp_path).truth_rows_of("db")
    whole = rows.read_bytes()
    rows.write_bytes(whole[: whole.rindex(b'"step_delays"')])
    for _ in range(2):
        with open_truth(tmp_path) as truth:
            assert truth.value("SELECT count(*) FROM visits") == len(VISITS) - 1
            assert truth.manifest.torn_lines == 1
            assert not truth.is_complete
        if rows.exists():
            compact(RunFiles(tmp_path))


def test_rows_that_gave_way_and_those_of_a_killed_run_are_known(tmp_path):
    """A truth with less than everything says so, and the older file of a full one is read, too."""
    write_truth(tmp_path, VISITS, ended_unix_seconds=None, rows_lost={"shop": 7})
    rows = RunFiles(tmp_path).truth_rows_of("shop")
    rows.with_name("shop.jsonl.1").write_bytes(rows.read_bytes())
    with open_truth(tmp_path) as truth:
        assert truth.value("SELECT count(*) FROM visits WHERE stage = 'shop'") == 4
        assert (truth.manifest.ended_unix_seconds, truth.manifest.rows_lost) == (None, {"shop": 7})
        assert not truth.is_complete


def test_columns_are_arrays_without_a_mask(tmp_path):
    """A number that is null is NaN, a text that is null is None, and whole numbers stay whole where none is null."""
    with open_truth(write_truth(tmp_path, VISITS)) as truth:
        found = truth.columns("SELECT code, instance, NULLIF(stage, 'db') AS stage FROM visits ORDER BY code")
        assert found["instance"].tolist() == [1, 1, 1, 1]
        assert math.isnan(found["code"][-1])
        assert None in found["stage"].tolist()
        assert truth.columns("SELECT stage FROM visits WHERE stage = ?", ["nobody"])["stage"].tolist() == []


def test_a_table_of_an_earlier_program_has_defaults_for_what_it_lacks(tmp_path):
    """A column that was added within the version is there, with its default."""
    before = all_tables(write_truth(tmp_path, VISITS))
    compact(RunFiles(tmp_path))
    path = RunFiles(tmp_path).truth_table("visits")
    query = "SELECT * EXCLUDE (error, code) FROM read_parquet(?)"
    connect().sql(query, params=[str(path)]).write_parquet(str(path) + ".new")
    path.with_name(path.name + ".new").rename(path)
    with open_truth(tmp_path) as truth:
        assert truth.rows("SELECT DISTINCT error, code FROM visits") == [("", None)]
    assert {len(row) for row in all_tables(tmp_path)["visits"]} == {len(row) for row in before["visits"]}


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda files: files.truth_manifest.unlink(), "no truth in"),
        (lambda files: files.truth_manifest.write_text("{"), "can't be read"),
        (lambda files: files.truth_manifest.write_text("[]"), "can't be read"),
        (lambda files: files.truth_manifest.write_text('{"version": 1}'), "lacks 'topology'"),
        (lambda files: files.truth_manifest.write_text('{"version": 2}'), "knows version 1 of the truth, not 2"),
        (lambda files: [path.unlink() for path in files.truth_rows.iterdir()], "neither tables nor rows"),
    ],
)
def test_what_is_no_truth_is_refused(tmp_path, break_it, said):
    """A folder without a truth, with one of another version, or a damaged one gets one line that says what is wrong."""
    break_it(RunFiles(write_truth(tmp_path, VISITS)))
    with pytest.raises(TruthError, match=said) as caught:
        open_truth(tmp_path)
    assert "\n" not in str(caught.value)


def test_damaged_tables_are_refused(tmp_path):
    """A table that is cut off in the middle is an error and not half a truth."""
    write_truth(tmp_path, VISITS)
    compact(RunFiles(tmp_path))
    path = RunFiles(tmp_path).truth_table("visits")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TruthError, match="can't be read"):
        open_truth(tmp_path)


def test_tables_that_cannot_be_written_leave_the_rows(tmp_path):
    """Where a table can't be written, the rows stay, no half table does, and the error says what was wrong."""
    before = all_tables(write_truth(tmp_path, VISITS))
    files = RunFiles(tmp_path)
    blocked = files.truth_table("choices").with_suffix(".unfinished")
    blocked.mkdir()
    with pytest.raises(TruthError, match="can't be made into tables"):
        compact(files)
    blocked.rmdir()
    assert list(files.truth.glob("*.parquet")) == []
    assert all_tables(tmp_path) == before
    assert json.loads(files.truth_manifest.read_text())["torn_lines"] == 0
