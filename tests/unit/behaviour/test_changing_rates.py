"""Schedules whose rate changes, or that were recorded: one small class each, and nothing else changes for it."""

import bisect
import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import pytest

from simulator.behaviour.schedules import SCHEDULES, RunningSchedule, Schedule, arrival_draw
from simulator.engine.drafts import generated
from simulator.local.description import describe
from simulator.topology.model import Stage
from simulator.topology.reader import read_topology, write_topology
from simulator.topology.samples import samples_beside
from simulator.topology.structure import structure, unstructure
from simulator.units import format_duration, format_rate
from tests.support.injecting import Rig, dues


@dataclass(frozen=True)
class Ramp(Schedule):
    """From one rate to another in a straight line, then no more: by the inverse of the integrated rate."""

    name: ClassVar[str] = "ramp"
    low: float
    high: float
    seconds: float

    @classmethod
    def read(cls, arguments, _):
        return cls(arguments.rate("from"), arguments.rate("to"), arguments.duration("over"))

    def expected(self, seconds):
        return self.low * seconds + (self.high - self.low) / self.seconds * seconds**2 / 2

    def when(self, expected):
        """Solve `expected(when(x)) == x`, in the form that loses no digits where the rates are equal."""
        if expected > self.expected(self.seconds):
            return None
        slope = (self.high - self.low) / self.seconds
        return 2 * expected / (self.low + math.sqrt(self.low**2 + 2 * slope * expected))

    def next_due(self, last_due_seconds, number, u):
        return self.when(number)

    def __str__(self):
        rates = f"{format_rate(self.low)}, {format_rate(self.high)}"
        return f"{self.name}({rates}, {format_duration(self.seconds)})"


class PoissonRamp(Ramp):
    """The same at random: the time of a Poisson process is changed so that its rate is the ramp's."""

    name: ClassVar[str] = "random_ramp"

    def next_due(self, last_due_seconds, number, u):
        return self.when(self.expected(last_due_seconds) - math.log1p(-u))


@dataclass(frozen=True)
class Step(Schedule):
    """One rate until a point in time, another from then on."""

    name: ClassVar[str] = "step"
    before: float
    after: float
    at_seconds: float

    @classmethod
    def read(cls, arguments, _):
        return cls(arguments.rate("before"), arguments.rate("after"), arguments.duration("at"))

    def next_due(self, last_due_seconds, number, u):
        until = self.before * self.at_seconds
        return number / self.before if number <= until else self.at_seconds + (number - until) / self.after

    def __str__(self):
        rates = f"{format_rate(self.before)}, {format_rate(self.after)}"
        return f"{self.name}({rates}, {format_duration(self.at_seconds)})"


@dataclass(frozen=True)
class PoissonSine(Schedule):
    """A day and a night, at random: `mean * (1 + sin(2 pi t / period))`, whose integral is inverted by bisection."""

    name: ClassVar[str] = "sine"
    mean: float
    period: float

    @classmethod
    def read(cls, arguments, _):
        return cls(arguments.rate("mean"), arguments.duration("period"))

    def expected(self, seconds):
        return self.mean * (seconds + self.period / math.tau * (1 - math.cos(math.tau * seconds / self.period)))

    def next_due(self, last_due_seconds, number, u):
        target = self.expected(last_due_seconds) - math.log1p(-u)
        low, high = last_due_seconds, target / self.mean
        while low < (middle := (low + high) / 2) < high:
            low, high = (middle, high) if self.expected(middle) < target else (low, middle)
        return high

    def __str__(self):
        return f"{self.name}({format_rate(self.mean)}, {format_duration(self.period)})"


@dataclass(frozen=True)
class Recorded(Schedule):
    """What arrived somewhere, one time a line in a file, and then no more."""

    name: ClassVar[str] = "recorded"
    path: str
    seconds: tuple[float, ...]

    @classmethod
    def read(cls, arguments, read_samples):
        path, seconds = read_samples(arguments.text("FILE"))
        return cls(path, tuple(seconds))

    def next_due(self, last_due_seconds, number, u):
        return self.seconds[number - 1] if number <= len(self.seconds) else None

    def __str__(self):
        return f"{self.name}({self.path})"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for kind in (Ramp, PoissonRamp, Step, PoissonSine, Recorded):
        monkeypatch.setitem(SCHEDULES, kind.name, kind.read)


def due_times(schedule, until, seed=7):
    found, running = [], RunningSchedule(schedule, 0.0)
    while True:
        turn = running.next(arrival_draw(seed, "injector", running.number + 1))
        if turn is None or turn.due_at > until:
            return found
        found.append(turn.due_at)
        running = turn


def counts(found, windows):
    """Count the due times in each of (0, 1], (1, 2] and so on."""
    ends = [bisect.bisect_right(found, end) for end in range(windows + 1)]
    return [later - earlier for earlier, later in itertools.pairwise(ends)]


