"""`--strict`: a broken SHOULD counts as a failure, wherever it is asked for, and no unexercised SHOULD does."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from campaigns import held, registered, settings
from client_records import HEADERS, Certification, Sent, without
from command_line import call
from run_records import Run
from seeded import fault

from conformance.contract.contract import statum
from conformance.contract.requirements import Level
from conformance.gateway import campaign
from conformance.gateway.rules.checks import GatewayFace, checks_of
from conformance.journal import Record, read_journal
from conformance.judging.evidence import Evidence
from conformance.judging.expectations import Expectation, Expectations
from conformance.judging.judgement import Check, Finding, Inconclusive, Judgement, Passed, Reason
from conformance.judging.verdicts import Conclusion, Judged, RequirementVerdict, Verdict, day_of, judge_as
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import Silent
from conformance.reports.expectations_file import entries_to_paste
from conformance.reports.files import read_report
from conformance.reports.page import html
from conformance.reports.result import Reportable, Result, judge
from conformance.reports.sarif import sarif

Capsys = pytest.CaptureFixture[str]

MUST, SHOULD = "ENC-01", "AUT-11"
WRONG = Finding("the 401 carries no WWW-Authenticate")
QUICK = ("--product=sms", "--max-examples=0", "--seed=7")


def saying(*judgements: Judgement) -> Check:
    """A check that says just that."""

    def check(_: Evidence, __: str | None) -> Iterator[Judgement]:
        return iter(judgements)

    return check


def judged(*said: Judgement, strict: bool | None = True, listed: tuple[Expectation, ...] = ()) -> Judged:
    """A run in which all is well, but for what is said of the SHOULD."""
    checks = {**dict.fromkeys(checks_of(statum()), saying(Passed())), SHOULD: saying(*said)}
    return judge_as(
        GatewayFace(lambda _: checks), Run().record(), Expectations(listed, "known.toml", "sha256:"), strict=strict
    )


def of(found: Judged, requirement: str = SHOULD) -> RequirementVerdict:
    """The verdict on a requirement for sms."""
    return next(v for v in found.verdicts if (v.requirement.id, v.command) == (requirement, "sms"))


def listed(verdict: str) -> Expectation:
    """An entry about the SHOULD that counts on the day of the run."""
    return Expectation(1, SHOULD, verdict, "https://tracker.example/1", "us", date(2099, 1, 1))


# --- Verdicts


def test_a_broken_should_fails_a_strict_run() -> None:
    """Its level stays what it is; any other run is conformant with a warning."""
    strict, usual = judged(Passed(), WRONG), judged(Passed(), WRONG, strict=None)

    assert (Verdict.FAIL, Level.SHOULD) == (of(strict).verdict, of(strict).level)
    assert (Conclusion.NON_CONFORMANT, 1) == (strict.conclusion, strict.exit_code)
    assert (Verdict.WARN, Level.SHOULD) == (of(usual).verdict, of(usual).level)
    assert (Conclusion.CONFORMANT, 0) == (usual.conclusion, usual.exit_code)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_should_that_was_not_exercised_never_hinders(reason: Reason) -> None:
    """For whatever reason, in a strict run, too."""
    found = judged(Inconclusive(reason, "not seen"))

    assert Verdict.INCONCLUSIVE is of(found).verdict
    assert (Conclusion.CONFORMANT, 0) == (found.conclusion, found.exit_code)


def test_a_broken_should_of_a_client_fails_its_strict_certification() -> None:
    """Both faces know it; here a client that asks for HTML."""
    certification = Certification()
    certification.call(Sent(headers=(*without(HEADERS, "accept"), ("accept", "text/html"))))
    usual, strict = judge(certification.record()), judge(certification.record(), strict=True)

    assert (["SND-12"], []) == ([v.requirement.id for v in usual.by(Verdict.WARN)], usual.by(Verdict.FAIL))
    assert (["SND-12"], []) == ([v.requirement.id for v in strict.by(Verdict.FAIL)], strict.by(Verdict.WARN))


# --- What is listed


@pytest.mark.parametrize("verdict", ["WARN", "FAIL"])
def test_a_list_explains_a_broken_should_of_a_strict_run(verdict: str) -> None:
    """It is known, still a shortfall, and the run does not fail; elsewhere such an entry says WARN."""
    found = judged(WRONG, listed=(listed(verdict),))

    assert Verdict.KNOWN is of(found).verdict
    assert (Conclusion.NON_CONFORMANT, 0, ()) == (found.conclusion, found.exit_code, found.stale)


def test_an_entry_that_holds_no_more_is_told_as_it_was_written() -> None:
    """The file says WARN, and so does the line about it."""
    found = judged(Passed(), listed=(listed("WARN"),))

    (stale,) = found.stale
    assert ("WARN", 1) == (stale.expectation.verdict, found.exit_code)
    assert ["WARN"] == [entry.verdict for entry in found.expectations.entries]


def test_the_entry_to_paste_serves_any_run() -> None:
    """A broken SHOULD is written as WARN, which every run knows to read."""
    found = judged(WRONG)

    assert 'verdict = "WARN"' in list(entries_to_paste(found, day_of(Run().record())))


# --- A gateway without challenges in its 401s


@pytest.fixture(scope="module")
def unchallenging() -> Iterator[dict[str, Any]]:
    """One that breaks a SHOULD and nothing else; what a run is told of it."""
    servers: list[MockServer] = []

    def started(account: Account) -> str:
        servers.append(serve_mock(account, fault("no-challenge").change(Behaviour())))
        servers[0].start()
        return servers[0].url

    yield registered(started)
    servers[0].stop()


def options(told: dict[str, Any]) -> tuple[str, ...]:
    """What the command is told of it."""
    return (
        f"--gateway={told['gateway']}",
        f"--callback-listen={told['callback_listen']}",
        f"--consumer-key={told['consumer_key']}",
        f"--consumer-secret={told['consumer_secret']}",
    )


def report(directory: Path) -> dict[str, Any]:
    """What `report.json` holds."""
    document: dict[str, Any] = json.loads((directory / "reports" / "report.json").read_bytes())
    return document


def test_it_can_be_asked_for_when_a_journal_is_judged(
    capsys: Capsys, here: Path, unchallenging: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the command line and in the environment; the journal itself says what its run was told."""
    assert 0 == call(capsys, "run", *options(unchallenging), *QUICK).code
    assert [False, "conformant"] == [report(here)["settings"]["strict"], report(here)["verdict"]]

    strict = call(capsys, "judge", "reports/journal.sqlite", "--strict")
    assert [True, "non-conformant"] == [report(here)["settings"]["strict"], report(here)["verdict"]]
    assert 0 == call(capsys, "judge", "reports/journal.sqlite").code
    monkeypatch.setenv("STATUM_CONFORMANCE_STRICT", "1")
    from_environment = call(capsys, "judge", "reports/journal.sqlite")

    assert (1, strict.out) == (strict.code, from_environment.out)
    last = strict.out.splitlines()[-1]
    assert last.startswith("non-conformant: ")
    assert ", 2 SHOULD failed, 0 warnings · " in last
    assert " · strict · " in last


