"""What flags, the environment and a configuration file say, each value with its source."""

import pytest

from simulator.errors import ConfigurationError
from simulator.topology.layers import (
    KEYS,
    Given,
    from_config_file,
    from_environment,
    from_flags,
    unknown_variables,
    variable_hint,
)


@pytest.fixture
def config(tmp_path):
    """Write a configuration file and return its path."""

    def write(text):
        path = tmp_path / "config.py"
        path.write_text(text)
        return path

    return write


def refusal_of(path):
    """Return what is wrong with a configuration file, as (line, message)."""
    with pytest.raises(ConfigurationError) as refusal:
        from_config_file(path)
    assert {problem.source for problem in refusal.value.problems} == {str(path)}
    return [(problem.line, problem.message) for problem in refusal.value.problems]


def test_a_variable_is_its_key_with_the_prefix():
    """SIMULATOR_<KEY> sets a key, as text; other variables set nothing."""
    assert from_environment({"SIMULATOR_PORT": "81", "SIMULATOR_MAX_BODY": "1KB", "PORT": "82", "HOME": "/"}) == {
        "PORT": Given("81", "environment SIMULATOR_PORT"),
        "MAX_BODY": Given("1KB", "environment SIMULATOR_MAX_BODY"),
    }


def test_an_empty_variable_sets_nothing():
    """An empty variable counts as not set."""
    assert from_environment({"SIMULATOR_PORT": ""}) == {}


def test_every_key_can_be_set_by_every_source(config):
    """Each key can be set by a variable, by a flag and in the file, and the flag's name is the key's."""
    assert set(from_environment({f"SIMULATOR_{key}": "x" for key in KEYS})) == set(KEYS)
    assert set(from_config_file(config("".join(f"{key} = 'x'\n" for key in KEYS)))) == set(KEYS)
    flags = from_flags(dict.fromkeys(KEYS, "x"))
    assert set(flags) == set(KEYS)
    assert flags["MAX_BODY"].source == "flag --max-body"


def test_a_flag_that_is_not_given_sets_nothing():
    """None is not a value, 0 and the empty text are."""
    assert from_flags({"PORT": None, "QUEUE": "0", "INPUT": ""}) == {
        "QUEUE": Given("0", "flag --queue"),
        "INPUT": Given("", "flag --input"),
    }


def test_a_file_gives_its_upper_case_names_with_their_lines(config):
    """The file is Python: values may be computed, and lower-case names are ignored."""
    path = config("import math\nbase = 80\n\nPORT = base + 1\nFAULTS = [\n    'error(503, 1%)',\n]\nSEED = None\n")
    assert from_config_file(path) == {
        "PORT": Given(81, str(path), 4),
        "FAULTS": Given(["error(503, 1%)"], str(path), 5),
    }


def test_the_last_assignment_is_the_one_that_counts(config):
    """Where a key is assigned twice, the later value is given, with the later line."""
    path = config("PORT = 1\nPORT = 2\n")
    assert from_config_file(path) == {"PORT": Given(2, str(path), 2)}


def test_the_last_assignment_counts_also_after_a_block(config):
    """A value that is assigned in a block and overwritten below it is shown with the lower line."""
    path = config("if True:\n    PORT = 1\nPORT = 2\n")
    assert from_config_file(path) == {"PORT": Given(2, str(path), 3)}


def test_a_file_knows_where_it_is(config):
    """`__file__` is the file, so that paths beside it can be written."""
    path = config("import pathlib\nINPUT = str(pathlib.Path(__file__).parent / 'in.jsonl')\n")
    assert from_config_file(path)["INPUT"].value == str(path.parent / "in.jsonl")


