"""Signing: key files, and the DSSE envelope with the exact bytes that are signed and their signatures.

    Rejected, UnknownSigner             why a certificate is refused, or neither valid nor refused
    Envelope, Signature                 certificate.json, before anything in it is believed
    make_key_pair, read_private_key, …  key files; each error says in one line why a file cannot be used

A public key in the file proves that nothing was changed since its holder signed; only a key from elsewhere tells *who*
that is. An envelope has exactly one form as a file, so every changed byte is noticed.

The cryptographic library is imported when a key is first needed: a run that signs nothing does not pay for it, nor
depend on it.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from conformance.contract.schemas import FORMATS
from conformance.model.errors import ConformanceError, UsageError
from conformance.model.untrusted import TooLong, given_bytes, parse_json

if TYPE_CHECKING:
    from types import ModuleType

    from conformance.certificate.ed25519 import PrivateKey, PublicKey


class Rejected(ConformanceError):
    """Not certified, or not to be relied on; the message is the reason."""

    exit_code = 1


class UnknownSigner(ConformanceError):
    """A certificate holds, but the verifier gave no key to trust: it is neither valid nor refused."""

    exit_code = 3


PAYLOAD_TYPE = "application/vnd.in-toto+json"

LONGEST_CERTIFICATE = 1 << 20
"""Bytes that are read of a file that may be a certificate; a certificate has some twenty thousand."""

MOST_SIGNATURES = 32
"""Enough for a vendor, a certifier, and everybody who relies on both."""

_MOST_MEMBERS = 3 + 3 * MOST_SIGNATURES


@dataclass(frozen=True, slots=True)
class Signature:
    """`keyid` names the key as securesystemslib does; `public_key` is its SubjectPublicKeyInfo in DER."""

    keyid: str
    value: bytes
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """The signed payload, and its signatures in the order in which they were given."""

    payload: bytes
    signatures: tuple[Signature, ...] = ()
    payload_type: str = PAYLOAD_TYPE

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse a file, without verifying anything. Raises Rejected if it is not an envelope."""
        if len(data) > LONGEST_CERTIFICATE:
            raise Rejected(f"envelope: it is longer than {LONGEST_CERTIFICATE:,} bytes, so it is not a certificate")
        if data.count(b":") > _MOST_MEMBERS:
            # A colon follows the name of a member, and is nowhere else: neither in base64 nor in an id.
            raise Rejected(f"envelope: it has more than {MOST_SIGNATURES} signatures, or is not a certificate")
        try:
            document = parse_json(data)
        except ValueError as error:
            raise Rejected(f"envelope: the file is not a certificate: {error}") from error
        if (wrong := FORMATS.violation("certificate", document)) is not None:
            where = wrong.pointer or "the whole file"
            raise Rejected(f"envelope: {where} is not as in a certificate ({wrong.keyword})")
        signatures = tuple(
            Signature(
                entry["keyid"],
                _decoded(entry, "sig", f"signature {number}"),
                _decoded(entry, "public_key", f"signature {number}"),
            )
            for number, entry in enumerate(document["signatures"], start=1)
        )
        return cls(_decoded(document, "payload", "envelope"), signatures, document["payloadType"])

    def to_bytes(self) -> bytes:
        """The only form of this envelope as a file."""
        document = {
            "payloadType": self.payload_type,
            "payload": _encoded(self.payload),
            "signatures": [
                {"keyid": each.keyid, "sig": _encoded(each.value), "public_key": _encoded(each.public_key)}
                for each in self.signatures
            ],
        }
        return f"{json.dumps(document, indent=2)}\n".encode()

    def signed_also(self, signature: Signature) -> Self:
        """The same with one more signature. Raises UsageError if there are MOST_SIGNATURES already."""
        if len(self.signatures) >= MOST_SIGNATURES:
            raise UsageError(f"the certificate has {len(self.signatures)} signatures already, which is the most")
        return replace(self, signatures=(*self.signatures, signature))


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decoded(entry: Mapping[str, Any], member: str, where: str) -> bytes:
    try:
        return base64.b64decode(entry[member], validate=True)
    except binascii.Error as error:
        raise Rejected(f"{where}: {member} is not base64: {error}") from error


PASSPHRASE_VARIABLE = "STATUM_CONFORMANCE_KEY_PASSPHRASE"  # noqa: S105 - where it is, not what it is

# A key is some hundred bytes; anything longer is something else, as /dev/zero.
_LONGEST_KEY_FILE = 65_536

_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_ENCRYPTED = "ENCRYPTED PRIVATE KEY"


