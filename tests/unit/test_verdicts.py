"""From judgements to verdicts: levels, conditions, reasons, and a conclusion that is never green by accident."""

from __future__ import annotations

import json
import lzma
from dataclasses import replace
from pathlib import Path

import pytest
from campaigns import held, shortfalls
from run_records import Run
from seeded import ON_LOAD

from conformance.contract.contract import statum
from conformance.contract.requirements import Actor, Level
from conformance.gateway import preflight
from conformance.gateway.rules.checks import GatewayFace, checks_of
from conformance.journal import Record, read_journal
from conformance.judging.judgement import KEPT_FINDINGS, Check, Finding, Inconclusive, Judgement, Passed, Reason
from conformance.judging.verdicts import Conclusion, RequirementVerdict, Verdict, conclude, judge_as
from conformance.mock.behaviour import BUILT_IN
from conformance.model.errors import SuiteError
from conformance.reports.result import judge

CHECKS = checks_of(statum())

MUST, SHOULD = "ENC-01", "AUT-11"
CONDITIONAL = "NTF-13"


def saying(*judgements: Judgement) -> Check:
    """A check that says just that."""
    return lambda _evidence, _command: iter(judgements)


def judged_by(requirement: str, *judgements: Judgement, run: Run | None = None) -> RequirementVerdict:
    """The verdict on a requirement for sms of which a check says that."""
    checks = {**dict.fromkeys(CHECKS, saying()), requirement: saying(*judgements)}
    verdicts = judge_as(GatewayFace(lambda _: checks), (run or Run()).record()).verdicts
    return next(v for v in verdicts if v.requirement.id == requirement and v.command in ("sms", None))


def given(requirement: str, verdict: Verdict, reason: Reason | None = None) -> RequirementVerdict:
    """A verdict as `judge` would give it."""
    entry = statum().catalogue[requirement]
    return RequirementVerdict(entry, "sms", entry.level, verdict, reason=reason)


PASSED = given(MUST, Verdict.PASS)


# --- The catalogue and its checks


def test_every_judged_requirement_has_a_check_and_every_check_a_requirement() -> None:
    """Neither is judged without being listed, nor listed without being judged."""
    assert {r.id for r in statum().catalogue.requirements if r.actor is Actor.GATEWAY and r.excluded is None} == set(
        CHECKS
    )


def test_the_examples_here_have_the_assumed_levels() -> None:
    """The catalogue may change; these tests would then speak of something else."""
    assert (Level.MUST, Level.SHOULD) == (statum().catalogue[MUST].level, statum().catalogue[SHOULD].level)
    assert (None, Level.MUST) == (statum().catalogue[MUST].condition, statum().catalogue[CONDITIONAL].level)
    assert statum().catalogue[CONDITIONAL].condition


def test_verdicts_come_in_the_catalogues_order_one_for_each_command() -> None:
    """Whatever the record holds."""
    commands = ("sms", "account-details")
    unsolicited = [statum().notified(name) for name in statum().unsolicited]
    pairs = statum().catalogue.judged(Actor.GATEWAY, [*statum().commands_of(("sms",)), *unsolicited])

    assert pairs == [(v.requirement, v.command) for v in judge(Run(commands=commands).record()).verdicts]
    assert len(pairs) == len(set(pairs))
    assert {"sms", "account-details", *statum().unsolicited, None} == {command for _, command in pairs}


def test_a_requirement_without_a_check_is_an_error() -> None:
    """It would otherwise be green for nothing."""
    without = {id_: check for id_, check in CHECKS.items() if id_ != MUST}

    with pytest.raises(KeyError, match=MUST):
        judge_as(GatewayFace(lambda _: without), Run().record())


# --- One verdict


