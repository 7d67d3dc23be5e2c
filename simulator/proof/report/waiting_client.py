"""What a client that waits for each answer before it sends the next message would have measured of the same run.

Many load generators are such clients. While a system stalls they send nothing, and so they measure one slow answer for
each connection where there were hundreds of messages due: coordinated omission (Tene, How NOT to Measure Latency).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable


def measured_by_waiting(sent_and_ended: Iterable[tuple[float, float]], connections: int) -> list[int]:
    """Return the places of the messages that such a client would have sent.

    The messages are in the order in which they were sent. One is not sent while all connections wait for answers.
    """
    free_at = [-float("inf")] * connections
    measured = []
    for place, (sent_at, ended_at) in enumerate(sent_and_ended):
        if free_at[0] <= sent_at:
            heapq.heapreplace(free_at, ended_at)
            measured.append(place)
    return measured
