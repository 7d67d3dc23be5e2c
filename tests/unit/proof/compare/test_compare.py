"""Runs in virtual time are compared: other seeds are no regression, a slowdown of a fifth is one, by its name."""

from __future__ import annotations

import io
import json
import shutil

import pytest
from rich.console import Console

from simulator.errors import ConfigurationError, TruthError
from simulator.local.command import RunRequest
from simulator.local.plan import Overrides
from simulator.local.virtual_run import VirtualTime, run_virtually
from simulator.proof.after_run import after_run
from simulator.proof.compare.command import CompareRequest, bounds_of, compare_runs

pytestmark = pytest.mark.long

SHOP = """
name: shop
stages:
  visitors: {role: injector, load: {rate: 100/s, messages: 2500}, calls: [cart, pay]}
  cart: {delay: "lognormal(p50=12ms, p99=40ms)", workers: 4, queue: 64}
  pay: {delay: "exponential(8ms)", faults: ["error(503, 2%)"]}
"""


def run_shop(folder, name, seed, text=SHOP, after=after_run):
    (folder / "shop.yaml").write_text(text)
    request = RunRequest(
        topology=folder / "shop.yaml",
        overrides=Overrides(seed=seed),
        duration=None,
        report=folder / name,
        as_json=True,
    )
    run_virtually(request, VirtualTime(), {"SIMULATOR_LOG_LEVEL": "error"}, after)
    return folder / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    slower = SHOP.replace("p50=12ms, p99=40ms", "p50=14.4ms, p99=48ms")
    found = {f"seed {seed}": run_shop(folder, f"seed-{seed}", seed) for seed in (1, 2)}
    found["slower"] = run_shop(folder, "slower", 3, slower)
    found["failing"] = run_shop(folder, "failing", 4, SHOP.replace("503, 2%", "503, 6%"))
    found["other"] = run_shop(
        folder, "other", 1, SHOP.replace("cart", "basket").replace("messages: 2500", "messages: 100")
    )
    return found


def compared(before, after, *, as_json=True, as_markdown=False, **more):
    out = io.StringIO()
    console = Console(file=out, width=200)
    code = compare_runs(CompareRequest(before=before, after=after, **more), console, as_json, as_markdown)
    return code, out.getvalue()


def verdicts(text, verdict):
    figures = json.loads(text)["figures"]
    return {(one["subject"], one["metric"]) for one in figures if one["verdict"] == verdict}


def test_another_seed_is_no_regression(runs):
    """One in twenty pairs of equal runs has any difference beyond noise, and 5 % beyond that is rarer still."""
    for before, after in (("seed 1", "seed 2"), ("seed 2", "seed 1")):
        code, text = compared(runs[before], runs[after])
        assert code == 0 and verdicts(text, "regression") == set()
        assert json.loads(text)["configuration"][0].startswith("seed: ")


def test_a_run_is_as_itself(runs):
    code, text = compared(runs["seed 1"], runs["seed 1"] / "report.json")
    assert code == 0 and not verdicts(text, "within the bound") and json.loads(text)["configuration"] == []


def test_a_stage_that_is_a_fifth_slower_is_found(runs):
    """It is named with p50 and p90, and the stage that did not change is not."""
    code, text = compared(runs["seed 1"], runs["slower"])
    worse = verdicts(text, "regression")
    assert code == 1 and {("cart", "p50"), ("cart", "p90"), ("end to end", "p50")} <= worse
    assert not [metric for stage, metric in worse if stage == "pay"]
    (p50,) = [f for f in json.loads(text)["figures"] if (f["subject"], f["metric"]) == ("cart", "p50")]
    assert p50["low"] < 0.2 * p50["before"] < p50["high"]
    code, text = compared(runs["slower"], runs["seed 1"])
    assert code == 0 and ("cart", "p50") in verdicts(text, "improvement")


def test_more_errors_are_found(runs):
    """From 2 to 6 %, with a bound of a point; not with one of ten points."""
    code, text = compared(runs["seed 1"], runs["failing"], metrics=["errors"])
    assert code == 1 and ("pay", "errors") in verdicts(text, "regression")
    assert compared(runs["seed 1"], runs["failing"], metrics=["errors"], bounds=["errors=10%"])[0] == 0


def test_markdown_names_the_regressions_and_what_was_changed(runs):
    code, text = compared(runs["seed 1"], runs["slower"], as_json=False, as_markdown=True)
    assert code == 1 and text.startswith("### ") and "| cart | p50 | " in text
    assert "**regression**" in text and "- stages.cart.delay: lognormal(p50=12ms, p99=40ms) -&gt; " in text
    assert "No regression" in compared(runs["seed 1"], runs["seed 2"], as_json=False, as_markdown=True)[1]


def test_different_systems_are_refused_unless_asked(runs):
    with pytest.raises(TruthError, match=r"different systems: only one has basket, cart; --anyway compares what both"):
        compared(runs["seed 1"], runs["other"])
    code, text = compared(runs["seed 1"], runs["other"], anyway=True)
    assert {one["subject"] for one in json.loads(text)["figures"]} == {"end to end", "visitors", "pay"} and code == 0


def test_what_can_not_be_compared_is_told(tmp_path, runs):
    """No truth, a truth that ends in the middle, a table that is cut off, and a bound that is none."""
    with pytest.raises(TruthError, match="there is no truth in"):
        compared(tmp_path, runs["seed 1"])
    killed = shutil.copytree(runs["seed 1"], tmp_path / "killed")
    manifest = json.loads((killed / "truth" / "manifest.json").read_text())
    (killed / "truth" / "manifest.json").write_text(json.dumps({**manifest, "ended_unix_seconds": None}))
    with pytest.raises(TruthError, match="the run was killed, so its truth ends in the middle; --anyway"):
        compared(killed, runs["seed 1"])
    assert compared(killed, runs["seed 1"], anyway=True)[0] == 0
    visits = killed / "truth" / "visits.parquet"
    visits.write_bytes(visits.read_bytes()[:1000])
    with pytest.raises(TruthError, match="can't be read"):
        compared(killed, runs["seed 1"], anyway=True)
    for bound in ("fast", "p42=5%", "-5%"):
        with pytest.raises(ConfigurationError, match="flag --bound"):
            bounds_of([bound])


def test_bounds_are_taken_in_the_order_given():
    bounds = bounds_of(["10%", "p99=20%", "errors=0.5%"])
    assert (bounds["p50"], bounds["p99"], bounds["rate"], bounds["errors"], bounds["missed"]) == (
        0.1,
        0.2,
        0.1,
        0.005,
        0.01,
    )


def test_what_others_wrote_is_text_in_markdown():
    from simulator.proof.compare.judgement import Change, Comparison
    from simulator.proof.compare.measures import Figure
    from simulator.proof.compare.shown import markdown

    evil = Figure("a|<img src=x>`*[x](y)\n", "p50")
    one = Comparison(figure=evil, before=1.0, after=2.0, low=0.5, high=1.5, change=Change.REGRESSION)
    text = markdown([one], [])
    row = text.splitlines()[-1]
    assert row.startswith(r"| a\|&lt;img src=x&gt;\`\*\[x\](y)\\n | p50 |")
