"""report.json is what its published schema says."""

from __future__ import annotations

import json

import jsonschema
import pytest

from simulator.errors import ConfigurationError
from simulator.local.command import RunRequest
from simulator.local.conclusion import REPORT_VERSION
from simulator.local.plan import Overrides
from simulator.local.report_schema import report_schema, report_schema_text
from simulator.local.virtual_run import VirtualTime, run_virtually

SHOP = """
name: shop
stages:
  visitors: {role: injector, load: {rate: 10/s, arrivals: constant}, calls: [cart.read, pay]}
  cart: {operations: {read: {}, write: {}}}
  pay: {kind: external, faults: ["error(503, 50%)"]}
"""


def report_of(folder, messages):
    (folder / "shop.yaml").write_text(SHOP)
    request = RunRequest(
        topology=folder / "shop.yaml",
        overrides=Overrides(seed=1, messages=messages),
        duration=None,
        report=folder / "report",
        as_json=False,
    )
    run_virtually(request, VirtualTime(), {})
    return json.loads((folder / "report" / "report.json").read_text())


@pytest.mark.parametrize("messages", [0, 1, 50])
def test_the_report_of_a_run_fits_the_schema(tmp_path, messages):
    """With operations, an external service, faults, and percentiles that are null where nothing was handled."""
    report = report_of(tmp_path, messages)
    jsonschema.Draft202012Validator.check_schema(report_schema())
    jsonschema.validate(report, report_schema())
    assert report["version"] == REPORT_VERSION
    assert report["ledger"]["stages"][0]["received"] == messages


def test_a_report_with_something_missing_does_not_fit(tmp_path):
    """Every key of the report is required, so a program may rely on it."""
    report = report_of(tmp_path, 1)
    validator = jsonschema.Draft202012Validator(report_schema())
    for key in report:
        assert not validator.is_valid({name: value for name, value in report.items() if name != key}), key
    for changed in ({"balanced": "yes"}, {"calls": [{}]}, {"stages": [{"stage": 7}]}):
        assert not validator.is_valid({**report, "ledger": {**report["ledger"], **changed}}), changed


def test_another_version_is_refused():
    with pytest.raises(ConfigurationError, match=r"version 1 of report\.json, not 2"):
        report_schema_text(2)
