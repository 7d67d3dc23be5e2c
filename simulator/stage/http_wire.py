"""The wire between stages: HTTP, through one `requests.Session` for all the calls of a stage."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

import simulator
from simulator.behaviour.values import shown
from simulator.engine.relay import RelayedRequest
from simulator.engine.runtime import StageStopped, TooSlow
from simulator.engine.wire import Reply, WireRequest
from simulator.net.status import is_retryable, is_success
from simulator.stage.message_headers import (
    CALLER,
    DEADLINE,
    DECISIONS,
    DRAINING,
    DUE,
    INJECTED,
    MESSAGE_ID,
    SECRET,
    UNREAD,
    VISIT,
    decisions_text,
)
from simulator.stage.transport import Broken, Unreachable
from simulator.stage.travel import RunIdentity, due_text
from simulator.telemetry.baggage import NO_MEMBERS, WithMessage
from simulator.telemetry.record import CallOutcome
from simulator.topology.addresses import Route
from simulator.topology.headers import Headers
from simulator.topology.kinds import DatabaseOperation
from simulator.topology.paths import filled
from simulator.topology.settings import Downstream

# Opens the client's span of a request to a database; the function that it yields takes the status of the answer.
DatabaseSpan = Callable[["OutgoingRequest"], AbstractContextManager[Callable[[int], None]]]
# Called with a request that has ended, the address of the instance, its error.type ("" for none) and its duration.
OnRequest = Callable[["OutgoingRequest", str, str, float], None]
_CLIENT_ERROR = 400
# Servers ask for the length of these even if it is 0.
_WITH_A_BODY = ("POST", "PUT", "PATCH")
_USER_AGENT = f"simulator/{simulator.__version__}"


class OutgoingRequest(requests.PreparedRequest):
    """A request that knows which stage it goes to, and which attempt of the call it is.

    `template` is its path with {names} in it, "" if the called stage has only one path, and `span` the name of the
    operation's spans, "" for method and path. `database` is the operation if it is a database's. `is_stage` means that
    it goes to a stage of the same topology. `withheld` is set when that stage announces that an injected fault may
    withhold its answer, and `status` when the answer has come. `relayed` is the request of a client that it
    relays; the answer is kept if `keeps_answer`.
    """

    downstream = ""
    attempt = 1
    is_stage = False
    template = ""
    span = ""
    database: DatabaseOperation | None = None
    message_id = ""
    relayed: RelayedRequest | None = None
    keeps_answer = False
    withheld = False
    status: int | None = None
    on_withheld: Callable[[], None] | None = None

    def on_interim(self, headers: CaseInsensitiveDict[str]) -> None:
        """Called with the headers of an interim response; only a stage of the topology is believed."""
        if self.is_stage and INJECTED in headers and not self.withheld:
            self.withheld = True
            if self.on_withheld is not None:
                self.on_withheld()


class HttpWire:
    """Send requests by HTTP.

    `time_limit(seconds)` bounds each request, whatever the transport waits for. `variables` are the values of the
    environment variables that headers name. The secret in `identity` is sent only to stages. The decisions named in
    `in_baggage` are sent as W3C baggage too. `on_request` is called when a request has ended that goes to no database.
    """

    def __init__(
        self,
        caller: str,
        downstreams: Sequence[Downstream],
        adapter: BaseAdapter,
        now: Callable[[], float],
        time_limit: Callable[[float], AbstractContextManager[object]],
        variables: Mapping[str, str] | None = None,
        identity: RunIdentity = RunIdentity(),  # noqa: B008 - it is frozen
        database_span: DatabaseSpan | None = None,
        in_baggage: frozenset[str] = frozenset(),
        on_request: OnRequest | None = None,
    ) -> None:
        self._in_baggage = in_baggage
        self._on_request = on_request
        self._session = make_session(adapter)
        self._now = now
        self._time_limit = time_limit
        self._caller = caller
        self._stages = {downstream.name for downstream in downstreams if downstream.is_stage}
        self._routes = {
            (downstream.name, operation): route
            for downstream in downstreams
            for operation, route in downstream.routes.items()
        }
        self._authorizations = {
            _base(downstream, url): value
            for downstream in downstreams
            for url, value in downstream.authorizations.items()
        }
        self._variables = variables or {}
        self._resolved: dict[Headers, dict[str, str]] = {}
        self._identity = identity
        self._database_span = database_span

    def send(self, outgoing: WireRequest, timeout_seconds: float, connect_seconds: float) -> Reply:
        """Send a request and wait for the reply."""
        request = self._request(outgoing)
        if self._on_request is None or request.database is not None:
            return self._answer_to(request, outgoing, timeout_seconds, connect_seconds)
        begin, outcome = self._now(), CallOutcome.ABANDONED
        try:
            reply = self._answer_to(request, outgoing, timeout_seconds, connect_seconds)
            outcome = reply.outcome
            return reply
        finally:
            error = _error_type(request.status, outcome)
            self._on_request(request, outgoing.address, error, self._now() - begin)

    def _answer_to(
        self, request: OutgoingRequest, outgoing: WireRequest, timeout_seconds: float, connect_seconds: float
    ) -> Reply:
        if outgoing.relay is not None:
            outgoing.relay.answer = None
        relays = request.relayed is not None
        in_baggage = nullcontext() if relays else WithMessage(outgoing.message_id, self._baggage(outgoing))
        try:
            with in_baggage, self._time_limit(timeout_seconds):
                response = self._exchange(request, (connect_seconds, timeout_seconds))
        except StageStopped as stopped:
            stopped.injected = request.withheld
            raise
        except (TooSlow, requests.Timeout):
            error = f"no answer within {timeout_seconds:.3g} s"
            return Reply(CallOutcome.TIMEOUT, injected=request.withheld, error=error)
        except Unreachable as error:
            return Reply(CallOutcome.UNREACHABLE, error=str(_root(error)))
        except requests.ConnectionError as error:
            # A stage that truncates an answer says so in its head, which may have arrived.
            is_truncated = request.is_stage and isinstance(error, Broken) and INJECTED in error.headers
            return Reply(CallOutcome.BROKEN, injected=request.withheld or is_truncated, error=str(_root(error)))
        except (requests.RequestException, OSError, ValueError) as error:
            return Reply(CallOutcome.BROKEN, error=f"{type(error).__name__}: {error}"[:500])
        if outgoing.relay is not None:
            outgoing.relay.answer = getattr(response, "relayed", None)
        return self._reply(request, response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _exchange(self, request: OutgoingRequest, timeouts: tuple[float, float]) -> requests.Response:
        if request.database is None or self._database_span is None:
            return self._send(request, timeouts)
        with self._database_span(request) as answered:
            response = self._send(request, timeouts)
            answered(response.status_code)
            return response

    def _send(self, request: OutgoingRequest, timeouts: tuple[float, float]) -> requests.Response:
        response = self._session.send(request, timeout=timeouts, stream=True, verify=True, cert=None, proxies={})
        request.status = response.status_code
        return response

    def _reply(self, request: OutgoingRequest, response: requests.Response) -> Reply:
        status = response.status_code
        if is_success(status) or (request.keeps_answer and status < _CLIENT_ERROR):
            return Reply(CallOutcome.OK, status, retryable=False)
        # If the run has a secret, only its stages are believed; without one, stages can't be told from others.
        injected = INJECTED in response.headers and (request.is_stage or not self._identity.secret)
        ending = response.headers.get(DRAINING) if request.is_stage else None
        if ending == UNREAD:
            return Reply(CallOutcome.UNREACHABLE, error="it is shutting down", ending=True)
        error = f"it answered {status}"
        return Reply(CallOutcome.ERROR_STATUS, status, injected, error, is_retryable(status), ending is not None)

    def _request(self, outgoing: WireRequest) -> OutgoingRequest:
        # Built by hand: preparing one from a Request, or copying one, processes cookies and hooks again.
        request = OutgoingRequest()
        request.message_id, request.keeps_answer = outgoing.message_id, outgoing.relay is not None
        request.downstream, request.attempt = outgoing.downstream, outgoing.attempt
        request.is_stage = outgoing.downstream in self._stages
        request.on_withheld = outgoing.on_withheld
        route = self._routes[outgoing.downstream, outgoing.operation]
        if outgoing.relay is not None and outgoing.relay.request is not None and not request.is_stage:
            return self._relayed(request, outgoing, route, outgoing.relay.request)
        has_body = route.method.has_body
        request.method = route.method.value
        request.url = outgoing.address + filled(route.path, _path_values(outgoing)) if route.path else outgoing.address
        request.template, request.span, request.database = route.path, route.span, route.database
        request.body = outgoing.body if has_body else b""
        headers = {
            "User-Agent": _USER_AGENT,
            "Accept": "*/*",
            "Connection": "keep-alive",
            MESSAGE_ID: outgoing.message_id,
            VISIT: outgoing.visit,
            CALLER: self._caller,
            DUE: due_text(outgoing.due, self._identity.clock_id, self._now()),
        }
        if has_body:
            headers["Content-Type"] = outgoing.content_type
            headers["Content-Length"] = str(len(outgoing.body))
        if outgoing.decisions and request.is_stage:
            headers[DECISIONS] = decisions_text(outgoing.decisions)
        if outgoing.content_encoding and has_body:
            headers["Content-Encoding"] = outgoing.content_encoding
        if request.is_stage and self._identity.secret:
            headers[SECRET] = self._identity.secret
        if outgoing.deadline_seconds is not None:
            headers[DEADLINE] = f"{outgoing.deadline_seconds:.6f}"
        if outgoing.address in self._authorizations:
            headers["Authorization"] = self._authorizations[outgoing.address]
        # Case matters only if there are headers that may be the same as ours.
        request.headers = headers  # type: ignore[assignment]
        if outgoing.headers is not None:
            request.headers = CaseInsensitiveDict(headers)
            request.headers.update(self._values_of(outgoing.headers))
        return request

    def _baggage(self, outgoing: WireRequest) -> Mapping[str, str]:
        """Return the decisions that travel in baggage."""
        if not self._in_baggage:
            return NO_MEMBERS
        return {name: shown(value) for name, value in outgoing.decisions.items() if name in self._in_baggage}

    def _relayed(
        self, request: OutgoingRequest, outgoing: WireRequest, route: Route, came: RelayedRequest
    ) -> OutgoingRequest:
        """Return the request of a client as it is relayed: only what the call itself has is added or replaced."""
        headers = {} if outgoing.headers is None else self._values_of(outgoing.headers)
        if outgoing.address in self._authorizations:
            headers = {"Authorization": self._authorizations[outgoing.address], **headers}
        own = {name.lower() for name in headers}
        kept = tuple((name, value) for name, value in came.headers if name.lower() not in own)
        base = urllib.parse.urlsplit(outgoing.address).path.rstrip("/")
        request.relayed = replace(came, target=f"{base}{came.target}" or "/", headers=kept)
        request.method, request.url = came.method, outgoing.address.rstrip("/") + came.target
        request.span = route.span
        request.body = outgoing.body
        request.headers = CaseInsensitiveDict(headers)
        if outgoing.body or came.method in _WITH_A_BODY:
            request.headers["Content-Length"] = str(len(outgoing.body))
        return request

    def _values_of(self, headers: Headers) -> dict[str, str]:
        found = self._resolved.get(headers)
        if found is None:
            found = self._resolved[headers] = headers.resolved(self._variables)
        return found


def _error_type(status: int | None, outcome: CallOutcome) -> str:
    """Return error.type by OpenTelemetry's conventions: the status of a refusal, or how it ended without one."""
    if status is not None and status >= _CLIENT_ERROR:
        return str(status)
    return "" if outcome is CallOutcome.OK else str(outcome)


