"""A command's module imports what the command needs only when it is called."""

import json
import pkgutil

import click
import pytest

from simulator import cli, commands
from tests.support.python import python

pytestmark = pytest.mark.processes

# Called once a process is prepared, or by the documents alone, so they import what they need at their beginning.
IMPORTED_LATER = {"stage_settings", "variable_catalogue"}
MODULES = {module.name for module in pkgutil.iter_modules(commands.__path__)}
# The words of the command line: names of keys and variables, and errors.
LIGHT = tuple(f"simulator.{name}" for name in ("cli", "commands", "errors", "grants", "nearest", "quoting"))
LIGHT_OF_TOPOLOGY = ("simulator.topology", "simulator.topology.variables")
HEAVY = {"gevent", "flask", "requests", "yaml", "rich", "structlog", "opentelemetry", "cattrs", "dash"}
HEAVY |= {"ssl", "socket", "selectors", "subprocess", "queue"}  # patched by gevent before they are imported


def imported_by(module):
    code = "import json, sys; __import__(sys.argv[1]); print(json.dumps(list(sys.modules)))"
    found = python(code, module)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.mark.parametrize("module", ["cli", *sorted(f"commands.{name}" for name in MODULES - IMPORTED_LATER)])
def test_a_command_imports_nothing_but_click_before_it_is_called(module):
    """So gevent can patch a stage's process first, leaves the runner's alone, and help is shown at once."""
    imported = imported_by(f"simulator.{module}")
    assert HEAVY.isdisjoint(imported)
    own = [name for name in imported if name.startswith("simulator.")]
    assert [name for name in own if not name.startswith(LIGHT) and name not in LIGHT_OF_TOPOLOGY] == []


def test_the_options_of_a_stage_import_nothing_that_gevent_patches():
    """They are made from the catalogue of keys before the stage's process is prepared."""
    assert HEAVY.isdisjoint(imported_by("simulator.topology.layers"))


def test_every_command_is_a_function_of_its_name_in_a_module_of_its_name():
    """A newcomer finds `fork-server` in fork_server.py."""
    for name in cli.COMMANDS:
        command = cli.cli.get_command(click.Context(cli.cli), name)
        assert command.name == name
        assert command.callback.__module__ == f"simulator.commands.{command.callback.__name__}"


def test_a_stage_does_not_import_the_other_commands():
    """Each process of a run would pay for the options of all of them."""
    code = "import pathlib, sys; from simulator import cli; from simulator.commands.program import this_program"
    code = f"{code}; cli._run_command(['stage', '--stage', 'x'], this_program(pathlib.Path('x.py')))"
    found = python(f"{code}; print(*(name for name in sys.modules if name.startswith('simulator.commands.')))")
    assert {name.removeprefix("simulator.commands.") for name in found.stdout.split()} == {
        "help_text",
        "key_options",
        "program",
        "stage",
        "stage_process",
    }
