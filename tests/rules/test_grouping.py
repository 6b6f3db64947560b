"""Findings gathered by what was answered, and requirements by their cause."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from conformance.contract.contract import statum
from conformance.diagnosis.explanation import Failing, one_causes
from conformance.diagnosis.observations import AnswerSignature, gathered, grouped
from conformance.gateway.rules.checks import is_of_form
from conformance.judging.judgement import Finding, Minimal, OneCause
from conformance.model.traffic import Exchange, Request, Response

JSON, HTML = (("Content-Type", "application/json"),), (("Content-Type", "text/html; charset=utf-8"),)


def said(number: int, status: int, body: str, headers: tuple[tuple[str, str], ...] = JSON) -> AnswerSignature:
    """What an exchange was answered."""
    request = Request("POST", "http://gateway/api/v2/sms")
    return AnswerSignature.of(
        Exchange(number, "c", 1, request, 0.0, 0.0, Response(status, headers, body.encode())), statum()
    )


def counts(messages: Sequence[str], bodies: Sequence[tuple[int, str]], *, of_form: bool = False) -> list[int]:
    """How many findings with these messages and answers are in each group."""
    findings = [Finding(message, f"case-{n}", n) for n, message in enumerate(messages, start=1)]
    answers = {n: said(n, status, body, HTML if "<" in body else JSON) for n, (status, body) in enumerate(bodies, 1)}
    return [gathered(group).count for group in grouped(findings, answers, is_of_form=of_form)]


REFUSED = "a valid request (random) was answered 500"


MISSING, UNREADABLE = "description is missing", "the body is unreadable"

# Answers (status and body), and how many findings about them are in each group.
AMOUNT = (500, "<h1>KeyError: 'amount'</h1>")
GROUPS: tuple[tuple[list[tuple[int, str]], list[int]], ...] = (
    ([AMOUNT, AMOUNT, (500, "<h1>ValueError</h1>")], [2, 1]),
    ([AMOUNT, AMOUNT, (500, "<h1>KeyError: 'msg'</h1>")], [2, 1]),
    ([(500, '{"description": "crash"}'), (503, '{"description": "crash"}')], [1, 1]),
    ([(500, '{"description": "crash"}'), (500, '{"detail": "crash"}')], [1, 1]),
    ([(500, '{"description": "at line 17"}'), (500, '{"description": "at line 4"}')], [2]),
    ([(500, f'{{"description": "crash", "request_id": "{rid}"}}') for rid in ("a1", "b")], [2]),
)
GROUPS_OF_FORM: tuple[tuple[str, list[tuple[int, str]], list[int]], ...] = (
    (MISSING, [(200, '{"status_code": 200}'), (422, '{"status_code": 422}')], [2]),
    (MISSING, [(400, '{"detail": "a"}'), (400, '{"message": "a"}')], [1, 1]),
    (UNREADABLE, [(500, "<h1>A</h1>"), (500, "<h1>B</h1>")], [1, 1]),
    (UNREADABLE, [(404, "<h1>404</h1>"), (500, "<h1>500</h1>")], [2]),
)


def test_findings_are_grouped_by_their_answers() -> None:
    """By status, shape and text; of the form of an envelope status and words do not matter."""
    for bodies, expected in GROUPS:
        assert expected == counts([REFUSED] * len(bodies), bodies)
    for message, bodies, expected in GROUPS_OF_FORM:
        assert expected == counts([message] * len(bodies), bodies, of_form=True)


def test_texts_that_repeat_the_request_are_one_kind() -> None:
    """In quotes or without; a second kind among them stays one of its own."""
    chance = Random(8)
    words = ["".join(chance.choices("abcdefgh", k=6)) for _ in range(40)]
    quoted = [(500, f"<h1>cannot store '{word}'</h1>") for word in words]
    bare = [(500, f"<h1>cannot store {word}</h1>") for word in words]

    assert [40] == counts([REFUSED] * 40, quoted)
    assert [40] == counts([REFUSED] * 40, bare)
    for texts in (quoted, bare):
        assert [40, 2] == counts([REFUSED] * 42, [*texts, *[(500, "<h1>out of memory</h1>")] * 2])


def test_the_others_of_a_group_are_named() -> None:
    """So many of them."""
    group = [Finding("wrong", f"case-{number}", number) for number in range(100)]
    first = gathered(group)

    assert ("case-0", 100, 50) == (first.case, first.count, len(first.others))
    assert "case-1" == first.others[0]


# --- One cause


def failing(
    name: str, exchanges: Sequence[int], of: int, message: str = "wrong", pointer: str | None = None
) -> Failing:
    """A requirement that failed in these exchanges."""
    found = Failing(name, is_of_form(statum().catalogue[name]))
    found.add([Finding(message, f"c-{n}", n, pointer=pointer) for n in exchanges], len(exchanges), of)
    return found


SOME, OTHERS, ALL = range(1, 13), range(50, 62), range(1, 101)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (failing("ACC-03", SOME, 100), failing("RSP-04", SOME, 100, "status_code is missing"), True),
        (failing("ACC-03", SOME, 100), failing("RSP-04", OTHERS, 100, "status_code is missing"), False),
        (failing("ACC-03", SOME, 100), failing("RSP-04", range(1, 7), 100), False),
        (failing("ACC-03", [7], 100), failing("RSP-04", [7], 100), True),
        (failing("RSP-03", ALL, 100, "a", "/status_code"), failing("RSP-17", ALL, 100, "b", "/request_id"), False),
        (failing("ENC-02", ALL, 100, "unreadable", ""), failing("ENC-04", ALL, 100, "Content-Type"), True),
        (
            failing("NTF-07", ALL, 100, "result_code is missing", "/a"),
            failing("NTF-14", ALL, 100, "request_id is missing", "/b"),
            True,
        ),
        (failing("RSP-09", SOME, 100, "missing", ""), failing("RSP-10", OTHERS, 100, "missing", ""), True),
        (failing("VAL-01", SOME, 100, "accepted"), failing("BOD-01", OTHERS, 100, "accepted"), False),
    ],
)
def test_one_cause_is_claimed_with_evidence(one: Failing, other: Failing, together: bool) -> None:  # noqa: FBT001 - a row
    """The same exchanges beyond chance, or the same words of the same place; a constant failure shows little."""
    names = (one.requirement, other.requirement)

    assert ([names] if together else []) == [cause.requirements for cause in one_causes([one, other], statum())]


@pytest.mark.parametrize(
    ("differs", "aspect", "together"),
    [
        ({"message": "👍"}, "long", True),  # one character of four bytes, too
        ({"message": "é"}, "long", False),
        ({"sender_id": "👋"}, "long", False),
        ({"message": "👍", "sender_id": ""}, "long", False),
    ],
)
def test_simplest_requests_that_are_alike_have_one_cause(differs: dict[str, str], aspect: str, together: bool) -> None:  # noqa: FBT001 - a row
    """Where all are answered alike."""
    one = failing("ACC-03", SOME, 100, "a valid request (unicode) was answered 500")
    other = failing("ACC-04", OTHERS, 100, f"a valid request ({aspect}) was answered 500")
    refused = failing("ACC-05", OTHERS, 100, "a valid request (line breaks) was answered 400")
    one.add_simplest([Minimal("c", {"message": "👋"})])
    for each in (other, refused):
        each.add_simplest([Minimal("d", differs)])

    found = [cause.requirements for cause in one_causes([one, other], statum())]
    assert ([("ACC-03", "ACC-04")] if together else []) == found
    assert () == one_causes([one, refused], statum())


def test_a_gateway_that_has_another_form_of_errors_has_one_cause_for_it() -> None:
    """Whatever is wrong with the form of which error answer; failures of other messages have their own causes."""
    missing = [failing(name, ALL, 100, f"{name} is missing", "") for name in ("RSP-05", "RSP-10", "RSP-16")]
    pages = failing("ENC-02", OTHERS, 120, "unreadable")
    unknown = failing("CMD-02", [200], 1, "unknown POST was answered outside the envelope")
    success = failing("ENC-01", range(300, 312), 100, "Content-Type")

    (cause,) = one_causes([*missing, pages, unknown, success], statum())
    assert ("RSP-05", "RSP-10", "RSP-16", "ENC-02", "CMD-02") == cause.requirements
    assert "no error answer has status_code, description or request_id" == cause.sentence
    assert [] == [each for each in one_causes([*missing[:2], pages, unknown], statum()) if each.sentence]


def test_failures_at_random_have_no_cause_in_common() -> None:
    """Two requirements that each fail in every tenth exchange or so."""
    for seed in range(200):
        chance = Random(seed)
        one, other = (
            failing(name, [n for n in range(160) if chance.random() < 0.1], 160) for name in ("ACC-02", "NTF-01")
        )
        assert () == one_causes([one, other], statum())


def test_a_cause_of_three_is_one() -> None:
    """In the order of the catalogue, with the exchanges of all."""
    three = [failing(name, SOME, 100) for name in ("ENC-01", "RSP-04", "NTF-01")]

    assert (OneCause(("ENC-01", "RSP-04", "NTF-01"), len(SOME)),) == one_causes(three, statum())
