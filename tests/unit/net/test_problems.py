"""Errors as RFC 9457 problem details."""

from __future__ import annotations

import json

import pytest

from simulator.net.problems import problem


def test_a_problem_s_members():
    """A problem has type, title, status and detail, and whatever else it was given, as problem+json."""
    answer = problem(404, "Not Found", "there is nothing here", stage="parse")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert json.loads(answer.data) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is nothing here",
        "stage": "parse",
    }
    assert answer.data.endswith(b"}\n")


@pytest.mark.parametrize(("status", "title"), [(404, "Not Found"), (503, "Service Unavailable"), (599, "Error")])
def test_a_problem_always_has_a_title(status, title):
    """Where no title is given it is HTTP's own name of the status."""
    assert json.loads(problem(status, "", "why").data)["title"] == title


def test_a_long_detail_is_cut():
    """A detail takes 500 characters at most."""
    assert json.loads(problem(400, "Bad", "é" * 5000).data)["detail"] == "é" * 500
