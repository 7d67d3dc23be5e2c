"""What is made of a run when it is over: its truth as tables, its page, JUnit XML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from simulator.errors import StartError, TruthError
from simulator.local.finished import FinishedRun


@dataclass(frozen=True, kw_only=True)
class AfterTheRun:
    """Called when a run is over. `junit` is the file for JUnit XML, None for none."""

    with_page: bool = True
    junit: Path | None = None

    def __call__(self, finished: FinishedRun, show: Callable[[str], None]) -> Sequence[str]:
        """Make what is to be made, and return what could not be written; `show(line)` tells the user."""
        return [*after_run(finished, show), *self._written(finished, show)]

    def _written(self, finished: FinishedRun, show: Callable[[str], None]) -> Iterator[str]:
        try:
            if self.with_page:
                _make_page(finished, show)
        except StartError as error:
            yield str(error)
        try:
            if self.junit is not None:
                from simulator.proof.run_junit import write_run_junit  # noqa: PLC0415 - only when it is asked for

                write_run_junit(self.junit, finished)
        except StartError as error:
            yield str(error)


def after_run(finished: FinishedRun, show: Callable[[str], None]) -> Sequence[str]:
    """Make the truth of a run into tables, and nothing else; `show(line)` tells the user why that was not possible.

    A run without a truth has none, and without DuckDB the truth stays as it is, which every reader of JSON Lines reads.
    """
    if not finished.files.truth_manifest.exists() or find_spec("duckdb") is None:
        return ()
    from simulator.proof.truth.compaction import compact  # noqa: PLC0415 - only what judges a run needs it

    try:
        compact(finished.files)
    except TruthError as error:
        show(str(error))
    return ()


def _make_page(finished: FinishedRun, show: Callable[[str], None]) -> None:
    """Write the page of a run. Raise StartError if that can't be done."""
    from simulator.proof.report.account import RunAccount  # noqa: PLC0415 - only a page needs it
    from simulator.proof.report.page import page_missing, write_page  # noqa: PLC0415

    if missing := page_missing():
        show(f"No page of the run: {missing}")
        return
    write_page(RunAccount(files=finished.files, report=finished.report), finished.files.page, finished.problems)
    show(f"The page of the run: {finished.files.page}")
