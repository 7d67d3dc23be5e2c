"""The command `generate` as a user types it."""

from __future__ import annotations

import re
import shlex

import pytest

from simulator.topology.reader import read_topology
from tests.support.processes import run

pytestmark = pytest.mark.processes


def test_the_text_goes_to_standard_output_and_a_sentence_about_it_to_the_other(tmp_path):
    """The same seed gives the same bytes, and the file says how it was made."""
    arguments = ("generate", "--stages", "30", "--seed", "7", "--faults", "10%", "--options", "30%")
    finished = run(*arguments, cwd=tmp_path)
    assert finished.returncode == 0
    assert re.match(
        r"generated-30: 30 stages, \d+ calls; a message makes \d+\.\d visits on average. "
        r"At 10/s at most \d+% of the workers of any stage are busy \([a-z0-9-]+\)\.\n$",
        finished.stderr,
    )
    assert finished.stdout == run(*arguments, cwd=tmp_path).stdout
    [made_by] = re.findall(r"^# Made by: web-service-simulator (.*)$", finished.stdout, re.MULTILINE)
    assert finished.stdout == run(*shlex.split(made_by), cwd=tmp_path).stdout


def test_without_a_seed_one_is_drawn_and_written_down(tmp_path):
    """Two calls give two topologies, and each can be made again."""
    first, second = (run("generate", "--stages", "5", cwd=tmp_path).stdout for _ in range(2))
    assert first != second
    [made_by] = re.findall(r"^# Made by: web-service-simulator (.*)$", first, re.MULTILINE)
    assert run(*shlex.split(made_by), cwd=tmp_path).stdout == first


def test_a_file_is_not_overwritten_unless_that_is_asked_for(tmp_path):
    """What is there stays, and the refusal says how to go on."""
    first = run("generate", "--stages", "5", "--seed", "1", "--output", "shop.yaml", cwd=tmp_path)
    assert (first.returncode, first.stdout) == (0, "")
    before = (tmp_path / "shop.yaml").read_bytes()
    again = ("generate", "--stages", "5", "--seed", "2", "--output", "shop.yaml")
    refused = run(*again, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "shop.yaml already exists: give --overwrite, or another file\n"
    assert (tmp_path / "shop.yaml").read_bytes() == before
    assert run(*again, "--overwrite", cwd=tmp_path).returncode == 0
    assert read_topology(tmp_path / "shop.yaml").seed == 2


def test_a_file_that_can_not_be_written_is_said(tmp_path):
    """A folder that does not exist is a line and exit code 2."""
    finished = run("generate", "--output", "nowhere/shop.yaml", cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr == "nowhere/shop.yaml can't be written: No such file or directory\n"


@pytest.mark.parametrize("stages", ["1", "2", "3", "20"])
def test_what_is_generated_passes_check_without_a_warning(tmp_path, stages):
    """Nothing is to be mended in it."""
    options = ("--seed", "7", "--faults", "50%", "--options", "50%", "--name", "shop")
    assert run("generate", "--stages", stages, *options, "--output", "s.yaml", cwd=tmp_path).returncode == 0
    checked = run("check", "s.yaml", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.startswith(f"shop: {stages} stage{'' if stages == '1' else 's'}, seed 7, good to run\n")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--stages", "0"), "0 is not in the range 1<=x<=10000"),
        (("--stages", "10", "--layers", "10"), "10 layers are out of range: must be between 1 and 9"),
        (("--visits", "1"), "1.0 is not in the range x>=5"),
        (("--rate", "50"), "flag --rate: "),
        (("--faults", "200%", "--options", "many"), "flag --faults: "),
        (("--faults", "200%", "--options", "many"), "flag --options: "),
        (("--name", "My Shop"), "flag --name: 'My Shop' has a space in it"),
        (("--rate", "1000000/s", "--stages", "50", "--seed", "7"), "give a lower rate, or fewer visits"),
    ],
)
def test_bad_flags_are_refused_with_what_is_allowed(tmp_path, flags, said):
    """Each wrong flag is named; nothing is written."""
    finished = run("generate", *flags, "--output", "s.yaml", cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr
    assert not (tmp_path / "s.yaml").exists()


def test_help_teaches_the_command(tmp_path):
    """It says what comes out, and what to type."""
    text = run("generate", "--help", cwd=tmp_path).stdout
    for part in ("--stages", "--seed", "--visits", "--faults", "--overwrite", "Try:", "byte for byte"):
        assert part in text
