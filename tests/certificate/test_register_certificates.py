"""Certificates in a register: only known keys make the mark, and only for the result and the name that they signed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from certificates import CERTIFIER, NOW, STRANGER, VENDOR, certificate, conformant, resigned
from command_line import call

from conformance.certificate.coverage import Policy
from conformance.certificate.verification import ANYBODY, Trust
from conformance.contract.contract import statum
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.register.certificates import CertificateState, Checks
from conformance.register.reading import ReadResults
from conformance.register.subjects import Register, RegisteredSubject
from conformance.reports.report import Report

Capsys = pytest.CaptureFixture[str]

KNOWN = Checks(Trust.of([VENDOR.public]), now=NOW)
CERTIFIED, EXPIRED, NOT_VERIFIED = CertificateState.CERTIFIED, CertificateState.EXPIRED, CertificateState.NOT_VERIFIED
REPORT = conformant().report


def read(folder: Path, data: bytes | None, *reports: Report, checks: Checks = KNOWN) -> ReadResults:
    """What is read of a certificate and of reports."""
    files = []
    if data is not None:
        files.append(folder / "certificate.json")
        files[0].write_bytes(data)
    for number, report in enumerate(reports):
        files.append(folder / f"{number}.json")
        files[-1].write_text(json.dumps(report.written()), encoding="utf-8")
    return ReadResults.of(files, {"statum": statum()}, checks)


def subjects_of(folder: Path, data: bytes | None, *reports: Report, checks: Checks = KNOWN) -> list[RegisteredSubject]:
    """The subjects of a certificate and of reports, all of which can be read."""
    reading = read(folder, data, *reports, checks=checks)
    reading.check_complete()
    return Register.of(reading, [statum()]).subjects


AIRTIME = Policy.of(["airtime"], statum())
LATER = NOW + timedelta(days=400)
STATES: tuple[tuple[str, Checks, CertificateState, str], ...] = (
    ("known key", KNOWN, CERTIFIED, ""),
    ("one of two keys", replace(KNOWN, trust=Trust.of([CERTIFIER.public, VENDOR.public], 1)), CERTIFIED, ""),
    (
        "both of two keys",
        replace(KNOWN, trust=Trust.of([CERTIFIER.public, VENDOR.public])),
        NOT_VERIFIED,
        "signature: it is signed by 1 of the 2 keys given, expected 2",
    ),
    ("no key", replace(KNOWN, trust=ANYBODY), NOT_VERIFIED, "the register was made without the signer's key"),
    (
        "another key",
        replace(KNOWN, trust=Trust.of([STRANGER.public])),
        NOT_VERIFIED,
        "signature: it is signed by 0 of the 1 key given, expected 1",
    ),
    ("expired", replace(KNOWN, now=LATER), EXPIRED, "expiry: it expired on 2027-11-22T12:00:00Z"),
    ("expired, no key", replace(KNOWN, trust=ANYBODY, now=LATER), NOT_VERIFIED, "expiry: it expired on"),
    ("not yet", replace(KNOWN, now=NOW - timedelta(days=1)), CertificateState.REFUSED, "expiry: it was issued on"),
    ("policy", replace(KNOWN, policy=AIRTIME), CertificateState.REFUSED, "policy: it does not cover airtime"),
    ("policy, expired", replace(KNOWN, policy=AIRTIME, now=LATER), CertificateState.REFUSED, "expiry: it expired on"),
)


def test_a_certificate_counts_by_known_keys_alone(tmp_path: Path) -> None:
    """Beside its report, which is shown in any case."""
    data = certificate(tmp_path)
    wrong = []
    for what, checks, state, reason in STATES:
        (subject,) = subjects_of(tmp_path, data, REPORT, checks=checks)
        found = subject.certificate
        assert found is not None
        if (found.state, subject.certified is not None) != (state, state is CERTIFIED):
            wrong.append((what, found.state, found.reason))
        if not found.reason.startswith(reason):
            wrong.append((what, found.state, found.reason))

    assert [] == wrong


def test_a_certificate_alone_is_a_result_unless_it_is_refused(tmp_path: Path) -> None:
    """Its tests are the verdicts; one that is refused says nothing that could be shown."""
    data = certificate(tmp_path)
    listed = {(entry.id, entry.command): entry.verdict for entry in REPORT.requirements}
    wrong = []
    for what, checks, state, _ in STATES:
        reading = read(tmp_path, data, checks=checks)
        if state is CertificateState.REFUSED:
            wrong += [] if not reading.results and len(reading.left_out) == 1 else [what]
            continue
        (result,) = reading.results
        if (result.judgements, result.verdict, result.has_report) != (listed, Conclusion.CONFORMANT, False):
            wrong.append(what)

    assert [] == wrong


def test_a_badge_says_certified_only_where_it_is(tmp_path: Path) -> None:
    """Beside a report that of the report; alone it says why not."""
    data = certificate(tmp_path)
    said = {
        (what, bool(reports)): subjects_of(tmp_path, data, *reports, checks=checks)[0].badge.decode()
        for what, checks, state, _ in STATES
        for reports in ((REPORT,), ())
        if state is not CertificateState.REFUSED or reports
    }

    certified = {what for (what, _), badge in said.items() if "certified until 2027-11-22" in badge}
    assert {"known key", "one of two keys"} == certified
    assert "certificate expired 2027-11-22" in said["expired", False]
    assert "signer unknown" in said["no key", False]
    assert "conformant: sms<" in said["no key", True]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data.replace(b'"sig": "', b'"sig": "A', 1), lambda data: data[:-20], lambda data: data + b"\n"],
    ids=["signature", "cut off", "reformatted"],
)
def test_a_damaged_certificate_cannot_be_read(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Nothing in it is believed, and the report beside it is not certified."""
    reading = read(tmp_path, damage(certificate(tmp_path)), REPORT)

    assert [tmp_path / "certificate.json"] == [each.file for each in reading.left_out]
    assert [None] == [result.certificate for result in reading.results]


