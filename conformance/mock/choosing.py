"""Choosing messages for a change, and a member of them, by the words of schemas/formats/behaviours.json.

The suite labels a valid request, and judges it by the requirement of that label. A gateway sees no labels, so the
functions here choose by the request alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import count
from typing import Any, Final

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.contract.tables import Which
from conformance.mock.behaviour import Callback, Moment, Reply
from conformance.mock.rules import METHOD, UNKNOWN_COMMAND
from conformance.model.errors import SuiteError
from conformance.model.traffic import header
from conformance.payloads.members import rules_of

Chooses = Callable[[Moment, Reply | Callback | None], bool]

# Requests for no command, or by another method, are judged as a whole: a fault of the form would break two of them.
PATH = frozenset({UNKNOWN_COMMAND, METHOD})


def nth(every: int) -> Callable[[], bool]:
    """A counter: True on each `every`-th call."""
    calls = count(1)
    return lambda: next(calls) % every == 0


def choice(which: Which) -> Chooses:
    """A predicate for `which`, with a counter of its own."""
    due = nth(which.every)
    return lambda moment, message: (
        all(_of_message(which, moment, message)) and all(_of_request(which, moment)) and due()
    )


def _of_message(which: Which, moment: Moment, message: Reply | Callback | None) -> Iterator[bool]:
    group, _, part = which.to.partition(".")
    outcome, success = _outcome(moment, message), moment.contract.notification.success
    if which.refused:
        yield moment.refusal is not None and ("*" in which.refused or moment.refusal in which.refused)
    elif group == "response":
        yield moment.refusal not in PATH and not beyond_contract(moment)
    if group == "response" and part:
        yield (moment.refusal is not None) is (part == "error")
    elif group == "notification" and part:
        yield outcome is not None and (outcome == success) is (part == "success")
    yield which.outcome in {None, outcome}
    if which.unsolicited is not None:
        unsolicited = isinstance(message, Callback) and message.product in moment.contract.unsolicited
        yield unsolicited is which.unsolicited
    if which.has is not None:
        there = message is not None and message.raw is None
        yield there and message is not None and holds(message.content, of_message(message, moment, which.has))


def _outcome(moment: Moment, message: Reply | Callback | None) -> str | None:
    content = message.content if message is not None else None
    outcome = content.get(moment.contract.notification.outcome) if isinstance(content, Mapping) else None
    return outcome if isinstance(outcome, str) else None


def _of_request(which: Which, moment: Moment) -> Iterator[bool]:
    asked, request = moment.asked, moment.request
    if which.posted:
        yield asked is not None and asked.product is not None
    if which.moves_money:
        yield asked is not None and asked.moves_money and asked.window is None
    if which.command:
        yield moment.command in which.command
    if which.product:
        yield asked is not None and asked.product in which.product
    yield from (re.search(pattern, member(moment, name)) is not None for name, pattern in which.matches.items())
    yield from (name not in (moment.payload or {}) for name in which.lacks)
    yield from (header(request.headers, name) == (value or None) for name, value in which.headers.items())
    yield which.by in {None, request.method}
    yield not which.sample or is_sample(moment)
    if which.long is not None:
        yield beyond_contract(moment) is which.long
    yield which.start <= moment.count <= (which.end or moment.count)
    if which.turn is not None:
        place, of = which.turn
        yield moment.accepted % of == place
    if which.chance < 1:
        # Without a rule: by the id, which is drawn at random.
        yield hashlib.sha256(moment.request_id.encode()).digest()[0] / 256 < which.chance


# --- Features of requests


def member(moment: Moment, name: str) -> str:
    """A member of the payload; "" if it is not a string or there is no payload."""
    value: Any = (moment.payload or {}).get(name)
    return value if isinstance(value, str) else ""


def recipient(moment: Moment) -> str:
    """The recipient in the payload, or ""."""
    return member(moment, moment.contract.members.recipient or "")


def bare(moment: Moment) -> bool:
    """A request with a payload and the documented headers alone: the suite leaves out its `User-Agent` to test that."""
    return moment.payload is not None and header(moment.request.headers, "user-agent") is None


@cache
def _sample_of(contract: Contract, command: Command) -> Mapping[str, Any]:
    """The documented sample of a command without the members with registered values, which differ between accounts."""
    example: Mapping[str, Any] = contract.schemas.schema(f"{command.folder}/request")["examples"][0]
    return {name: value for name, value in example.items() if name not in contract.members.registered}


def is_sample(moment: Moment) -> bool:
    """The documented sample of a command, with any registered values."""
    if not moment.payload or moment.asked is None:
        return False
    registered = moment.contract.members.registered
    given = {name: value for name, value in moment.payload.items() if name not in registered}
    return given == _sample_of(moment.contract, moment.asked)


def to_the_sample_recipient(moment: Moment) -> bool:
    """A request to the recipient of the documented sample, who is in many payloads of the suite."""
    name = moment.contract.members.recipient
    if moment.asked is None or name is None:
        return False
    return member(moment, name) == _sample_of(moment.contract, moment.asked).get(name)


@cache
def _longest(contract: Contract, command: Command) -> tuple[tuple[str, int], ...]:
    wide = contract.schemas.resolved(command.tolerated_schema).get("properties", {})
    limits = ((name, rule.get("maxLength")) for name, rule in rules_of(contract, command).items())
    return tuple((name, most) for name, most in limits if most and "maxLength" not in wide.get(name, {}))


def beyond_contract(moment: Moment) -> bool:
    """A member is longer than gateways have to accept, and they need not refuse it."""
    if moment.asked is None or moment.asked.product is None:
        return False
    return any(len(member(moment, name)) > most for name, most in _longest(moment.contract, moment.asked))


# --- Members of a message

# The value of a missing member.
ABSENT: Final = object()

EACH = "*"


@cache
def path_of(contract: Contract, name: str, *, notified: bool) -> tuple[str, ...]:
    """The steps to a member, by JSON pointer or by role of answers or notifications.

    Raises SuiteError for a role without a member in the contract.
    """
    if not name or name.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in name.split("/")[1:])
    roles = contract.notification if notified else contract.answer
    stated = getattr(roles, name, None)
    if not isinstance(stated, str):
        kind = "notification" if notified else "answer"
        raise SuiteError(f"a behaviour of {contract.source} names {name!r}, which no {kind} has a member for")
    return (stated,)


def of_message(message: Reply | Callback, moment: Moment, name: str) -> tuple[str, ...]:
    """The steps to a member of `message`."""
    return path_of(moment.contract, name, notified=isinstance(message, Callback))


def holds(content: Any, path: tuple[str, ...]) -> bool:
    """Whether there is a member at `path`; a step `*` is any item or member."""
    if not path:
        return True
    step, rest = path[0], path[1:]
    if step == EACH:
        below = content if isinstance(content, list) else content.values() if isinstance(content, Mapping) else ()
        return any(holds(each, rest) for each in below)
    return isinstance(content, Mapping) and step in content and holds(content[step], rest)


def edited(content: Any, path: tuple[str, ...], edit: Callable[[Any], Any]) -> Any:
    """The content with `edit` applied to the member at `path`; ABSENT is the value of a missing or deleted member.

    A step `*` is each item or member. Content without a place for the member stays as it is.
    """
    if not path:
        return edit(content)
    step, rest = path[0], path[1:]
    if step == EACH and isinstance(content, list):
        return [edited(item, rest, edit) for item in content]
    if step == EACH and isinstance(content, Mapping):
        return {name: edited(value, rest, edit) for name, value in content.items()}
    if not isinstance(content, Mapping) or (rest and step not in content):
        return content
    value = edited(content.get(step, ABSENT), rest, edit)
    others = {name: held for name, held in content.items() if name != step or value is not ABSENT}
    return others if value is ABSENT else {**others, step: value}
