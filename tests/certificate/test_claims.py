"""What certificates and badges claim: what was exercised, and nothing else; and what can be asked of a certificate."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from certificates import NOW, certificate, conformant, payload, resigned
from client_records import Certification, Examined, Sent, notification
from command_line import call
from made_result import PASSED, SETTINGS, UNCHALLENGED, result_of, verdict

from conformance.certificate.coverage import Badge, Claims, Policy
from conformance.certificate.signing import Rejected, make_key_pair
from conformance.certificate.verification import ANYBODY, VerifiedCertificate, proved, verified
from conformance.cli import outcome
from conformance.client import certification
from conformance.contract.contract import Contract, statum
from conformance.contract.schemas import FORMATS
from conformance.journal import Record
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.model.errors import UsageError
from conformance.reports.result import Result

COMMANDS = statum().commands

Capsys = pytest.CaptureFixture[str]

PARCEL = Contract.load(Path(__file__).parents[1] / "contracts" / "parcel")
DRIVER = Path(__file__).parents[1] / "flawed_clients" / "driver.py"
WARNED = verdict("AUT-11", "sms", Verdict.WARN, UNCHALLENGED)
NOTIFIED = verdict("NTF-01", "sms", Verdict.PASS)
LACKED = verdict("ACC-02", "airtime", Verdict.NOT_APPLICABLE, observations=0)


def coverage(*verdicts: RequirementVerdict) -> Claims:
    """Of a run of a gateway that was judged so."""
    return Claims.of(result_of(verdicts).report, statum())


def of_client(record: Record) -> Claims:
    """Of a certification."""
    return Claims.of(Result.of(record).report, statum())


# --- What was exercised


def test_a_command_counts_if_something_of_it_was_seen_to_be_kept() -> None:
    """Not one of which nothing was seen, or that is not offered."""
    unseen = verdict("ENC-01", "airtime", Verdict.INCONCLUSIVE, observations=0)
    found = coverage(*PASSED, unseen, LACKED)

    assert Claims(statum(), ("sms",), must_not_applicable=("ACC-02 airtime",)) == found


def test_the_callbacks_of_a_gateway_are_proven_by_its_notifications() -> None:
    """That a refused request has none proves nothing."""
    assert ("sms",) == coverage(*PASSED, NOTIFIED).notifications
    assert () == coverage(*PASSED, verdict("NTF-20", "sms", Verdict.PASS)).notifications


def test_of_a_client_that_looks_at_the_account_nothing_else_is_claimed() -> None:
    """Whatever products the certification was told of."""
    made = Certification(commands=("account-details",), judged=tuple(COMMANDS), lacks=("error-details",))
    made.call(Sent(), command="account-details")
    found = of_client(made.record())

    assert (("account-details",), (), ("error-details",)) == (found.exercised, found.notifications, found.lacks)
    assert {"SND-02 sms", "RCV-01 sms"} <= {*found.must_not_applicable}
    assert "SND-02 account-details" not in found.must_not_applicable


def test_of_a_receiver_its_notifications_are_claimed_and_no_command() -> None:
    """It has called nothing."""
    record = Examined(driver=False).sent(notification("u")).record()
    found = of_client(replace(record, settings={**SETTINGS, **record.settings}))

    assert ((), ("sms",)) == (found.exercised, found.notifications)


IN_WORDS = (
    (Claims(statum(), ("account-details",)), "account-details"),
    (Claims(statum(), ("sms", "account-details"), ("sms",)), "sms, account-details, notifications"),
    (Claims(statum(), ("sms", "airtime"), ("sms",)), "sms, airtime, notifications of sms"),
    (Claims(statum(), (), ("sms", "mpesa-online")), "notifications of sms, mpesa-online"),
    (Claims(statum(), tuple(COMMANDS)), "all commands"),
    (Claims(statum(), tuple(COMMANDS), statum().products), "all commands, notifications"),
    (Claims(statum(), ()), "nothing"),
)


def test_a_claim_has_short_words() -> None:
    """As badges and the last line of `verify` have it."""
    assert [words for _, words in IN_WORDS] == [claims.in_words for claims, _ in IN_WORDS]


# --- Badges


def test_a_badge_names_contract_commands_and_expiry(tmp_path: Path) -> None:
    """All commands are not listed; the expiry is given to the day."""
    passed = [verdict("ENC-01", command, Verdict.PASS) for command in COMMANDS]
    made = verified(certificate(tmp_path, now=NOW), statum())
    labels = [Badge.of_unknown_signer(contract).label for contract in (statum(), PARCEL)]

    assert "conformant: all commands" == Badge.of_report(result_of(passed).report, statum()).message
    badge = Badge.of_certificate(statum(), made.coverage, made.expires)
    assert "conformant: sms · certified until 2027-11-22" == badge.message
    assert ["statum conformance", "parcel conformance"] == labels


# --- What stands in a certificate


def extension(data: bytes) -> dict[str, Any]:
    """Our own part of the statement."""
    told: dict[str, Any] = payload(data)["predicate"]["statum_conformance"]
    return told


def test_a_certificate_lists_exercised_commands_and_broken_shoulds(tmp_path: Path) -> None:
    """By command and by id; the commands that others read are the same."""
    again = verdict("AUT-11", "airtime", Verdict.WARN, UNCHALLENGED)
    data = certificate(tmp_path, result=conformant(*PASSED, NOTIFIED, WARNED, again, LACKED))
    told = extension(data)

    assert [] == FORMATS.violations("certificate#statement", payload(data))
    assert {
        "exercised": ["sms"],
        "notifications": ["sms"],
        "lacks": [],
        "must_not_applicable": ["ACC-02 airtime"],
    } == told["coverage"]
    assert (["sms"], ["AUT-11"], False) == (told["commands"], told["warned"], told["strict"])


def as_of_old(data: bytes) -> bytes:
    """The certificate as an earlier version has issued it."""

    def change(document: dict[str, Any]) -> None:
        told = document["predicate"]["statum_conformance"]
        for name in ("coverage", "warned", "strict"):
            del told[name]
        told["commands"] = list(COMMANDS)

    return resigned(data, change)


def test_a_certificate_of_an_earlier_version_is_valid_and_claims_nothing(tmp_path: Path) -> None:
    """Its commands are those that were asked for; what of them was exercised is unknown."""
    old = as_of_old(certificate(tmp_path, result=conformant(*PASSED, WARNED)))
    made = verified(old, statum())

    assert isinstance(list(proved(old, statum(), now=NOW))[-1], VerifiedCertificate)
    assert (None, ["AUT-11"], False) == (made.coverage, made.warned, made.strict)
    badge = Badge.of_certificate(statum(), made.coverage, made.expires)
    assert "conformant, coverage unknown · certified until 2027-11-22" == badge.message


def claim(**members: Any) -> Callable[[dict[str, Any]], None]:
    """A change of what is claimed."""

    def change(document: dict[str, Any]) -> None:
        told = document["predicate"]["statum_conformance"]
        for name, value in members.items():
            (told["coverage"] if name in told["coverage"] else told)[name] = value

    return change


FALSE_CLAIMS: tuple[tuple[Callable[[dict[str, Any]], None], str], ...] = (
    (claim(exercised=["sms", "airtime"]), "policy: it says that it covers sms, airtime, notifications of sms, and"),
    (claim(notifications=["sms", "airtime"]), "policy: it says that it covers sms, notifications of sms, airtime"),
    (
        claim(exercised=["sms", "fax"]),
        "policy: it says that it covers sms, fax, notifications, and its passed tests",
    ),
    (claim(warned=[]), "policy: the SHOULDs that it says are broken are not those of its tests"),
    (claim(strict=True), "policy: it was judged strictly, and yet has warnings: AUT-11"),
)


def test_a_claim_that_contradicts_its_own_tests_is_refused(tmp_path: Path) -> None:
    """Whoever signed it."""
    data = certificate(tmp_path, result=conformant(*PASSED, NOTIFIED, WARNED))
    for change, reason in FALSE_CLAIMS:
        with pytest.raises(Rejected) as refused:
            list(proved(resigned(data, change), statum(), now=NOW))
        assert refused.value.message.startswith(reason)


# --- What is asked of one

COVERED = Claims(statum(), ("sms", "airtime", "account-details"), ("sms",))


REQUIRED: tuple[tuple[list[str], Claims | None, str], ...] = (
    ([], COVERED, ""),
    (["sms"], COVERED, ""),
    (["sms,airtime", "account-details"], COVERED, ""),
    (["sms", "notifications"], COVERED, ""),
    (["notifications"], COVERED, ""),
    (["notifications"], Claims(statum(), (), ("sms",)), ""),
    (["account-details , notifications"], COVERED, ""),
    ([], None, ""),
    (
        ["mpesa/online"],
        COVERED,
        "it does not cover mpesa/online; it covers sms, airtime, account-details, notifications of",
    ),
    (
        ["mpesa-wallet,mpesa/online,sms"],
        COVERED,
        "it does not cover mpesa/online, mpesa-wallet; it covers sms, airtime",
    ),
    (["sms,airtime,notifications"], COVERED, "it does not cover notifications of airtime; it covers sms, airtime"),
    (["notifications"], Claims(statum(), ("sms",)), "it does not cover notifications; it covers sms"),
    (["sms"], Claims(statum(), (), ("sms",)), "it does not cover sms; it covers notifications of sms"),
    (["sms"], None, "it is not known to cover sms: it was issued before certificates said what they cover"),
)


def refusal(required: list[str], known: Claims | None) -> str:
    """Why a certificate that covers this is refused; "" if it is not."""
    try:
        Policy.of(required, statum()).check(known, ())
    except Rejected as refused:
        return refused.message.removeprefix("policy: ")
    return ""


def test_each_required_command_has_to_be_covered() -> None:
    """All that are named; notifications of these commands, or of any."""
    found = [(required, refusal(required, known), reason) for required, known, reason in REQUIRED]

    assert [] == [row for row in found if not row[1].startswith(row[2]) or bool(row[1]) != bool(row[2])]


def test_an_unknown_command_cannot_be_required() -> None:
    """Before anything is verified."""
    for name in ("fax", "", "sms,", "SMS", "mpesa-online"):
        with pytest.raises(
            UsageError, match="expected sms, airtime, mpesa/online, mpesa-wallet, account-details or not"
        ):
            Policy.of([name], statum())


def test_strict_verification_refuses_broken_shoulds(tmp_path: Path) -> None:
    """Of certificates of any version."""
    warned = certificate(tmp_path, result=conformant(*PASSED, WARNED))
    strict = Policy.of((), statum(), strict=True)

    for data in (warned, as_of_old(warned)):
        with pytest.raises(Rejected, match="policy: no SHOULD may be broken; broken are AUT-11"):
            list(proved(data, statum(), ANYBODY, now=NOW, policy=strict))
    assert list(proved(certificate(tmp_path), statum(), ANYBODY, now=NOW, policy=strict))


# --- On the command line


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificate of a client that has account-details and nothing else."""
    folder = tmp_path_factory.mktemp("certified")
    driver = shlex.join((sys.executable, "-S", "-E", str(DRIVER), "only-details"))
    quick = ("--max-examples=0", "--timeout=0.3", "--seed=7")
    with pytest.MonkeyPatch.context() as there:
        there.chdir(folder)
        there.setattr(certification, "watch", lambda bench: bench.journal.note("settled", {"at": 1e10}))
        make_key_pair(Path("vendor.key"))
        assert 0 == outcome(["certify", "--driver", driver, *quick, "--sign-key=vendor.key", "--strict"])
    return folder


