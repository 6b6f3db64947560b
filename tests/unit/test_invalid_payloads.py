"""Broken payloads: wrong in the one place that they name. Open ones: neither promised nor forbidden."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from typing import Any

import jsonschema_rs
import pytest

from conformance.contract.command import Command
from conformance.contract.contract import statum
from conformance.model.errors import SuiteError
from conformance.model.untrusted import parse_json
from conformance.payloads import invalid
from conformance.payloads.invalid import SYSTEMATIC, BrokenPayload, broken_payloads, open_payloads
from conformance.payloads.members import Constraints
from conformance.payloads.valid import valid_payloads

COMMANDS = statum().commands
SCHEMAS = statum().schemas

ROWS = {probe.aspect: probe for probe in statum().probes.of("broken")}
POSTS = [command for command in COMMANDS.values() if command.method == "POST"]
EACH_POST = pytest.mark.parametrize("command", POSTS, ids=lambda command: command.folder)


def base_of(command: Command) -> dict[str, Any]:
    """The documented sample."""
    return dict(valid_payloads(statum(), command, Constraints(), 0, 1)[0].members)


@cache
def broken(command: Command, count: int = 80, seed: int = 1) -> list[BrokenPayload]:
    """The sample, broken."""
    return broken_payloads(statum(), command, base_of(command), count, seed)


def values(command: Command, member: str, aspect: str, count: int = 0) -> list[Any]:
    """What `member` is in the payloads of one aspect."""
    found = [payload for payload in broken(command, count) if (payload.member, payload.aspect) == (member, aspect)]
    return [parse_json(payload.body)[member] for payload in found]


# --- Broken payloads


@EACH_POST
def test_one_member_is_changed_and_no_other(command: Command) -> None:
    """Apart from the member that it names, a broken payload is the one that it was made from."""
    base = base_of(command)

    for payload in broken(command):
        members = parse_json(payload.body)
        changed = {name for name in base.keys() | members.keys() if base.get(name, ...) != members.get(name, ...)}
        assert {payload.member} == changed


@EACH_POST
def test_a_second_opinion_agrees(command: Command) -> None:
    """Another validator refuses each of them too, at the same member."""
    validator = jsonschema_rs.validator_for(SCHEMAS.resolved(f"{command.folder}/request.tolerated"))

    for payload in broken(command):
        faults = list(validator.iter_errors(parse_json(payload.body)))
        assert faults
        expected = [] if payload.aspect == "missing" else [payload.member]
        assert [expected] * len(faults) == [fault.instance_path for fault in faults]


@EACH_POST
def test_every_required_member_is_broken_in_every_way(command: Command) -> None:
    """Missing, null, of another type and empty for each; out of pattern where there is one."""
    found = Counter((payload.member, payload.aspect) for payload in broken(command, 0))
    tolerated = SCHEMAS.resolved(f"{command.folder}/request.tolerated")

    for member in tolerated["required"]:
        assert [1, 1, 3, 1] == [found[member, aspect] for aspect in ("missing", "null", "type", "empty")]
        assert ("pattern" in tolerated["properties"][member]) == (found[member, "pattern"] > 0)
    assert set(tolerated["required"]) == {member for member, _ in found}


def test_types() -> None:
    """An array, an object and a boolean; a number is left to the gateway."""
    assert [["50"], {"value": "50"}, True] == values(COMMANDS["airtime"], "amount", "type")


@EACH_POST
def test_values_out_of_pattern(command: Command) -> None:
    """Letters, and lengths next to the allowed ones; of amounts a negative one and a fraction, also as numbers."""
    numbers, codes = (values(command, member, "pattern") for member in ("phone_number", "short_code"))

    assert {9, 16} <= {len(number) for number in numbers if number.isdigit()}
    assert "abcdefghijkl" in numbers
    if command.name == "sms":
        senders = values(command, "sender_id", "pattern")
        assert 12 in map(len, senders)
        assert any(not sender.isascii() for sender in senders)
    else:
        assert {"ab", "-50", "50.5", -50, 50.5} <= set(values(command, "amount", "pattern"))
    if codes:
        assert {4, 8} <= {len(code) for code in codes if code.isdigit()}
        assert any(code.isalpha() for code in codes)


def test_amounts_out_of_range() -> None:
    """Just outside of the documented range and far outside; where none is documented, nothing is out of range."""
    assert ["4", "0", "10001", "1000000", 4, 10001, 10**20] == values(COMMANDS["airtime"], "amount", "range")
    assert {"airtime"} == {
        command.name for command in POSTS if any(payload.aspect == "range" for payload in broken(command))
    }


def test_numbers_out_of_range_do_not_break_the_pattern() -> None:
    """So that a gateway without a range check is faulted for that and for nothing else."""
    found = values(COMMANDS["airtime"], "amount", "pattern", 400)

    assert [] == [amount for amount in found if str(amount).isdigit()]


@EACH_POST
def test_random_ones_are_added(command: Command) -> None:
    """The systematic ones come first and stay the same; then as many others as asked for, none twice."""
    systematic = broken(command, 0)
    bodies = [payload.body for payload in broken(command)]

    assert [payload.body for payload in systematic] == bodies[: len(systematic)]
    assert len(systematic) + 80 == len(bodies)
    assert len(set(bodies)) == len(bodies)
    at_random = {probe.aspect for probe in ROWS.values() if probe.at_random}
    assert at_random >= {payload.aspect for payload in broken(command)[len(systematic) :]}


def test_no_digits_of_other_scripts() -> None:
    """Whether they are digits the contract does not say, so nothing rests on it."""
    for command in POSTS:
        of_pattern = [payload for payload in broken(command, 300) if payload.aspect == "pattern"]
        digits = "".join(str(parse_json(payload.body).get(payload.member)) for payload in of_pattern)
        assert [] == [character for character in digits if character.isdecimal() and not character.isascii()]


def test_a_get_has_nothing_to_break() -> None:
    """Without a payload there is none to break."""
    details = COMMANDS["account-details"]

    assert [] == broken_payloads(statum(), details, {}, 50, 1)
    assert [] == open_payloads(statum(), details, {})


def test_only_a_valid_payload_is_broken() -> None:
    """From a payload that is wrong already, no label could be proved."""
    with pytest.raises(SuiteError, match="a valid airtime payload"):
        broken_payloads(statum(), COMMANDS["airtime"], {"phone_number": "254700000001", "amount": "4"}, 0, 1)


@pytest.mark.parametrize("aspect", ROWS)
def test_a_label_that_does_not_prove_true_is_an_error_of_the_suite(
    monkeypatch: pytest.MonkeyPatch, aspect: str
) -> None:
    """A row whose values are all tolerated is noticed."""
    for making in ROWS[aspect].made:
        monkeypatch.setitem(SYSTEMATIC, making.by, lambda subject: [subject.valid])

    with pytest.raises(SuiteError, match=f"no {aspect} phone_number"):
        broken_payloads(statum(), COMMANDS["airtime"], base_of(COMMANDS["airtime"]), 0, 1)


def test_running_out_of_random_ones_is_an_error_of_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not look for ever."""
    monkeypatch.setattr(invalid, "AT_RANDOM", {"other-types": lambda *_: True})

    with pytest.raises(SuiteError, match="no more random broken payloads"):
        broken_payloads(statum(), COMMANDS["sms"], base_of(COMMANDS["sms"]), 50, 1)


