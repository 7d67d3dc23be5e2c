"""The catalogue of signals is whole: what it says of a metric can be made, read and shown."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.telemetry.catalogue.attributes import ATTRIBUTES
from simulator.telemetry.catalogue.events import EVENTS, OF_A_MESSAGE
from simulator.telemetry.catalogue.metric_records import MetricKind
from simulator.telemetry.catalogue.metrics import METRICS
from simulator.telemetry.catalogue.spans import RESOURCE, SPANS
from simulator.telemetry.metrics import Metrics
from tests.readme_tables import pages, pages_with_tables
from tests.support.processes import ROOT, running_stage

LOG_EVENT = r"[a-z]+\.[a-z_]+"


def test_the_tables_in_the_documents_are_the_catalogue_s():
    """`make tables` would change nothing."""
    assert pages_with_tables(pages()) == pages()


def test_documents_without_a_place_for_a_table_are_an_error():
    with pytest.raises(LookupError, match="no page has a place for the table of"):
        pages_with_tables({Path("README.md"): "# Web service simulator\n"})


def test_no_two_metrics_have_a_series_of_the_same_name():
    names = [name for metric in METRICS for name in metric.series]
    assert len(names) == len(set(names)) > 40


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_an_entry_is_complete(metric):
    """Its name says its unit, it has a help sentence, and it is recorded by a method or read from the state."""
    assert metric.help[0].isupper() and not metric.help.endswith(".")
    assert not metric.note or metric.note[0] in ",;:"
    for unit in ("seconds", "bytes"):
        assert metric.name.endswith(f"_{unit}") is (metric.unit == unit)
    assert (metric.read is None) is bool(metric.recorded)
    assert not metric.recorded or callable(getattr(Metrics, metric.recorded))
    assert bool(metric.buckets) is (metric.kind is MetricKind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert all(re.fullmatch(r"[a-z_]+", label) for label in metric.labels)
    assert metric.read is None or metric.labels in ((), ("downstream",))


def logged_events():
    """Return (module, event, keys that are written out) of every line of the program that logs."""
    for path in sorted((ROOT / "simulator").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("debug", "info", "warning", "error", "log") and re.fullmatch(
                LOG_EVENT, str(node.args[0].value)
            ):
                yield module, node.args[0].value, {keyword.arg for keyword in node.keywords if keyword.arg}


def test_the_catalogue_has_every_event_that_is_logged():
    """With the keys that it always has, in the module that logs it, and no event that nobody logs."""
    of_a_message = {key.name for key in OF_A_MESSAGE}
    entries = {
        (event.emitted, event.name): {key.name for key in event.keys if not key.is_optional} - of_a_message
        for event in EVENTS
    }
    logged = {(module, name): keys - of_a_message for module, name, keys in logged_events()}
    assert logged == entries
    assert len(entries) == len(EVENTS) == len({event.name for event in EVENTS})


def test_every_span_and_attribute_is_told_of_in_a_sentence():
    """Without a full stop, as the README's tables have it, and each attribute is somewhere."""
    for entry in (*SPANS, *ATTRIBUTES, *EVENTS):
        assert entry.help and not entry.help.endswith("."), entry.name
    held = {attribute for span in SPANS for attribute in span.attributes}
    held |= {attribute for span in SPANS for event in span.events for attribute in event.attributes}
    assert held | set(RESOURCE) == set(ATTRIBUTES)
    assert all(importlib.util.find_spec(entry.emitted) for entry in (*SPANS, *EVENTS))


GAUGE = """QUEUE_FREE = _gauge(
    name="simulator_queue_free",
    help="Messages for which there is room to wait",
    read=lambda state: state.capacity.queue - state.capacity.waiting,
)
"""


@pytest.fixture
def tree_with_a_gauge(tmp_path):
    """A copy of the tree whose catalogue has one more entry, and nothing else."""
    for name in ("simulator", "tests", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run_web_service.py", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    catalogue = tmp_path / "simulator" / "telemetry" / "catalogue" / "metrics.py"
    catalogue.write_text(catalogue.read_text().replace("FAULTS_INJECTED = ", f"{GAUGE}FAULTS_INJECTED = ", 1))
    return tmp_path


def python_in(tree: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.mark.processes
def test_a_new_gauge_is_one_entry(tree_with_a_gauge):
    """With one entry a stage exports it, a dashboard shows it, rules may name it, and the documents have it."""
    program = tree_with_a_gauge / "run_web_service.py"
    with running_stage(tree_with_a_gauge, "--workers", "1", "--queue", "7", program=program) as stage:
        assert stage.total("simulator_queue_free") == 7
    dashboards = "from simulator.render.dashboards import all_dashboards as made; print(made())"
    assert "avg_over_time(simulator_queue_free{stage=~" in python_in(tree_with_a_gauge, "-c", dashboards)
    rule = "from simulator.render.series import checked; print(checked('simulator_queue_free{stage=\"a\"} < 1'))"
    assert python_in(tree_with_a_gauge, "-c", rule).startswith("simulator_queue_free")
    python_in(tree_with_a_gauge, "-m", "tests.readme_tables")
    row = "| `simulator_queue_free` | gauge | | Messages for which there is room to wait |"
    assert row in (tree_with_a_gauge / "docs" / "signals.md").read_text().splitlines()
