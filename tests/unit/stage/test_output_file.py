"""The output as a file: every message is a line of JSON, and none is said to be in it that is not."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.output import Discarding
from simulator.errors import OutputFailed, StartError
from simulator.stage.output_file import JsonLinesOutput, to_line

JSON = "application/json"
CHARACTERS = st.characters(exclude_categories=["Cs"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(CHARACTERS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(CHARACTERS, max_size=5), inner, max_size=4),
    max_leaves=12,
)


@contextlib.contextmanager
def writing(path):
    output = JsonLinesOutput(path)
    try:
        yield output
    finally:
        output.close()


@given(VALUES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :")]))
def test_json_on_one_line_is_kept_byte_for_byte(value, ascii_only, separators):
    """JSON without line breaks is its own line, with the spaces and escapes that it came with."""
    body = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()
    assert to_line(body, JSON) == body + b"\n"


@given(VALUES, st.sampled_from([1, 4, "\t"]), st.sampled_from([b"\n", b"\r\n"]))
def test_json_on_many_lines_becomes_one(value, indent, line_break):
    """JSON with line breaks between its tokens is one line that says the same."""
    body = json.dumps(value, indent=indent).encode().replace(b"\n", line_break)
    line = to_line(body + line_break, "application/ld+json")
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert json.loads(line) == value


def test_only_the_line_breaks_are_changed():
    """Of JSON on many lines only the line breaks become spaces: numbers and texts stay as they are written."""
    line = to_line(b'{"a":\n  1.50,\r\n"b \\n": 1e2}', JSON)
    assert line.split() == [b'{"a":', b"1.50,", b'"b', b'\\n":', b"1e2}"]


def test_a_byte_order_mark_is_left_out():
    """A byte order mark before JSON belongs to no line of the file, one in a text of any other type stays."""
    mark = b"\xef\xbb\xbf"
    assert to_line(mark + b'{"a": 1}', JSON) == b'{"a": 1}\n'
    assert json.loads(to_line(mark + b"text", "text/plain")) == "\ufefftext"


def test_a_carriage_return_does_not_break_a_line(tmp_path):
    """JSON whose lines end with a carriage return alone is one line for every reader."""
    path = tmp_path / "kept.jsonl"
    path.write_bytes(to_line(b'{"a":\r1}', JSON))
    with path.open() as file:
        assert [json.loads(line) for line in file] == [{"a": 1}]


@given(st.text(CHARACTERS, min_size=1))
def test_text_becomes_a_json_string(text):
    """Text of any other type is a JSON string on one line, the very same text when it is read."""
    line = to_line(text.encode(), "text/plain")
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert json.loads(line) == text


@given(st.binary(min_size=1))
def test_what_is_no_text_becomes_base64(body):
    """A body that is no text is an object with its content type and its bytes as base64; nothing is lost."""
    line = to_line(body, "image/png")
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    kept = json.loads(line)
    if isinstance(kept, str):
        assert kept.encode() == body
    else:
        assert set(kept) == {"content_type", "base64"}
        assert kept["content_type"] == "image/png"
        assert base64.b64decode(kept["base64"]) == body


def test_the_three_kinds():
    """A body is kept as JSON, as text or as bytes by what it claims and what it is."""
    assert to_line(b"[1]", JSON) == b"[1]\n"
    assert to_line(b"[1]", "text/plain") == b'"[1]"\n'
    assert to_line(b"\xff", "text/plain") == b'{"content_type":"text/plain","base64":"/w=="}\n'


def test_messages_are_in_the_file_when_write_returns(tmp_path):
    """Each message is in the file as soon as it is said to be kept, after whatever stood there before."""
    path = tmp_path / "kept.jsonl"
    path.write_bytes(b'"before"\n')
    with writing(path) as output:
        output.write(b'{"n": 1}', JSON)
        assert path.read_bytes() == b'"before"\n{"n": 1}\n'
        output.write(b"two", "text/plain")
        assert path.read_bytes() == b'"before"\n{"n": 1}\n"two"\n'


def test_outputs_may_share_a_file(tmp_path):
    """Several terminators, each with threads of its own, append to one file without mixing their lines."""
    path = tmp_path / "kept.jsonl"
    bodies = [json.dumps({"output": k, "thread": t, "fill": "x" * 3000}).encode() for k in range(3) for t in range(3)]
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(writing(path)) for _ in range(3)]

        def write(output, body):
            for _ in range(50):
                output.write(body, JSON)

        threads = [threading.Thread(target=write, args=(outputs[n % 3], body)) for n, body in enumerate(bodies)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(path.read_bytes().splitlines()) == sorted(bodies * 50)


@pytest.mark.parametrize("place", ["missing/kept.jsonl", "", "file/kept.jsonl"])
def test_a_file_that_can_t_be_written_is_named(tmp_path, place):
    """A path that can't be written is refused at the start, by its name and with the reason."""
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / place
    with pytest.raises(StartError) as raised:
        JsonLinesOutput(path)
    reasons = {"missing/kept.jsonl": "No such file", "": "Is a directory", "file/kept.jsonl": "Not a directory"}
    assert str(raised.value).startswith(f"the output file {path} can't be written: {reasons[place]}")


