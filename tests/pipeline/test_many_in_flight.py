"""Thousands of messages in one stage do not hold each other up."""

from __future__ import annotations

import contextlib

from simulator.net.open_files import allow_many_files
from tests.support.processes import eventually, running_stage
from tests.support.wire import connect, post_bytes, read_answer

MESSAGES = 2500
LOOKS = "python_gc_collections_total"


def test_they_are_not_looked_through_for_garbage_again_and_again(tmp_path):
    """While they become more the stage looks for garbage a few times, not each time that some have come.

    With a fixed number of objects between two looks there were 20 of these, each through all messages that had come.
    """
    allow_many_files()
    limits = ("--workers", str(MESSAGES), "--delay", "constant(8s)")
    with contextlib.ExitStack() as stack, running_stage(tmp_path, *limits) as stage:
        before = stage.total(LOOKS, generation="0")
        clients = []
        for _ in range(MESSAGES):
            clients.append(stack.enter_context(connect(stage.port)))
            clients[-1].sendall(post_bytes(b"hi"))

        def all_have_come():
            assert stage.total("simulator_in_flight") + stage.total("simulator_messages_total") >= MESSAGES

        eventually(all_have_come)
        assert stage.total(LOOKS, generation="0") - before <= 8
        assert {read_answer(client).status for client in clients} == {200}
