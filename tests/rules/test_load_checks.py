"""What load alone shows: overload, failed requests that were carried out, the figures of --slo. No server, no clock."""

from __future__ import annotations

from typing import Any

import pytest
from load_records import Loaded, loaded
from run_records import Run, failures, judged, verdict
from seeded import ON_LOAD

from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.traffic import CLOSED_ON_REUSE, Kind

# --- Where they apply


def test_of_an_ordinary_run_they_say_that_load_judges_them() -> None:
    """Whatever it was answered; the conclusion is as it was."""
    run = Run()
    run.invoke("a")
    run.notify("a")
    run.invoke("b", 503)

    found = [v for v in judged(run).verdicts if v.requirement.id in ON_LOAD]
    assert {Verdict.NOT_APPLICABLE} == {v.verdict for v in found}
    assert {"judged by `load`"} == {v.detail for v in found}
    assert ON_LOAD == {v.requirement.id for v in found}


def test_figures_that_slo_does_not_have_are_not_applicable() -> None:
    """Each names the figure that is lacking."""
    run = loaded([200])

    found = {id_: verdict(run, id_, None) for id_ in ("LOD-03", "LOD-04", "LOD-05")}
    assert {Verdict.NOT_APPLICABLE} == {v.verdict for v in found.values()}
    assert [
        "--slo has no figure for answers",
        "--slo has no figure for notifications",
        "--slo has no share of errors",
    ] == [v.detail for v in found.values()]


def test_a_lawful_gateway_under_load_breaks_none_of_them() -> None:
    """Nothing is refused, so there is nothing to see of a refusal."""
    run = loaded([200, 200], slo={"answer-p99": 0.5, "notification-p95": 5.0, "errors": 0.0})

    assert set() == failures(run)
    assert (Verdict.INCONCLUSIVE, Reason.NO_TRAFFIC) == (verdict(run, "LOD-01").verdict, verdict(run, "LOD-01").reason)
    assert [Verdict.PASS] * 3 == [verdict(run, id_, None).verdict for id_ in ("LOD-03", "LOD-04", "LOD-05")]


def test_a_run_that_ended_before_load_was_noted_is_judged_by_none_of_them() -> None:
    """Nobody knows when the load began."""
    run = loaded([200, 503], noted=False, settled=False, slo={"errors": 0.0})

    assert Verdict.INCONCLUSIVE == verdict(run, "LOD-01").verdict
    assert Reason.INTERRUPTED == verdict(run, "LOD-05", None).reason


# --- LOD-01


def test_429_is_the_way_to_refuse_what_is_too_much() -> None:
    """It breaks nothing, not even the requirement that valid requests are accepted."""
    run = loaded([200, 429, 200, 429])

    assert set() == failures(run)
    assert (Verdict.PASS, 2) == (verdict(run, "LOD-01").verdict, verdict(run, "LOD-01").observations)


def test_a_5xx_under_load_is_a_warning_and_breaks_no_other_requirement() -> None:
    """Others of its kind were accepted, so the load is to blame."""
    run = loaded([200, 503, 200, 500])

    assert {"LOD-01"} == failures(run)
    found = verdict(run, "LOD-01")
    assert (Verdict.WARN, 2) == (found.verdict, found.failed)
    assert "under load, a request was answered 503, not refused with 429" == found.findings[0].message


def test_a_503_that_asks_for_a_wait_says_the_same_as_a_429() -> None:
    """RFC 9110, 15.6.4."""
    run = loaded([200])
    run.invoke("b", 503, headers=(("Content-Type", "application/json"), ("Retry-After", "1")))

    assert set() == failures(run)
    assert Verdict.PASS == verdict(run, "LOD-01").verdict


@pytest.mark.parametrize("before", [0, 2])
def test_a_5xx_that_its_payload_explains_is_judged_as_in_any_run(before: int) -> None:
    """No request of its kind and aspect was spared; or it was sent before the load began."""
    run = Loaded(before=before, notify_within_s=20.0)
    run.invoke("a", 200, aspect="random")
    run.notify("a")
    run.invoke("b", 500, aspect="random" if before else "line-breaks")

    assert not failures(run) & ON_LOAD
    assert {"ACC-02" if before else "ACC-05"} == failures(run)


def test_a_broken_request_that_overload_answers_says_nothing_about_refusals() -> None:
    """Others like it were refused as they should be."""
    run = loaded([200])
    twin = run.cases[0].id
    for status in (400, 503):
        run.invoke(
            f"b-{status}", status, kind=Kind.BROKEN, aspect="missing", member="message", keyword="required", twin=twin
        )

    assert {"LOD-01"} == failures(run)
    assert Verdict.PASS == verdict(run, "VAL-01").verdict


