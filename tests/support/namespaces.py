"""Namespaces of Linux for tests: programs that see a machine of their own, and end with the test that started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

ENTER = Path(__file__).resolve().parents[1] / "engines" / "enter.sh"
_CLONE_NEWNET = 0x40000000
_PROGRAMS = ("unshare", "setpriv", "mount", "pivot_root", "ip")
# What an engine does at its start, tried in namespaces that end at once.
_PROBE = """
ip link add bridge0 type bridge
ip link add veth0 type veth peer name veth1
mount -t tmpfs probe /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work probe /mnt/root
test -w /sys/fs/cgroup
"""


def obstacle() -> str | None:
    """Return why no container can run on this machine, None where one can."""
    if os.geteuid() != 0:
        return "containers need root"
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-ec", _PROBE]
    tried = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if tried.returncode != 0:
        return f"this machine allows no namespaces, bridges or overlays: {tried.stderr.strip()}"
    return None


def start_within(
    root: Path, folders: Sequence[Path], scratch: Path, command: Sequence[str], log: Path, *, online: bool
) -> subprocess.Popen[bytes]:
    """Start a command in another root, with these folders in it, and with this machine's network or one of its own.

    When the process that is returned ends, all that the command started is killed; and that process is killed when
    this one ends, however it does.
    """
    namespaces = ["--mount", "--pid", "--fork", "--kill-child", *([] if online else ["--net"])]
    inside = [str(ENTER), str(root), str(scratch), *map(str, folders), "--", *command]
    with log.open("ab") as file:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, *inside],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def child_of(process: subprocess.Popen[bytes]) -> int | None:
    """Return the process id of what a process started, None where there is none."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return int(children[0]) if children else None
    return None


@contextlib.contextmanager
def network_of(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Have what this thread connects to, and the threads and processes that it starts, be in a process's network."""
    ours, theirs = Path("/proc/thread-self/ns/net"), Path(f"/proc/{process.pid}/ns/net")
    with ours.open("rb") as before, theirs.open("rb") as there:
        _set_namespace(there.fileno())
        try:
            yield
        finally:
            _set_namespace(before.fileno())


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
