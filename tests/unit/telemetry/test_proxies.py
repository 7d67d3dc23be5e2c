"""A proxy stands before a remote collector and never before this machine."""

from __future__ import annotations

import pytest

from simulator.telemetry.proxies import is_this_machine, proxies_for

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4318/v1/traces",
        "http://127.9.9.9",
        "http://127.1",
        "http://localhost:4318",
        "http://LOCALHOST.",
        "http://jaeger.localhost",
        "http://[::1]:4318",
        "http://[::ffff:127.0.0.1]",
        "http://0.0.0.0:4318",
        "http://[::]:4318",
        "https://127.0.0.1",
    ],
)
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_this_machine_is_never_asked_through_a_proxy(url, variable):
    """A collector on a loopback address is called directly, whatever the environment says."""
    assert proxies_for(url, {variable: PROXY, "NO_PROXY": "example.com"}) == {}


@pytest.mark.parametrize(
    ("environment", "proxies"),
    [
        ({}, {}),
        ({"HTTP_PROXY": PROXY}, {"http": PROXY}),
        ({"http_proxy": PROXY, "HTTP_PROXY": "http://other"}, {"http": PROXY}),
        ({"https_proxy": PROXY, "all_proxy": "http://other"}, {"https": PROXY, "all": "http://other"}),
        ({"HTTP_PROXY": ""}, {}),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "localhost"}, {"http": PROXY}),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "collector.firm"}, {}),
        ({"HTTP_PROXY": PROXY, "no_proxy": ".firm, other"}, {}),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "*"}, {}),
        ({"NO_PROXY": "*"}, {}),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "collector.firm:4317"}, {"http": PROXY}),
    ],
)
def test_a_remote_collector_is_asked_through_the_proxy(environment, proxies):
    """For any other host the proxies of the environment count, but for those that NO_PROXY names."""
    assert proxies_for("http://collector.firm:4318/v1/traces", environment) == proxies


@pytest.mark.parametrize("host", ["collector", "10.0.0.1", "128.0.0.1", "localhost.firm", "notlocalhost", "", "::2"])
def test_other_hosts_are_not_this_machine(host):
    """A name that only resembles a loopback one is another host."""
    assert not is_this_machine(host)


@pytest.mark.parametrize(
    ("no_proxy", "is_proxied"), [("10.0.0.0/8", False), ("10.1.2.3", False), ("10.2.0.0/16", True)]
)
def test_no_proxy_may_name_a_network(no_proxy, is_proxied):
    """An address in a network of NO_PROXY is called directly."""
    found = proxies_for("http://10.1.2.3:4318", {"HTTP_PROXY": PROXY, "NO_PROXY": no_proxy})
    assert bool(found) is is_proxied
