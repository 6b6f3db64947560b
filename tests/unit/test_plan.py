"""The plan: reproducible to the byte, complete, and careful with what belongs to others."""

from __future__ import annotations

import base64
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from campaigns import KEY, SECRET, settings

from conformance.contract.contract import statum
from conformance.gateway.command_plan import GROUP_SIZE, Group
from conformance.gateway.plan import Plan
from conformance.gateway.settings import RunLimits
from conformance.model.errors import UsageError
from conformance.model.traffic import Case, Kind, header
from conformance.model.untrusted import parse_json
from conformance.payloads.json_defects import defects_of

COMMANDS = statum().commands
PRODUCTS = statum().products
SCHEMAS = statum().schemas

BASE = "http://gateway.example/api/v2"
POSTS = tuple(name for name, command in COMMANDS.items() if command.product)
NEGATIVE = (Kind.BROKEN, Kind.MALFORMED, Kind.CREDENTIAL, Kind.METHOD, Kind.UNKNOWN_COMMAND)
# Whoever takes one of these does what a valid request asks for.
MUST_BE_ACCEPTED = (Kind.VALID, Kind.HEADERS)
GIVEN = ("254712000001", "254112000002")
RIGHT = "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()


@cache
def planned(**changes: Any) -> Plan:
    """The plan of a run; plans are values, so tests share them."""
    return Plan.of(settings(Path("reports"), **changes), BASE)


def members_of(case: Case) -> dict[str, Any]:
    """The members of a case's body; none if it is not a JSON object."""
    try:
        members = parse_json(case.request.body)
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def commands_in(group: Group) -> set[str | None]:
    """The commands in a group; those of paths and methods that are none count for that of their twin."""
    return {case.command for case in group if case.command}


def test_another_seed_gives_other_payloads() -> None:
    """What is random is so for each command; what is systematic has the same ids."""
    plans = planned(max_examples=3), planned(max_examples=3, seed=8)
    for command in POSTS:
        one, other = ({c.request.body for c in plan.cases if c.command == command} for plan in plans)
        assert one != other, command
    one, other = ({c.id for c in plan.cases if "/valid/sample/" in c.id} for plan in plans)
    assert one == other


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_plan_of_one_product_is_part_of_the_plan_of_all(product: str) -> None:
    """So what a full run found can be looked at again with `--product` and the same seed, but what takes several.

    It asks for nothing but its command, account-details, and what is no command.
    """
    (command,) = (name for name, command in COMMANDS.items() if command.product == product)
    part, whole = (
        {case.id: case for group in plan.groups if len(commands_in(group)) == 1 for case in group}
        for plan in (planned(products=(product,)), planned())
    )
    whole = {id_: case for id_, case in whole.items() if case.command == command}

    assert whole == {id_: part[id_] for id_ in whole}
    assert {None, "account-details", command} == {case.command for case in planned(products=(product,)).cases}


def test_more_examples_leave_the_others_as_they_were() -> None:
    """What a small run sends is part of what a larger one sends; only payloads that must not meet make way.

    And whatever is sent together with those: a gateway may remember them from the other run.
    """
    apart = {name for name, command in COMMANDS.items() if command.window_s is not None}
    plans = (planned(max_examples=n) for n in (0, 3))
    groups = ((group for group in plan.groups if not apart & commands_in(group)) for plan in plans)
    small, large = ({(c.kind, c.aspect, c.request) for group in each for c in group} for each in groups)

    assert set() == small - large
    assert {Kind.VALID, Kind.BROKEN} == {kind for kind, _, _ in large - small}


@pytest.mark.parametrize("changes", [{"max_examples": 3}, {"limits": RunLimits(max_accepted=500)}])
def test_runs_of_another_extent_have_other_requests_where_gateways_remember(changes: dict[str, Any]) -> None:
    """Of the window's sequences none is the same, so that one of them shows in which words the others are refused."""
    one, other = (
        {c.request.body for c in plan.cases if c.command == "airtime" and c.aspect == "window"}
        for plan in (planned(), planned(**changes))
    )

    assert one
    assert other
    assert set() == one & other


