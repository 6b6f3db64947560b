"""Files that are given as certificates, keys and reports to keep a reader busy: bounded, and refused before it is."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import BOMBS, CERTIFIER, NOW, VENDOR, certificate, resigned
from command_line import call
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from made_result import result_of

from conformance.certificate.ed25519 import PrivateKey, PublicKey
from conformance.certificate.issuing import countersign
from conformance.certificate.signing import (
    LONGEST_CERTIFICATE,
    MOST_SIGNATURES,
    Envelope,
    Rejected,
    Signature,
)
from conformance.certificate.verification import Trust, proved
from conformance.contract.contract import statum
from conformance.model import untrusted
from conformance.model.errors import UsageError
from conformance.model.untrusted import TooLong, given_bytes
from conformance.reports.files import LONGEST_REPORT, json_report

Capsys = pytest.CaptureFixture[str]

# Far more than any of these takes, and far less than each of them took.
SOON_S = 20.0


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A certificate that the vendor signed."""
    return certificate(tmp_path_factory.mktemp("sample"))


def refusal(data: bytes) -> str:
    """Why it is refused, by somebody who trusts the vendor."""
    with pytest.raises(Rejected) as refused:
        list(proved(data, statum(), Trust.of([VENDOR.public]), now=NOW))
    return refused.value.message


# --- Sizes and counts


def test_certificates_that_would_keep_a_reader_busy_are_refused_at_once() -> None:
    """Before any signature is checked, and in one short line."""
    begun = time.monotonic()
    reasons = {name: refusal(bomb) for name, bomb in BOMBS.items()}

    assert time.monotonic() - begun < SOON_S
    beginnings = ("envelope: ", "signature 1: ")
    assert {} == {n: reason for n, reason in reasons.items() if not reason.startswith(beginnings) or len(reason) > 500}


def test_no_certificate_has_more_signatures_than_are_read(sample: bytes) -> None:
    """So that what was signed can be verified."""
    envelope = Envelope.parse(sample)
    for _ in range(MOST_SIGNATURES - 1):
        envelope = countersign(envelope, PrivateKey.generate())

    assert MOST_SIGNATURES == len(Envelope.parse(envelope.to_bytes()).signatures)
    with pytest.raises(UsageError, match=f"has {MOST_SIGNATURES} signatures already"):
        countersign(envelope, CERTIFIER)


# --- Signatures


ORDER = 2**252 + 27742317777372353535851937790883648493


def moved(value: bytes) -> bytes:
    """S + L, which fits the same equation as S (RFC 8032, 5.1.7)."""
    return value[:32] + (int.from_bytes(value[32:], "little") + ORDER).to_bytes(32, "little")


def test_a_forged_signature_is_refused(sample: bytes) -> None:
    """Another spelling of it, a copy under another key id, and one over a payload of another type."""
    whole = Envelope.parse(sample)
    (mine,) = whole.signatures
    spelled = Signature(mine.keyid, moved(mine.value), mine.public_key)
    copied = Signature(CERTIFIER.public.keyid, mine.value, mine.public_key)
    forged = {
        Envelope(whole.payload, (spelled,)): "signature 1: it does not fit the payload; one of the two was changed",
        Envelope(whole.payload, (copied,)): "signature 1: the key id is not that of its public key",
        countersign(Envelope(whole.payload, (), "application/json"), VENDOR): (
            "envelope: /payloadType is not as in a certificate (const)"
        ),
    }
    assert list(forged.values()) == [refusal(envelope.to_bytes()) for envelope in forged]


def of_small_order() -> list[bytes]:
    """The keys for which signatures fit any message: each point of small order in each of its spellings."""
    prime = 2**255 - 19
    eighth = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    found = (0, 1, prime - 1, prime, prime + 1, eighth, prime - eighth)
    return [(y | sign << 255).to_bytes(32, "little") for y in found for sign in (0, 1)]


def test_a_key_of_small_order_is_refused(capsys: Capsys, tmp_path: Path) -> None:
    """In a certificate, where it would sign anything, and where it is given as one to be trusted."""
    path = tmp_path / "weak.pub"
    for raw in of_small_order():
        key = Ed25519PublicKey.from_public_bytes(raw)
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        anything = Envelope(b"{}", (Signature("0" * 64, raw + bytes(32), der),))

        with pytest.raises(ValueError, match="is of small order: anybody can sign for it"):
            PublicKey.from_der(der)
        assert "signature 1: its public key is none of Ed25519" == refusal(anything.to_bytes())
        called = call(capsys, "verify", str(path), f"--key={path}")
        assert called.only_line.startswith(f"error: {path} is of small order")
        assert 2 == called.code