def test_a_full_disk_is_a_failure():
    """A message for which the disk has no room is said not to be kept, with the reason."""
    with writing(Path("/dev/full")) as output:
        for _ in range(2):
            with pytest.raises(OutputFailed, match="can't be written: No space left on device"):
                output.write(b'{"n": 1}', JSON)


@contextlib.contextmanager
def room_for(size):
    """Let no file of this process grow beyond a size, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_after_half_a_line_a_new_one_begins(tmp_path):
    """A message of which only a part fitted is said not to be kept, and the next one stands on a line of its own."""
    path = tmp_path / "kept.jsonl"
    with writing(path) as output:
        output.write(b'{"n": 1}', JSON)
        with room_for(15), pytest.raises(OutputFailed, match="only a part of the message"):
            output.write(b'{"n": 2, "lost": true}', JSON)
        with room_for(15), pytest.raises(OutputFailed, match="can't be written: File too large"):
            output.write(b'{"n": 3}', JSON)
        output.write(b'{"n": 4}', JSON)
        output.write(b'{"n": 5}', JSON)
    assert path.read_bytes().split(b"\n") == [b'{"n": 1}', b'{"n": ', b'{"n": 4}', b'{"n": 5}', b""]


def test_discarding_keeps_nothing():
    """A terminator without an output takes every message and holds nothing."""
    output = Discarding()
    assert output.write(b"x", "text/plain") is None
    assert output.close() is None


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_closing_lets_go_of_the_file(tmp_path):
    """A closed output has no descriptor left."""
    before = open_descriptors()
    output = JsonLinesOutput(tmp_path / "kept.jsonl")
    assert open_descriptors() == before + 1
    output.close()
    assert open_descriptors() == before


def test_a_pipe_that_nobody_reads_is_refused(tmp_path):
    """A stage does not wait silently for the reader of a named pipe: the user sees what is missing."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StartError, match="is a pipe without a reader: start its reader first"):
        JsonLinesOutput(tmp_path / "pipe")


def test_a_pipe_with_a_slow_reader_gets_everything(tmp_path):
    """A message larger than a pipe holds arrives whole, however slowly it is read."""
    os.mkfifo(tmp_path / "pipe")
    read = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(read, True)
    body = b'"' + b"x" * 300_000 + b'"'
    with writing(tmp_path / "pipe") as output:
        writer = threading.Thread(target=output.write, args=(body, JSON))
        writer.start()
        text = b""
        while len(text) <= len(body):
            text += os.read(read, 4096)
        writer.join()
    os.close(read)
    assert text == body + b"\n"


def test_a_pipe_whose_reader_left_fails_the_message(tmp_path):
    """Without its reader a message is not kept, and that is said."""
    os.mkfifo(tmp_path / "pipe")
    read = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with writing(tmp_path / "pipe") as output:
        os.close(read)
        with pytest.raises(OutputFailed, match="Broken pipe"):
            output.write(b"1", JSON)
