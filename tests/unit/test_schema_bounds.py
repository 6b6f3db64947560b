"""The two bounds of a request: what every gateway takes lies within what a lawful one may take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.contract import statum
from conformance.contract.schemas import ContractValidator

SCHEMAS = statum().schemas

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
