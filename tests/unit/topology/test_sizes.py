"""Messages that are larger than a stage on their way accepts are refused before anything starts."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.payloads import MAX_BYTES, parse_sizes, payload, payload_bytes
from simulator.errors import ConfigurationError
from simulator.local.plan import Overrides, apply_overrides
from simulator.topology.layers import from_environment, from_flags
from simulator.topology.model import Topology
from simulator.topology.reader import parse_topology
from simulator.topology.samples import samples_beside
from simulator.topology.settings import resolve_topology_stage
from simulator.topology.sizes import limits, size_problems
from simulator.topology.structure import structure

HERE = samples_beside(Path())
ONE_MEBIBYTE = "max_body: 1048576B"


def topology_of(**stages):
    topology, problems = structure({"name": "sized", "stages": stages}, Topology)
    assert problems == []
    return topology


def problems_of(**stages):
    return [(".".join(map(str, keys)), message) for keys, message in size_problems(topology_of(**stages).stages)]


def caller(**call):
    return {"calls": [{"to": "upload", **call}]}


ALL, SOME = "every message would fail", "of the messages; draw smaller sizes, or raise max_body"


@pytest.mark.parametrize(
    ("sizes", "how_many"),
    [
        ("2MB", f": {ALL}"),
        ("1048577B", f": {ALL}"),
        ("uniform(2MB, 3MB)", f": {ALL}"),
        ("uniform(0B, 2MiB)", f" for 50% {SOME}"),
        ("mixture(99%: constant(1KB), 1%: constant(2MB))", f" for 1% {SOME}"),
    ],
)
def test_bodies_of_a_given_size(sizes, how_many):
    """A size that the called stage does not accept, always or for some messages, is refused with both values."""
    stages = {"page": caller(request_bytes=sizes), "upload": {"calls": []}}
    message = f"{sizes} is more than upload takes (max_body: 1048576B){how_many}"
    assert problems_of(**stages) == [("stages.page.calls.0.request_bytes", message)]


@pytest.mark.parametrize(
    "sizes",
    [
        "1MiB",
        "uniform(1B, 1MiB)",
        "exponential(10KB)",
        "lognormal(p50=10KB, p99=200KB, max=1MiB)",
        "percentiles(p50=10KB, p99=200KB, max=1MiB)",
        "pareto(min=1KB, shape=1.5, max=1MiB)",
    ],
)
def test_what_fits_is_good(sizes):
    """Sizes up to exactly max_body are valid, and one that is larger for fewer than one in a thousand million."""
    assert problems_of(page=caller(request_bytes=sizes), upload={"calls": []}) == []


def test_a_larger_max_body_takes_more():
    """The bound is the called stage's own."""
    assert problems_of(page=caller(request_bytes="2MB"), upload={"calls": [], "max_body": "2MB"}) == []
    assert problems_of(page=caller(request_bytes="16MiB"), upload={"calls": [], "max_body": "16MiB"}) == []
    assert problems_of(page=caller(request_bytes="2KB"), upload={"calls": [], "max_body": "1KB"}) != []


def test_a_body_is_forwarded_unchanged():
    """A stage behind the called one that accepts less is named, however far away, unless a call has its own size."""
    chain = {
        "page": {"calls": [{"to": "a", "request_bytes": "10KB"}]},
        "a": {"calls": [{"parallel": ["b"]}]},
        "b": {"calls": [{"to": "c", "optional": True, "fallback": "tiny"}]},
        "c": {"calls": []},
        "tiny": {"calls": [], "max_body": "1KB"},
    }
    expected = "10KB is more than tiny takes (max_body: 1KB): every message would fail"
    assert problems_of(**chain) == [("stages.page.calls.0.request_bytes", expected)]
    chain["a"] = {"calls": [{"to": "b", "request_bytes": "1KB"}]}
    assert problems_of(**chain) == []


@pytest.mark.parametrize(("messages", "last"), [(None, 10**12), (7, 7), (1000, 1000), (0, 1)])
def test_messages_that_an_injector_makes(messages, last):
    """The injector's own messages have a known size, which grows with their number, and must fit."""
    load = {"rate": "5/s"} | ({} if messages is None else {"messages": messages})
    first, largest = payload_bytes(1), payload_bytes(last)
    assert first == len(payload(1, "0123abcd-0123-5abc-8abc-0123456789ab", "2026-01-01T00:00:00.000000Z"))

    def told(max_body):
        start = {"role": "injector", "load": load, "calls": ["page"]}
        return problems_of(start=start, page={"calls": ["tiny"]}, tiny={"calls": [], "max_body": max_body})

    assert told(f"{largest}B") == []
    for max_body in ("10B", f"{largest - 1}B"):
        [(place, message)] = told(max_body)
        assert place == "stages.start.calls.0"
        assert message == (
            f"the messages that this injector makes have {first} to {largest} bytes, which is more than tiny takes "
            f"(max_body: {max_body})"
        )


def test_messages_of_unknown_size_are_left_to_their_senders():
    """The size of messages from a POST or a file is unknown."""
    tiny = {"calls": [], "max_body": "10B"}
    assert problems_of(page={"calls": ["tiny"]}, tiny=tiny) == []
    assert problems_of(start={"role": "injector", "calls": ["tiny"]}, tiny=tiny) == []
    load = {"rate": "5/s"}
    assert problems_of(start={"role": "injector", "input": "a.jsonl", "load": load, "calls": ["tiny"]}, tiny=tiny) == []


