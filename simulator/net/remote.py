"""The other side of /control: ask a running stage what it does, or change it, from another process."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

import requests

from simulator.errors import ConfigurationError, Problem, StartError
from simulator.urls import redacted, redacted_in

_PATH = "/control"
_SECONDS = 10.0


class TokenRefused(StartError):
    """Raised when a stage wants a token and was sent another one, or none."""


def exchange(
    address: str, patch: Mapping[str, Any], token: str | None, timeout_seconds: float = _SECONDS
) -> dict[str, Any]:
    """Change the stage at an address by `patch`, and return its settings then; an empty patch changes nothing.

    Raise ConfigurationError if a change is invalid, StartError if the stage can't be reached or refuses; that is
    TokenRefused if another token would help.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        url = urllib.parse.urljoin(address, _PATH)
        with requests.Session() as session:
            session.trust_env = False
            if patch:
                answer = session.patch(url, json=patch, headers=headers, timeout=timeout_seconds, allow_redirects=False)
            else:
                answer = session.get(url, headers=headers, timeout=timeout_seconds, allow_redirects=False)
    except requests.exceptions.InvalidHeader:
        # The error would show the token.
        raise StartError("the token can't be sent: it has characters that no header may have") from None
    except (requests.RequestException, ValueError) as error:
        reason = redacted_in(str(error), address)
        raise StartError(f"{redacted(address)} can't be reached: {reason}") from None
    content = _object_in(answer)
    if answer.status_code == 400:
        mistakes = content.get("problems") or [content.get("detail", answer.text[:200])]
        raise ConfigurationError([Problem(str(mistake)) for mistake in mistakes])
    if answer.status_code != 200 or "stage" not in content:
        wants_token = answer.status_code == 403 and answer.headers.get("WWW-Authenticate") == "Bearer"
        raise (TokenRefused if wants_token else StartError)(
            f"{redacted(url)} answered {answer.status_code}: {content.get('detail', 'not a stage of this simulator')}"
        )
    return content


def _object_in(answer: requests.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
