"""Nobody is reached who was not given: what the guard says of a request, and that no plan has another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from campaigns import held
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lenient_readers import dialled
from seeded import FAULTS

from conformance.contract.contract import statum
from conformance.gateway.plan import Plan
from conformance.gateway.settings import RunLimits, Settings
from conformance.journal import Journal, Redaction, read_journal
from conformance.judging.verdicts import Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.model.traffic import Case, Kind, Request
from conformance.payloads import json_defects
from conformance.payloads.addressees import GIVEN_BY, Addressees
from conformance.payloads.members import Constraints
from conformance.reports.result import judge
from conformance.wire import Allowance, Pace, Sender
from conformance.wire.allowance import ACCEPTED

OK = 200

BASE = "http://gateway.invalid/254799999999/api/v2"
NUMBER, OTHER = "254712345678", "254712000001"
NAMES = {"sender_id": ("Statum", "12345678901"), "short_code": ("174379",)}
ONE = Addressees.of(statum(), Constraints(NAMES, (NUMBER,)), BASE)


def stranger(body: bytes = b"", target: str = "sms", headers: tuple[tuple[str, str], ...] = ()) -> str | None:
    """What the guard finds in a request."""
    return ONE.stranger_in(Request("POST", f"{BASE}/{target}", headers, body))


HARMLESS = [
    NUMBER,
    f"+{NUMBER}",
    f" {NUMBER} ",
    "0712345678",
    "712345678",
    "254-712 345.678",
    f"-{NUMBER}",
    f"{NUMBER}x",
    "254712x345678",
    f"0000000000000{NUMBER}",
    [NUMBER],
    {"value": NUMBER},
    [NUMBER, NUMBER],
    "abcdefghijkl",
    "12",
    "",
    "()-- ***",
    True,
    None,
    {},
]


def test_a_given_number_in_any_spelling_and_what_is_no_number_reach_nobody_else() -> None:
    """Texts for people and amounts may hold any digits."""
    found = []
    for value in HARMLESS:
        members = {"phone_number": value, "message": "Ring 0799 999 999", "amount": 10**20}
        bodies = (json.dumps(members).encode(), json.dumps(members, ensure_ascii=False).encode("utf-16-be"))
        found += [(body, reached) for body in bodies if (reached := stranger(body)) is not None]

    assert [] == found


STRANGERS = [
    "9-8540 8*05))(***",
    "98540805117034582218347",
    NUMBER[:-1],
    NUMBER[:-1] + "x",
    NUMBER[:9],
    f"{NUMBER}2547",
    f"{NUMBER}{NUMBER}",
    f"00{NUMBER}",
    f"0{NUMBER}",
    f"{NUMBER}.5",
    f"{NUMBER} ext 4",
    f"{NUMBER};0799999999",
    "254712345 678",
    "254abcdefghi",
    "٢٥٤٧٩٩٩٩٩٩٩٩",
    "²⁵⁴⁷⁹⁹⁹⁹⁹⁹⁹⁹",
    "".join(chr(ord("\uff10") + int(digit)) for digit in "254799999999"),
    "1e11",
    "0xabcdef12345",
    "911",
    1e11,
    int(NUMBER),
    [int(NUMBER)],
    254799999999,
    [NUMBER, 123456],
    {"a": NUMBER, "b": "5"},
    {"0799999999": 1},
    ["254", "799", "999999"],
]


def test_whatever_a_lenient_reader_may_take_for_another_number_is_found() -> None:
    """The last nine digits, the first twelve, digits of any script, a keypad's, an extension, a list joined."""
    assert [] == [each for each in STRANGERS if stranger(json.dumps({"phone_number": each}).encode()) is None]


BODIES = [
    b'{"phone_number": "254712345678", "phone_number": "0799999999"}',
    b'{"phone_number": "0799999999", "phone_number": "254712345678"}',
    b'{"phone_number": "254712", "phone_number": "345679"}',
    b'{"phone_number": "254712345678", "to": "0799999999"}',
    b'{"Phone_Number ": "911"}',
    b'{"sender_id": "0799999999"}',
    b'{"short_code": "254799999999"}',
    b'{"bill_ref_number": "254799999999"}',
    b"phone_number=0799999999&amount=5",
    b"phone_number=%2B254%37%39%39999999",
    b'{"phone_number": "254799999999", "amo',
    b"{'phone_number': '254799999999'}",
    b'[{"phone_number": "254799999999"}]',
    b'{"phone_number": "\\u0032\\u0035\\u0034799999999"}}',
    b'{"phone_number": "254799999999\xff"}',
    b'"254799999999"',
    b"254799999999",
    b"<phone_number>254799999999</phone_number>",
    b'{"message": "Habari"} 0799999999',
]


def test_a_stranger_is_found_in_any_part_of_a_body() -> None:
    """In members of every name, twice over, in forms, and in what is not JSON."""
    assert [] == [body for body in BODIES if stranger(body) is None]