# --- What is signed


STRICTLY_READ = {
    b'{"_type": 1, "_type": 2}': "the member '_type' is there more than once",
    b"[" * 500_000: "it is nested too deeply",
    b"{" + b",".join(b'"%d":0' % number for number in range(60_000)) + b"}": "no test result of this suite",
    b'{"a": NaN}': "NaN",
    b"\xef\xbb\xbf{}": "byte order mark",
}


def test_a_signed_payload_is_read_strictly() -> None:
    """By the key that is trusted: nobody can count one of two members, or has to wait."""
    for content, reason in STRICTLY_READ.items():
        said = refusal(countersign(Envelope(content), VENDOR).to_bytes())

        assert said.startswith("payload: it is signed, but no ")
        assert reason in said


def test_nothing_is_valid_for_longer_than_any_is_issued_for(sample: bytes) -> None:
    """Whoever has the key could write any date."""

    def for_ever(document: dict[str, object]) -> None:
        document["predicate"]["statum_conformance"]["expires"] = "9999-12-31T23:59:59Z"  # type: ignore[index]

    assert "expiry: it is valid for more than 3,650 days, which none is issued for" == refusal(
        resigned(sample, for_ever)
    )


# --- What is not a file


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 << 30)


ODD: dict[str, Callable[[Path], None]] = {
    "a pipe that nobody writes to": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "ten gigabytes of nothing": _sparse,
}
COMMANDS = (
    ("verify", "odd", "--key=vendor.pub"),
    ("verify", "odd"),
    ("verify", "certificate.json", "--key=odd"),
    ("verify", "certificate.json", "--key=vendor.pub", "--evidence=odd"),
    ("badge", "odd"),
    ("compare", "odd", "odd"),
    ("report", "--from=odd"),
    ("judge", "odd"),
)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_refused_in_one_line(
    capsys: Capsys, tmp_path: Path, sample: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each command that reads one, which neither waits for a pipe nor reads a device to its end."""
    monkeypatch.chdir(tmp_path)
    Path("vendor.pub").write_bytes(VENDOR.public.to_pem())
    Path("certificate.json").write_bytes(sample)
    ODD[name](Path("odd"))
    begun = time.monotonic()

    called = {arguments: call(capsys, *arguments) for arguments in COMMANDS}

    assert {each.code for each in called.values()} <= {1, 2}
    lines = {
        arguments: [line for line in (each.out + each.err).splitlines() if not line.startswith("ok ")]
        for arguments, each in called.items()
    }
    assert {} == {arguments: found for arguments, found in lines.items() if len(found) != 1}
    assert time.monotonic() - begun < SOON_S


def test_a_pipe_that_somebody_writes_to_is_read(tmp_path: Path, sample: bytes) -> None:
    """As that of `verify <(curl …)`: in parts, and with pauses."""
    pipe, opened = tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as out:
            opened.set()
            out.write(sample[:100])
            out.write(sample[100:])

    keeping = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    thread = threading.Thread(target=write)
    thread.start()
    opened.wait(SOON_S)
    try:
        assert sample == given_bytes(pipe, LONGEST_CERTIFICATE)
    finally:
        os.close(keeping)
        thread.join()


def test_a_pipe_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time; the reason is told as that of any file that cannot be read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    both = os.open(pipe, os.O_RDWR)
    monkeypatch.setattr(untrusted, "PATIENCE_S", 0.05)
    try:
        with pytest.raises(TimeoutError, match="nothing came from it within"):
            given_bytes(pipe, 10)
    finally:
        os.close(both)


def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    """The last byte that is allowed, and the first that is not."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)

    assert b"x" * 10 == given_bytes(path, 10)
    with pytest.raises(TooLong):
        given_bytes(path, 9)


# --- Reports


def test_a_report_that_would_keep_a_reader_busy_is_refused(capsys: Capsys, tmp_path: Path) -> None:
    """With many entries that are none, or longer than any report is."""
    document = json.loads(json_report(result_of()))
    many, long = tmp_path / "many.json", tmp_path / "long.json"
    many.write_text(json.dumps({**document, "requirements": [0] * 400_000}), encoding="utf-8")
    long.write_bytes(b" " * (LONGEST_REPORT + 1))
    begun = time.monotonic()

    assert "is not a report of statum-conformance: " in call(capsys, "compare", str(many), str(many)).only_line
    assert "is too long for a report" in call(capsys, "compare", str(long), str(many)).only_line
    assert 1 == call(capsys, "badge", str(many)).code
    assert time.monotonic() - begun < SOON_S
