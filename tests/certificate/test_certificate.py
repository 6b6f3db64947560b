"""Certificates: when one is given, and what stands in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from certificates import CERTIFIER, FINISHED, NOW, VENDOR, certificate, conformant, journal_of, payload
from made_result import LOST, PASSED, RECORD, UNCHALLENGED, result_of, unexercised, verdict

from conformance import __version__
from conformance.certificate.digests import (
    Digest,
    JournalFile,
    file_digest,
    files_of_command,
    suite_digest,
    text_digest,
)
from conformance.certificate.issuing import NOT_MEASURED, Certification, issue, measured_for, recorded
from conformance.certificate.signing import Envelope, Rejected
from conformance.certificate.verification import VerifiedCertificate, proved
from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.journal import Note
from conformance.judging.expectations import Expectations
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Verdict
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.untrusted import parse_json
from conformance.reports.result import Result

NOT_NEEDED = unexercised("NTF-13", "sms", Reason.NO_TRAFFIC, "applies where a transaction of the run fails")
WARNED = verdict("AUT-11", "sms", Verdict.WARN, UNCHALLENGED)
LACKED = verdict("ACC-04", "sms", Verdict.NOT_APPLICABLE, observations=0)


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
    assert isinstance(list(proved(data, statum(), now=NOW))[-1], VerifiedCertificate)


FOUR = (("RSP-03", "sms"), ("RSP-03", "airtime"), ("NTF-01", "sms"), ("NTF-01", "airtime"))
NOT_CERTIFIED: tuple[tuple[Result, str], ...] = (
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
    (
        conformant(*PASSED, *(verdict(id_, command, Verdict.FAIL, LOST) for id_, command in FOUR)),
        "2 of 6 MUST passed: FAIL RSP-03 sms, FAIL RSP-03 airtime, FAIL NTF-01 sms and 1 more",
    ),
    (
        conformant(*PASSED, verdict("AUT-11", "sms", Verdict.FAIL, UNCHALLENGED)),
        "the subject is non-conformant, judged strictly: the SHOULD AUT-11 is broken",
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
        "the run sent chosen cases only; a certificate needs all of them",
    ),
)


def test_no_other_run_is_certified(tmp_path: Path) -> None:
    """MUSTs that failed, are known to fail, or were not exercised; a broken SHOULD if strict; a run without an end."""
    for result, reason in NOT_CERTIFIED:
        with pytest.raises(Rejected) as refused:
            certificate(tmp_path, result=result)
        assert reason == refused.value.message


def test_an_open_or_changed_journal_is_not_certified(tmp_path: Path) -> None:
    """Its file alone does not hold all of it, or another run replaced it."""
    journal = journal_of(tmp_path)
    frames = tmp_path / "journal.sqlite-wal"
    frames.write_bytes(b"frames")
    with pytest.raises(EnvironmentFailure, match=r"is not closed: journal.sqlite-wal holds a part of it"):
        issue(conformant(), journal, Certification(VENDOR), NOW)

    frames.unlink()
    journal.path.write_bytes(journal.path.read_bytes() + b"more")
    with pytest.raises(EnvironmentFailure, match="changed while it was judged"):
        issue(conformant(), journal, Certification(VENDOR), NOW)


# --- What stands in it


def test_both_layers_are_as_their_schema_says(tmp_path: Path) -> None:
    """Envelope and statement."""
    sample = certificate(tmp_path, CERTIFIER)

    assert [] == FORMATS.violations("certificate", parse_json(sample))
    assert [] == FORMATS.violations("certificate#statement", payload(sample))


def test_it_names_suite_contract_expectations_and_journal(tmp_path: Path) -> None:
    """Digests of suite, contract, its catalogue and schemas, expectations and journal."""
    expectations = Expectations((), "known/expected.toml", f"sha256:{7:064x}")
    result = conformant()
    data = certificate(tmp_path, result=replace(result, judged=replace(result.judged, expectations=expectations)))
    by = {entry["name"]: entry for entry in payload(data)["predicate"]["configuration"]}

    assert {
        "statum-conformance": suite_digest().entry,
        "contract": {"sha256": statum().digest.removeprefix("sha256:")},
        "catalogue": {"sha256": statum().catalogue.digest.removeprefix("sha256:")},
        "schemas": {"sha256": statum().schemas.digest.removeprefix("sha256:")},
        "expectations": {"sha256": f"{7:064x}"},
    } == {name: entry["digest"] for name, entry in by.items()}
    assert {"version": __version__} == by["statum-conformance"]["annotations"]
    assert {"name": "statum", "version": "2"} == by["contract"]["annotations"]
    assert {"file": "expected.toml"} == by["expectations"]["annotations"]
    journal = JournalFile.closed(tmp_path / "journal.sqlite")
    assert {"name": "journal.sqlite", "digest": journal.digest.entry, "size": journal.size} == said(data)["journal"]


def test_it_is_valid_for_a_year_by_default(tmp_path: Path) -> None:
    """In UTC, to the second; for a day to ten years."""
    a_year, a_week = said(certificate(tmp_path)), said(certificate(tmp_path, valid_days=7))

    assert ("2026-11-22T12:00:00Z", "2027-11-22T12:00:00Z") == (a_year["issued"], a_year["expires"])
    assert "2026-11-29T12:00:00Z" == a_week["expires"]
    for days in (0, -1, 3651):
        with pytest.raises(UsageError, match=f"--valid-days is {days}; expected 1 to 3650"):
            Certification(VENDOR, valid_days=days)


def test_it_holds_no_settings_of_the_run(tmp_path: Path) -> None:
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


def test_a_digest_is_read_as_tools_print_it() -> None:
    """In capitals, and without the name of the most usual algorithm; anything else is refused."""
    assert Digest("sha256", "ab" * 32) == Digest.parse("AB" * 32) == Digest.parse(f"sha256:{'ab' * 32}")
    for text in ("", "sha256:", "sha256:zz", "ab" * 31, "md5:" + "ab" * 16, "sha512:" + "ab" * 32):
        with pytest.raises(UsageError, match="expected ALGORITHM:HEX"):
            Digest.parse(text)


def test_the_kill_matrix_counts_for_its_catalogue_only() -> None:
    """For another edition the certificate says that it was not measured."""
    matrix = {
        "catalogue": statum().catalogue.digest,
        "suite": f"sha256:{suite_digest().value}",
        "version": "0.1.0",
        "measured_on": "2026-11-22",
        "faults": 3,
        "killed": 3,
        "lawful": 2,
        "left_alone": 2,
    }
    of_old = {**matrix, "catalogue": f"sha256:{'0' * 64}"}

    assert {"measured": True, **matrix, "same_suite": True} == measured_for("gateway", statum(), {"gateway": matrix})
    assert (
        measured_for("gateway", statum(), {"gateway": {**matrix, "suite": of_old["catalogue"]}})["same_suite"] is False
    )
    not_measured = {"measured": False, "reason": NOT_MEASURED, "catalogue": statum().catalogue.digest}
    assert (
        not_measured
        == measured_for("gateway", statum(), {"gateway": of_old})
        == measured_for("client", statum(), {"gateway": matrix})
    )


def test_the_packaged_kill_matrix_is_whole() -> None:
    """As its schema says; no fault that was not found is hidden in it."""
    assert [] == FORMATS.violations("certificate#kill_matrices", recorded())
    assert set(recorded()) <= {"gateway", "client"}
