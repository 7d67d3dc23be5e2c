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
# The bound of the script itself.
_K6_P99_MS = 2000
_SUMMARY, _STATISTICS = "summary.json", "statistics"


def sent_by(generator: str, folder: Path, seconds: int, environment: Mapping[str, str]) -> int:
    """Run a generator's script for so long, and return how many messages it says that it sent.

    It must end well, which each of its own thresholds has a part in; those that a slow machine may break are numbers.
    """
    command, count = {"k6": (_K6, _sent_by_k6), "locust": (_LOCUST, _sent_by_locust)}[generator]
    ended = subprocess.run(
        [find(generator), *(text.format(seconds=seconds) for text in command)],
        env={**clean_environment(), "DURATION": f"{seconds}s", **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    sent = count(folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return sent


_K6 = ("run", "--quiet", "--no-usage-report", "--summary-export", _SUMMARY, str(_SCRIPTS / "k6.js"))
_LOCUST = (
    *("--headless", "--users", "1", "--run-time", "{seconds}s", "--only-summary", "--json-file", _STATISTICS),
    *("--locustfile", str(_SCRIPTS / "locustfile.py")),
)


def _sent_by_k6(folder: Path) -> int:
    metrics = json.loads((folder / _SUMMARY).read_text())["metrics"]
    assert metrics.get("dropped_iterations", {"count": 0})["count"] < 1
    assert metrics["http_req_duration"]["p(99)"] < _K6_P99_MS
    sent: int = metrics["iterations"]["count"]
    return sent


def _sent_by_locust(folder: Path) -> int:
    return sum(entry["num_requests"] for entry in json.loads((folder / f"{_STATISTICS}.json").read_text()))
