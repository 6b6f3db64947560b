"""The schemas decide: whatever a message breaks of its schema breaks the requirement that names the place."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from other_contracts import json_edited
from run_records import Run

from conformance.contract.contract import Contract, statum
from conformance.contract.places import Message, SchemaPlace, answer_to, notified_of, places_of
from conformance.contract.requirements import ByPlace, ByRule, Catalogue
from conformance.contract.schemas import compiled, value_at
from conformance.gateway.rules.checks import checks_of
from conformance.judging.reading import answer_form, notice_form
from conformance.judging.verdicts import Judged, Verdict
from conformance.model.errors import SuiteError
from conformance.model.traffic import Kind
from conformance.reports.result import judge

ID = "9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a"
COMMANDS = statum().commands
ANSWERS = [
    answer_to(COMMANDS["sms"], statum().schemas, accepted=True),
    answer_to(COMMANDS["account-details"], statum().schemas, accepted=True),
    answer_to(COMMANDS["sms"], statum().schemas, accepted=False),
]
NOTIFICATIONS = [
    message
    for product, succeeded in [*((product, True) for product in statum().products), ("sms", False)]
    if (command := statum().command_of(product))
    if (message := notified_of(command, product, statum().schemas, succeeded=succeeded))
]


def places(message: Message) -> list[SchemaPlace]:
    """All that a message can break."""
    return list(places_of(statum().schemas.resolved(message.schema)))


EACH_PLACE = [(message, place) for message in (*ANSWERS, *NOTIFICATIONS) for place in places(message)]


def good(message: Message) -> dict[str, Any]:
    """A message that breaks nothing, with all that is documented."""
    examples = statum().schemas.resolved(message.schema)["examples"]
    if message.groups[0] == "notification":
        failed = {"result_code": "500", "result_desc": "The operator could not be reached."}
        return copy.deepcopy(examples[0] | (failed if message.groups[-1] == "notification.failure" else {}))
    return copy.deepcopy(next(each for each in examples if each["status_code"] in (200, 422)))


def broken(message: Message, place: SchemaPlace) -> Any:
    """The same, but that it breaks this place, and as little else as can be."""
    told, (parent, name) = good(message), place.pointer.rpartition("/")[::2]
    if not place.pointer:
        return [told]
    steps = parent.split("/")[1:]
    holder: Any = told
    if "accounts" in place.pointer and "details" in steps:
        told["organization"]["details"]["accounts"] = told["organization"].pop("accounts")
    for step in steps:
        holder = (
            next(iter(holder.values()))
            if step == "*" and isinstance(holder, dict)
            else holder[0 if step == "*" else step]
        )
    key: Any = name if name != "*" else 0 if isinstance(holder, list) else next(iter(holder))
    if place.keyword == "required":
        del holder[key]
    else:
        holder[key] = WRONG[place.keyword](place.rule)
    return told


WRONG = {
    "type": lambda rule: {"string": None, "number": "7", "object": "text", "array": {}}[rule],
    "minLength": lambda _: "",
    "pattern": lambda rule: " " if rule == r"\S" else "2024",
    "const": lambda rule: rule + 0.5,
    "minimum": lambda rule: rule - 1,
    "maximum": lambda rule: rule + 1,
    "multipleOf": lambda _: 400.5,
}


def run_with(message: Message, body: Any) -> Judged:
    """A run of one exchange that is as it should be, but for this message."""
    command = message.command or "sms"
    run = Run(commands=(command,))
    raw = json.dumps(body).encode()
    if message.groups[0] == "notification":
        run.invoke(ID, command=command)
        run.notify(product=COMMANDS[command].product, raw=raw)
    elif message.groups[-1] == "response.success":
        run.invoke(command=command, raw=raw)
        run.notify(ID, product=COMMANDS[command].product)
    else:
        run.invoke(kind=Kind.BROKEN, aspect="pattern", command=command, raw=raw, status=422, member="phone_number")
    return judge(run.record(), measured=False)


def failures(judged: Judged) -> dict[str, str]:
    """The requirements on the form of a message that failed, each with its first violation."""
    failed = (each for each in judged.verdicts if each.verdict in (Verdict.FAIL, Verdict.WARN))
    return {
        each.requirement.id: f"{each.findings[0].pointer}: {each.findings[0].message}"
        for each in failed
        if isinstance(each.requirement.judge, ByPlace)
    }


def test_a_message_as_documented_breaks_nothing() -> None:
    """With all members that it may have."""
    for message in (*ANSWERS, *NOTIFICATIONS):
        assert {} == failures(run_with(message, good(message))), (message.schema, message.groups[-1])


def test_a_violation_breaks_the_requirement_of_its_place() -> None:
    """By the requirement that names the place, or by the one that takes the rest; in words that name the member."""
    wrong = []
    for message, place in EACH_PLACE:
        owners = message.owners(statum().catalogue, place.pointer, place.keyword)
        found = failures(run_with(message, broken(message, place)))
        member = next((step for step in reversed(place.pointer.split("/")) if step not in ("", "*")), "JSON object")
        if owners != tuple(found) or member not in found[owners[0]]:
            wrong.append((message.schema, message.groups[-1], place.pointer, place.keyword, owners, found))

    assert EACH_PLACE
    assert [] == wrong


def test_nothing_in_a_schema_is_left_unjudged() -> None:
    """Each place of each message has one requirement."""
    owners = {
        (message.schema, place.pointer, place.keyword): message.owners(statum().catalogue, place.pointer, place.keyword)
        for message, place in EACH_PLACE
    }

    assert {} == {place: found for place, found in owners.items() if len(found) != 1}


# --- Another schema, other verdicts


def with_maximum(pointer: str) -> Any:
    """A change to a schema: what is at `pointer` has 60 characters at most, as the examples have."""

    def change(document: dict[str, Any]) -> dict[str, Any]:
        value_at(document, pointer)["maxLength"] = 60
        return document

    return change


def test_a_new_keyword_of_a_schema_is_judged(tmp_path: Path) -> None:
    """By the requirements that take the rest, for each command: nothing but the schema says so."""
    rows = {"description": {"RSP-19"}, "request_id": {"RSP-19", "NTF-25"}, "result_desc": {"NTF-25"}}
    long = "a long text " * 6
    run = Run()
    run.invoke(envelope={"status_code": 200, "description": long, "request_id": long})
    run.notify(long, result_desc=long)
    found = {}
    for definition in rows:
        folder = json_edited(tmp_path / definition, "common.json", with_maximum(f"/$defs/{definition}"))
        judged = judge(run.record(), contract=Contract.load(folder), measured=False)
        found[definition] = set(failures(judged))

    assert rows == found


# --- Nothing is kept by silence


def test_an_absent_member_passes_only_the_requirement_that_it_be_there() -> None:
    """Its type is judged where it is; a value of the wrong type breaks that alone."""
    without = answer_form(statum(), "sms", {"status_code": 200, "request_id": ID}, accepted=True)
    mistyped = answer_form(statum(), "sms", {"status_code": "201", "description": "d", "request_id": ID}, accepted=True)

    assert {"RSP-11", "RSP-12"}.isdisjoint(without.occasions)
    assert {"RSP-09", "RSP-17", "RSP-18"} <= without.occasions
    assert ({"RSP-09"}, {"RSP-03"}) == (without.broken.keys(), mistyped.broken.keys())


def test_optional_members_of_a_notification_are_judged_where_they_are() -> None:
    """A blank reason without an outcome breaks nothing: it may be that of a success."""
    plain = {"result_code": "200", "result_desc": "Success", "request_id": ID}
    forms = [notice_form(statum(), "airtime", each, "200", typed=True) for each in (plain, {**plain, "charge": 48.5})]
    blank = notice_form(statum(), "sms", {"result_desc": " ", "request_id": ID}, None, typed=True)

    assert [False, True] == ["NTF-22" in form.occasions for form in forms]
    assert {"NTF-07"} == blank.broken.keys()


def test_a_message_with_very_many_violations_is_judged_soon() -> None:
    """The first few say enough."""
    errors = {f"field{number}": [number] for number in range(100_000)}
    message = {"status_code": 422, "description": "d", "request_id": ID, "validation_errors": errors}

    form = answer_form(statum(), "sms", message, accepted=False)

    assert 0 < len(form.broken["RSP-20"]) < 100


# --- Two validators


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([200, 200.0, 200.5, 400, 422, 599, 600, -1, "200", "404", "999", "", " ", "2024-07-27 14:05:09"]),
    st.text(max_size=3),
    st.floats(),
    st.lists(st.one_of(st.text(max_size=2), st.integers()), max_size=2),
    st.dictionaries(st.sampled_from(["a", "accounts", "name"]), st.lists(st.text(max_size=1), max_size=1), max_size=2),
)


@pytest.mark.parametrize("schema", sorted({message.schema for message in (*ANSWERS, *NOTIFICATIONS)}))
@given(data=st.data())
def test_the_fast_validator_means_the_same(schema: str, data: st.DataObject) -> None:
    """As jsonschema with our keywords, whatever the values."""
    resolved = statum().schemas.resolved(schema)
    message = copy.deepcopy(data.draw(st.sampled_from(resolved["examples"])))
    for name in data.draw(st.lists(st.sampled_from([*resolved["properties"], "other"]), max_size=2)):
        message[name] = data.draw(VALUES)
    for name in data.draw(st.lists(st.sampled_from([*resolved["properties"]]), max_size=1)):
        message.pop(name, None)

    fast = compiled(resolved)

    assert fast is not None
    assert fast(message) is (not statum().schemas.violations(schema, message))


def test_a_schema_with_a_keyword_that_is_not_known_is_left_to_jsonschema() -> None:
    """It is validated all the same."""
    assert compiled({"type": "string", "format": "date"}) is None
    assert compiled({"properties": {"a": {"x-characters": "text"}}}) is None


# --- A catalogue that cannot be judged


def with_judge(judge_: Any) -> Contract:
    """The contract whose first requirement is judged so."""
    first, *others = statum().catalogue.requirements
    return replace(statum(), catalogue=Catalogue((replace(first, judge=judge_), *others), "sha256:"))


def test_a_requirement_that_nothing_can_judge_is_an_error() -> None:
    """When a run is judged: by its id."""
    rows = {
        None: " does not say how it is judged",
        ByRule("no-such-rule"): " is judged by the rule 'no-such-rule'",
        ByRule("ids-are-unique", {"of": "response"}): ": the rule 'ids-are-unique' does not take this",
        ByRule("answer-is-json", {"of": "nothing"}): ": the rule 'answer-is-json' does not take this",
    }
    for judged_by, told in rows.items():
        with pytest.raises(SuiteError, match=f"requirement ANS-01{told}"):
            checks_of(with_judge(judged_by))
