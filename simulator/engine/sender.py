"""One attempt at a call: pick an instance, send it a request, and eject or restore it by its reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from simulator.engine.round_robin import RoundRobin
from simulator.engine.wire import Wire, WireRequest
from simulator.telemetry.record import Attempt, CallOutcome

# How long connecting to one of several instances may take. A container, pod or machine that is gone may not even
# refuse it, and another instance would have answered long before the call's own timeout.
CONNECT_SECONDS = 5.0
_ANSWERED = (CallOutcome.OK, CallOutcome.ERROR_STATUS)


class Sender:
    """Send requests to the instances of the stages downstream.

    `on_ejection(downstream, address, ejected)` is called when an instance is ejected, and when it is back.
    """

    def __init__(
        self,
        addresses: Mapping[str, Sequence[str]],
        wire: Wire,
        now: Callable[[], float],
        on_ejection: Callable[[str, str, bool], None] = lambda downstream, address, ejected: None,
    ) -> None:
        self._instances = {downstream: RoundRobin(each) for downstream, each in addresses.items()}
        self._wire = wire
        self._now = now
        self._on_ejection = on_ejection

    def attempt(self, downstream: str, outgoing: Callable[[str], WireRequest], timeout_seconds: float) -> Attempt:
        """Send `outgoing(address)` once and wait for the reply; a failure is in the Attempt and never raised."""
        begin = self._now()
        instances = self._instances[downstream]
        address = instances.pick(begin)
        connect_seconds = timeout_seconds if len(instances) == 1 else min(timeout_seconds, CONNECT_SECONDS)
        request = outgoing(address)
        reply = self._wire.send(request, timeout_seconds, connect_seconds)
        now = self._now()
        if reply.ending or reply.outcome is CallOutcome.UNREACHABLE:
            if instances.eject(address, now):
                self._on_ejection(downstream, address, True)
        elif reply.outcome in _ANSWERED and instances.restore(address):
            self._on_ejection(downstream, address, False)
        return Attempt(
            outcome=reply.outcome,
            code=reply.code,
            duration_seconds=now - begin,
            injected=reply.injected,
            error=reply.error,
            number=request.attempt,
            ending=reply.ending,
            retryable=reply.retryable,
        )

    def instances(self, downstream: str) -> int:
        """Return how many instances a downstream has."""
        return len(self._instances[downstream])

    def close(self) -> None:
        """Close the wire."""
        self._wire.close()
