"""The rules about the members of a payload: the strict schema of the command, and where the gateway is more generous.

    taken           the payload as the gateway takes it (numbers coerced, if it does that)
    member_breaches what is wrong with it: member → tag and message

Where the contract is silent (longer messages, other members), the gateway takes what comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.mock.behaviour import Behaviour
from conformance.payloads.payloads import documented_range

LONGEST_MESSAGE = 2000
"""Characters. The contract has no limit; a gateway has one, and this one lies well above the three segments (459)
that it should accept."""

LENIENT_NUMBER = re.compile(r"\+?[0-9]+")

# Units of money that no operator has ever moved at once, in as many digits as the gateway can reckon with.
BEYOND_ANY_LIMIT = re.compile(r"[1-9][0-9]{6,11}")


@dataclass(frozen=True, slots=True)
class MemberBreach:
    """A `member` that breaks the rule `tag`, with a message for whoever sent it (the value itself is not repeated)."""

    member: str
    tag: str
    message: str


@dataclass(frozen=True, slots=True)
class _Fault:
    """A member as the schema finds it wanting: the keywords that it breaks, and its value (None also if absent)."""

    member: str
    keywords: frozenset[str]
    value: Any


Telling = Callable[[_Fault], bool]

_TAGS: tuple[tuple[str, Telling, str], ...] = (
    ("broken.missing", lambda fault: "required" in fault.keywords, "{} is required"),
    ("broken.null", lambda fault: fault.value is None, "{} must not be null"),
    ("broken.type", lambda fault: "type" in fault.keywords, "{} must be a string"),
    ("broken.empty", lambda fault: fault.value == "", "{} must not be empty"),
    (
        "broken.range",
        lambda fault: "x-integer" in fault.keywords and _is_whole_number(fault.value),
        "{} is out of range",
    ),
    ("broken.pattern", lambda _: True, "{} is not of the form that is expected"),
)
"""The first that is true names the rule that a member breaks."""


def _is_whole_number(value: Any) -> bool:
    plain = isinstance(value, str) and value.isascii() and value.isdigit()
    return plain and (value == "0" or not value.startswith("0"))


@cache
def _members(contract: Contract, command: Command) -> frozenset[str]:
    return frozenset(contract.schemas.resolved(command.request_schema).get("properties", {}))


def taken(payload: Mapping[str, Any], behaviour: Behaviour) -> Mapping[str, Any]:
    """The payload as the gateway takes it: with `coerces_numbers`, whole numbers become strings of digits."""
    if not behaviour.coerces_numbers:
        return payload
    return {member: _coerced(value) for member, value in payload.items()}


def _coerced(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    # A float beyond 15 digits is no exact number of shillings or digits of a telephone; it stays a number.
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 10**15)
    return str(int(value)) if whole else value


def member_breaches(
    contract: Contract, command: Command, payload: Mapping[str, Any], behaviour: Behaviour
) -> Iterator[MemberBreach]:
    """Every member of `payload` that breaks a rule, each once; nothing if the payload is acceptable."""
    known = _members(contract, command)
    extra = [member for member in payload if member not in known]
    if behaviour.refuses_unknown_fields:
        for member in extra:
            yield MemberBreach(member, "unknown-field", f"{command.name} has no such field")
    for member in _texts(contract, command):
        text = payload.get(member)
        if isinstance(text, str) and len(text) > LONGEST_MESSAGE:
            yield MemberBreach(member, "too-long", f"{member} must have at most {LONGEST_MESSAGE} characters")
    documented = {member: value for member, value in payload.items() if member in known}
    for fault in _faults(contract, command, documented, behaviour):
        tag, _, text = next(row for row in _TAGS if row[1](fault))
        yield MemberBreach(fault.member, tag, text.format(fault.member))


def _faults(contract: Contract, command: Command, payload: Mapping[str, Any], behaviour: Behaviour) -> Iterator[_Fault]:
    if contract.schemas.takes(f"{command.folder}/request", payload):
        return
    keywords: dict[str, set[str]] = {}
    for violation in contract.schemas.violations(command.request_schema, payload):
        member = violation.pointer[1:]
        if not _excused(contract, command, member, violation.keyword, payload.get(member), behaviour):
            keywords.setdefault(member, set()).add(violation.keyword)
    for member, broken in keywords.items():
        value = payload.get(member)
        # What is wrong with a number in digits, too, is worse than that it is a number.
        in_digits: frozenset[str] = frozenset()
        if _is_number(value):
            in_digits = _violated(contract, command, {**payload, member: str(value)}, member)
        yield _Fault(member, in_digits or frozenset(broken), str(value) if in_digits else value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _violated(contract: Contract, command: Command, payload: Mapping[str, Any], member: str) -> frozenset[str]:
    found = contract.schemas.violations(command.request_schema, payload)
    return frozenset(violation.keyword for violation in found if violation.pointer[1:] == member)


def _excused(  # noqa: PLR0913, PLR0917 - what is broken, and who it is sent to
    contract: Contract, command: Command, member: str, keyword: str, value: Any, behaviour: Behaviour
) -> bool:
    """Whether the gateway accepts what the strict schema does not: the contract is silent there."""
    if keyword == "maxLength" and member in _texts(contract, command):
        return True
    paid = command.money is not None and member == command.money.member
    rules = contract.schemas.resolved(command.request_schema)["properties"] if paid else {}
    if behaviour.unlimited_payments and paid and documented_range(rules[member]) is None:
        form = BEYOND_ANY_LIMIT
    elif behaviour.lenient_phone_numbers and member == contract.members.recipient:
        form = LENIENT_NUMBER
    else:
        return False
    found = contract.schemas.violations(command.tolerated_schema, {member: value})
    tolerated = not any(each.pointer[1:] == member for each in found)
    return isinstance(value, str) and form.fullmatch(value) is not None and tolerated


@cache
def _texts(contract: Contract, command: Command) -> frozenset[str]:
    """The members that are messages for people."""
    rules = contract.schemas.resolved(command.request_schema).get("properties", {})
    return frozenset(name for name, rule in rules.items() if "x-characters" in rule)
