"""Requests that are wrong, or unusual, around a payload that is valid: pure functions, no randomness.

The rows of a contract (`conformance.contract.probes`) list the probes; the makers that they name are here. Each probe
is checked when it is made: SuiteError for a wrong credential that is the right one.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from conformance.contract.command import Command
from conformance.contract.contract import Authentication, Contract, encoded_pair
from conformance.contract.probes import Making
from conformance.model.errors import SuiteError, UsageError


class CredentialProbe(NamedTuple):
    """A wrong credential: the whole value of its header, or None for no such header."""

    aspect: str
    header_value: str | None


class HeaderProbe(NamedTuple):
    """Headers that are changed, or left out (None), by name."""

    aspect: str
    changes: Mapping[str, str | None]


class MethodProbe(NamedTuple):
    """A method that the command does not have."""

    aspect: str
    method: str


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


def header_probes(contract: Contract, kind: str, method: str) -> Iterator[HeaderProbe]:
    """The probes of a kind that change only headers, for a command with that method."""
    for probe in contract.probes.of(kind):
        for making in probe.made:
            if making.by == "header" and method in making.parameters.get("methods", (method,)):
                left_out = dict.fromkeys(making.parameters.get("without", ()))
                yield HeaderProbe(making.aspect, {making.text("name"): making.parameters.get("value"), **left_out})


def method_probes(contract: Contract, command: Command) -> list[MethodProbe]:
    """The methods that `command` does not have.

    GET goes out without parameters: the seed lets them travel in the URL, so with them it might be lawful.
    """
    made = [making for probe in contract.probes.of("method") for making in probe.made]
    methods = [MethodProbe(making.aspect, making.text("method")) for making in made]
    return [probe for probe in methods if probe.method != command.method]


def unknown_commands(contract: Contract) -> list[PathProbe]:
    """Requests below the base URL to paths without a command; SuiteError for the path of a command."""
    made = [making for probe in contract.probes.of("unknown-command") for making in probe.made]
    probes = [PathProbe(making.aspect, making.text("method"), making.text("path")) for making in made]
    if taken := contract.commands.keys() & {probe.path for probe in probes}:
        raise SuiteError(f"{', '.join(sorted(taken))} is a command, not an unknown path")
    return probes
