"""Valid payloads: valid to two validators, different from each other, and of every kind that a schema calls for."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from conformance.contract.command import Command
from conformance.contract.contract import statum
from conformance.contract.schemas import BASE_URI, SchemaSet
from conformance.model.errors import SuiteError, UsageError
from conformance.model.untrusted import parse_json
from conformance.payloads import texts, valid
from conformance.payloads.classes import Written, classes_of_members
from conformance.payloads.members import Constraints, documented_range
from conformance.payloads.valid import ValidPayload, fresh_payloads, valid_payloads

COMMANDS = statum().commands
SCHEMAS = statum().schemas

POSTS = [command for command in COMMANDS.values() if command.method == "POST"]
SMS, AIRTIME = COMMANDS["sms"], COMMANDS["airtime"]
ONE_NUMBER = Constraints(phone_numbers=("254700000001",))
EACH_POST = pytest.mark.parametrize("command", POSTS, ids=lambda command: command.folder)


@cache
def made(command: Command, count: int = 60, seed: int = 1) -> list[ValidPayload]:
    """The payloads of a command without given values."""
    return valid_payloads(statum(), command, Constraints(), count, seed)


def values(found: list[ValidPayload], aspect: str, member: str) -> list[Any]:
    """The values of `member` in the payloads of one aspect."""
    return [payload.members[member] for payload in found if payload.aspect == aspect]


# --- All of them


@EACH_POST
def test_every_payload_is_valid(command: Command) -> None:
    """The bytes are strict JSON, their members are those given, and two validators take them."""
    second_opinion = jsonschema_rs.validator_for(SCHEMAS.resolved(f"{command.folder}/request"))

    for payload in [*made(command), *fresh_payloads(statum(), command, Constraints(), 30, 1, made(command))]:
        members = parse_json(payload.body)
        assert members == payload.members
        assert [] == SCHEMAS.violations(f"{command.folder}/request", members)
        assert [] == SCHEMAS.violations(f"{command.folder}/request.tolerated", members)
        assert second_opinion.is_valid(members)


@EACH_POST
def test_random_ones_come_last_and_are_counted(command: Command) -> None:
    """First the systematic ones, then exactly as many random ones as asked for."""
    aspects = [payload.aspect for payload in made(command)]

    assert ["sample"] == aspects[:1]
    assert ["random"] * 60 == aspects[-60:]
    assert "random" not in aspects[:-60]
    assert aspects[:-60] == [payload.aspect for payload in made(command, 0)]


@EACH_POST
def test_no_two_are_alike(command: Command) -> None:
    """Within a window no phone number gets an amount twice; elsewhere no payload is sent twice by chance."""
    given = Constraints(
        phone_numbers=("254700000001", "254700000002"), registered={"sender_id": ("Acme",), "short_code": ("174379",)}
    )
    valid = valid_payloads(statum(), command, given, 300, 1)
    every = [*valid, *fresh_payloads(statum(), command, given, 100, 2, valid)]

    alike = Counter(
        tuple(payload.members[name] for name in command.window.members)
        if command.window
        else tuple(sorted(payload.members.items()))
        for payload in every
    )
    assert {1} == set(alike.values())


def test_a_get_has_no_body() -> None:
    """There is one way to ask for the account's details."""
    details = COMMANDS["account-details"]

    assert [ValidPayload("sample", b"", {})] == valid_payloads(statum(), details, Constraints(), 50, 1)
    assert [b""] * 3 == [payload.body for payload in fresh_payloads(statum(), details, Constraints(), 3, 1, [])]


# --- What each kind is


@EACH_POST
def test_the_documented_sample_is_the_first(command: Command) -> None:
    """The first example of the schema goes out as it is written, members in their order."""
    sample = made(command, 0)[0]
    example = SCHEMAS.resolved(f"{command.folder}/request")["examples"][0]
    if command.window_s is not None:  # then to a number of the run's own, for the sample's may have been used lately
        example = {**example, "phone_number": sample.members["phone_number"]}

    assert json.dumps(example) == sample.body.decode()


def test_the_sample_takes_given_values() -> None:
    """Only where the account does not have the sample's value is it replaced."""
    rows = [
        (Constraints(), "Statum", "254712345678"),
        (Constraints({"sender_id": ("Acme", "Statum")}), "Statum", "254712345678"),
        (Constraints({"sender_id": ("Acme",)}), "Acme", "254712345678"),
        (Constraints(phone_numbers=("254100000009", "254100000008")), "Statum", "254100000009"),
    ]
    samples = [valid_payloads(statum(), SMS, given, 0, 1)[0].members for given, *_ in rows]

    assert [row[1:] for row in rows] == [(sample["sender_id"], sample["phone_number"]) for sample in samples]


