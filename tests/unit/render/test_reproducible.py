"""A topology always gives the same files: what is rendered is checked in, and is compared."""

from __future__ import annotations

import pytest

from tests.support.processes import ROOT
from tests.support.python import python

DIGESTS = """
import hashlib, pathlib, sys
from simulator.render.compose import compose_files
from simulator.render.grafana import grafana_files
from simulator.render.kubernetes import kubernetes_files
from simulator.topology.reader import read_topology

def digest(files):
    return hashlib.sha256(repr(list(files.items())).encode()).hexdigest()

print(digest(grafana_files()))
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.yaml")):
    topology = read_topology(path)
    print(path.stem, digest(compose_files(topology, "..")), digest(kubernetes_files(topology)))
"""


@pytest.mark.processes
def test_the_same_topology_gives_the_same_files():
    """Every file is the same to the byte in a process in which sets have another order."""
    folder = ROOT / "topologies"
    first, second = (python(DIGESTS, str(folder), PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert len(first.stdout.splitlines()) == 1 + len(list(folder.glob("*.yaml"))), first.stderr
    assert second.stdout == first.stdout