# --- Open payloads


def opened(command: Command, **options: bool) -> list[tuple[str, dict[str, Any]]]:
    """Aspect and members of each open payload made from the sample."""
    return [
        (aspect, parse_json(body)) for aspect, body in open_payloads(statum(), command, base_of(command), **options)
    ]


@EACH_POST
def test_open_ones_are_between_the_schemas(command: Command) -> None:
    """Outside of what is promised, inside of what is tolerated; each is another one, and the same come every time."""
    bodies = [body for _, body in open_payloads(statum(), command, base_of(command))]

    assert bodies == [body for _, body in open_payloads(statum(), command, base_of(command))]
    assert bodies
    assert len(set(bodies)) == len(bodies)
    for _, members in opened(command):
        assert SCHEMAS.violations(f"{command.folder}/request", members)
        assert [] == SCHEMAS.violations(f"{command.folder}/request.tolerated", members)


@EACH_POST
def test_open_phone_numbers(command: Command) -> None:
    """A number, a plus sign, 10 digits and 15; and a member that nobody knows."""
    sample = base_of(command)["phone_number"]
    found = [members["phone_number"] for _, members in opened(command)]

    assert {int(sample), f"+{sample}"} <= set(found)
    assert {10, 15} <= {len(number) for number in found if isinstance(number, str) and number.isdigit()}
    assert any("x_unknown" in members for _, members in opened(command))


def test_open_amounts() -> None:
    """A number, a leading zero; and for payments what lies outside of the cautious range."""
    airtime, wallet = ([m["amount"] for _, m in opened(COMMANDS[name])] for name in ("airtime", "mpesa-wallet"))

    assert {50, "050"} <= set(airtime)
    assert {50, "050", "9", "70001"} <= set(wallet)


def test_open_messages() -> None:
    """White space alone, controls, private and unassigned characters; and too long ones under a name of their own."""
    found = opened(COMMANDS["sms"])
    texts = {members["message"] for aspect, members in found if aspect == "open"}

    assert [460, 2000] == [len(members["message"]) for aspect, members in found if aspect == "over-long"]
    assert {" ", 254, "Habari\x00yako", "Habari\ue000yako", "Habari\ud83dyako"} <= texts
    assert {"open", "over-long"} == {aspect for aspect, _ in found}
    assert {"open"} == {aspect for command in POSTS[1:] for aspect, _ in opened(command)}


@EACH_POST
def test_careful_ones_cost_nothing_new(command: Command) -> None:
    """On a real account no other number is called and no other amount spent, even if all of them are accepted."""
    base = base_of(command)

    for _, members in opened(command, careful=True):
        assert base["phone_number"] == str(members["phone_number"]).strip("+ ")
        assert float(base.get("amount", 0)) == float(members.get("amount", 0))
    assert len(opened(command)) > len(opened(command, careful=True)) > 5


def test_nothing_open_is_an_error_of_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema that leaves nothing open would make a requirement that is never exercised."""
    monkeypatch.setattr(invalid, "parse_json", lambda _: base_of(COMMANDS["sms"]))

    with pytest.raises(SuiteError, match="nothing lies between"):
        open_payloads(statum(), COMMANDS["sms"], base_of(COMMANDS["sms"]))


@EACH_POST
def test_open_ones_name_the_character_and_not_an_encoding(command: Command) -> None:
    """They are ASCII with escapes, so that what is open is the text."""
    bodies = [body for _, body in open_payloads(statum(), command, base_of(command))]

    assert [] == [body for body in bodies if not body.isascii()]
    assert json.dumps(base_of(command)).encode() not in bodies
