"""A topology as a Mermaid flowchart and as a graph for Graphviz."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given

from simulator.behaviour.delays import no_samples
from simulator.local.diagrams import dot, mermaid
from simulator.topology.reader import parse_topology, read_topology
from tests.support.examples import examples
from tests.support.random_topologies import topologies

TEXT = """
name: small.Shop
stages:
  start: {role: injector, decide: {hit: 90%}, calls: [Cart.v2.read, {to: odd, probability: 10%, when: hit}]}
  Cart.v2:
    operations:
      read: {method: GET, path: "/carts/{id}", calls: [{steps: [db.find], when: not hit}]}
      end: {path: "/a-b/{id}", calls: [{choose: {db.find: 1, odd: 3}}]}
  odd: {calls: [{to: last, times: 3, retries: 2, optional: true, fallback: db.find}]}
  last: {kind: external}
  db: {kind: database, system: redis, operations: {find: {method: GET, path: /find}}}
"""
NODE = re.compile(r'n\d+(\["[^"]*"\]|\(\["[^"]*"\]\)|\[\("[^"]*"\)\]|\[\["[^"]*"\]\])')
EDGE = re.compile(r'n\d+ (-->|-\.->)(\|"[^"]*"\|)? n\d+')
SUBGRAPH = re.compile(r'subgraph s\d+\["[^"]*"\]|end')
# A small grammar of what is written here; where Graphviz is installed, it reads the whole.
QUOTED = r'"(?:[^"\\]|\\.)*"'
STATEMENTS = re.compile(
    rf"digraph {QUOTED} \{{|rankdir=LR;|node \[shape=box\];|subgraph cluster_\d+ \{{|label={QUOTED};|\}}"
    rf"|n\d+ \[label={QUOTED}, shape=(box|oval|cylinder|component)\];"
    rf"|n\d+ -> n\d+( \[(label={QUOTED})?(, )?(style=dashed)?\])?;"
)


def parsed(text):
    return parse_topology(text, "file.yaml", no_samples, "any")


def test_a_flowchart_in_full():
    """Operations are within their service; what is not done for each message is dashed, and says when it is."""
    assert mermaid(parsed(TEXT)).splitlines() == [
        "flowchart LR",
        '    n0(["start"])',
        '    subgraph s1["Cart.v2"]',
        '        n1["read: GET /carts/{id}"]',
        '        n2["end: POST /a-b/{id}"]',
        "    end",
        '    n3["odd"]',
        '    n4[["last"]]',
        '    subgraph s4["db"]',
        '        n5[("find: GET /find")]',
        "    end",
        "    n0 --> n1",
        '    n0 -.->|"10%, when hit"| n3',
        '    n1 -.->|"when not hit"| n5',
        '    n2 -.->|"25%"| n5',
        '    n2 -.->|"75%"| n3',
        '    n3 -.->|"3 x, 2 retries, optional"| n4',
        '    n3 -.->|"fallback"| n5',
    ]


def test_a_graph_in_full():
    """It says the same."""
    lines = dot(parsed(TEXT)).splitlines()
    assert lines[0] == 'digraph "small.Shop" {'
    assert '        n1 [label="read: GET /carts/{id}", shape=box];' in lines
    assert '    n0 -> n3 [label="10%, when hit", style=dashed];' in lines
    assert "    n0 -> n1;" in lines
    assert '    n4 [label="last", shape=component];' in lines
    assert lines[-1] == "}"


def test_what_would_end_a_label_is_escaped():
    """A condition may have anything printable in it."""
    text = r"""
stages:
  start: {role: injector, decide: {who: {'a\|]<b>#': 1, c: 2}}, calls: [{to: end, when: 'who = a\|]<b>#'}]}
  end: {}
"""
    assert '|"when who = a#92;|]#lt;b#gt;#35;"|' in mermaid(parsed(text))
    assert r'label="when who = a\\|]<b>#"' in dot(parsed(text))


def assert_well_formed(topology):
    [first, *lines] = mermaid(topology).splitlines()
    assert first == "flowchart LR"
    for line in lines:
        assert any(pattern.fullmatch(line.strip()) for pattern in (NODE, EDGE, SUBGRAPH)), line
    for line in dot(topology).splitlines():
        assert STATEMENTS.fullmatch(line.strip()), line


@pytest.mark.parametrize("path", sorted(Path("topologies").rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_ready_made_topologies(path):
    """Each line is a statement of its language."""
    assert_well_formed(read_topology(path))


@given(topologies(messages=5))
@examples(20)
def test_any_topology(plain):
    """Whatever its names, groups and options are."""
    assert_well_formed(parsed(yaml.safe_dump(plain)))


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("path", sorted(Path("topologies").rglob("*.yaml")), ids=lambda path: path.stem)
def test_graphviz_reads_it(path):
    """Its own parser finds as many nodes and edges as there are statements of them."""
    text = dot(read_topology(path))
    plain = subprocess.run(
        ["dot", "-Tplain"], input=text, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert sum(line.startswith("node ") for line in plain) == len(re.findall(r"^ +n\d+ \[", text, re.MULTILINE))
    assert sum(line.startswith("edge ") for line in plain) == text.count(" -> ")
