"""Names of stages and topologies: the rule for them, and what a name becomes where it can't stay as it is.

Files, metrics, logs and spans have a name as it is written. The name of a host has fewer characters, and ignores case:
RFC 1123 allows letters, digits and dashes, and a Service of Kubernetes has to begin with a letter (RFC 1035).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from simulator.quoting import listed, printable, quoted

MAX_CHARACTERS = 63  # of a label in DNS and in Kubernetes
# What Kubernetes adds to the name of a StatefulSet, to label its pods, leaves no more.
_MAX_HOST_CHARACTERS = 52
_DIGEST_BYTES = 5
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._-]")
_WORDS = {" ": "a space", ".": "a dot", "-": "a dash", "_": "an underscore"}
_MAX_SHOWN = 5
_HOST_PREFIX = "stage-"
_MUST_DIFFER = "names must differ in more than case, dashes, dots and underscores"


def check_name(value: Any) -> str:
    """Return the value if it is a valid name for a stage or a topology. Raise ValueError with what is wrong otherwise.

    A name has 1 to 63 letters (a to z, of either case), digits, dashes, underscores and dots, and begins and ends with
    a letter or digit.
    """
    if not isinstance(value, str):
        raise ValueError(f"{quoted(value)} is not a name{quotes_hint(value)}")
    if not value:
        raise ValueError("'' is not a name: it is empty")
    if mistakes := list(_mistakes(value)):
        raise ValueError(f"{quoted(value)} {'; it '.join(mistakes)}")
    return value


def quotes_hint(value: Any) -> str:
    """Return what to add to an error about a value that YAML does not take for text; "" if it may not be meant so."""
    return "; a name like a number, true or false needs quotes" if isinstance(value, bool | int | float) else ""


def _mistakes(name: str) -> Iterator[str]:
    if len(name) > MAX_CHARACTERS:
        yield f"has {len(name)} characters; a name has at most {MAX_CHARACTERS}"
    if wrong := dict.fromkeys(_NOT_ALLOWED.findall(name)):
        shown = listed(map(_word, wrong), " and ", _MAX_SHOWN)
        yield f"has {shown} in it; a name has only a-z, A-Z, 0-9, '-', '_' and '.'"
    ends = {"begins": name[0], "ends": name[-1]}
    if found := [f"{verb} with {_WORDS[char]}" for verb, char in ends.items() if char in "._-"]:
        yield f"{' and '.join(found)}; a name begins and ends with a letter or digit"


def _word(char: str) -> str:
    return _WORDS.get(char) or f"'{printable(char)}'"


def clashes(instances: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the stages whose name clashes with that of another, and why; `instances` is {stage: how many it has}."""
    hosts: dict[str, str] = {}
    several = {name.lower(): name for name, count in instances.items() if count > 1}
    for name in instances:
        other = hosts.setdefault(host_name(name), name)
        if other != name:
            yield name, f"as the name of a host or file it is the same as {other!r}: {_MUST_DIFFER}"
        stage, _, number = name.rpartition(".")
        of = several.get(stage.lower())
        if of is not None and number in map(str, range(1, instances[of] + 1)):
            yield name, f"instance {number} of {of!r} has this name in logs and reports"


def dns_label(name: str) -> str:
    """Return the label that stands for a name in DNS: in lower case, with dashes for dots and underscores."""
    return name.lower().translate({ord("."): "-", ord("_"): "-"})


def host_name(name: str) -> str:
    """Return the host name of a stage in containers: its label, beginning with a letter, and cut at 52 characters.

    One that is cut ends with a hash of the whole.
    """
    label = dns_label(name)
    if label[:1].isdigit() or label == "localhost":  # which resolves to the container itself
        label = f"{_HOST_PREFIX}{label}"
    if len(label) <= _MAX_HOST_CHARACTERS:
        return label
    digest = hashlib.blake2b(label.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{label[: _MAX_HOST_CHARACTERS - len(digest) - 1]}-{digest}"


def split_place(place: str, stages: Collection[str]) -> tuple[str, str]:
    """Return the stage and the key in STAGE.KEY; "" for a part that is missing.

    Names may have dots, as keys may: the stage is the one with the longest name that fits. If none does, it is the text
    before the first dot.
    """
    dots = [index for index, char in enumerate(place) if char == "."]
    at = next((dot for dot in reversed(dots) if place[:dot] in stages), dots[0] if dots else len(place))
    return place[:at], place[at + 1 :]
