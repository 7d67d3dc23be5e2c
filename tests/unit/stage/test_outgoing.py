"""What a stage needs to call https://, and when."""

from __future__ import annotations

import pytest

from simulator.errors import StartError
from simulator.stage.outgoing import tls_for
from simulator.topology.settings import Downstream

MISSING = {"SSL_CERT_FILE": "/missing.pem"}


@pytest.mark.parametrize("urls", [(), ("http://127.0.0.1:9/https:",), ("http://a/", "HTTP://b/")])
def test_without_https_no_authority_is_looked_at(urls):
    """A stage that calls nothing by https:// starts whatever the variables for it say."""
    assert tls_for((Downstream("a", urls),), MISSING) is None


@pytest.mark.parametrize("url", ["https://127.0.0.1:9/", "HTTPS://127.0.0.1:9/"])
def test_with_https_the_authorities_must_be_there(url):
    """One that calls by https:// is given its authorities when it starts, and does not start without them."""
    with pytest.raises(StartError, match="SSL_CERT_FILE: /missing\\.pem can't be read"):
        tls_for((Downstream("a", ("http://127.0.0.1:9/",)), Downstream("b", (url,))), MISSING)
    assert tls_for((Downstream("b", (url,)),), {}) is not None
