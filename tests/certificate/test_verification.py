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


def refusal(data: bytes, trust: Trust | None = None, **more: Any) -> str:
    """Why it is refused; "valid" if it is not."""
    try:
        *_, last = proved(data, statum(), trust or Trust(), **{"now": NOW, **more})
    except Rejected as refused:
        return refused.message
    assert isinstance(last, VerifiedCertificate)
    return "valid"


# --- Signatures


def test_others_can_verify_it(sample: bytes) -> None:
    """With securesystemslib alone, as in-toto's tools do: same key id, same bytes."""
    keys = [SSlibKey.from_crypto(key._key.public_key()) for key in (VENDOR, CERTIFIER)]  # noqa: SLF001 - another tool has the key, too

    assert set(TheirEnvelope.from_dict(json.loads(sample)).verify(keys, 2)) == {key.keyid for key in keys}


SIGNERS: tuple[tuple[list[PrivateKey], int | None, str], ...] = (
    ([], None, "valid"),
    ([VENDOR], None, "valid"),
    ([CERTIFIER], None, "valid"),
    ([VENDOR, CERTIFIER], None, "valid"),
    ([VENDOR, STRANGER], 1, "valid"),
    ([VENDOR, VENDOR], None, "valid"),
    ([STRANGER], None, "it is signed by 0 of the 1 key given, expected 1"),
    ([VENDOR, STRANGER], None, "it is signed by 1 of the 2 keys given, expected 2"),
)


def test_the_given_keys_have_to_have_signed(sample: bytes) -> None:
    """All of them, or as many as the threshold says."""
    found = [
        (refusal(sample, Trust.of([key.public for key in keys], threshold)), words)
        for keys, threshold, words in SIGNERS
    ]

    assert [] == [(said, words) for said, words in found if words not in said]


def test_an_impossible_threshold_is_refused() -> None:
    """The same key twice is one key."""
    for keys, threshold in (([], 1), ([VENDOR], 0), ([VENDOR], 2), ([VENDOR, VENDOR], 2)):
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
def test_nothing_can_be_cut_out_or_put_in(sample: bytes, data: st.DataObject) -> None:
    """At any place, of any length; a byte that becomes another one among it."""
    begin = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(begin, len(sample)))
    inserted = data.draw(st.binary(max_size=8).filter(lambda text: text != sample[begin:end]))

    assert "valid" != refusal(sample[:begin] + inserted + sample[end:])


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    """In words, whatever it is."""
    assert refusal(data).startswith("envelope: ")


def test_another_spelling_of_the_same_base64_is_refused(tmp_path: Path) -> None:
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


def test_it_is_valid_from_issue_to_expiry(sample: bytes) -> None:
    """The second of expiry is out; clocks may be five minutes apart."""
    expected = {
        timedelta(): "valid",
        timedelta(minutes=-4): "valid",
        timedelta(days=365, seconds=-1): "valid",
        timedelta(days=365): "expiry: it expired on 2027-11-22T12:00:00Z",
        timedelta(minutes=-6): "expiry: it was issued on 2026-11-22T12:00:00Z, which is yet to come",
    }
    assert expected == {since: refusal(sample, now=NOW + since) for since in expected}


def set_in(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one member of the predicate."""

    def change(document: dict[str, Any]) -> None:
        place = document["predicate"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


CONTRADICTIONS: tuple[tuple[Callable[[dict[str, Any]], None], str], ...] = (
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
)


def test_a_signed_statement_that_contradicts_itself_is_refused(sample: bytes) -> None:
    """Whoever signed it."""
    found = [(refusal(resigned(sample, change)), words) for change, words in CONTRADICTIONS]

    assert [] == [(said, words) for said, words in found if words not in said]


def test_signed_bytes_that_are_no_statement_are_refused() -> None:
    """The payload is read only after its signature holds."""
    for content in (b"", b"{}", b"[1]", b"\xff"):
        assert refusal(countersign(Envelope(content), VENDOR).to_bytes()).startswith("payload: it is signed, but no ")


def test_signature_expiry_and_policy_are_checked_in_this_order(sample: bytes) -> None:
    """Each check that passed has its name."""
    steps = proved(sample, statum(), Trust(), now=NOW)

    assert ["signature", "expiry", "policy"] == [step.name for step in steps if isinstance(step, CheckPassed)]


# --- Evidence


def test_other_evidence_is_refused(sample: bytes, tmp_path: Path) -> None:
    """By its digest, before it is read as a journal."""
    other = tmp_path / "journal.sqlite"
    other.write_bytes(b"not a journal")

    assert f"is not the journal that was certified: its sha256 is {file_digest(other).value}" in refusal(
        sample, evidence=other
    )


def test_the_certified_journal_has_to_confirm_it(tmp_path: Path) -> None:
    """A certificate over a journal in which nothing happened is refused, though all its signatures and digests hold."""
    data = certificate(tmp_path)

    assert "evidence: judged again, the journal is inconclusive: 0 of " in refusal(
        data, evidence=tmp_path / "journal.sqlite"
    )


def test_files_beside_the_evidence_do_not_count(tmp_path: Path) -> None:
    """Only the bytes that were certified are judged: a copy of them, alone."""
    journal = journal_of(tmp_path)
    (tmp_path / "journal.sqlite-wal").write_bytes(b"frames")

    with exact_copy(journal.path) as copy:
        assert journal.digest == copy.digest
        assert [copy.path] == list(copy.path.parent.iterdir())
    assert not copy.path.exists()


def test_missing_evidence_is_a_usage_error(sample: bytes, tmp_path: Path) -> None:
    """The certificate may be valid."""
    with pytest.raises(UsageError, match="there is no evidence"):
        refusal(sample, evidence=tmp_path / "none.sqlite")