def addresses_of(downstreams: Sequence[Downstream]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of the instances of each downstream."""
    return {downstream.name: tuple(_base(downstream, url) for url in downstream.urls) for downstream in downstreams}


def _base(downstream: Downstream, url: str) -> str:
    """Return a URL as it is sent, or as the path of each operation is appended to it."""
    sent = as_sent(url)
    return sent.rstrip("/") if any(route.path for route in downstream.routes.values()) else sent


def as_sent(url: str) -> str:
    """Return a URL as requests sends it: escaped, and with a path."""
    return requests.Request("POST", url).prepare().url or url


class _Session(requests.Session):
    """Send everything through one adapter, and do not follow redirections: one is an answer like any other."""

    def __init__(self, adapter: BaseAdapter) -> None:
        super().__init__()
        self._adapter = adapter

    def get_adapter(self, url: str) -> BaseAdapter:
        return self._adapter

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None

    def resolve_redirects(self, *_: object, **__: object) -> Iterator[requests.Response]:
        return iter(())


def make_session(adapter: BaseAdapter) -> requests.Session:
    """Return a session with its adapter, which reads every answer to its end.

    Proxies and .netrc are not looked up, which would take longer than the call itself.
    """
    session = _Session(adapter)
    session.trust_env = False
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def resending(on_resend: Callable[[OutgoingRequest], None]) -> Callable[[requests.PreparedRequest], bool]:
    """Return a function that decides whether to resend a request that ended unanswered on a used connection.

    Only a request to an external service is resent, and `on_resend` is called with it. A stage never closes an idle
    connection without notice, so that its silence may be a fault that resets connections, and it counts what it gets.
    """

    def may_resend(request: requests.PreparedRequest) -> bool:
        if not isinstance(request, OutgoingRequest) or request.is_stage:
            return False
        on_resend(request)
        return True

    return may_resend


def _path_values(outgoing: WireRequest) -> Callable[[str], str]:
    """Return what stands for a name in a path: the decision of that name, or the message's id."""

    def value(name: str) -> str:
        found = outgoing.decisions.get(name)
        return outgoing.message_id if found is None else shown(found)

    return value


def _root(error: BaseException) -> BaseException:
    """Return the underlying error: the adapter's errors wrap the socket's."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    return error
