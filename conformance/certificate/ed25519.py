"""Ed25519 and DSSE through securesystemslib: the only module that imports a cryptographic library.

A key's id is the one that securesystemslib gives it, so that other tools on it, as those of in-toto, find it again.
Errors are ValueError in words; `conformance.certificate.signing` adds the name of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey


def _kind_of(key: object) -> str:
    """The kind of a key in words, such as `RSA` or `Ed448`."""
    name = type(key).__name__.lstrip("_")
    return name.removesuffix("PrivateKey").removesuffix("PublicKey")


# The prime of the field, and the coordinate of a point of order 8. The curve has eight points of an order that divides
# 8, with these y; for such a key a signature fits any message (as libsodium refuses them).
_PRIME = 2**255 - 19
_Y_OF_ORDER_8 = 0x5FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDERS = frozenset({0, 1, _PRIME - 1, _Y_OF_ORDER_8, _PRIME - _Y_OF_ORDER_8})


def _is_weak(raw: bytes) -> bool:
    """Whether the 32 bytes of a key are a point of small order, or another spelling of a point than its own."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    return y >= _PRIME or y in _SMALL_ORDERS


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Verifies signatures; `der` as SubjectPublicKeyInfo."""

    der: bytes
    keyid: str
    _key: SSlibKey

    @classmethod
    def _of(cls, key: object) -> Self:
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"is of the kind {_kind_of(key)}; expected Ed25519")  # noqa: TRY004 - one kind of error for all that is in a file
        if _is_weak(key.public_bytes(Encoding.Raw, PublicFormat.Raw)):
            raise ValueError("is of small order: anybody can sign for it")
        known = SSlibKey.from_crypto(key)
        return cls(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), known.keyid, known)

    @classmethod
    def from_der(cls, data: bytes, load: Callable[[bytes], object] = load_der_public_key) -> Self:
        """Read a key. Raises ValueError."""
        try:
            return cls._of(load(data))
        except UnsupportedAlgorithm as error:
            raise ValueError("is of an unknown kind; expected Ed25519") from error

    @classmethod
    def from_pem(cls, data: bytes) -> Self:
        """Read a key. Raises ValueError."""
        return cls.from_der(data, load_pem_public_key)

    def to_pem(self) -> bytes:
        """The key as a text."""
        key = load_der_public_key(self.der)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def verifies(self, payload_type: str, payload: bytes, signature: bytes) -> bool:
        """Whether `signature` is one of this key over just these bytes of this type."""
        try:
            self._key.verify_signature(
                Signature(self.keyid, signature.hex()), Envelope(payload, payload_type, {}).pae()
            )
        except UnverifiedSignatureError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Signs."""

    public: PublicKey
    _key: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> Self:
        """A new key, from the operating system's randomness."""
        return cls._of(Ed25519PrivateKey.generate())

    @classmethod
    def _of(cls, key: object) -> Self:
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"is of the kind {_kind_of(key)}; expected Ed25519")  # noqa: TRY004 - as above
        return cls(PublicKey._of(key.public_key()), key)  # noqa: SLF001 - the same module

    @classmethod
    def from_pem(cls, data: bytes, passphrase: str | None = None) -> Self:
        """The key that `data` holds; `passphrase` only where it is encrypted. Raises ValueError."""
        try:
            return cls._of(load_pem_private_key(data, passphrase.encode() if passphrase else None))
        except (UnsupportedAlgorithm, TypeError) as error:
            raise ValueError(f"cannot be used: {error}") from error

    def to_pem(self, passphrase: str | None = None) -> bytes:
        """The key as a text, encrypted if there is a passphrase."""
        encryption: KeySerializationEncryption = NoEncryption()
        if passphrase:
            encryption = BestAvailableEncryption(passphrase.encode())
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        """The signature over these bytes of this type."""
        signature = Envelope(payload, payload_type, {}).sign(CryptoSigner(self._key))
        return bytes.fromhex(signature.signature)
