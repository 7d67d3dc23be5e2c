"""The labels of metrics that are made from the names of decisions and attributes."""

from __future__ import annotations

import re

_NOT_IN_A_LABEL = re.compile(r"[^A-Za-z0-9_]")


def label_name(name: str) -> str:
    """Return the label of a decision or attribute: `app.user-id` becomes app_user_id."""
    return _NOT_IN_A_LABEL.sub("_", name)
