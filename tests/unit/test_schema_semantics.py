"""Schemas: patterns as in ECMA-262, numbers as in JSON, text as in Unicode 14; and the two bounds of a request."""

from __future__ import annotations

import math
import unicodedata
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.contract import statum
from conformance.contract.schemas import ContractValidator
from conformance.model.errors import SuiteError
from conformance.model.text import ASSIGNED, ecma_pattern, is_assigned, is_blank

SCHEMAS = statum().schemas

SMS = {"sender_id": "Statum", "phone_number": "254712345678", "message": "Habari"}
SUCCESS = {"status_code": 200, "description": "Operation successful", "request_id": "9V7N"}
REFUSAL = {"status_code": 422, "description": "Validation failed", "request_id": "9V7N"}

# --- ECMA-262


def test_a_pattern_means_what_ecma_262_says() -> None:
    """Digits and words are ASCII, white space is not Python's, `$` is the very end."""
    rows = [
        ("^abc$", "abc", True),
        ("^abc$", "abc\n", False),
        ("^abc$", "abc\nabc", False),
        ("b", "abc", True),
        (r"^\d$", "5", True),
        (r"^\d$", "\u0665", False),
        (r"^[\d]$", "\u0665", False),
        (r"^\D$", "\u0665", True),
        (r"^\w$", "é", False),
        (r"^[\w]$", "_", True),
        (r"^\W$", "é", True),
        (r"^\s$", "\ufeff", True),
        (r"^\s$", "\u00a0", True),
        (r"^\s$", "\x1c", False),
        (r"^\s$", "\x85", False),
        (r"^[x\s]$", "\u2028", True),
        (r"^\S$", "\ufeff", False),
        (r"^\S$", "\x85", True),
        ("^.$", "\r", False),
        ("^.$", "\u2028", False),
        ("^.$", "\x85", True),
        ("^.$", "👋", True),
        (r"^\u{1F44B}$", "👋", True),
        (r"^\u0041\x42$", "AB", True),
        (r"^[\u0041-\u0043]$", "B", True),
        ("^[[]$", "[", True),
        ("^[$.]$", "$", True),
        ("^[$.]$", "x", False),
        (r"^\$\/$", "$/", True),
        (r"^[a\-z]$", "-", True),
        (r"^[a\-z]$", "b", False),
        (r"^[\b]$", "\x08", True),
        (r"\bé", "aé", True),
        ("^(?=a)(?:ab|ac)$", "ac", True),
        (r"^(a|b)\1$", "aa", True),
        ("^a{2,3}$", "aaaa", False),
    ]

    assert [] == [row for row in rows if ContractValidator({"pattern": row[0]}).is_valid(row[1]) is not row[2]]


@pytest.mark.parametrize(
    "pattern",
    [r"a\Z", r"\A", "(?i)a", "(?P<n>a)", "(?>a)", "a*+", "a{2}+", "a{,3}", "[]", "[^]", r"[\S]", r"\p{L}", r"\-", "("],
)
def test_pattern_without_an_equal_is_refused(pattern: str) -> None:
    """Better an error of the suite than a pattern that means something else."""
    with pytest.raises(SuiteError):
        ecma_pattern(pattern)


@pytest.mark.parametrize("kind", ["number", "integer"])
def test_what_is_a_number_and_an_integer(kind: str) -> None:
    """200.0 is the number 200, and there is no greatest integer. NaN, infinities, true and a numeral are neither."""
    validator = ContractValidator({"type": kind})

    assert [] == [each for each in (200, 200.0, 10**400, -0.0) if not validator.is_valid(each)]
    assert [] == [each for each in (math.nan, math.inf, -math.inf, True, "5") if validator.is_valid(each)]


def test_success_of_200_point_0_is_a_success() -> None:
    """JSON has one kind of number."""
    assert [] == SCHEMAS.violations("response.success", SUCCESS | {"status_code": 200.0})
    assert [] == SCHEMAS.violations("response.error", REFUSAL | {"status_code": 404.0})


# --- Text


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="the table is of Unicode 14")
def test_table_of_assigned_characters_is_that_of_unicode_14() -> None:
    """The committed table is what its comment says it was made from."""
    left_open = {"Cc", "Cs", "Co", "Cn"}
    texts = (c for c in range(0x110000) if unicodedata.category(chr(c)) not in left_open or c in {9, 10, 13})
    runs = [[c for _, c in run] for _, run in groupby(enumerate(texts), lambda pair: pair[1] - pair[0])]

    assert ASSIGNED == tuple((run[0], run[-1]) for run in runs)


def test_table_of_assigned_characters_holds_on_later_versions() -> None:
    """Ascending, apart from each other, and a character once assigned stays so."""
    ends = [end for first, last in ASSIGNED for end in (first, last)]

    assert sorted(ends) == ends
    assert all(after > last + 1 for (_, last), (after, _) in pairwise(ASSIGNED))
    assert all(unicodedata.category(chr(c)) != "Cn" for first, last in ASSIGNED for c in range(first, last + 1))


def test_text_of_any_script_is_text() -> None:
    """Emoji sequences, combining marks and joiners among it."""
    texts = ["Habari", "line\r\n\tbreaks", "👩‍👩‍👧‍👦", "हिन्दी", "ሰላም", "\u0301", "\u200d", " x "]

    assert [] == [text for text in texts if not is_assigned(text) or is_blank(text)]
    assert [] == [v for text in texts for v in SCHEMAS.violations("sms/request", SMS | {"message": text})]


@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "\u00a0\u3000", "\ufeff", "\u200b", "\u200e", "\u180e", "\u2028"])
def test_blank_text_is_blank(text: str) -> None:
    """What a gateway may trim away leaves an empty message."""
    assert is_blank(text)


