"""Which of the allowed names was probably meant by another: one spelt alike, or another word for the same thing.

Loaded by the first name that is not known: the words and the comparing take memory, and most processes meet none.
"""

from __future__ import annotations

import difflib
import functools
import heapq
import itertools
import re
from collections.abc import Collection, Iterable, Mapping

_MIN_LIKENESS = 0.65  # `edn` for `end`
_MAX_CHARACTERS = 64  # a longer name is none
_MANY = 200  # of more names only these are compared in full, those with the most pairs of letters in common
_HUMP = re.compile(r"([a-z0-9])([A-Z])")

# What people write who know other programs, and what is meant by it: the first of these that is allowed at the place.
# What stands after a colon is shown with the key.
_MEANT: Mapping[str, str] = {
    # stages
    "endpoints routes handlers methods apis": "operations",
    "endpoint route url_path": "path",
    "verb http_method": "method",
    "decisions decision draws": "decide",
    "cpu memory": "work",
    "count replicas copies scale instance pods nodes number": "instances | times",
    "threads concurrency concurrent max_concurrency parallelism capacity pool worker": "workers | limit",
    "max": "limit | high",
    "max_parallel at_once": "limit",
    "size body body_size payload payload_size bytes": "request_bytes | response_bytes | bytes",
    "response response_size answer_size": "response_bytes",
    "request request_size": "request_bytes",
    "latency duration time processing_time service_time sleep wait response_time": "delay | duration | timeout | hang",
    "delay pause": "hang",
    "errors error error_rate failures failure_rate fault": "faults | errors",
    "dependencies downstream downstreams upstream upstreams depends_on call steps": "calls | downstream",
    "services": "calls | downstream | stages",
    "backlog buffer queue_size queue_length max_queue": "queue",
    "ratelimit throttle max_rps": "rate_limit",
    "type": "kind | role",
    "objectives objective sla slos": "slo",
    "tags annotations": "labels | attributes",
    "timeout": "calls: [{to: name, timeout: 1s}] | hang",
    "deadline": "calls: [{to: name, deadline: 1s}]",
    "retries": "calls: [{to: name, retries: 2}]",
    "probability": "calls: [{to: name, probability: 10%}] | rate",
    # calls and groups
    "url uri target service name stage host callee": "to | downstream",
    "operation endpoint method": "to: cart.read",
    "retry attempts tries max_retries": "retries",
    "chance ratio prob share percent percentage weight p": "probability | weight | rate",
    "repeat loop iterations n": "times",
    "circuit_breaker": "breaker",
    "hedging": "hedge",
    "if condition": "when",
    "then alternative otherwise": "fallback",
    "catch rescue finally": "on_error",
    "best_effort ignore_errors": "optional",
    "one_of any_of switch": "choose",
    "concurrently all fan_out": "parallel",
    "sequence sequential": "steps",
    # load and slo
    "rps qps tps requests_per_second rate frequency": "rate | load: {rate: 20/s} | rate_limit",
    "arrival distribution process": "arrivals | load: {arrivals: poisson}",
    "users clients vus connections": "concurrency",
    "requests total": "messages",
    "messages": "load: {messages: 1000}",
    "arrivals": "load: {arrivals: poisson}",
    "p99 p95 percentile": "latency",
    "availability success_rate": "errors",
    # the whole
    "seeds random_seed": "seed",
    "nodes vertices microservices": "stages",
    "title": "name",
    # lines of the log
    "text msg line template": "message",
    # kinds, roles, and when and how to answer
    "db sql postgres postgresql mysql mongodb datastore": "database",
    "redis memcached": "cache",
    "third_party remote": "external",
    "proxy passthrough relay": "downstream",
    "source producer generator client clients load entry": "injector",
    "service server middle node worker": "processor",
    "sink consumer output last": "terminator",
    "async asynchronous fire_and_forget": "accept",
    "sync synchronous": "wait",
    # delays, faults and arrivals
    "fixed const static deterministic": "constant",
    "gaussian gauss": "normal",
    "exp expo exponent": "exponential",
    "exponential poisson random memoryless": "exponential | poisson",
    "range between": "uniform",
    "quantiles quantile histogram": "percentiles",
    "mix weighted multimodal": "mixture",
    "empirical file replay trace": "samples",
    "http http_error abort fail failure status": "error",
    "stall freeze block": "hang",
    "disconnect close drop rst": "reset",
    "cut partial": "truncate",
    "slow bandwidth": "slow_body",
    "oom leak ram": "memory",
    "burn spin": "cpu",
    # values in their parentheses
    "stddev std sd sigma standard_deviation dev": "deviation",
    "avg average mu": "mean | value",
    "median": "p50",
    "minimum": "min | low",
    "maximum": "max | high",
    "from lower": "low | min",
    "to upper": "high | max",
    "min": "low",
    "alpha": "shape",
    "code status_code": "status",
    "initial base": "backoff",
    "cooldown open_for": "reset",
    "threshold": "failures",
}
_CANDIDATES: dict[str, list[str]] = {}
for _words, _meant in _MEANT.items():
    for _word in _words.split():
        _CANDIDATES.setdefault(_word, []).extend(_meant.split(" | "))


def likeliest(name: object, allowed: Collection[str]) -> str:
    """Return the allowed name that was probably meant, or how to write it; "" if none is near."""
    written = _plain(name) if isinstance(name, str) and len(name) <= _MAX_CHARACTERS else ""
    if not written:
        return ""
    spelt = {_plain(one): one for one in allowed}
    if written in spelt:
        return spelt[written]
    for meant in _CANDIDATES.get(written, ()):
        key, colon, rest = meant.partition(":")
        if key in spelt:
            return f"{spelt[key]}{colon}{rest}"
    similar: Iterable[str] = spelt
    if len(spelt) > _MANY:
        pairs = _pairs(written)
        similar = heapq.nlargest(_MANY, spelt, key=lambda name: len(pairs & _pairs(name)))
    alike = difflib.get_close_matches(written, similar, n=1, cutoff=_MIN_LIKENESS)
    return spelt[alike[0]] if alike else ""


@functools.lru_cache(maxsize=2**14)
def _pairs(name: str) -> frozenset[str]:
    return frozenset(map("".join, itertools.pairwise(name)))


def _plain(name: str) -> str:
    """Return a name as the keys are written: `maxBody` and `MAX-BODY` as `max_body`."""
    return _HUMP.sub(r"\1_\2", name).lower().replace("-", "_").replace(" ", "_").strip("_")
