"""A run of the default pipeline with its console, started as a user starts it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.errors import BenchmarkFailed

ROOT = Path(__file__).resolve().parent.parent
_READY_SECONDS = 60.0
_STOP_SECONDS = 40.0
_POLL_SECONDS = 0.05
_URL = re.compile(r"^Console: (http://\S+)$", re.MULTILINE)


class ConsoleRun:
    """The run, from when it is up to the end of the `with`. `url` is its page's, with the token."""

    def __init__(self, folder: Path, rate: str) -> None:
        self._report = folder.resolve() / "run"
        self._errors = folder / "run.stderr"
        command = [sys.executable, str(ROOT / "run_web_service.py"), "run", "--rate", rate]
        command += ["--report", str(self._report)]
        folder.mkdir(parents=True, exist_ok=True)
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SIMULATOR_"))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # so that Ctrl-C reaches only the benchmark, which then stops the run in order
            )
        self.url, self.console_pid = "", 0

    def __enter__(self) -> ConsoleRun:
        try:
            self._wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise BenchmarkFailed if the run or its console is gone."""
        if self._process.poll() is not None:
            raise BenchmarkFailed(f"the run ended: {self._last_words()}")
        if self.console_pid and not Path(f"/proc/{self.console_pid}").exists():
            raise BenchmarkFailed(f"the console ended: {(self._report / 'console.log').read_text()[-1500:]}")

    def complaints(self) -> list[str]:
        """Return the console's errors: a line, or none."""
        text = (self._report / "console.log").read_text(errors="replace").strip()
        return [f"the console's log is not empty: {text[-500:]}"] if text else []

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while "logs and report in" not in (text := self._errors.read_text(errors="replace")):
            self.check()
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"the run did not come up: {self._last_words()}")
            time.sleep(_POLL_SECONDS)
        found = _URL.search(text)
        if found is None:
            raise BenchmarkFailed(f"the run has no console: {text}")
        self.url, self.console_pid = found[1], console_pid(self._report)

    def _last_words(self) -> str:
        return self._errors.read_text(errors="replace")[-1500:]


def console_pid(report: Path) -> int:
    """Return the process id of a run's console, found by its command line, which names the run's folder."""
    wanted = [b"console", str(report).encode()]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                if arguments[2:4] == wanted:
                    return int(entry.name)
    raise BenchmarkFailed(f"there is no console of {report}")