# --- What is certified is what was signed


def test_a_report_with_other_verdicts_than_the_certificate_of_its_run_is_not_certified(tmp_path: Path) -> None:
    """Somebody may have changed it; both are shown, and a remark names them."""
    first, *others = REPORT.requirements
    forged = replace(REPORT, requirements=(replace(first, verdict=Verdict.WARN), *others))

    reading = read(tmp_path, certificate(tmp_path), forged)

    assert [(True, False), (False, True)] == [(each.has_report, each.is_certified) for each in reading.results]
    (remark,) = reading.remarks
    assert "certificate.json is of the run of" in remark
    assert "has other verdicts" in remark


def test_the_mark_goes_to_the_name_that_was_signed(tmp_path: Path) -> None:
    """Whoever puts another name into the report does not get it."""
    data = certificate(tmp_path, subject_name="Acme Gateway 2.1")
    usurped = replace(REPORT, subject=replace(REPORT.subject, name="Usurper"))

    (subject,) = subjects_of(tmp_path, data, usurped)

    assert ("Acme Gateway", "2.1", True) == (subject.name, subject.latest.version, subject.certified is not None)


def test_the_certificate_of_another_run_certifies_nothing_else(tmp_path: Path) -> None:
    """Not even of the same name: it is an earlier or later result."""
    other = replace(REPORT, started_at="2027-01-01T00:00:00+00:00")

    (subject,) = subjects_of(tmp_path, certificate(tmp_path), other)

    assert [True, False] == [row.result.is_certified for row in subject.history]
    assert subject.latest.certificate is None


@pytest.mark.parametrize(("verdict", "still"), [(Conclusion.CONFORMANT, True), (Conclusion.NON_CONFORMANT, False)])
def test_a_later_result_that_is_not_conformant_ends_the_mark(
    verdict: Conclusion,
    still: bool,  # noqa: FBT001 - a row of the table
    tmp_path: Path,
) -> None:
    """A later one that is conformant, and not certified, does not."""
    later = replace(REPORT, started_at="2027-01-01T00:00:00+00:00", verdict=verdict)

    (subject,) = subjects_of(tmp_path, certificate(tmp_path), REPORT, later)

    assert still is (subject.certified is not None)
    assert still is (b"certified until" in subject.badge)


def test_tests_that_this_edition_does_not_know_are_shown(tmp_path: Path) -> None:
    """An id is never reused, so what a later edition calls so is not lost."""

    def add(document: dict[str, object]) -> None:
        predicate = document["predicate"]
        assert isinstance(predicate, dict)
        predicate["passedTests"].append("XYZ-99 sms")
        predicate["statum_conformance"]["should"] = {"applicable": 1, "passed": 1}

    (subject,) = subjects_of(tmp_path, resigned(certificate(tmp_path), add))

    assert "a requirement of another edition of the catalogue" == subject.latest.report.requirements[-1].title
    assert Verdict.PASS is subject.requirements["XYZ-99"].verdict


# --- As it is called


def test_a_journal_is_judged_again_where_it_is_asked_for(here: Path, capsys: Capsys) -> None:
    """And what it does not prove is shown; one that is not the certified one refuses the certificate."""
    asked = ("site", "reports", "--out=public", "--key=vendor.key.pub")

    def found() -> dict[str, object]:
        (group,) = json.loads((here / "public" / "register.json").read_bytes())["groups"]
        certified: dict[str, object] = group["subjects"][0]["history"][0]["certificate"]
        return certified

    assert 0 == call(capsys, *asked).code
    assert ("certified", None) == (found()["state"], found()["unsupported"])
    assert 0 == call(capsys, *asked, "--judge-again").code
    assert ("certified", ["issued", "expires"]) == (found()["state"], found()["unsupported"])
    (here / "reports" / "journal.sqlite").write_bytes(b"another")
    assert 0 == call(capsys, *asked, "--judge-again").code
    assert "refused" == found()["state"]
    assert str(found()["reason"]).startswith("evidence: ")


@pytest.mark.usefixtures("here")
def test_without_a_key_no_certificate_counts_and_the_terminal_says_so(capsys: Capsys) -> None:
    """With the key the same pages say that it is certified."""
    without = call(capsys, "site", "reports", "--out=public")
    known = call(capsys, "site", "reports", "--out=public", "--key=vendor.key.pub")

    assert (0, "1 certificate not verified: give the signers' public keys with --key\n") == (without.code, without.err)
    assert "1 subject: 1 conformant · 0 certified · 6 files · public/index.html\n" == without.out
    assert (0, "1 subject: 1 conformant · 1 certified · 6 files · public/index.html\n") == (known.code, known.out)
