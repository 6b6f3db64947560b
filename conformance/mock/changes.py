"""The changes of a row of `behaviours.toml` to answers and notifications, and which messages they choose.

    choice          a predicate for the messages that a row chooses
    of_replies      a change of answers
    of_deliveries   a change of the notifications of a request
    on_number       the answer and the notifications for a recipient with a row of its own

The suite labels a valid request, and judges it by the requirement of that label. A gateway sees no labels, so messages
are chosen by the request alone. A choice that counts is made anew for each behaviour that has it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any

from conformance.contract.command import Command, Flow, Window
from conformance.contract.contract import Contract
from conformance.contract.tables import Change, Which, copies
from conformance.mock.account import failures
from conformance.mock.behaviour import Callback, DeliveriesChange, Moment, Reply, ReplyChange
from conformance.mock.message_changes import holds, of_message, reshaping, success_outcome
from conformance.mock.rules import METHOD, UNKNOWN_COMMAND
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
    if which.busy is not None:
        requests, seconds = which.busy
        yield moment.arrivals.within(seconds, moment.now) > requests
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


def window_of(moment: Moment) -> Window | None:
    """The window of the command that the request is for."""
    return moment.asked.window if moment.asked else None


def moves_money(moment: Moment) -> bool:
    """A request that moves money."""
    return moment.asked is not None and moment.asked.moves_money


def is_payment(moment: Moment) -> bool:
    """One that does so without a window."""
    return moves_money(moment) and window_of(moment) is None


def comes_in_bursts(moment: Moment) -> bool:
    """A request of those that the suite sends several of at the same instant."""
    command = moment.asked
    if command is None or command.product is None or command.window is not None:
        return False
    return command.money is None or command.money.flow is Flow.OUT


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


# --- Changes of answers and notifications


def of_replies(change: Change) -> ReplyChange:
    """Changes the chosen answers, with a count of its own."""
    chooses, reshape = choice(change.which), reshaping(change.actions)
    return lambda reply, moment: reshape(reply, moment) if chooses(moment, reply) else reply


def of_deliveries(change: Change) -> DeliveriesChange:
    """The same of the notifications of one request, which may become more or fewer."""
    if "notify" in change.actions:
        return _notifying(change)
    chooses, reshape = choice(change.which), reshaping(change.actions)
    also, before = (
        [reshaping(actions) for actions in copies(change.actions.get(word, ()))] for word in ("also", "before")
    )
    drop = bool(change.actions.get("drop"))

    def changed(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        choices = [(delivery, chooses(moment, delivery)) for delivery in sent]
        chosen = [delivery for delivery, is_chosen in choices if is_chosen]
        remaining = [
            reshape(delivery, moment) if is_chosen else delivery
            for delivery, is_chosen in choices
            if not (is_chosen and drop)
        ]
        first = [make(delivery, moment) for delivery in chosen for make in before]
        again = [make(delivery, moment) for delivery in chosen for make in also]
        # Later notifications do not come before the answer, though the first may.
        return (*first, *remaining, *(replace(delivery, before_answer=False) for delivery in again))

    return changed


def _notifying(change: Change) -> DeliveriesChange:
    """Adds a notification of a request, though it was refused."""
    chooses = choice(change.which)

    def changed(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        product = moment.asked.product if moment.asked else None
        if product is None or product not in moment.callbacks or not chooses(moment, None):
            return sent
        roles = moment.contract.notification
        outcome = success_outcome(moment)
        if change.actions["notify"] == "failure" and moment.asked:
            failure = failures(moment.contract, moment.asked)[0]
            outcome = {roles.outcome: failure.code, roles.reason: failure.reason}
        content = {**outcome, roles.id: moment.request_id}
        return (*sent, Callback(product, moment.callbacks[product], content, roles.method))

    return changed


def on_number(
    changes: Iterable[Change], moment: Moment, reply: Reply, sent: tuple[Callback, ...]
) -> tuple[Reply, tuple[Callback, ...]]:
    """The answer to a request and its notifications as `changes` have them."""
    for change in changes:
        if change.which.to.startswith("notification"):
            sent = of_deliveries(change)(sent, moment)
        else:
            reply = of_replies(change)(reply, moment)
    return reply, sent
