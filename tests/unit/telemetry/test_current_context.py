"""The current context, by its variable or by the API."""

from __future__ import annotations

from types import SimpleNamespace

from opentelemetry import context
from opentelemetry.context import Context

from simulator.telemetry.current_context import attach, context_functions, get_current


def test_it_is_the_context_of_the_api():
    """What is attached here is current there and the other way round, until it is detached."""
    before = context.get_current()
    ours, theirs = Context({"a": 1}), Context({"b": 2})
    first = attach(ours)
    assert context.get_current() is get_current() is ours
    second = context.attach(theirs)
    assert context.get_current() is get_current() is theirs
    context.detach(second)
    context.detach(first)
    assert context.get_current() is get_current() is before


def test_another_kind_of_context_is_the_api_s_matter():
    """Contexts that are not in a context variable are read and set by the API itself."""
    for runtime in (None, object(), SimpleNamespace(_current_context=None)):
        api = SimpleNamespace(_RUNTIME_CONTEXT=runtime, get_current=lambda: "current", attach=lambda new: new)
        assert context_functions(api) == (api.get_current, api.attach)
    assert context_functions(SimpleNamespace(get_current=1, attach=2)) == (1, 2)
