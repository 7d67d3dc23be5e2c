"""Spans of the SDK that take less time: ordinary attributes in a dict, no locks, and no copy at the end.

The SDK cleans each attribute by calls of its own, makes two lists and four locks for each span, and a second span to be
exported: a message took a tenth of its time for that. What is replaced is private to the SDK, and known for one version
of it; with any other the SDK's spans are made. A test compares both, whatever is done to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from time import time_ns
from typing import Any

import opentelemetry.sdk.trace as sdk
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, SpanLimits, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.sdk.version import __version__ as sdk_version
from opentelemetry.trace import INVALID_SPAN, Link, SpanContext, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

from simulator.telemetry.record import TraceIds

KNOWN_VERSION = "1.45.1"
# Where a context has its span.
SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
_PLAIN = frozenset((str, bool, int, float))
_UNSET = Status(StatusCode.UNSET)


def use_light_spans() -> None:
    """Let the tracers of the SDK make light spans from now on. Meant for the entry of a process."""
    if sdk_version == KNOWN_VERSION:
        sdk._Span = LightSpan  # type: ignore[assignment,misc]


def end_at(span: Any, unix_ns: int) -> None:
    """Let a span end at a time, in nanoseconds since 1970, whenever it is ended."""
    if isinstance(span, LightSpan):
        span.ends_at = unix_ns
    else:
        span.end = partial(span.end, unix_ns)


class LightSpan(sdk.Span):
    """A span that only one thread works with. `ends_at` of None means that it ends when it is ended.

    `ids` keeps the ids as texts, None until they are first shown.

    What is not ordinary, such as a list as an attribute, or more attributes than the limit, is done by the SDK.
    """

    ends_at: int | None = None
    ids: TraceIds | None = None
    _lock: Any = nullcontext()

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None = None,
        sampler: Any = None,
        trace_config: None = None,
        resource: Resource | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        events: Sequence[Event] | None = None,
        links: Sequence[Link] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        span_processor: SpanProcessor = SpanProcessor(),  # noqa: B008 - it does nothing
        instrumentation_info: InstrumentationInfo | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        limits: SpanLimits = SpanLimits(),  # noqa: B008 - it is never changed
        instrumentation_scope: InstrumentationScope | None = None,
        *,
        record_end_metrics: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._resource = Resource.create({}) if resource is None else resource
        self._instrumentation_info = instrumentation_info
        self._instrumentation_scope = instrumentation_scope
        self._start_time: int | None = None
        self._end_time: int | None = None
        self._status = _UNSET
        self._sampler = sampler
        self._trace_config = trace_config
        self._record_exception = record_exception
        self._set_status_on_exception = set_status_on_exception
        self._span_processor = span_processor
        self._limits = limits
        self._record_end_metrics = record_end_metrics
        self._attributes: Any = {}
        self._events: Any = ()
        self._links: Any = self._new_links(links) if links else ()
        if attributes:
            self.set_attributes(attributes)
        for event in events or ():
            self.add_event(event.name, event.attributes, event.timestamp)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes."""
        if not self._has_set(attributes):
            super().set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute."""
        if not self._has_set({key: value}):
            super().set_attribute(key, value)

    def _has_set(self, attributes: Mapping[str, Any]) -> bool:
        """Set ordinary attributes, and return True; leave others to the SDK, from now on, and return False."""
        own, limits = self._attributes, self._limits
        if self._end_time is not None or type(own) is not dict:
            return False
        most, longest = limits.max_span_attributes, limits.max_span_attribute_length
        if (most is None or len(own) + len(attributes) <= most) and _are_plain(attributes, longest):
            for key, value in attributes.items():
                own.pop(key, None)  # the order is that in which they were set last
                own[key] = value
            return True
        self._attributes = BoundedAttributes(most, own, immutable=False, max_value_len=longest)
        return False

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Add an event."""
        if type(self._events) is tuple:
            self._events = self._new_events()  # type: ignore[no-untyped-call]
        super().add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a link."""
        if type(self._links) is tuple:
            self._links = self._new_links(())
        super().add_link(context, attributes)

    def start(self, start_time: int | None = None, parent_context: Context | None = None) -> None:
        """Start the span."""
        if self._start_time is not None:
            super().start(start_time, parent_context)  # which says that it has been started
            return
        self._start_time = time_ns() if start_time is None else start_time
        self._span_processor.on_start(self, parent_context)

    def end(self, end_time: int | None = None) -> None:
        """End the span, and export it."""
        if self._start_time is None or self._end_time is not None or type(self._attributes) is not dict:
            super().end(self.ends_at if end_time is None else end_time)
            return
        end_time = self.ends_at if end_time is None else end_time
        self._end_time = time_ns() if end_time is None else end_time
        if self._record_end_metrics:
            self._record_end_metrics()
        self._span_processor._on_ending(self)
        self._span_processor.on_end(self)


def _are_plain(attributes: Mapping[Any, Any], max_characters: int | None) -> bool:
    """Return whether these attributes stay as they are in every span."""
    for key, value in attributes.items():
        kind = type(value)
        if kind not in _PLAIN or type(key) is not str or not key:
            return False
        if kind is str and max_characters is not None and len(value) > max_characters:
            return False
    return True
