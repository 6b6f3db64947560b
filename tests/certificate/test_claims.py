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
from command_line import Called, call
from made_result import PASSED, SETTINGS, UNCHALLENGED, result_of, verdict

from conformance.certificate.coverage import Badge, Claims, Policy
from conformance.certificate.signing import Rejected, make_key_pair
from conformance.certificate.verification import ANYBODY, VerifiedCertificate, proved, verified
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


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Claims(statum(), ("account-details",)), "account-details"),
        (Claims(statum(), ("sms", "account-details"), ("sms",)), "sms, account-details, notifications"),
        (Claims(statum(), ("sms", "airtime"), ("sms",)), "sms, airtime, notifications of sms"),
        (Claims(statum(), (), ("sms", "mpesa-online")), "notifications of sms, mpesa-online"),
        (Claims(statum(), tuple(COMMANDS)), "all commands"),
        (
            Claims(statum(), tuple(COMMANDS), tuple(c.product for c in COMMANDS.values() if c.product)),
            "all commands, notifications",
        ),
        (Claims(statum(), ()), "nothing"),
    ],
)
def test_what_is_claimed_is_said_in_short(found: Claims, words: str) -> None:
    """As badges and the last line of `verify` have it."""
    assert words == found.in_words


# --- Badges


def test_a_badge_for_all_commands_names_none() -> None:
    """It says that it is all of them."""
    passed = [verdict("ENC-01", command, Verdict.PASS) for command in COMMANDS]

    assert "conformant: all commands" == Badge.of_report(result_of(passed).report, statum()).message


def test_a_badge_of_a_certificate_by_hand(tmp_path: Path) -> None:
    """Until when it is valid stands in it, to the day."""
    made = verified(certificate(tmp_path, now=NOW), statum())

    badge = Badge.of_certificate(statum(), made.coverage, made.expires)
    assert "conformant: sms · certified until 2027-11-22" == badge.message


def test_a_badge_bears_the_name_of_the_contract() -> None:
    """So that two gateways of different kinds have different badges."""
    labels = [Badge.of_unknown_signer(contract).label for contract in (statum(), PARCEL)]

    assert ["statum conformance", "parcel conformance"] == labels


# --- What stands in a certificate


def extension(data: bytes) -> dict[str, Any]:
    """Our own part of the statement."""
    told: dict[str, Any] = payload(data)["predicate"]["statum_conformance"]
    return told


def test_a_certificate_tells_what_was_exercised_and_which_shoulds_were_broken(tmp_path: Path) -> None:
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


def test_a_strict_run_with_a_broken_should_is_not_certified(tmp_path: Path) -> None:
    """And it is said which one it was."""
    failed = verdict("AUT-11", "sms", Verdict.FAIL, UNCHALLENGED)

    with pytest.raises(
        Rejected, match=r"^the subject is non-conformant, judged strictly: the SHOULD AUT-11 is broken$"
    ):
        certificate(tmp_path, result=conformant(*PASSED, failed))


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


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (claim(exercised=["sms", "airtime"]), "policy: it says that it covers sms, airtime, notifications of sms, and"),
        (claim(notifications=["sms", "airtime"]), "policy: it says that it covers sms, notifications of sms, airtime"),
        (
            claim(exercised=["sms", "fax"]),
            "policy: it says that it covers sms, fax, notifications, and its passed tests",
        ),
        (claim(warned=[]), "policy: the SHOULDs that it says are broken are not those of its tests"),
        (claim(strict=True), "policy: it was judged strictly, and yet has warnings: AUT-11"),
    ],
)
def test_a_claim_that_its_own_tests_do_not_bear_out_is_refused(
    change: Callable[[dict[str, Any]], None], reason: str, tmp_path: Path
) -> None:
    """Whoever signed it."""
    data = certificate(tmp_path, result=conformant(*PASSED, NOTIFIED, WARNED))

    with pytest.raises(Rejected) as refused:
        list(proved(resigned(data, change), statum(), now=NOW))
    assert refused.value.message.startswith(reason)


# --- What is asked of one

COVERED = Claims(statum(), ("sms", "airtime", "account-details"), ("sms",))


@pytest.mark.parametrize(
    ("required", "known", "reason"),
    [
        ([], COVERED, None),
        (["sms"], COVERED, None),
        (["sms,airtime", "account-details"], COVERED, None),
        (["sms", "notifications"], COVERED, None),
        (["notifications"], COVERED, None),
        (["notifications"], Claims(statum(), (), ("sms",)), None),
        (["account-details , notifications"], COVERED, None),
        ([], None, None),
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
        (
            ["sms"],
            None,
            "it is not known to cover sms: it was issued before certificates said what they cover",
        ),
    ],
)
def test_what_is_required_has_to_be_covered(required: list[str], known: Claims | None, reason: str | None) -> None:
    """Each command by name, all of them; notifications of these commands, or of any."""
    policy = Policy.of(required, statum())

    if reason is None:
        policy.check(known, ())
    else:
        with pytest.raises(Rejected) as refused:
            policy.check(known, ())
        assert refused.value.message.startswith(f"policy: {reason}")