def test_a_stranger_is_found_in_the_target_and_in_a_header() -> None:
    """Digits of the gateway's own address, of a credential and of a registered name in its own member are nobody's."""
    assert stranger(target="sms?to=0799999999") is not None
    assert stranger(target="sms/254799999999") is not None
    assert stranger(headers=(("X-To", "0799999999"),)) is not None
    assert stranger(headers=(("Authorization", "Basic 123456789012"), ("User-Agent", "suite/1.22.3"))) is None
    assert stranger(b'{"sender_id": "12345678901"}') is None
    assert stranger(b'{"phone_number": "12345678901"}') is not None
    # without given numbers the run is on this machine, where whoever is called does not answer
    anybody = Addressees.of(statum(), Constraints(), BASE)
    assert anybody.stranger_in(Request("POST", f"{BASE}/sms", (), b'{"phone_number": "254799999999"}')) is None


TEXTS = st.text(st.sampled_from("0123456789 -+()./*#,;xX\u0662\uff15'\"&=%"), max_size=30)
VALUES = st.recursive(
    st.one_of(TEXTS, st.just(NUMBER), st.integers(0, 10**14), st.none(), st.booleans()),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXTS, each, max_size=2),
    max_leaves=4,
)


@example({"phone_number": [NUMBER, "", NUMBER]})  # joined, and read as a double
@given(st.dictionaries(st.sampled_from(["phone_number", "short_code", "x_unknown", "message"]), VALUES, min_size=1))
@settings(max_examples=200)
def test_no_reader_of_a_request_that_passes_the_guard_calls_a_stranger(members: dict[str, Any]) -> None:
    """Neither as JSON nor with something behind it."""
    for body in (json.dumps(members).encode(), json.dumps(members, ensure_ascii=False).encode() + b"}"):
        request = Request("POST", f"{BASE}/sms", (), body)
        if ONE.stranger_in(request) is None:
            assert dialled(request, BASE) <= {NUMBER[3:]}, body


# --- Plans


def given_numbers(*numbers: str, **changes: Any) -> Plan:
    """The plan of a run with these phone numbers, and no other limit."""
    told = {"phone_numbers": numbers, "limits": RunLimits(10_000, 10**9), "seed": 1, **changes}
    return Plan.of(Settings("key", "secret-3P0R4q", BASE, **told), BASE)


@pytest.mark.parametrize(("numbers", "seed"), [((NUMBER,), 0), ((NUMBER, OTHER), 2)])
def test_no_plan_has_a_stranger(numbers: tuple[str, ...], seed: int) -> None:
    """By readers that know nothing of the guard; `python -m benchmarks.chaos strangers` looks at 10,000 plans."""
    plan = given_numbers(*numbers, seed=seed, max_examples=20)
    reached = set().union(*(dialled(case.request, BASE) for case in plan.cases))

    assert {number[3:] for number in numbers} == reached
    assert plan.beyond_limits[GIVEN_BY] > 0


def test_given_numbers_are_broken_in_every_way_that_has_nobody_else_called() -> None:
    """Too few digits, too many, letters in front and behind, other types, nothing; and no way of being no JSON is lost.

    Each is made of given numbers, or of so few digits that they are nobody's.
    """
    cases = given_numbers(NUMBER).cases
    broken = [case for case in cases if (case.kind, case.member) == (Kind.BROKEN, "phone_number")]
    values = [json.loads(case.request.body).get("phone_number") for case in broken if case.command == "airtime"]
    wanted = [NUMBER[3:], f"0000000000000{NUMBER}", f"{NUMBER}x", f"x{NUMBER}", "abcdefghijkl", "", None, True]

    assert [] == [value for value in (*wanted, [NUMBER], {"value": NUMBER}) if value not in values]
    assert {*json_defects.REFUSED, *json_defects.OPEN} <= {
        case.keyword for case in cases if case.kind in (Kind.MALFORMED, Kind.OPEN)
    }


@pytest.mark.parametrize("name", ["accepts-any-form", "accepts-any-type", "accepts-empty-fields", "accepts-null"])
def test_faults_about_phone_numbers_are_found_with_given_ones(name: str, tmp_path: Path) -> None:
    """Nothing of what the kill matrix finds without them is lost, and it is found by the phone number, too."""
    fault = FAULTS[name]
    told = {"phone_numbers": (NUMBER, OTHER), "products": ("airtime",), "shrink_requests": 0}
    record = read_journal(held(tmp_path, fault.change(BUILT_IN), **told))
    short = [v for v in judge(record).verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)]
    about_numbers = {case.id for case in record.cases if case.member == "phone_number"}
    accepted = {e.case_id for e in record.exchanges if e.response is not None and e.response.status == OK}

    assert set(fault.breaks) == {verdict.requirement.id for verdict in short}
    assert about_numbers & accepted


# --- The last guard


def test_a_sender_refuses_a_request_to_a_stranger(tmp_path: Path) -> None:
    """Nothing goes out, nor what builds on it, and it is told by the option that would have been broken."""
    case = Case("a", "sms", Kind.VALID, "random", "a", Request("POST", f"{BASE}/sms", (), b'{"phone_number": "911"}'))
    after = Case("b", "sms", Kind.REPEAT, "equal", "a", Request("POST", f"{BASE}/sms"), earlier="a")
    allowance = Allowance(statum(), 10)
    with Journal.create(tmp_path / "journal.sqlite", {}, Redaction.none()) as journal:
        Sender(journal, Pace(), allowance=allowance, addressees=ONE).send([(case, after)])

    assert () == tuple(read_journal(tmp_path / "journal.sqlite").exchanges)
    assert {GIVEN_BY: 1} == allowance.withheld
    assert ACCEPTED not in allowance.withheld
    assert 0 == allowance.taken
