"""Slips of people who write topologies: each is one mistake, at its place, that says what to write."""

from __future__ import annotations

import pytest

from simulator.errors import ConfigurationError
from simulator.topology.reader import parse_topology
from simulator.topology.samples import samples_beside

HEAD = """stages:
  in: {role: injector, load: {rate: 20/s}, calls: [cart]}
  end: {role: terminator}
"""


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a topology, and returns its mistakes."""

    def read(text):
        try:
            parse_topology(text, "file.yaml", samples_beside(tmp_path), "shop")
        except ConfigurationError as error:
            return [problem.message.split("\n")[0] for problem in error.problems]
        return []

    return read


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("count: 3", "stages.cart.count: unknown key; did you mean `instances`?"),
        ("replicas: 3", "stages.cart.replicas: unknown key; did you mean `instances`?"),
        ("threads: 8", "stages.cart.threads: unknown key; did you mean `workers`?"),
        ("latency: 5ms", "stages.cart.latency: unknown key; did you mean `delay`?"),
        ("errors: [reset(1%)]", "stages.cart.errors: unknown key; did you mean `faults`?"),
        ("timeout: 1s", "stages.cart.timeout: unknown key; did you mean `calls: [{to: name, timeout: 1s}]`?"),
        (
            "x-team: a",
            "stages.cart.x-team: unknown key; keys that begin with x- are ignored only at the top of the file",
        ),
        (
            "delay: 'normal(mean=15ms, stddev=3ms)'",
            "stages.cart.delay: normal does not take `stddev`; it takes mean, deviation; did you mean `deviation`?",
        ),
        (
            "delay: 'lognormal(mean=5ms, sigma=1.5)'",
            "stages.cart.delay: lognormal does not take `mean`, `sigma`; it takes p50, p99, max=",
        ),
        (
            "delay: mixture(90%: uniform(1ms, 5ms), 10%: constant(1s))",
            "not YAML: did not find expected ',' or '}'; put it in quotes: "
            "'mixture(90%: uniform(1ms, 5ms), 10%: constant(1s))'",
        ),
        ("delay: 15", "stages.cart.delay: 15 has no unit: write 15ms or 15s"),
        ("delay: 5ms-10ms", "stages.cart.delay: '5ms-10ms' is not a delay: write uniform(5ms, 10ms)"),
        ("delay: exponential", "stages.cart.delay: 'exponential' has no values: write exponential(20ms)"),
        (
            "delay: {p50: 12ms, p99: 80ms}",
            "stages.cart.delay: {'p50': '12ms', 'p99': '80ms'} is not a delay: write lognormal(p50=12ms, p99=80ms)",
        ),
        ("faults: [error(503, 5)]", "stages.cart.faults[0]: '5' exceeds 100%: write 5%"),
        ("faults: [error]", "stages.cart.faults[0]: 'error' is not a fault: write error(503, 5%)"),
        ("faults: [latency(200ms, 5%)]", "stages.cart.faults[0]: there is no fault 'latency'; did you mean `hang`?"),
        (
            'faults: [error(503, 5%, "redis timeout")]',
            "not YAML: did not find expected ',' or ']'; put it in quotes: 'error(503, 5%, \"redis timeout\")'",
        ),
        ("max_body: 1Mi", "stages.cart.max_body: '1Mi' has the unknown unit 'Mi': did you mean MiB?"),
        ("instances: 2-6", "stages.cart.instances: '2-6' is not a whole number: a range of instances is 2..6"),
        ("port: '8080'", "stages.cart.port: '8080' is not a whole number: leave out the quotes"),
        (
            "port: 08080",
            "stages.cart.port: 08080 has a leading zero: write 8080, or '08080' in quotes for text",
        ),
        (
            "slo: 99%",
            "stages.cart.slo: must be a mapping of keys to values, not '99%': write {latency: 300ms@99%, errors: 0.1%}",
        ),
        ("endpoints: {read: {method: GET}}", "stages.cart.endpoints: unknown key; did you mean `operations`?"),
        ("routes: {read: {method: GET}}", "stages.cart.routes: unknown key; did you mean `operations`?"),
        (
            "operations: [read, add]",
            "stages.cart.operations: must be a mapping of names to operations, as in {read: {method: GET}}, "
            "not ['read', 'add']",
        ),
        (
            "operations: {read: {verb: GET}}",
            "stages.cart.operations.read.verb: unknown key; did you mean `method`?",
        ),
        (
            "operations: {read: {workers: 3}}",
            "stages.cart.operations.read.workers: unknown key; `workers` is the stage's, and all its operations "
            "share it",
        ),
        (
            "operations: {read: {method: get}}",
            "stages.cart.operations.read.method: 'get' is not one of GET, HEAD, POST, PUT, PATCH, DELETE; "
            "did you mean `GET`?",
        ),
        (
            "labels: {team: a}",
            "stages.cart.labels: must be a list of decisions and attributes, as in [tenant], not {'team': 'a'}",
        ),
        (
            "labels: [team]",
            "stages.cart.labels[0]: no message has 'team' here, as a decision or attribute; there are none",
        ),
        ("tags: [team]", "stages.cart.tags: unknown key; did you mean `labels`?"),
        ("decisions: {hit: 90%}", "stages.cart.decisions: unknown key; did you mean `decide`?"),
        ("cpu: 20ms", "stages.cart.cpu: unknown key; did you mean `work`?"),
        (
            "kind: postgres",
            "stages.cart.kind: 'postgres' is not one of service, database, cache, external; did you mean `database`?",
        ),
        ("answer: proxy", "stages.cart.answer: 'proxy' is not one of own, downstream; did you mean `downstream`?"),
        ("forward: async", "stages.cart.forward: 'async' is not one of wait, accept; did you mean `accept`?"),
    ],
)
def test_a_slip_in_a_stage(read, stage, told):
    """Keys, units and notations of other programs, and values that YAML takes apart."""
    assert read(f"{HEAD}  cart: {{{stage}, calls: [end]}}\n") == [told]


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ("[{to: end, size: 1KB}]", "calls[0].size: unknown key; did you mean `request_bytes`?"),
        ("[{to: end, operation: read}]", "calls[0].operation: unknown key; did you mean `to: cart.read`?"),
        ("[{to: end, endpoint: read}]", "calls[0].endpoint: unknown key; did you mean `to: cart.read`?"),
        (
            "[{to: end, labels: a}]",
            "calls[0].labels: unknown key; allowed are to, timeout, deadline, probability, when, times, retries, "
            "hedge, breaker, optional, fallback, request_bytes, headers",
        ),
        ("[{delay: 1s, to: end}]", "calls[0]: `to` and `delay` are steps of their own: write one for each"),
        (
            "[{sleep: 10ms}, end]",
            "calls[0]: a step has one of the keys to, delay, parallel, steps, choose; did you mean `delay`?",
        ),
        (
            "[{choice: {end: 1}}]",
            "calls[0]: a step has one of the keys to, delay, parallel, steps, choose; did you mean `choose`?",
        ),
        (
            "[{concurrent: [end]}]",
            "calls[0]: a step has one of the keys to, delay, parallel, steps, choose; did you mean `parallel`?",
        ),
        ("[{to: end, url: x}]", "calls[0].url: unknown key; did you mean `to`?"),
        ("[{parallel: [end, end], max: 2}]", "calls[0].max: unknown key; did you mean `limit`?"),
        ("[{to: end, probability: 10}]", "calls[0].probability: 10 exceeds 100%: write 10%"),
        ("[{to: end, timeout: 5 sec}]", "calls[0].timeout: '5 sec' has the unknown unit 'sec': did you mean s?"),
        (
            "[{to: end, optional: yes}]",
            "calls[0].optional: yes is true in YAML 1.1 and text in YAML 1.2: write true, or 'yes' in quotes for text",
        ),
        ("end", "calls: must be a list of steps, as in [parse, enrich], not 'end'"),
        ("", "calls: must be a list of steps, as in [parse, enrich], not None"),
        (
            "{end: {timeout: 1s}}",
            "calls: must be a list of steps, as in [parse, enrich], not {'end': {'timeout': '1s'}}",
        ),
        ("[end, edn]", "calls[1]: there is no stage 'edn'; did you mean `end`?"),
        (
            "[{choose: [{steps: [edn], weight: 1}]}]",
            "calls[0].choose[0].steps[0]: there is no stage 'edn'; did you mean `end`?",
        ),
        ("[{choose: [[edn]]}]", "calls[0].choose[0][0]: there is no stage 'edn'; did you mean `end`?"),
        (
            "[{choose: {end: 50%, [end, end]: 50%}}]",
            "calls[0].choose: a key must be plain text, not a list: write a list, as in "
            "choose: [{to: a, weight: 1}, {steps: [b, c], weight: 1}]",
        ),
    ],
)
def test_a_slip_in_a_call(read, calls, told):
    """The same within the steps of a stage."""
    assert read(f"{HEAD}  cart: {{calls: {calls}}}\n") == [f"stages.cart.{told}"]


def test_a_call_with_the_stage_as_its_key(read):
    """As other programs have it; what to write is said."""
    found = read(f"{HEAD}  cart: {{calls: [end, {{end: {{timeout: 1s}}}}]}}\n")
    assert found == [
        "stages.cart.calls[1]: a step has one of the keys to, delay, parallel, steps, choose; "
        "a call of a stage of this name is {to: end}"
    ]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("load: 20/s", "load: must be a mapping of keys to values, not '20/s': write {rate: 20/s}"),
        ("load: {rate: 20}", "load.rate: 20 has no unit: write 20/s"),
        ("load: {rate: 20rps}", "load.rate: '20rps' has the unknown unit 'rps': did you mean /s?"),
        ("load: {rps: 20}", "load.rps: unknown key; did you mean `rate`?"),
        (
            "load: {rate: 20/s, arrivals: exponential}",
            "load.arrivals: 'exponential' is not one of poisson, constant, bursts; did you mean `poisson`?",
        ),
        ("rate: 20/s", "rate: unknown key; did you mean `load: {rate: 20/s}`?"),
    ],
)
def test_a_slip_in_a_load(read, written, told):
    """The same for an injector."""
    text = f"stages:\n  in: {{role: injector, {written}, calls: [end]}}\n  end: {{role: terminator}}\n"
    assert read(text) == [f"stages.in.{told}"]


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ("version: '1'", "version: this program reads version 1, not '1': leave out the quotes"),
        ("version: 2", "version: this program reads version 1, not 2: a newer one may read it"),
        ("default: {stages: {workers: 2}}", "default: unknown key; did you mean `defaults`?"),
        (
            "defaults: {stage: {workers: 2}}",
            "defaults.stage: there are defaults for stages and calls only; did you mean `stages`?",
        ),
    ],
)
def test_a_slip_at_the_top(read, top, told):
    """The same beside the stages."""
    assert read(f"{top}\n{HEAD}  cart: {{calls: [end]}}\n") == [told]


@pytest.mark.parametrize(
    "stage",
    [
        "delay: 15ms",
        "delay: 'mixture(90%: 5ms, 10%: 1s)'",
        "max_body: 11 kB",
        "delay: constant(1m30s), rate_limit: 5/d",
        "delay: 50\u03bcs",
        "delay: 50\u00b5s",
    ],
)
def test_what_is_no_slip_any_more(read, stage):
    """What people write, and what is clear, is taken."""
    assert read(f"{HEAD}  cart: {{{stage}, calls: [{{to: end, request_bytes: 0}}]}}\n") == []
