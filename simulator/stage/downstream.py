"""Sending on: one `requests.Session` for all that a stage calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict

import simulator
from simulator.stage.message import CALLER, DUE, INJECTED, MESSAGE_ID, VISIT
from simulator.stage.transport import LeanAdapter, Unreachable
from simulator.telemetry.record import Attempt, CallOutcome
from simulator.topology.settings import Downstream

# An answer is read to its end, so that the connection can be used again, but no further than this.
MAX_ANSWER_BYTES = 2**20
_CHUNK_BYTES = 2**16
_USER_AGENT = f"simulator/{simulator.__version__}"
# What urllib3, which carries https://, calls it when no connection comes about.
_NO_CONNECTION = {"NewConnectionError", "NameResolutionError"}


class TooSlow(BaseException):
    """Break a call off whose time is up; no `except Exception` on the way may swallow it."""


TimeLimit = Callable[[float], AbstractContextManager[object]]


def no_time_limit(seconds: float) -> AbstractContextManager[object]:
    """Rely on the timeouts of the socket alone."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent on of a message."""

    body: bytes
    content_type: str
    message_id: str
    visit: str
    due_unix_seconds: float


class Sender:
    """Send messages to the stages downstream.

    `time_limit(seconds)` makes a context manager that raises TooSlow inside when the time is up: the timeouts of a
    socket only bound the pause between two bytes.
    """

    def __init__(
        self,
        caller: str,
        downstreams: Sequence[Downstream],
        connections: int,
        monotonic: Callable[[], float],
        time_limit: TimeLimit = no_time_limit,
        adapter: BaseAdapter | None = None,
    ) -> None:
        self._session = make_session(
            adapter or LeanAdapter(connections, MAX_ANSWER_BYTES),
            HTTPAdapter(pool_connections=len(downstreams), pool_maxsize=connections),
        )
        self._monotonic = monotonic
        self._time_limit = time_limit
        self._timeouts = {downstream.name: downstream.timeout_seconds for downstream in downstreams}
        self._caller = caller
        self._urls = {downstream.name: as_sent(downstream.url) for downstream in downstreams}

    def attempt(self, downstream: str, parcel: Parcel) -> Attempt:
        """Send a message once and wait for the answer; whatever happens is told by the Attempt, nothing is raised."""
        begin = self._monotonic()
        outcome, code, injected, error = self._exchange(downstream, parcel)
        return Attempt(outcome, code, self._monotonic() - begin, injected, error)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _exchange(self, downstream: str, parcel: Parcel) -> tuple[CallOutcome, int | None, bool, str]:
        timeout = self._timeouts[downstream]
        try:
            with self._time_limit(timeout):
                response = self._session.send(
                    self._request(downstream, parcel),
                    timeout=(timeout, timeout),
                    allow_redirects=False,
                    stream=True,
                    verify=True,
                    cert=None,
                    proxies={},
                )
                _drain(response)
        except (TooSlow, requests.Timeout):
            return CallOutcome.TIMEOUT, None, False, f"no answer within {timeout:g} s"
        except requests.ConnectionError as error:
            return (*_broken(error), str(_root(error)))
        except (requests.RequestException, OSError, ValueError) as error:
            return CallOutcome.BROKEN, None, False, f"{type(error).__name__}: {error}"[:500]
        injected = INJECTED in response.headers
        if 200 <= response.status_code < 300:
            return CallOutcome.OK, response.status_code, False, ""
        return CallOutcome.ERROR_STATUS, response.status_code, injected, f"it answered {response.status_code}"

    def _request(self, downstream: str, parcel: Parcel) -> requests.PreparedRequest:
        # Put together by hand: to prepare one from a Request, or to copy one, takes its cookies and hooks apart anew.
        request = requests.PreparedRequest()
        request.method = "POST"
        request.url = self._urls[downstream]
        request.body = parcel.body
        request.headers = CaseInsensitiveDict(
            {
                "User-Agent": _USER_AGENT,
                "Accept": "*/*",
                "Connection": "keep-alive",
                "Content-Type": parcel.content_type,
                "Content-Length": str(len(parcel.body)),
                MESSAGE_ID: parcel.message_id,
                VISIT: parcel.visit,
                CALLER: self._caller,
                DUE: repr(parcel.due_unix_seconds),
            }
        )
        return request


def as_sent(url: str) -> str:
    """Give a URL as requests sends it: escaped, and with a path."""
    return requests.Request("POST", url).prepare().url or url


class _Session(requests.Session):
    """Follow nothing: a redirection is an answer like another, and where it leads is not even looked at."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


def make_session(plain: BaseAdapter, secure: BaseAdapter) -> requests.Session:
    """Make the session with its adapters for http:// and https://.

    Proxies and .netrc are not looked up, which would cost more than the call itself.
    """
    session = _Session()
    session.trust_env = False
    session.mount("http://", plain)
    session.mount("https://", secure)
    return session


def _drain(response: requests.Response) -> None:
    with response:
        left = MAX_ANSWER_BYTES
        for chunk in response.iter_content(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise requests.ConnectionError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")


def _broken(error: requests.ConnectionError) -> tuple[CallOutcome, int | None, bool]:
    never_connected = isinstance(error, Unreachable | requests.ConnectTimeout) or bool(_NO_CONNECTION & _names(error))
    return (CallOutcome.UNREACHABLE if never_connected else CallOutcome.BROKEN), None, False


def _names(error: BaseException) -> set[str]:
    return {type(link).__name__ for link in _chain(error)}


def _root(error: BaseException) -> BaseException:
    return _chain(error)[-1]


def _chain(error: BaseException) -> list[BaseException]:
    """Give an error and what lies beneath it: requests wraps urllib3's errors, which wrap the socket's."""
    links = [error]
    while True:
        inner = links[-1]
        beneath = getattr(inner, "reason", None) or next((a for a in inner.args if isinstance(a, BaseException)), None)
        if not isinstance(beneath, BaseException) or beneath in links or len(links) > 10:
            return links
        links.append(beneath)
