"""Verifying certificates: who signed, that no byte can be changed unnoticed, expiry, policy and evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import CERTIFIER, NOW, STRANGER, VENDOR, certificate, journal_of, resigned
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.signer import SSlibKey

from conformance.certificate.digests import exact_copy, file_digest
from conformance.certificate.ed25519 import PrivateKey
from conformance.certificate.issuing import countersign
from conformance.certificate.signing import PAYLOAD_TYPE, Envelope, Rejected
from conformance.certificate.verification import CheckPassed, Trust, VerifiedCertificate, proved
from conformance.contract.contract import statum
from conformance.model.errors import UsageError


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A certificate that vendor and certifier signed."""
    return certificate(tmp_path_factory.mktemp("sample"), CERTIFIER)


def steps(data: bytes, trust: Trust | None = None, **more: Any) -> list[CheckPassed | VerifiedCertificate]:
    """What was checked; Rejected if something does not hold."""
    return list(proved(data, statum(), trust or Trust(), now=NOW, **more))


def refusal(data: bytes, trust: Trust | None = None, **more: Any) -> str:
    """Why it is refused."""
    with pytest.raises(Rejected) as refused:
        list(proved(data, statum(), trust or Trust(), **{"now": NOW, **more}))
    return refused.value.message


# --- Signatures


def test_others_can_verify_it(sample: bytes) -> None:
    """With securesystemslib alone, as in-toto's tools do: same key id, same bytes."""
    keys = [SSlibKey.from_crypto(key._key.public_key()) for key in (VENDOR, CERTIFIER)]  # noqa: SLF001 - another tool has the key, too

    assert set(TheirEnvelope.from_dict(json.loads(sample)).verify(keys, 2)) == {key.keyid for key in keys}


@pytest.mark.parametrize(
    ("keys", "threshold", "reason"),
    [
        ([], None, None),
        ([VENDOR], None, None),
        ([CERTIFIER], None, None),
        ([VENDOR, CERTIFIER], None, None),
        ([VENDOR, STRANGER], 1, None),
        ([VENDOR, VENDOR], None, None),
        ([STRANGER], None, "it is signed by 0 of the 1 key given, expected 1"),
        ([VENDOR, STRANGER], None, "it is signed by 1 of the 2 keys given, expected 2"),
    ],
)
def test_those_who_are_asked_for_have_to_have_signed(
    sample: bytes, keys: list[PrivateKey], threshold: int | None, reason: str | None
) -> None:
    """All of the keys given, or as many as the threshold says."""
    trust = Trust.of([key.public for key in keys], threshold)

    if reason is None:
        assert isinstance(steps(sample, trust)[-1], VerifiedCertificate)
    else:
        assert reason in refusal(sample, trust)


@pytest.mark.parametrize(("keys", "threshold"), [([], 1), ([VENDOR], 0), ([VENDOR], 2), ([VENDOR, VENDOR], 2)])
def test_a_threshold_that_cannot_be_is_refused(keys: list[PrivateKey], threshold: int) -> None:
    """The same key twice is one key."""
    with pytest.raises(UsageError, match=f"--threshold is {threshold} with "):
        Trust.of([key.public for key in keys], threshold)


def test_nobody_signs_twice(sample: bytes, tmp_path: Path) -> None:
    """Neither by asking for it nor by copying the signature."""
    with pytest.raises(UsageError, match="signed with this key already"):
        countersign(Envelope.parse(sample), VENDOR)
    envelope = Envelope.parse(certificate(tmp_path))
    twice = envelope.signed_also(envelope.signatures[0])
    assert "the same key signed twice" in refusal(twice.to_bytes())


def test_a_signature_of_something_else_does_not_count(sample: bytes, tmp_path: Path) -> None:
    """Taken from another certificate of the same key."""
    other = Envelope.parse(certificate(tmp_path, valid_days=3))
    mixed = replace(Envelope.parse(sample), signatures=other.signatures)

    assert "signature 1: it does not fit the payload; one of the two was changed" == refusal(mixed.to_bytes())


