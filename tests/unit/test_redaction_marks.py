"""A mark changes the values of a recorded body, not its form."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hostile_writers import ALONE, FIRST, WRITERS, nested
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.journal import Redaction
from conformance.journal.marks import is_marked
from conformance.model.untrusted import parse_json, parse_with_repeats

PIN = "48151623"
SECRET = 'v%r2"m-\\x9é'  # noqa: S105 - a canary
REDACTION = Redaction.of_values(SECRET, PIN)


def form(value: Any) -> Any:
    """The types of a JSON value, without its texts and numbers; names by their place."""
    if isinstance(value, dict):
        return [form(member) for member in value.values()]
    if isinstance(value, list):
        return tuple(form(element) for element in value)
    return float(value).is_integer() if isinstance(value, float) else type(value)


def is_json(body: bytes) -> bool:
    """As the rules on answers read it."""
    try:
        parse_with_repeats(body)
    except (ValueError, RecursionError):
        return False
    return True


SPELLED = [nested([name], secret, Random(0)) for secret in (SECRET, PIN) for name in WRITERS]
SCALARS = st.sampled_from(
    [*SPELLED, SECRET, PIN, int(PIN), -int(PIN), float(PIN), int(PIN) + 0.5, "plain", 1, 0.5, True, None]
)
LISTS = st.sampled_from([[*SECRET.encode()], [*map(ord, SECRET)], [*PIN.encode()], [1, 2, 3]])
NAMES = st.sampled_from([*SPELLED[:8], SECRET.upper(), PIN, "[REDACTED]", "status_code", "description", ""])
VALUES = st.recursive(
    SCALARS | LISTS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(NAMES, values, max_size=4),
    max_leaves=8,
)


@settings(max_examples=200)
@given(value=VALUES, indent=st.sampled_from([None, 2]), ascii_only=st.sampled_from([True, False]))
def test_json_stays_json_of_the_same_form(value: Any, indent: int | None, ascii_only: Any) -> None:
    """As many members and elements, each of its type, and no name that is there twice."""
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert form(value) == form(parse_json(REDACTION.data(body)))


@settings(max_examples=100)
@given(secret=st.text(min_size=4, max_size=12), first=st.sampled_from(sorted({*WRITERS} - ALONE)), data=st.data())
def test_whatever_the_secret_is_a_body_is_json_as_before(secret: str, first: str, data: st.DataObject) -> None:
    """Written into a text by a program that does not know JSON, too: what was broken is not mended."""
    later = data.draw(st.lists(st.sampled_from(sorted({*WRITERS} - ALONE - FIRST)), max_size=1))
    spelled = nested([first, *later], secret, Random(0))
    for body in (f'{{"a": "before {spelled} after", "b": [1]}}', f'{{"a": {spelled}}}', json.dumps({spelled: spelled})):
        received = body.encode(errors="surrogatepass")
        assert is_json(received) == is_json(Redaction.of_values(secret).data(received))


def test_a_number_takes_the_place_of_a_number() -> None:
    """One that no program writes."""
    numbers = '{"pin": 48151623, "near": 48151, "deep": [-48151623, 4.8151623E7]}'
    rows = {
        numbers: '{"pin": -0, "near": 48151, "deep": [-0, -0.0]}',
        '{"a": {"48151623": 1, "x48151623": 2}}': '{"a": {"[REDACTED]": 1, "x[REDACTED]": 2}}',
        "48151623": "-0",
        '["\\u4815162348151623"]': '["[REDACTED][REDACTED]"]',
        '{"a": 1, "a": 48151623}': '{"a": 1, "a": -0}',
    }

    assert rows == {body: Redaction.of_values(PIN).data(body.encode()).decode() for body in rows}


def test_a_list_of_bytes_stays_a_list_of_numbers() -> None:
    """Of as many, and those beside the secret stay; so does the object that Node makes of a Uint8Array."""
    secret, beside = "v%r2m-x9", [*b"id=7;"]
    redaction = Redaction.of_values(secret)
    row = json.dumps({"type": "Buffer", "data": [*beside, *secret.encode()]}).encode()
    indexed = json.dumps({str(at): byte for at, byte in enumerate(secret.encode())}).encode()

    assert {"type": "Buffer", "data": [*beside, *[0] * 8]} == json.loads(redaction.data(row))
    assert [0] * 8 == [*json.loads(redaction.data(indexed)).values()]


def test_names_that_differ_still_differ() -> None:
    """And those that repeat still repeat: a repeated name is a fault of its own."""
    redaction = Redaction.of_values("secret-A1")
    once, twice = b'{"secret-A1": 1, "SECRET-A1": 2, "[REDACTED]": 3}', b'{"secret-A1": 1, "secret-\\u00411": 2}'
    assert {"[REDACTED] 2": 1, "[REDACTED] 3": 2, "[REDACTED]": 3} == json.loads(redaction.data(once))
    assert b'{"[REDACTED]": 1, "[REDACTED]": 2}' == redaction.data(twice)


def test_invalid_json_does_not_become_json() -> None:
    """The escape or the quotation mark that broke it was part of the secret."""
    redaction = Redaction.of_values('qu"te-9')
    for body in (b'{"a": "x qu"te-9 y"}', b'{"a": "\\x71\\x75\\x22\\x74\\x65\\x2d\\x39"}', b'["qu\xff"te-9"]'):
        hidden = redaction.data(body)
        assert (False, False) == (is_json(body), is_json(hidden))
        assert hidden == redaction.data(hidden)


def test_a_body_with_a_mark_is_recognised() -> None:
    """Of a text or of a number: such a body cannot be sent again."""
    rows = {
        f'{{"pin": {PIN}}}': True,
        f'{{"pin": {PIN}.5}}': True,
        f'{{"pin": "{PIN}"}}': True,
        f"pin={PIN}": True,
        '{"pin": 0, "change": -0.25, "range": "-0"}': False,
        "range: -0": False,
    }

    assert rows == {body: is_marked(REDACTION.data(body.encode())) for body in rows}
