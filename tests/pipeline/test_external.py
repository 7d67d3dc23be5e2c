"""Real services that a run calls and does not start."""

from __future__ import annotations

import json

from tests.support.answering import answering
from tests.support.processes import run

TOPOLOGY = """
name: shop
seed: 7
stages:
  start: {{role: injector, load: {{rate: 60/s, messages: 20}}, calls: [shop]}}
  shop: {{calls: [pay.charge, {{to: gone, optional: true}}]}}
  pay:
    kind: external
    url: {url}/v1
    delay: 3ms
    operations: {{charge: {{path: "/charge/{{id}}"}}, refund: {{path: /refund}}}}
  gone: {{kind: external, url: "http://127.0.0.1:9"}}
"""


def test_a_real_service_is_called_and_not_started(tmp_path):
    """It gets every message; the ledger has no figure of what it received; one that is down is only warned of."""
    with answering() as server:
        (tmp_path / "shop.yaml").write_text(TOPOLOGY.format(url=server.address))
        finished = run("run", "shop.yaml", "--no-console", cwd=tmp_path)
        targets = [request.path for request in server.requests]
    assert finished.returncode == 0, finished.stderr
    assert "gone: nothing answers at http://127.0.0.1:9 (Connection refused)" in finished.stderr
    assert "Starting the 2 stages" in finished.stderr
    report = json.loads((tmp_path / "runs" / "shop" / "report.json").read_text())["ledger"]
    ids = [line["stage"] for line in report["stages"]]
    assert ids == ["start", "shop"]
    calls = {(call["called"], call["operation"]): call for call in report["calls"]}
    assert [(c["sent"], c["answered"], c["received"]) for c in (calls["pay", "charge"],)] == [(20, 20, None)]
    assert [(c["sent"], c["unreachable"], c["received"]) for c in (calls["gone", ""],)] == [(20, 20, None)]
    assert len(set(targets)) == 20
    assert all(target.startswith("/v1/charge/") for target in targets)


def test_in_virtual_time_a_real_service_is_modelled(tmp_path):
    """By its own delay, which is said."""
    (tmp_path / "shop.yaml").write_text(TOPOLOGY.format(url="http://127.0.0.1:9"))
    finished = run("run", "shop.yaml", "--virtual", "--no-console", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "pay: in virtual time its own delay and faults stand for the service at" in finished.stderr
    report = json.loads((tmp_path / "runs" / "shop" / "report.json").read_text())
    assert report["latency_seconds"]["pay"]["p50"] >= 0.0029


def test_a_real_service_gets_no_container(tmp_path):
    """Its callers find it at its URL, by the topology that is mounted."""
    (tmp_path / "shop.yaml").write_text(TOPOLOGY.format(url="http://payments.example"))
    for engine in ("compose", "kubernetes"):
        output = tmp_path / engine
        finished = run("render", engine, "shop.yaml", "--output", str(output), cwd=tmp_path)
        assert finished.returncode == 0, finished.stderr
        files = [
            path for path in output.rglob("*.y*ml") if path.name != "topology.yaml" and "grafana" not in path.parts
        ]
        assert files
        assert not any("gone" in path.name or "gone:8080" in path.read_text() for path in files)
        assert any("http://payments.example/v1" in path.read_text() for path in output.rglob("topology.yaml"))
