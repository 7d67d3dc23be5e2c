"""Objects and open files between two processes, here between two ends in one."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import pytest

from simulator.net.channel import Channel


@pytest.fixture
def ends():
    """Return the two ends of a channel."""
    with contextlib.ExitStack() as stack:
        channels = [Channel(end) for end in socket.socketpair()]
        for channel in channels:
            stack.callback(channel.close)
        yield channels


def test_objects_come_in_order(ends):
    """What is sent is received, one object after the other, also several that came in one piece."""
    ours, theirs = ends
    ours.send({"start": "parse"})
    ours.send({"text": "line\nbreak é", "number": 7})
    assert theirs.receive() == ({"start": "parse"}, [])
    assert theirs.receive() == ({"text": "line\nbreak é", "number": 7}, [])


def test_open_files_come_with_their_object(ends, tmp_path):
    """Each object has the files that were sent with it, whatever was sent around it; they are not inherited."""
    ours, theirs = ends
    names = ["a", "b", "c"]
    files = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in names]
    ours.send({"n": 0})
    ours.send({"n": 2}, files[:2])
    ours.send({"n": 3})
    ours.send({"n": 1}, files[2:])
    for descriptor in files:
        os.close(descriptor)
    came = theirs.received()
    assert [message for message, _ in came] == [{"n": 0}, {"n": 2}, {"n": 3}, {"n": 1}]
    assert [len(descriptors) for _, descriptors in came] == [0, 2, 0, 1]
    for name, descriptor in zip(names, [one for _, descriptors in came for one in descriptors], strict=True):
        assert os.get_inheritable(descriptor) is False
        os.write(descriptor, name.encode())
        os.close(descriptor)
    assert [(tmp_path / name).read_text() for name in names] == names


def test_the_end_is_noticed(ends):
    """What was sent before the other end closed is still received; then there is no more."""
    ours, theirs = ends
    assert theirs.received() == []
    ours.send({"n": 1})
    ours.close()
    assert theirs.received() == [({"n": 1}, [])]
    assert theirs.is_closed
    assert theirs.receive() is None
    theirs.send({"nobody": "hears it"})


def test_a_large_object_arrives_whole(ends):
    """An object larger than the socket's buffer is sent while the other end reads."""
    ours, theirs = ends
    message = {"text": "x" * 1_000_000}
    sending = threading.Thread(target=ours.send, args=(message,))
    sending.start()
    assert theirs.receive() == (message, [])
    sending.join()


def test_files_that_nobody_took_are_closed(ends):
    """A channel that is closed leaves no descriptor open that came and was not taken."""
    ours, theirs = ends
    read, write = os.pipe()
    ours.send({"n": 1})
    ours.send({"n": 2}, [write])
    os.close(write)
    assert theirs.receive() == ({"n": 1}, [])
    theirs.close()
    ours.close()
    assert os.read(read, 1) == b""
    os.close(read)
