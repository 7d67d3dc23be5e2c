"""The names and kinds of generated stages: a shop's services and stores, with typical names."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from simulator.generation.chance import Chance
from simulator.generation.shape import Shape

_SAME_AREA = 0.8


class Kind(Enum):
    """What a stage is, which decides its name, its delay and its role."""

    ENTRY = "entry"
    SERVICE = "service"
    DATABASE = "database"
    CACHE = "cache"


_AREAS = (
    *("account", "address", "ad", "basket", "billing", "booking", "campaign", "catalogue", "category", "checkout"),
    *("consent", "contract", "coupon", "customer", "delivery", "device", "discount", "document", "exchange", "feed"),
    *("fraud", "gift", "identity", "inventory", "invoice", "loyalty", "media", "message", "offer", "order"),
    *("partner", "payment", "price", "product", "profile", "promotion", "refund", "return", "review", "reward"),
    *("search", "seller", "session", "shipment", "stock", "subscription", "supplier", "tax", "ticket", "voucher"),
)
_CHANNELS = ("web", "mobile", "api", "partner", "store", "admin")
_ENDINGS = {
    Kind.SERVICE: (
        *("audit", "builder", "calculator", "checker", "details", "enricher", "export", "facts", "filter", "gateway"),
        *("history", "limits", "list", "lookup", "matcher", "notifier", "parser", "planner", "policy", "ranking"),
        *("recommender", "registry", "resolver", "router", "rules", "scoring", "service", "status", "summary", "sync"),
    ),
    Kind.DATABASE: ("db", "store", "archive", "ledger", "index"),
    Kind.CACHE: ("cache", "sessions", "counters"),
}
# Of the leaves; the rest are services that answer without a call.
_DATABASE_RATIO = 0.35
_CACHE_RATIO = 0.30


def kinds_of(shape: Shape, chance: Chance) -> list[Kind]:
    """Return the kind of each stage of a shape."""
    entries = frozenset(shape.layers[0])
    return [_kind(number, number in entries, bool(called), chance) for number, called in enumerate(shape.called)]


def _kind(number: int, is_entry: bool, calls: bool, chance: Chance) -> Kind:
    if is_entry:
        return Kind.ENTRY
    if calls:
        return Kind.SERVICE
    u = chance.u(str(number), "kind")
    if u < _DATABASE_RATIO:
        return Kind.DATABASE
    return Kind.CACHE if u < _DATABASE_RATIO + _CACHE_RATIO else Kind.SERVICE


def names_of(shape: Shape, kinds: Sequence[Kind], taken: Sequence[str], chance: Chance) -> list[str]:
    """Return a unique name for each stage, not in `taken`; a stage is mostly in the area of its caller."""
    areas = _areas(shape, chance)
    counts: dict[str, int] = dict.fromkeys(taken, 1)
    names = []
    for number, kind in enumerate(kinds):
        about = str(number)
        if kind is Kind.ENTRY:
            plain = f"{chance.one_of(_CHANNELS, about, 'channel')}-{areas[number]}"
        else:
            plain = f"{areas[number]}-{chance.one_of(_ENDINGS[kind], about, 'ending')}"
        counts[plain] = counts.get(plain, 0) + 1
        names.append(plain if counts[plain] == 1 else f"{plain}-{counts[plain]}")
    return names


def _areas(shape: Shape, chance: Chance) -> dict[int, str]:
    areas: dict[int, str] = {}
    for layer in shape.layers:
        for number in layer:
            if number not in areas:
                areas[number] = chance.one_of(_AREAS, str(number), "area")
            for called in shape.called[number]:
                if called not in areas and chance.happens(_SAME_AREA, str(called), "same area"):
                    areas[called] = areas[number]
    return areas
