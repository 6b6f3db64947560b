"""From judgements to verdicts: levels, conditions, reasons, and a conclusion that is never green by accident."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from campaigns import held, shortfalls
from run_records import Run

from conformance.contract.contract import statum
from conformance.contract.requirements import Actor, Level
from conformance.gateway.rules.checks import GatewayFace, checks_of
from conformance.journal import Record, read_journal
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import KEPT_FINDINGS, Check, Finding, Inconclusive, Judgement, Passed, Reason
from conformance.judging.verdicts import Conclusion, RequirementVerdict, Verdict, conclude, judge_as
from conformance.mock.behaviour import BUILT_IN
from conformance.reports.result import judge

CHECKS = checks_of(statum())

MUST, SHOULD = "ENC-01", "AUT-11"
CONDITIONAL = "NTF-13"


def silent(_: Evidence, __: str | None) -> Iterator[Judgement]:
    """A check that has seen nothing."""
    return iter(())


def saying(*judgements: Judgement) -> Check:
    """A check that says just that."""
    return lambda _evidence, _command: iter(judgements)


def judged_by(requirement: str, *judgements: Judgement, run: Run | None = None) -> RequirementVerdict:
    """The verdict on a requirement for sms of which a check says that."""
    checks = {**dict.fromkeys(CHECKS, silent), requirement: saying(*judgements)}
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


@pytest.mark.parametrize(
    ("requirement", "judgements", "expected"),
    [
        (MUST, (Passed(),), Verdict.PASS),
        (MUST, (Passed(), Finding("wrong")), Verdict.FAIL),
        (SHOULD, (Passed(), Finding("wrong")), Verdict.WARN),
        (MUST, (Finding("wrong"), Inconclusive(Reason.INTERRUPTED, "cut off")), Verdict.FAIL),
        (MUST, (Passed(), Inconclusive(Reason.INTERRUPTED, "cut off")), Verdict.PASS),
        (MUST, (Inconclusive(Reason.PRECONDITION, "no twin"),), Verdict.INCONCLUSIVE),
        (SHOULD, (Inconclusive(Reason.PRECONDITION, "no twin"),), Verdict.INCONCLUSIVE),
        (MUST, (), Verdict.INCONCLUSIVE),
        (SHOULD, (), Verdict.INCONCLUSIVE),
    ],
)
def test_judgements_make_a_verdict(requirement: str, judgements: tuple[Judgement, ...], expected: Verdict) -> None:
    """One finding is enough to fail; nothing is not enough to pass."""
    assert expected == judged_by(requirement, *judgements).verdict


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


@pytest.mark.parametrize(
    "reasons",
    [
        (Reason.NO_TRAFFIC, Reason.PRECONDITION, Reason.ENVIRONMENT, Reason.INTERRUPTED),
        (Reason.INTERRUPTED, Reason.ENVIRONMENT, Reason.PRECONDITION, Reason.NO_TRAFFIC),
    ],
)
def test_the_weightiest_reason_counts(reasons: tuple[Reason, ...]) -> None:
    """In whatever order they came; with the words of the first of its kind."""
    found = judged_by(MUST, *(Inconclusive(reason, f"because of {reason}") for reason in reasons))

    assert (Reason.INTERRUPTED, "because of interrupted") == (found.reason, found.detail)


@pytest.mark.parametrize(
    ("run", "requirement", "judgements", "expected"),
    [
        (Run(), MUST, (), (Reason.NO_TRAFFIC, "nothing in the run's traffic bears on it")),
        (Run(settled=False), MUST, (), (Reason.INTERRUPTED, "the run was cut off before this was exercised")),
        (Run(obstacle="no way in"), MUST, (), (Reason.ENVIRONMENT, "no way in")),
        (
            Run(settled=False, obstacle="no way in"),
            MUST,
            (Inconclusive(Reason.PRECONDITION, "no twin"),),
            (Reason.ENVIRONMENT, "no way in"),
        ),
        (Run(), MUST, (Inconclusive(Reason.PRECONDITION, "no twin"),), (Reason.PRECONDITION, "no twin")),
        (Run(obstacle="no way in"), MUST, (Passed(),), (None, None)),
        (Run(obstacle="no way in"), MUST, (Finding("wrong"),), (None, None)),
    ],
    ids=["nothing", "cut off", "obstacle", "obstacle before all", "judgement", "passed", "failed"],
)
def test_only_an_inconclusive_verdict_says_why(
    run: Run, requirement: str, judgements: tuple[Judgement, ...], expected: tuple[Reason | None, str | None]
) -> None:
    """An obstacle to the run counts before its observations."""
    found = judged_by(requirement, *judgements, run=run)

    assert expected == (found.reason, found.detail)


def test_a_condition_that_never_came_about_is_named() -> None:
    """So that a reader knows when the requirement would apply."""
    found = judged_by(CONDITIONAL)

    assert Reason.NO_TRAFFIC is found.reason
    assert statum().catalogue[CONDITIONAL].condition in (found.detail or "")


@pytest.mark.parametrize(("exclusive", "level"), [(False, Level.SHOULD), (True, Level.MUST)])
def test_some_requirements_bind_less_on_a_shared_account(exclusive: bool, level: Level) -> None:  # noqa: FBT001 - a case
    """An unknown notification may be that of another user."""
    binding = [r for r in statum().catalogue.requirements if r.shared_level is not None]
    found = judged_by("NTF-21", Finding("an orphan"), run=Run(exclusive_account=exclusive))

    assert ["NTF-21"] == [r.id for r in binding]
    assert level is found.level
    assert {Level.SHOULD: Verdict.WARN, Level.MUST: Verdict.FAIL}[level] is found.verdict


# --- The conclusion

OPEN_MUST = [given(MUST, Verdict.INCONCLUSIVE, reason) for reason in Reason]
OPEN_CONDITIONAL = given(CONDITIONAL, Verdict.INCONCLUSIVE, Reason.NO_TRAFFIC)
HELD_UP_CONDITIONAL = [
    given(CONDITIONAL, Verdict.INCONCLUSIVE, reason) for reason in Reason if reason is not Reason.NO_TRAFFIC
]
OPEN_SHOULD = [given(SHOULD, Verdict.INCONCLUSIVE, reason) for reason in Reason]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), Conclusion.INCONCLUSIVE),
        ((PASSED,), Conclusion.CONFORMANT),
        ((PASSED, given(SHOULD, Verdict.WARN)), Conclusion.CONFORMANT),
        ((PASSED, given(MUST, Verdict.KNOWN)), Conclusion.NON_CONFORMANT),
        ((PASSED, given(MUST, Verdict.NOT_APPLICABLE)), Conclusion.CONFORMANT),
        ((PASSED, OPEN_CONDITIONAL), Conclusion.CONFORMANT),
        *(((PASSED, each), Conclusion.CONFORMANT) for each in OPEN_SHOULD),
        *(((PASSED, each), Conclusion.INCONCLUSIVE) for each in OPEN_MUST),
        *(((PASSED, each), Conclusion.INCONCLUSIVE) for each in HELD_UP_CONDITIONAL),
        ((given(SHOULD, Verdict.WARN),), Conclusion.INCONCLUSIVE),
        ((given(MUST, Verdict.KNOWN),), Conclusion.NON_CONFORMANT),
        ((given(MUST, Verdict.NOT_APPLICABLE),), Conclusion.INCONCLUSIVE),
        ((OPEN_CONDITIONAL,), Conclusion.INCONCLUSIVE),
        ((given(MUST, Verdict.FAIL),), Conclusion.NON_CONFORMANT),
        ((PASSED, given(MUST, Verdict.FAIL)), Conclusion.NON_CONFORMANT),
        *(((PASSED, each, given(MUST, Verdict.FAIL)), Conclusion.NON_CONFORMANT) for each in OPEN_MUST),
    ],
)
def test_verdicts_make_a_conclusion(verdicts: tuple[RequirementVerdict, ...], expected: Conclusion) -> None:
    """A failure decides; without one, a MUST that is open does; and something has to have been seen to pass."""
    assert expected == conclude(verdicts)
    assert expected == conclude(verdicts[::-1])


def test_each_conclusion_has_its_exit_code() -> None:
    """As the command line promises."""
    assert {Conclusion.CONFORMANT: 0, Conclusion.NON_CONFORMANT: 1, Conclusion.INCONCLUSIVE: 3} == {
        conclusion: conclusion.exit_code for conclusion in Conclusion
    }


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
    assert {"IDM-05", "BAL-02", "RSP-20", "UNS-01", "UNS-02", "UNS-03"} == short
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
