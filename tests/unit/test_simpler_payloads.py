"""Simpler payloads: offered in the order of simplicity, each proved, down to the simplest that a fault is seen with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from conformance.contract.contract import statum
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.model.traffic import Case, Kind, Request
from conformance.payloads.members import Constraints, Label, UniquePayloads, members_of
from conformance.payloads.shrinking import Shrinker, plain_members, without

COMMANDS = statum().commands
SCHEMAS = statum().schemas

SMS, AIRTIME = COMMANDS["sms"], COMMANDS["airtime"]
GIVEN = Constraints({"sender_id": ("Statum",), "short_code": ("174379",)})
POSTS = [command for command in COMMANDS.values() if command.method == "POST"]
# More rounds than any search here takes: one that does not end fails rather than hangs.
MOST_ROUNDS = 200
AT_ONCE = 24

Fails = Callable[[Mapping[str, Any]], bool]


def case(command: str, members: Mapping[str, Any], kind: Kind = Kind.VALID, **known: Any) -> Case:
    """A case with that payload; a broken one breaks a pattern unless `keyword` says otherwise."""
    known = {"keyword": "pattern", **known} if kind is Kind.BROKEN else known
    request = Request("POST", "http://gateway/api/v2/x", (), json.dumps(members).encode())
    return Case("case-1", command, kind, known.pop("aspect", "random"), "case-1", request, **known)


def shrinker(failing: Case, good: Mapping[str, Any], *, ascii_only: bool = True) -> Shrinker:
    """A search for simpler payloads with the label of that case, beside a payload that went well."""
    label = Label.of(failing, statum())
    assert label is not None
    return Shrinker(label, good, frozenset(GIVEN.values(statum())), ascii_only)


def smallest(command: str, members: Mapping[str, Any], fails: Fails, good: Mapping[str, Any] | None = None) -> Any:
    """What is left of a failing payload when no simpler one fails any more."""
    good = plain_members(statum(), COMMANDS[command], GIVEN) if good is None else good
    assert (True, False) == (fails(members), fails(good))
    return shrunk(shrinker(case(command, members), good), members, fails)


def shrunk(simpler: Shrinker, members: Mapping[str, Any], fails: Fails) -> Mapping[str, Any]:
    """The simplest failing payload that it comes to."""
    for _ in range(MOST_ROUNDS):
        candidates = simpler.candidates(members, AT_ONCE)
        if not candidates:
            return members
        for candidate in candidates:
            simpler.record(candidate, passed=not fails(candidate))
        members = next(filter(fails, candidates), members)
    pytest.fail("the search does not end")


def sms(message: str, phone: str = "254712345678") -> dict[str, str]:
    """A payload with that message."""
    return {"sender_id": "Statum", "phone_number": phone, "message": message}


def astral(members: Mapping[str, Any]) -> bool:
    """Some character needs four bytes."""
    return any(ord(character) > 0xFFFF for character in members["message"])


MESSAGES: list[tuple[str, Fails, str]] = [
    ("Habari \U00020bb7 yako, \U0001d4e2 na wewe", astral, "👋"),
    ("x\U00020bb7y", lambda m: "\U00020bb7" in m["message"], "\U00020bb7"),
    ("Habari za asubuhi " * 20, lambda m: len(m["message"]) > 160, "a" * 161),
    ("Habari za asubuhi " * 20, lambda m: len(m["message"]) >= 203, "a" * 203),
    ("中文 and English, Жук too", lambda m: not m["message"].isascii(), "é"),
    ('say "no" \\ or {yes}', lambda m: '"' in m["message"] and "\\" in m["message"], '"\\'),
    ("one\ntwo\nthree", lambda m: "\n" in m["message"], "a\n"),
    ("Code 4711 please", lambda m: any(c.isdigit() for c in m["message"]), "0"),
]


def test_a_message_is_reduced_to_its_cause() -> None:
    """One character where one will do; the number of a phone, which does not matter, is plain."""
    for message, fails, left in MESSAGES:
        found = smallest("sms", sms(message), fails)
        assert sorted(left) == sorted(found["message"])
        assert plain_members(statum(), SMS, GIVEN)["phone_number"] == found["phone_number"]


def test_a_phone_number_keeps_the_digits_that_matter() -> None:
    """All others are those of a plain number."""
    rows = {("254112345678", "2541"): "254100000000", ("254798765432", "25479"): "254790000000"}
    rows |= {("254712345678", "25471"): "254710000000"}
    for (number, prefix), left in rows.items():
        found = smallest("sms", sms("a", number), lambda m, prefix=prefix: m["phone_number"].startswith(prefix))
        assert left == found["phone_number"]


def test_an_amount_is_the_nearest_to_a_plain_one_that_fails() -> None:
    """Found by cutting what lies between into parts."""
    members = {"phone_number": "254712345678", "amount": "10000"}
    for limit in (11, 50, 4_999, 5_000, 9_999, 10_000):
        found = smallest("airtime", members, lambda m, limit=limit: int(m["amount"]) >= limit)
        assert str(limit) == found["amount"]


def test_members_that_matter_together_are_kept_together() -> None:
    """Neither alone fails."""
    members = {"short_code": "174379", "phone_number": "254198765432", "amount": "60000", "bill_ref_number": "REF1"}

    def fails(m: Mapping[str, Any]) -> bool:
        return m["phone_number"].startswith("2541") and int(m["amount"]) > 700

    assert {"short_code": "174379", "phone_number": "254100000000", "amount": "701"} == smallest(
        "mpesa/online", members, fails
    )


def test_an_optional_member_is_left_out_where_it_does_not_matter() -> None:
    """And shortened where it does."""
    members = {"short_code": "174379", "phone_number": "254700000000", "amount": "10", "bill_ref_number": "INV7Z"}

    with_digit = smallest("mpesa/online", members, lambda m: any(c.isdigit() for c in m.get("bill_ref_number", "")))
    dearer = smallest("mpesa/online", {**members, "amount": "900"}, lambda m: int(m["amount"]) > 800)

    assert "0" == with_digit["bill_ref_number"]
    assert "bill_ref_number" not in dearer


def test_a_payload_that_fails_without_an_optional_member_stays_without_it() -> None:
    """Beside a payload that has it and went well."""
    members = {"short_code": "174379", "phone_number": "254711111111", "amount": "77"}
    good = {"short_code": "174379", "phone_number": "254700000000", "amount": "10", "bill_ref_number": "QWERT"}

    found = smallest("mpesa/online", members, lambda m: "bill_ref_number" not in m, good)

    assert {name: value for name, value in good.items() if name != "bill_ref_number"} == found


def test_the_plainest_payload_is_valid() -> None:
    """With the values given, and with none."""
    for command in POSTS:
        for constraints in (Constraints(), GIVEN, Constraints(phone_numbers=("254799123456",))):
            assert [] == SCHEMAS.violations(f"{command.folder}/request", plain_members(statum(), command, constraints))


def test_given_values_are_the_only_ones() -> None:
    """A number that nobody named is never offered, nor a sender id that is not registered."""
    constraints = Constraints({"sender_id": ("Statum",)}, phone_numbers=("254711000001", "254722000002"))
    good = plain_members(statum(), SMS, constraints)
    members = sms("Habari", "254722000002")
    label = Label.of(case("sms", members), statum())
    assert label is not None
    simpler = Shrinker(label, good, frozenset(constraints.values(statum())), ascii_only=True)

    offered = []
    for _ in range(MOST_ROUNDS):
        candidates = simpler.candidates(members, AT_ONCE)
        offered += candidates
        for candidate in candidates:
            simpler.record(candidate, passed=True)

    assert offered
    assert set(constraints.phone_numbers) >= {candidate["phone_number"] for candidate in offered}
    assert {"Statum"} == {candidate["sender_id"] for candidate in offered}


# --- Labels


CASES = Plan.of(Settings("Key", "Secret", max_examples=4, seed=7), "http://gateway/api/v2").cases


def test_every_case_that_is_about_its_payload_has_a_label() -> None:
    """Valid and broken ones with a body, and open ones that are objects; no other."""
    about = {Kind.VALID, Kind.BROKEN}
    labelled = {c.id for c in CASES if Label.of(c, statum()) is not None}

    assert {c.id for c in CASES if c.kind in about and c.request.body} == {
        c.id for c in CASES if c.id in labelled and c.kind is not Kind.OPEN
    }
    assert {"open", "over-long"} <= {c.aspect for c in CASES if c.id in labelled and c.kind is Kind.OPEN}


@pytest.mark.parametrize("kind", [Kind.VALID, Kind.BROKEN, Kind.OPEN])
def test_candidates_have_the_same_label(kind: Kind) -> None:
    """Proved on the bytes: valid, broken in that member by such a keyword, or open in the same place."""
    offered = 0
    for failing in [c for c in CASES if c.kind is kind and Label.of(c, statum())][::3]:
        command, members = failing.command or "", members_of(failing.request.body) or {}
        good = plain_members(statum(), COMMANDS[command], GIVEN)
        simpler = shrinker(failing, good, ascii_only=failing.request.body.isascii())
        known = {"aspect": failing.aspect, "member": failing.member, "keyword": failing.keyword}
        for candidate in simpler.candidates(members, AT_ONCE):
            offered += 1
            assert simpler.cost(candidate) < simpler.cost(members)
            assert Label.of(failing, statum()) == Label.of(case(command, candidate, kind, **known), statum())
    assert offered > 20


def test_a_broken_payload_stays_broken_in_the_same_way() -> None:
    """Its broken member is made simpler, the others plain."""
    members = {"phone_number": "254712345678x", "sender_id": "Statum", "message": "Habari yako"}
    failing = case("sms", members, Kind.BROKEN, aspect="pattern", member="phone_number")
    simpler = shrinker(failing, {**plain_members(statum(), SMS, GIVEN), "phone_number": "123"})

    found = shrunk(simpler, members, lambda candidate: any(each.isalpha() for each in candidate["phone_number"]))
    assert {"phone_number": "a", "sender_id": "Statum", "message": "a"} == found


# --- Without what ails another


def test_a_message_is_cleared_of_the_cause_of_another() -> None:
    """Nothing else is changed; where there is nothing of the kind, nothing at all."""
    rows = [
        ("Habari 👋 \U00020bb7!", "👋", "Habari a a!"),
        ("Habari yako", "👋", "Habari yako"),
        ("ab" * 100, "a" * 161, "ab" * 80),
        ("short", "a" * 161, "short"),
        ("one\ntwo", "a\n", "oneatwo"),
        ("Жук 中 👋", "é", "aaa a a"),
    ]
    mended = [without(sms(message), {**sms("a"), "message": ill}, sms("a")) for message, ill, _ in rows]

    assert [sms(expected) for *_, expected in rows] == mended


def test_other_members_are_cleared_of_the_cause_of_another_payload() -> None:
    """An amount is put on the other side of the limit, a number and an absent member are those of the good one."""
    good = {"phone_number": "254700000000", "amount": "10", "bill_ref_number": "Q"}
    ill = {"phone_number": "254100000000", "amount": "5000"}
    members = {"phone_number": "254112345678", "amount": "7000"}

    assert {"phone_number": "254712345678", "amount": "4999", "bill_ref_number": "Q"} == without(members, ill, good)


# --- UniquePayloads


def test_without_a_window_the_same_is_sent_twice_only_where_nothing_may_be_changed() -> None:
    """Digits within the number are changed first, then the letter of a plain message."""
    apart = UniquePayloads(statum(), SMS, GIVEN, [])
    all_of_it = list(sms("a"))

    assert [sms("a"), sms("a", "254712345688")] == [apart.placed(sms("a"), ["message"]) for _ in range(2)]
    assert [sms("b"), sms("c")] == [apart.placed(sms("a"), ["phone_number"]) for _ in range(2)]
    assert [sms("a"), sms("a")] == [apart.placed(sms("a"), all_of_it) for _ in range(2)]


def test_within_a_window_no_pair_is_used_twice() -> None:
    """What is kept is not changed; pairs that the run used are taken, too."""
    members = {"phone_number": "254712345678", "amount": "50"}
    apart = UniquePayloads(statum(), AIRTIME, GIVEN, [json.dumps(members).encode(), b"[]", b"no JSON"], 0)

    placed = [apart.placed(members, kept) for kept in (["amount"], ["amount"], ["phone_number"], []) for _ in range(5)]

    assert None not in placed
    pairs = [(m["phone_number"], m["amount"]) for m in placed if m]
    assert len(pairs) == len(set(pairs))
    assert ("254712345678", "50") not in pairs
    assert {"50"} == {amount for _, amount in pairs[:10]}
    assert {"254712345678"} == {phone for phone, _ in pairs[10:15]}
    assert [] == [m for m in placed if SCHEMAS.violations("airtime/request", m)]


def test_only_given_phone_numbers_are_used_within_a_window() -> None:
    """The amount is what moves."""
    numbers = ("254711000001", "254722000002")
    apart = UniquePayloads(statum(), AIRTIME, Constraints(phone_numbers=numbers), [], 12)

    placed = [apart.placed({"phone_number": numbers[0], "amount": "9999"}, []) for _ in range(40)]

    assert set(numbers) == {m["phone_number"] for m in placed if m}
    assert 40 == len({tuple(m.items()) for m in placed if m})


def test_when_there_is_no_room_left_nothing_is_placed() -> None:
    """One number, and its amount may not be changed."""
    apart = UniquePayloads(statum(), AIRTIME, Constraints(phone_numbers=("254711000001",)), [], 0)
    members = {"phone_number": "254711000001", "amount": "50"}

    assert [members, None] == [apart.placed(members, ["amount"]) for _ in range(2)]