RAMP = Ramp(10.0, 100.0, 60.0)
SINE = PoissonSine(40.0, 20.0)


def test_a_ramp():
    """From 10/s to 100/s in a minute: 3,300 messages, in each second as many as the line has below it, to one."""
    found = due_times(RAMP, math.inf)
    assert (len(found), found[-1]) == (3300, pytest.approx(60.0, rel=1e-14))
    for second, count in enumerate(counts(found, 60)):
        assert abs(count - (10 + 1.5 * (second + 0.5))) < 1


def test_a_step():
    """10/s for a minute and 100/s from then on, exact in every second."""
    assert counts(due_times(Step(10.0, 100.0, 60.0), 120), 120) == [10] * 60 + [100] * 60


def test_a_recording(tmp_path):
    """Messages are due when they were, and then no more."""
    (tmp_path / "times.txt").write_text("0\n250ms\n250ms\n2s\n")
    stage, problems = structure(loaded("recorded(times.txt)"), Stage, samples_beside(tmp_path))
    assert problems == []
    assert due_times(stage.load.schedule, math.inf) == [0.0, 0.25, 0.25, 2.0]


@pytest.mark.parametrize("schedule", [PoissonRamp(10.0, 100.0, 60.0), SINE], ids=str)
@pytest.mark.parametrize("seed", [0, 7, 8])
def test_random_arrivals_at_a_changing_rate(schedule, seed):
    """The counts of each second are Poisson's, with the integral of the rate as their mean (chi-squared, 4.9 sigma)."""
    found = due_times(schedule, 60, seed)
    means = [schedule.expected(second + 1) - schedule.expected(second) for second in range(60)]
    pairs = list(zip(counts(found, 60), means, strict=True))
    assert sum(pair[0] for pair in pairs) == len(found)
    # A count's square around its mean, over the mean, has mean 1 and variance 2 + 1 / mean.
    distance = sum((count - mean) ** 2 / mean for count, mean in pairs) - len(pairs)
    assert abs(distance) < 4.9 * math.sqrt(sum(2 + 1 / mean for mean in means))


def loaded(arrivals, **load):
    return {"role": "injector", "load": {"arrivals": arrivals, **load}, "calls": ["archive"]}


SPECS = ["ramp(10/s, 100/s, 60s)", "random_ramp(10/s, 100/s, 60s)", "step(1/s, 5/s, 1ms)", "sine(40/s, 20s)"]


@pytest.mark.parametrize("spec", SPECS)
def test_a_schedule_of_one_s_own_is_written_in_a_topology(spec, tmp_path):
    """It stands in YAML with no rate beside it, also within braces, is described, and comes back as it was."""
    path = tmp_path / "own.yaml"
    path.write_text(f"""
name: own
stages:
  injector: {{role: injector, load: {{arrivals: {spec}, messages: 5}}, calls: [archive]}}
  archive: {{role: terminator}}
""")
    topology = read_topology(path)
    assert unstructure(topology.stages["injector"].load) == {"arrivals": spec, "messages": 5}
    path.write_text(write_topology(topology))
    assert read_topology(path) == topology
    last = describe(topology).renderables[-1]
    assert str(last) == f"entries: injector ({spec})"


@pytest.mark.parametrize("spec", SPECS)
def test_a_schedule_with_its_own_rate_takes_no_other(spec):
    """A rate beside it is refused, and which of the two to leave out is said."""
    _, problems = structure(loaded(spec, rate="20/s"), Stage)
    name = spec.partition("(")[0]
    assert problems == [(("load",), f"{name} itself says when messages are due: leave out the rate")]


def test_an_injector_keeps_a_ramp():
    """The injector sends when the ramp says, and tells of the end of the load when the ramp has no further message."""
    rig, ramp = Rig(), Ramp(100.0, 1900.0, 0.02)
    rig.injector.run_paced(generated(None), ramp)
    assert dues(rig) == pytest.approx([ramp.when(number) for number in range(1, 21)], abs=2e-6)
    assert (len(rig.messages), rig.watcher.ends) == (20, 1)


def test_a_ramp_that_is_begun_later_begins_at_its_low_end():
    """A schedule that takes another's place counts messages and seconds from then."""
    rig, ramp = Rig(), Ramp(100.0, 1900.0, 0.02)

    def drafts():
        for draft in generated(None):
            if draft.number == 4:
                rig.injector.repace(ramp)
            yield draft

    rig.injector.run_paced(drafts(), Step(256.0, 256.0, 1.0))
    begun = 3 / 256
    assert dues(rig)[3:] == pytest.approx([begun + ramp.when(number) for number in range(1, 21)], abs=2e-6)