def test_answers_may_be_of_any_size():
    """Callers read answers to their end, whatever their size."""
    assert problems_of(page={"calls": ["large"]}, large={"calls": [], "response_bytes": "16MiB"}) == []


def test_a_cycle_does_not_make_an_endless_search():
    """A file whose calls form a cycle, which is a mistake of its own, gets no errors about sizes."""
    stages = {"a": {"calls": ["b", {"to": "b", "request_bytes": "2MB"}]}, "b": {"calls": ["a"]}}
    assert problems_of(**stages) == []


def test_the_file_is_refused_at_the_place():
    """The mistake is reported with its line and column, among the others."""
    text = "stages:\n  page: {calls: [{to: upload, request_bytes: 2MB}]}\n  upload: {calls: [], port: 99999}\n"
    with pytest.raises(ConfigurationError) as raised:
        parse_topology(text.replace(", port: 99999", ""), "sized.yaml", HERE, "sized")
    [problem] = raised.value.problems
    assert (problem.line, problem.column) == (2, 31)
    assert ONE_MEBIBYTE in problem.message
    with pytest.raises(ConfigurationError) as raised:
        parse_topology(text, "sized.yaml", HERE, "sized")
    assert "port" in str(raised.value)


GOOD = topology_of(page=caller(request_bytes="1MB"), upload={"calls": []})


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("page.calls.upload.request_bytes=2MB", "page.calls.0.request_bytes: "),
        ("upload.max_body=10KB", "page.calls.0.request_bytes: "),
    ],
)
def test_a_flag_of_a_run_is_refused_too(change, place):
    """--set can't turn a valid topology into one that can't work."""
    with pytest.raises(ConfigurationError) as raised:
        apply_overrides(GOOD, Overrides(sets=(change,)), HERE)
    assert place in str(raised.value)


@pytest.mark.parametrize(
    ("stage", "flags", "source"),
    [
        ("page", {"REQUEST_BYTES": "2MB"}, "flag --request-bytes: REQUEST_BYTES: 2MB is more than upload takes"),
        ("upload", {"MAX_BODY": "10KB"}, "flag --max-body: MAX_BODY: 1MB is more than upload takes (max_body: 10KB)"),
    ],
)
def test_a_flag_of_a_stage_is_refused_too(stage, flags, source):
    """A stage of a topology whose flags make messages too large for it, or for those it calls, does not start."""
    with pytest.raises(ConfigurationError) as raised:
        resolve_topology_stage(GOOD, stage, from_environment({}) | from_flags(flags), HERE)
    assert source in str(raised.value)


def test_a_stage_knows_the_limits_of_those_it_calls():
    """The limits for a live change come with the stage's settings."""
    settings = resolve_topology_stage(GOOD, "page", {}, HERE)
    assert {node: limit.max_bytes for node, limit in settings.limits.items()} == {("upload", ""): 2**20}


@given(
    st.integers(1, 2 * MAX_BYTES),
    st.floats(1e-6, 1 - 1e-6),
    st.sampled_from(["uniform(1B, 16MiB)", "exponential(1MB)"]),
)
def test_the_share_over_a_limit(limit, u, sizes):
    """A size exceeds a limit exactly if its u is in the returned share."""
    size = parse_sizes(sizes)
    assert (size.bytes(u) > limit) == (u > 1 - size.share_over(limit)) or abs(1 - size.share_over(limit) - u) < 1e-9


def test_many_stages_take_little_time():
    """A thousand stages in a chain are searched once."""
    stage = GOOD.stages["upload"]
    call = GOOD.stages["page"].calls[0]
    names = [f"s{number}" for number in range(1000)]
    chain = {
        name: replace(stage, calls=(replace(call, to=following, request_size=None),))
        for name, following in itertools.pairwise(names)
    }
    found = limits({**chain, names[-1]: replace(stage, max_body_bytes=5)})
    assert {limit.max_bytes for limit in found.values()} == {5}


OPERATIONS = """
name: sized
stages:
  start: {role: injector, input: "-", calls: [CALL]}
  shop:
    operations:
      look: {method: GET, path: /look, calls: [store.find]}
      buy: {path: /buy, calls: [store.keep]}
  store:
    max_body: 1KB
    operations:
      keep: {method: PUT, path: /keep, response_bytes: 2MB}
      find: {method: GET, path: /find, response_bytes: 2MB}
"""


@pytest.mark.parametrize(
    ("call", "limit"),
    [
        (
            "{to: shop.buy, request_bytes: 2KB}",
            "2KB is more than store takes (max_body: 1KB): every message would fail",
        ),
        ("{to: shop.buy, request_bytes: 1KB}", None),
        ("shop.look", None),
    ],
)
def test_the_bodies_of_operations(call, limit):
    """One that is forwarded must fit all on its way; a GET has none, and answers are as large as they like."""
    text = OPERATIONS.replace("CALL", call)
    if limit is None:
        parse_topology(text, "f", HERE, "f")
        return
    with pytest.raises(ConfigurationError) as caught:
        parse_topology(text, "f", HERE, "f")
    assert limit in str(caught.value)


def test_a_call_by_a_get_has_a_body_of_its_own():
    """What the GET's caller sends does not matter; what it makes itself must fit."""
    text = OPERATIONS.replace("CALL", "shop.look").replace("[store.find]", "[{to: store.keep, request_bytes: 2KB}]")
    with pytest.raises(
        ConfigurationError, match=r"operations.look.calls.0..request_bytes: 2KB is more than store takes"
    ):
        parse_topology(text, "f", HERE, "f")
