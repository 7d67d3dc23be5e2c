"""The parser of answers: what comes before the answer, in whatever pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.stage.reply import BadReply, HttpReply
from tests.support.sending import OK, WITHHELD

PLAIN = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n"
MARK = (b"X-Simulator-Injected", b"true")


class Hearing:
    """A reply, and the headers of what was said before it."""

    def __init__(self):
        self.heard = []
        self.reply = HttpReply(self.heard.append)

    def feed(self, *pieces):
        for piece in pieces:
            self.reply.feed(piece)
        return self


def test_an_answer_without_anything_before_it():
    """Where nothing is said before the answer nothing is heard."""
    hearing = Hearing().feed(OK)
    assert (hearing.heard, hearing.reply.complete, hearing.reply.status) == ([], True, 200)


def test_what_is_said_before_an_answer_is_heard_in_order():
    """Each interim response is reported with its own headers, and none of them is the answer's."""
    hearing = Hearing().feed(PLAIN + HINTS + WITHHELD + OK)
    assert hearing.heard == [[], [(b"Link", b"</a>"), (b"Link", b"</b>")], [MARK]]
    assert (hearing.reply.status, hearing.reply.headers) == (200, [(b"Content-Length", b"2")])
    assert hearing.reply.keep_alive is True


def test_what_is_said_before_an_answer_is_heard_when_it_has_come():
    """An interim response is recorded as soon as it is whole, whether or not the answer ever comes."""
    hearing = Hearing().feed(WITHHELD[:-1])
    assert hearing.heard == []
    hearing.feed(WITHHELD[-1:])
    assert (hearing.heard, hearing.reply.complete) == ([[MARK]], False)
    with pytest.raises(BadReply, match="before the answer was whole"):
        hearing.reply.end()


@given(st.lists(st.integers(0, len(HINTS + WITHHELD + OK)), max_size=12))
def test_the_pieces_do_not_matter(cuts):
    """However the bytes are cut, the same is heard and the same answer read."""
    text = HINTS + WITHHELD + OK
    places = sorted({0, *cuts, len(text)})
    pieces = [text[begin:end] for begin, end in pairwise(places)]
    hearing = Hearing().feed(*pieces)
    assert hearing.heard == [[(b"Link", b"</a>"), (b"Link", b"</b>")], [MARK]]
    assert (hearing.reply.complete, hearing.reply.status) == (True, 200)
    assert hearing.reply.headers == [(b"Content-Length", b"2")]


def test_who_does_not_listen():
    """Without anybody to tell, interim responses are ignored."""
    reply = HttpReply()
    reply.feed(WITHHELD + OK)
    assert (reply.complete, reply.status) == (True, 200)


def test_whoever_is_told_may_break_the_reading_off():
    """An exception of the callback is raised to the caller, and not into the parser."""

    def break_off(headers):
        raise ZeroDivisionError

    reply = HttpReply(break_off)
    with pytest.raises(ZeroDivisionError):
        reply.feed(WITHHELD)


def test_an_answer_that_is_no_interim_response_is_not_told_as_one():
    """The mark of a fault in the head of an answer is the answer's own."""
    hearing = Hearing().feed(OK.replace(b"Content", b"X-Simulator-Injected: true\r\nContent"))
    assert (hearing.heard, MARK in hearing.reply.headers) == ([], True)


def test_nothing_is_heard_after_the_answer():
    """What a server says when its answer is over is told to nobody, and its connection is not used again."""
    hearing = Hearing().feed(OK + WITHHELD)
    assert (hearing.heard, hearing.reply.complete, hearing.reply.keep_alive) == ([], True, False)
