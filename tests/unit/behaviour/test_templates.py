"""Templates of lines to log: fields are filled, braces can be written, and slips are told."""

from __future__ import annotations

import pytest

from simulator.behaviour.templates import parse_template

VALUES = {"tenant": "gold", "items": 3, "hit": True}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("cart {tenant} has {items} items", "cart gold has 3 items"),
        ("{tenant}", "gold"),
        ("{tenant}{items}{hit}", "gold3true"),
        ("{{tenant}} is {tenant}}}", "{tenant} is gold}"),
        ("{app.user-id_2}.", "."),
        ("Ü {tenant} €", "Ü gold €"),
    ],
)
def test_fields_are_filled(text, filled):
    """Values stand as they are written in a file; one that a message lacks is empty, and the text comes back."""
    template = parse_template(text)
    assert template.filled(VALUES) == filled
    assert str(template) == text


def test_the_fields_of_a_template():
    assert parse_template("{a} {b} {a} {{c}}").fields == ("a", "b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a {", "has a single {: write {{ for a brace itself"),
        ("a }", "has a single }: write }} for a brace itself"),
        ("{}", "'{}' is no field"),
        ("{a b}", "'{a b}' is no field"),
        ("{a!r}", "'{a!r}' is no field"),
        ("", "must be 1 to 1000 printable characters"),
        ("a\nb", "must be 1 to 1000 printable characters"),
        (7, "must be 1 to 1000 printable characters"),
    ],
)
def test_what_is_no_template(text, said):
    with pytest.raises(ValueError) as refused:
        parse_template(text)
    assert said in str(refused.value)
