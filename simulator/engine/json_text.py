"""Whether bytes are JSON by RFC 8259: all of it, including what orjson does not load.

A parser may set limits to numbers, nesting and the content of strings (RFC 8259, 6, 8.2 and 9). A stage forwards its
messages as they came, so the limits of its parser must not decide which of them are JSON.
"""

from __future__ import annotations

import re

import orjson

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# The quantifiers are possessive, so that no text takes more than linear time; `?+` would let Python 3.11.2 match `1.`
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+"')
_WHOLE_STRINGS = re.compile(rb'(?:[^"]++|%b)*+' % _STRING.pattern)
_NUMBER = re.compile(rb"(?<![-+.0-9A-Za-z])-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![-+.0-9A-Za-z])")
_LITERAL = re.compile(rb"(?<![0-9A-Za-z])(?:true|false|null)(?![0-9A-Za-z])")
_SPACE = b" \t\r\n"
# One byte for each scalar; neither may occur in JSON itself.
_STRING_TOKEN, _OTHER_TOKEN = b"\x00", b"\x01"
_VALUE, _FIRST_ITEM, _FIRST_KEY, _KEY, _COLON, _AFTER_VALUE = range(6)
# What follows a token in a state, except for closing brackets, which depend on what they close.
_NEXT: dict[tuple[int, int], int] = {
    **{(state, ord(token)): _AFTER_VALUE for state in (_VALUE, _FIRST_ITEM) for token in (b"\x00", b"\x01")},
    **{(state, ord("[")): _FIRST_ITEM for state in (_VALUE, _FIRST_ITEM)},
    **{(state, ord("{")): _FIRST_KEY for state in (_VALUE, _FIRST_ITEM)},
    **{(state, ord(_STRING_TOKEN)): _COLON for state in (_FIRST_KEY, _KEY)},
    (_COLON, ord(":")): _VALUE,
}
_OPENING, _CLOSING, _COMMA = b"[{", {ord("]"): (ord("["), _FIRST_ITEM), ord("}"): (ord("{"), _FIRST_KEY)}, ord(",")


def without_mark(text: bytes) -> bytes:
    """Return a text without the byte order mark, which a parser may ignore (RFC 8259, 8.1)."""
    return text.removeprefix(_BYTE_ORDER_MARK)


def json_flaw(text: bytes) -> str | None:
    """Return why a text is not JSON, None if it is."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return None if _is_json(without_mark(text)) else str(error)
    return None


def _is_json(text: bytes) -> bool:
    """Return whether a text is JSON, whatever numbers, escapes and nesting it has."""
    if _STRING_TOKEN in text or _OTHER_TOKEN in text:
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    # Checked first: if one string is broken, a search for the others would take quadratic time.
    if _WHOLE_STRINGS.fullmatch(text) is None:
        return False
    # What is neither a number nor a literal stays as it is, and is not a token.
    tokens = _LITERAL.sub(_OTHER_TOKEN, _NUMBER.sub(_OTHER_TOKEN, _STRING.sub(_STRING_TOKEN, text)))
    is_balanced = tokens.count(b"[") == tokens.count(b"]") and tokens.count(b"{") == tokens.count(b"}")
    return is_balanced and _is_a_value(tokens.translate(None, _SPACE))


def _is_a_value(tokens: bytes) -> bool:
    """Return whether tokens form one value; without recursion, so that nesting has no limit."""
    state, opened = _VALUE, bytearray()
    for token in tokens:
        following = _NEXT.get((state, token))
        if following is not None:
            state = following
            if token in _OPENING:
                opened.append(token)
        elif token == _COMMA and state == _AFTER_VALUE and opened:
            state = _VALUE if opened[-1] == _OPENING[0] else _KEY
        elif token in _CLOSING:
            opening, if_empty = _CLOSING[token]
            if state not in (_AFTER_VALUE, if_empty) or not opened or opened.pop() != opening:
                return False
            state = _AFTER_VALUE
        else:
            return False
    return state == _AFTER_VALUE and not opened
