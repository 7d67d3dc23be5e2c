"""The run that a console watches."""

from __future__ import annotations

import math

import pytest

from simulator.console.system.picture import NodeState
from simulator.console.watching import RATE_WINDOW_SECONDS
from simulator.telemetry.record import Outcome
from simulator.topology.kinds import Kind
from simulator.topology.model import Stage, Topology
from simulator.topology.steps import Call
from tests.support.fake_time import UNIX_START
from tests.support.otlp import START, request, span
from tests.support.watched import CALL, shipped, watched

NOW_MS = (UNIX_START * 10**9 - START) / 1e6  # the `at` of a `span` that starts now


@pytest.fixture
def run(tmp_path):
    """Return a run of the pipeline."""
    return watched(tmp_path)


def node(run, name):
    [found] = [one for one in run.watching.snapshot.picture.nodes if one.name == name]
    return found


def test_before_the_first_look(run):
    """There is a picture of the whole system immediately, with unknown figures."""
    snapshot = run.watching.snapshot
    assert snapshot.number == 0
    assert [one.name for one in snapshot.picture.nodes] == list(run.topology.stages)
    assert math.isnan(snapshot.whole.rate_per_second)
    assert run.watching.due_in_seconds() == 0


def test_every_look_is_a_snapshot(run):
    """Snapshots have different numbers."""
    run.look()
    first = run.watching.snapshot
    run.look()
    assert (first.number, run.watching.snapshot.number) == (1, 2)


def test_figures_are_those_of_the_last_seconds(run):
    """Rates come from the stages' public metrics, percentiles from the finer tallies of the run."""
    run.handle("parse", 0)
    run.look()
    run.handle("parse", 18, 0.05)
    run.handle("parse", 2, 1.0, Outcome.FAILED)
    run.look()
    figures = node(run, "parse").figures
    assert (figures.rate_per_second, figures.error_ratio) == (20, 0.1)
    assert figures.p50_seconds == pytest.approx(0.05, rel=0.01)
    assert figures.p99_seconds == pytest.approx(1.0, rel=0.01)
    assert figures.delay == "lognormal(p50=12ms, p99=80ms, max=1s)"
    assert node(run, "archive").state is NodeState.IDLE


def test_what_was_long_ago_is_no_rate(run):
    """A rate falls to 0 when its window has passed without a message."""
    run.handle("parse", 0)
    for _ in range(3):
        run.look()
        run.handle("parse", 10)
    run.look()
    assert node(run, "parse").figures.rate_per_second == 10
    for _ in range(round(RATE_WINDOW_SECONDS) + 1):
        run.look()
    assert node(run, "parse").figures.rate_per_second == 0


def test_a_stage_that_does_not_answer_is_dead(run):
    """As soon as its process is gone, and only as long as it is."""
    run.look()
    run.down.add("enrich")
    run.look()
    assert (node(run, "enrich").state, node(run, "parse").state) == (NodeState.DEAD, NodeState.IDLE)
    run.down.clear()
    run.look()
    assert node(run, "enrich").state is NodeState.IDLE


def test_of_several_instances_one_is_gone(tmp_path):
    """A stage that lost one of its processes is degraded, and its counts are those of all."""
    run = watched(tmp_path, shipped("sick-replica"))
    name, stage = next((name, stage) for name, stage in run.topology.stages.items() if stage.instances > 1)
    assert run.watching.labels(name) == [f"{name}.{number}" for number in range(1, stage.instances + 1)]
    run.look()
    run.down.add(f"{name}.2")
    run.look()
    assert (node(run, name).state, node(run, name).reason) == (
        NodeState.DEGRADED,
        f"1 of {stage.instances} instances down",
    )


def test_calls_have_the_traffic_that_their_callers_count(run):
    """The edge of a call has its rate and the share that failed."""
    well, broken = (f'{CALL}_count{{downstream="enrich",outcome="{outcome}"' for outcome in ("ok", "broken"))
    run.metrics["parse"] |= {well: 0.0, broken: 0.0}
    run.look()
    run.metrics["parse"] |= {well: 6.0, broken: 2.0}
    run.look()
    [edge] = [edge for edge in run.watching.snapshot.picture.edges if edge.caller == "parse"]
    assert (edge.called, edge.rate_per_second, edge.error_ratio, edge.weight) == ("enrich", 8.0, 0.25, 1.0)


def test_the_whole_path_is_that_of_the_entries(run):
    """End to end is what requests took since they were due, where they began, and not what inner stages took."""
    run.look()
    run.handle("injector", 10, 0.4, late=0.1)
    run.handle("parse", 10, 0.1)
    run.look()
    whole = run.watching.snapshot.whole
    assert (whole.rate_per_second, whole.in_flight) == (10, 0)
    assert whole.p50_seconds == pytest.approx(0.5, rel=0.01)