def test_a_strict_run_stays_strict(capsys: Capsys, here: Path, unchallenging: dict[str, Any]) -> None:
    """Judged again without being told; the line that repeats it says it, and the reports tell why it failed."""
    (here / "statum-conformance.toml").write_text("strict = true\n", encoding="utf-8")
    called = call(capsys, "run", *options(unchallenging), *QUICK)
    (here / "statum-conformance.toml").unlink()
    again = call(capsys, "judge", "reports/journal.sqlite")

    assert (1, 1, called.out) == (called.code, again.code, again.out)
    (repeat,) = (line for line in called.out.splitlines() if line.startswith("repeat with: "))
    assert "--strict" in shlex.split(repeat)
    failed = {(e["id"], e["level"]) for e in report(here)["requirements"] if e["verdict"] == "FAIL"}
    assert {(SHOULD, "SHOULD")} == failed
    results = json.loads(sarif(Reportable(read_report(here / "reports", statum()), statum())))["runs"][0]["results"]
    assert {"error"} == {result["level"] for result in results}
    assert "2 SHOULD failed" in (here / "reports" / "summary.md").read_text(encoding="utf-8")
    page = (here / "reports" / "report.html").read_text(encoding="utf-8")
    assert "at least one SHOULD is broken, and it was judged strictly" in page


class CutOff(Silent):
    """Cuts a run off after so many answers."""

    def exchanged(self, done: int, planned: int) -> None:  # noqa: ARG002 - the protocol's
        """One more answer."""
        if done >= 60:
            raise EnvironmentFailure("the cable was pulled out")


def test_a_strict_run_that_goes_on_is_strict(tmp_path: Path, unchallenging: dict[str, Any]) -> None:
    """The journal knows it, whatever the second half is told."""
    given = {**unchallenging, "products": ("sms",)}
    path = campaign.run(settings(tmp_path, **given, strict=True), CutOff())
    campaign.resume(path, settings(tmp_path, **given))
    result = Result.of(read_journal(path))

    assert {SHOULD} == {v.requirement.id for v in result.judged.by(Verdict.FAIL)}
    assert 1 == result.exit_code


