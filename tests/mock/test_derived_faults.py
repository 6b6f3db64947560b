"""Faults that follow from how requirements are judged: by places of schemas, and by probes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mock_rig import CALLBACKS, request
from other_contracts import copied

from conformance.contract.contract import Contract
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour
from conformance.mock.faults import derived, faults
from conformance.mock.gateway import Gateway, Reaction
from conformance.model.errors import SuiteError
from conformance.model.traffic import Request

SMS = request("sms")

BY_PLACE: dict[str, tuple[str, dict[str, Any]]] = {
    "RSP-01": ('{ message = "response.success", at = "", keyword = "type" }', {"to": "response.success", "wrap": True}),
    "RSP-05": (
        '{ message = "response.error", at = "/status_code", keyword = "required" }',
        {"to": "response.error", "remove": "/status_code"},
    ),
    "RSP-11": (
        '{ message = "response", at = "/description", keyword = "type" }',
        {"to": "response", "retype": {"/description": "number"}},
    ),
    "RSP-12": (
        '{ message = "response.success", at = "/description", keyword = ["minLength", "pattern"] }',
        {"to": "response.success", "set": '{"/description": ""}'},
    ),
    "ACT-03": (
        '{ message = "account-details/response", at = "/organization/details/available_balance", keyword = "type" }',
        {
            "to": "response.success",
            "command": ("account-details",),
            "retype": {"/organization/details/available_balance": "string"},
        },
    ),
    "NTF-09": (
        '{ message = "notification", at = "/result_code", keyword = "pattern" }',
        {"to": "notification", "respell": {"/result_code": "zero"}},
    ),
    "NTF-10": (
        '{ message = "notification", at = "/result_desc", keyword = "required" }',
        {"to": "notification", "remove": "/result_desc"},
    ),
}


def judging(directory: Path, behaviours: str = "", **judges: str) -> Contract:
    """Statum's contract, of which these requirements alone are judged by more than a rule, with these behaviours."""
    folder = copied(directory)
    path = folder / "requirements.toml"
    by_rule = 'judge = { rule = "another" }'
    text = re.sub(r"^judge = \{ (message|probe) = .*$", by_rule, path.read_text("utf-8"), flags=re.MULTILINE)
    for requirement, judge in judges.items():
        before, named, entry = text.partition(f'id = "{requirement.replace("_", "-")}"\n')
        assert named
        text = before + named + re.sub(r"^judge = .*$", f"judge = {judge}", entry, count=1, flags=re.MULTILINE)
    path.write_text(text, "utf-8")
    (folder / "behaviours.toml").write_text(behaviours, "utf-8")
    return Contract.load(folder)


def answer(contract: Contract, name: str, asked: Request = SMS) -> Reaction:
    """What a gateway with the fault answers."""
    account = Account.sample(CALLBACKS, contract=contract)
    return Gateway(account, faults(contract)[name].change(Behaviour())).answer(asked, 0.0)


@pytest.mark.parametrize("requirement", BY_PLACE)
def test_a_place_is_broken_by_the_mildest_change_that_breaks_it_alone(tmp_path: Path, requirement: str) -> None:
    """What is missing, of another type, empty or of another form: as the keyword asks for."""
    judge, expected = BY_PLACE[requirement]
    contract = judging(tmp_path, **{requirement.replace("-", "_"): judge})
    (change,) = derived(contract, contract.catalogue[requirement])
    which = {name: getattr(change.which, name) for name in ("to", "command") if getattr(change.which, name)}
    assert expected == {**which, **change.actions}
    assert [f"breaks-{requirement.lower()}"] == list(faults(contract))


def test_a_derived_fault_does_what_it_says(tmp_path: Path) -> None:
    """The answer lacks the member, and the notification is as ever."""
    contract = judging(tmp_path, RSP_04='{ message = "response.success", at = "/status_code", keyword = "required" }')
    broken = answer(contract, "breaks-rsp-04")
    assert "status_code" not in broken.reply.content
    assert "200" == broken.deliveries[0].content["result_code"]


def test_what_no_other_requirement_names_is_broken_somewhere(tmp_path: Path) -> None:
    """A requirement that takes the rest of a message is broken at a place that none names."""
    contract = judging(
        tmp_path,
        RSP_01='{ message = "response.success" }',
        RSP_04='{ message = "response.success", at = "/status_code", keyword = "required" }',
    )
    assert {"breaks-rsp-01", "breaks-rsp-04"} == set(faults(contract))
    (change,) = derived(contract, contract.catalogue["RSP-01"])
    assert "remove" not in change.actions or change.actions["remove"] != "/status_code"


def test_a_probe_that_must_be_refused_is_waived(tmp_path: Path) -> None:
    """The gateway does not enforce what the probe tries."""
    contract = judging(tmp_path, AUT_02='{ probe = "credential.absent", expect = "401" }')
    assert Behaviour(waived=frozenset({"credential.absent"})) == faults(contract)["breaks-aut-02"].change(Behaviour())


def test_a_probe_that_must_be_survived_crashes(tmp_path: Path) -> None:
    """The gateway answers it with 500."""
    contract = judging(tmp_path, BOD_08='{ probe = "malformed.not-utf8", expect = "no-5xx" }')
    assert Behaviour(crashes=frozenset({"malformed.not-utf8"})) == faults(contract)["breaks-bod-08"].change(Behaviour())


def test_a_row_names_and_words_a_derived_fault(tmp_path: Path) -> None:
    """Without changes of its own it has those that follow, and there is no second fault for its requirement."""
    row = '[[behaviour]]\nname = "no-code"\nsummary = "Successes have no code"\nbreaks = ["RSP-04"]\n'
    judge = '{ message = "response.success", at = "/status_code", keyword = "required" }'
    contract = judging(tmp_path, row, RSP_04=judge)
    assert {"no-code": "Successes have no code"} == {name: each.summary for name, each in faults(contract).items()}
    assert "status_code" not in answer(contract, "no-code").reply.content


def test_a_row_without_changes_that_none_follow_for_is_an_error(tmp_path: Path) -> None:
    """One clear line names the row and the requirement."""
    row = '[[behaviour]]\nname = "twice"\nsummary = "Ids come twice"\nbreaks = ["RID-01"]\n'
    with pytest.raises(SuiteError, match="'twice' has no changes, and none follow from how RID-01 is judged"):
        faults(judging(tmp_path, row))


def test_a_change_that_would_break_more_is_not_made(tmp_path: Path) -> None:
    """Where every change breaks another requirement, too, no fault follows."""
    place = '{ message = "response.success", at = "/status_code", keyword = "required" }'
    assert {} == dict(faults(judging(tmp_path, RSP_04=place, RSP_05=place)))


def test_examples_stay_as_they_are(tmp_path: Path) -> None:
    """Deriving changes nothing of the contract that it reads."""
    contract = judging(
        tmp_path, ACT_01='{ message = "account-details/response", at = "/organization/name", keyword = "required" }'
    )
    before = contract.schemas.schema("account-details/response")
    assert ["breaks-act-01"] == list(faults(contract))
    assert before == contract.schemas.schema("account-details/response")
    account = replace(Account.sample(CALLBACKS, contract=contract))
    details = Gateway(account, Behaviour()).answer(request("account-details"), 0.0).reply.content
    assert details["organization"]["name"]
