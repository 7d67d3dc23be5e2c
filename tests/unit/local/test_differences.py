"""What `set` says of a change: the keys that are other than before, and no others."""

from __future__ import annotations

from simulator.local.differences import describe_change, differences

BEFORE = {
    "stage": "enrich",
    "delay": "constant(1ms)",
    "faults": [],
    "workers": 8,
    "load": {"rate": "20/s", "arrivals": "poisson"},
    "calls": {"audit": {"timeout": "1s"}, "price": {"timeout": "2s", "retries": 1}},
}


def test_only_what_changed_is_told():
    """Each key is reported with its value before and after; a dot leads inside, as when it is set."""
    after = {
        **BEFORE,
        "delay": "constant(1s)",
        "faults": ["error(503, 5%)"],
        "workers": 2,
        "load": {"rate": "100/s", "arrivals": "poisson"},
        "calls": {"audit": {"timeout": "200ms"}, "price": {"timeout": "2s"}},
    }
    assert differences(BEFORE, after) == [
        "delay: constant(1ms) -> constant(1s)",
        'faults: [] -> ["error(503, 5%)"]',
        "workers: 8 -> 2",
        "load.rate: 20/s -> 100/s",
        "calls.audit.timeout: 1s -> 200ms",
        "calls.price.retries: 1 -> default",
    ]


def test_a_key_that_was_not_there_had_its_default():
    """What was not set before is shown as the default."""
    assert differences({}, {"rate_limit": "5/s"}) == ["rate_limit: default -> 5/s"]


def test_every_line_names_the_process():
    """Of several instances each says what changed in it, and one in which nothing did says that."""
    assert describe_change("enrich.2", BEFORE, {**BEFORE, "workers": 2}) == ["enrich.2: workers: 8 -> 2"]
    assert describe_change("enrich", BEFORE, BEFORE) == ["enrich: nothing changed: it had these values already"]
