"""The summary of a trace."""

from __future__ import annotations

from sys import getsizeof

from simulator.console.traces.summary import RunningSummary
from tests.support.otlp import MS, START, span


def summed(*spans_of_services):
    summary = RunningSummary()
    for service, sent in spans_of_services:
        summary.take(sent, service)
    return summary.whole("abc")


def test_the_summary_of_a_trace():
    """Start, duration, spans, services and errors are those of all its spans together."""
    found = summed(
        ("enrich", span(number=3, parent=2, at_ms=5, ms=30, error="broken")),
        ("parse", span(number=2, parent=1, at_ms=2, ms=10)),
        ("injector", span(number=1, name="inject", at_ms=1, ms=20)),
        ("parse", span(number=4, parent=2, at_ms=3, ms=1)),
    )
    assert (found.trace_id, found.root_service, found.root_name) == ("abc", "injector", "inject")
    assert (found.start_unix_ns, found.duration_seconds) == (START + 1 * MS, 0.034)
    assert (found.spans, found.errors) == (4, 1)
    assert found.services == (("injector", 1), ("parse", 2), ("enrich", 1))


def test_the_root_is_the_first_span_without_a_parent():
    """A span without a parent is the root, even if another starts before it; of two the earlier one."""
    found = summed(
        ("early", span(number=1, parent=9, at_ms=0)),
        ("late", span(number=2, name="late", at_ms=20)),
        ("root", span(number=3, name="root", at_ms=10)),
    )
    assert (found.root_service, found.root_name) == ("root", "root")


def test_without_a_root_it_is_the_earliest_span():
    """If the root was never sent, the trace is named by the span that starts first, whenever it arrives."""
    found = summed(("b", span(number=1, parent=9, name="b", at_ms=5)), ("a", span(number=2, parent=9, name="a")))
    assert (found.root_service, found.root_name) == ("a", "a")


def test_messages_and_faults_are_noted_once_each():
    """Message ids and faults of all spans are there, in the order of their arrival, faults one by one."""
    first = {"simulator.message_id": "m-1", "simulator.fault": "error,hang"}
    second = {"simulator.message_id": "m-2", "simulator.fault": "hang"}
    found = summed(*(("a", span(number=n, attributes=a)) for n, a in enumerate((first, second, first), 1)))
    assert (found.message_ids, found.faults) == (("m-1", "m-2"), ("error", "hang"))


def test_what_is_noted_of_texts_is_bounded():
    """Endless ids, faults and names cost no more than 16 of 256 characters; a longer id is left out."""
    summary = RunningSummary()
    for number in range(100):
        attributes = {"simulator.message_id": f"m-{number}", "simulator.fault": f"f-{number}"}
        summary.take(span(number=number, name="n" * 1000, attributes=attributes), "a")
    summary.take(span(attributes={"simulator.message_id": "m" * 257, "simulator.fault": "f" * 1000}), "a")
    found = summary.whole("abc")
    assert found.message_ids == tuple(f"m-{number}" for number in range(16))
    assert found.faults == tuple(f"f-{number}" for number in range(16))
    assert found.root_name == "n" * 256
    assert summed(("a", span(attributes={"simulator.message_id": "m" * 257}))).message_ids == ()


def test_attributes_of_another_type_are_not_noted():
    """A message id that is a number, and an empty fault, do not count."""
    found = summed(("a", span(attributes={"simulator.message_id": 7, "simulator.fault": ""})))
    assert (found.message_ids, found.faults) == ((), ())


def test_a_trace_whose_spans_end_before_they_start_took_no_time():
    """Times that contradict each other give a duration of 0, not a negative one."""
    found = summed(("a", span(ms=-50)))
    assert (found.start_unix_ns, found.duration_seconds) == (START, 0.0)


def test_the_growth_is_returned():
    """Each stored text counts with its size; a root with a shorter name gives back what the longer one took."""
    summary = RunningSummary()
    first = summary.take(span(number=1, parent=9, at_ms=5, name="n" * 200), "a")
    second = summary.take(span(number=2, name="root"), "a")
    assert second == getsizeof("root") - getsizeof("n" * 200)
    assert first > 200 and first + second > 0
    assert summary.take(span(number=3, at_ms=9, attributes={"simulator.message_id": "m-1"}), "a") >= getsizeof("m-1")
