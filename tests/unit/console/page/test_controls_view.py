"""The controls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.delays import parse_delay
from simulator.console.metrics.figures import StageFigures
from simulator.console.page.controls_view import Controlled, controls_view, typed_patch, update_control
from simulator.console.page.news import News
from simulator.console.system.picture import Node, NodeState
from simulator.errors import ConfigurationError
from simulator.topology.kinds import Kind
from simulator.topology.model import Role, Stage
from simulator.topology.structure import structure
from tests.support.components import addresses, assert_harmless, by_id, components, ids, of_class, text_of, texts
from tests.support.controlled import live_stage

SCRIPT = '"><script>alert(1)</script>'
SETTINGS = {"stage": "parse", "delay": "constant(10ms)", "faults": ["error(503, 5%)"], "workers": 8, "queue": 64}


def node(name="parse", role=Role.PROCESSOR):
    figures = StageFigures(rate_per_second=20.0, p50_seconds=0.01, p99_seconds=0.1, error_ratio=0.0)
    return Node(name, role, False, NodeState.OK, "", figures)


def stage(settings=SETTINGS, trouble=""):
    return Controlled(node(), settings, trouble)


def injector(load):
    return Controlled(node("injector", Role.INJECTOR), {"delay": "constant(0s)", "faults": [], "load": load})


def view_of(*shown, may=True, chosen=""):
    return controls_view(dict.fromkeys(["injector", "parse"], Kind.SERVICE), chosen, list(enumerate(shown)), may)


def typed(controlled, **changes):
    return {**{key: controlled.text(key) for key in controlled.keys}, **changes}


def test_what_can_be_changed_of_a_stage():
    """Every key with a single value that can be changed, as it is now."""
    assert [(key, stage().text(key)) for key in stage().keys] == [
        ("delay", "constant(10ms)"),
        ("faults", "error(503, 5%)"),
        ("workers", "8"),
        ("queue", "64"),
        ("rate_limit", ""),
        ("forward", ""),
        ("response_bytes", ""),
    ]


@pytest.mark.parametrize(
    ("load", "offered"),
    [
        (
            {"rate": "20/s", "arrivals": "constant"},
            [("load.rate", "20/s"), ("load.profile", ""), ("load.arrivals", "constant")],
        ),
        ({"rate": "20/s"}, [("load.rate", "20/s"), ("load.profile", ""), ("load.arrivals", "poisson")]),
        (
            {"profile": ["ramp(1/s, 9/s, 1m)", "constant(9/s)"]},
            [("load.rate", ""), ("load.profile", "ramp(1/s, 9/s, 1m); constant(9/s)"), ("load.arrivals", "poisson")],
        ),
        ({"concurrency": 4}, []),
        (None, []),
    ],
)
def test_what_can_be_changed_of_a_load(load, offered):
    """The rate and the arrivals of one that makes messages by a schedule, and of no other."""
    controlled = injector(load)
    assert [(key, controlled.text(key)) for key in controlled.keys] == [("delay", "constant(0s)"), *offered]


@pytest.mark.parametrize(
    ("faults", "text"),
    [
        ([], ""),
        (["error(503, 5%)"], "error(503, 5%)"),
        (["error(503, 5%)", "hang(2s, 1%)"], "error(503, 5%); hang(2s, 1%)"),
    ],
)
def test_faults_are_typed_one_after_the_other(faults, text):
    """They are written as they are typed."""
    assert stage({**SETTINGS, "faults": faults}).text("faults") == text


def test_a_key_that_a_stage_does_not_report_is_empty():
    """A stage may not have all the keys."""
    assert [stage({}).text(key) for key in ("delay", "faults", "workers", "load.rate")] == ["", "", "", ""]


def test_unchanged_fields_are_no_change():
    """A field left as it is, apart from blanks around it, is not sent."""
    assert typed_patch(typed(stage()), stage()) == {}
    assert typed_patch({key: f" {text}\n" for key, text in typed(stage()).items()}, stage()) == {}
    assert typed_patch({}, stage()) == {}


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        ({"delay": " constant(1s) "}, {"delay": "constant(1s)"}),
        ({"delay": ""}, {"delay": None}),
        ({"workers": "16"}, {"workers": 16}),
        ({"workers": ""}, {"workers": None}),
        ({"workers": "many"}, {"workers": "many"}),
        ({"faults": ""}, {"faults": None}),
        ({"faults": "error(503, 5%); hang(2s, 1%)"}, {"faults": ["error(503, 5%)", "hang(2s, 1%)"]}),
        ({"queue": "0", "workers": "1"}, {"queue": 0, "workers": 1}),
    ],
)
def test_only_what_differs_is_sent(changes, patch):
    """A changed key is sent as a value for /control, an emptied one as its default, and no other is sent."""
    assert typed_patch(typed(stage(), **changes), stage()) == patch


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        ({"load.rate": "50/s"}, {"load": {"rate": "50/s"}}),
        ({"load.arrivals": "constant"}, {"load": {"arrivals": "constant"}}),
        ({"load.rate": "50/s", "load.arrivals": "constant"}, {"load": {"rate": "50/s", "arrivals": "constant"}}),
        ({"load.rate": ""}, {"load": {"rate": None}}),
        ({"load.rate": "50/s", "delay": "constant(1s)"}, {"load": {"rate": "50/s"}, "delay": "constant(1s)"}),
    ],
)
def test_a_load_is_sent_as_one(changes, patch):
    """Rate and arrivals are keys of the load, and only what differs is in it."""
    controlled = injector({"rate": "20/s", "arrivals": "poisson"})
    assert typed_patch(typed(controlled, **changes), controlled) == patch


@given(st.dictionaries(st.sampled_from(("delay", "faults", "workers", "queue")), st.text(max_size=30)))
def test_a_patch_has_no_more_than_was_typed(texts_typed):
    """Whatever is typed, only the changed keys are sent; a list or mapping that can't be read is refused."""
    try:
        patch = typed_patch(texts_typed, stage())
    except ConfigurationError:
        assert any(text.strip()[:1] in ("[", "{") for text in texts_typed.values())
        return
    assert set(patch) == {key for key, text in texts_typed.items() if text.strip() != stage().text(key)}


