"""JUnit XML, by which CI systems show what was judged: a test case for each judgement."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from simulator.errors import StartError
from simulator.extras import how_to_install
from simulator.quoting import printable


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One thing that was judged: `problem` says what is wrong, "" if nothing is."""

    group: str
    name: str
    problem: str = ""
    seconds: float = 0.0


def junit_missing() -> str:
    """Return how to install what JUnit XML needs; "" if that is installed."""
    try:
        import junitparser  # noqa: F401, PLC0415
    except ImportError:
        return f"it needs the extra `proof`: {how_to_install('proof')}"
    return ""


def junit_xml(suite: str, judgements: Iterable[Judgement], properties: Mapping[str, str]) -> bytes:
    """Return the XML of one suite. Raise StartError if what it needs is not installed."""
    if missing := junit_missing():
        raise StartError(f"no JUnit XML: {missing}")
    from junitparser import Failure, JUnitXml, TestCase, TestSuite  # noqa: PLC0415

    found = TestSuite(_text(suite))
    for name, value in properties.items():
        found.add_property(_text(name), _text(value))
    for judgement in judgements:
        case = TestCase(_text(judgement.name), f"{_text(suite)}.{_text(judgement.group)}", judgement.seconds)
        if judgement.problem:
            case.result = [Failure(_text(judgement.problem), "failed")]
        found.add_testcase(case)
    whole = JUnitXml()
    whole.add_testsuite(found)
    whole.update_statistics()  # type: ignore[no-untyped-call]
    written = io.BytesIO()
    whole.write(written, pretty=True)
    return written.getvalue()


def _text(text: str) -> str:
    """Return a text without the control characters that XML can't have."""
    return printable(text, keep="\n")
