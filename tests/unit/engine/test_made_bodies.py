"""Bodies of generated messages: drawn fields, and lines drawn by the weights of their kinds."""

import json
import math
from collections import Counter

import pytest

from simulator.behaviour.attributes import parse_attribute
from simulator.behaviour.draws import draw
from simulator.engine.identity import Identity
from simulator.engine.made_bodies import drawn_fields, drawn_lines
from simulator.errors import StartError

ME = Identity(stage="injector", seed=7)
COUNT = 5_000
LINES = [b'\xef\xbb\xbf{"type": "order", "n": 1}\n', b"\n", b'{"type": "order", "n": 2}\n', b'{"type": "refund"}']
KINDS = {"type": parse_attribute({"order": "90%", "refund": "10%"})}


def made(body):
    return [body(number, f"m{number}", "now") for number in range(1, COUNT + 1)]


def is_share(count, share):
    return abs(count / COUNT - share) < 4.9 * math.sqrt(share * (1 - share) / COUNT)


def test_fields_are_drawn_as_attributes_are():
    """Each is drawn for the message and the field alone, beside what every message has; a sequence is its number."""
    rules = {"customer": "pick(10)", "paid": "30%", "n": "sequence", "shop": "café"}
    body = drawn_fields(ME, {name: parse_attribute(rule) for name, rule in rules.items()})
    found = [json.loads(one) for one in made(body)]
    assert found[4] == {
        **{"number": 5, "message_id": "m5", "created": "now"},
        **{"customer": 1 + int(10 * draw(7, "injector", "m5", "0", "message customer"))},
        **{"paid": draw(7, "injector", "m5", "0", "message paid") < 0.3, "n": 5, "shop": "café"},
    }
    assert is_share(sum(one["paid"] for one in found), 0.3)
    assert all(is_share(count, 0.1) for count in Counter(one["customer"] for one in found).values())


def test_lines_are_drawn_by_the_weights_of_their_kinds():
    """Each kind has its share, within it each line the same, and every line is sent as it stands in the file."""
    found = Counter(made(drawn_lines(ME, "x.jsonl", LINES, KINDS, 1000)))
    assert set(found) == {b'{"type": "order", "n": 1}', b'{"type": "order", "n": 2}', b'{"type": "refund"}'}
    assert is_share(found[b'{"type": "refund"}'], 0.1)
    assert is_share(found[b'{"type": "order", "n": 1}'], 0.45)


def test_lines_without_kinds_are_alike():
    """Each has the same share."""
    found = Counter(made(drawn_lines(ME, "x.jsonl", LINES, {}, 1000)))
    assert len(found) == 3
    assert all(is_share(count, 1 / 3) for count in found.values())


@pytest.mark.parametrize(
    ("lines", "kinds", "said"),
    [
        ([b'{"type": "order"}\n', b"{\n"], {}, "x.jsonl, line 2: not JSON"),
        ([b'{"type": "order"}\n'], KINDS, "x.jsonl has no line whose type is refund"),
        ([b'{"typ": "order"}\n'], KINDS, "x.jsonl, line 1: it has no text or number 'type'"),
        ([b"[1]\n"], KINDS, "x.jsonl, line 1: it has no text or number 'type'"),
        ([b'"' + b"x" * 1000 + b'"'], {}, "x.jsonl, line 1: it is larger than max_body (1000 bytes)"),
        ([], {}, "x.jsonl has no line"),
    ],
)
def test_lines_that_can_t_be_drawn(lines, kinds, said):
    """The file and its line are named before the first message."""
    with pytest.raises(StartError) as raised:
        drawn_lines(ME, "x.jsonl", lines, kinds, 1000)
    assert said in str(raised.value)
