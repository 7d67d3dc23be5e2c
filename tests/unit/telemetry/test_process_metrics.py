"""The metrics of a process, in the registries of several stages."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry

from simulator.telemetry.process_metrics import ProcessMetrics


def test_they_are_collected_once_for_all_stages():
    """Registries that share them show the same, which is looked up again after a second."""
    now = [100.0]
    metrics = ProcessMetrics(lambda: now[0])
    registries = [CollectorRegistry(), CollectorRegistry()]
    for registry in registries:
        metrics.add_to(registry)
    first = [registry.get_sample_value("process_cpu_seconds_total") for registry in registries]
    assert first[0] == first[1] > 0
    assert metrics.collect() is metrics.collect()
    seen = metrics.collect()
    now[0] += 1.0
    assert metrics.collect() is not seen


def test_a_stage_by_itself_has_them_fresh():
    """What one registry shows is what holds now, however soon it is asked again."""
    metrics, registry = ProcessMetrics(lambda: 100.0), CollectorRegistry()
    metrics.add_to(registry)
    before = registry.get_sample_value("process_cpu_seconds_total")
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert registry.get_sample_value("process_cpu_seconds_total") > before


def test_they_say_what_a_process_takes():
    """Memory, processor time, open descriptors, garbage collection and the interpreter are there."""
    names = {family.name for family in ProcessMetrics(lambda: 0.0).collect()}
    assert {"process_resident_memory_bytes", "process_cpu_seconds", "process_open_fds"} <= names
    assert {"python_gc_objects_collected", "python_info"} <= names
