"""Reading what the counters of a run's stages counted from Prometheus' API."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

from simulator.proof.backends.held import BackendError, Held, HeldCount
from simulator.proof.backends.readers.fetching import BackendClient
from simulator.proof.backends.readers.points import increase
from simulator.telemetry.otlp_signal import Signal

# The last scrape, or export, comes when the run has ended already.
_MARGIN_SECONDS = 60.0
# Labels of Prometheus itself, and of its configuration, that tell who was asked.
_OF_THE_TARGET = ("job", "instance")


def read_prometheus(
    client: BackendClient,
    names: Collection[str],
    stages: Collection[str],
    start_unix_seconds: float,
    end_unix_seconds: float,
) -> Held:
    """Return what the series `names` of these stages counted between two times. Raise BackendError.

    All their samples are read, so that a counter that started over is counted as a whole, and a gap is seen.
    """
    unreadable: Counter[str] = Counter()
    counts: list[HeldCount] = []
    # Prometheus knows no fractions of a unit of time.
    window = f"{round((end_unix_seconds - start_unix_seconds + _MARGIN_SECONDS) * 1000)}ms"
    matching = "|".join(stages).replace(".", "\\\\.")
    for name in names:
        query = f'{name}{{stage=~"{matching}"}}[{window}]'
        for series in _series(client, {"query": query, "time": f"{end_unix_seconds + _MARGIN_SECONDS:.3f}"}):
            try:
                counts.append(_count(name, series, end_unix_seconds))
            except (ValueError, TypeError, KeyError):
                unreadable["series"] += 1
    return Held(
        name=f"prometheus {client.shown}", signals=frozenset({Signal.METRICS}), counts=counts, unreadable=unreadable
    )


def _series(client: BackendClient, parameters: Mapping[str, str]) -> list[Any]:
    answer = client.get("/api/v1/query", parameters)
    content = answer.content if isinstance(answer.content, dict) else {}
    if answer.status != 200 or content.get("status") != "success":
        reason = str(content.get("error") or f"status {answer.status}")[:200]
        raise BackendError(f"{client.shown}: the query was refused: {reason}")
    data = content.get("data")
    result = data.get("result") if isinstance(data, dict) else None
    if not isinstance(result, list):
        raise BackendError(f"{client.shown}: this is not Prometheus' API: the answer has no result")
    return result


def _count(name: str, series: Any, end_unix_seconds: float) -> HeldCount:
    labels = {key: str(value) for key, value in series["metric"].items()}
    samples = _of_the_run([(float(at), float(value)) for at, value in series["values"]], end_unix_seconds)
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(samples)]
    return HeldCount(
        name=name.removesuffix("_count"),
        labels=labels,
        source=" ".join(labels.get(key, "") for key in _OF_THE_TARGET),
        count=increase([value for _, value in samples]),
        last_unix_seconds=samples[-1][0],
        gap_seconds=max(gaps, default=0.0),
        interval_seconds=statistics.median(gaps) if gaps else 0.0,
    )


def _of_the_run(samples: list[tuple[float, float]], end_unix_seconds: float) -> list[tuple[float, float]]:
    """Return the samples up to where, after the end of the run, the counter of a next run starts over."""
    for index in range(1, len(samples)):
        if samples[index][0] > end_unix_seconds and samples[index][1] < samples[index - 1][1]:
            return samples[:index]
    return samples