# --- LOD-02


def test_a_request_that_failed_and_was_carried_out_breaks_one_requirement() -> None:
    """A client sends it again, and pays twice. It is no refusal, so it says nothing about those."""
    run = loaded([200, 503])
    run.notify("id-1")

    assert {"LOD-02"} == failures(run)
    assert "a notification says that it succeeded" in verdict(run, "LOD-02").findings[0].message


def test_a_notification_of_failure_after_a_5xx_is_lawful() -> None:
    """It says that nothing was carried out."""
    run = loaded([200, 503])
    run.notify("id-1", result_code="500", result_desc="Failed")

    assert {"LOD-01"} == failures(run)
    assert Verdict.PASS == verdict(run, "LOD-02").verdict


def test_whether_a_failed_request_was_carried_out_is_unknown_before_the_run_has_settled() -> None:
    """Its notification may be on its way."""
    run = loaded([200, 503], settled=False)

    assert (Verdict.INCONCLUSIVE, Reason.INTERRUPTED) == (
        verdict(run, "LOD-02").verdict,
        verdict(run, "LOD-02").reason,
    )


# --- LOD-03, LOD-04, LOD-05


def slow(times: list[float], **known: Any) -> Loaded:
    """A run whose answers took these times."""
    run = loaded([200] * len(times), **known)
    run.took = dict(enumerate(times, 1))
    return run


@pytest.mark.parametrize(
    ("percentile", "over", "met"),
    [
        *(("p50", 50, True), ("p50", 51, False), ("p99", 1, True), ("p99", 2, False)),
        *(("p99.9", 0, True), ("p99.9", 1, False), ("max", 0, True), ("max", 1, False)),
    ],
)
def test_a_percentile_allows_so_many_and_no_more(percentile: str, over: int, *, met: bool) -> None:
    """By nearest rank: of 100 answers the 99th may take the time of p99, and one may take longer."""
    run = slow([0.7] * over + [0.5] * (100 - over), slo={f"answer-{percentile}": 0.5 + 1e-6})

    assert (set() if met else {"LOD-03"}) == failures(run)


def test_a_slow_answer_is_told_with_its_figures() -> None:
    """How many, how slow, and what is allowed."""
    found = verdict(slow([0.1, 0.9, 0.7], slo={"answer-p50": 0.5}), "LOD-03", None).findings[0]

    assert (
        "2 of 3 answers took longer than 500ms, the slowest 0.90 s; allowed are 50% (--slo answer-p50=500ms)"
    ) == found.message
    assert 2 == found.exchange


def test_a_load_generator_that_is_the_limit_is_not_held_against_the_gateway() -> None:
    """Its own delays are in the times that it measures."""
    found = verdict(slow([0.9], slo={"answer-max": 0.5}, behind_s=1.24), "LOD-03", None)

    assert (Verdict.INCONCLUSIVE, Reason.ENVIRONMENT) == (found.verdict, found.reason)
    assert "requests went out up to 1.2 s late: this machine is the limit, not the gateway" == found.detail


def test_late_notifications_break_their_figure_alone() -> None:
    """They are within the time that any run allows."""
    run = Loaded(slo={"notification-p95": 2.0})
    for number in range(4):
        run.invoke(f"id-{number}")
        run.notify(f"id-{number}", at=number + 1.0 + (6.0 if number == 2 else 0.5))

    assert {"LOD-04"} == failures(run)
    assert "1 of 4 notifications took longer than 2s, the slowest 5.90 s" in (
        verdict(run, "LOD-04", None).findings[0].message
    )


@pytest.mark.parametrize(("allowed", "broken"), [(0.5, set()), (0.49, {"LOD-05"})])
def test_requests_that_fail_are_counted_against_their_share(allowed: float, broken: set[str]) -> None:
    """Asked to slow down, or not answered by the fault of nobody: the first counts, the second does not."""
    run = loaded([200, 429, 200, 429], slo={"errors": allowed})
    run.invoke(failure=CLOSED_ON_REUSE)

    assert broken == failures(run)


def test_with_strict_a_broken_figure_fails_the_run() -> None:
    """It is a SHOULD, a warning otherwise."""
    run = slow([0.9], slo={"answer-max": 0.5})

    assert Conclusion.NON_CONFORMANT != judged(run).conclusion
    assert Verdict.WARN == verdict(run, "LOD-03", None).verdict
