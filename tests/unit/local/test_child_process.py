"""A process beside the runner, with small programs in the place of a console, a backend or a stage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.errors import StartError
from simulator.local.child_process import ChildProcess
from tests.support.processes import wait_for

pytestmark = pytest.mark.processes
LONG_SECONDS = 20.0
SLEEPING = "print('up', flush=True); import time; time.sleep(1000)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPING


@pytest.fixture
def process(tmp_path):
    """Return a process that is not started yet, and kill it at the end."""
    made = ChildProcess(tmp_path / "output", tmp_path / "errors")
    yield made
    made.kill()


def start(process, source, **options):
    process.start([sys.executable, "-c", source], **options)


def is_up(process):
    return process.output.read_text().startswith("up")


def test_one_that_has_not_been_started_is_no_trouble(process):
    """Before the start there is no id and no end, and asking it to end does nothing."""
    assert (process.pid, process.returncode, process.is_running, process.last_words()) == (None, None, False, "")
    assert process.wait(0.0) is True
    process.end(LONG_SECONDS)
    assert process.wait_until(lambda: True, LONG_SECONDS) is False


def test_its_output_goes_to_files(process):
    """Standard output and standard error go to a file each; of the latter the end is told."""
    start(process, "import sys; print('out'); print('x' * 5000 + ' the reason', file=sys.stderr); sys.exit(3)")
    assert process.wait(LONG_SECONDS) is True
    assert process.returncode == 3
    assert process.output.read_text() == "out\n"
    assert process.last_words(20) == "xxxxxxxxx the reason"
    assert len(process.last_words()) == 2000


def test_one_file_for_both(tmp_path):
    """Without a file for standard error it goes where standard output goes."""
    process = ChildProcess(tmp_path / "log")
    start(process, "import sys; print('the reason', file=sys.stderr)")
    process.wait(LONG_SECONDS)
    assert process.last_words() == "the reason"


def test_readiness_ends_the_waiting(process):
    """It is asked until it is ready; one that ends before, or takes too long, is not."""
    start(process, SLEEPING)
    assert process.wait_until(lambda: is_up(process), LONG_SECONDS) is True
    assert process.wait_until(lambda: False, 0.05) is False
    process.kill()
    began = time.monotonic()
    assert process.wait_until(lambda: False, LONG_SECONDS) is False
    assert time.monotonic() - began < LONG_SECONDS / 2


def test_one_that_listens_ends_when_it_is_asked(process):
    """It ends by SIGTERM where it can, also when it had been stopped."""
    start(process, SLEEPING)
    wait_for(lambda: is_up(process), "the start")
    process.send(signal.SIGSTOP)
    process.end(LONG_SECONDS)
    assert process.returncode == -signal.SIGTERM


def test_one_that_does_not_listen_is_killed(process):
    """The end has a bound, whatever the process makes of SIGTERM."""
    start(process, STUBBORN)
    wait_for(lambda: is_up(process), "the start")
    process.end(0.05)
    assert process.returncode == -signal.SIGKILL


def test_a_session_of_its_own(process):
    """What a terminal sends to its foreground does not reach the process."""
    start(process, "import os; print('up', os.getsid(0), flush=True)")
    process.wait(LONG_SECONDS)
    assert int(process.output.read_text().split()[1]) == process.pid != os.getsid(0)


def test_a_file_that_cant_be_made_is_told(tmp_path):
    """Where the folder is gone the error says which file it is about, and nothing is started."""
    process = ChildProcess(tmp_path / "gone" / "log")
    with pytest.raises(StartError, match=r"gone/log can't be written"):
        start(process, SLEEPING)
    assert process.pid is None


RUNNER = """
import sys
from pathlib import Path
from simulator.local.child_process import ChildProcess
process = ChildProcess(Path(sys.argv[1]))
process.start([sys.executable, "-c", sys.argv[2]], ends_with_parent=True)
process.wait_until(lambda: Path(sys.argv[1]).read_text(), 20)
print(process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux is asked")
def test_it_can_end_with_the_runner(tmp_path):
    """A program that does not watch for the runner ends all the same when the runner is killed."""
    command = [sys.executable, "-c", RUNNER, str(tmp_path / "log"), SLEEPING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as runner:
        pid = int(runner.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        runner.kill()
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or "Z" in state_of(pid), "the end of the program")


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"
