"""Operations, steps and decisions live: the same counts as in virtual time, in the ledger, in logs and in spans."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.support.collector import CLIENT, SERVER, collector
from tests.support.processes import read_log, run, with_collector
from tests.support.shop import MESSAGES, SHOP
from tests.support.stories import story


@pytest.mark.parametrize("packing", ["apart", "packed"])
def test_operations_live_and_virtual(tmp_path, packing):
    """Every visit is the same live and in virtual time, and every signal counts the same visits per operation."""
    (tmp_path / "shop.yaml").write_text(SHOP)
    virtual = run("run", "shop.yaml", "--virtual", "--json", "--report", "virtual", cwd=tmp_path)
    flags = ("--processes", "1") if packing == "packed" else ()
    with collector() as received:
        live = run(
            "run",
            "shop.yaml",
            "--json",
            *flags,
            "--report",
            "live",
            cwd=tmp_path,
            environment=with_collector(received.address),
            timeout_seconds=120,
        )
        traces = received.traces()
    assert "The ledger balances" in live.stderr, live.stderr
    ledgers = [json.loads(finished.stdout)["ledger"]["stages"] for finished in (virtual, live)]
    assert ledgers[0] == ledgers[1]
    assert virtual.returncode == live.returncode
    assert story(tmp_path / "virtual") == story(tmp_path / "live")
    visits = handled(tmp_path / "live")
    assert visits == handled(tmp_path / "virtual")
    assert len(traces) == MESSAGES
    spans = [span for trace in traces.values() for span in trace]
    served = Counter((span.service, span.name) for span in spans if span.kind == SERVER)
    assert served == {node: count for node, count in visits.items() if node[0] != "shoppers"}
    for name, service in (("GET /carts/{id}", "cart"), ("PUT /items/{items}", "db"), ("HEAD /", "front")):
        called = [span for span in spans if span.kind == CLIENT and span.name == name]
        assert len(called) == visits[service, name]
        assert {span.attributes["url.template"] for span in called} == {name.split()[1]}
    routes = {span.attributes["http.route"] for span in spans if span.kind == SERVER and span.service == "db"}
    assert routes == {"/rows/{id}", "/items/{items}"}


NAMES = {
    ("front", "head"): "HEAD /",
    ("front", "drop"): "DELETE /items/{id}",
    ("front", "patch"): "PATCH /items/{id}",
    ("cart", "read"): "GET /carts/{id}",
    ("cart", "add"): "POST /carts",
    ("cart", "count"): "GET /count",
    ("db", "find"): "GET /rows/{id}",
    ("db", "set"): "PUT /items/{items}",
    ("ad", ""): "POST /messages",
    ("shoppers", ""): "inject",
}


def handled(folder):
    """Return how often each operation has handled a message, by the name of its span."""
    counts = Counter()
    for log in (folder / "logs").glob("*.jsonl"):
        for line in read_log(log):
            if line["event"] == "message.handled":
                counts[line["stage"], NAMES[line["stage"], line.get("operation", "")]] += 1
    return counts