@cache
def _ed25519() -> ModuleType:
    from conformance.certificate import ed25519  # noqa: PLC0415 - see above; tests/docs/test_architecture.py knows of it

    return ed25519


def public_path(private: Path) -> Path:
    """The file of the public key beside a private key file."""
    return private.with_name(f"{private.name}.pub")


def make_key_pair(path: Path, passphrase: str | None = None) -> PublicKey:
    """Write a new private key to `path`, which nobody else may read, and its public key to `path`.pub; return that.

    The private key is encrypted if there is a passphrase. Raises UsageError if one of the files exists, or cannot be
    written.
    """
    for each in (path, public_path(path)):
        if os.path.lexists(each):
            raise UsageError(f"{each} exists already; a key is never overwritten", hint="choose another name")
    key: PrivateKey = _ed25519().PrivateKey.generate()
    _write_new(path, key.to_pem(passphrase), 0o600)
    try:
        _write_new(public_path(path), key.public.to_pem(), 0o644)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    return key.public


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        # Its mode from the first moment on: a file that is closed to others only later was open to them before.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already; a key is never overwritten", hint="choose another name") from error
    except OSError as error:
        raise UsageError(f"key file {path} cannot be written: {error.strerror or error}") from error


def read_private_key(path: Path, passphrase: str | None = None) -> PrivateKey:
    """The private key in the file. Raises UsageError if there is none."""
    data = _content(path, "a private key")
    label = _label(path, data)
    if "PUBLIC" in label:
        hint = f"such as {path.with_suffix('')}" if path.suffix == ".pub" else _KEYGEN
        raise UsageError(f"{path} is a public key; expected a private key", hint=hint)
    if not label.endswith("PRIVATE KEY") or label.startswith("OPENSSH"):
        raise UsageError(f"{path} is a PEM file of the kind {label}; expected PRIVATE KEY (PKCS #8)", hint=_KEYGEN)
    if label == _ENCRYPTED and not passphrase:
        raise UsageError(f"{path} is encrypted; expected its passphrase", hint=f"set {PASSPHRASE_VARIABLE}")
    try:
        key: PrivateKey = _ed25519().PrivateKey.from_pem(data, passphrase if label == _ENCRYPTED else None)
    except ValueError as error:
        if label == _ENCRYPTED and "expected Ed25519" not in str(error):
            raise UsageError(f"{path} does not open with the passphrase given", hint=PASSPHRASE_VARIABLE) from error
        raise _unusable(path, error, "private key") from error
    return key


def read_public_key(path: Path) -> PublicKey:
    """The public key in the file. Raises UsageError if there is none."""
    data = _content(path, "a public key")
    label = _label(path, data)
    if "PRIVATE" in label:
        raise UsageError(f"{path} is a private key; expected a public key", hint=f"such as {public_path(path)}")
    if label != "PUBLIC KEY":
        raise UsageError(f"{path} is a PEM file of the kind {label}; expected PUBLIC KEY")
    try:
        key: PublicKey = _ed25519().PublicKey.from_pem(data)
    except ValueError as error:
        raise _unusable(path, error, "public key") from error
    return key


def public_key(der: bytes) -> PublicKey:
    """The public key in DER, as a certificate holds it. Raises ValueError in words."""
    key: PublicKey = _ed25519().PublicKey.from_der(der)
    return key


def is_open_to_others(path: Path) -> bool:
    """Whether anybody but its owner may read the file."""
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


_KEYGEN = "`statum-conformance keygen` makes one"


def _content(path: Path, what: str) -> bytes:
    if path.is_dir():
        raise UsageError(f"{path} is a directory; expected {what} in PEM")
    if not path.exists():
        raise UsageError(f"there is no key file {path}", hint=_KEYGEN)
    try:
        return given_bytes(path, _LONGEST_KEY_FILE)
    except TooLong as error:
        raise UsageError(f"{path} is too long for a key; expected {what} in PEM") from error
    except OSError as error:
        raise UsageError(f"key file {path} cannot be read: {error.strerror or error}") from error


def _label(path: Path, data: bytes) -> str:
    found = _LABEL.search(data)
    if found is None:
        raise UsageError(f"{path} is not a PEM file; expected an Ed25519 key in PEM", hint=_KEYGEN)
    return found[1].decode("ascii")


def _unusable(path: Path, error: ValueError, what: str) -> UsageError:
    words = str(error)
    if words.startswith("is of "):
        return UsageError(f"{path} {words}", hint=_KEYGEN)
    return UsageError(f"{path} is a damaged {what}; expected Ed25519 in PEM", hint=_KEYGEN)
