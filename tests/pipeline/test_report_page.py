"""A run leaves its page and JUnit XML, and `report` makes the page again, also of a run that was killed."""

from __future__ import annotations

import signal
import xml.etree.ElementTree as ET

from tests.support.processes import run, running_topology, wait_for

SHOP = """
name: shop
stages:
  visitors: {role: injector, load: {rate: 50/s, arrivals: constant}, calls: [shop]}
  shop: {delay: "constant(10ms)", faults: ["error(503, 10%)"]}
"""
PAGE = {"SIMULATOR_PAGE": "1"}


def test_a_run_leaves_its_page_and_what_ci_shows(tmp_path):
    """The exit code, the page and JUnit XML agree on the threshold that was broken; `report` makes the same page."""
    (tmp_path / "shop.yaml").write_text(SHOP)
    flags = ("--virtual", "--messages", "200", "--threshold", "errors < 1%", "--threshold", "p50 < 50ms")
    finished = run("run", "shop.yaml", *flags, "--junit", "results.xml", cwd=tmp_path, environment=PAGE)
    page = tmp_path / "runs" / "shop" / "report.html"
    assert finished.returncode == 1 and "The page of the run: runs/shop/report.html" in finished.stderr
    made = page.read_text()
    assert "1 of 2 broken." in made and "The slowest requests" in made
    found = ET.parse(tmp_path / "results.xml").iter("testcase")
    cases = {case.get("name"): case.find("failure") is None for case in found}
    assert (cases["errors < 1%"], cases["p50 < 50ms"], cases["shop"]) == (False, True, True)
    page.unlink()
    again = run("report", "runs/shop", cwd=tmp_path)
    assert (again.returncode, again.stdout.strip()) == (0, "runs/shop/report.html"), again.stderr
    assert page.stat().st_size > 1_000_000
    for text in (made, page.read_text()):
        assert "1 problem<" in text and "Nothing is wrong" not in text


def test_without_a_page_and_without_a_truth(tmp_path):
    (tmp_path / "shop.yaml").write_text(SHOP)
    flags = ("--virtual", "--messages", "10", "--no-truth", "--set", "shop.faults=[]")
    assert run("run", "shop.yaml", *flags, "--no-page", cwd=tmp_path, environment=PAGE).returncode == 0
    assert not (tmp_path / "runs" / "shop" / "report.html").exists()
    assert run("report", "runs/shop", "--output", "page.html", cwd=tmp_path).returncode == 0
    assert "there is no truth in runs/shop" in (tmp_path / "page.html").read_text()


def test_a_run_that_was_killed_has_a_page_that_says_so(tmp_path):
    """From the counts and rows that its stages left, with what is missing; and while it runs, that it does."""
    (tmp_path / "shop.yaml").write_text(SHOP)
    with running_topology(tmp_path, tmp_path / "shop.yaml") as running:
        folder = running.report_folder
        wait_for(lambda: any((folder / "truth" / "rows").glob("*.jsonl")), "rows", 30)
        live = run("report", str(folder), "--output", "live.html", cwd=tmp_path)
        assert live.returncode == 0 and "the run has not ended" in live.stderr, live.stderr
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(30)
        done = run("report", str(folder), cwd=tmp_path)
        assert done.returncode == 0 and "the run was killed before it could write its report" in done.stderr
        text = (folder / "report.html").read_text()
        assert "What is missing" in text and "Latency over time" in text


def test_what_is_no_run_is_refused(tmp_path):
    finished = run("report", ".", cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "is not the folder of a run" in finished.stderr
