"""The server's side of the view of a stage."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from simulator.behaviour.delays import parse_delay
from simulator.console.page.stage_answers import StageAnswers
from simulator.topology.reader import read_topology
from tests.support.components import addresses, assert_harmless, of_class, text_of, texts
from tests.support.otlp import request, span
from tests.support.watched import shipped, watched

PARSE = "lognormal(p50=12ms, p99=80ms, max=1s)"


@pytest.fixture
def run(tmp_path):
    """Return a run of the pipeline."""
    return watched(tmp_path)


def delayed(stage, text):
    """Return the pipeline with another delay of a stage."""
    system = shipped()
    changed = replace(system.stages[stage], delay=parse_delay(text))
    return replace(system, stages={**system.stages, stage: changed})


def handle(run, stage, spec, drawn, took=None, first=1, **attributes):
    """Send the spans of a stage with the delays that it drew, and how long it took for each."""
    spans = [
        span(
            first + number,
            1,
            attributes={
                "simulator.delay.drawn_seconds": seconds,
                "simulator.delay.spec": spec,
                "simulator.processing_seconds": took or seconds,
                **attributes,
            },
        )
        for number, seconds in enumerate(drawn)
    ]
    run.store.add(request(**{stage: spans}))


def quantiles(text, count=500):
    chance = random.Random(1)
    return [parse_delay(text).quantile(chance.random()) for _ in range(count)]


def charts(run, stage, search=""):
    """Return {curve: curve} of the stage's delays, and the note about them."""
    delay, _, _, note = StageAnswers(run.watching).charts(stage, search)
    return {curve["name"]: curve for curve in delay["data"]}, note


def test_configured_injected_and_observed(run):
    """The curves are the notation's own, what the spans say was drawn, and how long they took."""
    run.look()
    handle(run, "parse", PARSE, [0.01, 0.02], took=0.5)
    curves, note = charts(run, "parse")
    assert curves["configured"]["x"][0] == run.topology.stages["parse"].delay.quantile(curves["configured"]["y"][0])
    assert (curves["injected"]["x"], curves["observed"]["x"]) == ([0.01, 0.02], [0.5, 0.5])
    assert note.startswith(f"{PARSE}: over 2 messages ")


@pytest.mark.parametrize(
    ("drawn", "verdict"), [(PARSE, "within sampling error"), ("exponential(8ms)", "more than sampling error")]
)
def test_whether_they_agree(run, drawn, verdict):
    """What was drawn from the delay agrees with it, and what was drawn from another does not."""
    run.look()
    handle(run, "parse", PARSE, quantiles(drawn))
    assert verdict in charts(run, "parse")[1]


def test_before_anything_is_known(run):
    """There are charts immediately, and the note says that there are no messages yet."""
    curves, note = charts(run, "parse")
    assert list(curves) == ["injected", "observed"]
    assert note == "no delay: no messages yet"


def test_a_delay_that_was_changed_is_the_one_that_is_shown(run):
    """After a change the curves are those of the new delay, without what was drawn from the old one."""
    handle(run, "parse", PARSE, [0.01] * 10)
    run.delays["parse"] = "constant(1s)"
    run.look()
    handle(run, "parse", "constant(1s)", [1.0], first=11)
    curves, note = charts(run, "parse")
    assert set(curves["configured"]["x"]) == {1.0}
    assert (curves["injected"]["x"], note.partition(",")[0]) == (
        [1.0],
        "constant(1s): over 1 message configured and injected are at most 0 % apart",
    )


def test_a_delay_of_measured_ones(tmp_path):
    """The samples of the topology's own file are known here; those of another file are not, and have no curve."""
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "measured.txt").write_text("10ms\n20ms\n")
    (tmp_path / "t.yaml").write_text("stages:\n  parse:\n    delay: samples(measured.txt)\n    calls: []\n")
    run = watched(folder, read_topology(tmp_path / "t.yaml"))
    run.look()
    assert set(charts(run, "parse")[0]["configured"]["x"]) == {0.01, 0.02}
    run.delays["parse"] = "samples(elsewhere.txt)"
    run.look()
    handle(run, "parse", "samples(elsewhere.txt)", [0.01])
    curves, note = charts(run, "parse")
    assert (list(curves), curves["injected"]["x"]) == (["injected", "observed"], [0.01])
    assert note == "samples(elsewhere.txt): it can't be compared here"


def test_a_delay_that_grows_with_the_load_agrees_with_itself(tmp_path):
    """A busy stage whose delay grows as configured is not reported as a difference."""
    text = "growing(exponential(20ms), full=3)"
    run = watched(tmp_path, delayed("parse", text))
    run.look()
    delay, chance = parse_delay(text), random.Random(1)
    handle(run, "parse", text, [delay.under_load(chance.random(), 0.9) for _ in range(500)])
    assert "more than sampling error" not in charts(run, "parse")[1]


SHOP = """
stages:
  web: {role: injector, load: {rate: 1/s}, calls: [cart.read, orders]}
  cart:
    operations:
      read: {method: GET, path: "/carts/{id}", delay: constant(10ms)}
      add: {path: /carts, delay: constant(20ms)}
      drop: {path: /drop}
  orders: {kind: database, system: postgresql, delay: constant(5ms)}
"""