def test_judgements_make_a_verdict() -> None:
    """One finding is enough to fail; nothing is not enough to pass."""
    wrong, cut_off = Finding("wrong"), Inconclusive(Reason.INTERRUPTED, "cut off")
    no_twin = Inconclusive(Reason.PRECONDITION, "no twin")
    rows: list[tuple[str, tuple[Judgement, ...], Verdict]] = [
        (MUST, (Passed(),), Verdict.PASS),
        (MUST, (Passed(), wrong), Verdict.FAIL),
        (SHOULD, (Passed(), wrong), Verdict.WARN),
        (MUST, (wrong, cut_off), Verdict.FAIL),
        (MUST, (Passed(), cut_off), Verdict.PASS),
        *((requirement, (no_twin,), Verdict.INCONCLUSIVE) for requirement in (MUST, SHOULD)),
        *((requirement, (), Verdict.INCONCLUSIVE) for requirement in (MUST, SHOULD)),
    ]

    assert rows == [(requirement, said, judged_by(requirement, *said).verdict) for requirement, said, _ in rows]


def test_findings_are_gathered_and_counted() -> None:
    """Those that differ in numbers alone are one; how many there are is not lost."""
    findings = [Finding(f"wrong {number}") for number in range(3 * KEPT_FINDINGS)]
    found = judged_by(MUST, Passed(), *findings, Inconclusive(Reason.ENVIRONMENT, "lost"), Passed())

    assert (len(findings) + 2, len(findings), 1) == (found.observations, found.failed, found.unobserved)
    assert [("wrong 0", len(findings))] == [(each.message, each.count) for each in found.findings]


def test_findings_are_capped() -> None:
    """The first kinds are shown; the number of all failures is not lost."""
    findings = [Finding("wrong", pointer=f"/{number}") for number in range(3 * KEPT_FINDINGS)]
    found = judged_by(MUST, *findings)

    assert len(findings) == found.failed
    assert tuple(findings[:KEPT_FINDINGS]) == found.findings


def test_the_weightiest_reason_counts() -> None:
    """In whatever order they came; with the words of the first of its kind."""
    reasons = [Reason.NO_TRAFFIC, Reason.PRECONDITION, Reason.ENVIRONMENT, Reason.INTERRUPTED]
    for order in (reasons, reasons[::-1]):
        found = judged_by(MUST, *(Inconclusive(reason, f"because of {reason}") for reason in order))
        assert (Reason.INTERRUPTED, "because of interrupted") == (found.reason, found.detail)


def test_only_an_inconclusive_verdict_says_why() -> None:
    """An obstacle to the run counts before its observations."""
    no_twin = Inconclusive(Reason.PRECONDITION, "no twin")
    obstacle, hindered = Run(obstacle="no way in"), (Reason.ENVIRONMENT, "no way in")
    rows: list[tuple[Run, tuple[Judgement, ...], tuple[Reason | None, str | None]]] = [
        (Run(), (), (Reason.NO_TRAFFIC, "nothing in the run's traffic bears on it")),
        (Run(settled=False), (), (Reason.INTERRUPTED, "the run was cut off before this was exercised")),
        (obstacle, (), hindered),
        (Run(settled=False, obstacle="no way in"), (no_twin,), hindered),
        (Run(), (no_twin,), (Reason.PRECONDITION, "no twin")),
        (obstacle, (Passed(),), (None, None)),
        (obstacle, (Finding("wrong"),), (None, None)),
    ]
    found = [judged_by(MUST, *said, run=run) for run, said, _ in rows]

    assert [expected for *_, expected in rows] == [(each.reason, each.detail) for each in found]


def test_a_condition_that_never_came_about_is_named() -> None:
    """So that a reader knows when the requirement would apply."""
    found = judged_by(CONDITIONAL)

    assert Reason.NO_TRAFFIC is found.reason
    assert statum().catalogue[CONDITIONAL].condition in (found.detail or "")


def test_some_requirements_bind_less_on_a_shared_account() -> None:
    """An unknown notification may be that of another user."""
    rows = {False: (Level.SHOULD, Verdict.WARN), True: (Level.MUST, Verdict.FAIL)}
    found = {own: judged_by("NTF-21", Finding("an orphan"), run=Run(exclusive_account=own)) for own in rows}

    assert ["NTF-21"] == [r.id for r in statum().catalogue.requirements if r.shared_level is not None]
    assert rows == {own: (each.level, each.verdict) for own, each in found.items()}


