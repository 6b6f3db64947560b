"""Which lawful requests a fault refuses, and on what memory.

The suite labels a valid request by what it shows, and judges it by the requirement of that label. A gateway sees no
labels; the predicates here draw the same lines from the request alone, so that a fault hits the requests of one label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from conformance.contract.commands import COMMANDS
from conformance.contract.schemas import schema
from conformance.mock_gateway.behaviour import Behaviour, Delivery, Moment, Reply
from conformance.mock_gateway.fault_changes import UNEXCUSED, Change, Which
from conformance.traffic import header

# Members of a documented sample that are another account's on another gateway.
ACCOUNT_MEMBERS = frozenset({"sender_id", "short_code"})

SEGMENT = 160  # characters of one SMS; a longer message in one line is labelled "long"
DOCUMENTED_LENGTH = 459  # characters that a gateway should take; what is longer is not contract
ASTRAL = 0x10000  # the first code point that needs four bytes in UTF-8 and two units in UTF-16
LINE_BREAKS = frozenset("\n\r\t")
# Amounts that are not near an end of the range of airtime. The suite's sequences move less.
SOME_HUNDREDS, SOME_THOUSANDS = range(500, 9001), range(5000, 9001)
NEWER_RANGES = "2541"
AIRTIME_ENDS = frozenset({"5", "10000"})
INTERNATIONAL = re.compile(r"\+254[17][0-9]{8}")
# The last digits of the phone numbers that a gateway picks some ordinary messages by; not that of the samples.
UNLUCKY_DIGITS = ("3", "5", "7", "9")


def member(moment: Moment, name: str) -> str:
    """A member of the payload that is a string; "" if it is none or there is no payload."""
    value: Any = (moment.payload or {}).get(name)
    return value if isinstance(value, str) else ""


def bare_get(moment: Moment) -> bool:
    """A GET that does not say what its body, which it does not have, is."""
    return moment.request.method == "GET" and header(moment.request.headers, "content-type") is None


def bare(moment: Moment) -> bool:
    """A request with a payload and no header that it could do without.

    The suite names itself in `User-Agent`, but not where it shows that the documented headers are enough.
    """
    return moment.payload is not None and header(moment.request.headers, "user-agent") is None


def accepting(value: str | None) -> Which:
    """Bare requests with exactly this Accept (None: without)."""
    return lambda moment: bare(moment) and header(moment.request.headers, "accept") == value


@cache
def _sample(command: str) -> Mapping[str, Any]:
    example: Mapping[str, Any] = schema(f"{COMMANDS[command].folder}/request")["examples"][0]
    return {name: value for name, value in example.items() if name not in ACCOUNT_MEMBERS}


def documented_sample(moment: Moment) -> bool:
    """The documented sample of a command, whatever sender id or short code it is sent with."""
    if not moment.payload or moment.command not in COMMANDS:
        return False
    return {n: v for n, v in moment.payload.items() if n not in ACCOUNT_MEMBERS} == _sample(moment.command)


def to_the_sample_number(moment: Moment) -> bool:
    """A request to the phone number of the documented sample, which the suite uses in many payloads."""
    return moment.command in COMMANDS and member(moment, "phone_number") == _sample(moment.command).get("phone_number")


def unlucky(moment: Moment) -> bool:
    """A message of one segment in printable ASCII, picked by the phone number; not that of the documented sample.

    Messages alone: of payments other requirements ask more than that an ordinary one is accepted.
    """
    message = member(moment, "message")
    plain = moment.command == "sms" and len(message) <= SEGMENT and message.isascii() and message.isprintable()
    return plain and member(moment, "phone_number").endswith(UNLUCKY_DIGITS)


def astral(moment: Moment) -> bool:
    """A short message in one line that holds a character above U+FFFF."""
    message = member(moment, "message")
    return len(message) <= SEGMENT and LINE_BREAKS.isdisjoint(message) and any(ord(c) >= ASTRAL for c in message)


def emoji(moment: Moment) -> bool:
    """A message whose first character above U+FFFF is of the plane that emoji are in."""
    return next((ord(c) >> 16 == 1 for c in member(moment, "message") if ord(c) >= ASTRAL), False)


def broken_into_lines(moment: Moment) -> bool:
    """A short message of plain words with a line break or a tab; other characters may be there for their own sake."""
    message = member(moment, "message")
    others = (c for c in message if c not in LINE_BREAKS)
    plain_words = all(c == " " or (c.isascii() and c.isalnum()) for c in others)
    return len(message) <= SEGMENT and not LINE_BREAKS.isdisjoint(message) and plain_words


def long(moment: Moment) -> bool:
    """A message of more than one segment, within the documented length."""
    return SEGMENT < len(member(moment, "message")) <= DOCUMENTED_LENGTH


def over_long(moment: Moment) -> bool:
    """An sms beyond the documented length."""
    return moment.command == "sms" and len(member(moment, "message")) > DOCUMENTED_LENGTH


def at_an_end(moment: Moment) -> bool:
    """An airtime amount at an end of its range."""
    return moment.command == "airtime" and member(moment, "amount") in AIRTIME_ENDS


def without_reference(moment: Moment) -> bool:
    """A payment request that leaves out the optional field."""
    return moment.command == "mpesa/online" and "bill_ref_number" not in (moment.payload or {})


def international(moment: Moment) -> bool:
    """A payload that the contract leaves open: a valid phone number behind a plus sign."""
    return INTERNATIONAL.fullmatch(member(moment, "phone_number")) is not None


def of_some_thousands(moment: Moment) -> bool:
    """Airtime of an amount that is neither near an end of its range nor small change."""
    return _airtime_of(moment, SOME_THOUSANDS)


def of_hundreds_to_2541(moment: Moment) -> bool:
    """Airtime of no small amount to a number of the newer ranges."""
    return _airtime_of(moment, SOME_HUNDREDS) and member(moment, "phone_number").startswith(NEWER_RANGES)


def _airtime_of(moment: Moment, amounts: range) -> bool:
    amount = member(moment, "amount")
    return moment.command == "airtime" and amount.isdigit() and int(amount) in amounts


def refuses_ordinary(which: Which, tag: str = UNEXCUSED) -> Change:
    """Of the requests that `which` takes, those sent for the first time, and not bare, are refused as `tag`.

    What is sent again belongs to other requirements: repeats, and requests whose credential was refused before.
    """

    def change(behaviour: Behaviour) -> Behaviour:
        seen: set[tuple[str | None, bytes]] = set()

        def refusal(moment: Moment) -> str | None:
            known = (moment.command, moment.request.body) in seen
            return tag if not known and not bare(moment) and which(moment) else None

        def remember(reply: Reply, moment: Moment) -> Reply:
            seen.add((moment.command, moment.request.body))
            return reply

        return replace(
            behaviour,
            additional_refusals=(*behaviour.additional_refusals, refusal),
            reply=(*behaviour.reply, remember),
        )

    return change


def refuses_known(command: str, *members: str) -> Change:
    """A request is refused if one with the same values of these members was accepted before.

    Those to the sample number are spared: they are there to show something else.
    """

    def change(behaviour: Behaviour) -> Behaviour:
        known: set[tuple[str, ...]] = set()

        def values(moment: Moment) -> tuple[str, ...]:
            return tuple(member(moment, name) for name in members)

        def refusal(moment: Moment) -> str | None:
            similar = moment.command == command and values(moment) in known
            return UNEXCUSED if similar and not to_the_sample_number(moment) else None

        def remember(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            if moment.command == command and moment.refusal is None:
                known.add(values(moment))
            return sent

        return replace(
            behaviour,
            additional_refusals=(*behaviour.additional_refusals, refusal),
            deliveries=(*behaviour.deliveries, remember),
        )

    return change
