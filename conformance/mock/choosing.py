"""Which messages a change is about: the words of `contract.behaviours.Which`, asked of the request at hand.

    choice          makes a predicate of a `Which`, with a count of its own
    member          a member of the request that is text
    beyond_contract     whether a request is longer than every gateway has to accept

The suite labels a valid request by what it shows, and judges it by the requirement of that label. A gateway sees no
labels; what is chosen here is chosen by the request alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import count
from typing import Any

from conformance.contract.behaviours import Which
from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.mock.behaviour import Delivery, Moment, Reply
from conformance.mock.pointing import found
from conformance.mock.refusals import METHOD, UNKNOWN_COMMAND
from conformance.model.traffic import header

Chooses = Callable[[Moment, Reply | Delivery | None], bool]

# Requests for no command, or by another method, are judged as a whole: a fault of the form would break two of them.
PATH = frozenset({UNKNOWN_COMMAND, METHOD})


def member(moment: Moment, name: str) -> str:
    """A member of the payload that is a string; "" if it is none or there is no payload."""
    value: Any = (moment.payload or {}).get(name)
    return value if isinstance(value, str) else ""


def nth(every: int) -> Callable[[], bool]:
    """A count of its own: True on each `every`-th call."""
    calls = count(1)
    return lambda: next(calls) % every == 0


def bare(moment: Moment) -> bool:
    """A request with a payload and no header that it could do without.

    The suite names itself in `User-Agent`, but not where it shows that the documented headers are enough.
    """
    return moment.payload is not None and header(moment.request.headers, "user-agent") is None


@cache
def sample_of(contract: Contract, command: Command) -> Mapping[str, Any]:
    """The documented sample of a command, but for what is registered to an account, which differs between gateways."""
    example: Mapping[str, Any] = contract.schemas.schema(f"{command.folder}/request")["examples"][0]
    return {name: value for name, value in example.items() if name not in contract.members.registered}


def is_sample(moment: Moment) -> bool:
    """The documented sample of a command, whatever is registered to the account that it is sent for."""
    if not moment.payload or moment.asked is None:
        return False
    registered = moment.contract.members.registered
    given = {name: value for name, value in moment.payload.items() if name not in registered}
    return given == sample_of(moment.contract, moment.asked)


def to_the_sample_recipient(moment: Moment) -> bool:
    """A request to the recipient of the documented sample, whom the suite uses in many payloads."""
    recipient = moment.contract.members.recipient
    if moment.asked is None or recipient is None:
        return False
    return member(moment, recipient) == sample_of(moment.contract, moment.asked).get(recipient)


@cache
def _longest(contract: Contract, command: Command) -> tuple[tuple[str, int], ...]:
    strict = contract.schemas.resolved(f"{command.folder}/request").get("properties", {})
    wide = contract.schemas.resolved(f"{command.folder}/request.tolerated").get("properties", {})
    limits = ((name, stated.get("maxLength")) for name, stated in strict.items())
    return tuple((name, most) for name, most in limits if most and "maxLength" not in wide.get(name, {}))


def beyond_contract(moment: Moment) -> bool:
    """A member is longer than every gateway has to accept, and none has to refuse it."""
    if moment.asked is None or moment.asked.product is None:
        return False
    return any(len(member(moment, name)) > most for name, most in _longest(moment.contract, moment.asked))


def choice(which: Which) -> Chooses:
    """A predicate for `which`. It counts, so each behaviour needs one of its own."""
    tests = tuple(_tests(which))
    due = nth(which.every)
    return lambda moment, message: all(test(moment, message) for test in tests) and due()


def _tests(which: Which) -> Iterator[Chooses]:
    yield from _of_message(which)
    yield from _of_request(which)
    if which.start > 1 or which.end is not None:
        last = which.end or float("inf")
        yield lambda moment, _: which.start <= moment.count <= last
    if which.turn is not None:
        place, of = which.turn
        yield lambda moment, _: moment.accepted % of == place
    if which.chance < 1:
        # Without a rule: by the id, which is drawn at random.
        yield lambda moment, _: hashlib.sha256(moment.request_id.encode()).digest()[0] / 256 < which.chance


def _of_message(which: Which) -> Iterator[Chooses]:
    group, _, part = which.to.partition(".")
    if which.refused:
        anyhow = "*" in which.refused
        yield lambda moment, _: moment.refusal is not None and (anyhow or moment.refusal in which.refused)
    elif group == "response":
        yield lambda moment, _: moment.refusal not in PATH and not beyond_contract(moment)
    if group == "response" and part:
        refused = part == "error"
        yield lambda moment, _: (moment.refusal is not None) is refused
    elif group == "notification" and part:
        yield _telling_of(succeeded=part == "success")
    if which.outcome is not None:
        yield lambda moment, message: _outcome(moment, message) == which.outcome
    if which.unsolicited is not None:
        yield lambda moment, message: _is_unsolicited(moment, message) is which.unsolicited
    if which.has is not None:
        has = which.has
        yield lambda moment, message: message is not None and message.raw is None and found(message, moment, has)


def _is_unsolicited(moment: Moment, message: Reply | Delivery | None) -> bool:
    return isinstance(message, Delivery) and message.product in moment.contract.unsolicited


def _telling_of(*, succeeded: bool) -> Chooses:
    def tells(moment: Moment, message: Reply | Delivery | None) -> bool:
        outcome = _outcome(moment, message)
        return outcome is not None and succeeded == (outcome == moment.contract.notification.success)

    return tells


def _outcome(moment: Moment, message: Reply | Delivery | None) -> str | None:
    content = message.content if message is not None else None
    told = content.get(moment.contract.notification.outcome) if isinstance(content, Mapping) else None
    return told if isinstance(told, str) else None


def _of_request(which: Which) -> Iterator[Chooses]:
    yield from _of_command(which)
    yield from (_matching(name, re.compile(pattern)) for name, pattern in which.matches.items())
    yield from (_lacking(name) for name in which.lacks)
    yield from (_with_header(name, value or None) for name, value in which.headers.items())
    if which.by is not None:
        yield lambda moment, _: moment.request.method == which.by
    if which.sample:
        yield lambda moment, _: is_sample(moment)
    if which.long is not None:
        yield lambda moment, _: beyond_contract(moment) is which.long


def _of_command(which: Which) -> Iterator[Chooses]:
    if which.posted:
        yield lambda moment, _: moment.asked is not None and moment.asked.product is not None
    if which.moves_money:
        yield lambda moment, _: moment.asked is not None and moment.asked.moves_money and moment.asked.window is None
    if which.command:
        yield lambda moment, _: moment.command in which.command
    if which.product:
        yield lambda moment, _: moment.asked is not None and moment.asked.product in which.product


def _matching(name: str, pattern: re.Pattern[str]) -> Chooses:
    return lambda moment, _: pattern.search(member(moment, name)) is not None


def _lacking(name: str) -> Chooses:
    return lambda moment, _: name not in (moment.payload or {})


def _with_header(name: str, value: str | None) -> Chooses:
    return lambda moment, _: header(moment.request.headers, name) == value
