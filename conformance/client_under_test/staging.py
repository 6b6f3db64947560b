"""How the gateway behaves that a client meets: each way one small function from what is known of a case.

    Setting         what a way of behaving may depend on: the case's nonce, the host that redirects lead to
    accepting … dripping    makers of behaviours, of which `conformance.client_under_test.scenarios` is made
    recovering              makes of a gateway that fails one that works again later

Whatever the client sends, the witness plays its scenario: no rule about requests is enforced here, so that one
misbehaviour in sending leaves all else to be seen. What was wrong with a request is for the checks to say.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from conformance.contract.contract import Contract
from conformance.mock_gateway import chosen
from conformance.mock_gateway.behaviour import DRIP_EVERY_S, Behaviour, Ending, Moment, Reply, Wire
from conformance.mock_gateway.refusals import TAGS

LENIENT = Behaviour(waived=TAGS)

JSON = "application/json"

# What Retry-After tells, in seconds: longer than the pause that many clients make whatever they are told.
RETRY_AFTER_S = 2

# How far ahead a date in Retry-After lies at least. It has no parts of a second, so that it may be one more.
DATE_AHEAD_S = 1.5

# A timer of a client may end so much sooner.
EARLY_S = 0.05

# Of a client's time-out, between two bytes of an answer that drips: no single read takes too long.
DRIPS_IN_A_TIMEOUT = 4


@dataclass(frozen=True, slots=True)
class Setting:
    """`nonce` is the case's own, for texts that no client can know; `elsewhere`: its base URL at another host.

    `timeout_s` is the client's time-out.
    """

    contract: Contract
    nonce: str
    elsewhere: str
    timeout_s: float = 2.0


Staging = Callable[[Setting], Behaviour]


def accepting(**changes: Any) -> Staging:
    """Accepts; further members of the answer, or other ones, are `changes`."""
    return _replying(chosen.adding(**changes))


def with_id(request_id: str) -> Staging:
    """Accepts, with a request_id that is this and, for uniqueness, the digits of the nonce in its place of `{}`."""
    return lambda setting: replace(
        LENIENT, new_id=lambda _moment, _random: request_id.format(str(int(setting.nonce, 16)))
    )


def on_wire(**wire: Any) -> Staging:
    """Accepts, and puts the answer on the wire in another lawful way."""
    return lambda _: replace(LENIENT, wire=Wire(**wire))


def declared_as(content_type: str) -> Staging:
    """Accepts, with another Content-Type."""
    return _replying(chosen.declared_as(content_type))


def refusing(status: int, description: str, *headers: tuple[str, str], **members: Any) -> Staging:
    """Answers with an error in the envelope; the description ends with the nonce, so that it has to be read."""

    def staging(setting: Setting) -> Behaviour:
        said = f"{description} [{setting.nonce}]"

        def refused(_reply: Reply, moment: Moment) -> Reply:
            roles = setting.contract.answer
            content = {roles.code: status, roles.reason: said, roles.id: moment.request_id, **members}
            return Reply(status, (("Content-Type", JSON), *headers), content)

        return replace(LENIENT, reply=(refused,))

    return staging


def disagreeing(http_status: int, status_code: int, description: str) -> Staging:
    """Answers with an HTTP status and a status_code that contradict each other."""
    return _replying(chosen.disagreeing(http_status, status_code, description))


def unusable(status: int, content_type: str, body: bytes) -> Staging:
    """Answers with something that is not the envelope."""
    return _replying(chosen.unusable(status, content_type, body))


def cut_short() -> Staging:
    """Answers with the first half of the JSON text, and says that this is all."""
    return _replying(chosen.cut_short)


def lost(ending: Ending) -> Staging:
    """Takes the request, and loses the answer."""
    return _replying(chosen.lost(ending))


def dripping() -> Staging:
    """Takes the request, and never gets to the end of the answer, though each byte comes in time."""
    return lambda setting: replace(
        LENIENT, reply=(chosen.dripping(min(DRIP_EVERY_S, setting.timeout_s / DRIPS_IN_A_TIMEOUT)),)
    )


def recovering(failing: Staging) -> Staging:
    """Fails the first request as `failing` does, and accepts what comes after it.

    Whether a client sends again, and how soon, is seen by then; one that waits as it is advised to is not kept waiting.
    """

    def staging(setting: Setting) -> Behaviour:
        behaviour = failing(setting)

        def failed(reply: Reply, moment: Moment) -> Reply:
            for change in behaviour.reply if moment.count == 1 else ():
                reply = change(reply, moment)
            return reply

        return replace(behaviour, reply=(failed,))

    return staging


def slowing(description: str, *, as_date: bool = False) -> Staging:
    """Answers 429 with Retry-After, in seconds or as a date, until that has passed."""

    def staging(setting: Setting) -> Behaviour:
        until: float | None = None
        told = ""

        def slowed(reply: Reply, moment: Moment) -> Reply:
            nonlocal until, told
            if until is None:
                now = time.time()
                date = math.ceil(now + DATE_AHEAD_S)
                told = formatdate(date, usegmt=True) if as_date else str(RETRY_AFTER_S)
                until = moment.now + (date - now if as_date else RETRY_AFTER_S)
            if moment.now >= until - EARLY_S:
                return reply
            roles = setting.contract.answer
            content = {roles.code: 429, roles.reason: f"{description} [{setting.nonce}]", roles.id: moment.request_id}
            return Reply(429, (("Content-Type", JSON), ("Retry-After", told)), content)

        return replace(LENIENT, reply=(slowed,))

    return staging


def redirecting(status: int) -> Staging:
    """Sends the client to another host."""

    def staging(setting: Setting) -> Behaviour:
        def redirected(_reply: Reply, moment: Moment) -> Reply:
            target = moment.request.url.removeprefix(setting.contract.base_path)
            return Reply(status, (("Location", setting.elsewhere + target),), None, b"")

        return replace(LENIENT, reply=(redirected,))

    return staging


def _replying(change: chosen.Change) -> Staging:
    return lambda _: replace(LENIENT, reply=(change,))
