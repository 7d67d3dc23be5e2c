"""What the tests of a real cluster share: one cluster."""

from __future__ import annotations

import pytest

from tests.support.cluster import running_cluster


@pytest.fixture(scope="session")
def cluster():
    """Run Kubernetes; from here on this process sees the cluster's network and no other."""
    with running_cluster() as running:
        yield running
