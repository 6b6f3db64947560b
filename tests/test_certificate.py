"""Certificates: when one is given, what stands in it, and that no byte of it can be changed unnoticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_certificate import (
    CERTIFIER,
    FINISHED,
    NOW,
    STRANGER,
    VENDOR,
    certificate,
    conformant,
    journal_of,
    payload,
    resigned,
)
from made_result import LOST, PASSED, RECORD, UNCHALLENGED, result_of, unexercised, verdict
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.signer import SSlibKey

from conformance import __version__
from conformance.certificate.digests import Digest, file_digest, suite_digest, text_digest
from conformance.certificate.ed25519 import PrivateKey
from conformance.certificate.envelope import PAYLOAD_TYPE, Envelope
from conformance.certificate.evidence_file import JournalFile, exact_copy
from conformance.certificate.issuing import Certification, countersign, issue
from conformance.certificate.kill_matrix import NOT_MEASURED, measured_for, recorded
from conformance.certificate.refusal import Refused
from conformance.certificate.subject import files_of_command
from conformance.certificate.verification import Certificate, Step, Trust, proved, verified
from conformance.checks.judgement import Reason
from conformance.contract.requirements import catalogue
from conformance.contract.schemas import parse_json, schemas_digest, violations
from conformance.errors import EnvironmentFailure, UsageError
from conformance.journal import Note
from conformance.reporting.result import Result
from conformance.verdicts import Verdict

NOT_NEEDED = unexercised("NTF-13", "sms", Reason.NO_TRAFFIC, "applies where a transaction of the run fails")
WARNED = verdict("AUT-11", "sms", Verdict.WARN, UNCHALLENGED)
LACKED = verdict("ACC-04", "sms", Verdict.NOT_APPLICABLE, observations=0)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A certificate that vendor and certifier signed."""
    return certificate(tmp_path_factory.mktemp("sample"), CERTIFIER)


def steps(data: bytes, trust: Trust | None = None, **more: Any) -> list[Step | Certificate]:
    """What was checked; Refused if something does not hold."""
    return list(proved(data, trust or Trust(), now=NOW, **more))


def refusal(data: bytes, trust: Trust | None = None, **more: Any) -> str:
    """Why it is refused."""
    with pytest.raises(Refused) as refused:
        list(proved(data, trust or Trust(), **{"now": NOW, **more}))
    return refused.value.message


def said(data: bytes) -> dict[str, Any]:
    """Our own part of the statement."""
    extension: dict[str, Any] = payload(data)["predicate"]["statum_conformance"]
    return extension


# --- When it is given


def test_a_conformant_run_is_certified(tmp_path: Path) -> None:
    """Every MUST that applies passed; what is optional, conditional or a SHOULD does not stand in the way."""
    data = certificate(tmp_path, result=conformant(*PASSED, NOT_NEEDED, WARNED, LACKED))

    assert {"applicable": 2, "passed": 2} == said(data)["must"]
    assert {"applicable": 1, "passed": 0} == said(data)["should"]
    assert (["ACC-04 sms"], ["NTF-13 sms"]) == (said(data)["not_applicable"], said(data)["not_exercised"])
    predicate = payload(data)["predicate"]
    assert ("WARNED", ["ENC-01 sms", "CMD-01"], ["AUT-11 sms"], []) == (
        predicate["result"],
        predicate["passedTests"],
        predicate["warnedTests"],
        predicate["failedTests"],
    )
    assert isinstance(steps(data)[-1], Certificate)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (
            conformant(*PASSED, verdict("NTF-01", "sms", Verdict.FAIL, LOST)),
            "2 of 3 MUST passed: FAIL NTF-01 sms",
        ),
        (
            conformant(*PASSED, verdict("ACC-05", "sms", Verdict.KNOWN, LOST)),
            "2 of 3 MUST passed: KNOWN ACC-05 sms",
        ),
        (
            conformant(*PASSED, unexercised("AUT-02", "sms", Reason.PRECONDITION, "its twin was not sent")),
            "2 of 3 MUST passed: INCONCLUSIVE AUT-02 sms",
        ),
        (conformant(WARNED), "0 of 0 MUST passed: "),
        (conformant(LACKED, NOT_NEEDED), "0 of 0 MUST passed: "),
        (result_of(PASSED, RECORD), "the run did not come to its end"),
        (
            result_of(PASSED, replace(RECORD, notes=(FINISHED, Note(2, "interrupted", {}, 1.0, 1.0)))),
            "the run did not come to its end",
        ),
        (
            conformant(record=replace(RECORD, settings={**RECORD.settings, "cases": "one.json"})),
            "the run was told to send chosen cases only; a certificate needs all of them",
        ),
    ],
)
def test_nothing_else_is_certified(result: Result, reason: str, tmp_path: Path) -> None:
    """A MUST that failed, is known to fail, or was not exercised; none at all; a run that is none."""
    with pytest.raises(Refused) as refused:
        certificate(tmp_path, result=result)
    assert reason == refused.value.message


