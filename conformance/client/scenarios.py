"""What is put before a client: the scenarios of the contract, played by the mock gateway.

    SENDING         the scenario that all valid payloads are sent under
    OPENING         that of a call which leaves a connection open for the next one
    answered_with   the usual answer, with an id of ours
    Setting         what a scenario may depend on: the case's nonce, where redirects lead to, the client's time-out
    played          a scenario as the behaviour of a gateway
    says_accepted   whether an answer says, for everybody to read, that the request was accepted

Whatever the client sends, the witness plays its scenario: no rule about requests is enforced here, so that one
misbehaviour in sending leaves all else to be seen. What was wrong with a request is for the checks to say.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from email.utils import formatdate

from conformance.contract.behaviours import ScenarioRow
from conformance.contract.contract import Contract
from conformance.mock.behaviour import Behaviour, Ending, Moment, Reply, ReplyChange
from conformance.mock.changes import changed_by
from conformance.mock.rules import TAGS
from conformance.model.traffic import header

SENDING = ScenarioRow("accepted", "accepted")
OPENING = ScenarioRow("opening", "accepted; the next call has the same base URL")

LENIENT = Behaviour(waived=TAGS)

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
    """`nonce` is the case's own, for texts that no client can know; `elsewhere`: its address at another host.

    `timeout_s` is the client's time-out.
    """

    nonce: str
    elsewhere: str
    timeout_s: float = 2.0


def answered_with(request_id: str) -> ScenarioRow:
    """The usual answer, with this id."""
    return ScenarioRow.from_entry({"name": SENDING.name, "summary": SENDING.summary, "changes": [{"ids": request_id}]})


def played(scenario: ScenarioRow, setting: Setting) -> Behaviour:
    """How a gateway behaves that a client meets in this scenario."""
    number = f"{int(setting.nonce, 16):020}"
    texts = {
        "nonce": setting.nonce,
        "number": number,
        "node": setting.nonce.zfill(12)[-12:],
        "short": number[-6:],
        "elsewhere": setting.elsewhere,
    }
    behaviour = changed_by(scenario.changes, texts)(LENIENT)
    if scenario.waits is not None:
        behaviour = replace(behaviour, reply=(_until_passed(behaviour.reply, as_date=scenario.waits == "date"),))
    every_s = setting.timeout_s / DRIPS_IN_A_TIMEOUT
    return replace(behaviour, reply=(*behaviour.reply, lambda reply, _: _dripping(reply, every_s)))


def _dripping(reply: Reply, every_s: float) -> Reply:
    return replace(reply, drip_every_s=min(reply.drip_every_s, every_s))


def _until_passed(changes: tuple[ReplyChange, ...], *, as_date: bool) -> ReplyChange:
    """The changes, with a Retry-After, until what that tells has passed."""
    until: float | None = None
    told = ""

    def waited(reply: Reply, moment: Moment) -> Reply:
        nonlocal until, told
        if until is None:
            now = time.time()
            date = math.ceil(now + DATE_AHEAD_S)
            told = formatdate(date, usegmt=True) if as_date else str(RETRY_AFTER_S)
            until = moment.now + (date - now if as_date else RETRY_AFTER_S)
        if moment.now >= until - EARLY_S:
            return reply
        for change in changes:
            reply = change(reply, moment)
        return replace(reply, headers=(*reply.headers, ("Retry-After", told)))

    return waited


def says_accepted(reply: Reply, contract: Contract) -> bool:
    """Whether it is whole, declared as JSON, and says in the envelope that the request was accepted."""
    roles = contract.answer
    if reply.ending is not Ending.WHOLE or reply.raw is not None or reply.status != roles.success:
        return False
    declared = (header(reply.headers, "content-type") or "").partition(";")[0]
    told = reply.content.get(roles.code) if isinstance(reply.content, dict) else None
    return declared == "application/json" and told == roles.success
