"""Following the rows of the truth while stages write them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from simulator.telemetry.run_files import RunFiles

_BLOCK_BYTES = 2**20


class TruthTail:
    """Yield the rows that the processes of a run write, each once, soon after it was written.

    A full file becomes the older one beside a new one: what is left of it is read first. Rows are missed only if a file
    became full twice between two polls. Use it as a context manager.
    """

    def __init__(self, files: RunFiles, labels: Iterable[str]) -> None:
        self._files = [_Followed(files.truth_rows_of(label)) for label in labels]

    def __enter__(self) -> TruthTail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def poll(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that have been completed since the last poll, those of one process in their order.

        A line that is not JSON is left out.
        """
        for file in self._files:
            for line in file.lines():
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(row, dict):
                    yield row


class _Followed:
    """A file that grows, and is replaced by a new one of the same name when it is full."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._torn = b""

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def lines(self) -> Iterator[bytes]:
        """Yield the lines that have been completed, without their line breaks."""
        if self._descriptor is not None:
            yield from self._rest()
            if not self._is_replaced():
                return
            self.close()
            self._torn = b""
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return  # not yet there, or the folder is gone
        yield from self._rest()

    def _rest(self) -> Iterator[bytes]:
        while self._descriptor is not None and (block := os.read(self._descriptor, _BLOCK_BYTES)):
            *whole, self._torn = (self._torn + block).split(b"\n")
            yield from whole

    def _is_replaced(self) -> bool:
        if self._descriptor is None:
            return True
        try:
            return not os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return False
