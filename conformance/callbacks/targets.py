"""Targets of requests: when two of them, written differently, name the same.

origin_form     path and query of a target that may also be a whole URL
normalized      one spelling for all that RFC 3986 calls equivalent
"""

from __future__ import annotations

import re

_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


def origin_form(target: str) -> str:
    """Path and query of a target; one may also be a whole URL, as a client of a proxy writes it (RFC 9112 §3.2)."""
    found = _ORIGIN.match(target)
    if found is None:
        return target
    rest = target[found.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def normalized(target: str) -> str:
    """The target in origin form: no unreserved character escaped, escapes in capitals (RFC 3986 §6.2.2).

    `%7E` and `~` name the same, so do `%2f` and `%2F`; `%2F` and `/` do not.
    """
    return _ESCAPE.sub(_spelled, origin_form(target))


def _spelled(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()
