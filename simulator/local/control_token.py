"""The token that the stages of a run want on /control, so that no other user of this machine can change them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping

from simulator.local.folder import write
from simulator.telemetry.run_files import RunFiles
from simulator.topology.variables import CONTROL_TOKEN_VARIABLE

_TOKEN_BYTES = 24


@contextlib.contextmanager
def control_token(files: RunFiles, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Return the environment for the processes of a run, with the token of /control.

    A token in the environment is the user's, and is not written anywhere. Otherwise the run makes its own, which is in
    its folder until the end of the `with`. Raise StartError if it can't be written.
    """
    if environment.get(CONTROL_TOKEN_VARIABLE):
        yield dict(environment)
        return
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    write(files.control_token, f"{token}\n")
    try:
        yield {**environment, CONTROL_TOKEN_VARIABLE: token}
    finally:
        with contextlib.suppress(OSError):  # a token that stays is useless once the stages are gone
            files.control_token.unlink()


def read_control_token(files: RunFiles) -> str | None:
    """Return the token that a run has made; None if it has made none, or this user can't read it."""
    try:
        return files.control_token.read_text().strip() or None
    except (OSError, ValueError):
        return None
