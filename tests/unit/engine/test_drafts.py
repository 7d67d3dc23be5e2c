"""What an injector sends: messages that it makes up, or the lines of its input."""

from __future__ import annotations

import codecs
import io
import itertools

import pytest

from simulator.engine.drafts import Draft, bounded_lines, from_lines, generated
from simulator.topology.model import OnBadLine
from tests.support.injecting import Watching


def test_made_up_drafts_have_no_end():
    """Without a number of messages there is always another, numbered on from 1."""
    drafts = generated(None)
    assert [next(drafts) for _ in range(1000)] == [Draft(number, b"") for number in range(1, 1001)]


@pytest.mark.parametrize("messages", [0, 1, 5])
def test_so_many_drafts_and_no_more(messages):
    """With a number of messages there are exactly so many drafts."""
    assert [draft.number for draft in generated(messages)] == list(range(1, messages + 1))


def read(*lines, on_bad_line=OnBadLine.STOP, max_body_bytes=100, messages=None):
    """Read lines to their end; return the drafts and the watcher."""
    watcher = Watching()
    return list(from_lines(iter(lines), watcher, on_bad_line, max_body_bytes, messages)), watcher


def test_each_line_is_a_draft():
    """Each line is a message byte for byte, without its line break, numbered as in the file."""
    drafts, watcher = read(b'{"a": 1}\n', b"  [1,  2]\r\n", b'"last"')
    assert drafts == [Draft(1, b'{"a": 1}'), Draft(2, b"  [1,  2]\r"), Draft(3, b'"last"')]
    assert (watcher.lines, watcher.bad_lines) == (3, [])


def test_blank_lines_are_passed_over():
    """Blank lines are no messages, but count for the numbers of the lines after them."""
    drafts, watcher = read(b"\n", b"1\n", b"  \t\n", b"\r\n", b"2\n", b"\n")
    assert drafts == [Draft(2, b"1"), Draft(5, b"2")]
    assert watcher.lines == 2