def test_unknown_keys_are_all_named_with_their_lines(config):
    """A misspelt key is not silently ignored."""
    found = refusal_of(config("PORT = 81\nWORKER = 3\n\nDELAYS = 'constant(1s)'\n"))
    assert [line for line, _ in found] == [2, 4]
    assert [message for _, message in found] == [
        "WORKER: unknown key; did you mean `WORKERS`?",
        "DELAYS: unknown key; did you mean `DELAY`?",
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("PORT = 81\nDELAY = constant(1s)\n", 2, "invalid decimal literal"),
        ("PORT = 81\nDELAY = 'constant(1s)\n", 2, "unterminated string literal"),
        ("PORT = 81\n QUEUE = 2\n", 2, "unexpected indent"),
        ("PORT =\n", 1, "invalid syntax"),
        ("PORT: 81 = 2 = 3\n", 1, "invalid syntax"),
    ],
)
def test_a_file_that_is_not_python_is_shown_with_its_line(config, text, line, message):
    """A syntax error is a problem at its line, as in any other file."""
    [(found_line, found)] = refusal_of(config(text))
    assert found_line == line
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PORT = undefined\n", "can't be run: NameError: name 'undefined' is not defined"),
        ("PORT = 1 / 0\n", "can't be run: ZeroDivisionError: division by zero"),
        ("import no_such_module_anywhere\n", "can't be run: ModuleNotFoundError: No module named"),
    ],
)
def test_a_file_that_can_not_be_run_says_why(config, text, message):
    """Whatever the user's own code raises is shown to her, with the file."""
    [(_, found)] = refusal_of(config(text))
    assert found.startswith(message)


def test_a_file_that_is_missing_or_not_text_is_refused(tmp_path):
    """A missing file and bytes that are not UTF-8 are reported with the file's name."""
    [(_, missing)] = refusal_of(tmp_path / "none.py")
    (tmp_path / "bytes.py").write_bytes(b"PORT = '\xff'\n")
    [(_, broken)] = refusal_of(tmp_path / "bytes.py")
    assert missing == "can't be read: No such file or directory"
    assert broken == "can't be read: it is not UTF-8: byte 0xff in line 1"


def test_a_file_of_another_editor_is_read(tmp_path):
    """A byte order mark and CRLF change nothing; the error about UTF-16 names the encoding."""
    path = tmp_path / "config.py"
    path.write_bytes(b"\xef\xbb\xbfPORT = 81\r\nQUEUE = 2\r\n")
    assert {key: (given.value, given.line) for key, given in from_config_file(path).items()} == {
        "PORT": (81, 1),
        "QUEUE": (2, 2),
    }
    path.write_bytes("PORT = 81\n".encode("utf-16"))
    assert refusal_of(path) == [(0, "can't be read: it is in UTF-16: save it as UTF-8")]


def test_an_error_in_the_user_s_code_is_reported_at_its_line(config):
    """The last line of the file that was run, even if the error came from one of its functions."""
    found = refusal_of(config("PORT = 81\n\ndef f():\n    return 1 / 0\n\nQUEUE = f()\n"))
    assert found == [(4, "can't be run: ZeroDivisionError: division by zero")]


def test_variables_that_mean_nothing_are_found():
    """A variable with our prefix that is not a key is probably misspelt; those that are known elsewhere are not."""
    environment = {"SIMULATOR_PROT": "1", "SIMULATOR_PORT": "2", "SIMULATOR_A": "", "SIMULATOR_TOKEN": "t", "SIM": "x"}
    assert unknown_variables(environment, ("SIMULATOR_TOKEN",)) == ("SIMULATOR_A", "SIMULATOR_PROT")


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("SIMULATOR_PROT", "no such setting; did you mean SIMULATOR_PORT?"),
        ("SIMULATOR_URL", "no such setting; did you mean SIMULATOR_DOWNSTREAM?"),
        ("SIMULATOR_THREADS", "no such setting; did you mean SIMULATOR_WORKERS?"),
        ("SIMULATOR_COLOUR", "no such setting; see --help"),
    ],
)
def test_a_variable_that_means_nothing_has_the_nearest_one(variable, hint):
    """A misspelt variable would otherwise have no effect, and nobody would know why."""
    assert variable_hint(variable) == hint
