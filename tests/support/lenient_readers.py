"""What lenient gateways make of a request: every place in which they may look for a phone number, and every way.

Written without the suite's own guard, which is held against it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from conformance.model.traffic import Request
from conformance.payloads.members import members_of

# Texts for people, and amounts: nobody looks for a number there.
ELSEWHERE = frozenset({"message", "amount"})

SUBSCRIBER = 9

_MEMBER = re.compile("phone_number[\"']?\\s*[:=]\\s*[\"']?([^\"'},]*)")

Ways = tuple[Callable[[str], str], ...]


def dialled(request: Request, base_url: str) -> set[str]:
    """Everybody whom some reader of the request would call."""
    found = set()
    for text in set(_looked_at(request, base_url)):
        for digits in (_ascii_digits(text), *map(_ascii_digits, re.split("[A-Za-z;,|#]+", text)), _counted(text)):
            for way in WAYS:
                number = re.sub("^0*(254)?0*", "", way(digits))
                if len(number) == SUBSCRIBER:
                    found.add(number)
    return found


WAYS: Ways = (
    lambda digits: digits,
    lambda digits: digits[-9:],
    lambda digits: digits[-10:],
    lambda digits: digits[-12:],
    lambda digits: digits[:12],
    lambda digits: digits[:15],
    lambda digits: digits[:16],
    lambda digits: digits.lstrip("0"),
    lambda digits: digits.removeprefix("254")[:9],
    lambda digits: digits.removeprefix("0")[:9],
    lambda digits: digits.removeprefix("00")[:12],
    lambda digits: digits.lstrip("0").removeprefix("254").lstrip("0")[:9],
)


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return re.sub("[^0-9]+", "", text)
    return "".join(str(unicodedata.digit(each)) for each in text if each.isdigit())


def _counted(text: str) -> str:
    """As who reads a number of JSON: `2.547e11`."""
    try:
        return str(abs(int(float(text))))
    except (ValueError, OverflowError):
        return ""


def _looked_at(request: Request, base_url: str) -> Iterator[str]:
    parts = urlsplit(request.url.removeprefix(base_url))
    yield from (*unquote(parts.path).split("/"), *(value for _, value in parse_qsl(parts.query)))
    for decoded in {request.body.decode(encoding, "ignore") for encoding in ("utf-8", "utf-16-be", "utf-16-le")}:
        # First, last and joined, of members that are there twice.
        for hook, number in HOOKS if len(decoded) < LARGE else HOOKS[:1]:
            yield from _in_json(decoded.lstrip("\ufeff"), hook, number)
        if "=" in decoded and "{" not in decoded:
            yield from (value for name, value in parse_qsl(decoded) if name not in ELSEWHERE)
        elif members_of(request.body, len(request.body)) is None:
            # Cut short or with something behind it: the member is looked for.
            yield from (found[1] for found in _MEMBER.finditer(decoded))


def _as_a_double(digits: str) -> str:
    """As Gson hands over any number: 2.54712345678E11."""
    mantissa, _, exponent = f"{float(digits):.17E}".partition("E")
    return f"{float(mantissa)}E{int(exponent)}"


def _in_json(text: str, hook: Callable[[list[tuple[str, Any]]], Any], number: Callable[[str], str]) -> Iterator[str]:
    try:
        value = json.loads(text, object_pairs_hook=hook, strict=False, parse_int=number, parse_float=number)
    except (ValueError, RecursionError):
        return
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    members = value if isinstance(value, dict) else {"": value}
    for name, member in members.items():
        if name not in ELSEWHERE:
            yield from _written(member)


def _reversed(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _joined(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict.fromkeys(name for name, _ in pairs)
    return {name: [value for each, value in pairs if each == name] for name in names}


def _written(value: Any) -> Iterator[str]:
    """A value as a text, in the ways of several languages, and each that is in it."""
    waiting = [value]
    texts: list[str] = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.values(), *one]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            texts.append(one)
    yield from texts
    if len(set(filter(None, texts))) > 1:
        yield "".join(texts)
        yield "".join(reversed(texts))


HOOKS = tuple((hook, number) for hook in (dict, _reversed, _joined) for number in (str, _as_a_double))
"""How members of one name are read, and numbers."""

LARGE = 100_000
"""What is there for its size is read in one way."""
