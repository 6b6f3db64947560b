"""`explain`: a right exchange beside a wrong one, made of the contract, and how to mend the usual causes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from command_line import call
from other_contracts import parcel

from conformance.cli.explaining import Explanation
from conformance.contract.contract import statum
from conformance.contract.requirements import Actor

Capsys = pytest.CaptureFixture[str]


def explained(capsys: Capsys, requirement: str) -> dict[str, Any]:
    """The explanation as JSON."""
    called = call(capsys, "explain", requirement, "--format", "json")
    assert (0, "") == (called.code, called.err)
    document: dict[str, Any] = json.loads(called.out)
    return document


def test_a_probe_is_shown_beside_its_twin_and_with_the_fault_that_breaks_it(capsys: Capsys) -> None:
    """The same request, refused and accepted."""
    shown = explained(capsys, "VAL-05")

    assert ["HTTP 200", "HTTP 422", "HTTP 200"] == [
        shown[name]["answer"]["line"] for name in ("twin", "right", "wrong")
    ]
    assert shown["right"]["curl"] == shown["wrong"]["curl"] != shown["twin"]["curl"]
    assert "accepts-any-form" == shown["fault"]["name"]
    assert (statum().catalogue["VAL-05"].mend, ["broken.pattern: refused-as-invalid"]) == (
        shown["mend"],
        shown["checks"],
    )


# requirement → the part of the wrong exchange that differs from the right one: its answer, or its notifications
DIFFERENCES = {
    "RSP-03": "answer",
    "ENC-02": "answer",
    "ANS-01": "answer",
    "NTF-16": "notifications",
    "IDM-01": "answer",
}


def test_wrong_exchanges_differ_where_the_requirement_says(capsys: Capsys) -> None:
    """Of the schemas, the probes and the written rules."""
    differing = {}
    for id_ in DIFFERENCES:
        shown = explained(capsys, id_)
        parts = [name for name in ("answer", "notifications") if shown["right"][name] != shown["wrong"][name]]
        differing[id_] = parts[0]

    assert DIFFERENCES == differing


def test_a_requirement_on_a_receiver_is_shown_by_the_usual_exchange(capsys: Capsys) -> None:
    """With its notifications; an excluded requirement has no exchange at all."""
    shown = {id_: explained(capsys, id_) for id_ in ("RCV-07", "EXC-01")}

    assert {"RCV-07": True, "EXC-01": False} == {id_: each["right"] is not None for id_, each in shown.items()}
    assert shown["RCV-07"]["right"]["notifications"]


# Requirements on several calls, which one call does not show.
OF_SEVERAL_CALLS = {"SND-13", "SND-14", "ROB-01"}


def test_a_requirement_on_a_client_is_shown_by_two_calls_that_its_rule_tells_apart() -> None:
    """They differ in one respect: the requests, their number, or the client's report."""
    client = [each for each in statum().catalogue.requirements if each.actor is Actor.CLIENT and each.excluded is None]
    explanations = {each.id: Explanation.of(each, statum()) for each in client}
    shown = {id_: each for id_, each in explanations.items() if each.mistake is not None}

    assert OF_SEVERAL_CALLS == explanations.keys() - shown.keys()
    assert [] == [id_ for id_, each in shown.items() if each.right == each.wrong]


def test_people_read_what_a_client_does_wrong(capsys: Capsys) -> None:
    """In the words of the rule, beside the answer that the client got."""
    out = call(capsys, "explain", "RDG-05").out

    places = [out.index(text) for text in ("Right:", "HTTP 400", "the client says an error (http, 400)", "Wrong: ")]
    assert places == sorted(places)
    assert (
        "Wrong: the gateway answered 400, and the client says accepted\n  the client says accepted, request_id" in out
    )


def test_people_read_the_mend_and_how_to_see_and_repeat_it(capsys: Capsys) -> None:
    """Before the exchanges, which may be long."""
    out = call(capsys, "explain", "NTF-16").out

    places = [
        out.index(text)
        for text in (
            "NTF-16 The request_id of a notification",
            "To mend:",
            "Right:",
            "Wrong: ",
            "to see it: statum-conformance mock --fault ",
            "to judge it alone: statum-conformance run --only NTF-16",
        )
    ]
    assert places == sorted(places)


def test_another_contract_is_explained_by_its_own_rows() -> None:
    """Without a word of code for it."""
    explanations = [Explanation.of(each, parcel()) for each in parcel().catalogue.requirements[:4]]

    assert [] == [each.requirement.id for each in explanations if each.right is None]
