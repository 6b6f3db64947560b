"""Requests that are wrong, or unusual, around a payload that is valid: pure functions, no randomness.

    credential_probes                   every way of having a wrong credential
    content_type_probes                 a JSON body that is not declared as JSON
    accept_probes                       lawful values of Accept
    method_probes, unknown_paths        methods and paths that the gateway does not have

Rules: contract, "Headers" and "Responses". Each probe is a named tuple whose `aspect` the checks select by. What it
claims about itself (a credential that is not the right one) is proved when it is made; SuiteError if it does not hold.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import NamedTuple

from conformance.contract.command import Command
from conformance.contract.contract import Contract, encoded_pair
from conformance.errors import SuiteError, UsageError

JSON_MEDIA_TYPE = "application/json"


class CredentialProbe(NamedTuple):
    """A wrong credential: the whole value of `Authorization`, or None for no such header."""

    aspect: str
    header_value: str | None


class HeaderProbe(NamedTuple):
    """A value for one header, or None to leave it out."""

    aspect: str
    value: str | None


class MethodProbe(NamedTuple):
    """A method that the command does not have."""

    aspect: str
    method: str


# --- Credentials


def credential_probes(contract: Contract, key: str, secret: str) -> list[CredentialProbe]:
    """Every way of being wrong, next to the right credential.

    Left out is what would be right by chance (swapped, if key and secret are equal). Raises UsageError for a credential
    that Basic authentication cannot carry, SuiteError if a probe turns out to be the right one.
    """
    if not key or not secret or ":" in key:
        raise UsageError(
            "the credential is empty, or its key has a colon in it",
            hint="give --consumer-key (without a colon) and --consumer-secret",
        )
    right = f"{key}:{secret}".encode()
    authorization = contract.authentication.value
    probes = [
        CredentialProbe("absent", None),
        *(CredentialProbe("wrong-key", authorization(wrong, secret)) for wrong in _wrong_words(key)),
        *(CredentialProbe("wrong-secret", authorization(key, wrong)) for wrong in _wrong_words(secret)),
        *(CredentialProbe("swapped", authorization(secret, key)) for _ in range(key != secret)),
        *(CredentialProbe("other-case", value) for value in _other_cases(contract, key, secret)),
        CredentialProbe("empty", authorization("", "")),
        # Without a space after it: HTTP does not carry white space at the end of a header.
        CredentialProbe("empty", "Basic"),
        *(CredentialProbe("not-base64", f"Basic {text}") for text in _not_base64(key, secret)),
        CredentialProbe("other-scheme", f"Bearer {encoded_pair(key, secret)}"),
        CredentialProbe("other-scheme", f'Digest username="{_digestible(key)}", realm="api", response="{"0" * 32}"'),
    ]
    for probe in probes:
        if _decoded(probe.header_value) == right:
            raise SuiteError(f"the credential probe {probe.aspect!r} is the right credential")
    return probes


def _decoded(value: str | None) -> bytes | None:
    """What a lenient gateway makes of a header: the bytes behind `Basic`, strays skipped; None if it is not Basic."""
    scheme, _, encoded = (value or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(encoded)
    except ValueError:
        return None


def _wrong_words(word: str) -> Iterator[str]:
    """Near misses: the last character is another one (never just another case), and the last one is missing."""
    yield word[:-1] + ("y" if word[-1:] in ("x", "X") else "x")
    if word:
        yield word[:-1]


def _other_cases(contract: Contract, key: str, secret: str) -> Iterator[str]:
    swapped = [pair for pair in ((key, secret.swapcase()), (key.swapcase(), secret)) if pair != (key, secret)]
    if swapped:
        yield from (contract.authentication.value(*pair) for pair in swapped)
        return
    other = encoded_pair(key, secret).swapcase()
    if b64decode(other) != f"{key}:{secret}".encode():
        yield f"Basic {other}"


def _not_base64(key: str, secret: str) -> Iterator[str]:
    yield "!!!!"
    plain = f"{key}:{secret}"
    # In the clear, as people send it who read the header's rule too fast; only where a header can carry it.
    if plain.isascii() and plain.isprintable() and " " not in plain:
        yield plain


def _digestible(key: str) -> str:
    return "".join(character for character in key if character.isascii() and character.isalnum())


# --- Headers, methods, paths


def content_type_probes() -> list[HeaderProbe]:
    """Content-Types that do not declare a JSON body as JSON (seed: `Content-Type` is `application/json`)."""
    return [
        HeaderProbe("absent-content-type", None),
        HeaderProbe("other-content-type", "text/plain"),
        HeaderProbe("other-content-type", "application/xml"),
    ]


def accept_probes() -> list[HeaderProbe]:
    """Values of Accept, each lawful (seed: optional)."""
    return [
        HeaderProbe("no-accept", None),
        HeaderProbe("any-accept", "*/*"),
        HeaderProbe("json-accept", JSON_MEDIA_TYPE),
    ]


# HEAD and OPTIONS belong to HTTP itself and PATCH is not in RFC 2616: what a gateway does with them is its own affair.
_METHODS = ("GET", "POST", "PUT", "DELETE")


def method_probes(command: Command) -> list[MethodProbe]:
    """The methods that `command` does not have.

    GET goes out without parameters: the seed lets them travel in the URL, so with them it might be lawful.
    """
    return [MethodProbe(f"method:{method}", method) for method in _METHODS if method != command.method]


def unknown_paths(contract: Contract) -> list[str]:
    """Paths below the base URL that are no command, nor the beginning of one."""
    paths = ["no-such-command", "no/such/command"]
    if taken := contract.commands.keys() & set(paths):
        raise SuiteError(f"{', '.join(sorted(taken))} is a command, not an unknown path")
    return paths
