"""The classes of values: made from the schemas, met by what is made for them, and told from what is beside them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.contract import statum
from conformance.model.errors import SuiteError
from conformance.model.text import ecma_pattern
from conformance.payloads import classes
from conformance.payloads.classes import ValueClass, Written, classes_of, classes_of_members, outside
from conformance.payloads.patterns import matching, parsed, variants, written
from conformance.payloads.strategies import draw, strategy_for
from conformance.payloads.texts import GSM_7, UCS_2, crosses, septets, units

SCHEMAS = statum().schemas

FOLDERS = [command.folder for command in statum().commands.values() if command.method == "POST"]
EVERY: list[tuple[str, str, ValueClass]] = [
    (folder, member, each)
    for folder in FOLDERS
    for member, several in classes_of_members(statum(), folder).items()
    for each in several
]
TEXT = {each.name: each for each in classes_of_members(statum(), "sms")["message"]}
PATTERNS = sorted(
    {
        rule["pattern"]
        for folder in FOLDERS
        for rule in SCHEMAS.resolved(f"{folder}/request")["properties"].values()
        if "pattern" in rule
    }
)


def names(folder: str, member: str) -> set[str]:
    """What the classes of a member are called."""
    return {each.name for each in classes_of_members(statum(), folder)[member]}


# --- All of them


def test_values_made_for_a_class_are_in_it_and_valid() -> None:
    """Whatever the chance; how JSON writes it is decided later."""
    wrong = []
    for folder, member, each in EVERY:
        example = SCHEMAS.resolved(f"{folder}/request")["examples"][0]
        for seed in range(20):
            made = each.make(Random(seed))
            body = made.encode("ascii" if "escapes" in each.name else "utf-8", "backslashreplace")
            broken = SCHEMAS.violations(f"{folder}/request", {**example, member: made})
            if broken or not each.holds(Written(made, body)):
                wrong.append((folder, member, each.name, made, broken))

    assert EVERY
    assert [] == wrong


def test_classes_have_names_of_their_own() -> None:
    """In a report each is one line."""
    named = Counter((folder, member, each.name) for folder, member, each in EVERY)

    assert [] == [name for name, count in named.items() if count > 1]


def test_every_string_has_a_shortest_and_a_longest() -> None:
    """For each member of each command."""
    ends = {
        (folder, member): {"shortest", "longest"} & names(folder, member)
        for folder in FOLDERS
        for member in SCHEMAS.resolved(f"{folder}/request")["properties"]
    }

    assert {} == {where: found for where, found in ends.items() if len(found) != 2}


NAMES: dict[tuple[str, str], set[str]] = {
    ("airtime", "phone_number"): {"shortest", "longest", "pattern 2541[0-9]{8}", "pattern 2547[0-9]{8}"},
    ("sms", "sender_id"): {
        "shortest",
        "longest",
        "pattern [0-9]{5}",
        "pattern [0-9]{6}",
        "pattern [A-Za-z]",
        "pattern [A-Za-z][A-Za-z0-9]+",
        "pattern [0-9]+[A-Za-z]",
        "pattern [0-9]+[A-Za-z][A-Za-z0-9]+",
    },
    ("mpesa-wallet", "short_code"): {"shortest", "longest", *(f"pattern [0-9]{{{length}}}" for length in (5, 6, 7))},
}


def test_the_variants_of_a_pattern_are_classes() -> None:
    """Operator ranges; short codes of each length; names with and without digits in front."""
    assert NAMES == {(folder, member): names(folder, member) for folder, member in NAMES}


def test_the_boundaries_of_amounts_are_classes() -> None:
    """Each end and its neighbour, and the number of digits; values outside of the range are told apart."""
    ends = {"minimum", "minimum + 1", "maximum - 1", "maximum", "pattern [5-9]", "pattern 10000"}
    rules = SCHEMAS.resolved("airtime/request")["properties"]

    assert ends <= names("airtime", "amount")
    assert {"minimum - 1": "4", "maximum + 1": "10001"} == outside(rules["amount"])
    assert {} == outside(rules["phone_number"])


def test_a_value_without_rules_has_no_classes() -> None:
    """There is nothing to tell apart."""
    assert () == classes_of({"type": "string"})


def test_a_length_that_nothing_has_is_an_error_of_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence would leave a class unmet."""
    monkeypatch.setattr(classes, "MOST_TRIES", 0)
    shortest = classes_of({"type": "string", "pattern": "^[a-z]{3,9}$"})[0]

    with pytest.raises(SuiteError, match="with 3 characters"):
        shortest.make(Random(1))


# --- Patterns


@pytest.mark.parametrize("pattern", PATTERNS)
def test_variants_together_are_the_pattern(pattern: str) -> None:
    """Whatever matches it matches a variant; and whatever matches a variant matches it."""
    whole = ecma_pattern(pattern)
    parts = {variant: ecma_pattern(f"^{written(variant)}$") for variant in variants(parsed(pattern))}

    for value in draw(strategy_for({"type": "string", "pattern": pattern, "maxLength": 14}), 200, 1):
        assert any(part.search(value) for part in parts.values())
    for variant, part in parts.items():
        value = matching(variant, 14, iter([]))
        assert part.search(value)
        assert whole.search(value)


