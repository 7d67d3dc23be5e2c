"""The SIMULATOR_* variables: each with nonsense, empty, and in capitals."""

from __future__ import annotations

import re

import click
import pytest

from simulator.behaviour.delays import no_samples
from simulator.commands.run import run
from simulator.commands.variable_catalogue import COMMAND_VARIABLES
from simulator.errors import ConfigurationError
from simulator.local.command import log_limit, seconds_of
from simulator.telemetry.catalogue.variable_records import Reader
from simulator.topology.catalogue import flags
from simulator.topology.layers import from_environment
from simulator.topology.settings import resolve_stage

NONSENSE = "(non sense"
OF_A_FILE = ("INPUT", "OUTPUT")  # a file may have any name
OF_A_CALL = {"SIMULATOR_DOWNSTREAM": "http://127.0.0.1:8081/messages"}
OF_A_LOAD = {**OF_A_CALL, "SIMULATOR_ROLE": "injector", "SIMULATOR_RATE": "1/s"}
OPTIONS = {option.envvar: option for option in run.params if getattr(option, "envvar", None)}


def around(key: str) -> dict[str, str]:
    """Return the environment in which a key has an effect."""
    if key in ("ROLE", "OUTPUT"):
        return {}
    if key in ("RATE", "ARRIVALS", "MESSAGES"):
        return OF_A_LOAD
    if key in ("INPUT", "ON_BAD_LINE", "CONCURRENCY"):
        return {**OF_A_CALL, "SIMULATOR_INPUT": "lines.jsonl"}
    return OF_A_CALL


def settings(environment):
    return resolve_stage(from_environment(environment), no_samples)


@pytest.mark.parametrize("key", [key for key in flags() if key not in OF_A_FILE])
def test_a_key_with_nonsense_is_refused(key):
    """By its name."""
    with pytest.raises(ConfigurationError) as refusal:
        settings({**around(key), f"SIMULATOR_{key}": NONSENSE})
    assert {str(problem).split(":")[0] for problem in refusal.value.problems} == {f"environment SIMULATOR_{key}"}


@pytest.mark.parametrize("key", flags())
def test_an_empty_key_is_as_good_as_none(key):
    environment = {**around(key), f"SIMULATOR_{key}": ""}
    assert settings(environment) == settings({name: text for name, text in environment.items() if text})


@pytest.mark.parametrize("key", flags())
def test_a_key_in_capitals_means_the_same_or_is_refused(key):
    """Never something else; a name, a path, a file or a header may be written in capitals, and is another one then."""
    example = flags()[key].about.example
    try:
        in_capitals = settings({**around(key), f"SIMULATOR_{key}": example.upper()})
    except ConfigurationError as error:
        assert {str(problem).split(":")[0] for problem in error.problems} == {f"environment SIMULATOR_{key}"}
        return
    if key not in ("NAME", "PATH", "INPUT", "OUTPUT", "HEADERS", "DOWNSTREAM", "HOST"):
        assert in_capitals == settings({**around(key), f"SIMULATOR_{key}": example})


def value_of(variable):
    """Return what `run` makes of a variable: the value, or the error that names it."""
    try:
        return run.make_context("run", []).params[OPTIONS[variable.name].name]
    except click.BadParameter as error:
        return str(error)


BY_RUN = [variable for variable in COMMAND_VARIABLES if Reader.RUN in variable.readers]


@pytest.mark.parametrize("variable", BY_RUN, ids=lambda variable: variable.name)
def test_an_option_s_variable(monkeypatch, variable):
    """An empty one is as good as none, an allowed value is taken, in capitals too, and nonsense is refused."""
    monkeypatch.delenv(variable.name, raising=False)
    usual = value_of(variable)
    found = {}
    for text in ("", variable.example, variable.example.upper(), NONSENSE):
        monkeypatch.setenv(variable.name, text)
        found[text] = value_of(variable)
    assert found[""] == usual != found[variable.example]
    assert found[variable.example.upper()] == found[variable.example]
    assert "is not a valid" in str(found[NONSENSE]) or found[NONSENSE] == NONSENSE


def test_texts_of_a_run_s_variables_are_checked_by_the_run():
    """Click takes any text for them; the run names the variable."""
    for check in (log_limit, lambda text: seconds_of(text, "--drain-timeout or SIMULATOR_DRAIN_TIMEOUT")):
        with pytest.raises(ConfigurationError, match=re.escape(NONSENSE)) as refusal:
            check(NONSENSE)
        assert "SIMULATOR_" in str(refusal.value.problems[0])


def test_every_variable_of_an_option_is_in_a_catalogue():
    names = {variable.name for variable in COMMAND_VARIABLES} | {f"SIMULATOR_{key}" for key in flags()}
    assert set(OPTIONS) <= names
    assert {variable.name for variable in BY_RUN} == {name for name in OPTIONS if name != "SIMULATOR_DRAIN_TIMEOUT"}