@pytest.mark.parametrize(
    "changes", [{"delay": "constant(1s)"}, {"faults": "error(503, 5%); hang(2s, 1%)", "workers": "3"}, {"queue": ""}]
)
def test_a_real_stage_takes_what_is_sent(changes):
    """A stage's settings, changed and sent back, are what it does and reports then."""
    live = live_stage("parse", Stage(delay=parse_delay("constant(10ms)"), calls=()))
    before = stage(live.settings())
    live.change(typed_patch(typed(before, **changes), before))
    after = stage(live.settings())
    for key, text in changes.items():
        assert after.text(key) == (text or "1000")
    assert typed_patch(typed(after), after) == {}


def test_the_operations_of_a_stage_have_fields_of_their_own():
    """A change in one of them is a change of that operation; those that do as the stage does follow it."""
    model, problems = structure({"delay": "1ms", "operations": {"read": {}, "add": {"delay": "3ms"}}}, Stage)
    assert not problems
    live = live_stage("cart", model)
    before = Controlled(node("cart"), live.settings())
    assert [(key, before.text(key)) for key in before.keys if key.endswith(".delay")] == [
        ("read.delay", "constant(1ms)"),
        ("add.delay", "constant(3ms)"),
    ]
    assert "read: delay" in texts(view_of(before))
    live.change(typed_patch(typed(before, **{"delay": "2ms", "add.faults": "reset(5%)"}), before))
    after = live.settings()
    assert (after["delay"], after["operations"]["read"]["delay"]) == ("constant(2ms)", "constant(2ms)")
    assert (after["operations"]["add"]["delay"], after["operations"]["add"]["faults"]) == (
        "constant(3ms)",
        ["reset(5%)"],
    )


def test_each_stage_has_its_fields():
    """Every key has its name, its field with what it is now, and an example of what could be typed."""
    view = view_of(injector({"rate": "20/s"}), stage())
    fields = [part for part in components(view) if part._type == "Input"]
    assert [(field.id["stage"], field.id["key"], field.value) for field in fields] == [
        (0, "delay", "constant(0s)"),
        (0, "load.rate", "20/s"),
        (0, "load.profile", ""),
        (0, "load.arrivals", "poisson"),
        (1, "delay", "constant(10ms)"),
        (1, "faults", "error(503, 5%)"),
        (1, "workers", "8"),
        (1, "queue", "64"),
        (1, "rate_limit", ""),
        (1, "forward", ""),
        (1, "response_bytes", ""),
    ]
    assert all(field.placeholder and not field.disabled for field in fields)
    labels = [part for part in components(view) if part._type == "Label"]
    assert [text_of(label) for label in labels][:4] == ["Delay", "Rate", "Profile", "Arrivals"]
    assert labels[0].htmlFor == '{"key":"delay","stage":0,"type":"control"}'


def test_every_place_of_the_controls_is_there_once():
    """No two elements have the same id, and every update has its element."""
    view = view_of(injector({"rate": "20/s"}), stage())
    found = [str(element) for element in ids(view)]
    assert len(set(found)) == len(found)
    news = News(None)
    update_control(news, 1, node())
    assert news.texts == {"c1-rate": "20.0/s", "c1-p50": "10.0ms", "c1-p99": "100ms", "c1-errors": "0 %"}
    assert set(news.texts) <= set(found)


def test_without_the_token_the_controls_can_be_read():
    """Without the token everything is shown, nothing can be typed, and the notice says what to do."""
    view = view_of(stage(), may=False)
    assert "open the address that `run` printed" in text_of(of_class(view, "notice"))
    fields = [part for part in components(view) if part._type in ("Input", "Button")]
    assert len(fields) == 8 and all(field.disabled for field in fields)
    assert of_class(view_of(stage()), "notice") == []


def test_a_stage_that_does_not_report_its_settings():
    """Its name and figures are there, and the reason in place of its fields."""
    view = view_of(stage({}, "http://127.0.0.1:1 can't be reached"))
    assert [part for part in components(view) if part._type in ("Input", "Button")] == []
    assert text_of(of_class(view, "result")) == "http://127.0.0.1:1 can't be reached"
    assert "parse" in texts(of_class(view, "control"))


def test_the_stages_to_choose_from():
    """Each has its link, and the one that is chosen is marked."""
    view = view_of(stage(), chosen="parse")
    assert addresses(view) == ["/controls?stage=injector", "/controls?stage=parse"]
    assert [text_of(part) for part in of_class(view, "here")] == ["parse"]


def test_a_stage_s_answer_is_text():
    """Whatever answers in place of a stage, its answer is shown as text, and nothing more."""
    view = view_of(stage({"delay": SCRIPT, "faults": [SCRIPT, "javascript:x"]}), stage({}, SCRIPT))
    assert_harmless(view)
    assert by_id(view, {"type": "control", "stage": 0, "key": "delay"}).value == SCRIPT
    assert SCRIPT in texts(view)
