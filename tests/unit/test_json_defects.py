"""Bodies that are broken as JSON: each has its defect, which its bytes alone show."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.command import Command
from conformance.contract.contract import statum
from conformance.model.errors import SuiteError
from conformance.model.untrusted import parse_json
from conformance.payloads import json_defects
from conformance.payloads.json_defects import HUGE, OPEN, REFUSED, BodyProbe, OpenBody, malformed_bodies, open_bodies
from conformance.payloads.members import Constraints
from conformance.payloads.valid import ValidPayload, fresh_payloads, valid_payloads

COMMANDS = statum().commands

ASPECTS = {"not-json", "cut-short", "empty-body", "array", "scalar", "form-encoded", "not-utf8"}
POSTS = [command for command in COMMANDS.values() if command.method == "POST"]
EACH_POST = pytest.mark.parametrize("command", POSTS, ids=lambda command: command.folder)
PLAIN = {command: fresh_payloads(statum(), command, Constraints(), 80, 1, []) for command in POSTS}
BODIES = [payload.body for payloads in PLAIN.values() for payload in payloads[:3]]


def malformed(body: bytes, aspect: str | None = None) -> list[BodyProbe]:
    """The malformed bodies made from `body`; those of one aspect, if it is given."""
    return [probe for probe in malformed_bodies(statum(), lambda: body) if aspect in (None, probe.aspect)]


def in_turn(payloads: list[ValidPayload]) -> Callable[[], ValidPayload]:
    """Gives one payload after another."""
    left = iter(payloads)
    return lambda: next(left)


def opened(command: Command, *, careful: bool = False) -> list[OpenBody]:
    """The open bodies of a command, each of another payload."""
    following = in_turn(PLAIN[command])
    return list(open_bodies(statum(), command, lambda: following().members, careful=careful))


# --- Refused


def test_no_malformed_body_is_an_object() -> None:
    """Each aspect is there, and each body is not JSON, or no object."""
    for body in BODIES:
        assert {probe.aspect for probe in malformed(body)} == ASPECTS
        for probe in malformed(body):
            try:
                value = parse_json(probe.body)
            except ValueError:
                assert probe.aspect not in ("array", "scalar")
            else:
                assert not isinstance(value, dict)
                assert probe.aspect in ("array", "scalar")


@EACH_POST
def test_every_way_of_being_malformed_is_tried(command: Command) -> None:
    """Each that can be told by the bytes, on those that are sent; each of a payload of its own.

    A gateway that reads some of them meets no similar request twice.
    """
    following = in_turn(PLAIN[command])
    found = list(malformed_bodies(statum(), lambda: following().body))
    numbers = Counter(number for probe in found for number in set(re.findall(rb"254[17][0-9]{8}", probe.body)))

    assert set(REFUSED) == {probe.breakage for probe in found}
    assert [] == [probe for probe in found if probe.breakage not in json_defects.defects_of(probe.body)]
    assert len(numbers) > 10
    assert {1} == set(numbers.values())


def test_bodies_are_cut_behind_each_token() -> None:
    """Behind the brace, each name, colon, value and comma, and within a name and a value; never whole."""
    for body in BODIES:
        cut, members = malformed(body, "cut-short"), len(parse_json(body))

        assert all(body.startswith(probe.body) and 0 < len(probe.body) < len(body) for probe in cut)
        assert {
            "cut behind the opening brace": 1,
            "cut behind a name": members,
            "cut behind a colon": members,
            "cut behind a value": members,
            "cut behind a comma": members - 1,
            "cut within a text": 2,
        } == Counter(probe.breakage for probe in cut)
        assert len(cut) == len({probe.body for probe in cut})


def test_form_encoded_holds_the_same() -> None:
    """The members as a form, declared as one; all others are declared as JSON."""
    for body in BODIES:
        (form,) = malformed(body, "form-encoded")

        assert {name: [value] for name, value in parse_json(body).items()} == parse_qs(form.body.decode())
        assert {form} == {probe for probe in malformed(body) if probe.content_type != "application/json"}
        assert "application/x-www-form-urlencoded" == form.content_type


def test_not_utf8_is_wrong_in_nothing_else() -> None:
    """Without the stray bytes it is the valid payload again."""
    for body in BODIES:
        stray = malformed(body, "not-utf8")

        assert 5 == len(stray)
        for each in stray:
            with pytest.raises(UnicodeDecodeError):
                each.body.decode("utf-8")
            assert parse_json(body) == parse_json(each.body.decode("utf-8", errors="ignore").encode())


def test_scalars_of_every_kind() -> None:
    """A string, a number, true and null."""
    assert [str, int, bool, type(None)] == [type(parse_json(probe.body)) for probe in malformed(BODIES[0], "scalar")]


def test_a_reader_of_nan_finds_no_valid_member() -> None:
    """So that a lenient reader, too, has something to refuse: no member keeps a value that it could go by."""
    for body in BODIES:
        constants = [probe.body for probe in malformed(body, "not-json") if probe.breakage.endswith("for a value")]

        assert 3 == len(constants)
        for each in constants:
            assert parse_json(body).keys() == json.loads(each).keys()
            assert {float} == {type(value) for value in json.loads(each).values()}


def test_malformed_bodies_are_made_from_an_object() -> None:
    """From anything else the labels would not hold."""
    for body in (b"[]", b"no", b"", b'{"amount": 50}', b"{}"):
        with pytest.raises(SuiteError):
            malformed(body)


@pytest.mark.parametrize("made", [lambda valid, _: valid, lambda _valid, _: b"<a/>"], ids=["whole", "otherwise broken"])
def test_a_label_that_does_not_prove_true_is_an_error_of_the_suite(
    monkeypatch: pytest.MonkeyPatch, made: json_defects.Made
) -> None:
    """A body that is an object after all, or broken in another way, never goes out."""
    monkeypatch.setattr(json_defects, "MALFORMED", {"text": lambda _: made})

    with pytest.raises(SuiteError, match="'not-json' is not one with no JSON"):
        malformed(BODIES[0])


@given(st.dictionaries(st.text("abc", min_size=1), st.text(st.characters(max_codepoint=0x24F)), min_size=1, max_size=3))
def test_any_object_of_texts_will_do(members: dict[str, str]) -> None:
    """Also with odd characters and empty texts."""
    assert ASPECTS == {probe.aspect for probe in malformed(json.dumps(members).encode())}


# --- Open


@EACH_POST
def test_every_way_of_being_open_is_tried(command: Command) -> None:
    """Each that can be told by the bytes; and it is told by those that are sent."""
    assert set(OPEN) == {each.breakage for each in opened(command)}
    assert [] == [each for each in opened(command) if each.breakage not in json_defects.defects_of(each.body)]
    assert [] == [each for each in opened(command) if set(REFUSED) & json_defects.defects_of(each.body)]


@EACH_POST
def test_a_lenient_reader_finds_the_payload(command: Command) -> None:
    """Python's own reads the members of a valid payload in each that is not nested or cluttered beyond its limits."""
    following, read = in_turn(PLAIN[command]), 0
    for each in opened(command):
        members = following().members
        try:
            found = json.loads(each.body, strict=False)
        except (ValueError, RecursionError):
            assert each.breakage in ("deep nesting", "number beyond a double", "byte order mark")
            continue
        read += 1
        null = next(iter(found.values())) is None
        may_differ = {"message"} if each.aspect == "over-long" else set(members) if null else set()
        assert {name for name in members if members[name] != found[name]} <= may_differ
    assert read >= 8


