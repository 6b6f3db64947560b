"""Whatever answers in place of a gateway: the run ends, is judged and reported, and is never green."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
from campaigns import held, judged, shortfalls

from conformance.contract.schemas import FORMATS
from conformance.gateway import listening
from conformance.journal import read_journal
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Judged, RequirementVerdict, Verdict
from conformance.mock.behaviour import Behaviour, Moment, Reply
from conformance.mock.rules import TAGS
from conformance.reports.files import write_reports
from conformance.reports.result import Result

SMS = {"products": ("sms",), "notify_within_s": 0.2}
JSON = (("Content-Type", "application/json"),)
HTML = (("Content-Type", "text/html"),)
# The requirements that something is refused, each judged beside a request that is accepted.
REFUSING = tuple(
    f"{area}-{number:02}"
    for area, numbers in {
        "AUT": range(2, 10),
        "CTY": (1, 2, 3),
        "BOD": range(1, 9),
        "CMD": (1, 3),
        "VAL": range(1, 6),
    }.items()
    for number in numbers
)
# Those of them that warn, for what is accepted does no harm.
LENIENT = ("CTY-01", "CTY-02", "BOD-07")
# Kept by whoever answers at all.
STURDY = ("CTY-03", "BOD-08")
ACCEPTING = ("HDR-01", "HDR-02", "HDR-03", "ACC-01", "ACC-02", "ACC-03", "ACC-05", "REP-01")


def of_sms(judgement: Judged, requirements: tuple[str, ...]) -> list[RequirementVerdict]:
    """The verdicts on these requirements for sms, or for no command."""
    return [v for v in judgement.verdicts if v.requirement.id in requirements and v.command in ("sms", None)]


def always(status: int, raw: bytes, *headers: tuple[str, str]) -> Callable[[Reply, Moment], Reply]:
    """The same answer to every message; tests/gateway/test_reaching.py has servers that answer everything so."""

    def answer(reply: Reply, moment: Moment) -> Reply:
        return Reply(status, headers, None, raw=raw) if moment.request.url.endswith("/sms") else reply

    return answer


WRETCHED = {
    "a web server without the path": always(404, b"<h1>Not found</h1>", *HTML),
    "a web server that moved": always(301, b"", ("Location", "https://elsewhere.example/"), ("Location", "::no URL::")),
    "a broken proxy": always(502, b"Bad Gateway\n", *HTML),
    "nothing said": always(204, b""),
    "one answer for all": always(200, b'{"status_code": 200, "description": "OK", "request_id": "1"}', *JSON),
    "too deep": always(200, b"[" * 20_000, *JSON),
    "no numbers": always(200, b'{"status_code": 1e999, "description": 1e999, "request_id": 1e999}', *JSON),
    "lone surrogates": always(422, rb'{"status_code": 422, "description": "\ud800", "request_id": "\udfff"}', *JSON),
    "not in UTF-8": always(200, '{"description": "\xe9"}'.encode("latin-1"), *JSON),
}


def in_turn(*answers: Callable[[Reply, Moment], Reply]) -> Callable[[Reply, Moment], Reply]:
    """One of these answers after the other."""
    next_one = cycle(answers)

    def answer(reply: Reply, moment: Moment) -> Reply:
        return next(next_one)(reply, moment)

    return answer


@pytest.mark.parametrize(
    "answer", [in_turn(*WRETCHED.values()), WRETCHED["one answer for all"]], ids=["all kinds", "one answer for all"]
)
def test_any_server_is_judged_and_reported(
    answer: Callable[[Reply, Moment], Reply], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not conformant, in all reports, without an error of the suite's own."""
    monkeypatch.setattr(listening, "LATE_S", 0.2)
    behaviour = Behaviour(reply=(answer,), deliveries=(lambda _deliveries, _moment: (),))
    result = Result.of(read_journal(held(tmp_path, behaviour, **SMS)))
    write_reports(result, tmp_path)

    assert Conclusion.NON_CONFORMANT == result.conclusion
    assert {case.id for case in result.record.cases} == {e.case_id for e in result.record.exchanges if e.response}
    assert [] == FORMATS.violations("report", json.loads((tmp_path / "report.json").read_bytes()))
    broken = {v.requirement.id[:3] for v in result.judged.by(Verdict.FAIL)}
    assert broken & {"ENC", "RSP", "RID", "ACC"}, shortfalls(result.judged)


def test_a_gateway_that_refuses_everything_gets_no_credit_for_its_refusals(tmp_path: Path) -> None:
    """They are inconclusive for wrong requests and failures for right ones."""
    behaviour = Behaviour(additional_refusals=(lambda m: "broken.pattern" if m.command == "sms" else None,))
    judgement = judged(tmp_path, behaviour, **SMS)

    assert {(Verdict.INCONCLUSIVE, Reason.PRECONDITION)} == {(v.verdict, v.reason) for v in of_sms(judgement, REFUSING)}
    assert {Verdict.FAIL} == {v.verdict for v in of_sms(judgement, ACCEPTING)}
    assert Conclusion.NON_CONFORMANT == judgement.conclusion


def test_a_gateway_that_accepts_everything_fails_every_refusal(tmp_path: Path) -> None:
    """And passes what must be accepted, notifications included."""
    judgement = judged(tmp_path, Behaviour(waived=TAGS), **SMS)

    strict = tuple(id_ for id_ in REFUSING if id_ not in (*LENIENT, *STURDY))
    assert {Verdict.FAIL} == {v.verdict for v in of_sms(judgement, strict)}, shortfalls(judgement)
    assert {Verdict.WARN} == {v.verdict for v in of_sms(judgement, LENIENT)}, shortfalls(judgement)
    assert {Verdict.PASS} == {v.verdict for v in of_sms(judgement, STURDY)}, shortfalls(judgement)
    assert {Verdict.PASS} == {v.verdict for v in of_sms(judgement, (*ACCEPTING, "NTF-01", "NTF-16", "RID-01"))}
    assert Conclusion.NON_CONFORMANT == judgement.conclusion


@pytest.mark.parametrize(
    ("tag", "reason"),
    [("funds", "answered 402: the account's funds do not suffice"), ("unregistered", "sender id")],
    ids=["402", "403"],
)
def test_an_account_that_may_not_send_does_not_fail_the_gateway(tmp_path: Path, tag: str, reason: str) -> None:
    """Each verdict says why nothing could be exercised."""
    behaviour = Behaviour(additional_refusals=(lambda m: tag if m.command == "sms" else None,), validation_status=400)
    judgement = judged(tmp_path, behaviour, **SMS)

    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert Conclusion.INCONCLUSIVE == judgement.conclusion
    assert {True} == {reason in (v.detail or "") for v in of_sms(judgement, ACCEPTING)}
