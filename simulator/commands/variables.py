"""The SIMULATOR_* variables that are flags of a command and not keys of a stage."""

from __future__ import annotations

from simulator.topology.variables import (
    CONTROL_TOKEN_VARIABLE,
    SECRET_VARIABLE,
    TELEMETRY_LIMIT_VARIABLE,
    TELEMETRY_VARIABLE,
)

CONSOLE_VARIABLE = "SIMULATOR_CONSOLE"
LOG_LIMIT_VARIABLE = "SIMULATOR_LOG_LIMIT"
PROCESSES_VARIABLE = "SIMULATOR_PROCESSES"
# What else a stage may find in its environment: it warns of any other variable that is not a key.
OTHER_VARIABLES = (
    CONTROL_TOKEN_VARIABLE,
    CONSOLE_VARIABLE,
    LOG_LIMIT_VARIABLE,
    PROCESSES_VARIABLE,
    SECRET_VARIABLE,
    TELEMETRY_LIMIT_VARIABLE,
    TELEMETRY_VARIABLE,
)
