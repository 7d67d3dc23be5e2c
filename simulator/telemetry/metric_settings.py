"""How metrics are exported, by OpenTelemetry's variables for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_DIGITS = re.compile(r"[0-9]{1,9}")
MAX_MILLIS = 86_400_000


class ExemplarFilter(StrEnum):
    """Which measurements may be exemplars: those of sampled traces, all that have a trace, or none."""

    TRACE_BASED = "trace_based"
    ALWAYS_ON = "always_on"
    ALWAYS_OFF = "always_off"


class Temporality(StrEnum):
    """Whether counts are those since the start or since the last export; `lowmemory` is the same as delta here."""

    CUMULATIVE = "cumulative"
    DELTA = "delta"
    LOW_MEMORY = "lowmemory"


class HistogramAggregation(StrEnum):
    """The buckets of histograms: those of the catalogue, or exponential ones."""

    EXPLICIT = "explicit_bucket_histogram"
    EXPONENTIAL = "base2_exponential_bucket_histogram"


@dataclass(frozen=True, kw_only=True)
class MetricSettings:
    """When and in which form metrics are exported."""

    interval_seconds: float = 60.0
    timeout_seconds: float = 30.0
    exemplars: ExemplarFilter = ExemplarFilter.TRACE_BASED
    temporality: Temporality = Temporality.CUMULATIVE
    histograms: HistogramAggregation = HistogramAggregation.EXPLICIT

    @property
    def is_delta(self) -> bool:
        """Return whether counts are those since the last export."""
        return self.temporality is not Temporality.CUMULATIVE


def read_metric_settings(environment: Mapping[str, str]) -> MetricSettings:
    """Return what the variables say. Raise ValueError that begins with NAME=VALUE if a value is invalid."""
    usual = MetricSettings()
    otlp = "OTEL_EXPORTER_OTLP_METRICS_"
    return MetricSettings(
        interval_seconds=_seconds(environment, "OTEL_METRIC_EXPORT_INTERVAL", usual.interval_seconds),
        timeout_seconds=_seconds(environment, "OTEL_METRIC_EXPORT_TIMEOUT", usual.timeout_seconds),
        exemplars=ExemplarFilter(_chosen(environment, "OTEL_METRICS_EXEMPLAR_FILTER", ExemplarFilter)),
        temporality=Temporality(_chosen(environment, f"{otlp}TEMPORALITY_PREFERENCE", Temporality)),
        histograms=HistogramAggregation(
            _chosen(environment, f"{otlp}DEFAULT_HISTOGRAM_AGGREGATION", HistogramAggregation)
        ),
    )


def _seconds(environment: Mapping[str, str], variable: str, usual: float) -> float:
    text = environment.get(variable, "").strip()
    if not text:
        return usual
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= MAX_MILLIS:
        raise ValueError(f"{variable}={text[:40]!r} must be milliseconds from 1 to {MAX_MILLIS}")
    return int(text) / 1000


def _chosen(environment: Mapping[str, str], variable: str, choices: type[StrEnum]) -> str:
    """Return the choice that a variable names, the first one if it is not set."""
    allowed = [str(choice) for choice in choices]
    text = environment.get(variable, "").strip()
    if not text:
        return allowed[0]
    if text.lower() not in allowed:
        raise ValueError(f"{variable}={text[:40]!r} must be one of {', '.join(allowed)}")
    return text.lower()