@EACH_POST
def test_a_mebibyte_is_a_mebibyte(command: Command) -> None:
    """As a message where there is one, and then called over-long; else as a member that nobody asked for."""
    (huge,) = (each for each in opened(command) if each.breakage == "mebibyte")

    assert HUGE == len(huge.body)
    assert ("over-long" if command.name == "sms" else "open") == huge.aspect


def test_no_message_of_a_mebibyte_is_sent_on_a_real_account() -> None:
    """It might be taken, cut into thousands of segments, and paid for."""
    for each in opened(COMMANDS["sms"], careful=True):
        assert "open" == each.aspect
        if each.breakage == "mebibyte":
            assert len(parse_json(each.body)["message"]) <= 160


def test_a_get_has_no_body_to_break() -> None:
    """Its parameters travel in the URL."""
    assert [] == list(open_bodies(statum(), COMMANDS["account-details"], dict))


def test_a_mislabelled_open_body_is_an_error_of_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is made each time."""
    monkeypatch.setitem(json_defects.OPEN_BODIES, "byte order mark", (lambda valid: valid,))

    with pytest.raises(SuiteError, match="not one with byte order mark"):
        opened(COMMANDS["airtime"])


# --- Defects


def test_a_valid_body_has_no_defects() -> None:
    """Whatever its characters are, and however they are written."""
    payloads = [each for command in POSTS for each in valid_payloads(statum(), command, Constraints(), 20, 3)]
    wrong = [(each.aspect, each.body, defects) for each in payloads if (defects := json_defects.defects_of(each.body))]

    assert payloads
    assert [] == wrong


def test_defects_are_recognised() -> None:
    """And nothing else is."""
    rows = [
        (b'{"a": "\\"', "cut within a text"),
        (b'{"a": "{[', "cut within a text"),
        (b'{"a": ""', "cut behind a value"),
        (b'{"a": 5', "cut behind a value"),
        (b'{"a": "x", ', "cut behind a comma"),
        (b'{"a": "x", ""', "cut behind a name"),
        (b"{ ", "cut behind the opening brace"),
        (b'{"a": "\\ud83d\\udc4b\\ud83d"}', "unpaired surrogate"),
        (b'{"a": 1e-999}', "number beyond a double"),
        (b'{"a": {"b": 1, "b": 1}}', "duplicate members"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a": NaN, "b": "x"}', "NaN or infinity in an unknown member"),
        (b'{"a": NaN}', "NaN for a value"),
        (b"'single'", "no JSON"),
        (b"a=1&b=2", "form"),
        (b'{"a": "b"} {', "second object behind the end"),
    ]

    assert [(body, {name}) for body, name in rows] == [(body, json_defects.defects_of(body)) for body, _ in rows]


def test_usual_json_has_no_defect() -> None:
    """Zeros, words and pairs that look like something else; each name of a defect is refused or open, not both."""
    bodies = [b"{}", b'{"a": 0}', b'{"a": -0.0e5}', b'{"a": "NaN"}', b'{"a": "\\ud83d\\udc4b"}', b"{\n}\n"]

    assert [] == [(body, defects) for body in bodies if (defects := json_defects.defects_of(body))]
    assert set() == set(REFUSED) & set(OPEN)


@given(st.binary(max_size=60) | st.text(st.sampled_from("{}[]\",:\\'ab0e-N \n"), max_size=40).map(str.encode))
def test_any_bytes_have_known_defects(body: bytes) -> None:
    """Nothing is raised, and every name is one of those that there are."""
    assert json_defects.defects_of(body) <= {*REFUSED, *OPEN}
