"""Requests that are wrong, or unusual, around a valid payload; and notifications that no receiver has to take.

The rows of a contract (`conformance.contract.tables`) list the probes of requests; the makers that they name are here,
pure functions without randomness. Each probe is checked when it is made: SuiteError for a wrong credential that is the
right one. For receivers there are incomplete and unreadable notifications, and request ids of every form.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from conformance.contract.command import Command, Notified
from conformance.contract.contract import Authentication, Contract, encoded_pair
from conformance.contract.schemas import Violation
from conformance.contract.tables import Making
from conformance.model.errors import SuiteError, UsageError
from conformance.model.traffic import JSON_MEDIA_TYPE
from conformance.payloads.json_defects import malformed_bodies
from conformance.payloads.members import Members

# --- Requests


class CredentialProbe(NamedTuple):
    """A wrong credential: the whole value of its header, or None for no such header."""

    aspect: str
    header_value: str | None


class PathProbe(NamedTuple):
    """A path behind the base URL without a command."""

    aspect: str
    method: str
    path: str


# --- Credentials


def credential_probes(contract: Contract, key: str, secret: str) -> list[CredentialProbe]:
    """All wrong credentials, without those that are right by chance (swapped, if key and secret are equal).

    Also without those that no header can carry. Raises UsageError for a credential that this authentication cannot
    carry, SuiteError if a probe turns out to be the right one.
    """
    authentication = contract.authentication
    _check_carried(authentication, key, secret)
    probes: list[CredentialProbe] = []
    for probe in contract.probes.of("credential"):
        before = len(probes)
        for making in probe.made:
            if not making.parameters.get("otherwise") or len(probes) == before:
                values = _VALUES[making.by](making, authentication, key, secret)
                probes += [CredentialProbe(making.aspect, value) for value in values]
    for each in probes:
        if each.header_value is not None and _is_right(authentication, each.header_value, key, secret):
            raise SuiteError(f"the credential probe {each.aspect!r} is the right credential")
    return probes


def _check_carried(authentication: Authentication, key: str, secret: str) -> None:
    if authentication.names_key and (not key or not secret or ":" in key):
        raise UsageError(
            "the credential is empty, or its key has a colon in it",
            hint="give --consumer-key (without a colon) and --consumer-secret",
        )
    if not authentication.names_key and not _fits_a_header(secret):
        raise UsageError(
            "the secret is empty, or holds what no header can carry", hint="give --consumer-secret in visible ASCII"
        )


def _fits_a_header(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _of_halves(making: Making, authentication: Authentication, key: str, secret: str) -> Iterator[str]:
    """The right credential with a changed key, secret or encoded pair; none if that changes nothing."""
    halves = {"the-key": key, "the-secret": secret}
    changed = [
        CHANGES[how](own) if (how := making.parameters.get(name, "")) in CHANGES else halves.get(how, own)
        for name, own in (("key", key), ("secret", secret))
    ]
    value = authentication.value(*changed)
    if "token" in making.parameters:
        scheme, _, token = value.rpartition(" ")
        value = f"{scheme} {CHANGES[making.text('token')](token)}"
    if not _is_right(authentication, value, key, secret):
        yield value.strip()


CHANGES: Mapping[str, Callable[[str], str]] = {
    # Another character, never just another case.
    "last-changed": lambda word: word[:-1] + ("y" if word[-1:] in ("x", "X") else "x"),
    "last-missing": lambda word: word[:-1],
    "other-case": str.swapcase,
    "empty": lambda _: "",
}
"""The changes to a key, a secret or an encoded pair."""


def _as_written(making: Making, authentication: Authentication, key: str, secret: str) -> Iterator[str | None]:
    """The value that a row has, None for no such header; nothing if no header can carry it."""
    if "value" not in making.parameters:
        yield None
        return
    template = making.text("value")
    user = "".join(character for character in key if character.isascii() and character.isalnum())
    token = encoded_pair(key, secret) if authentication.names_key else secret
    named = [word for name, word in {"key": key, "secret": secret}.items() if f"{{{name}}}" in template]
    if all(map(_fits_a_header, named)):
        yield template.format(key=key, secret=secret, token=token, user=user)


_VALUES: Mapping[str, Callable[[Making, Authentication, str, str], Iterator[str | None]]] = {
    "credential": _of_halves,
    "header": _as_written,
}


def _is_right(authentication: Authentication, value: str, key: str, secret: str) -> bool:
    """Whether a lenient gateway takes it for the right one: schemes in any case, stray characters in base64."""
    scheme, _, token = value.rpartition(" ") if authentication.scheme else ("", "", value)
    if scheme.lower() != authentication.scheme.lower():
        return False
    if not authentication.names_key:
        return token == secret
    try:
        return b64decode(token) == f"{key}:{secret}".encode()
    except ValueError:
        return False


# --- Headers, methods, paths


def header_probes(contract: Contract, kind: str, method: str) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    """The probes of a kind that change only headers, for a command with that method.

    The aspect, and the headers that are changed or left out (None).
    """
    for probe in contract.probes.of(kind):
        for making in probe.made:
            if making.by == "header" and method in making.parameters.get("methods", (method,)):
                left_out = dict.fromkeys(making.parameters.get("without", ()))
                yield making.aspect, {making.text("name"): making.parameters.get("value"), **left_out}


def method_probes(contract: Contract, command: Command) -> list[tuple[str, str]]:
    """The methods that `command` does not have, each with its aspect.

    GET goes out without parameters: the seed lets them travel in the URL, so with them it might be lawful.
    """
    made = [making for probe in contract.probes.of("method") for making in probe.made]
    return [(each.aspect, each.text("method")) for each in made if each.text("method") != command.method]


def unknown_commands(contract: Contract) -> list[PathProbe]:
    """Requests below the base URL to paths without a command; SuiteError for the path of a command."""
    made = [making for probe in contract.probes.of("unknown-command") for making in probe.made]
    probes = [PathProbe(making.aspect, making.text("method"), making.text("path")) for making in made]
    if taken := contract.commands.keys() & {probe.path for probe in probes}:
        raise SuiteError(f"{', '.join(sorted(taken))} is a command, not an unknown path")
    return probes


# --- Notifications


SPARED = frozenset(
    {
        # Widespread readers take these for members of another type.
        *(f"{name} for a value" for name in ("NaN", "Infinity", "-Infinity")),
        # Widespread readers replace them with a replacement character or a surrogate (RFC 8259, 9).
        "bytes that are not UTF-8",
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