def test_requests_by_their_kind(tmp_path):
    """In the order of the file, also before there are any; and accepted work, where it is accepted."""
    run = watched(tmp_path, shipped("shop"))
    run.look()
    requests = run.watching.snapshot.requests
    assert (list(requests.requests), list(requests.accepted)) == (["cart.read", "cart.pay"], ["mail"])
    assert math.isnan(requests.requests["cart.pay"].p50_seconds)
    shoppers, mail = run.tallies["shoppers"], run.tallies["mail"]
    run.look()
    for _ in range(20):
        shoppers.add("received.outside")
        shoppers.observe("pipeline_seconds", 0.25, "cart.pay")
        mail.add("accepted")
        mail.observe("accepted_work_seconds", 1.5)
    run.look()
    requests = run.watching.snapshot.requests
    assert (list(requests.requests), list(requests.accepted)) == (["cart.read", "cart.pay"], ["mail"])
    assert requests.requests["cart.pay"].p50_seconds == pytest.approx(0.25, rel=0.01)
    assert requests.requests["cart.pay"].rate_per_second == 20
    assert math.isnan(requests.requests["cart.read"].p50_seconds)
    assert requests.accepted["mail"].p99_seconds == pytest.approx(1.5, rel=0.01)


def test_over_time(run):
    """Each stage and the whole path have a timeline, a point every five seconds."""
    for _ in range(12):
        run.look()
        run.handle("parse", 10, 0.1)
        run.handle("injector", 5, 0.15, late=0.05)
    of_parse, of_all = run.watching.timeline("parse"), run.watching.timeline()
    assert len(of_parse.times) == len(of_all.times) == 3
    assert of_parse.times[0] == UNIX_START + 6
    assert (of_parse.outcomes["forwarded"][0], of_all.outcomes["forwarded"][0]) == (10, 5)
    assert of_all.p99_seconds[0] == pytest.approx(0.2, rel=0.01)


@pytest.mark.parametrize(
    ("asked", "found"), [("parse", "parse"), ("", "injector"), ("web", "injector"), ("x", "injector")]
)
def test_a_stage_by_its_name(run, asked, found):
    """A name that no stage has, even that of an external service, means the first one."""
    run.store.add(request(web=[span(1, 1, at_ms=NOW_MS)]))
    run.look()
    assert run.watching.node(asked).name == found


def test_an_open_page_has_fresh_figures(run):
    """While a page is open the next round is due sooner, and a page that is just opened does not wait for it."""
    run.watching.look()
    assert run.watching.due_in_seconds() == 5
    run.watching.seen()
    assert (run.watching.due_in_seconds(), run.nudges) == (1, [])
    run.time.advance(0.25)
    run.watching.look_soon()
    assert (run.watching.due_in_seconds(), run.nudges) == (0.75, [0.25])


def test_the_caller_chooses_how_processes_are_asked(run):
    """The caller of a look may ask them in any order, or concurrently."""
    asked = []

    def backwards(visit, targets):
        for target in reversed(list(targets)):
            asked.append(target.label)
            visit(target)

    run.watching.look(backwards)
    assert asked == ["archive", "enrich", "parse", "injector"]
    assert run.watching.snapshot.number == 1


def test_an_external_service_is_in_the_picture_while_its_traces_are_new(run):
    """A service that sends spans but is not a stage is shown with its calls, until a minute after its last trace."""
    run.store.add(request(web=[span(1, 1, at_ms=NOW_MS, ms=100)], parse=[span(1, 2, 1, at_ms=NOW_MS + 10, ms=50)]))
    run.look()
    assert node(run, "web").is_external
    assert [(edge.caller, edge.called) for edge in run.watching.snapshot.picture.edges if edge.is_external] == [
        ("web", "parse")
    ]
    run.look(70)
    assert "web" not in [one.name for one in run.watching.snapshot.picture.nodes]


def test_a_service_at_a_url_has_its_durations_from_its_callers_spans(tmp_path):
    """It may send none itself, and is no reason for traces to be read in a run without such a service."""
    stages = {"parse": Stage(calls=(Call(to="bank"),)), "bank": Stage(kind=Kind.EXTERNAL, url="http://127.0.0.1:9")}
    run = watched(tmp_path, Topology(name="test", stages=stages))
    own = {"kind": "client", "attributes": {"peer.service": "bank"}}
    run.store.add(request(parse=[span(1, 1, at_ms=NOW_MS, ms=100), span(1, 2, 1, at_ms=NOW_MS, ms=50, **own)]))
    run.look()
    assert node(run, "bank").figures.p50_seconds == pytest.approx(0.05)


def test_external_services_are_looked_for_now_and_then(run):
    """Traces are read every two seconds, not with every look."""
    run.look()
    run.store.add(request(web=[span(1, 1, at_ms=NOW_MS)]))
    run.look(1.0)
    assert len(run.watching.snapshot.picture.nodes) == 4
    run.look(1.0)
    assert len(run.watching.snapshot.picture.nodes) == 5


def test_the_stages_themselves_are_not_external(run):
    """A run whose spans are all of its own stages has just the picture of its topology."""
    run.store.add(request(parse=[span(1, 1, at_ms=NOW_MS)], enrich=[span(1, 2, 1, at_ms=NOW_MS)]))
    run.look()
    assert len(run.watching.snapshot.picture.nodes) == 4


def test_one_request_is_not_a_hundred_a_second(run):
    """A single request to an external service is hardly any traffic, however short it was."""
    run.store.add(request(web=[span(1, 1, at_ms=NOW_MS, ms=10)]))
    run.look()
    assert node(run, "web").figures.rate_per_second <= 1


def test_the_time_is_the_clock_s(run):
    """The time is the same clock's that everything else uses."""
    run.time.advance(1.5)
    assert run.watching.unix_ns() == UNIX_START * 10**9 + 1_500_000_000
