"""JUnit XML says of a run what its exit code says, case by case."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from simulator.proof.junit import Judgement, junit_xml
from simulator.proof.run_junit import run_judgements

CALL = {"caller": "a", "called": "cart", "operation": "read"}
REPORT = {
    "thresholds": [
        {"threshold": "p99 < 300ms", "kept": False, "observed": "412ms"},
        {"threshold": "missed = 0", "kept": True, "observed": "0"},
    ],
    "ledger": {"stages": [{"stage": "a"}, {"stage": "cart"}], "calls": [CALL]},
}


def test_every_threshold_stage_and_call_is_a_case():
    """A problem is told at the stage or call that has it, and one of none of them in a case of its own."""
    problems = [
        "a: 2 messages failed",
        "a -> cart.read does not balance: 3 answered",
        "threshold p99 < 300ms: 412ms",
        "the disk is full",
    ]
    found = [(one.group, one.name, one.problem) for one in run_judgements(REPORT, problems)]
    assert found == [
        ("thresholds", "p99 < 300ms", "broken: 412ms"),
        ("thresholds", "missed = 0", ""),
        ("stages", "a", "a: 2 messages failed"),
        ("stages", "cart", ""),
        ("calls", "a -> cart.read", "a -> cart.read does not balance: 3 answered"),
        ("run", "the disk is full", "the disk is full"),
    ]


def test_a_good_run_has_no_failures():
    assert not any(one.problem for one in run_judgements({**REPORT, "thresholds": []}, []))


def test_the_xml_is_well_formed_whatever_was_written():
    """Tags and control characters in names and problems stay text; the counts are those of the cases."""
    judged = [Judgement(group="stages", name="a<b>&\x00", problem="]]>\x1b[31m"), Judgement(group="stages", name="c")]
    root = ET.fromstring(junit_xml("shop", judged, {"seed": "7"}))
    (suite,) = root.iter("testsuite")
    bad, good = suite.iter("testcase")
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("shop", "2", "1")
    assert bad.get("name") == "a<b>&\\x00" and bad.find("failure").get("message") == "]]>\\x1b[31m"
    assert good.get("classname") == "shop.stages" and good.find("failure") is None
    assert [(one.get("name"), one.get("value")) for one in suite.iter("property")] == [("seed", "7")]