# --- The conclusion

FAILED, WARNED, KNOWN = given(MUST, Verdict.FAIL), given(SHOULD, Verdict.WARN), given(MUST, Verdict.KNOWN)
LEFT_OUT = given(MUST, Verdict.NOT_APPLICABLE)
OPEN_MUST = [given(MUST, Verdict.INCONCLUSIVE, reason) for reason in Reason]
OPEN_CONDITIONAL = given(CONDITIONAL, Verdict.INCONCLUSIVE, Reason.NO_TRAFFIC)
HELD_UP = [given(CONDITIONAL, Verdict.INCONCLUSIVE, reason) for reason in Reason if reason is not Reason.NO_TRAFFIC]
OPEN_SHOULD = [given(SHOULD, Verdict.INCONCLUSIVE, reason) for reason in Reason]


CONCLUSIONS: dict[Conclusion, list[tuple[RequirementVerdict, ...]]] = {
    Conclusion.CONFORMANT: [
        *((PASSED,), (PASSED, WARNED), (PASSED, LEFT_OUT), (PASSED, OPEN_CONDITIONAL)),
        *((PASSED, each) for each in OPEN_SHOULD),
    ],
    Conclusion.NON_CONFORMANT: [
        *((FAILED,), (PASSED, FAILED), (KNOWN,), (PASSED, KNOWN)),
        *((PASSED, each, FAILED) for each in OPEN_MUST),
    ],
    Conclusion.INCONCLUSIVE: [
        *((), (WARNED,), (LEFT_OUT,), (OPEN_CONDITIONAL,)),
        *((PASSED, each) for each in (*OPEN_MUST, *HELD_UP)),
    ],
}


def test_verdicts_make_a_conclusion() -> None:
    """A failure decides; without one, a MUST that is open does; and something has to have been seen to pass."""
    concluded = {
        conclusion: [{conclude(verdicts), conclude(verdicts[::-1])} for verdicts in rows]
        for conclusion, rows in CONCLUSIONS.items()
    }

    assert {conclusion: [{conclusion}] * len(rows) for conclusion, rows in CONCLUSIONS.items()} == concluded


# --- Whole records