def test_a_byte_order_mark_is_no_part_of_a_message():
    """Editors elsewhere start a file with a mark and end its lines with CRLF, whose CR is white space to JSON."""
    drafts, watcher = read(b'\xef\xbb\xbf{"n":1}\r\n', b"\r\n", b'{"n":2}\r\n', b"3\r")
    assert drafts == [Draft(1, b'{"n":1}\r'), Draft(3, b'{"n":2}\r'), Draft(4, b"3\r")]
    assert watcher.bad_lines == []
    assert read(b"\xef\xbb\xbf\n", b"1\n")[0] == [Draft(2, b"1")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_an_input_in_another_encoding_is_told_to_be_one(encoding):
    """The reason is the encoding, not what a parser makes of its first byte."""
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    _, watcher = read(*(mark + '{"n": 1}\n'.encode(encoding)).splitlines(keepends=True))
    assert watcher.bad_lines == [(1, "it is in UTF-16: save the file as UTF-8")]


def test_a_mark_and_the_line_s_end_do_not_count_to_the_length(tmp_path):
    """A line of just max_body bytes is taken, and one byte more is too many, whatever stands around it."""
    for body, taken in ((b"12345", 1), (b"123456", 0), (b"1234567", 0), (b"12345678", 0)):
        path = tmp_path / "input.jsonl"
        path.write_bytes(codecs.BOM_UTF8 + body + b"\n")
        with path.open("rb") as file:
            drafts, watcher = read(*bounded_lines(file, 5), max_body_bytes=5)
        assert (len(drafts), len(watcher.bad_lines)) == (taken, 1 - taken)


def test_a_bad_line_ends_the_input():
    """A line that is not JSON ends the input there, and is reported with its number and the reason."""
    drafts, watcher = read(b"1\n", b"\n", b"{broken\n", b"2\n")
    assert drafts == [Draft(1, b"1")]
    ((number, reason),) = watcher.bad_lines
    assert (number, watcher.lines) == (3, 2)
    assert reason.startswith("not JSON: ")


def test_a_line_beyond_a_parser_s_limits_is_none_that_is_bad():
    """Half a surrogate pair, a huge number and deep nesting are JSON, and end no input."""
    lines = [b'"\\ud83d"\n', b"1e400\n", b"9" * 2000 + b"\n", b"[" * 1500 + b"]" * 1500 + b"\n"]
    drafts, watcher = read(*lines, max_body_bytes=10_000)
    assert (len(drafts), watcher.bad_lines) == (len(lines), [])


def test_a_bad_line_is_skipped():
    """Told to skip bad lines, the input goes on after each of them."""
    drafts, watcher = read(b"nope\n", b"1\n", b"\xff\n", b"{} {}\n", b"2\n", on_bad_line=OnBadLine.SKIP)
    assert drafts == [Draft(2, b"1"), Draft(5, b"2")]
    assert [number for number, _ in watcher.bad_lines] == [1, 3, 4]
    assert watcher.lines == 5


def test_a_line_that_is_too_long():
    """A line of exactly max_body passes; one of a byte more is a bad one, with its size and the bound."""
    fits, too_long = b'"' + b"x" * 98 + b'"\n', b'"' + b"x" * 99 + b'"\n'
    drafts, watcher = read(fits, too_long, fits, on_bad_line=OnBadLine.SKIP)
    assert [draft.number for draft in drafts] == [1, 3]
    assert watcher.bad_lines == [(2, "it is larger than max_body (100 bytes)")]
    drafts, watcher = read(too_long, fits)
    assert (drafts, watcher.lines) == ([], 1)


@pytest.mark.parametrize(("messages", "numbers"), [(0, []), (1, [2]), (2, [2, 4]), (9, [2, 4, 5])])
def test_no_more_messages_than_were_asked_for(messages, numbers):
    """With a number of messages the input ends after so many good lines."""
    drafts, _ = read(b"nope\n", b"1\n", b"\n", b"2\n", b"3\n", on_bad_line=OnBadLine.SKIP, messages=messages)
    assert [draft.number for draft in drafts] == numbers


@pytest.mark.parametrize("messages", [0, 1, 2])
def test_no_line_is_read_beyond_the_last_message(messages):
    """When there have been enough messages no further line is asked for, which may never come."""

    def lines():
        for _ in range(messages):
            yield b"1\n"
        raise AssertionError("a further line was asked for")

    drafts = list(from_lines(lines(), Watching(), OnBadLine.STOP, 100, messages))
    assert len(drafts) == messages


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"", []),
        (b"12345\n1234\n", [b"12345\n", b"1234\n"]),
        (b"1234", [b"1234"]),
        (b"123456\n1\n", [b"123456\n", b"1\n"]),
        (b"x" * 500_000 + b"\n1\n", [b"x" * 10, b"1\n"]),
        (b"x" * 500_000, [b"x" * 10]),
    ],
)
def test_a_line_without_an_end_is_not_kept_whole(text, lines):
    """Of a line longer than the bound of 5 only the beginning is given, enough to see that it is too long."""
    assert list(bounded_lines(io.BytesIO(text), 5)) == lines


class Endless(io.RawIOBase):
    """A device that never comes to the end of a line."""

    def readline(self, size=-1):
        return bytes(size)


@pytest.mark.parametrize("policy", list(OnBadLine))
def test_a_line_that_never_ends_is_told_and_ends_the_input(policy):
    """`--input /dev/zero` is one bad line, also where bad lines are skipped, and no wait for ever."""
    watcher = Watching()
    lines = itertools.chain([b"1\n"], bounded_lines(Endless(), 5))
    assert list(from_lines(lines, watcher, policy, 100, None)) == [Draft(1, b"1")]
    assert watcher.lines == 2
    assert watcher.bad_lines == [(2, "it has no end within 256MB; the input is read no further")]
