"""Requirements on clients and receivers are judged as the catalogue of the contract says, and by its schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from client_records import PARAMS, Certification, Sent, again, refused
from other_contracts import json_edited, text_edited, uncrossed

from conformance.client.face import RULES, client_checks
from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import ByRule
from conformance.judging.verdicts import Verdict
from conformance.model.errors import SuiteError
from conformance.reports.result import judge

RESENDS = 'rule = "final-is-final", codes = [400, 401, 402, 403, 422]'


def failed(certification: Certification, contract: Contract) -> set[str]:
    """The ids of what failed by that contract."""
    return {v.requirement.id for v in judge(certification.record(), contract=contract).by(Verdict.FAIL)}


def test_every_written_rule_judges_a_requirement() -> None:
    """One that none names would be dead code."""
    named = {r.judge.rule for r in statum().catalogue.requirements if isinstance(r.judge, ByRule)}

    assert set() == set(RULES) - named


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ('rule = "final-is-finale", codes = [400]', "rule is 'final-is-finale'; expected one of driver-answers-once, "),
        ('rule = "final-is-final"', "missing a required argument: 'codes'; expected codes"),
        ('rule = "final-is-final", status = [400]', "'codes'; expected codes"),
        ('rule = "not-again-at-once", after = "4xx"', "after is '4xx'; expected one of 5xx, lost"),
        ('rule = "junk-is-refused", kinds = ["small"]', "kinds is 'small'; expected one of no-json, incomplete, "),
        ('message = "notification", at = "", keyword = "type"', "expected one in the message 'request'"),
    ],
)
def test_a_catalogue_that_cannot_be_judged_by_says_why(stated: str, words: str, tmp_path: Path) -> None:
    """In one line, with the requirement and what is expected."""
    folder = text_edited(tmp_path, "requirements.toml", RESENDS, stated)

    with pytest.raises(SuiteError) as told:
        client_checks(uncrossed(folder))
    assert "requirement RTY-01 cannot be judged: " in str(told.value)
    assert words in str(told.value)


def test_codes_after_which_nothing_is_sent_again_are_the_catalogues(tmp_path: Path) -> None:
    """Another list there is another verdict here."""
    certification = Certification()
    certification.call(*again(Sent(status=409), 30.0), said=refused(409))
    stricter = text_edited(tmp_path, "requirements.toml", RESENDS, RESENDS.replace("422", "409, 422"))

    assert set() == failed(certification, statum())
    assert {"RTY-01"} == failed(certification, uncrossed(stricter))


def _of_numbers(schema: dict[str, Any]) -> Mapping[str, Any]:
    return {**schema, "$defs": {**schema["$defs"], "message": {**schema["$defs"]["message"], "type": "number"}}}


@pytest.mark.parametrize(
    ("change", "expected"), [(lambda schema: schema, {"SND-08"}), (_of_numbers, set())], ids=["a text", "a number"]
)
def test_the_types_of_members_are_those_of_the_schema(
    change: Callable[[dict[str, Any]], Mapping[str, Any]], expected: set[str], tmp_path: Path
) -> None:
    """A number is wrong where the schema has a text, and right where it has a number."""
    certification = Certification()
    certification.call(Sent(body=json.dumps({**PARAMS, "message": 1}).encode()), params={**PARAMS, "message": "1"})
    contract = uncrossed(json_edited(tmp_path, "common.json", change))

    assert expected == failed(certification, contract)