def test_a_pattern_is_written_as_it_was_read() -> None:
    """Reading it again gives the same tree."""
    assert [] == [each for each in PATTERNS if parsed(each) != parsed(f"^{written(parsed(each))}$")]


def test_variants() -> None:
    """Alternatives, a few characters, a few lengths, and what may be left out; nothing else is told apart."""
    rows = {
        "^a?b$": ["b", "ab"],
        "^[ab]c+$": ["ac+", "bc+"],
        "^x(y|z{2})$": ["xy", "xz{2}"],
        "^[a-z]{0,2}$": ["", "[a-z]", "[a-z]{2}"],
        "^(ab)*$": ["", "(ab)+"],
        r"^\+[0-9_]{3,}$": [r"\+[0-9_]{3,}"],
        "^[a-z]{1,12}$": ["[a-z]{1,12}"],
    }

    assert rows == {pattern: [written(variant) for variant in variants(parsed(pattern))] for pattern in rows}


def test_how_long_a_match_can_be() -> None:
    """None where there is no end to it."""
    rows = {"^ab{2,3}$": 4, "^a*$": None, "^(a|bc{4})$": 5, "^(ab*|c)$": None}

    assert rows == {pattern: parsed(pattern).longest for pattern in rows}


# --- Texts


def test_near_misses_are_not_in_a_class() -> None:
    """Near misses."""
    beside = [
        ("combining marks", "é"),  # one character, composed
        ("right-to-left", "Habari"),
        ("ZWJ emoji", "👩💻"),
        ("ZWJ emoji", "a\u200db"),
        ("digits only", "12 34"),
        ("digits only", "١٢٣"),
        ("line feed", "a\r\nb"),
        ("carriage return", "a\r\nb"),
        ("plane 1", "\U00020000"),
        ("GSM-7, characters of two septets", "Ж{"),
        ("GSM-7, 160 septets", "{" * 160),
        ("GSM-7, 161 septets in 160 characters", "a" * 161),
        ("UCS-2, 70 units", "a" * 70),
        ("UCS-2, 70 units", "👋" * 70),
        ("UCS-2, a character across unit 70", "Ж" * 71),
        ("UCS-2, a character across unit 67", "a" + "👋" * 70),
        ("GSM-7, a character across septet 153", "a" * 153 + "€" + "a" * 100),
        ("GSM-7, a character across septet 153", "€" * 76 + "a" * 9 + "€"),
        ("written as escapes", "Habari"),
    ]

    assert [] == [(name, text) for name, text in beside if TEXT[name].holds(Written(text, text.encode()))]


def test_usual_texts_are_in_their_classes() -> None:
    """Beside what is made for it."""
    within = [
        ("combining marks", "e\u0301"),
        ("right-to-left", "Jina ni שלום"),
        ("ZWJ emoji", "👨\u200d👩\u200d👧"),
        ("ZWJ emoji", "🏳\ufe0f\u200d🌈"),
        ("digits only", "254"),
        ("carriage return and line feed", "a\r\nb"),
        ("GSM-7, 160 septets", "€" * 80),
        ("UCS-2, 70 units", "👋" * 35),
        ("UCS-2, 71 units", "👋" * 35 + "a"),
        ("UCS-2, a character across unit 67", "👋" * 70),
    ]

    assert [] == [(name, text) for name, text in within if not TEXT[name].holds(Written(text, text.encode()))]


@given(st.text(max_size=80))
def test_lengths_are_those_of_the_encodings(text: str) -> None:
    """Units are those of UTF-16; septets are at least the characters, and only some texts have them."""
    assert len(text.encode("utf-16-le", "surrogatepass")) // 2 == units(text)
    assert (septets(text) or len(text)) >= len(text)


def test_septets() -> None:
    """Of the default alphabet one, of its extension two; nothing of any other."""
    lengths = {"": 0, "a@£ñΩ": 5, "[€]": 6, "ç": None, "`": None, "\t": None, "\n": 1}

    assert lengths == {text: septets(text) for text in lengths}


def test_limits() -> None:
    """What fits into one segment, two, three, and one more."""
    assert [160, 161, 306, 307, 459] == list(GSM_7.limits(459))
    assert [70, 71, 134, 135, 201, 202, 268, 269, 335, 336, 402, 403] == list(UCS_2.limits(459))
    assert [160] == list(GSM_7.limits(160))
    assert [] == list(UCS_2.limits(69))


def test_crossing() -> None:
    """A character crosses a place if one half of it is before, the other behind."""
    within = [("a€b", 2), ("€€", 1), ("€", 1)]
    beside = [("a€b", 1), ("a€b", 3), ("€€", 2), ("", 1)]

    assert within == [(text, place) for text, place in within + beside if crosses(text, place, encoding=GSM_7)]


def test_a_text_has_the_classes_that_fit() -> None:
    """No class asks for more than the schema takes; without a limit they end where the contract's three segments do."""
    unlimited = {each.name for each in classes_of({"type": "string", "x-characters": "text"})}
    short = classes_of({"type": "string", "x-characters": "text", "maxLength": 80})

    assert "longest" not in unlimited
    assert "GSM-7, 459 septets" in unlimited
    assert {"UCS-2, 70 units", "UCS-2, a character across unit 70"} <= {each.name for each in short}
    assert max(len(each.make(Random(1))) for each in short) <= 80
