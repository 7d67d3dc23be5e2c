"""Names: which are valid, what is wrong with the others, and what becomes of them where they can't stay as they are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.topology.names import check_name, clashes, dns_label, host_name, split_place

RULE = "a name has only a-z, A-Z, 0-9, '-', '_' and '.'"
ENDS = "a name begins and ends with a letter or digit"
VALID = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", fullmatch=True)
SAME = "names must differ in more than case, dashes, dots and underscores"


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "parse",
        "stage-2",
        "Frontend",
        "product_catalog",
        "a.b",
        "2nd",
        "7",
        "1e3",
        "a--b",
        "a._-b",
        "9f" * 31,
        "a" * 63,
    ],
)
def test_a_valid_name_stays_as_it_is(name):
    """Letters, digits, dashes, underscores and dots, in any order between a letter or digit at either end."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("", "'' is not a name: it is empty"),
        ("99f2" * 16, f"'{'99f2' * 16}' has 64 characters; a name has at most 63"),
        ("My Shop", f"'My Shop' has a space in it; {RULE}"),
        ("café", f"'café' has 'é' in it; {RULE}"),
        ("a/b:c d", f"'a/b:c d' has '/' and ':' and a space in it; {RULE}"),
        ("a\nb", f"'a\\nb' has '\\n' in it; {RULE}"),
        ("a.", f"'a.' ends with a dot; {ENDS}"),
        ("-a", f"'-a' begins with a dash; {ENDS}"),
        ("_a-", f"'_a-' begins with an underscore and ends with a dash; {ENDS}"),
        (".", f"'.' begins with a dot and ends with a dot; {ENDS}"),
        ("-a b", f"'-a b' has a space in it; {RULE}; it begins with a dash; {ENDS}"),
        (5, "5 is not a name; a name like a number, true or false needs quotes"),
        (True, "True is not a name; a name like a number, true or false needs quotes"),
        (None, "None is not a name"),
        (["a"], "['a'] is not a name"),
    ],
)
def test_what_is_wrong_with_a_name_is_the_part_of_the_rule_that_it_breaks(name, mistake):
    """The refusal shows the name, and of the rule only what it breaks."""
    with pytest.raises(ValueError, match=f"^{re.escape(mistake)}$"):
        check_name(name)


@pytest.mark.parametrize("name", ["x" * 100_000, "/" * 100_000, "".join(map(chr, range(0x4E00, 0x5E00)))])
def test_what_is_wrong_with_a_huge_name_is_short(name):
    """A file may hold a megabyte where a name should be."""
    with pytest.raises(ValueError) as refusal:
        check_name(name)
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("parse", "parse"),
        ("stage-2", "stage-2"),
        ("Frontend", "frontend"),
        ("product_catalog", "product-catalog"),
        ("a.b", "a-b"),
        ("2nd", "stage-2nd"),
        ("1e3.x", "stage-1e3-x"),
        ("localhost", "stage-localhost"),
        ("a" * 52, "a" * 52),
    ],
)
def test_a_host_name_is_the_name_as_far_as_it_can_be(name, host):
    """In DNS there are no capitals, dots and underscores; a Service of Kubernetes begins with a letter."""
    assert host_name(name) == host


@given(VALID)
def test_a_host_name_is_valid_everywhere(name):
    """It is a label by RFC 1035 that leaves room for what Kubernetes adds, always the same for a name."""
    assert re.fullmatch("[a-z]([a-z0-9-]{0,50}[a-z0-9])?", host_name(name))
    assert host_name(name) == host_name(name.upper()) == host_name(name.swapcase())
    assert re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", dns_label(name))


def test_long_names_with_the_same_beginning_have_different_host_names():
    """What is cut off still counts."""
    hosts = {host_name(f"{'a' * 60}{number}") for number in range(100)}
    assert len(hosts) == 100
    assert {len(host) for host in hosts} == {52}


@pytest.mark.parametrize(
    ("instances", "problems"),
    [
        ({"cart": 1, "cart-v2": 2, "Frontend": 1, "a.b": 1}, []),
        ({"cart": 1, "Cart": 1}, [("Cart", f"as the name of a host or file it is the same as 'cart': {SAME}")]),
        ({"a.b": 1, "a_b": 1}, [("a_b", f"as the name of a host or file it is the same as 'a.b': {SAME}")]),
        ({"stage-2nd": 1, "2nd": 1}, [("2nd", f"as the name of a host or file it is the same as 'stage-2nd': {SAME}")]),
        ({"a": 2, "a.2": 1}, [("a.2", "instance 2 of 'a' has this name in logs and reports")]),
        ({"a.2": 1, "a": 2}, [("a.2", "instance 2 of 'a' has this name in logs and reports")]),
        ({"a.b": 2, "A.B.1": 1}, [("A.B.1", "instance 1 of 'a.b' has this name in logs and reports")]),
        ({"a": 2, "a.3": 1, "a.02": 1, "a.b": 1}, []),
        ({"a": 1, "a.1": 1}, []),
    ],
)
def test_names_that_become_the_same_somewhere_are_refused(instances, problems):
    """File systems and DNS ignore case, and a log is called like its instance."""
    assert list(clashes(instances)) == problems


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("a.delay", ("a", "delay")),
        ("a.b.delay", ("a.b", "delay")),
        ("a.b.c.delay", ("a.b", "c.delay")),
        ("a.load.rate", ("a", "load.rate")),
        ("a.calls.a.b.timeout", ("a", "calls.a.b.timeout")),
        ("a.b", ("a", "b")),
        ("a.", ("a", "")),
        ("a", ("a", "")),
        ("x.y.delay", ("x", "y.delay")),
        ("", ("", "")),
    ],
)
def test_the_stage_of_a_change_is_the_one_with_the_longest_name(place, found):
    """A name may have dots, like a key."""
    assert split_place(place, {"a", "a.b"}) == found
