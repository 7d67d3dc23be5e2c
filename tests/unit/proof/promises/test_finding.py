"""What a finding says, and the correction for many."""

from __future__ import annotations

from simulator.proof.promises.finding import Finding, PromiseVerdict, judged


def finding(p_value=None, **more):
    return Finding(promise="shares", subject="shop", p_value=p_value, **more)


def test_an_exact_test_breaks_with_one_exception() -> None:
    """Of a hundred values one that is wrong breaks the promise, and is named."""
    found = finding(checked=100).exact(1, "message m-1")
    assert found.verdict is PromiseVerdict.BROKEN
    assert found.reason == "1 of 100 are wrong: message m-1"
    assert finding(checked=100).exact(0).verdict is PromiseVerdict.KEPT


def test_a_test_of_nothing_is_no_verdict() -> None:
    """A fault that no message could be hit by was neither kept nor broken."""
    assert finding(checked=0).exact(0).verdict is PromiseVerdict.NOT_JUDGED


def test_statistical_tests_are_corrected_for_how_many_they_are() -> None:
    """A p-value of 0.0005 breaks a promise that is tested alone at 0.1 %, and not beside nine others."""
    alone, beside = judged([finding(0.0005)], 0.001), judged([finding(0.0005), *[finding(0.5)] * 9], 0.001)
    assert [found.verdict for found in alone] == [PromiseVerdict.BROKEN]
    assert {found.verdict for found in beside} == {PromiseVerdict.KEPT}


def test_exact_tests_are_no_part_of_the_correction() -> None:
    """A thousand exact tests beside one statistical test do not hide what it shows."""
    verdicts = [found.verdict for found in judged([finding(0.0005), *[finding(checked=1)] * 1000], 0.001)]
    assert verdicts.count(PromiseVerdict.BROKEN) == 1
