"""The dashboards checked against Grafana's own types, by its foundation SDK."""

import subprocess
from pathlib import Path

import pytest

from tests.support.backends import find
from tests.support.processes import ROOT

SOURCE = Path(__file__).parent / "grafana_types"
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
pytestmark = [pytest.mark.backend("go"), pytest.mark.timeout(960)]


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """Build the program that reads dashboards strictly, and return its runner; Go caches the build."""
    program = tmp_path_factory.mktemp("grafana-types") / "check"
    command = [find("go"), "build", "-o", str(program), "."]
    built = subprocess.run(command, cwd=SOURCE, check=False, capture_output=True, text=True, timeout=900)
    assert built.returncode == 0, built.stderr

    def run(*dashboards):
        return subprocess.run([program, *dashboards], check=False, capture_output=True, text=True, timeout=60)

    return run


def test_every_dashboard_is_of_grafana_s_types(checked):
    """Every key of every panel and query exists in Grafana, and no required one is missing."""
    read = checked(*DASHBOARDS)
    assert read.returncode == 0, read.stdout
    panels = [int(line.rsplit(": ", 1)[1].split()[0]) for line in read.stdout.splitlines()]
    assert len(panels) == len(DASHBOARDS) and sum(panels) > 50


@pytest.mark.parametrize(
    ("right", "wrong"), [('"textMode"', '"textModes"'), ('"showHeader": true', '"showHeader": "yes"')]
)
def test_a_typo_in_a_panel_would_be_caught(checked, tmp_path, right, wrong):
    """The check works: an option with a wrong letter, and a value of another type, do not pass."""
    text = (ROOT / "grafana" / "dashboards" / "stage.json").read_text()
    assert wrong not in text and right in text
    (tmp_path / "wrong.json").write_text(text.replace(right, wrong))
    assert checked(tmp_path / "wrong.json").returncode == 1
