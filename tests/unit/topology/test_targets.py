"""What a call names: a stage, or one of its operations, also where names have dots."""

from __future__ import annotations

import pytest

from simulator.topology.model import Operation, Stage
from simulator.topology.steps import Call
from simulator.topology.targets import operation_names, resolved

STAGES = {
    "cart": Stage(operations={"read": Operation(), "add": Operation()}),
    "bank": Stage(operations={"pay": Operation()}),
    "leaf": Stage(),
    "v1.5": Stage(),
    "eu.cart": Stage(operations={"read": Operation(), "add": Operation()}),
}


def test_the_names_of_operations():
    """A stage without operations has itself, under no name."""
    assert operation_names(STAGES) == {
        "cart": ("read", "add"),
        "bank": ("pay",),
        "leaf": ("",),
        "v1.5": ("",),
        "eu.cart": ("read", "add"),
    }


@pytest.mark.parametrize(
    ("written", "stage", "operation"),
    [
        ("cart.read", "cart", "read"),
        ("cart", "cart", ""),  # of several none, which is told as a mistake
        ("cart.drop", "cart", "drop"),  # as is one that is not there
        ("bank", "bank", "pay"),
        ("bank.pay", "bank", "pay"),
        ("leaf", "leaf", ""),
        ("v1.5", "v1.5", ""),
        ("eu.cart.read", "eu.cart", "read"),
        ("eu.cart", "eu.cart", ""),
        ("eu.bank", "eu.bank", ""),
        ("nobody.read", "nobody.read", ""),
    ],
)
def test_stage_and_operation_are_told_apart(written, stage, operation):
    """By the stages that there are, in calls of a stage and of its operations, and once is enough."""
    known = operation_names(STAGES)
    calls = (Call(to="leaf", fallback=(Call(to=written),)),)
    once = resolved(Stage(calls=calls, operations={"x": Operation(calls=calls)}), known)
    for of in (once, once.operations["x"]):
        [inner] = of.calls[0].fallback
        assert (inner.to, inner.operation) == (stage, operation)
    assert resolved(once, known) == once
