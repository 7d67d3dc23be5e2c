"""Resources and scopes that are stored once for all their spans."""

from __future__ import annotations

import pytest

from simulator.console.traces.origins import Origins, grouped
from tests.support.otlp import add_attributes, request, span


def kept(origins, sent):
    """Keep each scope's spans as the store does; return them with their origins."""
    spans = []
    for resource_spans in sent.resource_spans:
        for origin, scope_spans in origins.of(resource_spans):
            for one in scope_spans.spans:
                origin.uses += 1
                spans.append((origin, one.SerializeToString()))
    return spans


def test_equal_origins_are_stored_once():
    """Two requests of one resource and scope share one origin; it knows the service."""
    origins = Origins()
    ((first, _), (second, _)) = kept(origins, request(parse=[span()])) + kept(origins, request(parse=[span(2)]))
    assert first is second
    assert first.service == "parse"
    assert origins.bytes == first.bytes


@pytest.mark.parametrize("where", ["resource", "resource schema", "scope", "scope schema"])
def test_different_origins_are_stored_separately(where):
    """Another attribute, name or schema is another origin."""
    origins, sent, other = Origins(), request(parse=[span()]), request(parse=[span(2)])
    group = other.resource_spans[0]
    match where:
        case "resource":
            add_attributes(group.resource, {"a": 1})
        case "resource schema":
            group.schema_url = "https://example.org"
        case "scope":
            group.scope_spans[0].scope.version = "2"
        case "scope schema":
            group.scope_spans[0].schema_url = "https://example.org"
    spans = kept(origins, sent) + kept(origins, other)
    assert spans[0][0] is not spans[1][0]
    assert sum(len(scope.spans) for group in grouped(spans) for scope in group.scope_spans) == 2
    assert [(len(group.scope_spans)) for group in grouped(spans)] == ([2] if where.startswith("scope") else [1, 1])


def test_an_origin_goes_with_its_last_span():
    """An origin without spans takes no memory; with one, it stays."""
    origins = Origins()
    spans = kept(origins, request(parse=[span(number=1), span(number=2)]))
    (first, _), (second, _) = spans
    origins.release(first)
    assert origins.bytes == second.bytes > 0
    origins.release(second)
    assert origins.bytes == 0


def test_an_origin_whose_spans_were_all_refused_is_not_kept():
    """A resource without stored spans is dropped immediately, even if the caller stops early."""
    origins = Origins()
    for _ in origins.of(request(parse=[span()]).resource_spans[0]):
        assert origins.bytes > 0
    assert origins.bytes == 0
    handing_out = origins.of(request(parse=[span()]).resource_spans[0])
    next(handing_out)
    handing_out.close()
    assert origins.bytes == 0


def test_a_large_resource_is_counted_as_large():
    """An origin's weight grows with its bytes, and with the name of its service once more."""
    origins = Origins()
    ((small, _),) = kept(origins, request(parse=[span()]))
    ((large, _),) = kept(origins, request(**{"p" * 10_000: [span()]}))
    # The name is in the serialized resource, in the instance's id beside it, and in the service.
    assert large.bytes - small.bytes >= 3 * 9_990


def test_attributes_are_those_of_resource_and_scope():
    """Both have attributes, and both are searched."""
    sent = request(parse=[span()])
    add_attributes(sent.resource_spans[0].scope_spans[0].scope, {"scoped": True})
    ((origin, _),) = kept(Origins(), sent)
    assert [attribute.key for attribute in origin.attributes()] == ["service.name", "service.instance.id", "scoped"]
