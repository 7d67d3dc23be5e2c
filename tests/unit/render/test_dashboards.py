"""The dashboards are complete and readable, and name only series that stages have."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from simulator.render import series
from simulator.render.dashboards import all_dashboards
from simulator.render.grafana import grafana_files
from simulator.render.grid import WIDTH
from simulator.render.panels_over_time import time_series
from simulator.render.queries import Query
from simulator.render.series import UnknownSeries, checked, names_in, stage_series
from simulator.telemetry.catalogue.metrics import METRICS
from tests.support.processes import ROOT

DASHBOARDS = all_dashboards()
PANELS = [(name, panel) for name, dashboard in DASHBOARDS.items() for panel in dashboard["panels"]]
SHOWN = [(name, panel) for name, panel in PANELS if panel["type"] != "row"]
TARGETS = [(panel, target) for _, panel in SHOWN for target in panel["targets"]]
WITH_EXEMPLARS = re.compile("|".join(f"{metric.name}_bucket" for metric in METRICS if metric.has_exemplars))
CONFIG_MAP_BYTES = (
    262_144  # what kubectl applies is kept whole in an annotation, and this is the most that one may have
)


def ident(value):
    return f"{value['id']} {value['title']}" if isinstance(value, dict) else None


def units(panel):
    """Return the unit of each thing that a panel shows, None for one without."""
    if panel["type"] != "table":
        return {panel["title"]: panel["fieldConfig"]["defaults"].get("unit")}
    renamed = [t["options"].get("renameByName", {}) for t in panel["transformations"] if t["id"] == "organize"]
    given = {
        override["matcher"]["options"]: {p["id"]: p["value"] for p in override["properties"]}
        for override in panel["fieldConfig"]["overrides"]
    }
    return {column: given.get(column, {}).get("unit") for names in renamed for column in names.values()}


def test_the_dashboards_have_their_addresses_and_versions():
    """Links to a dashboard, and Grafana's migrations, can rely on these."""
    assert {name: (d["uid"], d["schemaVersion"]) for name, d in DASHBOARDS.items()} == {
        "pipeline": ("simulator-pipeline", 41),
        "stage": ("simulator-stage", 41),
        "load-test": ("simulator-load-test", 41),
    }


@pytest.mark.parametrize(("name", "panel"), SHOWN, ids=ident)
def test_every_panel_explains_itself(name, panel):
    """Every panel has a title, a description of a sentence or more, and a unit for every number."""
    assert panel["title"]
    assert len(panel["description"]) > 20 and panel["description"].endswith("."), panel["description"]
    assert panel["targets"], "it shows nothing"
    assert None not in units(panel).values(), units(panel)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_ids_and_letters_are_unique(name):
    """No two panels of a dashboard share an id, and no two targets of a panel a letter."""
    panels = DASHBOARDS[name]["panels"]
    assert max(Counter(panel["id"] for panel in panels).values()) == 1
    for panel in panels:
        letters = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(letters)) == len(letters), panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_panel_overlaps_another(name):
    """Every panel is within the grid, and no two overlap."""
    places = [(panel["title"], panel["gridPos"]) for panel in DASHBOARDS[name]["panels"]]
    for title, at in places:
        assert at["w"] > 0 and at["h"] > 0 and at["x"] >= 0 and at["x"] + at["w"] <= WIDTH, (title, at)
    for (one, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (one, other)


def test_every_expression_names_only_series_that_stages_have():
    """Series of stages are those of their metrics; those of the process are the Prometheus client's."""
    of_process = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in ProcessCollector(registry=CollectorRegistry()).collect()
    }
    for panel, target in TARGETS:
        assert checked(target["expr"]) == target["expr"]
        assert set(re.findall(r"\bprocess_\w+", target["expr"])) <= of_process, panel["title"]
    for dashboard in DASHBOARDS.values():
        assert all(checked(variable["query"]["query"]) for variable in dashboard["templating"]["list"])


def test_a_panel_with_an_unknown_series_says_which():
    """The error names the panel and the series."""
    with pytest.raises(UnknownSeries, match=r'"Speed".*simulator_speed_total'):
        time_series("Speed", "How fast it goes.", "mps", [Query("sum(rate(simulator_speed_total[1m]))")])


@pytest.mark.parametrize("used", sorted({n for _, t in TARGETS for n in stage_series() if f"{n}{{" in t["expr"]}))
def test_a_renamed_metric_is_noticed(monkeypatch, used):
    """Without any one of the dashboards' series they can't be rendered, and the error names a panel."""
    kept = {name: labels for name, labels in stage_series().items() if name != used}
    monkeypatch.setattr(series, "stage_series", lambda: kept)
    with pytest.raises(UnknownSeries, match=rf'the panel ".+": no stage has the series {used}\b'):
        all_dashboards()