def test_the_type_is_signed(tmp_path: Path) -> None:
    """A payload cannot be passed off as one of another type."""
    envelope = Envelope.parse(certificate(tmp_path))
    signature = envelope.signatures[0]

    assert VENDOR.public.verifies(PAYLOAD_TYPE, envelope.payload, signature.value)
    assert not VENDOR.public.verifies(PAYLOAD_TYPE + "x", envelope.payload, signature.value)


# --- Tampering


def regions(data: bytes) -> dict[str, range]:
    """The parts of the file, each as a range of offsets."""
    document = json.loads(data)
    parts = {"type": document["payloadType"], "payload": document["payload"]}
    for number, entry in enumerate(document["signatures"], start=1):
        parts |= {f"{name} {number}": entry[name] for name in ("keyid", "sig", "public_key")}
    found = {}
    for name, text in parts.items():
        begin = data.index(text.encode())
        found[name] = range(begin, begin + len(text))
    return found


def test_no_byte_of_any_region_can_be_changed(sample: bytes) -> None:
    """A bit of each byte; of the payload, which is long, of each third byte. The reason names where to look."""
    reasons = {}
    for region, place in regions(sample).items():
        for offset in place[:: 3 if region == "payload" else 1]:
            changed = bytearray(sample)
            changed[offset] ^= 1 << (offset % 8)
            reasons[region, offset] = refusal(bytes(changed))

    assert {} == {
        at: why for at, why in reasons.items() if not why.startswith(("envelope: ", "signature ", "payload: "))
    }


@given(st.data())
def test_no_byte_of_the_file_can_be_changed(sample: bytes, data: st.DataObject) -> None:
    """Wherever it is, white space too, and whatever it becomes."""
    offset = data.draw(st.integers(0, len(sample) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != sample[offset]))

    assert refusal(sample[:offset] + bytes([byte]) + sample[offset + 1 :])


@given(st.data())
def test_nothing_can_be_cut_out_or_put_in(sample: bytes, data: st.DataObject) -> None:
    """At any place, of any length."""
    begin = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(begin, len(sample)))
    inserted = data.draw(st.binary(max_size=8).filter(lambda text: text != sample[begin:end]))

    assert refusal(sample[:begin] + inserted + sample[end:])


@given(st.binary(max_size=200))
def test_whatever_is_no_certificate_is_refused(data: bytes) -> None:
    """In words, whatever it is."""
    assert refusal(data).startswith("envelope: ")


def test_base64_that_says_the_same_otherwise_is_refused(tmp_path: Path) -> None:
    """The last letter of a signature has bits that no byte is made of."""
    data = certificate(tmp_path)
    place = regions(data)["sig 1"]
    letter = place.stop - 3
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(data[letter]) ^ 1]

    assert "not as it was written" in refusal(data[:letter] + bytes([other]) + data[letter + 1 :])


def test_a_reformatted_file_is_refused_with_the_reason(sample: bytes) -> None:
    """The signatures hold, so that is said."""
    reason = refusal(json.dumps(json.loads(sample)).encode())

    assert (
        "envelope: the signatures hold, but the file is not as it was written: it was changed or reformatted" == reason
    )


# --- Expiry and policy


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        (NOW, None),
        (NOW - timedelta(minutes=4), None),
        (NOW + timedelta(days=365, seconds=-1), None),
        (NOW + timedelta(days=365), "expiry: it expired on 2027-11-22T12:00:00Z"),
        (NOW - timedelta(minutes=6), "expiry: it was issued on 2026-11-22T12:00:00Z, which is yet to come"),
    ],
)
def test_it_is_valid_from_issue_to_expiry(sample: bytes, when: Any, reason: str | None) -> None:
    """The second of expiry is out; clocks may be five minutes apart."""
    if reason is None:
        assert isinstance(list(proved(sample, statum(), now=when))[-1], VerifiedCertificate)
    else:
        assert reason == refusal(sample, now=when)


