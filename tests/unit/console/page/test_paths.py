"""The addresses of the views."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.page.paths import (
    VIEWS,
    controls_path,
    is_page,
    item_of,
    parameter_of,
    stage_path,
    trace_path,
    traces_path,
    view_of,
)

NASTY = [
    "javascript:alert(1)",
    '"><script>alert(1)</script>',
    "a/b",
    "//evil.example",
    "a?b=c&d#e",
    "a b",
    "%2F",
    "é日本",
]
SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%/?=")


@pytest.mark.parametrize(("view", "path"), [(view, path) for view, (_, path) in VIEWS.items()])
def test_every_view_has_its_address(view, path):
    """The address of a view leads to it, with or without a slash at its end, and names nothing in it."""
    assert view_of(path) == view_of(f"{path}/") == view
    assert item_of(path) == ""


@pytest.mark.parametrize("path", ["", "/", "//", "/nothing", "/tracesque", "/Traces", "/system", "/nothing/traces"])
def test_an_unknown_address_is_the_system_s(path):
    """A mistyped address shows the system."""
    assert view_of(path) == "system"


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("make", [stage_path, controls_path, traces_path])
def test_no_name_is_more_than_a_name(make, name):
    """Whatever a service calls itself, its address is one of this page and names nothing else."""
    address = make(name)
    parts = urlsplit(address)
    assert set(address) <= SAFE
    assert (parts.scheme, parts.netloc, parts.fragment) == ("", "", "")
    assert address.count("/") == (2 if make is stage_path else 1)


@given(st.text())
def test_a_stage_is_read_back_from_its_address(name):
    """Any name comes back from the address of a stage, of its controls and of its traces as it was."""
    assert (view_of(stage_path(name)), item_of(stage_path(name))) == ("stages", name)
    for make, view in ((controls_path, "controls"), (traces_path, "traces")):
        path, _, search = make(name).partition("?")
        assert view_of(path) == view
        assert parameter_of(f"?{search}", "stage") == parameter_of(search, "stage") == name


@given(st.binary(min_size=16, max_size=16), st.booleans())
def test_a_trace_is_read_back_from_its_address(trace_id, every_span):
    """The id of a trace comes back, and whether every span is shown."""
    parts = urlsplit(trace_path(trace_id.hex(), every_span))
    assert (view_of(parts.path), item_of(parts.path)) == ("traces", trace_id.hex())
    assert (parameter_of(f"?{parts.query}", "every") == "1") == every_span


@pytest.mark.parametrize(
    ("search", "value"),
    [("", ""), ("?", ""), ("?a=1", ""), ("?stage=", ""), ("?stage=a&stage=b", "b"), ("?stage=a%20b+c", "a b c")],
)
def test_a_parameter(search, value):
    """The last one of a name counts, and one that is missing or empty is empty."""
    assert parameter_of(search, "stage") == value


@given(st.text(), st.text(), st.text())
def test_no_address_hurts(path, search, name):
    """Whatever somebody types is read as something."""
    assert view_of(path) in VIEWS
    assert isinstance(item_of(path), str)
    assert isinstance(parameter_of(search, name), str)


@pytest.mark.parametrize(
    "path", ["/", "/traces", "/traces/", "/traces/4bf92f", "/stages", "/stages/parse", "/stages/parse/", "/controls"]
)
def test_the_addresses_of_views_and_their_items_are_pages(path):
    """Every address that a link of the page leads to is one."""
    assert is_page(path)


@pytest.mark.parametrize(
    "path", ["/system", "/metrics", "/trace/1", "/traces/1/2", "/controls/parse", "/Traces", "/index.html", "/x/traces"]
)
def test_other_addresses_are_not_pages(path):
    """An address that no link leads to has no page that could be taken for an answer."""
    assert not is_page(path)
