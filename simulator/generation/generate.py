"""A whole topology from a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from simulator.errors import ConfigurationError
from simulator.generation.calls import arrange, choose_by_popularity, with_calls_changed
from simulator.generation.chance import Chance
from simulator.generation.delays import delay_of
from simulator.generation.load import loads_of, with_room
from simulator.generation.names import Kind, kinds_of, names_of
from simulator.generation.shape import Shape, default_layers, make_shape
from simulator.generation.troubles import Options, faults_of
from simulator.generation.visits import with_probabilities
from simulator.topology.load import Load
from simulator.topology.model import Role, Stage, Topology
from simulator.topology.quantities import Name, PerSecond, Seed
from simulator.topology.steps import Step

MAX_STAGES = 10_000
MIN_VISITS = 5.0
DEFAULT_VISITS = 20.0
DEFAULT_RATE_PER_SECOND = 10.0
_INJECTOR = "injector"
_MAX_FALLBACKS = 20  # that a caller chooses from; more make no difference


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to generate.

    `stages` includes the injectors; a single stage has none. `layers` of None means as many as suit the number of
    stages. `max_visits` bounds the visits that a message makes on average, without retries. Each injector
    creates `rate_per_second`. `faulty_ratio` of the stages have a fault, `options_ratio` of the calls have options.
    """

    stages: int
    seed: int
    name: str | None = None
    layers: int | None = None
    injectors: int = 1
    max_visits: float = DEFAULT_VISITS
    rate_per_second: float = DEFAULT_RATE_PER_SECOND
    faulty_ratio: float = 0.0
    options_ratio: float = 0.0

    def __post_init__(self) -> None:
        problems = [*_range_problems("stages", self.stages, 1, MAX_STAGES)]
        if self.stages > 1:
            problems += _range_problems("injectors", self.injectors, 1, self.stages // 2)
        if self.stages > 1 and self.layers is not None:
            problems += _range_problems("layers", self.layers, 1, self.stages - 2 * self.injectors + 1)
        if not self.max_visits >= MIN_VISITS:
            problems.append(f"{self.max_visits:g} visits are out of range: must be at least {MIN_VISITS:g}")
        if problems:
            raise ConfigurationError.of("; ".join(problems))


def _range_problems(what: str, number: int, low: int, high: int) -> list[str]:
    return [] if low <= number <= high else [f"{number} {what} are out of range: must be between {low} and {high}"]


def generate(plan: Plan) -> Topology:
    """Return the topology of a plan: the same one for the same plan, every stage after those that call it.

    Raise ConfigurationError if no number of workers carries the load.
    """
    chance = Chance(plan.seed)
    injectors = _injectors(plan)
    count = plan.stages - len(injectors)
    shape = make_shape(count, plan.layers or default_layers(count), max(1, len(injectors)), chance)
    kinds = kinds_of(shape, chance)
    names = names_of(shape, kinds, injectors, chance)
    steps = with_probabilities(_steps(shape, names, injectors, chance), injectors, plan.max_visits, chance)
    kind_of = dict(zip(names, kinds, strict=True))
    stages = {name: _stage(name, kind_of.get(name), own, plan, chance) for name, own in steps.items()}
    if plan.options_ratio:
        stages = _with_options(stages, _fallbacks(shape, names), plan.options_ratio, chance)
    return Topology(
        name=Name(plan.name or f"generated-{plan.stages}"), seed=Seed(plan.seed), stages=with_room(stages, chance)
    )


def _injectors(plan: Plan) -> list[str]:
    if plan.stages == 1:
        return []
    return [_INJECTOR if plan.injectors == 1 else f"{_INJECTOR}-{number + 1}" for number in range(plan.injectors)]


def _steps(shape: Shape, names: Sequence[str], injectors: Sequence[str], chance: Chance) -> dict[str, tuple[Step, ...]]:
    """Return the steps of each stage; the injectors share the entries."""
    entries = [names[number] for number in shape.layers[0]]
    steps = {
        injector: choose_by_popularity(entries[place :: len(injectors)]) for place, injector in enumerate(injectors)
    }
    for name, called in zip(names, shape.called, strict=True):
        steps[name] = arrange(name, [names[number] for number in called], chance)
    return steps


def _stage(name: str, kind: Kind | None, steps: Sequence[Step], plan: Plan, chance: Chance) -> Stage:
    """Return a stage without workers and options; a `kind` of None means an injector."""
    if kind is None:
        load = Load(rate_per_second=PerSecond(plan.rate_per_second))
        return Stage(role=Role.INJECTOR, load=load, calls=tuple(steps))
    is_last = kind in (Kind.DATABASE, Kind.CACHE)
    return Stage(
        role=Role.TERMINATOR if is_last else Role.PROCESSOR,
        delay=delay_of(name, kind, chance),
        faults=faults_of(name, plan.faulty_ratio, chance),
        calls=() if is_last else tuple(steps),
    )


def _with_options(
    stages: Mapping[str, Stage], fallbacks: Mapping[str, Sequence[str]], share: float, chance: Chance
) -> dict[str, Stage]:
    mean_seconds = {name: load.busy_seconds for name, load in loads_of(stages).items()}
    options = Options(share, mean_seconds, fallbacks, chance)

    def added(name: str, stage: Stage) -> Stage:
        if stage.role is not Role.PROCESSOR:
            return stage
        return replace(stage, calls=with_calls_changed(stage.calls, lambda call: options.added_to(name, call)))

    return {name: added(name, stage) for name, stage in stages.items()}


def _fallbacks(shape: Shape, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the leaves that each stage may fall back on: some of those in deeper layers."""
    deeper: list[int] = []
    found: dict[str, list[str]] = {}
    for layer in reversed(shape.layers):
        nearest = [names[number] for number in deeper[:_MAX_FALLBACKS]]
        found |= dict.fromkeys((names[number] for number in layer), nearest)
        deeper = [number for number in layer if not shape.called[number]] + deeper
    return found
