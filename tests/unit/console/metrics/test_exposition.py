"""The parser of /metrics."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from simulator.console.metrics.exposition import SHOWN, ExpositionReader, Key
from simulator.telemetry.clock import SystemClock
from simulator.telemetry.families import Measured
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.process_metrics import ProcessMetrics
from tests.support.measuring import Room, State

ALWAYS = 'role="processor",stage="parse"'


def stage_text(**info):
    """Return the text of a stage as a stage writes it."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, Measured(stage="parse", role="processor", calls=(("enrich", ""),)), SystemClock())
    metrics.set_info(version="0.1.0", seed="7", **(info or {"delay": "constant(1s)"}))
    metrics.watch(State(Room(waiting=3)))
    metrics.record_unrouted_request("GET", "/nowhere", 404, 0.03)
    registry.register(ProcessMetrics(time.monotonic))
    return generate_latest(registry).decode()


def key(name, **labels):
    return Key(name, tuple(sorted({"role": "processor", "stage": "parse", **labels}.items())))


def test_what_a_stage_counts_is_read():
    """Counters, gauges and labels of a real stage are there under their names."""
    found = ExpositionReader().read(stage_text())
    assert found[key("simulator_messages_total", outcome="forwarded")] == 0
    assert found[key("simulator_queue_depth")] == 3
    assert found[key("simulator_downstream_call_duration_seconds_count", downstream="enrich", outcome="ok")] == 0
    assert found[key("simulator_info", version="0.1.0", seed="7", delay="constant(1s)")] == 1


def test_what_the_console_does_not_show_is_left_out():
    """Neither the process's nor the interpreter's metrics, times of creation nor comments are read."""
    names = {found.name for found in ExpositionReader().read(stage_text())}
    assert names <= set(SHOWN)


def test_it_reads_the_same_as_the_library():
    """Each value and each label is what Prometheus' own parser reads in the whole text, at first and from then on."""
    text = stage_text()
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples if sample.name in SHOWN]
    wanted = {Key(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    reader = ExpositionReader()
    assert reader.read(text) == wanted
    assert reader.read(text) == wanted


def test_a_series_that_was_seen_gets_its_new_value():
    """Reading on, a known series has the value of the new text, and a new one is there."""
    reader = ExpositionReader()
    reader.read(f"simulator_in_flight{{{ALWAYS}}} 1.0\n")
    found = reader.read(f"simulator_in_flight{{{ALWAYS}}} 2.5e+01\nsimulator_workers{{{ALWAYS}}} NaN\n")
    assert found[key("simulator_in_flight")] == 25
    assert math.isnan(found[key("simulator_workers")])


@pytest.mark.parametrize("text", ["uniform(5ms, 40ms)", 'a "quoted" one', "two\nlines", "back\\slash", "} 7", "# x"])
def test_any_text_may_stand_in_a_label(text):
    """A label's quotes, line breaks, braces and blanks are read as they were meant, also when the series is known."""
    reader, written = ExpositionReader(), stage_text(delay=text)
    for _ in range(2):
        found = reader.read(written)
        assert [dict(known.labels)["delay"] for known in found if known.name == "simulator_info"] == [text]


def test_a_value_may_have_a_time():
    """A timestamp after the value is not part of it, and does not make a new series."""
    reader = ExpositionReader(max_series=1)
    for moment in (1, 2, 3):
        line = f"simulator_in_flight{{{ALWAYS}}} {moment}5 179540094168{moment}\n"
        assert reader.read(line) == {key("simulator_in_flight"): moment * 10 + 5}


def test_beyond_what_it_remembers_it_still_reads():
    """A text with more series than the reader remembers is read in full, again and again."""
    text = stage_text()
    reader = ExpositionReader(max_series=3)
    assert reader.read(text) == reader.read(text) == ExpositionReader().read(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!doctype html><title>404 Not Found</title>\n",
        "# HELP simulator_in_flight Messages.\n# TYPE simulator_in_flight gauge\n",
        f"simulator_in_flight{{{ALWAYS}}} 12",  # the last digits may be missing
        f"simulator_in_flight{{{ALWAYS}}}\n",
        f"simulator_in_flight{{{ALWAYS}}} many\n",
        f"simulator_in_flight{{{ALWAYS} 1\n",
        'simulator_in_flight{stage="parse} 1\n',
        "simulator_in_flight{stage=parse} 1\n",
    ],
)
def test_what_is_not_a_text_of_a_stage_is_refused(text):
    """A text that is cut short, another page and a malformed line raise ValueError."""
    with pytest.raises(ValueError, match=r"\w"):
        ExpositionReader().read(text)


def test_a_known_series_with_a_bad_value_is_refused():
    """The value of a known series must be a number, too."""
    reader = ExpositionReader()
    reader.read(f"simulator_in_flight{{{ALWAYS}}} 1\n")
    with pytest.raises(ValueError, match="is not a line of metrics"):
        reader.read(f"simulator_in_flight{{{ALWAYS}}} one\n")


@pytest.mark.parametrize("line", ["{}" + "x" * 10**6, "{} " + "7x" * 10**6])
def test_a_long_line_makes_no_long_reason(line):
    """The reason, which people read, has only the beginning of the line, even if the series is known."""
    series = f"simulator_in_flight{{{ALWAYS}}}"
    reader = ExpositionReader()
    reader.read(f"{series} 1\n")
    with pytest.raises(ValueError, match="is not a line of metrics") as refusal:
        reader.read(line.format(series) + "\n")
    assert len(str(refusal.value)) < 250


@given(st.sampled_from(SHOWN), st.text(max_size=60))
def test_nothing_but_a_value_error_is_raised(start, rest):
    """Whatever follows the name of a metric, the text is read or refused with ValueError."""
    try:
        found = ExpositionReader().read(f"{start}{rest}\n")
    except ValueError:
        return
    assert all(isinstance(value, float) for value in found.values())


def test_an_endless_line_is_not_a_line_of_metrics():
    """A line as long as the whole text is refused before it is parsed."""
    line = 'simulator_messages_total{outcome="' + "x" * 2**20 + '"} 1\n'
    with pytest.raises(ValueError, match="is not a line of metrics"):
        ExpositionReader().read(line)


def test_a_text_of_too_many_series_is_refused():
    """No stage has ten thousand series."""
    text = "".join(f'simulator_in_flight{{instance="{number}"}} 1\n' for number in range(10_001))
    with pytest.raises(ValueError, match="more than 10,000 series"):
        ExpositionReader().read(text)
