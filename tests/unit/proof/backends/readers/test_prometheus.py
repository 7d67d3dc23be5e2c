"""Reading what counters counted from Prometheus' API."""

from __future__ import annotations

import urllib.parse

import pytest

from simulator.proof.backends.held import BackendError
from simulator.proof.backends.readers.fetching import BackendClient
from simulator.proof.backends.readers.prometheus import read_prometheus
from tests.support.odd_servers import answering_json

START, END = 1000.0, 1010.0


def read(*series, status=200, content=None):
    content = content or {"status": "success", "data": {"result": list(series)}}
    with answering_json(lambda path: (status, content)) as (origin, asked), BackendClient(origin) as client:
        held = read_prometheus(client, ["simulator_messages_total"], ["page", "v1.api"], START, END)
    return held, asked


def series(*values, begin=1000.0, step=1.0, **labels):
    samples = [[begin + index * step, str(value)] for index, value in enumerate(values)]
    return {"metric": {"stage": "page", "outcome": "delivered", **labels}, "values": samples}


def test_the_query_has_the_stages_and_the_time_of_the_run():
    """A dot in a name is itself; the window reaches a minute beyond the end, for the last scrape."""
    _, [asked] = read()
    found = dict(urllib.parse.parse_qsl(asked.partition("?")[2]))
    assert found == {"query": 'simulator_messages_total{stage=~"page|v1\\\\.api"}[70000ms]', "time": "1070.000"}


@pytest.mark.parametrize(
    ("values", "count"),
    [([0, 3, 7, 7], 7), ([4, 9], 9), ([5, 8, 2, 4], 12), ([], 0)],
    ids=["grows", "begins above 0", "restarts", "none"],
)
def test_a_counter_counts_from_0_and_from_each_restart(values, count):
    """What was counted before the first scrape counts, and so does what a process counted that was replaced."""
    if not values:
        held, _ = read()
        assert not held.counts
        return
    held, _ = read(series(*values))
    assert held.counts[0].count == count


def test_a_next_run_is_not_counted():
    """After the end of the run, a counter that starts over is that of another run on the same port."""
    held, _ = read(series(0, 50, 100, 3, 40, begin=1008.0))
    assert held.counts[0].count == 100


def test_the_last_sample_and_the_longest_gap_are_known():
    """By these a missing count is explained."""
    one = series(1, 2, 3)
    one["values"].append([1007.0, "4"])
    held, _ = read(one)
    assert (held.counts[0].last_unix_seconds, held.counts[0].gap_seconds) == (1007.0, 5.0)
    assert held.counts[0].interval_seconds == 1.0


def test_a_refused_query_is_told():
    """Prometheus' own error, or an answer that is not its."""
    with pytest.raises(BackendError, match="the query was refused: too many samples"):
        read(status=422, content={"status": "error", "error": "too many samples"})
    with pytest.raises(BackendError, match="not Prometheus' API"):
        read(content={"status": "success"})
    with pytest.raises(BackendError, match="refused: status 404"):
        read(status=404, content={"a": 1})


def test_a_series_that_can_not_be_read_is_counted():
    """The others are read."""
    held, _ = read(series(1), {"metric": {}}, {"metric": {"stage": "page"}, "values": [[1, "x"]]})
    assert len(held.counts) == 1
    assert held.unreadable == {"series": 2}
