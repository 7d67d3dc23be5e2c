"""The page of a run: one file, that loads nothing, shows what others wrote as text, and does not grow with messages."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from simulator.errors import StartError
from simulator.local.folder import open_run_folder
from simulator.proof.report.account import RunAccount
from simulator.proof.report.page import make_page_text, write_page
from simulator.telemetry.run_files import RunFiles
from tests.support.truths import write_truth

EVIL = "</script><img src=x onerror=alert(1)>\"'&amp;"
EVIL_NAME = EVIL.replace("/", "")  # a stage of it has a file
LINE = dict.fromkeys(("delivered", "forwarded", "rejected", "invalid", "faulted", "failed", "broken_off"), 0)
LINE |= {"received": 3, "in_flight": 0, "missed": 0, "ended": ""}
REPORT = {
    "version": 1,
    "program_version": "1.2.3",
    "topology": "shop",
    "seed": 7,
    "ledger": {"stages": [{"stage": "shop", **LINE}], "calls": [], "balanced": True, "problems": []},
    "latency_seconds": {"shop": {"p50": 0.1, "p95": 0.2, "p99": None, "max": None}},
}


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text without that of scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text, self.data = [], "", {}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text += data


def page_of(folder, visits=(), report=(), problems=(), topology_text=""):
    files = RunFiles(write_truth(folder / "run", visits))
    files.topology.write_text(topology_text)
    return make_page_text(RunAccount(files=files, report={**REPORT, **dict(report)}), problems)


def begun(number, **more):
    seconds = {"duration_seconds": 0.1, "end_to_end_seconds": 0.1}
    return {"message_id": f"m-{number}", "received_at": 100 + number / 100, "request": "shop", **seconds, **more}


def test_what_others_wrote_is_text(tmp_path):
    """Names, errors, ids, problems, thresholds and the topology come to the page as text, wherever they are shown."""
    visits = [
        begun(1, stage=EVIL_NAME, operation=EVIL, message_id=EVIL, request=EVIL, trace_id=EVIL),
        begun(2, stage=EVIL_NAME, request=EVIL, outcome="failed", error=EVIL),
    ]
    thresholds = [{"threshold": EVIL, "kept": False, "observed": EVIL}]
    report = {"topology": EVIL, "thresholds": thresholds, "latency_seconds": {EVIL: REPORT["latency_seconds"]["shop"]}}
    report["ledger"] = {**REPORT["ledger"], "stages": [{"stage": EVIL, **LINE, "ended": EVIL}]}
    page = page_of(tmp_path, visits, report, [EVIL], EVIL)
    elements = Elements(page)
    assert "img" not in {tag for tag, _ in elements.found}
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    assert elements.text.count(EVIL) > 10
    assert page.count("</script>") == 3  # of the data, of Plotly, of the page


def test_the_page_asks_for_nothing(tmp_path):
    """No element has an address outside the page, and its policy forbids to load anything."""
    elements = Elements(page_of(tmp_path, [begun(1)]))
    for _, attributes in elements.found:
        assert not attributes.get("src") and attributes.get("href", "#").startswith("#")
    (policy,) = [attributes["content"] for _, attributes in elements.found if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe-eval" not in policy


def without_scripts(page):
    return re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)


def test_the_tables_are_there_without_scripts(tmp_path):
    """Who has JavaScript turned off reads the figures, the ledger and the waterfalls."""
    text = Elements(without_scripts(page_of(tmp_path, [begun(1)]))).text
    for found in ("p99.9", "100ms for shop", "message m-1", "Every message is accounted for.", "simulator 0."):
        assert found in text, found


def test_the_page_does_not_grow_with_messages(tmp_path):
    """Ten times as many messages make it a few percent larger than its charts were, if at all."""
    few, many = (
        len(page_of(tmp_path / str(count), [begun(n % 1000, message_id=f"m-{n}") for n in range(count)]))
        for count in (1000, 10_000)
        if (tmp_path / str(count)).mkdir() is None
    )
    assert abs(many - few) < 2000


def test_a_run_without_a_truth_has_a_page_that_says_so(tmp_path):
    folder = open_run_folder(tmp_path / "run", "shop")
    page = Elements(make_page_text(RunAccount(files=folder, report=REPORT), ()))
    folder.release()
    assert "there is no truth in" in page.text and "As the stages have counted them." in page.text
    assert "script" not in {tag for tag, _ in page.found}


def test_what_is_missing_is_told(tmp_path):
    files = RunFiles(write_truth(tmp_path / "run", [begun(1)], ended_unix_seconds=None, rows_lost={"shop": 12}))
    with files.truth_rows_of("shop").open("a") as rows:
        rows.write('{"kind": "visit", "stage": "sh')
    page = make_page_text(RunAccount(files=files, report={**REPORT, "spans_dropped": {"shop": 5}}), ())
    text = Elements(page).text
    for found in ("the truth has no end", "1 rows of the truth were cut off", "12 rows of the truth are missing"):
        assert found in text
    assert "5 spans were dropped" in text


def test_a_page_that_can_not_be_written_is_a_start_error(tmp_path):
    files = RunFiles(write_truth(tmp_path / "run"))
    files.page.mkdir()
    with pytest.raises(StartError, match=r"report\.html can't be written: Is a directory"):
        write_page(RunAccount(files=files, report=REPORT), files.page)
