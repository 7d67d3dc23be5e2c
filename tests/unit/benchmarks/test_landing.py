"""A measurement is compared with the last landing, and only what is worse beyond noise is a regression."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.figures import FIGURES, Measure
from benchmarks.landing import Landing, comparison, landing_of, read_landing, regressions, write_landing

OURS = {figure.key: [1.0, 1.1, 0.9, 1.05, 0.95] for figure in FIGURES}
PLAIN = {figure.key: [2.0] * 5 for figure in FIGURES}
JUDGED = [figure.key for figure in FIGURES if figure.landed_by is not None]


def landing(ours=OURS, plain=PLAIN) -> Landing:
    return landing_of(ours, plain, commit="abc", date="2026-01-01", processor="a processor")


def changed(key, factor) -> Landing:
    return landing({**OURS, key: [value * factor for value in OURS[key]]})


def test_the_same_again_is_no_regression():
    assert regressions(landing(), landing()) == []


@pytest.mark.parametrize("key", JUDGED)
def test_a_figure_that_is_worse_in_every_round_is_a_regression(key):
    figure = next(figure for figure in FIGURES if figure.key == key)
    factor = 0.7 if figure.more_is_better else 1.4
    (line,) = regressions(changed(key, factor), landing())
    assert line.startswith(f"{figure.title}: ") and "at the last landing" in line


@pytest.mark.parametrize("key", JUDGED)
def test_a_figure_that_is_better_is_none(key):
    figure = next(figure for figure in FIGURES if figure.key == key)
    assert regressions(changed(key, 1.4 if figure.more_is_better else 0.7), landing()) == []


def test_within_the_tolerance_nothing_is_a_regression():
    """Memory hardly varies, so that a few percent are worse in every round; the tolerance is 5 %."""
    steady = landing({**OURS, "idle_memory": [60.0e6, 60.1e6, 60.0e6, 60.1e6, 60.0e6]})
    slightly = landing({**OURS, "idle_memory": [62.8e6, 62.9e6, 62.8e6, 62.9e6, 62.8e6]})
    clearly = landing({**OURS, "idle_memory": [63.2e6, 63.3e6, 63.2e6, 63.3e6, 63.2e6]})
    assert regressions(slightly, steady) == []
    assert regressions(clearly, steady) == [
        "resident memory, idle stage: 60.0 MB at the last landing, 63.2 MB now",
    ]


def test_within_noise_nothing_is_a_regression():
    """One round as good as the worst of the landing is enough."""
    ours = {**OURS, "stage_cpu": [1.3, 1.3, 1.3, 1.3, 1.0]}
    assert regressions(landing(ours), landing()) == []


def test_too_few_rounds_decide_nothing():
    few = {key: values[:3] for key, values in changed("stage_cpu", 2.0).figures.items()}
    assert regressions(replace(landing(), figures=few), landing()) == []


def test_a_slower_machine_is_none():
    """The plain program is as much slower, so that the ratios are the same."""
    timed = [figure.key for figure in FIGURES if figure.landed_by is Measure.RATIO and not figure.more_is_better]
    ours = {**OURS, **{key: [3 * value for value in OURS[key]] for key in timed}}
    plain = {**PLAIN, **{key: [3 * value for value in PLAIN[key]] for key in timed}}
    assert regressions(landing(ours, plain), landing()) == []


def test_a_new_figure_has_nothing_to_compare_with():
    old = replace(landing(), figures={"stage_cpu": [1.0] * 5})
    assert [row[0] for row in comparison(landing(), old)][1:] == ["CPU per message, a middle stage"]


def test_a_landing_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "landed.json"
    assert read_landing(path) is None
    write_landing(landing(), path)
    assert read_landing(path) == landing()


def test_another_processor_or_python_is_another_machine():
    now = landing()
    assert replace(now, processor="another").machine != now.machine
    assert replace(now, python="3.99.1").machine != now.machine
    assert replace(now, python=now.python.rpartition(".")[0] + ".99").machine == now.machine
