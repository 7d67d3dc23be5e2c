"""The tables of growth, and the exit code of what is more than linear."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from benchmarks import growth
from benchmarks.cores import Scaling, best_of
from benchmarks.growing import in_turns


def test_a_table_has_the_smallest_cost_and_an_exponent(capsys):
    """With a column for one of so many where that is asked for."""
    costs = {"CPU per message": {1: [0.002, 0.001], 4: [0.003, 0.004]}}
    assert growth._shown("calls", "", costs, costs) == []
    title, one, four, exponent = capsys.readouterr().out.splitlines()
    assert title.split() == ["calls", "CPU", "per", "message", "of", "each"]
    assert one.split() == ["1", "1000", "µs", "1000", "µs"]
    assert four.split() == ["4", "3000", "µs", "750", "µs"]
    assert exponent == "CPU per message: exponent 0.79, 0.79 from 1 to 4: linear or better"


def test_what_is_steeper_is_returned(capsys):
    """By its name; a cost beside it that is linear is not."""
    costs = {"memory": {1: [1e6], 10: [1e7]}, "CPU per visit": {1: [0.001], 10: [0.02]}}
    assert growth._shown("packed stages", "", costs, {}) == ["CPU per visit"]
    assert "CPU per visit: exponent 1.30, 1.30 from 1 to 10: more than linear" in capsys.readouterr().out


class Nothing:
    """A server that is not there."""

    url = "http://127.0.0.1:9"

    def __init__(self, kind):
        self.kind = kind

    def close(self):
        pass


@pytest.mark.parametrize(
    ("options", "found", "code"), [([], ["rate"], 1), ([], [], 0), (["--quick"], ["rate"], 0)], ids=str
)
def test_what_is_more_than_linear_fails(monkeypatch, options, found, code):
    """One table is enough; a quick round judges nothing."""
    monkeypatch.setattr(growth, "Server", Nothing)
    monkeypatch.setattr(growth, "_measured", lambda name, *_: found if name == "cores" else [])
    finished = CliRunner().invoke(growth.main, options, standalone_mode=False)
    assert finished.return_value == code
    assert ("More than linear: cores: rate." in finished.stderr) == bool(found)


def test_sizes_get_their_bursts_in_turns():
    """A round that warms up is left out; the order changes from round to round."""
    order = []

    def burst(size):
        order.append(size)
        return float(len(order))

    costs = in_turns({size: lambda size=size: burst(size) for size in (1, 2, 3)}, 4)
    assert {size: len(values) for size, values in costs.items()} == {1: 4, 2: 4, 3: 4}
    assert min(min(values) for values in costs.values()) > 3
    rounds = [tuple(order[at : at + 3]) for at in range(0, 15, 3)]
    assert all(sorted(one) == [1, 2, 3] for one in rounds) and len(set(rounds)) > 1


def test_of_several_rates_the_highest_counts():
    """Each for itself: what else runs on the machine only ever takes something away."""
    found = [
        Scaling(cores=2, rate_alone=100, rate_together=150, count_alone=10, count_together=20),
        Scaling(cores=2, rate_alone=80, rate_together=190, count_alone=9, count_together=12),
    ]
    best = best_of(found)
    assert (best.ratio, best.machine_ratio) == (1.9, 2.0)
