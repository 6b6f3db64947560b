"""Request ids that a faulty gateway chooses: repeated, equal for equal requests, telling.

Each function makes a `ChoiceOfId` with a memory of its own. An id is only ever shared by requests with the same
outcome: a notification for an accepted request must not look like one for a refused request.
"""

from __future__ import annotations

from collections import defaultdict

from conformance.contract.commands import COMMANDS
from conformance.mock_gateway.behaviour import Moment
from conformance.mock_gateway.fault_admission import member
from conformance.mock_gateway.fault_answers import any_answer
from conformance.mock_gateway.fault_changes import ChoiceOfId, nth

EVERY = 10
# How many accepted requests back the repeated id was given: not the last one, which would be the easiest to notice.
BACK = 5


def repeating() -> ChoiceOfId:
    """Each tenth accepted request gets the id of an earlier one of its command, one with another payload."""
    due = nth(EVERY)
    holders: dict[str, dict[str, set[bytes]]] = defaultdict(dict)

    def choose(moment: Moment) -> str:
        if moment.refusal is not None or moment.command not in COMMANDS or COMMANDS[moment.command].product is None:
            return moment.request_id
        given, body = holders[moment.command], moment.request.body
        chosen = moment.request_id
        if due():
            foreign = [request_id for request_id, bodies in given.items() if body not in bodies]
            chosen = foreign[-BACK:][0] if foreign else chosen
        given.setdefault(chosen, set()).add(body)
        return chosen

    return choose


def same_for_equals() -> ChoiceOfId:
    """Equal requests with the same outcome get the same id."""
    first: dict[tuple[str | None, str, str, bytes, str | None], str] = {}

    def choose(moment: Moment) -> str:
        if not any_answer(moment):
            return moment.request_id
        request = moment.request
        key = moment.command, request.method, request.url, request.body, moment.refusal
        return first.setdefault(key, moment.request_id)

    return choose


def telling_the_phone_number() -> ChoiceOfId:
    """The id is the phone number of the payload and a counter."""

    def choose(moment: Moment) -> str:
        phone_number = member(moment, "phone_number")
        return f"{phone_number}-{moment.count:06}" if phone_number else moment.request_id

    return choose
