"""The place of a value in a file: the keys and list indices that lead to it."""

Keys = tuple[str | int, ...]
