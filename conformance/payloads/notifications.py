"""Payloads of notifications: ids of every form, and bodies that no receiver has to take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any
from uuid import UUID

from conformance.contract.command import Command, Notified
from conformance.contract.contract import Contract
from conformance.contract.schema_set import Violation
from conformance.model.traffic import JSON_MEDIA_TYPE
from conformance.payloads.json_defects import malformed_bodies
from conformance.payloads.labels import Members

SPARED = frozenset(
    {
        # Widespread readers take these for members of another type.
        *(f"{name} for a value" for name in ("NaN", "Infinity", "-Infinity")),
        # Widespread readers replace them with a replacement character or a surrogate (RFC 8259, 9).
        "bytes that are no UTF-8",
        # JSON; `incomplete` makes it.
        "array",
        "scalar",
    }
)
"""The defects that a receiver may lawfully overlook, or that `incomplete` covers."""


def incomplete(
    contract: Contract, command: Notified, next_content: Callable[[], Members]
) -> Iterator[tuple[str, bytes]]:
    """JSON that is not a notification, with the name of its fault; each made from another content.

    Every necessary member is left out once, and gets each value that its schema refuses for its type.
    """
    success = contract.notification.success
    number = int(success) if success.isdecimal() else 1
    for name in _necessary(contract, command):
        yield f"without {name}", _json({key: value for key, value in next_content().items() if key != name})
        for value in (None, number, True, [success], {"value": success}, success):
            content = {**next_content(), name: value}
            if not is_complete(contract, command, contract.schemas.violations(command.notification_schema, content)):
                yield f"{name} is {json.dumps(value)}", _json(content)
    yield "without members", b"{}"
    yield from (("array", b"[]"), ("string", _json(success)), ("number", _json(number)), ("null", b"null"))


def unreadable(
    contract: Contract, command: Notified, next_content: Callable[[], Members]
) -> Iterator[tuple[str, bytes]]:
    """Bodies that nobody reads as JSON, with the name of their defect; each made from another content."""
    required = _schema(contract, command)["required"]
    for probe in malformed_bodies(contract, lambda: _json({name: next_content()[name] for name in required})):
        if probe.content_type == JSON_MEDIA_TYPE and probe.body.strip() and probe.breakage not in SPARED:
            yield probe.breakage, probe.body


def is_complete(contract: Contract, command: Notified, violations: Iterable[Violation]) -> bool:
    """Whether a notification with these violations is an object with the necessary members, each of its type."""
    places = {"", *(f"/{name}" for name in _necessary(contract, command))}
    return not any(each.keyword in {"type", "required"} and each.pointer in places for each in violations)


def documented(contract: Contract, command: Notified) -> frozenset[str]:
    """The documented members of a notification of the product."""
    return frozenset(_schema(contract, command)["properties"])


def _necessary(contract: Contract, command: Notified) -> list[str]:
    """The members that a notification needs: for a result, those that its schema requires.

    For a notification without a request, those that every notification has: the receiver decides on others.
    """
    required: list[str] = _schema(contract, command)["required"]
    if isinstance(command, Command):
        return required
    roles = contract.notification
    return [name for name in required if name in {roles.id, roles.outcome, roles.reason}]


def _schema(contract: Contract, command: Notified) -> dict[str, Any]:
    return contract.schemas.resolved(command.notification_schema)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DIGITS = ALPHANUMERIC[:10]
LETTERS = ALPHANUMERIC[10:]

Maker = Callable[[Random], str]


def _of(alphabet: str, length: int, before: str = "") -> Maker:
    return lambda chance: before + "".join(chance.choices(alphabet, k=length))


USUAL: Maker = _of(ALPHANUMERIC, 32)

FORMS: Mapping[str, Maker] = {
    "a UUID": lambda chance: str(UUID(int=chance.getrandbits(128), version=4)),
    "32 hexadecimal digits": _of("0123456789abcdef", 32),
    "digits alone": _of(DIGITS, 18, "7"),  # more than a double holds exactly
    "digits that begin with zeros": _of(DIGITS, 9, "000"),
    "6 characters": _of(ALPHANUMERIC, 6),
    "128 characters": _of(ALPHANUMERIC, 128),
    "signs": _of(DIGITS, 12, "Req/a+b=c&d_%2F~.x:y-"),
}
"""Forms of a request_id, each with a function that makes one."""


def _in_case(chance: Random) -> tuple[str, str]:
    one = USUAL(chance)[:-1] + chance.choice(LETTERS)
    return one, one.swapcase()


def _in_zeros(chance: Random) -> tuple[str, str]:
    one = _of(DIGITS, 9, "7")(chance)
    return one, f"00{one}"


def _in_the_end(chance: Random) -> tuple[str, str]:
    one = FORMS["128 characters"](chance)
    return f"{one}a", f"{one}b"


NEAR: Mapping[str, Callable[[Random], tuple[str, str]]] = {
    "the case of its letters": _in_case,
    "the zeros that it begins with": _in_zeros,
    "its last character": _in_the_end,
}
"""The only difference between two ids, and a function that makes such a pair."""
