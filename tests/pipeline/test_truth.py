"""The truth of real runs: equal to the ledger and the log, bounded on disk, and there when a stage was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter

import pytest

from simulator.errors import TruthError
from simulator.proof.truth.reading import open_truth
from simulator.telemetry.catalogue.truth import TABLES
from simulator.telemetry.run_files import RunFiles
from tests.support.processes import ROOT, read_log, run, running_stage, running_topology, wait_for

SHOP = """
name: shop
stages:
  visitors:
    role: injector
    load: {rate: 100/s, messages: 300}
    calls: [shop]
  shop:
    workers: 64
    queue: 300
    delay: exponential(20ms)
    calls:
      - parallel: [prices, {to: stock, retries: 2, optional: true}]
      - {to: mail, probability: 30%, optional: true}
      - choose:
          - {weight: 70%, to: prices}
          - {weight: 30%, delay: 2ms}
  prices: {delay: "uniform(1ms, 5ms)", faults: ["error(503, 10%)"]}
  stock: {faults: ["error(503, 30%)", "reset(5%)"]}
  mail: {forward: accept, delay: 5ms}
"""


@pytest.fixture(scope="module", params=["live", "virtual"])
def finished_run(request, tmp_path_factory):
    """Return the folder of a run in which everything happened that can happen, live and in virtual time."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "shop.yaml").write_text(SHOP)
    flags = ["--virtual"] if request.param == "virtual" else ["--no-console"]
    environment = {"OTEL_TRACES_EXPORTER": "none"}
    finished = run("run", "shop.yaml", "--seed", "7", "--report", "out", *flags, cwd=folder, environment=environment)
    assert finished.returncode == 0, finished.stderr
    return folder / "out"


@pytest.fixture
def truth(finished_run):
    """Return the truth of that run."""
    with open_truth(finished_run) as opened:
        yield opened


def counted(truth, query):
    """Return {key: count} of a query of two columns or more, the last one a count."""
    return {row[:-1] if len(row) > 2 else row[0]: row[-1] for row in truth.rows(query)}


def test_the_truth_is_the_ledger(finished_run, truth):
    """Visits by outcome and attempts by their end are the ledger's, which is counted apart."""
    ledger = json.loads((finished_run / "report.json").read_text())["ledger"]
    assert ledger["balanced"] and truth.is_complete
    visits = counted(truth, "SELECT stage, outcome, count(*) FROM visits GROUP BY ALL")
    outcomes = ("delivered", "forwarded", "rejected", "invalid", "faulted", "failed", "broken_off")
    told = {(line["stage"], outcome): line[outcome] for line in ledger["stages"] for outcome in outcomes}
    assert visits == {key: count for key, count in told.items() if count}
    attempts = counted(truth, "SELECT stage, downstream, outcome, count(*) FROM attempts GROUP BY ALL")
    for call in ledger["calls"]:
        edge = call["caller"], call["called"]
        assert attempts.get((*edge, "ok"), 0) == call["answered"]
        assert attempts.get((*edge, "error_status"), 0) == call["answered_with_error"]
        in_doubt = sum(attempts.get((*edge, outcome), 0) for outcome in ("timeout", "broken", "abandoned"))
        assert in_doubt == call["in_doubt"]


def test_every_attempt_meets_its_visit(truth):
    """Each visit but the first of a message belongs to exactly one attempt, and each answered attempt to one visit."""
    joined = "visits v JOIN attempts a ON v.message_id = a.message_id AND v.visit = a.called_visit"
    called = truth.value("SELECT count(*) FROM visits WHERE caller <> 'outside'")
    assert truth.value(f"SELECT count(*) FROM {joined}") == called > 0
    assert truth.value(f"SELECT count(DISTINCT (v.message_id, v.visit)) FROM {joined}") == called
    assert truth.value(f"SELECT count(*) FROM {joined} WHERE v.caller <> a.stage OR v.stage <> a.downstream") == 0
    answered = truth.value("SELECT count(*) FROM attempts WHERE outcome IN ('ok', 'error_status')")
    lost = (
        "SELECT count(*) FROM attempts a ANTI JOIN visits v ON v.visit = a.called_visit AND v.message_id = a.message_id"
    )
    assert answered > 0 and truth.value(f"{lost} WHERE a.outcome IN ('ok', 'error_status')") == 0


