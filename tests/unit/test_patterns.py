"""Every pattern of the tree takes time linear in the length of its text, whatever the text."""

import importlib
import itertools
import pkgutil
import re
import time

import pytest

import simulator

LENGTH = 5_000
PIECES = [
    "1",
    "a",
    "x",
    ".",
    "-",
    "+",
    "e",
    "%",
    "(",
    ")",
    ",",
    "=",
    ":",
    ";",
    "/",
    "@",
    '"',
    "\\",
    "[",
    "]",
    "{",
    "$",
    "_",
]
PIECES += [" ", "\t", "\n", "\r", "\0", "~", "*", "µ", "٣", "timeout", "//", "?", "p1", "1e", "${", "json", "true", "<"]
UNITS = [*PIECES, *(first + second for first, second in itertools.permutations(["1", "a", " ", ".", "@"], 2))]
# Those that the code looks for within a text; the others have to match the whole.
SEARCHED = {
    *("simulator.urls._AUTHORITY_END", "simulator.urls._QUERY_START", "simulator.urls._USER_IN_TEXT"),
    *("simulator.urls._QUERY_IN_TEXT", "simulator.stage.reply._TIMEOUT", "simulator.stage.output_file._LINE_BREAK"),
    *(
        "simulator.engine.json_text._STRING",
        "simulator.engine.json_text._NUMBER",
        "simulator.engine.json_text._LITERAL",
    ),
    *("simulator.topology.headers._REFERENCE", "simulator.topology.headers._NEXT_HEADER"),
    *("simulator.topology.reader._NOT_IN_A_NAME", "simulator.topology.keys._UNIT_SUFFIX"),
    *(
        "simulator.behaviour.payloads._A_DURATION",
        "simulator.console.logs.files._TIMESTAMP",
        "simulator.render.series._NAME",
    ),
    *("simulator.telemetry.otlp._BLANK",),
}


def patterns():
    """Return every pattern that a module of the tree has, by its full name."""
    for module in pkgutil.walk_packages(simulator.__path__, "simulator."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern):
                yield f"{module.name}.{name}", value


PATTERNS = dict(patterns())


def test_what_is_searched_is_there():
    """Every name in the list still exists."""
    assert set(PATTERNS) >= SEARCHED
    assert len(PATTERNS) > 30


def seconds_of(pattern, text, searched):
    """Measure how long a pattern takes."""
    before = time.process_time()
    pattern.fullmatch(text)
    if searched:
        pattern.sub(text[:0], text)
    return time.process_time() - before


def test_quadratic_time_would_be_seen():
    """This is the pattern of durations that took a minute once."""
    assert seconds_of(re.compile(r"([0-9]*\.?[0-9]+)\s*"), "1" * LENGTH + "\x7f", searched=False) > 0.05


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_pattern_takes_linear_time(name):
    """On five thousand characters of any kind: quadratic time would be seconds, and a minute on a longer text."""
    pattern = PATTERNS[name]
    began = time.process_time()
    for unit in UNITS:
        for prefix, suffix in (("", "\x7f"), ("application/", "!")):
            text = prefix + unit * (LENGTH // len(unit)) + suffix
            one = text if isinstance(pattern.pattern, str) else text.encode()
            assert seconds_of(pattern, one, name in SEARCHED) < 0.1, (unit, prefix, suffix)
    assert time.process_time() - began < 30
