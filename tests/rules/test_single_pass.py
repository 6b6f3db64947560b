"""All checks in one pass: each judges what its conditions let through, and findings are kept in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from run_records import Run

from conformance.contract.contract import statum
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import (
    KEPT_FINDINGS,
    Check,
    Finding,
    Inconclusive,
    Judgement,
    Passed,
    Reason,
    Tally,
    answers_where,
    notices_where,
)
from conformance.judging.messages import Answer, Notice
from conformance.judging.passage import SinglePass


def heard(run: Run, *checks: Check) -> tuple[Tally, ...]:
    """The tallies of checks of sms."""
    return SinglePass.of(run.record(), statum(), [(check, "sms") for check in checks]).tallies


def answered(*statuses: int, command: str = "sms") -> Run:
    """A run that was answered so, in this order."""
    run = Run(commands=("sms", "airtime"))
    for number, status in enumerate(statuses):
        run.invoke(f"id-{number}", status, command=command)
    return run


def falls_short(answer: Answer) -> Iterator[Finding]:
    """A rule that nothing keeps."""
    yield Finding.in_answer(answer, "short")


def is_accepted(answer: Answer) -> bool:
    """A condition."""
    return answer.accepted


def keeps(_: Answer) -> Iterator[Finding]:
    """A rule that everything keeps."""
    yield from ()


def test_a_rule_judges_what_meets_all_its_conditions() -> None:
    """With no condition at all it judges every answer of the command."""
    rows: dict[tuple[Callable[[Answer], bool], ...], int] = {
        (): 3,
        (is_accepted,): 2,
        (is_accepted, lambda answer: answer.number == 3): 1,
        (lambda _: False,): 0,
    }
    run = answered(200, 400, 200)
    run.invoke("other", command="airtime")
    for conditions, expected in rows.items():
        kept, failed = heard(run, answers_where(*conditions, rule=keeps), answers_where(*conditions, rule=falls_short))
        assert (expected, 0, expected, 0) == (kept.passed, kept.failed, failed.failed, failed.passed)


def test_a_condition_that_checks_have_in_common_is_tried_once() -> None:
    """However many checks lie behind it."""
    tried = []

    def in_common(answer: Answer) -> bool:
        tried.append(answer.number)
        return True

    checks = [answers_where(in_common, rule=keeps), answers_where(in_common, is_accepted, rule=keeps)]
    assert [2, 1] == [tally.passed for tally in heard(answered(200, 400), *checks)]
    assert [1, 2] == tried


def test_the_first_findings_are_shown_and_all_are_counted() -> None:
    """In the order of sending."""
    (tally,) = heard(answered(*[200] * (KEPT_FINDINGS + 5)), answers_where(rule=falls_short))
    assert KEPT_FINDINGS + 5 == tally.failed == tally.observations
    assert list(range(1, KEPT_FINDINGS + 1)) == [finding.exchange for finding in tally.findings]


def test_findings_on_notifications_are_in_the_order_of_arrival() -> None:
    """Altered ids are recognised only when all have arrived."""
    run = answered(200, 200)
    for request_id in ("nobody's", "id-1", "id-1", "id-0"):
        run.notify(request_id)

    def falls_short_too(notice: Notice) -> Iterator[Finding]:
        yield Finding.in_notice(notice, "short")

    (tally,) = heard(run, notices_where(rule=falls_short_too))
    assert [(1, None), (2, 2), (3, 2), (4, 1)] == [(f.notification, f.exchange) for f in tally.findings]


def test_a_check_of_the_run_comes_when_all_is_known() -> None:
    """It is counted like any other; of inconclusive ones the weightiest reason counts."""

    def of_run(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        for outcome in evidence.of_command(command):
            yield Passed(outcome.number) if evidence.arrivals_about(outcome) else Finding.in_answer(outcome, "unheard")
        yield Inconclusive(Reason.INTERRUPTED, "first")
        yield Inconclusive(Reason.PRECONDITION, "lighter")
        yield Inconclusive(Reason.INTERRUPTED, "later")

    run = answered(200, 200)
    run.notify("id-1")
    (tally,) = heard(run, of_run)
    assert (1, 1, 3) == (tally.passed, tally.failed, tally.unobserved)
    assert tally.weightiest == Inconclusive(Reason.INTERRUPTED, "first")


def test_witnesses_are_shown_every_answer() -> None:
    """Of whatever command, once."""
    run = answered(200, 400)
    run.invoke("other", command="airtime")
    seen: list[int] = []
    SinglePass.of(run.record(), statum(), [], witnesses=[lambda answer: seen.append(answer.number)])
    assert [1, 2, 3] == seen
