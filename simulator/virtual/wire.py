"""A wire in memory: the effects of HTTP between two stages, without sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.engine.handling import Handling
from simulator.engine.message import Answer, Message, slow_step_bytes
from simulator.engine.relay import RelayedAnswer
from simulator.engine.runtime import Event, Runtime, StageStopped
from simulator.engine.tracing import Tracing
from simulator.engine.wire import Reply, WireRequest
from simulator.errors import InjectedFault, InvalidMessage, MessageError
from simulator.net.receipts import receipt
from simulator.net.status import is_retryable
from simulator.telemetry.record import OUTSIDE, CallOutcome, Via
from simulator.topology.model import Forward, Method

_TRUNCATED = "the connection ended before the answer was whole"
_RESET = "the connection was reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A stage's instance as its callers reach it; each request takes `overhead_seconds` to get there."""

    handling: Handling
    callers: frozenset[str]
    tracing: Tracing
    overhead_seconds: float = 0.0


class MemoryWire:
    """Send requests of the stage `caller` to endpoints, by their addresses."""

    def __init__(self, caller: str, endpoints: Mapping[str, Endpoint], runtime: Runtime) -> None:
        self._caller = caller
        self._endpoints = endpoints
        self._runtime = runtime

    def send(self, outgoing: WireRequest, timeout_seconds: float, connect_seconds: float) -> Reply:
        """Send a request and wait for the reply."""
        endpoint = self._endpoints[outgoing.address]
        if outgoing.relay is not None:
            outgoing.relay.answer = None
        exchange = MemoryExchange(outgoing, endpoint, self._runtime)
        self._runtime.spawn(lambda: self._arrive(outgoing, endpoint, exchange))
        try:
            exchange.replied.wait(timeout_seconds)
        except StageStopped as stopped:
            stopped.injected = exchange.withheld
            raise
        finally:
            exchange.hang_up()
        if exchange.reply is not None:
            if outgoing.relay is not None:
                code = exchange.reply.code
                outgoing.relay.answer = None if code is None else RelayedAnswer(status=code)
            return exchange.reply
        error = f"no answer within {timeout_seconds:.3g} s"
        return Reply(CallOutcome.TIMEOUT, injected=exchange.withheld, error=error)

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _arrive(self, outgoing: WireRequest, endpoint: Endpoint, exchange: MemoryExchange) -> None:
        if endpoint.overhead_seconds:
            self._runtime.sleep(endpoint.overhead_seconds)
        operation = endpoint.handling.behaviour.operations[outgoing.operation].model
        message = Message(
            message_id=outgoing.message_id,
            visit=outgoing.visit,
            caller=self._caller if self._caller in endpoint.callers else OUTSIDE,
            via=Via.HTTP,
            content_type=outgoing.content_type,
            body_bytes=len(outgoing.body) if operation.method.has_body else 0,
            due=outgoing.due,
            exchange=exchange,
            deadline_seconds=outgoing.deadline_seconds,
            content_encoding=outgoing.content_encoding if operation.method.has_body else "",
            operation=outgoing.operation,
            decisions=outgoing.decisions,
        )
        if operation.forward is Forward.ACCEPT:
            endpoint.handling.accept(message)
        else:
            endpoint.handling.handle(message)


class MemoryExchange:
    """One request and its reply, which is there when `replied` is set.

    `withheld` stands for the interim response by which a stage on a socket warns its caller.
    """

    __slots__ = (
        "_endpoint",
        "_gone",
        "_is_gone",
        "_on_withheld",
        "_outgoing",
        "_runtime",
        "replied",
        "reply",
        "withheld",
    )

    waited_seconds = 0.0

    def __init__(self, outgoing: WireRequest, endpoint: Endpoint, runtime: Runtime) -> None:
        self._outgoing = outgoing
        self._endpoint = endpoint
        self._runtime = runtime
        self._is_gone = False
        self._gone: Event | None = None
        self.replied = runtime.event(f"an answer of {outgoing.downstream}")
        self.reply: Reply | None = None
        self.withheld = False

    def read(self) -> bytes:
        """Return the body. Raise InvalidMessage for one that is too large."""
        body = self._outgoing.body if self._method.has_body else b""
        max_bytes = self._endpoint.handling.behaviour.model.max_body_bytes
        if len(body) > max_bytes:
            detail = f"the body has {len(body)} bytes; at most {max_bytes} are taken here"
            raise InvalidMessage(detail, 413, "Content too large", len(body))
        return body

    @property
    def _method(self) -> Method:
        return self._endpoint.handling.behaviour.operations[self._outgoing.operation].model.method

    def release(self) -> None:
        """Do nothing: no resource is held."""

    def hang_up(self) -> None:
        """Called when the caller no longer waits."""
        self._is_gone = True
        if self._gone is not None:
            self._gone.set()

    def withhold(self) -> None:
        """Tell the caller that an injected fault may withhold the answer."""
        if not self.withheld and not self._is_gone:
            self.withheld = True
            self._outgoing.on_withheld()

    def answer(self, answer: Answer) -> float | None:
        """Set the reply, with the effects of injected faults, and wake the caller; return None: it has it now."""
        if answer.bytes_per_second is not None:
            size = 0 if self._method is Method.HEAD else len(self._body(answer))
            self._drip(size // 2 if answer.truncated else size, answer.bytes_per_second)
        if not self._is_gone and self.reply is None:
            self.reply = self._reply(answer)
            self.replied.set()
        return None

    def _reply(self, answer: Answer) -> Reply:
        error = answer.error
        if isinstance(error, InjectedFault) and error.no_answer:
            return Reply(CallOutcome.BROKEN, injected=True, error=_RESET)
        if answer.truncated:
            return Reply(CallOutcome.BROKEN, injected=True, error=_TRUNCATED)
        if error is not None:
            return _failed(error)
        return Reply(CallOutcome.OK, 202 if answer.accepted else 200, retryable=False)

    def _body(self, answer: Answer) -> bytes:
        trace = self._endpoint.tracing.ids(self._outgoing.message_id, self._outgoing.visit)
        return receipt(
            self._outgoing.downstream,
            self._outgoing.message_id,
            str(answer.outcome),
            trace.trace_id,
            duration_seconds=answer.duration_seconds,
            size_bytes=answer.size_bytes,
        )

    def _drip(self, size: int, bytes_per_second: float) -> None:
        """Send the answer in steps, until the caller is gone and a step or two have found that out."""
        if self._is_gone:
            return
        self._gone = self._runtime.event("a caller that hangs up")
        begin = self._runtime.now()
        step_seconds = slow_step_bytes(bytes_per_second) / bytes_per_second
        end = begin + size / bytes_per_second
        if self._gone.wait(end - begin):
            steps = int((self._runtime.now() - begin) / step_seconds) + 2
            self._runtime.sleep(max(0.0, min(end, begin + steps * step_seconds) - self._runtime.now()))


def _failed(error: MessageError) -> Reply:
    text = f"it answered {error.status}"
    return Reply(CallOutcome.ERROR_STATUS, error.status, error.injected, text, is_retryable(error.status))
