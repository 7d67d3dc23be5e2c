"""The input of an injector, from a file."""

from __future__ import annotations

from contextlib import closing

import pytest

from simulator.errors import StartError
from simulator.stage.load import open_lines


def test_a_file_of_lines(tmp_path):
    """A file is read line by line."""
    path = tmp_path / "orders.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": 2}\n')
    with closing(open_lines(str(path))) as lines:
        assert list(lines) == [b'{"n": 1}\n', b'{"n": 2}\n']


@pytest.mark.parametrize(("name", "reason"), [("missing.jsonl", "No such file"), ("", "Is a directory")])
def test_a_file_that_can_t_be_read_is_named(tmp_path, name, reason):
    """A file that can't be read is reported by its name and with the reason."""
    path = tmp_path / name
    with pytest.raises(StartError) as raised:
        open_lines(str(path))
    assert str(raised.value).startswith(f"the input file {path} can't be read: {reason}")
