"""W3C baggage that is forwarded as it came, with a stage's own member, `simulator.message_id`, beside it.

OpenTelemetry's propagator parses members and writes them again, which changes what is not ours: `%20` becomes `+`, a
property becomes part of its value, and what it can't read is lost, with a warning for each member.
"""

from __future__ import annotations

import logging
import re
import urllib.parse
from collections.abc import Mapping
from types import MappingProxyType

from opentelemetry import baggage, context
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from simulator.telemetry.current_context import attach, get_current

MESSAGE_ID_MEMBER = "simulator.message_id"
# Up to here the specification wants baggage forwarded whole; beyond it a called stage may refuse the request.
MAX_BYTES = 8192
NO_MEMBERS: Mapping[str, str] = MappingProxyType({})
_HEADER = "baggage"
_OWN_START = f"{MESSAGE_ID_MEMBER}="
_UNCHANGED = re.compile(r"[A-Za-z0-9_.~-]*")
_AS_IT_CAME = context.create_key("simulator-baggage")


class WithMessage:
    """Send the message's id, and further members, as W3C baggage to whatever is called in the body of the `with`."""

    __slots__ = ("_members", "_message_id", "_token")

    def __init__(self, message_id: str, members: Mapping[str, str] = NO_MEMBERS) -> None:
        self._message_id = message_id
        self._members = members

    def __enter__(self) -> None:
        own = baggage.set_baggage(MESSAGE_ID_MEMBER, self._message_id)
        for name, value in self._members.items():
            own = baggage.set_baggage(name, value, own)
        self._token = attach(own)

    def __exit__(self, *_: object) -> None:
        context.detach(self._token)


class VerbatimBaggage(TextMapPropagator):
    """Forward baggage byte for byte, and add what this process itself has set, which replaces what came of that name.

    Of more than 8,192 bytes the last members are left out, each as a whole, and ours first; the first time that others'
    are left out is logged.
    """

    def __init__(self) -> None:
        self._has_warned = False

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Return the context with the baggage as it came, without the id from an earlier stage."""
        context = get_current() if context is None else context
        values = getter.get(carrier, _HEADER)
        if not values:
            return context
        came = values[0] if len(values) == 1 else ",".join(values)
        if MESSAGE_ID_MEMBER in came:
            came = ",".join(member for member in came.split(",") if not _is_own(member))
        return _with(came, context) if came else context

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Set the header, if there is any baggage."""
        came, members = _came(context), baggage.get_all(context)
        own = ",".join(f"{_quoted(key)}={_quoted(value)}" for key, value in members.items())
        if came and len(members) > 1:
            came = ",".join(member for member in came.split(",") if _name_of(member) not in members)
        header = f"{came},{own}" if came and own else came or own
        if len(header) > MAX_BYTES:
            header = self._bounded(came, own)
        if header:
            setter.set(carrier, _HEADER, header)

    @property
    def fields(self) -> set[str]:
        """Return the names of the headers that are set."""
        return {_HEADER}

    def _bounded(self, came: str, own: str) -> str:
        if len(came) <= MAX_BYTES:
            return _cut(f"{came},{own}" if came else own)
        if not self._has_warned:
            self._has_warned = True
            message = "baggage of %d bytes is cut to %d; this is logged only once"
            logging.getLogger(__name__).warning(message, len(came), MAX_BYTES)
        kept = _cut(came)
        return f"{kept},{own}" if kept and len(kept) + 1 + len(own) <= MAX_BYTES else kept or own


def is_own_alone(header: str) -> bool:
    """Return whether baggage has only the id from an earlier stage, so that nothing of it is forwarded."""
    return header.startswith(_OWN_START) and "," not in header


def _cut(header: str) -> str:
    """Return the first members of a header that is too long, as many as fit."""
    return header[: max(0, header.rfind(",", 0, MAX_BYTES + 1))]


def _with(came: str, of: Context) -> Context:
    return context.set_value(_AS_IT_CAME, came, of)


def _came(of: Context | None) -> str:
    return str(context.get_value(_AS_IT_CAME, of) or "")


def _is_own(member: str) -> bool:
    return _name_of(member) == MESSAGE_ID_MEMBER


def _name_of(member: str) -> str:
    return member.partition("=")[0].strip(" \t")


def _quoted(text: object) -> str:
    shown = str(text)
    return shown if _UNCHANGED.fullmatch(shown) else urllib.parse.quote(shown, safe="")
