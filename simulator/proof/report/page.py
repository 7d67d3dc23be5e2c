"""The page of a run: its sections in order, in one file that loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simulator.console.page import assets_folder
from simulator.errors import StartError, TruthError
from simulator.extras import how_to_install
from simulator.local.folder import write
from simulator.proof.report import account_sections
from simulator.proof.report.account import RunAccount
from simulator.proof.report.configuration import configuration
from simulator.proof.report.due_time import due_time
from simulator.proof.report.headline import headline
from simulator.proof.report.latency_over_time import latency_over_time
from simulator.proof.report.offered_rate import offered_rate
from simulator.proof.report.percentile_curve import percentile_curve
from simulator.proof.report.requests import make_requests
from simulator.proof.report.run_span import run_span
from simulator.proof.report.section import Section
from simulator.proof.report.slowest import slowest
from simulator.proof.report.time_spent import time_spent
from simulator.proof.report.went_wrong import went_wrong
from simulator.proof.truth.reading import Manifest, Truth, open_truth

_TEMPLATES = Path(__file__).parent / "templates"
_NEEDED = ("duckdb", "numpy", "plotly", "jinja2")


def page_missing() -> str:
    """Return how to install what a page needs; "" if that is installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    return f"{', '.join(missing)} not installed: {how_to_install('proof')}" if missing else ""


def write_page(account: RunAccount, path: Path, problems: Sequence[str] = ()) -> None:
    """Write the page; `problems` are those of the run. Raise StartError if that can't be done."""
    if missing := page_missing():
        raise StartError(f"no page: {missing}")
    write(path, make_page_text(account, problems))


def make_page_text(account: RunAccount, problems: Sequence[str]) -> str:
    """Return the page as HTML."""
    missing = [*account.missing, *account_sections.losses(account.report)]
    manifest, of_truth, figures = None, [], []
    try:
        with open_truth(account.files.path) as truth:
            manifest = truth.manifest
            missing += _gaps(manifest, account)
            make_requests(truth.connection)
            figures = headline(truth.connection, account.report, run_span(truth.connection))
            of_truth = list(_sections_of(truth))
    except TruthError as error:
        missing.append(str(error))
    sections = [*of_truth, *_of_the_report(account, manifest, bool(of_truth))]
    thresholds = account_sections.thresholds(account.report)
    return _rendered(account, [*([thresholds] if thresholds else []), *sections], figures, problems, missing)


def _sections_of(truth: Truth) -> Iterator[Section]:
    """Yield what the truth says."""
    tables = truth.connection
    span = run_span(tables)
    found = (
        latency_over_time(tables, span),
        percentile_curve(tables),
        due_time(tables),
        offered_rate(tables, span),
        time_spent(tables),
        went_wrong(tables),
        slowest(tables),
    )
    yield from (section for section in found if section is not None)


def _of_the_report(account: RunAccount, manifest: Manifest | None, has_truth: bool) -> Iterator[Section]:
    if not has_truth:
        yield account_sections.counted_latencies(account.report)
    yield account_sections.ledger(account.report)
    yield configuration(account.files.topology, account.report, manifest)


def _gaps(manifest: Manifest, account: RunAccount) -> Iterator[str]:
    """Yield what the truth lacks."""
    if manifest.ended_unix_seconds is None and not account.missing:
        yield "the truth has no end: the run was killed"
    if manifest.torn_lines:
        yield f"{manifest.torn_lines} rows of the truth were cut off"
    if rows := sum(manifest.rows_lost.values()):
        yield f"{rows:,} rows of the truth are missing"


def _rendered(
    account: RunAccount,
    sections: Sequence[Section],
    figures: Sequence[tuple[str, str]],
    problems: Sequence[str],
    missing: Sequence[str],
) -> str:
    import jinja2  # noqa: PLC0415 - only a page needs it

    charts = {section.name: section.chart for section in sections if section.chart is not None}
    scripts = [_plotly(), (_TEMPLATES / "report.js").read_text()] if charts else []
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.get_template("page.html").render(
        name=str(account.report["topology"]),
        sections=sections,
        figures=figures,
        problems=list(problems),
        missing=missing,
        charts=_json_in_html(charts),
        style=(assets_folder() / "palette.css").read_text() + (_TEMPLATES / "report.css").read_text(),
        scripts=scripts,
        policy=_policy(scripts),
    )


def _plotly() -> str:
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise StartError(f"no page: {page_missing()}")
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    """Return a policy that lets these scripts run and nothing else, and nothing be loaded."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{found}'" for found in hashes) or "'none'"
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"


def _json_in_html(value: Any) -> str:
    """Return JSON that can't end the element that it is in, whatever texts are in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