def test_every_metric_is_on_a_dashboard():
    """None is left out but the requests to /control, and what is there for dashboards of others under their name."""
    shown = {name for _, target in TARGETS for name in names_in(target["expr"])}
    left_out = {metric.exposed for metric in METRICS if shown.isdisjoint(metric.series)}
    assert left_out == {"simulator_control_requests_total", "http_client_request_duration_seconds"}


def test_quantiles_over_time_have_exemplars():
    """A line of quantiles of a histogram that has exemplars asks for them, and no other does."""
    for panel, target in TARGETS:
        over_time = panel["type"] in ("timeseries", "heatmap")
        # The ranking expression after `and on` is not drawn.
        drawn = target["expr"].split(" and on ")[0]
        buckets = "histogram_quantile" in drawn or target["format"] == "heatmap"
        wanted = over_time and buckets and bool(WITH_EXEMPLARS.search(drawn))
        assert target["exemplar"] is wanted, (panel["title"], target["expr"])


def test_no_panel_draws_a_line_for_each_of_a_hundred_stages():
    """Panels by stage, instance or call are limited to those that matter most."""
    for panel, target in TARGETS:
        if panel["type"] != "table" and re.search(r"\{\{(stage|instance|downstream)\}\}", target["legendFormat"]):
            assert re.search(r"topk\((\d+),", target["expr"]), panel["title"]


def test_the_dashboards_lead_to_each_other_and_to_the_traces():
    """Each has links to the others, which keep stage, instance and time, and one to a search in Jaeger."""
    for dashboard in DASHBOARDS.values():
        others, traces = dashboard["links"]
        assert (others["tags"], others["keepTime"], others["includeVars"]) == (dashboard["tags"], True, True)
        assert traces["url"].startswith("/explore?") and "jaeger" in traces["url"] and "${__from}" in traces["url"]
    stages = next(panel for name, panel in SHOWN if name == "pipeline" and panel["type"] == "table")
    links = next(p["value"] for o in stages["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "links")
    assert f"/d/{DASHBOARDS['stage']['uid']}?var-stage=" in links[0]["url"]
    assert "jaeger" in links[1]["url"] and "${__value.raw}" in links[1]["url"]


def test_every_data_source_that_is_named_is_provisioned():
    """Panels, variables and links name only the three, by the ids under which they are provisioned."""
    text = grafana_files()["provisioning/datasources/simulator.yaml"]
    sources = {source["uid"]: source for source in yaml.safe_load(text)["datasources"]}
    assert {uid: source["url"] for uid, source in sources.items()} == {
        "prometheus": "http://prometheus:9090",
        "jaeger": "http://jaeger:16686",
        "loki": "http://loki:3100",
    }
    assert {target["datasource"]["uid"] for _, target in TARGETS} <= set(sources)
    assert set(re.findall(r"datasourceUid: (\S+)", text)) <= set(sources)
    # Grafana replaces a single one with a variable of its environment.
    assert "$" not in text.replace("$$", "")


def test_a_log_line_leads_to_its_trace():
    """The expression that Loki finds the trace id with finds it in a line as a stage writes it."""
    from simulator.telemetry.logs import make_logger

    sources = yaml.safe_load(grafana_files()["provisioning/datasources/simulator.yaml"])["datasources"]
    regex = next(s for s in sources if s["uid"] == "loki")["jsonData"]["derivedFields"][0]["matcherRegex"]
    lines: list[bytes] = []
    make_logger(lines.append, "info", stage="parse").info(
        "message.handled", trace_id="0af7651916cd43dd8448eb211c80319c"
    )
    found = re.search(regex, lines[0].decode())
    assert found is not None and found[1] == "0af7651916cd43dd8448eb211c80319c"


def test_the_files_in_the_repository_are_the_rendered_ones():
    """The folder `grafana/` has the rendered files, and nothing else."""
    folder = ROOT / "grafana"
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert found == grafana_files()


def test_the_dashboards_fit_in_a_config_map():
    """All of them together can be applied with kubectl."""
    dashboards = {path: text for path, text in grafana_files().items() if path.startswith("dashboards/")}
    assert len(json.dumps(dashboards)) < 0.9 * CONFIG_MAP_BYTES


def test_every_variable_in_a_regular_expression_is_one_that_grafana_escapes():
    """A dot in a name is no wildcard: Grafana escapes a variable for Prometheus if it may have several values."""
    for name, dashboard in DASHBOARDS.items():
        several = {one["name"] for one in dashboard["templating"]["list"] if one["multi"] and one["includeAll"]}
        used = set(re.findall(r"""~"\$(\w+)""", json.dumps(dashboard).replace("\\", "")))
        assert used == several == {"stage", "instance"}, name
