"""The DSSE envelope: the exact bytes that are signed, and the signatures.

A public key in the file proves that nothing was changed since its holder signed; only a key from elsewhere tells *who*
that is. An envelope has exactly one form as a file, so every changed byte is noticed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from conformance.contract.schemas import FORMATS
from conformance.model.errors import ConformanceError, UsageError
from conformance.model.untrusted import parse_json


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
            raise Rejected(f"envelope: it is longer than {LONGEST_CERTIFICATE:,} bytes, so it is no certificate")
        if data.count(b":") > _MOST_MEMBERS:
            # A colon follows the name of a member, and is nowhere else: neither in base64 nor in an id.
            raise Rejected(f"envelope: it has more than {MOST_SIGNATURES} signatures, or is no certificate")
        try:
            document = parse_json(data)
        except ValueError as error:
            raise Rejected(f"envelope: the file is no certificate: {error}") from error
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
        raise Rejected(f"{where}: {member} is no base64: {error}") from error