# --- Bounds of a request


POSTS = tuple(command.folder for command in statum().commands.values() if command.product)

AIRTIME = {"phone_number": "254721553678", "amount": "50"}
WALLET = {"short_code": "174379", "phone_number": "254721553678", "amount": "50"}
VALID: dict[str, dict[str, object]] = {
    "sms": {"sender_id": "Statum", "phone_number": "254712345678", "message": "Habari"},
    "airtime": {**AIRTIME},
    "mpesa-online": {**WALLET},
    "mpesa-wallet": {**WALLET},
}


def test_what_a_lawful_gateway_may_take_is_tolerated() -> None:
    """Coercion, trimming and other spellings are no faults."""
    rows: list[tuple[str, str, object]] = [
        *(("sms", "phone_number", number) for number in ("+254 712-345-678", "(0712) 345 678", "0712345678", "1" * 15)),
        ("sms", "message", " "),
        ("sms", "message", "a" * 100_000),
        ("sms", "sender_id", "Statum\n"),
        *(
            ("airtime", "amount", amount)
            for amount in ("005", " 50 ", "+50", "50.", "50.0", "50.00", "010000", 5, 50.0)
        ),
        *(("mpesa-online", "amount", amount) for amount in ("0", "0001", "+9", "9" * 30, "50.00", 0, 1e9)),
        *(("mpesa-online", "short_code", code) for code in (" 174379 ", 174379)),
        *(("mpesa-online", "bill_ref_number", ref) for ref in ("", "INV/2024", "x" * 99, None, 7)),
        ("mpesa-wallet", "note", {"anything": []}),
    ]
    refused = [
        (folder, violation)
        for folder, member, value in rows
        for violation in SCHEMAS.violations(f"{folder}/request.tolerated", VALID[folder] | {member: value})
    ]

    assert [] == refused


def amounts(low: int, high: int) -> st.SearchStrategy[str]:
    """Amounts in Kenya shillings, as they are sent."""
    return st.integers(low, high).map(str)


PHONE_NUMBERS = st.from_regex(r"254[17][0-9]{8}", fullmatch=True, alphabet="0123456789")
SHORT_CODES = st.text("0123456789", min_size=5, max_size=7)
REFERENCES = st.text("0123456789ABCDEFabcdef", min_size=1, max_size=12)
STRICT: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "sms": {
        "phone_number": PHONE_NUMBERS,
        "sender_id": st.from_regex(r"[0-9]{5,6}|[0-9]{0,3}[A-Za-z][A-Za-z0-9]{0,7}", fullmatch=True),
        "message": st.text(st.characters(codec="utf-8"), min_size=1, max_size=459),
    },
    "airtime": {"phone_number": PHONE_NUMBERS, "amount": amounts(5, 10_000)},
    "mpesa-online": {
        "short_code": SHORT_CODES,
        "phone_number": PHONE_NUMBERS,
        "amount": amounts(10, 70_000),
        "bill_ref_number": REFERENCES,
    },
    "mpesa-wallet": {"short_code": SHORT_CODES, "phone_number": PHONE_NUMBERS, "amount": amounts(10, 70_000)},
}


@pytest.mark.parametrize("folder", POSTS)
@given(data=st.data())
def test_strict_is_within_tolerated(folder: str, data: st.DataObject) -> None:
    """Nothing is at once to be accepted and to be refused."""
    payload = data.draw(st.fixed_dictionaries(STRICT[folder]))

    strict = SCHEMAS.violations(f"{folder}/request", payload)

    assert {"x-characters"} >= {violation.keyword for violation in strict}
    assert [] == SCHEMAS.violations(f"{folder}/request.tolerated", payload)


AROUND_THE_BOUNDS = (
    "69999",
    "70000",
    "70001",
    "79999",
    "99999",
    "100000",
    "00",
    "05",
    "010",
    "-5",
    "+5",
    "5.0",
    "",
    " 5",
)


@pytest.mark.parametrize(("folder", "low", "high"), [("airtime", 5, 10_000), ("mpesa-wallet", 10, 70_000)])
def test_pattern_and_range_of_an_amount_agree(folder: str, low: int, high: int) -> None:
    """`pattern` is what other validators see, `x-integer` what it means; exhaustively to 20000."""
    amount = SCHEMAS.resolved(f"{folder}/request")["properties"]["amount"]
    by_pattern = ContractValidator({"pattern": amount["pattern"]})
    by_range = ContractValidator({"x-integer": amount["x-integer"]})
    tried = [*map(str, range(20_001)), *AROUND_THE_BOUNDS]

    expected = [text for text in tried if text.isdigit() and text == str(int(text)) and low <= int(text) <= high]

    assert expected == [text for text in tried if by_pattern.is_valid(text)]
    assert expected == [text for text in tried if by_range.is_valid(text)]


@given(
    st.integers(0, 20_000), st.sampled_from(["{}", " {}", "{} ", "+{}", "0{}", "000{}", "{}.0", "{}.00", " +0{}.0 "])
)
def test_tolerated_airtime_amount_is_bounded_however_it_is_spelt(value: int, spelling: str) -> None:
    """Spelling is tolerated, a value outside 5 to 10000 is not; and as a number alike."""
    payload = AIRTIME | {"amount": spelling.format(value)}

    assert (5 <= value <= 10_000) == (not SCHEMAS.violations("airtime/request.tolerated", payload))
    assert (5 <= value <= 10_000) == (not SCHEMAS.violations("airtime/request.tolerated", AIRTIME | {"amount": value}))
