"""What the logs of a run say of each message, without times, so that two runs can be compared."""

from __future__ import annotations

from collections import Counter, defaultdict

from tests.support.processes import read_log


def story(folder):
    """Return {(stage, message id): how often which delay, faults, outcome and code}, by the logs in a run's folder."""
    visits = defaultdict(Counter)
    for log in sorted((folder / "logs").glob("*.jsonl")):
        for line in read_log(log):
            if line["event"] == "message.handled":
                met = (line["delay_drawn_seconds"], line.get("fault"), line["outcome"], line["code"])
                visits[line["stage"], line["message_id"]][met] += 1
    return visits