def set_in(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one member of the predicate."""

    def change(document: dict[str, Any]) -> None:
        place = document["predicate"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_in("statum_conformance", "must", "passed", value=1), "policy: 1 of 2 MUST passed; expected all"),
        (set_in("statum_conformance", "must", value={"applicable": 0, "passed": 0}), "policy: 0 of 0 MUST passed"),
        (set_in("statum_conformance", "must", value={"applicable": 2, "passed": 3}), "policy: 3 of 2 MUST passed"),
        (set_in("failedTests", value=["RSP-03 sms"]), "policy: it lists failed tests: RSP-03 sms"),
        (set_in("result", value="FAILED"), "policy: it lists failed tests: FAILED"),
        (set_in("passedTests", value=["ENC-01 sms"]), "policy: the tests that it lists as passed are not as many"),
        (set_in("statum_conformance", "verdict", value="inconclusive"), "policy: the verdict in it is inconclusive"),
        (set_in("statum_conformance", "expires", value="2026-11-22T12:00:00Z"), "before it was issued"),
        (set_in("statum_conformance", "expires", value="for ever"), "/predicate/statum_conformance/expires (pattern)"),
        (set_in("statum_conformance", "expires", value="2027-02-31T12:00:00Z"), "2027-02-31T12:00:00Z is not a date"),
        (set_in("statum_conformance", "version", value=2), "/predicate/statum_conformance/version (const)"),
        (set_in("statum_conformance", value={}), "/predicate/statum_conformance"),
    ],
)
def test_what_is_signed_is_not_believed_for_that(
    sample: bytes, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    """A statement that contradicts the policy is refused, whoever signed it."""
    assert reason in refusal(resigned(sample, change))


def test_signed_bytes_that_are_no_statement_are_refused() -> None:
    """The payload is read only after its signature holds."""
    for content in (b"", b"{}", b"[1]", b"\xff"):
        assert refusal(countersign(Envelope(content), VENDOR).to_bytes()).startswith("payload: it is signed, but no ")


def test_what_is_checked_is_told_in_its_order(sample: bytes) -> None:
    """Signature, expiry, policy."""
    told = [step.name if isinstance(step, CheckPassed) else "certificate" for step in steps(sample)]

    assert ["signature", "expiry", "policy", "certificate"] == told


# --- Evidence


def test_other_evidence_is_refused(sample: bytes, tmp_path: Path) -> None:
    """By its digest, before it is read as a journal."""
    other = tmp_path / "journal.sqlite"
    other.write_bytes(b"not a journal")

    assert f"is not the journal that was certified: its sha256 is {file_digest(other).value}" in refusal(
        sample, evidence=other
    )


def test_the_certified_journal_has_to_bear_it_out(tmp_path: Path) -> None:
    """A certificate over a journal in which nothing happened is refused, though all its signatures and digests hold."""
    data = certificate(tmp_path)

    assert "evidence: judged again, the journal is inconclusive: 0 of " in refusal(
        data, evidence=tmp_path / "journal.sqlite"
    )


def test_what_lies_beside_the_evidence_does_not_count(tmp_path: Path) -> None:
    """Only the bytes that were certified are judged: a copy of them, alone."""
    journal = journal_of(tmp_path)
    (tmp_path / "journal.sqlite-wal").write_bytes(b"frames")

    with exact_copy(journal.path) as copy:
        assert journal.digest == copy.digest
        assert [copy.path] == list(copy.path.parent.iterdir())
    assert not copy.path.exists()


def test_missing_evidence_is_no_refusal(sample: bytes, tmp_path: Path) -> None:
    """It is a mistake of whoever asks."""
    with pytest.raises(UsageError, match="there is no evidence"):
        steps(sample, evidence=tmp_path / "none.sqlite")
