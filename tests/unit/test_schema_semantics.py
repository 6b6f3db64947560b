"""What the keywords of the schemas mean: patterns as in ECMA-262, numbers as in JSON, text as in Unicode 14."""

from __future__ import annotations

import math
import unicodedata
from itertools import groupby, pairwise

import pytest

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
