"""JSON is read strictly, up to a depth and a number of values, in a time proportional to its length."""

from __future__ import annotations

import sys
import time

import pytest

from conformance.judging.reading import Content
from conformance.model.untrusted import DEEPEST, MOST_VALUES, parse_json, parse_with_repeats
from conformance.reports.page.transcript import LONGEST_BODY, body_markup


def test_invalid_json_is_refused_with_a_reason() -> None:
    """Python's leniencies are not those of other clients."""
    rows = [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'"\xe9"', "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"{", "not JSON"),
        (b"{}x", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"[01]", "not JSON"),
        (b'"a\nb"', "not JSON"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b'{"a": 1, "b": 2, "a": 1}', "'a' is there more than once"),
        (b"[" * 100_000, "nested"),
    ]
    wrong = []
    for data, words in rows:
        try:
            told = f"{parse_json(data)!r}"
        except ValueError as error:
            told = str(error)
        if words not in told:
            wrong.append((data[:99], words, told))

    assert [] == wrong


def test_all_of_rfc_8259_is_read() -> None:
    """Also numbers beyond a double, at which Python alone fails."""
    rows: list[tuple[bytes, object]] = [
        (b"\r\n {} \t", {}),
        ('"é👋"'.encode(), "é👋"),
        (b'"\\ud83d\\udc4b"', "👋"),
        (b'"\\ud800"', "\ud800"),
        (b"2e2", 200.0),
        (b"[1e999, -1e999]", [sys.float_info.max, -sys.float_info.max]),
        (b"9" * 5000, sys.float_info.max),
        (b"null", None),
    ]

    assert rows == [(data, parse_json(data)) for data, _ in rows]


# --- Limits


# What a busy machine may take for what costs a second; what is quadratic takes minutes.
SOON_S = 20.0
MANY = 400_000

TEXTS = {
    "one member again and again": b'{"a": 1' + b', "a": 1' * MANY + b"}",
    "the request_id again and again": b'{"request_id": "x"' + b', "request_id": "x"' * MANY + b"}",
    "as many members": b"{" + b", ".join(b'"a%d": 1' % number for number in range(MANY)) + b"}",
    "as many objects": b"[{}" + b", {}" * MANY + b"]",
    "a number of a million digits": b'{"status_code": ' + b"9" * 1_000_000 + b"}",
    "a fraction of a million digits": b'{"status_code": 0.' + b"9" * 1_000_000 + b"}",
    "as many escapes": b'{"description": "' + b"\\u0041" * MANY + b'"}',
    "as many brackets in a text": b'{"description": "' + b"[{," * MANY + b'"}',
    "a text without its end": b'{"description": "' + b"\\\\" * MANY,
    "brackets without their end": b"[" * MANY,
    "brackets and quotes": b"[" * (DEEPEST + 1) + b'"' * MANY + b"x",
}


def test_any_text_is_read_in_linear_time() -> None:
    """Or refused; by a check, and for the page."""
    took = {}
    for name, text in TEXTS.items():
        began = time.process_time()
        Content.with_repeats(text)
        body_markup(text, frozenset({"/request_id"}))
        took[name] = time.process_time() - began
    assert {} == {name: seconds for name, seconds in took.items() if seconds > SOON_S}


def test_deep_nesting_is_refused() -> None:
    """At one depth, wherever it is read: how deep Python itself can go depends on where it is called."""
    for opening, closing in ((b"[", b"]"), (b'{"a": ', b"}")):
        parse_with_repeats(opening * DEEPEST + b"1" + closing * DEEPEST)
        with pytest.raises(ValueError, match="nested too deeply to be read, more than 100 deep"):
            parse_with_repeats(opening * (DEEPEST + 1) + b"1" + closing * (DEEPEST + 1))


def test_brackets_in_texts_nest_nothing() -> None:
    """Nor do those that stand side by side."""
    text = b'{"description": "' + b"[{" * MANY + b'\\"", "list": [' + b"[], " * MANY + b"[]]}"
    value, _ = parse_with_repeats(text)
    assert MANY + 1 == len(value["list"])


def test_too_many_values_are_refused() -> None:
    """Commas in texts are none."""
    assert MOST_VALUES == len(parse_with_repeats(b"[1" + b",1" * (MOST_VALUES - 1) + b"]")[0])
    parse_with_repeats(b'["' + b"," * (2 * MOST_VALUES) + b'"]')
    with pytest.raises(ValueError, match="it holds more than 500,000 values, and is not read"):
        parse_with_repeats(b"[1" + b",1" * MOST_VALUES + b"]")


def test_the_page_shows_the_beginning_of_a_long_body() -> None:
    """As it came, with how much is left out."""
    body = b'{"a": [' + b"1, " * LONGEST_BODY + b"1]}"
    shown = body_markup(body)
    assert shown.startswith("{&#34;a&#34;: [1, 1, ")
    assert shown.endswith(f"… {len(body) - LONGEST_BODY} bytes more")
