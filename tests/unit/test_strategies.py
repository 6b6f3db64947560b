"""From schema to strategy: all that is made is valid, and what is not understood is refused."""

from __future__ import annotations

import re
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.contract import statum
from conformance.contract.schemas import ContractValidator
from conformance.model.errors import SuiteError, UnknownKeyword
from conformance.model.text import ecma_pattern, is_assigned, is_blank
from conformance.payloads.patterns import matching, parsed
from conformance.payloads.strategies import BUILDERS, draw, strategy_for
from conformance.payloads.texts import ALPHABETS, LINE_BREAKS, PLAIN, SCRIPTS, UNIT, UNSEEN, Speller, spell

SCHEMAS = statum().schemas

FOLDERS = [command.folder for command in statum().commands.values()]
BREAKS = set("\t\n\r")


def string_members() -> dict[str, dict[str, Any]]:
    """The schemas of all string members of the requests, by folder and name."""
    return {
        f"{folder} {name}": rule
        for folder in FOLDERS
        for name, rule in SCHEMAS.resolved(f"{folder}/request").get("properties", {}).items()
    }


# --- Schemas


@pytest.mark.parametrize("folder", FOLDERS)
def test_drawn_requests_are_valid(folder: str) -> None:
    """Every request that is drawn keeps the strict schema, and the tolerated one where there is one."""
    drawn = draw(strategy_for(SCHEMAS.resolved(f"{folder}/request")), 200, 1)

    assert [] == [(each, broken) for each in drawn if (broken := SCHEMAS.violations(f"{folder}/request", each))]
    if f"{folder}/request.tolerated" in SCHEMAS.names:
        assert [] == [each for each in drawn if SCHEMAS.violations(f"{folder}/request.tolerated", each)]


@pytest.mark.parametrize("folder", FOLDERS)
@given(data=st.data())
def test_hypothesis_itself_can_use_them(folder: str, data: st.DataObject) -> None:
    """The strategies do not depend on the backend that draws them."""
    assert [] == SCHEMAS.violations(f"{folder}/request", data.draw(strategy_for(SCHEMAS.resolved(f"{folder}/request"))))


def test_optional_members_come_and_go() -> None:
    """A member that is not required is sometimes there and sometimes not; a required one always is."""
    drawn = draw(strategy_for(SCHEMAS.resolved("mpesa-online/request")), 60, 1)

    assert {True, False} == {"bill_ref_number" in each for each in drawn}
    assert {True} == {"amount" in each for each in drawn}


def test_members_vary() -> None:
    """A hundred values of a member are not a handful of values over and over."""
    different = {name: len(set(draw(strategy_for(rule), 100, 1))) for name, rule in string_members().items()}

    assert {} == {name: count for name, count in different.items() if count <= 40}


def test_members_may_have_a_strategy_of_their_own() -> None:
    """What belongs to an account is taken from what the account has."""
    drawn = draw(
        strategy_for(SCHEMAS.resolved("sms/request"), {"sender_id": st.sampled_from(["Acme", "20880"])}), 40, 1
    )

    assert {"Acme", "20880"} == {each["sender_id"] for each in drawn}


ABC = {"type": "string", "pattern": "^[a-z]{3}$"}
UNKNOWN: list[dict[str, Any]] = [
    {**ABC, "format": "date"},
    {**ABC, "minLength": 2},
    {"type": "string", "x-characters": "text", "pattern": "^a$"},
    {"type": "string", "x-characters": "emoji"},
    {"type": "string", "x-integer": {"minimum": 1, "maximum": 2}, "maxLength": 1},
    {"type": "string"},
    {"type": "number", "minimum": 0},
    {"type": ["string", "number"], "pattern": "^a$"},
    {"enum": ["a"]},
    {"type": "object", "properties": {}, "minProperties": 1},
    {"type": "object", "properties": {"a": {"type": "string", "const": "a"}}},
    {"type": "object", "properties": {}, "required": ["a"]},
    {"type": "object", "additionalProperties": {"type": "string", "pattern": "^a$"}},
    {"$ref": "../common.json#/$defs/phone_number"},
]


def test_an_unknown_keyword_is_refused() -> None:
    """A keyword, or a value of one, that nobody honours is an error and never ignored."""
    for schema in UNKNOWN:
        with pytest.raises(UnknownKeyword):
            strategy_for(schema)


def test_annotations_are_known() -> None:
    """What only explains changes nothing."""
    explained = {"title": "t", "description": "d", "examples": ["a"], "$comment": "c"}

    assert {"a", "b"} == set(draw(strategy_for({"type": "string", "pattern": "^[ab]$", **explained}), 20, 1))


def test_keywords_of_builders_are_keywords_of_the_validator() -> None:
    """No builder honours what nothing checks."""
    honoured = {keyword for builder in BUILDERS for keyword in builder.honours}

    assert set() == honoured - set(ContractValidator({}).VALIDATORS)


# --- Alphabets


def test_texts_are_text() -> None:
    """Every text is of the length asked for, of assigned characters, and shows something."""
    wrong = []
    for name, alphabet in ALPHABETS.items():
        for length in (1, 2, 40):
            chance = Random(1)
            for text_ in (spell(alphabet, chance.randbytes(UNIT * length)) for _ in range(300)):
                shown = is_assigned(text_) and not is_blank(text_) and not UNSEEN.issuperset(text_)
                if len(text_) != length or not shown:
                    wrong.append((name, length, text_))

    assert [] == wrong


