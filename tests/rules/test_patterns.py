"""On what a failure depends, told from hand-made runs: always, from some request on, every nth, by kind, or untold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from run_records import Run

from conformance.contract.contract import statum
from conformance.diagnosis.follow_ups import (
    BEGINNING,
    CAUSE,
    Cause,
    causes_of,
    follow_up_id,
    held_by,
    is_follow_up,
    run_proper,
)
from conformance.diagnosis.observations import ObservedCheck, observe
from conformance.diagnosis.patterns import Observation, ordinal, pattern_of, pattern_of_run, period, turning_point
from conformance.gateway.rules.checks import checks_of
from conformance.journal import Note
from conformance.judging.judgement import Dependence, Pattern
from conformance.judging.passage import SinglePass
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.model.traffic import Kind
from conformance.reports.result import judge


def observations(outcomes: Sequence[bool], kind: Kind = Kind.VALID, aspect: str = "random") -> list[Observation]:
    """Observations of cases that failed (True) or passed, in order."""
    return [
        Observation(number, f"case-{number}", kind, aspect, None, fell_short)
        for number, fell_short in enumerate(outcomes, start=1)
    ]


def journal_of(seen: Sequence[Observation]) -> Pattern:
    """The pattern that a journal with these observations shows."""
    return pattern_of_run(seen, sum(o.failed for o in seen), len(seen))


def row(text: str) -> list[bool]:
    """`x` failed, `.` passed."""
    return [character == "x" for character in text]


FROM_5TH = "from about the 5th on (exchange 5): 10 of 10 since then, none of 4 before"
FROM_3RD = "from about the 3rd on (exchange 3): 13 of 14 since then, none of 2 before"


def test_a_journal_alone_shows_a_pattern() -> None:
    """With its numbers, and no more than was seen."""
    rows = {
        "xxxxx": (Dependence.ALWAYS, "always: 5 of 5"),
        "xx": (Dependence.UNTOLD, "2 of 2; too few to tell on what it depends"),
        "x.xx.": (Dependence.UNTOLD, "intermittent, as far as the run tells: 3 of 5"),
        "...." + "x" * 10: (Dependence.FROM_NTH, FROM_5TH),
        "..x.xx" + "x" * 10: (Dependence.FROM_NTH, FROM_3RD),
        "....xxxxx": (Dependence.UNTOLD, "intermittent, as far as the run tells: 5 of 9"),
        "..x" * 6: (Dependence.EVERY_NTH, "every 3rd: 6 of 18"),
        "..x" * 4: (Dependence.UNTOLD, "intermittent, as far as the run tells: 4 of 12"),
    }
    found = {outcomes: journal_of(observations(row(outcomes))) for outcomes in rows}

    assert rows == {outcomes: (pattern.kind, pattern.text) for outcomes, pattern in found.items()}


def test_notifications_without_a_request_are_counted() -> None:
    """Which requests they are about is not known."""
    run = Run()
    for number in range(4):
        run.invoke(f"{number:032}")
        run.notify(raw=b"{}")
    found = verdict(run, "NTF-14")

    assert found.pattern is not None
    assert (Dependence.ALWAYS, "always: 4 of 4") == (found.pattern.kind, found.pattern.text)
    assert "2 of 4; on what it depends cannot be told" == pattern_of((), (), 2, 4).text


def test_special_payloads_may_be_to_blame() -> None:
    """If all failed ones are of a special kind, neither "always" nor "from the nth on" is certain."""
    special = observations(row("x" * 12), aspect="unicode")
    mixed = [*observations(row("....")), *(replace(o, number=o.number + 4) for o in special)]
    found = [journal_of(seen) for seen in (special, mixed)]

    assert [
        (Dependence.UNTOLD, "12 of 12, all with such payloads", True),
        (Dependence.PAYLOAD, "always where aspect is unicode: 12 of 12 (0 of 4 elsewhere)", True),
    ] == [(pattern.kind, pattern.text, bool(pattern.open)) for pattern in found]


def test_a_turning_point_is_near_the_first_failure() -> None:
    """Requests under way side by side may be mixed, not those sent long after."""
    assert Dependence.UNTOLD == journal_of(observations(row("...x" + "." * 40 + "x" * 20))).kind


def test_a_lasting_failure_needs_no_long_row() -> None:
    """The requests sent afterwards stand in for it."""
    told = observations(row("...xx"))

    assert turning_point(told) is None
    assert "from about the 4th on (exchange 4): 2 of 2 since then, none of 3 before" == turning_point(
        told, lasting=True
    )


def test_every_nth_is_beyond_chance() -> None:
    """Fewer where the distance is known from elsewhere; nothing may be missing before, between or after."""
    rows = [
        ("..x" * 4, 0, 3),
        (".x" * 6, 0, 2),
        ("x.." * 4, 0, 3),
        ("xxx", 0, None),
        ("..x" * 3, 0, None),
        ("..x" * 3, 3, None),
        ("..x" * 4, 3, 3),
        ("....x" * 3 + "...", 5, 5),
        ("....x" * 3 + "...", 0, None),
        (".........x" * 3 + ".....", 0, 10),
        ("..x" * 4 + "...", 0, None),
        ("....x..x..x..x", 0, None),
        ("..x.x..x", 0, None),
        ("", 0, None),
    ]

    assert rows == [(outcomes, known, period(row(outcomes), expected=known)) for outcomes, known, _ in rows]


def test_ordinals() -> None:
    """As they are read out."""
    told = ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]

    assert told == [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 112)]


# --- What a check saw


def notified_but_for(lost: set[int], count: int = 6) -> Run:
    """A run of accepted requests, of which the notifications of some are lost."""
    run = Run()
    for number in range(1, count + 1):
        run.invoke(f"{number:032}")
    for number in range(1, count + 1):
        if number not in lost:
            run.notify(f"{number:032}")
    return run


def test_the_observations_of_a_check_are_recorded_by_exchange() -> None:
    """Also for NTF-01, which judges the whole run."""
    watched = ObservedCheck(checks_of(statum())["NTF-01"], "sms")
    observe(notified_but_for({2, 3}).record(), statum(), [watched])

    assert [False, True, True, False, False, False] == [o.failed for o in watched.observations]
    assert [f"case-{n}" for n in range(1, 7)] == [o.case_id for o in watched.observations]


def test_recording_observations_changes_no_judgement() -> None:
    """As many failed as there are findings about exchanges."""
    run = notified_but_for({2})
    run.invoke("z" * 32, 500)
    run.invoke(raw=b"no JSON")
    run.notify("z" * 32, result_code="x")
    record = run.record()
    wrong = []
    for requirement, check in checks_of(statum()).items():
        watched = ObservedCheck(check, "sms")
        alone, together = (
            SinglePass.of(record, statum(), [(each, "sms")]).tallies[0] for each in (check, watched.check)
        )
        fell_short = {finding.exchange for finding in alone.findings if finding.exchange is not None}
        observed = {o.number for o in watched.observations if o.failed}
        if (alone, fell_short) != (together, observed):
            wrong.append((requirement, alone, together, observed))

    assert [] == wrong


def verdict(run: Run, requirement: str, *notes: Note) -> RequirementVerdict:
    """The verdict on a requirement of sms; with more notes in the journal."""
    record = run.record()
    judged = judge(replace(record, notes=(*record.notes, *notes)))
    return next(v for v in judged.verdicts if v.requirement.id == requirement and v.command == "sms")


def test_findings_that_are_alike_are_one_with_a_count() -> None:
    """They may have several causes, unless all failed, but the observation is the same; the other cases are named."""
    found = verdict(notified_but_for({1, 2, 3, 4}, 4), "NTF-01")
    some = verdict(notified_but_for({2, 5}), "NTF-01")

    assert (Verdict.FAIL, 4, 1) == (found.verdict, found.failed, len(found.findings))
    assert (4, ("case-2", "case-3", "case-4")) == (found.findings[0].count, found.findings[0].others)
    assert found.pattern is not None
    assert "always: 4 of 4" == found.pattern.text
    assert [("case-2", 2, ("case-5",))] == [(f.case, f.count, f.others) for f in some.findings]


# --- What was sent after the run


def test_a_cause_is_read_as_it_was_noted() -> None:
    """From the journal, so that judging again gives the same."""
    cause = Cause(
        "NTF-01", "sms", ("case-2", "case-3"), "payload", "depends on the payload: …", "case-9", {"message": "👋"}
    )
    note = Note(9, CAUSE, asdict(cause), 0.0, 0.0)
    found = verdict(notified_but_for({2, 3, 5}), "NTF-01", note)

    record = Run().record()
    assert {("NTF-01", "sms"): (cause,)} == causes_of(type(record)(record.settings, notes=(note,)))
    assert [("case-2", 2, ("case-3",)), ("case-5", 1, ())] == [(f.case, f.count, f.others) for f in found.findings]
    assert found.pattern is not None
    assert "depends on the payload: …" == found.pattern.text


def test_follow_ups_change_no_verdict() -> None:
    """Neither its answers nor what arrived after follow-ups had begun."""
    run = notified_but_for(set())
    before = run.record()
    begun = Note(8, BEGINNING, asdict(held_by(before)), 1000.0, 1000.0)
    follow_up = follow_up_id("sms", "ACC-02", 1)
    run.invoke("f" * 32, 500)
    run.cases[-1] = replace(run.cases[-1], id=follow_up)
    run.exchanges[-1] = replace(run.exchanges[-1], case_id=follow_up)
    run.notify("f" * 32, at=1002.0)
    after = replace(run.record(), notes=(*run.record().notes, begun))
    proper = run_proper(after, statum())

    assert (True, False) == (is_follow_up(follow_up), is_follow_up("sms/valid/random/1"))
    assert (7, 6) == (len(after.exchanges), len(proper.exchanges))
    assert list(before.cases) == list(proper.cases)
    assert before.notifications[2:4] == proper.notifications[2:4]
    assert before.exchanges[-1] == proper.exchanges[-1]
    assert list(before.attempts()) == list(proper.attempts())
    assert judge(before) == judge(after)