# --- A known failure is one, whatever else went wrong


@pytest.mark.parametrize("deaths_before", [0, 1])
def test_a_driver_that_was_given_up_has_failed_where_a_must_is_known_to_be_broken(deaths_before: int) -> None:
    """By something else than the deaths that ended the run: a wrong method here, or an earlier death."""
    certification = Certification(settled=False, gave_up="it ended with exit code 70")
    for _ in range(deaths_before):
        certification.call(said=None, death="crash")
    certification.call(Sent(method="PUT") if not deaths_before else Sent())
    for _ in range(3):
        certification.call(said=None, death="crash")
    found = judge(certification.record())

    assert (Conclusion.NON_CONFORMANT, 1) == (found.conclusion, found.exit_code)


def test_the_deaths_that_ended_a_run_prove_nothing_by_themselves() -> None:
    """Too little was seen of the client; also where much was well before."""
    certification = Certification(settled=False, gave_up="it ended with exit code 70")
    certification.call(Sent())
    for _ in range(3):
        certification.call(said=None, death="crash")
    found = judge(certification.record())

    assert {"DRV-01"} == {v.requirement.id for v in found.by(Verdict.FAIL)}
    assert (Conclusion.INCONCLUSIVE, 3) == (found.conclusion, found.exit_code)
    page = html(Result.of(certification.record())).decode()
    assert "The driver could not be kept alive, so too little was seen of the client." in page


def test_what_is_listed_does_not_make_a_given_up_run_a_success() -> None:
    """A known failure beside three deaths: not conformant, and nothing that was not exercised is excused."""
    certification = Certification(settled=False, gave_up="it ended with exit code 70")
    certification.call(Sent(method="PUT"))
    for _ in range(3):
        certification.call(said=None, death="crash")
    record = certification.record()
    failing = [v for v in judge(record).by(Verdict.FAIL) if v.requirement.id != "DRV-01"]
    entries = tuple(
        Expectation(n, v.requirement.id, "FAIL", "#1", "us", date(2099, 1, 1), v.command)
        for n, v in enumerate(failing, start=1)
    )
    found = judge(record, expectations=Expectations(entries, "known.toml", "sha256:"))

    assert failing
    assert (Conclusion.NON_CONFORMANT, 3) == (found.conclusion, found.exit_code)


def gone_down(directory: Path, name: str) -> Record:
    """A run of a faulty gateway that ends with an obstacle half-way."""
    behaviour = fault(name).change(Behaviour())
    return read_journal(campaign.run(settings(directory, products=("sms",)), CutOff(), behaviour))


def test_what_was_seen_to_be_broken_before_an_obstacle_counts_and_is_shown(capsys: Capsys, tmp_path: Path) -> None:
    """The obstacle is told beside it, and does not take its place."""
    found = judge(gone_down(tmp_path, "status-code-as-string"))
    called = call(capsys, "judge", str(tmp_path / "journal.sqlite"), "--report-dir", str(tmp_path))

    assert Conclusion.NON_CONFORMANT is found.conclusion
    assert 1 == called.code
    assert "FAIL RSP-03" in called.out
    assert "the cable was pulled out" in called.only_line


def test_what_came_in_before_anything_was_sent_is_held_against_nobody() -> None:
    """Of a run whose set-up was never proven every verdict is inconclusive, junk at the callback URL or not."""
    run = Run(settled=False, obstacle="the callback URL does not lead here")
    run.notify("R-1", raw=b"junk")
    proven = Run(settled=False, obstacle="the gateway answers no more")
    proven.invoke("R-1")
    proven.notify("R-1", raw=b"junk")

    assert (Conclusion.INCONCLUSIVE, set()) == (
        judge(run.record()).conclusion,
        {v.requirement.id for v in judge(run.record()).by(Verdict.FAIL)},
    )
    assert {"NTF-04"} == {v.requirement.id for v in judge(proven.record()).by(Verdict.FAIL)}


def test_a_run_of_the_mock_gateway_may_be_strict(tmp_path: Path) -> None:
    """It keeps every SHOULD that is exercised."""
    found = judge(read_journal(held(tmp_path, products=("sms",), strict=True)))

    assert ([], Conclusion.CONFORMANT) == (found.by(Verdict.FAIL), found.conclusion)
