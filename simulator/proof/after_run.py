"""What is made of a run when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from simulator.errors import TruthError
from simulator.local.finished import FinishedRun
from simulator.proof.truth.compaction import compact


def after_run(finished: FinishedRun, show: Callable[[str], None]) -> Sequence[str]:
    """Make the truth of a run into tables; `show(line)` tells the user why that was not possible.

    A run without a truth has none, and without DuckDB the truth stays as it is, which every reader of JSON Lines reads.
    """
    if not finished.files.truth_manifest.exists() or find_spec("duckdb") is None:
        return ()
    try:
        compact(finished.files)
    except TruthError as error:
        show(str(error))
    return ()
