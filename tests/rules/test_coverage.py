"""What was exercised: counted on what was sent, told where nothing was, and complete in a default campaign."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from campaigns import held
from made_result import result_of
from run_records import Run

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.journal import read_journal
from conformance.judging.coverage import BROKEN, OPEN, VALID, Coverage, Covered
from conformance.judging.messages import Answer
from conformance.model.traffic import Case, Exchange, Kind, Request
from conformance.payloads import json_defects
from conformance.reports.remarks import coverage_lines
from conformance.reports.result import Result, judge

SMS = {"sender_id": "Statum", "phone_number": "254712345678", "message": "Habari"}
AIRTIME = {"phone_number": "254112345678", "amount": "10000"}
ONLINE = {"short_code": "174379", "phone_number": "254712345678", "amount": "50"}

Label = tuple[str, str | None, str]


def body(members: dict[str, Any], **changes: Any) -> bytes:
    """The members as JSON; what is changed to an ellipsis is left out."""
    changed = {name: value for name, value in {**members, **changes}.items() if value is not ...}
    return json.dumps(changed, ensure_ascii=False).encode("utf-8", "surrogatepass")


def measured(run: Run) -> dict[Label, Covered]:
    """The classes of a run of one command, by kind, member and name."""
    return {(one.kind, one.member, one.name): one for one in judge(run.record()).coverage}


def met(payload: bytes, kind: Kind = Kind.VALID, command: str = "sms", status: int = 200) -> set[Label]:
    """The classes that a single case exercises."""
    run = Run(commands=(command,))
    run.invoke("a" * 32, status, kind=kind, command=command, payload=payload)
    return {label for label, one in measured(run).items() if one.sent}


# --- What is counted


def test_a_value_counts_for_every_class_that_it_is_in() -> None:
    """Of each member."""
    assert {
        (VALID, "sender_id", "pattern [A-Za-z][A-Za-z0-9]+"),
        (VALID, "phone_number", "shortest"),
        (VALID, "phone_number", "longest"),
        (VALID, "phone_number", "pattern 2547[0-9]{8}"),
        (VALID, "message", "plane 0"),
        (VALID, "message", "quote"),
    } == met(body(SMS, message='A "quote"'))


def test_an_unsent_request_exercises_no_class() -> None:
    """A connection that was refused; a request without an answer was sent."""
    request = Request("POST", "http://gateway.test/api/v2/sms", (), body(SMS))
    case = Case("sms/valid/sample/1", "sms", Kind.VALID, "sample", "group", request)
    for unsent in (True, False):
        lost = Exchange(1, case.id, 1, request, 1.0, 1.0, None, "no answer", 2.0, unsent)
        coverage = Coverage(statum())
        coverage.see(Answer.of(case, lost, statum()))
        assert unsent == (not any(one.sent for one in coverage.of(["sms"])))


def test_the_bytes_count_not_only_the_text() -> None:
    """The same message in escapes and in UTF-8 is of two classes."""
    escaped = json.dumps({**SMS, "message": "👋"}).encode()

    assert (VALID, "message", "written as pairs of escapes") in met(escaped)
    assert (VALID, "message", "written in UTF-8 of four bytes") in met(body(SMS, message="👋"))


def test_boundaries_inside_are_valid_and_outside_broken() -> None:
    """Where the range is documented; of a cautious one what lies outside is open."""
    assert (VALID, "amount", "maximum") in met(body(AIRTIME), command="airtime")
    above = met(body(AIRTIME, amount="10001"), Kind.BROKEN, "airtime", 422)
    assert {(BROKEN, "amount", "maximum + 1"), (BROKEN, "amount", "pattern")} == above
    below = met(body(ONLINE, amount="9"), Kind.OPEN, "mpesa/online", 422)
    assert {(OPEN, "amount", "minimum - 1"), (OPEN, "amount", "pattern"), (OPEN, "amount", "x-integer")} == below


def test_an_optional_member_can_be_left_out() -> None:
    """Which is a class of its own; a required one has none."""
    assert (VALID, "bill_ref_number", "left out") in met(body(ONLINE), command="mpesa/online")
    assert (VALID, "bill_ref_number", "left out") not in met(body(ONLINE, bill_ref_number="Q"), command="mpesa/online")
    assert "left out" not in {name for _, _, name in measured(Run(commands=("sms",)))}


def test_broken_payloads_count_by_the_keyword_that_they_break() -> None:
    """As the tolerated schema has it; some keywords only a number can break."""
    for message, keyword in ((..., "required"), ("", "minLength"), (None, "type")):
        assert {(BROKEN, "message", keyword)} == met(body(SMS, message=message), Kind.BROKEN, status=422)
    for amount, keyword in ((4, "minimum"), (5.5, "multipleOf")):
        assert {(BROKEN, "amount", keyword)} == met(body(AIRTIME, amount=amount), Kind.BROKEN, "airtime", 422)


def test_open_payloads_count_by_the_keywords_of_the_strict_schema() -> None:
    """And bodies by the defects that only a strict reader refuses."""
    rows: list[tuple[bytes, Label]] = [
        (body(SMS, message="\x07"), (OPEN, "message", "x-characters")),
        (body(SMS, message="a" * 460), (OPEN, "message", "maxLength")),
        (body(SMS, phone_number=254712345678), (OPEN, "phone_number", "type")),
        (body(SMS, more=1), (OPEN, None, "unknown member")),
        (b"\xef\xbb\xbf" + body(SMS), (OPEN, None, "byte order mark")),
    ]

    assert [{label} for _, label in rows] == [met(sent, Kind.OPEN) for sent, _ in rows]


def test_malformed_bodies_count_by_how_they_are_broken() -> None:
    """A refusal for the Content-Type alone belongs to no class of bodies."""
    assert {(BROKEN, None, "cut behind a colon")} == met(b'{"a":', Kind.MALFORMED, status=400)
    assert set() == met(body(SMS), Kind.MALFORMED, status=415)


def test_requests_about_something_else_exercise_no_class() -> None:
    """A valid payload that is refused for its credential shows nothing about payloads."""
    for kind in (Kind.CREDENTIAL, Kind.METHOD, Kind.REPEAT, Kind.UNKNOWN_COMMAND):
        assert set() == met(body(SMS), kind, status=401)


def test_a_journal_may_hold_anything() -> None:
    """Judging never fails over what was sent."""
    known = set(measured(Run()))
    for payload in (b"", b"[]", b"\xff", b'{"message": 5, "sender_id": null}', b'{"n": 1}'):
        assert all(met(payload, kind) <= known for kind in (Kind.VALID, Kind.BROKEN, Kind.OPEN, Kind.MALFORMED))


def test_sent_and_accepted_are_counted_separately() -> None:
    """A case counts once, by its last attempt."""
    run = Run()
    run.invoke("a" * 32, payload=body(SMS))
    run.invoke("b" * 32, 422, payload=body(SMS))
    slowed = run.invoke("c" * 32, 429, payload=body(SMS))
    run.answer_again(slowed, 200, "d" * 32)

    found = measured(run)[VALID, "message", "plane 0"]
    assert Covered(VALID, "sms", "message", "plane 0", sent=3, accepted=2) == found


# --- What there is to count


def test_a_run_that_sent_nothing_has_every_class_with_zeros() -> None:
    """So that a reader sees the classes not exercised; a GET has none."""
    found = judge(Run(commands=tuple(statum().commands)).record()).coverage

    assert {"sms", "airtime", "mpesa/online", "mpesa-wallet"} == {one.command for one in found}
    assert {(0, 0)} == {(one.sent, one.accepted) for one in found}
    assert len(found) == len({(one.kind, one.command, one.member, one.name) for one in found})
    for name in (*json_defects.REFUSED, *json_defects.OPEN):
        assert 4 == sum(one.name == name and one.member is None for one in found), name


def test_a_default_campaign_exercises_every_class(tmp_path: Path) -> None:
    """By its systematic payloads alone; every valid class is seen to be accepted, no broken one is."""
    document = Result.of(read_journal(held(tmp_path, max_examples=0))).document
    coverage = document["coverage"]

    assert [] == FORMATS.violations("report", document)
    assert len(coverage) > 250
    assert [] == [one for one in coverage if not one["sent"]]
    assert [] == [one for one in coverage if one["kind"] == VALID and one["accepted"] != one["sent"]]
    assert [] == [one for one in coverage if one["kind"] == BROKEN and one["accepted"]]


# --- How it is told


def entry(sent: int = 0, kind: str = VALID, member: str | None = "sender_id", **changes: Any) -> Covered:
    """An entry of `coverage`."""
    return replace(Covered(kind, "sms", member, "longest", sent, 0), **changes)


def test_classes_not_exercised_are_listed_with_the_totals() -> None:
    """A line for each member, which commands share; one line where nothing at all was exercised."""
    coverage = (
        entry(3, member="message"),
        entry(),
        entry(name="pattern [0-9]{5}"),
        entry(member="phone_number"),
        entry(member="phone_number", command="airtime"),
        entry(kind=OPEN, member=None, name="UTF-16"),
    )
    lines = [
        "not exercised: valid sender_id of sms: longest · pattern [0-9]{5}",
        "not exercised: valid phone_number of sms, airtime: longest",
        "not exercised: open body of sms: UTF-16",
        "coverage: 1 of 6 classes of payloads exercised",
    ]
    nothing = ["coverage: 0 of 2 classes of payloads exercised"]
    expected: dict[tuple[Covered, ...], list[str]] = {coverage: lines, (entry(), entry()): nothing, (): []}

    report = result_of().report
    assert expected == {each: list(coverage_lines(replace(report, coverage=each))) for each in expected}