@pytest.fixture
def shop(tmp_path):
    """Return a run of a stage with operations, and a database."""
    (tmp_path / "run").mkdir()
    (tmp_path / "t.yaml").write_text(SHOP)
    return watched(tmp_path / "run", read_topology(tmp_path / "t.yaml"))


def of_operation(name):
    return {"simulator.operation": name}


@pytest.mark.parametrize(("search", "name", "delay"), [("", "read", 0.01), ("?operation=add", "add", 0.02)])
def test_each_operation_has_its_delay(shop, search, name, delay):
    """The chosen operation's, by default the first's, and nothing of the others', whose delay may be the same."""
    shop.look()
    handle(shop, "cart", f"constant({delay * 1000:.0f}ms)", [delay] * 3, **of_operation(name))
    handle(shop, "cart", f"constant({delay * 1000:.0f}ms)", [delay] * 9, first=11, **of_operation("drop"))
    curves, note = charts(shop, "cart", search)
    assert set(curves["configured"]["x"]) == {delay} == set(curves["injected"]["x"])
    assert note.startswith(f"{name}, constant({delay * 1000:.0f}ms): over 3 messages ")


def test_the_changed_delay_of_an_operation_is_shown(shop):
    """Its latest span tells it; without one it is the file's, and one without a delay has none to draw."""
    handle(shop, "cart", "constant(10ms)", [0.01], **of_operation("read"))
    handle(shop, "cart", "constant(1s)", [1.0], first=2, **of_operation("read"))
    assert set(charts(shop, "cart", "?operation=read")[0]["configured"]["x"]) == {1.0}
    assert charts(shop, "cart", "?operation=add")[1] == "add, constant(20ms): no messages yet"
    assert charts(shop, "cart", "?operation=drop")[1] == "drop, constant(0s): no messages yet"
    assert charts(shop, "cart", "?operation=<b>")[1].startswith("read, ")


def test_a_database_has_no_delays_to_compare(shop):
    """It makes no spans, and the note says so instead of promising any."""
    shop.look()
    curves, note = charts(shop, "orders")
    assert set(curves["configured"]["x"]) == {0.005}
    assert "which a database has only with" in note


def test_over_time(run):
    """Latency and outcomes are those of the stage's own tally, and the whole path has its own."""
    for _ in range(7):
        run.look()
        run.handle("parse", 10, 0.1)
        run.handle("injector", 5, 0.2)
    answers = StageAnswers(run.watching)
    _, latency, outcomes, _ = answers.charts("parse", "")
    whole_latency, whole_outcomes = answers.whole_charts()
    assert latency["data"][0]["y"][0] == pytest.approx(100, rel=0.01)
    assert whole_latency["data"][0]["y"][0] == pytest.approx(200, rel=0.01)
    assert [(curve["name"], curve["y"][0]) for curve in outcomes["data"]] == [("forwarded", 10)]
    assert [(curve["name"], curve["y"][0]) for curve in whole_outcomes["data"]] == [("forwarded", 5)]


@pytest.mark.parametrize("name", ["", "nothing", "<script>", "../parse"])
def test_a_name_that_no_stage_has(run, name):
    """Whatever stands in the address, the first stage is shown."""
    answers = StageAnswers(run.watching)
    assert texts(of_class(answers.view(name, ""), "stage-head"))[0] == "injector"
    assert len(answers.charts(name, "")) == 4
    assert text_of(answers.lines(name)) == "No log lines yet."


def test_the_view_of_a_stage(run):
    """It has links to every stage."""
    view = StageAnswers(run.watching).view("enrich", "")
    assert_harmless(view)
    assert addresses(view)[:4] == [f"/stages/{name}" for name in run.topology.stages]
    assert texts(of_class(view, "stage-head"))[:2] == ["enrich", "processor"]


def line(second, event):
    return {"timestamp": f"2026-03-01T12:00:{second:02}.000000Z", "level": "info", "event": event}


def test_the_last_lines(run):
    """The newest first, and of a long log the last forty."""
    for number in range(300):
        run.log(
            "parse",
            **line(number % 60, f"e{number}") | {"timestamp": f"2026-03-01T12:{number // 60:02}:{number % 60:02}Z"},
        )
    lines = StageAnswers(run.watching).lines("parse")
    assert len(lines) == 40
    assert [texts(one)[3] for one in lines[:2]] == ["e299", "e298"]


def test_the_lines_of_all_instances_are_merged(tmp_path):
    """Those of several processes are in the order of their times, each with its label."""
    run = watched(tmp_path, shipped("sick-replica"))
    name = next(name for name, stage in run.topology.stages.items() if stage.instances > 1)
    for second, number in ((1, 1), (2, 2), (3, 1)):
        run.log(f"{name}.{number}", **line(second, f"e{second}"))
    lines = StageAnswers(run.watching).lines(name)
    assert [texts(one)[2:4] for one in lines] == [[f"{name}.1", "e3"], [f"{name}.2", "e2"], [f"{name}.1", "e1"]]
