"""YAML's merge keys: `<<: *service` inserts another mapping's keys, `<<: [*slow, *small]` those of several.

A key that the mapping itself has is kept, and of several mappings the first that has a key gives it, as
https://yaml.org/type/merge.html says. Only the keys of the mappings are merged, not those of the mappings in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from simulator.quoting import shortened
from simulator.topology.flow_style import whole_items, whole_pairs

_MERGE = "<<"
_MAPPING_TAG = "tag:yaml.org,2002:map"
_MAX_CHAIN = 40  # mappings that merge mappings that merge mappings
Pair = tuple[yaml.Node, yaml.Node]


@dataclass(frozen=True)
class _Merged:
    """A mapping's pairs with those that it inserts, and how many mappings are inserted in one another for that."""

    pairs: list[Pair]
    length: int = 0


class MergeKeys:
    """The pairs of the mappings of one document.

    At most `max_pairs` are inserted in all: a few lines of mappings that merge one another ten times would otherwise
    take any time.
    """

    def __init__(self, max_pairs: int) -> None:
        self._max_pairs = max_pairs
        self._complaints: list[tuple[str, yaml.Node]] = []
        self._inserted = 0
        self._done: dict[int, _Merged] = {}
        self._open: set[int] = set()

    def pairs(self, node: yaml.MappingNode) -> list[Pair]:
        """Return the pairs of a mapping: first those that it inserts, then its own. Merge keys are left out."""
        pairs = whole_pairs(node)
        return self._merged(node).pairs if _has_merge_key(pairs) else pairs

    def complaints(self) -> list[tuple[str, yaml.Node]]:
        """Return what was wrong with merge keys since this was called last, and where."""
        found, self._complaints = self._complaints, []
        return found

    def _complain(self, message: str, node: yaml.Node) -> None:
        self._complaints.append((message, node))

    def _merged(self, node: yaml.MappingNode) -> _Merged:
        done = self._done.get(id(node))
        if done is None:
            self._open.add(id(node))
            done = self._done[id(node)] = self._merge(node)
            self._open.remove(id(node))
        return done

    def _merge(self, node: yaml.MappingNode) -> _Merged:
        pairs = whole_pairs(node)
        merges = [pair for pair in pairs if _is_merge(pair[0])]
        own = [pair for pair in pairs if not _is_merge(pair[0])]
        if not merges:
            return _Merged(own)
        for key, _ in merges[1:]:
            self._complain("the key '<<' is given twice: write <<: [*first, *second]", key)
        names = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
        inserted: dict[str, Pair] = {}
        length = 0
        for source in self._sources(merges[0][1]):
            merged = self._checked(source)
            length = max(length, merged.length + 1)
            for pair in merged.pairs:
                self._inserted += 1
                name = pair[0].value if isinstance(pair[0], yaml.ScalarNode) else ""
                if name not in names:
                    inserted.setdefault(name, pair)
        return _Merged([*inserted.values(), *own], length)

    def _sources(self, node: yaml.Node) -> list[yaml.Node]:
        return whole_items(node) if isinstance(node, yaml.SequenceNode) else [node]

    def _checked(self, source: yaml.Node) -> _Merged:
        """Return what a mapping inserts, or nothing and a complaint if it can't."""
        merged = _Merged([])
        if not isinstance(source, yaml.MappingNode):
            self._complain("a merge key takes a mapping, or a list of them: <<: *name or <<: [*first, *second]", source)
        elif source.tag != _MAPPING_TAG:
            self._complain(f"the tag {shortened(source.tag)} is not supported", source)
        elif id(source) in self._open:
            self._complain("the merge keys form a cycle: this mapping inserts itself", source)
        elif self._inserted > self._max_pairs:
            self._complain(f"more than {self._max_pairs} values by merge keys", source)
        elif len(self._open) > _MAX_CHAIN or (merged := self._merged(source)).length >= _MAX_CHAIN:
            self._complain(f"more than {_MAX_CHAIN} mappings are inserted in one another by merge keys", source)
            merged = _Merged([])
        return merged


def _has_merge_key(pairs: list[Pair]) -> bool:
    return any(key.value == _MERGE and _is_merge(key) for key, _ in pairs)


def _is_merge(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and not key.style and key.value == _MERGE