def test_line_breaks_have_a_class_of_their_own() -> None:
    """So that a gateway that stumbles over a script is not blamed for line breaks, nor the other way round."""
    characters = {name: set(spell(each, Random(1).randbytes(UNIT * 40_000))) for name, each in ALPHABETS.items()}

    assert {LINE_BREAKS.name: BREAKS} == {name: found & BREAKS for name, found in characters.items() if found & BREAKS}
    assert {PLAIN.name, LINE_BREAKS.name, "digits"} == {
        name for name, found in characters.items() if "".join(found).isascii()
    }


def test_every_plane_and_direction_is_there() -> None:
    """The classes together reach each plane that has characters, both directions and joined emoji."""
    chance = Random(1)
    texts = {each.name: spell(each, chance.randbytes(UNIT * 3_000)) for each in SCRIPTS}

    planes = {name: {ord(character) >> 16 for character in characters} for name, characters in texts.items()}
    assert {0, 1, 2, 3, 14} == planes["any"] == planes["mixed"]
    assert [{1}, {2}, {3}] == [planes[name] for name in ("mathematical", "cjk-extension-b", "cjk-extension-g")]
    assert any("\u0627" <= character <= "\u064a" for character in texts["arabic"])
    assert any("\u05d0" <= character <= "\u05ea" for character in texts["hebrew"])
    assert "\u200d" in texts["emoji"]
    assert {'"', "\\", "/", "\u2028", "\u2029"} <= set(texts["json-specials"])
    assert len(SCRIPTS) >= 12


def test_small_blocks_are_seen_beside_large_ones() -> None:
    """The whole of Unicode is not Han and Hangul alone."""
    drawn = spell(ALPHABETS["any"], Random(1).randbytes(UNIT * 1_000))

    assert sum(not ("\u3400" <= character <= "\ud7a3" or character >= "\U00020000") for character in drawn) > 400


@given(st.sampled_from(list(ALPHABETS.values())), st.binary(min_size=UNIT, max_size=UNIT * 30))
def test_any_bytes_make_a_text(alphabet: Speller, data: bytes) -> None:
    """Bytes that do not fill a character are left over."""
    made = spell(alphabet, data)

    assert len(data) // UNIT == len(made)
    assert is_assigned(made)


# --- Patterns


PATTERNS = (
    "^254[17][0-9]{8}$",
    "^([0-9]{5,6}|[0-9]*[A-Za-z][A-Za-z0-9]*)$",
    "^[A-Za-z0-9]{1,12}$",
    "^(a|bc?|(de)+){2,}f*$",
    r"^\+?[0-9_.]{2,}\(x\)\$$",
    "^([1-9][0-9]{1,3}|70000)$",
)


def test_drawn_strings_match() -> None:
    """Every string matches, is not too long, and both short and long ones turn up."""
    for pattern in PATTERNS:
        chance, longest = Random(1), 14
        numbers = iter(lambda chance=chance: chance.getrandbits(32), None)
        made = [matching(parsed(pattern), longest, numbers) for _ in range(300)]

        assert [] == [each for each in made if not ecma_pattern(pattern).search(each) or len(each) > longest]
        assert len(set(made)) > 100


def test_no_numbers_make_the_simplest() -> None:
    """When the numbers run out, the first of each choice is taken."""
    for pattern in PATTERNS:
        made = matching(parsed(pattern), None, iter(()))

        assert re.fullmatch(pattern[1:-1], made)
        assert made == matching(parsed(pattern), None, iter([0] * 100))


def test_open_repetitions_end() -> None:
    """Without a longest, a repetition that could go on for ever does not."""
    assert len(matching(parsed("^[ab]+$"), None, count(17))) < 40


def test_every_alternative_and_length_is_reached() -> None:
    """A pattern with few matches gives all of them."""
    chance = Random(1)
    numbers = iter(lambda: chance.getrandbits(32), None)
    made = {matching(parsed("^(a|b{1,2}|c?d)$"), None, numbers) for _ in range(200)}

    assert {"a", "b", "bb", "d", "cd"} == made


def test_alternatives_beyond_the_longest_are_never_begun() -> None:
    """An alternative that does not fit is never begun; a pattern whose shortest match is too long is an error."""
    assert {"ab"} == {matching(parsed("^(abcdef|ab)$"), 3, iter([number])) for number in range(4)}
    with pytest.raises(SuiteError, match="3 characters or fewer"):
        matching(parsed("^[0-9]{4}$"), 3, iter(()))


UNREADABLE = ["[0-9]", "^[0-9]", "^[^0-9]$", r"^\d$", "^.$", "^(?:a)$", "^(a$", "^a)$", "^a+?$", "^(?=a)a$", r"^\s$"]


def test_an_unknown_part_of_a_pattern_is_refused() -> None:
    """What cannot be generated faithfully is not generated at all."""
    for pattern in (*UNREADABLE, "^[é]$", "^a{,2}$", "^a|b$", r"^a\$"):
        with pytest.raises(UnknownKeyword):
            parsed(pattern)
