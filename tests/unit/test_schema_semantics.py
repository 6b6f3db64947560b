"""Schemas: how they are loaded, ECMA-262 patterns, JSON numbers, Unicode 14 text, and the two bounds of a request."""

from __future__ import annotations

import json
import math
import time
import unicodedata
from contextlib import suppress
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS, LONGEST_MESSAGE, ContractValidator
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


WITHOUT_AN_EQUAL = [
    r"a\Z",
    r"\A",
    "(?i)a",
    "(?P<n>a)",
    "(?>a)",
    "a*+",
    "a{2}+",
    "a{,3}",
    "[]",
    "[^]",
    r"[\S]",
    r"\p{L}",
]


def test_a_pattern_without_an_equal_is_refused() -> None:
    """Better an error of the suite than a pattern that means something else."""
    taken = []
    for pattern in (*WITHOUT_AN_EQUAL, r"\p{L}", r"\-", "("):
        with suppress(SuiteError):
            taken.append((pattern, ecma_pattern(pattern)))

    assert [] == taken


def test_numbers_and_integers() -> None:
    """200.0 is the number 200, and there is no greatest integer. NaN, infinities, true and a numeral are neither."""
    for kind in ("number", "integer"):
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


def test_blank_text_is_blank() -> None:
    """What a gateway may trim away leaves an empty message."""
    texts = ["", " ", "\t\r\n", "\u00a0\u3000", "\ufeff", "\u200b", "\u200e", "\u180e", "\u2028"]

    assert [] == [text for text in texts if not is_blank(text)]


# --- Bounds of a request


AIRTIME = {"phone_number": "254721553678", "amount": "50"}
WALLET = {"short_code": "174379", "phone_number": "254721553678", "amount": "50"}
VALID: dict[str, dict[str, str]] = {"sms": SMS, "airtime": AIRTIME, "mpesa-online": WALLET, "mpesa-wallet": WALLET}


def test_lenient_spellings_are_tolerated() -> None:
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


AROUND_THE_BOUNDS = ["69999", "70000", "70001", "79999", "99999", "100000", "00", "05", "010", "-5", "+5", "5.0"]


def test_pattern_and_range_of_an_amount_agree() -> None:
    """`pattern` is what other validators see, `x-integer` what it means; exhaustively to 20000."""
    tried = [*map(str, range(20_001)), *AROUND_THE_BOUNDS, "", " 5"]
    for folder, low, high in (("airtime", 5, 10_000), ("mpesa-wallet", 10, 70_000)):
        amount = SCHEMAS.resolved(f"{folder}/request")["properties"]["amount"]
        expected = [text for text in tried if text.isdigit() and text == str(int(text)) and low <= int(text) <= high]
        for keyword in ("pattern", "x-integer"):
            validator = ContractValidator({keyword: amount[keyword]})
            assert expected == [text for text in tried if validator.is_valid(text)], (folder, keyword)


@given(
    st.integers(0, 20_000), st.sampled_from(["{}", " {}", "{} ", "+{}", "0{}", "000{}", "{}.0", "{}.00", " +0{}.0 "])
)
def test_tolerated_airtime_amount_is_bounded_however_it_is_spelt(value: int, spelling: str) -> None:
    """Spelling is tolerated, a value outside 5 to 10000 is not; and as a number alike."""
    payload = AIRTIME | {"amount": spelling.format(value)}

    assert (5 <= value <= 10_000) == (not SCHEMAS.violations("airtime/request.tolerated", payload))
    assert (5 <= value <= 10_000) == (not SCHEMAS.violations("airtime/request.tolerated", AIRTIME | {"amount": value}))


# --- Loading


def test_missing_schema_is_an_error_with_the_nearest_name() -> None:
    """A slip of the pen is answered with what was meant."""
    with pytest.raises(SuiteError, match=r"sms/reqest.*did you mean sms/request"):
        SCHEMAS.schema("sms/reqest")
    with pytest.raises(SuiteError, match=r"journal#cases.*did you mean journal#case"):
        FORMATS.validator("journal#cases")


def test_resolved_has_no_references_left() -> None:
    """For generation, which follows none."""
    texts = {name: json.dumps(schemas.resolved(name)) for schemas in (FORMATS, SCHEMAS) for name in schemas.names}

    assert [] == [name for name, text in texts.items() if '"$ref"' in text or '"$defs"' in text]


def test_schemas_are_handed_out_as_copies() -> None:
    """A caller that changes what it got changes nothing for others."""
    SCHEMAS.schema("sms/request").clear()
    SCHEMAS.resolved("sms/request")["properties"].clear()

    assert "sms/request" in SCHEMAS.schema("sms/request")["$id"]
    assert {"sender_id", "phone_number", "message"} == set(SCHEMAS.resolved("sms/request")["properties"])


def test_violations_come_in_the_order_of_the_schema() -> None:
    """Required first, then members, then extra ones as they stand in the value; each at its own pointer."""
    payload = {"zeta": 1, "message": "", "a/b~c": 2, "sender_id": "?"}

    assert [
        ("/phone_number", "required"),
        ("/sender_id", "pattern"),
        ("/message", "minLength"),
        ("/zeta", "additionalProperties"),
        ("/a~1b~0c", "additionalProperties"),
    ] == [(v.pointer, v.keyword) for v in SCHEMAS.violations("sms/request", payload)]


def test_long_values_are_shortened_in_the_message() -> None:
    """A violation is one line of a report."""
    (violation,) = SCHEMAS.violations("sms/request", SMS | {"message": "a" * 100_000})

    assert LONGEST_MESSAGE + 3 >= len(violation.message)
    assert violation.message.endswith("is too long")


# A tenth of what was measured on 2 cores, so that a busy machine does not fail it and a lost cache does.
VALIDATIONS_PER_SECOND = 5_000


def test_judging_is_quick() -> None:
    """Thousands of payloads are proved in every run."""
    SCHEMAS.validator("sms/request")
    started = time.process_time()
    for _ in range(1_000):
        SCHEMAS.violations("sms/request", SMS)

    assert 1_000 / (time.process_time() - started) > VALIDATIONS_PER_SECOND