def test_many_reasons_are_told_in_short(tmp_path: Path) -> None:
    """The first three, and how many more."""
    failed = [verdict("RSP-03", command, Verdict.FAIL, LOST) for command in ("sms", "airtime")]
    failed += [verdict("NTF-01", command, Verdict.FAIL, LOST) for command in ("sms", "airtime")]

    with pytest.raises(Refused, match=r"FAIL RSP-03 sms, FAIL RSP-03 airtime, FAIL NTF-01 sms and 1 more$"):
        certificate(tmp_path, result=conformant(*PASSED, *failed))


def test_a_journal_that_is_still_open_is_not_certified(tmp_path: Path) -> None:
    """Its file alone does not hold all of it."""
    journal = journal_of(tmp_path)
    (tmp_path / "journal.sqlite-wal").write_bytes(b"frames")

    with pytest.raises(EnvironmentFailure, match=r"is not closed: journal.sqlite-wal holds a part of it"):
        issue(conformant(), journal, Certification(VENDOR), NOW)


def test_a_journal_that_changed_while_it_was_judged_is_not_certified(tmp_path: Path) -> None:
    """As when another run in the same folder replaced it."""
    journal = journal_of(tmp_path)
    journal.path.write_bytes(journal.path.read_bytes() + b"more")

    with pytest.raises(EnvironmentFailure, match="changed while it was judged"):
        issue(conformant(), journal, Certification(VENDOR), NOW)


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_time_that_is_none_is_refused(days: int) -> None:
    """A certificate is valid for a day or more, and not for ever."""
    with pytest.raises(UsageError, match=f"--valid-days is {days}; expected 1 to 3650"):
        Certification(VENDOR, valid_days=days)


# --- What stands in it


def test_both_layers_are_as_their_schema_says(sample: bytes) -> None:
    """Envelope and statement."""
    assert [] == violations("certificate", parse_json(sample))
    assert [] == violations("certificate#statement", payload(sample))


def test_it_names_what_was_judged_by(tmp_path: Path) -> None:
    """Digests of suite, catalogue, schemas, expectations and journal."""
    expectations = tmp_path / "expected.toml"
    expectations.write_text("", encoding="utf-8")
    data = certificate(tmp_path, expectations=expectations)
    by = {entry["name"]: entry for entry in payload(data)["predicate"]["configuration"]}

    assert {
        "statum-conformance": suite_digest().entry,
        "catalogue": {"sha256": catalogue().digest.removeprefix("sha256:")},
        "schemas": {"sha256": schemas_digest().removeprefix("sha256:")},
        "expectations": file_digest(expectations).entry,
    } == {name: entry["digest"] for name, entry in by.items()}
    assert {"version": __version__} == by["statum-conformance"]["annotations"]
    journal = JournalFile.closed(tmp_path / "journal.sqlite")
    assert {"name": "journal.sqlite", "digest": journal.digest.entry, "size": journal.size} == said(data)["journal"]


def test_it_is_valid_for_a_year_unless_told_otherwise(tmp_path: Path) -> None:
    """In UTC, to the second."""
    a_year, a_week = said(certificate(tmp_path)), said(certificate(tmp_path, valid_days=7))

    assert ("2026-11-22T12:00:00Z", "2027-11-22T12:00:00Z") == (a_year["issued"], a_year["expires"])
    assert "2026-11-29T12:00:00Z" == a_week["expires"]


def test_it_holds_neither_credential_nor_phone_number(tmp_path: Path) -> None:
    """Whoever gets it does not learn the settings of the run."""
    record = replace(RECORD, settings={**RECORD.settings, "phone_numbers": ["254712345678"]})
    data = certificate(tmp_path, result=conformant(record=record))

    assert "settings" not in said(data)
    assert b"254712345678" not in Envelope.parse(data).payload


@pytest.mark.parametrize(
    ("asked", "name", "digest", "source"),
    [
        ({}, RECORD.settings["gateway"], text_digest(RECORD.settings["gateway"]), "address"),
        (
            {"subject_name": "acme 1.4", "subject_digest": Digest("sha256", "ab" * 32)},
            "acme 1.4",
            Digest("sha256", "ab" * 32),
            "given",
        ),
        (
            {"subject_digest": Digest("gitCommit", "ab" * 20)},
            RECORD.settings["gateway"],
            Digest("gitCommit", "ab" * 20),
            "given",
        ),
    ],
)
def test_the_subject_is_given_or_no_more_than_an_address(
    asked: dict[str, Any], name: str, digest: Digest, source: str, tmp_path: Path
) -> None:
    """And it says which."""
    data = certificate(tmp_path, **asked)

    assert [{"name": name, "digest": digest.entry}] == payload(data)["subject"]
    assert source == said(data)["subject"]["digest_source"]


def test_the_built_in_mock_gateway_is_measured_as_the_suite(tmp_path: Path) -> None:
    """It is a part of it."""
    record = replace(RECORD, settings={**RECORD.settings, "subject_name": "built-in mock gateway"})
    data = certificate(tmp_path, result=conformant(record=record))

    assert [{"name": "built-in mock gateway", "digest": suite_digest().entry}] == payload(data)["subject"]
    assert "measured" == said(data)["subject"]["digest_source"]


