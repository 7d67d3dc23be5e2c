"""The catalogue of the SIMULATOR_* variables that are not keys of a stage."""

from __future__ import annotations

from functools import partial

from simulator.commands.variables import (
    CONSOLE_VARIABLE,
    LOG_LIMIT_VARIABLE,
    PAGE_VARIABLE,
    PROCESSES_VARIABLE,
    TRUTH_LIMIT_VARIABLE,
    TRUTH_VARIABLE,
)
from simulator.telemetry.catalogue.variable_records import Reader, Variable, WrongValue
from simulator.telemetry.run_files import CONSOLE_TOKEN_VARIABLE
from simulator.topology.variables import (
    CONTROL_TOKEN_VARIABLE,
    SECRET_VARIABLE,
    TELEMETRY_LIMIT_VARIABLE,
    TELEMETRY_VARIABLE,
)

_run = partial(Variable, readers=(Reader.RUN,))
_secret = partial(Variable, wrong=WrongValue.IMPOSSIBLE, example="s3cret")
COMMAND_VARIABLES = (
    _run(
        name=CONSOLE_VARIABLE,
        help="Whether the running system is shown on a web page",
        default="true",
        allowed="true, false",
        example="false",
    ),
    _run(
        name=LOG_LIMIT_VARIABLE,
        help="The limit of all logs of a run together",
        default="1GiB",
        allowed="a size from 1MB",
        example="100MB",
    ),
    _run(
        name=TRUTH_VARIABLE,
        help="Whether a run writes its truth",
        default="true",
        allowed="true, false",
        example="false",
    ),
    _run(
        name=TRUTH_LIMIT_VARIABLE,
        help="The limit of all rows of the truth of a run together",
        default="1GiB",
        allowed="a size from 1MB",
        example="100MB",
    ),
    _run(
        name=PAGE_VARIABLE,
        help="Whether a run makes its page, report.html",
        default="true",
        allowed="true, false",
        example="false",
    ),
    _run(
        name=PROCESSES_VARIABLE,
        help="The number of processes for the stages of a run",
        default="one for each of up to 8 stages, one for each core beyond",
        allowed="a whole number from 1",
        example="2",
    ),
    Variable(
        name=TELEMETRY_VARIABLE,
        help="The folder for files of spans, log records and metrics, which a run creates",
        default="none: no files",
        readers=(Reader.RUN, Reader.STAGE),
        wrong=WrongValue.IMPOSSIBLE,
        example="OTLP",
    ),
    _secret(
        name=TELEMETRY_LIMIT_VARIABLE,
        help="From a run to its stages: how many bytes these files may have together",
        default="as SIMULATOR_LOG_LIMIT",
        example="1000000",
    ),
    _secret(
        name=CONTROL_TOKEN_VARIABLE,
        help="The token that `/control` asks for",
        default="none: only this machine may ask",
        readers=(Reader.STAGE, Reader.SET),
    ),
    _secret(
        name=SECRET_VARIABLE,
        help="By which the stages of a run or a rendered system know each other's messages",
        default="drawn by a run",
    ),
    _secret(
        name=CONSOLE_TOKEN_VARIABLE,
        help="From a run to its console: the token for the controls",
        default="drawn by a run",
        readers=(Reader.CONSOLE,),
    ),
)
