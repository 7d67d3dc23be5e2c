"""A range of instances: the minimum runs here, an autoscaler may go up to the maximum."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.errors import ConfigurationError
from simulator.render.compose import compose_files
from simulator.render.kubernetes import kubernetes_files
from simulator.topology.reader import parse_topology, write_topology
from tests.support.documents import read_document, read_documents


def topology(instances: str, more: str = ""):
    text = f"""
name: ranges
stages:
  source: {{role: injector, load: {{rate: 5/s}}, calls: [work]}}
  work: {{role: terminator, instances: {instances}{more}}}
"""
    return parse_topology(text, "r.yaml", no_samples, "r")


def test_a_range_reads_back():
    read = topology("2..6")
    assert (read.stages["work"].instances, read.stages["work"].max_instances) == (2, 6)
    assert parse_topology(write_topology(read), "r.yaml", no_samples, "r") == read
    assert topology("3").stages["work"].max_instances is None


@pytest.mark.parametrize(
    ("instances", "more", "said"),
    [
        ("6..2", "", "6..2: the maximum is below the minimum"),
        ("0..2", "", "0 is out of range"),
        ("2..101", "", "101 is out of range"),
        ("2..x", "", "'2..x' is not a whole number"),
        ("2..6", ', faults: ["reset(1%, instance=1)"]', "instances under an autoscaler have no numbers"),
    ],
)
def test_an_impossible_range_is_refused(instances, more, said):
    with pytest.raises(ConfigurationError) as refusal:
        topology(instances, more)
    assert said in str(refusal.value)


def manifests(files):
    return [m for path, text in files.items() if "/stages/work" in path for m in read_documents(text)]


def test_kubernetes_scales_within_the_range():
    """The stage is a Deployment that an autoscaler scales, found by one name, and measured pod by pod."""
    files = kubernetes_files(topology("2..6"))
    by_kind = {(m["kind"], m["metadata"]["name"]): m for m in manifests(files)}
    assert set(by_kind) == {
        ("Service", "work"),
        ("Deployment", "work"),
        ("Service", "work-pods"),
        ("HorizontalPodAutoscaler", "work"),
    }
    scaler = by_kind["HorizontalPodAutoscaler", "work"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    assert "replicas" not in by_kind["Deployment", "work"]["spec"]
    assert by_kind["Service", "work-pods"]["spec"]["selector"] == by_kind["Service", "work"]["spec"]["selector"]
    scraped = read_document(files["observability/prometheus/prometheus.yml"])["scrape_configs"][0]
    assert scraped["dns_sd_configs"][0]["names"] == ["work-pods"]
    # In a pod the stage is one of many equal ones, without a number.
    inside = parse_topology(files["base/topology.yaml"], "r.yaml", no_samples, "r")
    assert inside.stages["work"].instances == 1


def test_compose_runs_the_minimum():
    services = read_document(compose_files(topology("2..6"), "..")["compose.yaml"])["services"]
    assert {"work-1", "work-2"} <= set(services) and "work-3" not in services