def test_the_truth_is_the_log(finished_run, truth):
    """Each visit has its line, with the same figures to the microsecond to which the line rounds."""
    figures = (
        "duration_seconds",
        "queue_wait_seconds",
        "delay_drawn_seconds",
        "downstream_seconds",
        "overhead_seconds",
    )
    columns = truth.columns(
        f"SELECT stage, span_id, outcome, {', '.join(figures)} FROM visits WHERE stage <> 'visitors'"
    )
    visits = Counter(zip(*(columns[name].tolist() for name in ("stage", "span_id", "outcome")), strict=True))
    lines = [
        line
        for path in RunFiles(finished_run).logs.glob("*.jsonl")
        for line in read_log(path)
        if line["event"] == "message.handled" and line["stage"] != "visitors"
    ]
    assert Counter((line["stage"], line["span_id"], line["outcome"]) for line in lines) == visits
    by_span = {key: index for index, key in enumerate(zip(columns["stage"], columns["span_id"], strict=True))}
    for line in lines:
        index = by_span[line["stage"], line["span_id"]]
        for name in figures:
            if line[name] is not None:
                assert line[name] == pytest.approx(columns[name][index], abs=1e-6)


def test_choices_have_their_denominators(truth):
    """Each visit that came so far has drawn once for each choice, and the calls that were made are those chosen."""
    drawn = counted(truth, "SELECT kind, position, count(*) FROM choices WHERE stage = 'shop' GROUP BY ALL")
    taken = truth.value("SELECT count(*) FROM choices WHERE stage = 'shop' AND kind = 'probability' AND chosen = 1")
    assert truth.value("SELECT count(*) FROM calls WHERE stage = 'shop' AND downstream = 'mail'") == taken
    chosen = counted(
        truth, "SELECT chosen, count(*) FROM choices WHERE stage = 'shop' AND kind = 'choose' GROUP BY ALL"
    )
    assert truth.value("SELECT count(*) FROM calls WHERE stage = 'shop' AND position = '2.choose.0'") == chosen[0]
    assert truth.value("SELECT count(*) FROM step_delays WHERE stage = 'shop'") == chosen[1]
    # The first call of prices is required: only who got past it has drawn.
    past = "SELECT count(*) FROM calls WHERE stage = 'shop' AND position = '0.parallel.0' AND outcome = 'ok'"
    assert drawn["probability", "1"] == drawn["choose", "2"] == truth.value(past)
    hit = truth.value("SELECT count(*) FROM choices WHERE stage = 'prices' AND kind = 'fault' AND chosen = 1")
    assert hit == truth.value("SELECT count(*) FROM visits WHERE stage = 'prices' AND outcome = 'faulted'") > 0


def test_what_was_due_is_there_by_the_second(truth):
    """The seconds add up to every message that was due, each in the second in which it was."""
    assert truth.value("SELECT sum(due) FROM seconds") == 300
    assert truth.value("SELECT count(*) = count(DISTINCT second) FROM seconds")
    missed = truth.value("SELECT sum(missed) FROM seconds")
    assert missed == truth.value("SELECT count(*) FROM visits WHERE stage = 'visitors' AND outcome = 'rejected'")
    late = truth.value("SELECT max(max_lag_seconds) FROM seconds")
    assert late == pytest.approx(truth.value("SELECT max(lag_seconds) FROM visits"), abs=0.1)


