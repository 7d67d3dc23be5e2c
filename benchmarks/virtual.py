"""`python -m benchmarks.virtual NAME SECONDS none|info FOLDER`: print the visits per CPU second in virtual time.

Without logs nothing is recorded of the messages but their number.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.stages import ROOT
from simulator.garbage import RareCollection
from simulator.local.file_limits import FileLimits
from simulator.local.virtual_books import Books
from simulator.local.virtual_logs import VirtualLogs
from simulator.telemetry.run_files import RunFiles
from simulator.topology.quantities import Seed
from simulator.topology.reader import read_topology
from simulator.virtual.kernel import Kernel
from simulator.virtual.system import VirtualSystem


def visits_per_second(name: str, seconds: float, log_level: str, folder: Path) -> float:
    """Run a ready-made topology for so long and return its visits per second of the processor."""
    topology = replace(read_topology(ROOT / "topologies" / f"{name}.yaml"), seed=Seed(7))
    files, kernel = RunFiles(folder / "virtual"), Kernel()
    files.logs.mkdir(parents=True, exist_ok=True)
    logs = None if log_level == "none" else VirtualLogs(files, topology, log_level, FileLimits(truth_limit_bytes=None))
    books = Books(topology, kernel, logs)
    system = VirtualSystem(topology, kernel, books.setup)
    begin = time.process_time()
    with RareCollection(lambda: system.in_flight):
        system.start()
        kernel.run(seconds)
    took_seconds = time.process_time() - begin
    return sum(line.received for line in books.result(seconds).ledger.stages) / took_seconds


if __name__ == "__main__":
    print(visits_per_second(sys.argv[1], float(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))
