"""k6 and Locust with the scripts of deploy/load, as a user runs them, and how many messages they say they sent."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.backends import find
from tests.support.processes import ROOT, clean_environment

GENERATORS = ("k6", "locust")
_SCRIPTS = ROOT / "deploy" / "load"
_SUMMARY, _STATISTICS = "summary.json", "statistics"


def sent_by(generator: str, folder: Path, seconds: int, environment: Mapping[str, str]) -> int:
    """Run a generator's script for so long, and return how many messages it sent: as many as it should have, and more
    than none.

    How fast they were answered is not judged.
    """
    command, count = {"k6": (_K6, _sent_by_k6), "locust": (_LOCUST, _sent_by_locust)}[generator]
    ended = subprocess.run(
        [find(generator), *(text.format(seconds=seconds) for text in command)],
        env={**clean_environment(), "P99_MS": "60000", "DURATION": f"{seconds}s", **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    sent, missed = count(folder)
    assert missed < 1, ended.stdout + ended.stderr
    assert sent >= 1, ended.stdout + ended.stderr
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return sent


_K6 = ("run", "--quiet", "--no-usage-report", "--summary-export", _SUMMARY, str(_SCRIPTS / "k6.js"))
_LOCUST = (
    *("--headless", "--users", "1", "--run-time", "{seconds}s", "--only-summary", "--json-file", _STATISTICS),
    *("--locustfile", str(_SCRIPTS / "locustfile.py")),
)


def _sent_by_k6(folder: Path) -> tuple[int, int]:
    metrics = json.loads((folder / _SUMMARY).read_text())["metrics"]
    return metrics["iterations"]["count"], metrics.get("dropped_iterations", {"count": 0})["count"]


def _sent_by_locust(folder: Path) -> tuple[int, int]:
    return sum(entry["num_requests"] for entry in json.loads((folder / f"{_STATISTICS}.json").read_text())), 0
