"""The progress of the start of a run: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_PLAIN_EVERY_SECONDS = 5.0
_DRAW_EVERY_SECONDS = 0.2
_BAR_WIDTH = 40


class StartProgress:
    """Show how many of `count` processes are ready. Use it as a context manager."""

    def __init__(self, console: Console, count: int, now: Callable[[], float]) -> None:
        self._console = console
        self._count = count
        self._now = now
        self._began = now()
        every = _DRAW_EVERY_SECONDS if console.is_terminal else _PLAIN_EVERY_SECONDS
        self._every_seconds, self._next = every, self._began + every
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> StartProgress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def tick(self, ready: int) -> None:
        """Show the number that is ready, if the last time is long enough ago."""
        now = self._now()
        if now < self._next:
            return
        self._next = now + self._every_seconds
        text = f"{ready} of {self._count} stages ready after {now - self._began:.0f} s"
        if self._live is None:
            self._console.print(text, style="dim", highlight=False)
            return
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(self._count, ready, width=_BAR_WIDTH), Text(text, style="dim"))
        self._live.update(row, refresh=True)