@pytest.fixture(scope="module")
def lawful(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A run of a lawful gateway of which everything is conformant, conditional requirements included."""
    behaviour = replace(BUILT_IN, failure_rate=0.5)
    return read_journal(held(tmp_path_factory.mktemp("lawful"), behaviour, products=("airtime",)))


def cut_off(record: Record, at: float) -> Record:
    """What the journal would hold if the run had been killed at that moment."""
    return replace(
        record,
        exchanges=tuple(
            exchange
            if exchange.answered_at is not None and exchange.answered_at <= at
            else replace(exchange, response=None, answered_at=None)
            for exchange in record.exchanges
            if exchange.sent_at <= at
        ),
        notifications=tuple(n for n in record.notifications if n.received_at <= at),
        notes=tuple(note for note in record.notes if note.kind not in ("settled", "finished")),
    )


def test_a_whole_run_can_be_all_green(lawful: Record) -> None:
    """Otherwise the tests with it would be inconclusive anyway. Not all conditions occurred."""
    judgement = judge(lawful)

    short = {v.requirement.id for v in judgement.verdicts if v.verdict is not Verdict.PASS}
    assert {"IDM-05", "BAL-02", "RSP-20", "UNS-01", "UNS-02", "UNS-03", *ON_LOAD} == short
    assert [] == judgement.by(Verdict.FAIL) + judgement.by(Verdict.WARN), shortfalls(judgement)
    assert Conclusion.CONFORMANT == judgement.conclusion


def test_a_run_that_was_cut_off_is_never_conformant_nor_held_against_the_gateway(lawful: Record) -> None:
    """At any moment, the last included: nothing fails, and open verdicts were interrupted."""
    moments = sorted(
        [e.sent_at for e in lawful.exchanges]
        + [e.answered_at for e in lawful.exchanges if e.answered_at is not None]
        + [n.received_at for n in lawful.notifications]
    )
    for at in [0.0, *moments[:: len(moments) // 20], moments[-1]]:
        judgement = judge(cut_off(lawful, at))
        assert [] == judgement.by(Verdict.FAIL) + judgement.by(Verdict.WARN), shortfalls(judgement)
        assert Conclusion.INCONCLUSIVE == judgement.conclusion
        hindering = {v.reason for v in judgement.verdicts if v.hinders}
        assert Reason.INTERRUPTED in hindering
        assert hindering <= {Reason.INTERRUPTED, Reason.PRECONDITION}


def test_the_order_in_which_things_were_recorded_does_not_change_a_verdict(lawful: Record) -> None:
    """Threads write to the journal in any order."""
    turned = replace(lawful, exchanges=lawful.exchanges[::-1], notifications=lawful.notifications[::-1])

    assert [(v.verdict, v.observations, v.failed) for v in judge(lawful).verdicts] == [
        (v.verdict, v.observations, v.failed) for v in judge(turned).verdicts
    ]


def test_accepted_requests_are_counted_once(lawful: Record) -> None:
    """However many attempts they took."""
    accepted = [e for e in lawful.exchanges if e.response is not None and e.response.status == 200]

    assert len(accepted) == judge(lawful).accepted
    again = replace(lawful, exchanges=(*lawful.exchanges, replace(accepted[0], number=10**6, attempt=2)))
    assert len(accepted) == judge(again).accepted


# --- The samples of the seed, and earlier journals


def test_the_seeds_samples_keep_every_requirement_that_bears_on_them() -> None:
    """The envelope, the notification and what joins them; nothing is broken."""
    verdicts = {v.requirement.id: v.verdict for v in judge(preflight.sample_record(statum())).verdicts}
    verdicts = {id_: verdict for id_, verdict in verdicts.items() if id_ not in ON_LOAD}
    kept = {id_ for id_, verdict in verdicts.items() if verdict is Verdict.PASS}
    assert {"ACC-01", "RSP-03", "RSP-15", "NTF-01", "NTF-08", "NTF-09", "NTF-12", "NTF-16"} <= kept
    assert {Verdict.PASS, Verdict.INCONCLUSIVE} == set(verdicts.values())


def test_a_suite_that_finds_fault_with_the_samples_says_so_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the suite that is wrong then, whatever the gateway does."""
    record = preflight.sample_record(statum())
    sent = record.notifications[0]
    wrong = replace(sent, request=replace(sent.request, body=b'{"result_code": 200}'))
    monkeypatch.setattr(preflight, "sample_record", lambda _: replace(record, notifications=(wrong,)))

    with pytest.raises(SuiteError, match="the contract's own samples break NTF-"):
        preflight.check_samples(statum())


# Three journals, each with the verdicts of the version that recorded it (commit a672a6e, 29 November 2026): a run
# against a gateway with eight faults, and certifications of a client that pays twice and of a receiver that takes each
# result for a success.
EARLIER = Path(__file__).parents[1] / "data" / "earlier"


@pytest.mark.parametrize("name", ["gateway", "client", "receiver"])
def test_an_earlier_journal_is_judged_as_it_was(name: str, tmp_path: Path) -> None:
    """For each requirement that there was: one that was added since may say something else."""
    journal = tmp_path / "journal.sqlite"
    journal.write_bytes(lzma.decompress((EARLIER / f"{name}.sqlite.xz").read_bytes()))
    then = json.loads((EARLIER / f"{name}.json").read_text(encoding="utf-8"))

    now = judge(read_journal(journal))

    verdicts = {f"{v.requirement.id} {v.command or '-'}": v.verdict.value for v in now.verdicts}
    judged_then = {pair: verdict for verdict, pairs in then["verdicts"].items() for pair in pairs}
    assert judged_then == {pair: verdict for pair, verdict in verdicts.items() if pair in judged_then}
    assert then["conclusion"] == now.conclusion.value
