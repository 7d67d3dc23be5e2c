"""What the stages of a process share: what is not asked for is not even imported."""

from __future__ import annotations

import json

import pytest

from tests.support.python import python

pytestmark = pytest.mark.processes

CODE = """
from gevent import monkey
monkey.patch_all()
import json, sys
import simulator.stage.assembly
from simulator.stage.shared import Shared
from simulator.telemetry.otel_ignored import ignored_variables
Shared(json.loads(sys.argv[1]))
list(ignored_variables(json.loads(sys.argv[1])))
print(json.dumps(list(sys.modules)))
"""
LOGS = {"log_records", "log_encoding"}
METRICS = {"data_points", "metric_encoding", "metric_export"}
JSON = {"json_sending", "otlp_json"}
FILES = {"telemetry_files"}
VARIABLES = {"catalogue.variables", "catalogue.unused_variables"}


def imported(**environment):
    found = python(CODE, json.dumps(environment))
    assert found.returncode == 0, found.stderr
    prefix = "simulator.telemetry."
    own = {name.removeprefix(prefix) for name in json.loads(found.stdout.splitlines()[-1]) if name.startswith(prefix)}
    return own & (LOGS | METRICS | JSON | FILES | VARIABLES)


@pytest.mark.parametrize(
    ("environment", "modules"),
    [
        ({}, set()),
        (
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "prometheus", "OTEL_LOGS_EXPORTER": "console"},
            set(),
        ),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_LOGS_EXPORTER": "otlp", "SIMULATOR_TELEMETRY": "told"}, set()),
        ({"OTEL_LOGS_EXPORTER": "otlp"}, LOGS),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, METRICS),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "1"}, VARIABLES),
    ],
)
def test_a_stage_imports_what_it_is_asked_to_export(environment, modules):
    """Memory and start-up of a stage that only serves /metrics and writes its log are as they are without exporters."""
    assert imported(**environment) == modules
