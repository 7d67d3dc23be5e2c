"""`render`: the files in deploy/ and grafana/ are what it writes, and its errors say what it can't write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulator.errors import ConfigurationError, StartError
from simulator.render.command import render
from simulator.topology.reader import read_topology
from tests.support.processes import ROOT, run

PIPELINE = ROOT / "topologies" / "pipeline.yaml"


@pytest.mark.parametrize(
    ("engine", "folder"), [("compose", "deploy"), ("kubernetes", "deploy/kubernetes"), ("grafana", "grafana")]
)
def test_what_is_checked_in_is_what_is_rendered(tmp_path, engine, folder):
    """Rendering again changes no file in deploy/ and grafana/; if it does, run the command in the assertion."""
    written = tmp_path / "project" / folder
    (tmp_path / "project").mkdir()
    paths = render(engine, PIPELINE, written, tmp_path / "project")
    assert paths
    for path in paths:
        kept = ROOT / folder / path.relative_to(written)
        assert kept.read_text() == path.read_text(), f"render {engine} topologies/pipeline.yaml --output {folder}"


def test_a_stage_in_a_container_reads_the_same_topology():
    """The topology beside the Compose file is the default one; containers need no hosts or ports in it."""
    assert read_topology(ROOT / "deploy" / "topology.yaml") == read_topology(PIPELINE)


@pytest.mark.processes
def test_the_command_says_what_it_wrote(tmp_path):
    written = run("render", "compose", str(ROOT / "topologies" / "checkout.yaml"), "--output", "out", cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    assert "out/compose.yaml" in written.stdout.splitlines()
    assert all((tmp_path / line).is_file() for line in written.stdout.splitlines())
    # The image is built in the project's folder, wherever the files are.
    context = Path(os.path.relpath(ROOT, (tmp_path / "out").resolve())).as_posix()
    assert f"context: {context}\n" in (tmp_path / "out" / "compose.yaml").read_text()


@pytest.mark.parametrize("engine", ["compose", "kubernetes"])
def test_stages_are_packed_where_that_is_asked_for(tmp_path, engine):
    """The injector has a container of its own, and the three others share one."""
    written = {path.relative_to(tmp_path).as_posix(): path for path in render(engine, PIPELINE, tmp_path, ROOT, 1)}
    if engine == "compose":
        text = written["compose.yaml"].read_text()
        assert "\n  stages-1:\n" in text and "\n  injector:\n" in text and "\n  parse:\n" not in text
    else:
        assert {"base/stages/stages-1.yaml", "base/stages/injector.yaml"} <= set(written)
        assert "base/stages/parse.yaml" not in written


def test_what_can_not_be_rendered_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="which topology"):
        render("compose", None, tmp_path, ROOT)
    with pytest.raises(ConfigurationError, match="--processes: the dashboards have no stages"):
        render("grafana", None, tmp_path, ROOT, processes=2)
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="can't be written"):
        render("grafana", None, tmp_path / "file", ROOT)