@pytest.mark.parametrize("name", ["fax", "", "sms,", "SMS", "mpesa-online"])
def test_what_is_no_command_is_refused(name: str) -> None:
    """Before anything is verified."""
    with pytest.raises(UsageError, match="expected sms, airtime, mpesa/online, mpesa-wallet, account-details or notif"):
        Policy.of([name], statum())


def test_no_broken_should_may_be_asked_for(tmp_path: Path) -> None:
    """Of certificates of any version."""
    warned = certificate(tmp_path, result=conformant(*PASSED, WARNED))
    strict = Policy.of((), statum(), strict=True)

    for data in (warned, as_of_old(warned)):
        with pytest.raises(Rejected, match="policy: no SHOULD may be broken; broken are AUT-11"):
            list(proved(data, statum(), ANYBODY, now=NOW, policy=strict))
    assert list(proved(certificate(tmp_path), statum(), ANYBODY, now=NOW, policy=strict))


# --- On the command line


@pytest.fixture
def certified(capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Called:
    """A certificate of a client that has account-details and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(certification, "watch", lambda bench: bench.journal.note("settled", {"at": 1e10}))
    make_key_pair(Path("vendor.key"))
    driver = shlex.join((sys.executable, "-S", "-E", str(DRIVER), "only-details"))
    quick = ("--max-examples", "0", "--timeout", "0.3", "--seed", "7")
    called = call(capsys, "certify", "--driver", driver, *quick, "--sign-key", "vendor.key", "--strict")
    assert 0 == called.code, called.out + called.err
    return called


VERIFY = ("verify", "reports/certificate.json", "--key", "vendor.key.pub", "--evidence", "reports/journal.sqlite")


def test_a_client_with_one_command_is_certified_for_that_command(capsys: Capsys, certified: Called) -> None:
    """`verify` shows what it covers and what not, and the badge claims no more."""
    assert " · strict · " in certified.out
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


def test_it_does_for_nothing_else(capsys: Capsys, certified: Called) -> None:  # noqa: ARG001 - what is verified
    """One line, and exit 1; what it covers may be asked for, in the environment or a file, too."""
    assert 0 == call(capsys, *VERIFY, "--require", "account-details", "--strict").code
    refused = call(capsys, *VERIFY, "--require", "sms,airtime", "--require=account-details")
    Path("statum-conformance.toml").write_text('require = ["sms"]\n', encoding="utf-8")
    by_file = call(capsys, *VERIFY)

    assert "refused: policy: it does not cover sms, airtime; it covers account-details" == refused.out.splitlines()[-1]
    assert (1, 1, "") == (refused.code, by_file.code, refused.err)
    assert "refused: policy: it does not cover sms; it covers account-details" == by_file.out.splitlines()[-1]


def test_what_is_known_of_an_old_certificate_is_shown(capsys: Capsys, tmp_path: Path) -> None:
    """That its coverage is unknown; so is who signed it, as no key is given."""
    path = tmp_path / "old.json"
    path.write_bytes(as_of_old(certificate(tmp_path, valid_days=3650)))
    told = call(capsys, "verify", str(path))
    refused = call(capsys, "verify", str(path), "--require", "sms")

    assert 3 == told.code, told.out
    assert "covers  unknown: it was issued before certificates said so" in told.out.splitlines()
    assert 1 == refused.code
    assert refused.out.splitlines()[-1].startswith("refused: policy: it is not known to cover sms: it was issued")


def test_evidence_that_covers_less_is_refused_by_any_edition(capsys: Capsys, certified: Called) -> None:  # noqa: ARG001
    """Another edition may count otherwise, but it cannot have exercised what is not in the journal."""

    def change(document: dict[str, Any]) -> None:
        predicate = document["predicate"]
        predicate["configuration"][0]["digest"]["sha256"] = "0" * 64
        predicate["passedTests"].append("SND-02 sms")
        told = predicate["statum_conformance"]
        told["coverage"]["exercised"].insert(0, "sms")
        told["must"] = {name: count + 1 for name, count in told["must"].items()}

    path = Path("reports/certificate.json")
    path.write_bytes(resigned(path.read_bytes(), change))
    refused = call(capsys, "verify", str(path), "--evidence", "reports/journal.sqlite")

    assert 1 == refused.code
    assert (
        "refused: evidence: judged again, the journal covers account-details; the certificate says sms, account-details"
        == refused.out.splitlines()[-1]
    )