def test_long_messages() -> None:
    """459 characters outside of the BMP; and among the others the limits of three segments."""
    (message,) = values(made(SMS), "long", "message")
    others = values(made(SMS), "class", "message")

    assert 459 == len(message)
    assert all(character > "\uffff" for character in message)
    assert {160, 161, 306, 307, 459} <= {texts.septets(message) for message in others}
    assert {201, 202, 402, 403} <= {texts.units(message) for message in others}


# One value for each class that the values of the account at hand can be in.
NAMED = Constraints(
    {"sender_id": ("K", "4G", "254Karibuni", "20880", "204880", "Statum"), "short_code": ("60010", "174379", "6001001")}
)


@EACH_POST
@pytest.mark.parametrize("given", [Constraints(), NAMED], ids=["any", "given"])
def test_every_class_is_met_by_systematic_payloads(command: Command, given: Constraints) -> None:
    """Without a random example, whatever the seed: nothing is left to chance."""
    unmet = []
    for seed in range(8):
        planned = valid_payloads(statum(), command, given, 0, seed)
        for member, classes in classes_of_members(statum(), command.folder).items():
            seen = [Written(one.members[member], one.body) for one in planned if member in one.members]
            unmet += [(seed, member, each.name) for each in classes if not any(map(each.holds, seen))]

    assert [] == unmet


@EACH_POST
def test_few_payloads_meet_all_classes(command: Command) -> None:
    """One payload serves several: there are far fewer of them than classes."""
    classes = sum(map(len, classes_of_members(statum(), command.folder).values()))

    assert len(made(command, 0)) < classes


def test_a_class_is_met_once_where_given_values_leave_nothing_to_draw() -> None:
    """Two classes of this seed would have the same short text sent to the same of three numbers."""
    numbers = ("254707294493", "254182295184", "254721682065")
    given = Constraints({"sender_id": ("Statum",)}, phone_numbers=numbers)
    found = valid_payloads(statum(), SMS, given, 8, 14476197645603421096)

    sent = [json.dumps(payload.members, sort_keys=True) for payload in found]
    assert len(sent) == len(set(sent))
    assert {(number, "?") for number in numbers} & {(p.members["phone_number"], p.members["message"]) for p in found}


def test_payloads_for_classes_differ_from_the_documented_sample() -> None:
    """A gateway that refuses its own sample is faulted for that alone."""
    for command in POSTS:
        example = SCHEMAS.resolved(f"{command.folder}/request")["examples"][0]
        shown = {name: example[name] for name in ("phone_number", "message") if name in example}
        of_classes = [payload.members for payload in made(command, 0) if payload.aspect == "class"]
        assert [] == [members for members in of_classes if shown == {name: members.get(name) for name in shown}]


def test_messages_with_line_breaks() -> None:
    """LF, CR, CRLF and tab, each on its own, and all together."""
    messages = values(made(SMS), "line-breaks", "message")

    alone = [{character for character in message if character in "\t\n\r"} for message in messages[:4]]
    assert [{"\n"}, {"\r"}, {"\r", "\n"}, {"\t"}] == alone
    assert "\r\n" in messages[2]
    assert set("\t\n\r") <= set("".join(messages[4:]))


def test_boundaries_are_those_that_are_documented() -> None:
    """Airtime documents its range, payments do not."""
    assert ["5", "6", "9999", "10000"] == values(made(AIRTIME), "boundary", "amount")
    assert {AIRTIME} == {command for command in POSTS if values(made(command), "boundary", "phone_number")}


@EACH_POST
def test_a_range_is_documented_where_the_tolerated_schema_ends_with_it(command: Command) -> None:
    """What lies outside of a documented range must be refused, and what lies outside of a cautious one need not."""
    strict, tolerated = (
        SCHEMAS.resolved(f"{command.folder}/{name}")["properties"] for name in ("request", "request.tolerated")
    )
    for name, rule in strict.items():
        tight = (tolerated[name].get("minimum"), tolerated[name].get("maximum"))
        assert (tight if "x-integer" in rule and None not in tight else None) == documented_range(rule)


def test_optional_members_absent_and_present() -> None:
    """Each optional member once without and once with a value of its own."""
    online = COMMANDS["mpesa/online"]
    found = [payload.members for payload in made(online) if payload.aspect == "optional"]

    assert [False, True] == ["bill_ref_number" in members for members in found]
    assert {online} == {command for command in POSTS if any(payload.aspect == "optional" for payload in made(command))}


