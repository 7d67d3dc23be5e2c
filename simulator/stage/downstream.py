"""Sending on: one `requests.Session` for all that a stage calls."""

from __future__ import annotations

import http.client
import ssl
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

import simulator
from simulator.behaviour.draws import FIRST_VISIT
from simulator.stage.injections import ASK_SECONDS, PATH, Ask, Injections
from simulator.stage.message import CALLER, DEADLINE, DRAINING, DUE, INJECTED, MESSAGE_ID, SECRET, UNREAD, VISIT
from simulator.stage.rotation import Rotation
from simulator.stage.tasks import StageStopped
from simulator.stage.time_limit import TimeLimit, TooSlow, no_time_limit
from simulator.stage.transport import Broken, LeanAdapter, Unreachable
from simulator.stage.travel import Due, RunIdentity, due_text
from simulator.telemetry.record import Attempt, CallOutcome
from simulator.topology.headers import Headers
from simulator.topology.settings import Downstream

# How long a called stage may take to say whether it kept an answer back on purpose. One that just sent something is
# there, and if it is busy it is waited for; a mute one that a call has timed out at may be gone, and its caller is not
# held for much longer than the call itself was to last.
_LEAST_ASK_SECONDS = 1.0
# How long a connection to one of several instances may take. A container, pod or machine that is gone may not even
# refuse it, and another instance would have answered long before the call's own timeout.
CONNECT_SECONDS = 5.0
_ANSWERED = (CallOutcome.OK, CallOutcome.ERROR_STATUS)
_WITHOUT_ANSWER = (CallOutcome.TIMEOUT, CallOutcome.BROKEN)
_USER_AGENT = f"simulator/{simulator.__version__}"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent on of a message: `visit` is the one that it causes, `from_visit` the one that it comes from.

    `deadline_seconds` is how long the answer is waited for in all, None for ever; `attempt` counts from 1. `headers`
    are those that the call is configured with.
    """

    body: bytes
    content_type: str
    message_id: str
    visit: str
    due: Due
    from_visit: str = FIRST_VISIT
    deadline_seconds: float | None = None
    attempt: int = 1
    headers: Headers | None = None
    content_encoding: str = ""


class Try(requests.PreparedRequest):
    """A request that knows to which stage it goes, and which try of the call it is.

    `is_stage` says that it goes to a stage of the same topology.
    """

    downstream = ""
    attempt = 1
    is_stage = False


def is_on_purpose(
    url: str, message_id: str, visit: str, seconds: float, tls: ssl.SSLContext | None = None, secret: str = ""
) -> bool:
    """Ask the stage at `url` whether a fault there kept a visit of a message from its answer.

    One that says nothing for `seconds` did not, nor one that does not take our `secret` for that of its run.
    """
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=seconds, context=tls)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=seconds)
    )
    query = urllib.parse.urlencode({"message_id": message_id, "visit": visit})
    try:
        connection.request("GET", f"{PATH}?{query}", headers={SECRET: secret} if secret else {})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


class Sender:
    """Send messages to the stages downstream.

    `time_limit` bounds each attempt. `on_ejection(downstream, url, ejected)` is called for instances that
    could not be reached and are passed over, and for those that are back. `ask` asks a stage whether a fault of its own
    kept an answer back. `variables` are the values of those that headers name.
    The secret in `identity` is sent to stages alone.
    """

    def __init__(
        self,
        caller: str,
        downstreams: Sequence[Downstream],
        connections: int,
        monotonic: Callable[[], float],
        time_limit: TimeLimit = no_time_limit,
        adapter: BaseAdapter | None = None,
        injections: Injections | None = None,
        on_ejection: Callable[[str, str, bool], None] = lambda downstream, url, ejected: None,
        ask: Ask = is_on_purpose,
        variables: Mapping[str, str] | None = None,
        identity: RunIdentity = RunIdentity(),  # noqa: B008 - it is frozen
    ) -> None:
        self._session = make_session(adapter or LeanAdapter(connections))
        self._monotonic = monotonic
        self._time_limit = time_limit
        self._caller = caller
        self._rotations = {d.name: Rotation([as_sent(url) for url in d.urls]) for d in downstreams}
        self._stages = {downstream.name for downstream in downstreams if downstream.is_stage}
        self._injections = injections or Injections()
        self._on_ejection = on_ejection
        self._ask = ask
        self._authorizations = {
            downstream.name: {as_sent(url): value for url, value in downstream.authorizations.items()}
            for downstream in downstreams
            if downstream.authorizations
        }
        self._variables = variables or {}
        self._resolved: dict[Headers, dict[str, str]] = {}
        self._identity = identity

    def attempt(self, downstream: str, parcel: Parcel, timeout_seconds: float) -> Attempt:
        """Send a message once and wait for the answer; whatever happens is told by the Attempt, nothing is raised."""
        begin = self._monotonic()
        rotation = self._rotations[downstream]
        url = rotation.pick(begin)
        with self._injections.under_way(parcel.message_id, parcel.from_visit, url, parcel.visit):
            try:
                connect_seconds = timeout_seconds if len(rotation) == 1 else min(timeout_seconds, CONNECT_SECONDS)
                outcome, code, injected, error, ending = self._exchange(
                    self._request(downstream, url, parcel, begin), connect_seconds, timeout_seconds
                )
            except StageStopped as stopped:
                stopped.injected = downstream in self._stages and self._ask(
                    url, parcel.message_id, parcel.visit, _LEAST_ASK_SECONDS
                )
                raise
            if outcome in _WITHOUT_ANSWER and not injected and downstream in self._stages:
                broken = outcome is CallOutcome.BROKEN
                patience = ASK_SECONDS if broken else min(max(timeout_seconds, _LEAST_ASK_SECONDS), ASK_SECONDS)
                injected = self._ask(url, parcel.message_id, parcel.visit, patience)
        now = self._monotonic()
        if ending or outcome is CallOutcome.UNREACHABLE:
            if rotation.eject(url, now):
                self._on_ejection(downstream, url, True)
        elif outcome in _ANSWERED and rotation.restore(url):
            self._on_ejection(downstream, url, False)
        return Attempt(outcome, code, now - begin, injected, error, parcel.attempt, ending)

    def instances(self, downstream: str) -> int:
        """Give how many instances a downstream has."""
        return len(self._rotations[downstream])

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _exchange(
        self, request: Try, connect_seconds: float, timeout_seconds: float
    ) -> tuple[CallOutcome, int | None, bool, str, bool]:
        try:
            with self._time_limit(timeout_seconds):
                response = self._session.send(
                    request,
                    timeout=(connect_seconds, timeout_seconds),
                    allow_redirects=False,
                    stream=True,
                    verify=True,
                    cert=None,
                    proxies={},
                )
        except (TooSlow, requests.Timeout):
            return CallOutcome.TIMEOUT, None, False, f"no answer within {timeout_seconds:.3g} s", False
        except requests.ConnectionError as error:
            return (*_broken(error, request.is_stage), str(_root(error)), False)
        except (requests.RequestException, OSError, ValueError) as error:
            return CallOutcome.BROKEN, None, False, f"{type(error).__name__}: {error}"[:500], False
        # Where the run has a secret, only its stages are believed; without one nobody can tell who is a stage.
        injected = INJECTED in response.headers and (request.is_stage or not self._identity.secret)
        if 200 <= response.status_code < 300:
            return CallOutcome.OK, response.status_code, False, "", False
        ending = response.headers.get(DRAINING) if request.is_stage else None
        if ending == UNREAD:
            return CallOutcome.UNREACHABLE, None, False, "it is shutting down", True
        said = f"it answered {response.status_code}"
        return CallOutcome.ERROR_STATUS, response.status_code, injected, said, ending is not None

    def _request(self, downstream: str, url: str, parcel: Parcel, now: float) -> Try:
        # Put together by hand: to prepare one from a Request, or to copy one, takes its cookies and hooks apart anew.
        request = Try()
        request.downstream, request.attempt = downstream, parcel.attempt
        request.is_stage = downstream in self._stages
        request.method = "POST"
        request.url = url
        request.body = parcel.body
        headers = {
            "User-Agent": _USER_AGENT,
            "Accept": "*/*",
            "Connection": "keep-alive",
            "Content-Type": parcel.content_type,
            "Content-Length": str(len(parcel.body)),
            MESSAGE_ID: parcel.message_id,
            VISIT: parcel.visit,
            CALLER: self._caller,
            DUE: due_text(parcel.due, self._identity.clock_id, now),
        }
        if parcel.content_encoding:
            headers["Content-Encoding"] = parcel.content_encoding
        if request.is_stage and self._identity.secret:
            headers[SECRET] = self._identity.secret
        if parcel.deadline_seconds is not None:
            headers[DEADLINE] = f"{parcel.deadline_seconds:.6f}"
        if downstream in self._authorizations and url in self._authorizations[downstream]:
            headers["Authorization"] = self._authorizations[downstream][url]
        if parcel.headers is not None:
            headers.update(self._values_of(parcel.headers))
        request.headers = CaseInsensitiveDict(headers)
        return request

    def _values_of(self, headers: Headers) -> dict[str, str]:
        found = self._resolved.get(headers)
        if found is None:
            found = self._resolved[headers] = headers.resolved(self._variables)
        return found


def as_sent(url: str) -> str:
    """Give a URL as requests sends it: escaped, and with a path."""
    return requests.Request("POST", url).prepare().url or url


class _Session(requests.Session):
    """Follow nothing: a redirection is an answer like another, and where it leads is not even looked at."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


