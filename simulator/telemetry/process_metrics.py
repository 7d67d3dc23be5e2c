"""The metrics of a process, which its stages share: memory, CPU, descriptors, garbage collection, interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# A scrape of many stages asks each of them, and counting descriptors takes longer the more there are.
_REMEMBERED_SECONDS = 1.0


class ProcessMetrics(Collector):
    """Collect the metrics of this process; those of several registries collect them at most once a second."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registries = 0
        self._collected: list[Metric] = []
        self._until = float("-inf")

    def add_to(self, registry: CollectorRegistry) -> None:
        """Let a stage's registry have them, too."""
        registry.register(self)
        self._registries += 1

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        now = self._monotonic()
        if self._registries <= 1 or now >= self._until:
            self._collected = list(self._registry.collect())
            self._until = now + _REMEMBERED_SECONDS
        return self._collected