def test_random_messages_fit_into_one_segment() -> None:
    """They are up to 160 characters long, of all lengths, in many scripts."""
    messages = values(made(SMS, 200), "random", "message")

    assert (1, 160) == (min(map(len, messages)), max(map(len, messages)))
    assert {True, False} == {message.isascii() for message in messages}


@EACH_POST
def test_fresh_ones_have_nothing_unusual(command: Command) -> None:
    """Plain text, every member, no amount at a documented end: what is judged is not the payload."""
    fresh = fresh_payloads(statum(), command, Constraints(), 100, 1, made(command))
    schema = SCHEMAS.resolved(f"{command.folder}/request")

    assert {tuple(sorted(schema["properties"]))} == {tuple(sorted(payload.members)) for payload in fresh}
    for payload in fresh:
        assert payload.body.isascii()
        assert b"\\" not in payload.body
        for name, rule in schema["properties"].items():
            low, high = documented_range(rule) or (0, 10**9)
            assert "x-integer" not in rule or low < int(payload.members[name]) < high


# --- What cannot be


def test_a_command_of_a_new_product_needs_no_code(tmp_path: Path) -> None:
    """The schema decides on the payloads, whatever the command and its members are called."""
    data = Command("data/bundle", "POST", "data-bundle", "docs")
    schema = {
        "type": "object",
        "required": ["note", "size"],
        "additionalProperties": False,
        "properties": {
            "note": {"type": "string", "x-characters": "text", "minLength": 1, "maxLength": 200},
            "size": {
                "type": "string",
                "pattern": "^[1-9]$",
                "x-integer": {"minimum": 1, "maximum": 9, "x-documented": True},
            },
            "code": {"type": "string", "pattern": "^[A-Z]{4}$"},
        },
        "examples": [{"note": "Jambo", "size": "3"}],
    }
    (tmp_path / data.folder).mkdir()
    (tmp_path / data.folder / "request.json").write_text(json.dumps(schema), encoding="utf-8")
    contract = replace(statum(), schemas=SchemaSet(tmp_path, BASE_URI))

    found = valid_payloads(contract, data, Constraints(), 20, 1)

    assert {"sample", "unicode", "long", "line-breaks", "boundary", "optional", "class", "random"} == {
        payload.aspect for payload in found
    }
    assert [200] == [len(note) for note in values(found, "long", "note")]
    assert {160, 161} <= {texts.septets(note) for note in values(found, "class", "note")}
    assert ["1", "2", "8", "9"] == values(found, "boundary", "size")


def test_one_number_takes_every_amount_once() -> None:
    """Amounts are moved until each is taken, the boundaries staying where they are, and then there are no more."""
    room = 10_000 - 5 + 1
    valid = valid_payloads(statum(), AIRTIME, ONE_NUMBER, 400, 1)

    assert ["5", "6", "9999", "10000"] == values(valid, "boundary", "amount")
    assert len(valid) == len({payload.members["amount"] for payload in valid})
    systematic = len(valid_payloads(statum(), AIRTIME, ONE_NUMBER, 0, 1))
    with pytest.raises(UsageError, match=f"leave room for {room - systematic}"):
        valid_payloads(statum(), AIRTIME, ONE_NUMBER, room - systematic + 1, 1)


def test_fresh_ones_need_room_too() -> None:
    """What is taken already counts."""
    taken = [
        ValidPayload("random", b"", {"phone_number": "254700000001", "amount": str(amount)})
        for amount in range(5, 9_990)
    ]

    assert 3 == len(fresh_payloads(statum(), AIRTIME, ONE_NUMBER, 3, 1, taken))
    with pytest.raises(UsageError, match="phone number"):
        fresh_payloads(statum(), AIRTIME, ONE_NUMBER, 12, 1, taken)


def test_values_for_other_commands_are_ignored() -> None:
    """A short code that would not do is no matter for a command without one."""
    assert valid_payloads(statum(), SMS, Constraints({"short_code": ("12",)}), 1, 1)


def test_too_few_different_payloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all are alike it is said so, after a few rounds of looking."""
    monkeypatch.setattr(valid, "likeness", lambda *_: b"alike")  # nothing real is so narrow

    with pytest.raises(UsageError, match="only 1 were found"):
        fresh_payloads(statum(), SMS, Constraints(), 2, 1, [])


def test_a_label_that_does_not_prove_true_is_an_error_of_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload that its schema does not take never goes out as a valid one."""
    monkeypatch.setattr(valid, "WITH_LINE_BREAKS", ("\x00",))

    with pytest.raises(SuiteError, match="line-breaks payload"):
        valid_payloads(statum(), SMS, Constraints(), 0, 1)