def make_session(adapter: BaseAdapter) -> requests.Session:
    """Make the session with its adapter, which reads every answer to its end.

    Proxies and .netrc are not looked up, which would cost more than the call itself.
    """
    session = _Session()
    session.trust_env = False
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def resending(on_resend: Callable[[Try], None]) -> Callable[[requests.PreparedRequest], bool]:
    """Return what decides whether a request that ended unanswered on a used connection is sent once more.

    Only a request to an external service is, and `on_resend` is called with it. A stage closes no idle connection
    without a word of it before, so that its silence may be a fault that resets connections, and it counts what it gets.
    """

    def may_resend(request: requests.PreparedRequest) -> bool:
        if not isinstance(request, Try) or request.is_stage:
            return False
        on_resend(request)
        return True

    return may_resend


def _broken(error: requests.ConnectionError, is_stage: bool) -> tuple[CallOutcome, int | None, bool]:
    if isinstance(error, Unreachable):
        return CallOutcome.UNREACHABLE, None, False
    # A stage that cuts an answer short on purpose says so in its head, which may have come.
    return CallOutcome.BROKEN, None, is_stage and isinstance(error, Broken) and INJECTED in error.headers


def _root(error: BaseException) -> BaseException:
    """Return the error that lies beneath: the adapter's errors wrap the socket's."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    return error
