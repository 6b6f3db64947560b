"""What a faulty gateway does with a request because of those before it, or of those that come at the same instant.

A gateway sees no groups and no bursts; the functions here tell by the phone number what belongs together. Numbers are
drawn, so requests to one number within `INSTANT_S` are those of a burst, but for the documented sample's number and
for what the contract leaves open. Airtime is left alone there: within its window requests to one number are a sequence.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.commands import COMMANDS
from conformance.contract.schemas import violations
from conformance.mock_gateway.behaviour import Behaviour, Delivery, Moment, Reply
from conformance.mock_gateway.fault_admission import member, to_the_sample_number
from conformance.mock_gateway.fault_changes import (
    UNEXCUSED,
    Change,
    ChoiceOfId,
    DeliveriesChange,
    ReplyChange,
    Which,
    nth,
)

# A burst is there within milliseconds; on a busy machine it may take longer, and nothing else comes to its number.
INSTANT_S = 2.0
# So long a gateway takes to note a request down; a burst is there before that, and nobody else. Of small change, which
# sequences move, so that not every answer takes so long.
LOOKING_S = 0.3
SMALL_CHANGE = frozenset(map(str, range(12, 412)))
# A notification waits so long for another one to be taken for; well within the time that runs allow.
HELD_S = 1.0
# The other has to be there by then, or it would be too late for the one that waits.
SWAPPED_WITHIN_S = 0.8

# More requests than are ever on their way together.
NOT_AT_ONCE = 40
# By how many numbers each command is behind the one that was first asked for before it.
LATER_BY = 2

WINDOW = "window"
SPENT_ON_A_REFUSAL = 1  # shillings

PAYMENTS = frozenset({"mpesa/online", "mpesa-wallet"})
BURSTS = frozenset({"sms", "mpesa-wallet"})

Pair = tuple[str, str]


def pair(moment: Moment) -> Pair:
    """Phone number and amount of a request whose body is an object."""
    return member(moment, "phone_number"), member(moment, "amount")


# --- The window


def refuses_by_memory(refuses: Callable[[Moment], bool], remember: Callable[[Moment], None], tag: str) -> Change:
    """Lawful requests of which `refuses` says so are refused; every request is shown to `remember` afterwards."""

    def change(behaviour: Behaviour) -> Behaviour:
        def refusal(moment: Moment) -> str | None:
            return tag if refuses(moment) else None

        def remembered(reply: Reply, moment: Moment) -> Reply:
            remember(moment)
            return reply

        return replace(
            behaviour,
            additional_refusals=(*behaviour.additional_refusals, refusal),
            reply=(*behaviour.reply, remembered),
        )

    return change


def _anew(make: Callable[[], Change]) -> Change:
    """A change with a memory of its own for each behaviour that it is applied to."""

    def change(behaviour: Behaviour) -> Behaviour:
        begun = make()
        return begun(behaviour)

    return change


def airtime_alike(key: Callable[[Pair], Hashable]) -> Change:
    """Airtime is refused, in the words for a repeat, if one whose pair has the same `key` was accepted."""

    def make() -> Change:
        known: dict[Hashable, Pair] = {}

        def refuses(moment: Moment) -> bool:
            before = known.get(key(pair(moment))) if moment.command == "airtime" else None
            return before is not None and before != pair(moment)

        def remember(moment: Moment) -> None:
            if moment.command == "airtime" and moment.refusal is None:
                known[key(pair(moment))] = pair(moment)

        return refuses_by_memory(refuses, remember, WINDOW)

    return _anew(make)


def masked(of: Pair) -> Hashable:
    """The pair with a phone number as notifications show it."""
    phone_number, amount = of
    return phone_number[:4], phone_number[-3:], amount


def without_last_digit(of: Pair) -> Hashable:
    """The pair with a phone number that lacks its end."""
    phone_number, amount = of
    return phone_number[:-1], amount


def only_the_last_amount() -> Change:
    """Of each phone number only the amount that was accepted last is known."""

    def make() -> Change:
        last: dict[str, str] = {}

        def refuses(moment: Moment) -> bool:
            phone_number, amount = pair(moment)
            return moment.command == "airtime" and last.get(phone_number) == amount

        def remember(moment: Moment) -> None:
            if moment.command == "airtime" and moment.refusal is None:
                last.update([pair(moment)])

        return refuses_by_memory(refuses, remember, WINDOW)

    return _anew(make)


def noted_too_late() -> Change:
    """Airtime of small change is noted down only as its answer leaves, a while after it was looked for.

    Which requests came at the same moment is told by that while: nobody who waits for the answer is that quick.
    """

    def make() -> Change:
        noted: dict[Pair, float] = {}

        def concerns(moment: Moment) -> bool:
            return moment.command == "airtime" and member(moment, "amount") in SMALL_CHANGE

        def refuses(moment: Moment) -> bool:
            at = noted.get(pair(moment))
            return moment.command == "airtime" and at is not None and at <= moment.now

        def noting(reply: Reply, moment: Moment) -> Reply:
            if moment.command != "airtime" or moment.refusal is not None:
                return reply
            after_s = LOOKING_S if concerns(moment) else 0.0
            noted.setdefault(pair(moment), moment.now + after_s)
            return replace(reply, after_s=after_s)

        def change(behaviour: Behaviour) -> Behaviour:
            refusing = (*behaviour.additional_refusals, lambda moment: WINDOW if refuses(moment) else None)
            return replace(behaviour, additional_refusals=refusing, reply=(*behaviour.reply, noting))

        return change

    return _anew(make)


def rejected_ones_too(*tags: str) -> Change:
    """Airtime is refused if one with its pair was refused with one of the tags."""

    def make() -> Change:
        rejected: set[bytes] = set()

        def refuses(moment: Moment) -> bool:
            return moment.command == "airtime" and _likeness(moment) in rejected

        def remember(moment: Moment) -> None:
            if moment.command == "airtime" and moment.refusal in tags:
                rejected.add(_likeness(moment))

        return refuses_by_memory(refuses, remember, WINDOW)

    return _anew(make)


def _likeness(moment: Moment) -> bytes:
    """What is the same for equal pairs; a body that was refused unread is not in the payload."""
    try:
        members, _ = json.JSONDecoder().raw_decode(moment.request.body.decode())
    except (ValueError, RecursionError):
        return moment.request.body
    if not isinstance(members, dict):
        return moment.request.body
    return json.dumps([members.get(name) for name in ("phone_number", "amount")]).encode()


def airtime_and_payments_alike() -> Change:
    """Airtime is refused after a payment with its pair, and a payment after airtime with its pair."""

    def make() -> Change:
        known: dict[bool, set[Pair]] = {True: set(), False: set()}

        def concerns(moment: Moment) -> bool:
            return moment.command == "airtime" or moment.command in PAYMENTS

        def refuses(moment: Moment) -> bool:
            return concerns(moment) and pair(moment) in known[moment.command != "airtime"]

        def remember(moment: Moment) -> None:
            if concerns(moment) and moment.refusal is None:
                known[moment.command == "airtime"].add(pair(moment))

        return refuses_by_memory(refuses, remember, WINDOW)

    return _anew(make)


def third_of_equals(command: str) -> Change:
    """A request that was accepted twice is refused the third time; those to the sample number are spared."""

    def make() -> Change:
        times: dict[bytes, int] = defaultdict(int)

        def refuses(moment: Moment) -> bool:
            known = moment.command == command and times.get(moment.request.body, 0) > 1
            return known and not to_the_sample_number(moment)

        def remember(moment: Moment) -> None:
            if moment.command == command and moment.refusal is None:
                times[moment.request.body] += 1

        return refuses_by_memory(refuses, remember, UNEXCUSED)

    return _anew(make)


# --- At the same instant


@dataclass(slots=True)
class _Seen:
    """A request to a phone number: when it came, its body, and whatever is kept of it."""

    at: float
    body: bytes
    kept: Any


class Instants:
    """The last ordinary request of some commands to each phone number."""

    def __init__(self, commands: frozenset[str]) -> None:
        self._commands = commands
        self._last: dict[tuple[str | None, str], _Seen] = {}

    def concerns(self, moment: Moment) -> bool:
        """Whether it is an ordinary request that is accepted so far."""
        if moment.command not in self._commands or moment.refusal is not None or to_the_sample_number(moment):
            return False
        return not violations(f"{COMMANDS[moment.command].folder}/request", moment.payload)

    def before(self, moment: Moment, within_s: float = INSTANT_S) -> _Seen | None:
        """Another request to its number, so shortly before that it may have been at the same instant."""
        seen = self._last.get(self._key(moment))
        near = seen is not None and moment.now - seen.at < within_s and seen.body != moment.request.body
        return seen if near else None

    def remember(self, moment: Moment, kept: Any = None) -> None:
        """Take it for the last one to its number."""
        self._last[self._key(moment)] = _Seen(moment.now, moment.request.body, kept)

    def _key(self, moment: Moment) -> tuple[str | None, str]:
        return moment.command, member(moment, "phone_number")


def sharing_ids_at_once() -> ChoiceOfId:
    """A request gets the id of another one to its phone number that came at the same instant."""
    instants = Instants(BURSTS)

    def choose(moment: Moment) -> str:
        if not instants.concerns(moment):
            return moment.request_id
        before = instants.before(moment)
        chosen = before.kept if before else moment.request_id
        instants.remember(moment, chosen)
        return str(chosen)

    return choose


def one_at_a_time() -> Change:
    """A request is refused if another one to its phone number came at the same instant."""

    def make() -> Change:
        instants = Instants(BURSTS)

        def refuses(moment: Moment) -> bool:
            return instants.concerns(moment) and instants.before(moment) is not None

        def remember(moment: Moment) -> None:
            if instants.concerns(moment):
                instants.remember(moment)

        return refuses_by_memory(refuses, remember, UNEXCUSED)

    return _anew(make)


def swapped_at_once() -> DeliveriesChange:
    """Two payments to one phone number at the same instant: each is told of under the other's request_id."""
    instants = Instants(PAYMENTS)

    def change(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        if not sent or not instants.concerns(moment):
            return sent
        # Held back and not written yet, so the id can still be exchanged in it.
        contents = [dict(delivery.content) for delivery in sent]
        before = instants.before(moment, SWAPPED_WITHIN_S)
        if before is not None:
            for one, other in zip(before.kept, contents, strict=True):
                one["request_id"], other["request_id"] = other["request_id"], one["request_id"]
        instants.remember(moment, contents)
        held = zip(sent, contents, strict=True)
        return tuple(replace(d, content=content, after_s=d.after_s + HELD_S) for d, content in held)

    return change


def of_the_payment_before(every: int) -> Callable[[], DeliveriesChange]:
    """Each `every`-th notification of a payment tells of the payment before, under its own request_id."""

    def fresh() -> DeliveriesChange:
        due = nth(every)
        last: dict[str, Any] = {}

        def change(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            if moment.command not in PAYMENTS or moment.refusal is not None:
                return sent
            return tuple(told(delivery) for delivery in sent)

        def told(delivery: Delivery) -> Delivery:
            before, last[delivery.product] = last.get(delivery.product), delivery.content
            if not due() or before is None:
                return delivery
            return replace(delivery, content={**before, "request_id": delivery.content["request_id"]})

        return change

    return fresh


def to_the_callback_of_the_number() -> DeliveriesChange:
    """A notification goes to the product that its phone number was last used with, an instant ago."""
    last: dict[str, tuple[float, str]] = {}

    def change(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        number = member(moment, "phone_number")
        if not sent or not number:
            return sent
        at, product = last.get(number, (float("-inf"), ""))
        last[number] = moment.now, sent[0].product
        url = moment.callbacks.get(product)
        return tuple(replace(d, url=url) for d in sent) if url and moment.now - at < INSTANT_S else sent

    return change


def numbered_per_command(every: int) -> Callable[[], ChoiceOfId]:
    """Each `every`-th accepted request of a command gets a number there as its id, as those of the others do.

    Each command begins to count some later than the one before, and no number is given again among requests that may
    have come at the same instant: else they would now and then share an id as those do that `sharing_ids_at_once`.
    """

    def fresh() -> ChoiceOfId:
        counts: dict[str, int] = {}
        given: dict[int, int] = {}
        places = itertools.count()

        def choose(moment: Moment) -> str:
            command = COMMANDS.get(moment.command or "")
            if command is None or command.product is None or moment.refusal is not None:
                return moment.request_id
            count = counts.get(command.name, -len(counts) * LATER_BY * every) + 1
            counts[command.name] = count
            place = next(places)
            if count < 1 or count % every or place - given.get(count, -NOT_AT_ONCE) < NOT_AT_ONCE:
                return moment.request_id
            given[count] = place
            return f"REQ{count:029}"

        return choose

    return fresh


# --- The balance


def spends_on(which: Which) -> Change:
    """The account pays a shilling for each refused request that `which` takes, as its balance shows."""

    def change(behaviour: Behaviour) -> Behaviour:
        return replace(behaviour, reply=(*behaviour.reply, _spending(which)))

    return change


def _spending(which: Which) -> ReplyChange:
    spent = 0

    def shown(reply: Reply, moment: Moment) -> Reply:
        nonlocal spent
        if moment.refusal is not None:
            spent += SPENT_ON_A_REFUSAL if which(moment) else 0
            return reply
        if not isinstance(reply.content, dict) or "organization" not in reply.content:
            return reply
        organization = reply.content["organization"]
        details = organization["details"]
        left = details["available_balance"] - spent
        less = {**organization, "details": {**details, "available_balance": left}}
        return replace(reply, content={**reply.content, "organization": less})

    return shown
