"""Long work that yields to other greenlets."""

import pytest

from simulator.console.turns import Turns


@pytest.mark.parametrize(("steps", "turns"), [(0, 0), (9, 0), (10, 1), (99, 9), (1000, 100)])
def test_after_so_many_steps_others_have_their_turn(steps, turns):
    """Every tenth step gives way if a turn has ten."""
    given = []
    long = Turns(lambda: given.append(None), 10)
    assert list(long.over(range(steps))) == list(range(steps))
    assert len(given) == turns


def test_a_large_step_gives_way_at_once():
    """Work that takes as long as many steps counts as many."""
    given = []
    Turns(lambda: given.append(None), 10).step(25)
    assert given == [None]


def test_without_anybody_to_give_way_to_the_work_goes_on():
    """Nothing happens between the steps."""
    assert sum(Turns().over(range(1000))) == 499_500
