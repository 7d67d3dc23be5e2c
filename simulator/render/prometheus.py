"""The configuration of Prometheus: its targets and rules.

It has only keys that both Prometheus 2.42 and 3 support.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_JAEGER = "jaeger-span-metrics"


def prometheus_config(
    targets: Mapping[str, Sequence[str]],
    jaeger_metrics: str | None,
    rules: Sequence[str] = (),
    interval: str = "5s",
    discovered: Mapping[str, int] | None = None,
) -> str:
    """Return the configuration.

    `targets` is {stage: [host:port]}, `discovered` {name: port} of stages whose instances are looked up by DNS,
    `jaeger_metrics` the host and port of the metrics that Jaeger computes from spans, `rules` the files of rules.
    """
    stages: dict[str, Any] = {
        "job_name": "stages",
        "static_configs": [{"targets": list(addresses)} for addresses in targets.values() if addresses],
    }
    if discovered:
        stages["dns_sd_configs"] = [
            {"names": [name], "type": "A", "port": port, "refresh_interval": interval}
            for name, port in discovered.items()
        ]
    jobs = [stages]
    if jaeger_metrics is not None:
        jobs.append({"job_name": _JAEGER, "static_configs": [{"targets": [jaeger_metrics]}]})
    config: dict[str, Any] = {"global": {"scrape_interval": interval, "evaluation_interval": interval}}
    if rules:
        config["rule_files"] = list(rules)
    return str(yaml.safe_dump({**config, "scrape_configs": jobs}, sort_keys=False, width=120))
