"""What is read and what is written is never one file, by whatever name; it is said before anything is touched."""

from __future__ import annotations

import os

import pytest

from simulator.errors import ConfigurationError
from simulator.local.collisions import check_files
from simulator.topology.reader import parse_topology
from simulator.topology.samples import samples_beside

TEXT = """
name: orders
stages:
  injector: {{role: injector, input: {input}, calls: [work]}}
  work: {{delay: "{delay}", calls: [archive, other]}}
  archive: {{role: terminator, output: {output}}}
  other: {{role: terminator, output: {output}}}
"""


def stages(folder, **options):
    texts = {"input": folder / "in.jsonl", "output": folder / "out.jsonl", "delay": "constant(1ms)", **options}
    text = TEXT.format(**texts)
    return parse_topology(text, "file.yaml", samples_beside(folder), "default").stages


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"n": 1}\n')
    return path


@pytest.mark.parametrize("kind", ["same", "dotted", "symbolic", "hard", "of a folder"])
def test_an_output_that_is_the_input_is_refused(tmp_path, lines, kind):
    """The same name, another spelling of it, links of both kinds and a link to the folder are one file."""
    output = tmp_path / "other.jsonl"
    if kind == "same":
        output = lines
    elif kind == "dotted":
        output = tmp_path / "." / "below" / ".." / "in.jsonl"
        (tmp_path / "below").mkdir()
    elif kind == "symbolic":
        output.symlink_to(lines)
    elif kind == "hard":
        output.hardlink_to(lines)
    else:
        (tmp_path / "link").symlink_to(tmp_path)
        output = tmp_path / "link" / "in.jsonl"
    with pytest.raises(ConfigurationError, match=r"the output of archive .* and the input of injector .* same file"):
        check_files(stages(tmp_path, output=output), [])
    assert lines.read_text() == '{"n": 1}\n'


def test_an_output_that_is_standard_input_is_refused(tmp_path, lines):
    """Also where the shell opened the file, `run --input - --output FILE < FILE`."""
    before, opened = os.dup(0), os.open(lines, os.O_RDONLY)
    try:
        os.dup2(opened, 0)
        with pytest.raises(ConfigurationError, match="same file"):
            check_files(stages(tmp_path, input="'-'", output=lines), [])
        check_files(stages(tmp_path, input="'-'"), [])
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(opened)


def test_a_pipe_with_a_name_is_a_file_too(tmp_path):
    """Messages written to the pipe that they are read from would go round for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="same file"):
        check_files(stages(tmp_path, input=tmp_path / "pipe", output=tmp_path / "pipe"), [])


def test_files_that_are_not_there_yet_are_compared_by_name(tmp_path):
    """Where neither exists, two spellings of one path are found out all the same."""
    with pytest.raises(ConfigurationError, match="same file"):
        check_files(stages(tmp_path, output=f"{tmp_path}/./in.jsonl"), [])


def test_a_device_is_no_such_file(tmp_path):
    """/dev/null may be read and written, and outputs may share a file."""
    check_files(stages(tmp_path, input="/dev/null", output="/dev/null"), [])
    check_files(stages(tmp_path), [])


def test_the_topology_and_its_samples_are_not_written_to(tmp_path):
    """An output that is the topology, or a file of samples that a delay was read from, is refused."""
    topology, samples = tmp_path / "topology.yaml", tmp_path / "samples.txt"
    topology.touch()
    samples.write_text("1ms\n2ms\n")
    with pytest.raises(ConfigurationError, match=r"the output of archive .* and the configuration"):
        check_files(stages(tmp_path, output=topology), [topology])
    delay = "mixture(50%: samples(samples.txt), 50%: constant(1ms))"
    with pytest.raises(ConfigurationError, match=r"the output of archive .* and the samples of work"):
        check_files(stages(tmp_path, output=samples, delay=delay), [topology])


@pytest.mark.parametrize(
    "work",
    [
        "operations: {read: {delay: samples(samples.txt)}}",
        "calls: [{delay: samples(samples.txt)}, archive]",
        "calls: [{parallel: [{delay: samples(samples.txt)}, archive]}]",
    ],
)
def test_samples_are_not_written_to_wherever_they_are_named(tmp_path, work):
    """The delay may be an operation's, or one between calls."""
    samples = tmp_path / "samples.txt"
    samples.write_text("1ms\n2ms\n")
    text = f"name: a\nstages:\n  work: {{{work}}}\n  archive: {{role: terminator, output: {samples}}}\n"
    read = parse_topology(text, "file.yaml", samples_beside(tmp_path), "default").stages
    with pytest.raises(ConfigurationError, match=r"the output of archive .* and the samples of work"):
        check_files(read, [])


@pytest.mark.parametrize("use", ["input", "output", "configuration"])
def test_nothing_of_the_user_s_lies_in_the_folder_of_the_run(tmp_path, use):
    """What a run clears away or writes must not be what it reads, nor what is to stay."""
    folder = tmp_path / "run"
    (folder / "logs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    inside = tmp_path / "link" / "logs" / "archive.jsonl"
    inside.touch()
    options = {use: inside} if use != "configuration" else {}
    sources = [inside] if use == "configuration" else []
    with pytest.raises(ConfigurationError, match="is in the folder of the run"):
        check_files(stages(tmp_path, **options), sources, folder)
    check_files(stages(tmp_path, **options), sources, tmp_path / "other")