def test_the_files_of_a_driver_are_measured(tmp_path: Path) -> None:
    """The scripts that its command line names; the program itself where it names none."""
    script = tmp_path / "driver.py"
    script.write_text("print()", encoding="utf-8")
    data = certificate(tmp_path, measured=files_of_command(f"python {script} --fast"))

    assert [{"name": "driver.py", "digest": file_digest(script).entry}] == payload(data)["subject"]
    assert "measured of the driver: driver.py" == said(data)["subject"]["digest_detail"]
    assert [Path("/bin/sh")] == list(files_of_command("/bin/sh -e"))
    assert () == files_of_command("no-such-driver-anywhere")


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:zz", "ab" * 31, "md5:" + "ab" * 16, "sha512:" + "ab" * 32])
def test_a_digest_that_is_none_is_refused(text: str) -> None:
    """With what is expected."""
    with pytest.raises(UsageError, match="expected ALGORITHM:HEX"):
        Digest.parse(text)


def test_a_digest_is_read_as_tools_print_it() -> None:
    """In capitals, and without the name of the most usual algorithm."""
    assert Digest("sha256", "ab" * 32) == Digest.parse("AB" * 32) == Digest.parse(f"sha256:{'ab' * 32}")


def test_the_kill_matrix_counts_for_its_catalogue_only() -> None:
    """For another edition the certificate says that it was not measured."""
    matrix = {
        "catalogue": catalogue().digest,
        "suite": f"sha256:{suite_digest().value}",
        "version": "0.1.0",
        "measured_on": "2026-11-22",
        "faults": 3,
        "killed": 3,
        "lawful": 2,
        "left_alone": 2,
    }
    of_old = {**matrix, "catalogue": f"sha256:{'0' * 64}"}

    assert {"measured": True, **matrix, "same_suite": True} == measured_for("gateway", {"gateway": matrix})
    assert measured_for("gateway", {"gateway": {**matrix, "suite": of_old["catalogue"]}})["same_suite"] is False
    not_measured = {"measured": False, "reason": NOT_MEASURED, "catalogue": catalogue().digest}
    assert not_measured == measured_for("gateway", {"gateway": of_old}) == measured_for("client", {"gateway": matrix})


def test_the_packaged_kill_matrix_is_whole() -> None:
    """As its schema says; no fault that was not found is hidden in it."""
    assert [] == violations("certificate#kill_matrices", recorded())
    assert set(recorded()) <= {"gateway", "client"}


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
        assert isinstance(steps(sample, trust)[-1], Certificate)
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


REGIONS = ["type", "payload", *(f"{name} {number}" for number in (1, 2) for name in ("keyid", "sig", "public_key"))]


@pytest.mark.parametrize("region", REGIONS)
def test_no_byte_of_a_region_can_be_changed(sample: bytes, region: str) -> None:
    """Each bit of each byte; of the payload, which is long, each third byte. The reason names where to look."""
    place = regions(sample)[region]
    for offset in place[:: 3 if region == "payload" else 1]:
        changed = bytearray(sample)
        changed[offset] ^= 1 << (offset % 8)
        reason = refusal(bytes(changed))
        assert reason.startswith(("envelope: ", "signature ", "payload: ")), reason


def test_every_region_is_tried(sample: bytes) -> None:
    """None is left out of the list above."""
    assert REGIONS == list(regions(sample))


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
        assert isinstance(list(proved(sample, now=when))[-1], Certificate)
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
        (set_in("statum_conformance", "version", value=2), "/predicate/statum_conformance/version (const)"),
        (set_in("statum_conformance", value={}), "/predicate/statum_conformance"),
    ],
)
def test_what_is_signed_is_not_believed_for_that(
    sample: bytes, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    """A statement that contradicts the policy is refused, whoever signed it."""
    assert reason in refusal(resigned(sample, change))


def test_a_day_that_is_none_is_refused(sample: bytes) -> None:
    """The calendar is consulted, not only the pattern."""
    change = set_in("statum_conformance", "expires", value="2027-02-31T12:00:00Z")

    assert "2027-02-31" in refusal(resigned(sample, change))


def test_signed_bytes_that_are_no_statement_are_refused() -> None:
    """The payload is read only after its signature holds."""
    for content in (b"", b"{}", b"[1]", b"\xff"):
        assert refusal(countersign(Envelope(content), VENDOR).to_bytes()).startswith("payload: it is signed, but no ")


def test_what_is_checked_is_told_in_its_order(sample: bytes) -> None:
    """Signature, expiry, policy."""
    told = [step.name if isinstance(step, Step) else "certificate" for step in steps(sample)]

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


def test_verified_gives_the_statement(sample: bytes) -> None:
    """For what is made of a certificate."""
    assert payload(sample) == verified(sample).statement