@pytest.fixture
def here(certified: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, as the current directory."""
    monkeypatch.chdir(certified)
    return certified


VERIFY = ("verify", "reports/certificate.json", "--key", "vendor.key.pub", "--evidence", "reports/journal.sqlite")


@pytest.mark.usefixtures("here")
def test_a_client_with_one_command_is_certified_for_that_command(capsys: Capsys) -> None:
    """`verify` shows what it covers, and the badge claims no more."""
    told = call(capsys, *VERIFY)
    badge = call(capsys, "badge", "reports/certificate.json", "--endpoint", "--key", "vendor.key.pub")
    of_report = call(capsys, "badge", "reports/report.json", "--endpoint")

    lines = told.out.splitlines()
    assert 0 == told.code, told.out
    assert "covers  account-details; no notifications were judged" in lines
    assert "warned  none: no SHOULD was broken" in lines
    assert "strict  yes: a broken SHOULD would have failed it" in lines
    assert any(line.startswith("n/a     SND-") and "for sms, airtime, mpesa/online" in line for line in lines)
    assert " SHOULD passed · account-details · until " in lines[-1]
    assert json.loads(badge.out)["message"].startswith("conformant: account-details · certified until ")
    assert "conformant: account-details" == json.loads(of_report.out)["message"]


def test_a_certificate_of_one_command_does_not_cover_others(capsys: Capsys, here: Path) -> None:
    """One line, and exit 1; requirements may also be in the environment or a file."""
    assert 0 == call(capsys, *VERIFY, "--require", "account-details", "--strict").code
    refused = call(capsys, *VERIFY, "--require", "sms,airtime", "--require=account-details")
    file = here / "statum-conformance.toml"
    file.write_text('require = ["sms"]\n', encoding="utf-8")
    by_file = call(capsys, *VERIFY)
    file.unlink()

    assert "refused: policy: it does not cover sms, airtime; it covers account-details" == refused.out.splitlines()[-1]
    assert (1, 1, "") == (refused.code, by_file.code, refused.err)
    assert "refused: policy: it does not cover sms; it covers account-details" == by_file.out.splitlines()[-1]


def test_the_coverage_of_an_old_certificate_is_unknown(capsys: Capsys, tmp_path: Path) -> None:
    """That its coverage is unknown; so is who signed it, as no key is given."""
    path = tmp_path / "old.json"
    path.write_bytes(as_of_old(certificate(tmp_path, valid_days=3650)))
    told = call(capsys, "verify", str(path))
    refused = call(capsys, "verify", str(path), "--require", "sms")

    assert 3 == told.code, told.out
    assert "covers  unknown: it was issued before certificates said so" in told.out.splitlines()
    assert 1 == refused.code
    assert refused.out.splitlines()[-1].startswith("refused: policy: it is not known to cover sms: it was issued")
