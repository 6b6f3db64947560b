"""The schemas decide: whatever is changed in one of them, and nowhere else, changes the verdicts.

A run against the built-in mock gateway is recorded once and cut down to a few exchanges of each kind. It is then judged
by copies of `schemas/statum/`, in each of which one keyword of one answer or notification says something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import campaigns
import pytest
from other_contracts import Place, copied, places, uncrossed

from conformance.contract.contract import statum
from conformance.journal import Record, read_journal
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Exchange
from conformance.model.untrusted import parse_json
from conformance.reports.result import judge

ANSWERS = ("response.success", "response.error", f"{statum().commands[statum().account.command].folder}/response")
NOTIFICATIONS = tuple(f"{product}/notification" for product in statum().products)
FELL_SHORT = (Verdict.FAIL, Verdict.WARN)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A few exchanges of each kind, of a run in which nothing fell short."""
    whole = read_journal(campaigns.held(tmp_path_factory.mktemp("run")))
    assert [] == [v.requirement.id for v in judge(whole).verdicts if v.verdict in FELL_SHORT]
    kept = {exchange.case_id for exchange in _of_each_kind(whole)}
    ids = {str(_said(e).get("request_id")) for e in whole.exchanges if e.case_id in kept}
    return replace(
        whole,
        cases=tuple(case for case in whole.cases if case.id in kept),
        exchanges=tuple(e for e in whole.exchanges if e.case_id in kept),
        notifications=tuple(
            n for n in whole.notifications if n.request.body and parse_json(n.request.body).get("request_id") in ids
        ),
    )


def _said(exchange: Exchange) -> dict[str, object]:
    content = parse_json(exchange.response.body) if exchange.response else None
    return content if isinstance(content, dict) else {}


def _of_each_kind(whole: Record) -> Iterator[Exchange]:
    """Of each command the first answer of each status, and the first request each that succeeded and that failed."""
    outcomes = {
        content["request_id"]: content["result_code"]
        for content in (parse_json(n.request.body) for n in whole.notifications if n.request.body)
    }
    commands = {case.id: case.command for case in whole.cases}
    seen = set()
    for exchange in whole.exchanges:
        said = _said(exchange)
        kind = (commands[exchange.case_id], said.get("status_code"), outcomes.get(str(said.get("request_id"))))
        # What was accepted and is not notified of is another story: of a product that is exercised by itself, say.
        unnotified = kind[1] == 200 and kind[2] is None and statum().product_of(kind[0]) is not None
        if kind not in seen and not unnotified:
            seen.add(kind)
            yield exchange


# The accounts may be in one of two places, and the built-in mock gateway has them in the other one.
ELSEWHERE = "/organization/details/accounts"
# A notification repeats the reference of its request, and requests of the wallet have none.
NEVER_TOLD = ("mpesa-wallet/notification", "/bill_ref_number")

MESSAGES = (*ANSWERS, *NOTIFICATIONS)


def places_of(message: str) -> list[Place]:
    """The keywords of a message that decide something about it here."""
    return [
        place
        for place in places(statum(), message)
        if not place.pointer.startswith(ELSEWHERE) and (place.message, place.pointer) != NEVER_TOLD
    ]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_changed_keyword_is_a_failure_that_names_its_place(message: str, record: Record, tmp_path: Path) -> None:
    """A message that was lawful by the schema as it was is none by the copy."""
    missed = {}
    for number, place in enumerate(places_of(message)):
        folder = copied(tmp_path / str(number))
        place.changed(folder, statum())

        judged = judge(record, contract=uncrossed(folder), measured=False)

        short = [v for v in judged.verdicts if v.verdict in FELL_SHORT]
        if not any(place.is_named_by(finding.pointer, finding.message) for v in short for finding in v.findings):
            missed[str(place)] = [f"{v.requirement.id}: {v.findings[0]}" for v in short]
    assert {} == missed


def test_an_unchanged_copy_finds_nothing(record: Record, tmp_path: Path) -> None:
    """What the copies above find is due to what was changed in them."""
    judged = judge(record, contract=uncrossed(copied(tmp_path)), measured=False)

    assert [] == [v.requirement.id for v in judged.verdicts if v.verdict in FELL_SHORT]
