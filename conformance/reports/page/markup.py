"""Bodies of messages as HTML: JSON pretty, everything escaped, and what a finding names, or what differs, marked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup, escape

from conformance.reports.escaping import for_terminal

# A body that is longer is cut; the journal and traffic.har have it whole.
LONGEST_BODY = 6_000
# What is nested deeper is no message of the contract.
DEEPEST = 30

FOUND = Markup("<mark>")
DIFFERS = Markup('<mark class="differs">')
Marks = Mapping[str, Markup]


def counted(number: int, noun: str) -> str:
    """`1 header`, `2,000 headers`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def body_markup(body: bytes, pointers: frozenset[str] = frozenset(), differing: frozenset[str] = frozenset()) -> Markup:
    """A body as it is to be shown; values at the JSON `pointers` stand in `<mark>`, so do those that differ elsewhere.

    The latter have the class `differs`; what is both is marked as the former.
    """
    if len(body) > LONGEST_BODY:  # as HTML it is longer still
        return _raw(body)
    marks = {**dict.fromkeys(differing, DIFFERS), **dict.fromkeys(pointers, FOUND)}
    try:
        value = json.loads(body)
        pretty = Markup("").join(_pretty(value, "", 0, marks))
    except (ValueError, RecursionError):
        return _raw(body)
    return pretty if len(pretty) <= LONGEST_BODY else _raw(body)


def _raw(body: bytes) -> Markup:
    shown = body[:LONGEST_BODY].decode("utf-8", "backslashreplace")
    lines = Markup("\n").join(escape(for_terminal(line)) for line in shown.split("\n"))
    cut = len(body) - LONGEST_BODY
    return lines + Markup("\n… {} bytes more").format(cut) if cut > 0 else lines


def _pretty(value: Any, pointer: str, depth: int, marks: Marks) -> Iterator[Markup]:
    mark = marks.get(pointer) if pointer else None
    if mark:
        yield mark
    if isinstance(value, dict) and value and depth < DEEPEST:
        yield from _members(value, pointer, depth, marks)
    elif isinstance(value, list) and value and depth < DEEPEST:
        yield from _elements(value, pointer, depth, marks)
    else:
        yield _scalar(value)
    if mark:
        yield Markup("</mark>")


def _members(value: dict[str, Any], pointer: str, depth: int, marks: Marks) -> Iterator[Markup]:
    yield Markup("{")
    for number, (name, member) in enumerate(value.items()):
        yield _line(depth + 1, separated=number > 0)
        yield Markup('<span class="k">{}</span>: ').format(_text(name))
        escaped = name.replace("~", "~0").replace("/", "~1")
        yield from _pretty(member, f"{pointer}/{escaped}", depth + 1, marks)
    yield _line(depth) + "}"


def _elements(value: list[Any], pointer: str, depth: int, marks: Marks) -> Iterator[Markup]:
    yield Markup("[")
    for number, element in enumerate(value):
        yield _line(depth + 1, separated=number > 0)
        yield from _pretty(element, f"{pointer}/{number}", depth + 1, marks)
    yield _line(depth) + "]"


def _line(depth: int, *, separated: bool = False) -> Markup:
    """The break before a line of that depth."""
    return Markup("{}\n{}").format("," if separated else "", "  " * depth)


def _scalar(value: Any) -> Markup:
    kind = "s" if isinstance(value, str) else "n"
    return Markup('<span class="{}">{}</span>').format(kind, _text(value))


def _text(value: Any) -> str:
    return for_terminal(json.dumps(value, ensure_ascii=False))