@pytest.mark.processes
def test_a_killed_stage_leaves_what_it_wrote(tmp_path):
    """After SIGKILL all but the last moment of the stage is in the truth, and that of the others is whole."""
    flags = ["--no-console", "--rate", "100/s", "--seed", "7"]
    with running_topology(
        tmp_path, ROOT / "topologies" / "pipeline.yaml", *flags, environment={"OTEL_TRACES_EXPORTER": "none"}
    ) as pipeline:

        def handled():
            return [line for line in pipeline.log("enrich") if line["event"] == "message.handled"]

        before = wait_for(lambda: lines if len(lines := handled()) >= 100 else None, "a hundred messages")
        rows = RunFiles(pipeline.report_folder).truth_rows_of("enrich")
        wait_for(lambda: rows.read_bytes().count(b"\n") >= len(before) or None, "their rows")
        os.kill(pipeline.pid("enrich"), signal.SIGKILL)
        assert pipeline.interrupt() == 1
    with open_truth(pipeline.report_folder) as truth:
        kept = set(truth.columns("SELECT message_id FROM visits WHERE stage = 'enrich'")["message_id"])
        assert {line["message_id"] for line in before} <= kept
        assert truth.manifest.torn_lines <= 1
        told = json.loads((pipeline.report_folder / "report.json").read_text())["ledger"]["stages"]
        parsed = next(line for line in told if line["stage"] == "parse")
        ended = sum(parsed[name] for name in ("forwarded", "rejected", "faulted", "failed", "broken_off"))
        assert truth.value("SELECT count(*) FROM visits WHERE stage = 'parse'") == ended


def test_the_truth_keeps_within_its_limit(tmp_path):
    """With a limit the newest rows of each stage are kept, and what is missing is counted and told."""
    flags = ["--virtual", "--messages", "4000", "--truth-limit", "1MB", "--report", "out"]
    finished = run("run", "pipeline", *flags, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "of the truth were deleted; --truth-limit keeps more" in finished.stderr
    with open_truth(tmp_path / "out") as truth:
        kept = counted(truth, "SELECT stage, count(*) FROM visits GROUP BY ALL")
        lost = truth.manifest.rows_lost
        assert not truth.is_complete and sum(lost.values()) > 0
        assert {stage: kept[stage] + lost.get(stage, 0) for stage in ("parse", "enrich", "archive")} == {
            "parse": 4000,
            "enrich": 4000,
            "archive": 4000,
        }


def test_a_run_without_truth_has_none(tmp_path):
    """--no-truth writes nothing, also where an earlier run in the folder had one, and reading says so."""
    for flags in ([], ["--no-truth"]):
        finished = run("run", "pipeline", "--virtual", "--messages", "5", "--report", "out", *flags, cwd=tmp_path)
        assert finished.returncode == 0, finished.stderr
    files = RunFiles(tmp_path / "out")
    assert [path for path in files.truth.rglob("*") if path.is_file()] == []
    with pytest.raises(TruthError, match="--no-truth"):
        open_truth(files.path)


def test_other_tools_read_the_tables(finished_run):
    """Each table is a Parquet file of its own with the columns of the catalogue, whatever reads it."""
    import duckdb

    for table in TABLES:
        path = RunFiles(finished_run).truth_table(table.name)
        described = duckdb.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        assert [(row[0], row[1]) for row in described] == [(column.name, str(column.type)) for column in table.columns]


@pytest.mark.processes
def test_a_stage_on_its_own_writes_its_rows_where_it_is_told(tmp_path):
    """`stage --truth DIR` makes the folder and writes a row for each message."""
    with running_stage(tmp_path, "--truth", str(tmp_path / "truth"), "--name", "shop") as stage:
        subprocess.run(["curl", "-sf", "-d", "x", f"{stage.base}/messages"], check=True, capture_output=True)
        assert stage.stop() == 0
    [line] = (tmp_path / "truth" / "shop.jsonl").read_text().splitlines()
    assert json.loads(line)["outcome"] == "delivered"