def test_the_sample_of_the_seed_document_is_in_every_plan() -> None:
    """Whatever the seed, and without any random example."""
    sample = {"sender_id": "Statum", "phone_number": "254712345678"}
    sample |= {"message": "This is a test Message through our API"}
    for seed in (0, 7, 2**32 - 1):
        valid = [case for case in planned(seed=seed, products=("sms",)).cases if case.kind is Kind.VALID]
        (case,) = (each for each in valid if members_of(each) == sample)
        headers = tuple(header(case.request.headers, name) for name in ("Authorization", "Content-Type", "Accept"))

        assert ("sms", "sample") == (case.command, case.aspect)
        assert ("POST", f"{BASE}/sms") == (case.request.method, case.request.url)
        assert (RIGHT, "application/json", "application/json") == headers


def test_ids_are_unique_and_groups_are_named_by_their_first() -> None:
    """A case is found by its id; groups go out side by side: what is in one is in it for its order."""
    for changes in ({}, {"max_examples": 3}, {"phone_numbers": GIVEN[:1]}, {"products": ("airtime",)}):
        cases = planned(**changes).cases
        assert len(cases) == len({case.id for case in cases}), changes
    for group in planned(max_examples=3).groups:
        assert {group[0].id} == {case.group for case in group}


def test_a_case_comes_after_those_that_it_builds_on() -> None:
    """What it repeats is before it in its group; its positive twin, too, or in another group of the plan."""
    plan, dependent = planned(max_examples=3), 0
    known = {case.id for case in plan.cases} | {None}
    for group in plan.groups:
        ids = [case.id for case in group]
        for number, case in enumerate(group):
            assert {case.twin, case.earlier} <= known, case.id
            assert case.earlier is None or case.earlier in ids[:number], case.id
            assert case.twin not in ids[number:], case.id
            dependent += case.earlier is not None
    assert dependent >= 3 * len(POSTS)


def test_each_negative_case_has_a_positive_twin() -> None:
    """A valid request for the same command with the right credential: by it the gateway shows that it can accept."""
    plan = planned(max_examples=3)
    cases = {case.id: case for case in plan.cases}
    negative = [case for case in plan.cases if case.kind in NEGATIVE]

    assert set(NEGATIVE) == {case.kind for case in negative}
    for case in negative:
        assert case.twin is not None, case.id
        twin = cases[case.twin]
        assert Kind.VALID is twin.kind, case.id
        assert case.command in (twin.command, None), case.id
        assert RIGHT == header(twin.request.headers, "Authorization"), case.id


def test_valid_cases_are_valid_and_broken_ones_are_not() -> None:
    """Proved on the bytes that go out."""
    for case in planned(max_examples=3).cases:
        if case.command is None or COMMANDS[case.command].method == "GET":
            continue
        folder = COMMANDS[case.command].folder
        if case.kind in (Kind.VALID, Kind.HEADERS, Kind.REPEAT):
            assert [] == SCHEMAS.violations(f"{folder}/request", members_of(case)), case.id
        elif case.kind is Kind.BROKEN:
            broken = {v.pointer for v in SCHEMAS.violations(f"{folder}/request.tolerated", members_of(case))}
            assert {f"/{case.member}"} == broken, case.id


@pytest.mark.parametrize("numbers", [(), GIVEN, GIVEN[:1]])
def test_no_airtime_request_meets_the_window_of_another(numbers: tuple[str, ...]) -> None:
    """But the one that is there to meet it; also not that of a request which a wrong gateway might have accepted."""
    apart = Counter(
        (str(members["phone_number"]).strip(" +"), str(members["amount"]))
        for case in planned(max_examples=3, phone_numbers=numbers).cases
        if case.command == "airtime"
        and (case.kind in (*MUST_BE_ACCEPTED, Kind.MALFORMED, Kind.CREDENTIAL, Kind.METHOD) or _similar_in_part(case))
        and (members := members_of(case))
    )

    assert len(apart) > 30
    assert [] == [pair for pair, count in apart.items() if count > 1]


def _similar_in_part(case: Case) -> bool:
    return case.kind is Kind.REPEAT and case.aspect.startswith("other-")


def test_a_payload_for_a_class_is_labelled_by_what_is_in_it() -> None:
    """So that each requirement is judged by all that bears on it, and by nothing else."""
    labels = {case.aspect for group in planned().groups for case in group if case.kind is Kind.VALID}

    assert {"sample", "unicode", "long", "line-breaks", "boundary", "optional", "random"} == labels
    for case in planned().cases:
        if case.kind is Kind.VALID and case.command == "sms" and case.aspect == "random":
            message = members_of(case)["message"]
            assert message.isascii(), case.id
            assert len(message) <= 160, case.id


def test_open_cases_are_spread_over_groups() -> None:
    """There are many, and none depends on another: a slow gateway is not asked one after the other."""
    groups = [group for group in planned().groups if group[0].kind is Kind.OPEN]

    assert len(groups) > 2 * len(POSTS)
    assert {True} == {len(group) <= GROUP_SIZE for group in groups}


def test_a_malformed_case_names_its_defect() -> None:
    """A finding names it; what is undeclared alone has nothing broken."""
    for case in planned().cases:
        if case.kind is Kind.MALFORMED:
            assert (case.keyword is None) == case.aspect.endswith("content-type"), case.id
            assert case.keyword is None or case.keyword in defects_of(case.request.body), case.id


def test_only_the_names_that_were_given_are_used() -> None:
    """Sender ids and short codes are registered to somebody; broken ones are nobody's."""
    given = {"sender_id": ("MyShop", "20880"), "short_code": ("600100", "400217")}
    cases = Plan.of(settings(Path("reports"), max_examples=3, registered=given), BASE).cases
    used = {
        member: {
            name
            for case in cases
            if case.member != member and case.kind is not Kind.OPEN
            if isinstance(name := members_of(case).get(member), str)
        }
        for member in given
    }

    assert {member: set(names) for member, names in given.items()} == used


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"registered": {"sender_id": ("Acme", "much too long a name")}}, "--sender-id 'much too long a name'"),
        ({"registered": {"short_code": ("12ab",)}}, "--short-code '12ab'"),
        ({"phone_numbers": ("0712345678",)}, "--phone-number '0712345678'"),
        ({"phone_numbers": ("２５４７１２３４５６７８",)}, "--phone-number"),  # noqa: RUF001 - full-width digits
        ({"phone_numbers": GIVEN[:1], "max_examples": 10_000, "products": ("airtime",)}, "--phone-number"),
        ({"consumer_key": "a:b"}, "--consumer-key"),
    ],
)
def test_values_that_cannot_be_planned_are_errors_with_their_option(changes: dict[str, Any], named: str) -> None:
    """One line that says what to give instead."""
    with pytest.raises(UsageError, match=named) as refused:
        Plan.of(settings(Path("reports"), **changes), BASE)
    assert 1 == len(str(refused.value).splitlines())


def test_get_and_delete_have_no_body() -> None:
    """Their parameters travel in the URL (seed)."""
    bodiless = [case for case in planned(max_examples=3).cases if case.request.method in ("GET", "DELETE")]

    assert {"account-details", None, *POSTS} == {case.command for case in bodiless}
    assert {b""} == {case.request.body for case in bodiless}


def test_urls_are_those_of_the_gateway_and_its_commands() -> None:
    """Whether or not the base URL ends with a slash."""
    assert planned() == Plan.of(settings(Path("reports")), BASE + "/")
    for case in planned().cases:
        if case.command is not None:
            assert f"{BASE}/{case.command}" == case.request.url
        else:
            assert case.request.url.removeprefix(f"{BASE}/") not in COMMANDS


def test_the_secret_is_nowhere_but_in_the_credential() -> None:
    """Neither in a body nor in a URL nor in another header; as it is, encoded, or in part.

    Only credential probes carry another one, and each of them does: none is the right one by accident.
    """
    encoded = base64.b64encode(SECRET.encode()).decode()
    forms = (SECRET, SECRET[:-1], SECRET.swapcase(), quote(SECRET), encoded, encoded.rstrip("="), RIGHT[6:])
    for case in planned(max_examples=3).cases:
        others = [value for name, value in case.request.headers if name != "Authorization"]
        shown = " ".join((case.id, case.aspect, case.request.url, *others, case.request.body.decode("latin-1")))
        assert not any(text in shown for text in forms), case.id
        assert (case.kind is Kind.CREDENTIAL) == (RIGHT != header(case.request.headers, "Authorization")), case.id


def test_commands_take_turns() -> None:
    """The first groups are of all commands, so that each is under way from the start."""
    first = planned().groups[: len(COMMANDS) + 1]

    assert {*COMMANDS} == {group[0].command for group in first}
