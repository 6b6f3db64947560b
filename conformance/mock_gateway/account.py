"""The account that the mock gateway serves, and the phone numbers that stand for a known outcome.

    Account     credential, registered names, opening balance, callback URLs
    SCENARIOS   ending of a phone number → what becomes of a request to it

Nothing here is contract: another gateway has other accounts, and the operators decide on outcomes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from conformance.contract.command import Command
from conformance.contract.contract import Contract, statum
from conformance.mock_gateway.behaviour import Ending
from conformance.mock_gateway.chosen import (
    HTML,
    HTML_502,
    JSON,
    Alteration,
    Change,
    adding,
    before_answer,
    contradicted,
    cut_short,
    declared_as,
    disagreeing,
    lost,
    none_of,
    twice,
    unusable,
    with_extra,
)
from conformance.mock_gateway.refusals import RETRY_AFTER_S, Breach, Refusal

OPENING_BALANCE = 100_000_000
"""Whole units of money. Large enough for dozens of runs with the dearest payments (70 000 each), and still a balance
that a test with a smaller one can exhaust."""


@dataclass(frozen=True, slots=True)
class Account:
    """One integrator's account with the gateway of a contract.

    `registered`: member of requests → the values that belong to the account, spelled exactly; any other is refused.
    `balance` is the opening balance in whole units of money. `callbacks` maps a product to the callback URL registered
    for it; a product without one gets no notification.
    """

    consumer_key: str
    consumer_secret: str
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    balance: int = OPENING_BALANCE
    callbacks: Mapping[str, str] = field(default_factory=dict)
    contract: Contract = field(default_factory=statum)

    @classmethod
    def sample(
        cls,
        callbacks: Mapping[str, str] | None = None,
        balance: int = OPENING_BALANCE,
        contract: Contract | None = None,
    ) -> Account:
        """An account for trying things out, to which the values are registered that its contract gives as examples.

        Key and secret hold letters of both cases, so that a credential in another case is another credential.
        """
        contract = contract or statum()
        return cls(
            consumer_key="Sample2be989703d6dKey",
            consumer_secret="Sample3P0R4qSecret",  # noqa: S106 - it opens nothing but a mock
            registered={member: _examples(contract, member) for member in contract.members.registered},
            balance=balance,
            callbacks=dict(callbacks or {}),
            contract=contract,
        )

    @property
    def names(self) -> str:
        """What is registered to the account, in words: `sender ids Statum, 20880; short codes 174379`."""
        named = ((member.replace("_", " "), values) for member, values in self.registered.items())
        return "; ".join(f"{kind}s {', '.join(values)}" for kind, values in named)

    def told(self, balance: int) -> dict[str, Any]:
        """The members that a success answer about the account has beside those that all have."""
        roles = self.contract.account
        if roles is None:
            return {}
        content = copy.deepcopy(_account_example(self.contract))
        *path, last = (roles.balance or "/").split("/")[1:]
        holder = content
        for step in path:
            holder = holder[step]
        if last:
            holder[last] = balance
        return content


def _examples(contract: Contract, member: str) -> tuple[str, ...]:
    """The examples of a member in all requests, each once."""
    requests = (contract.schemas.resolved(f"{command.folder}/request") for command in contract.commands.values())
    stated = (request.get("properties", {}).get(member, {}) for request in requests)
    return tuple(
        dict.fromkeys(value for each in stated for value in each.get("examples", ()) if isinstance(value, str))
    )


@cache
def _account_example(contract: Contract) -> dict[str, Any]:
    """What the example of the answer about an account has beside the members with a role."""
    roles = contract.answer
    command = contract.commands[contract.account.command] if contract.account else None
    name = f"{command.folder}/response" if command else ""
    if name not in contract.schemas:
        return {}
    example: dict[str, Any] = next(iter(contract.schemas.schema(name).get("examples", ())), {})
    return {member: value for member, value in example.items() if member not in {roles.id, roles.code, roles.reason}}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a transaction ended: `code` as it is in the notification, and for a failure the operator's `reason`."""

    code: str
    reason: str = ""
    succeeded: bool = False

    @classmethod
    def success(cls, contract: Contract) -> Outcome:
        """The transaction took effect."""
        return cls(contract.notification.success, succeeded=True)


@cache
def failures(contract: Contract, command: Command) -> tuple[Outcome, ...]:
    """How a transaction of `command` may fail: as the contract lists, or as the examples of its notifications do."""
    listed = contract.behaviours.failures
    if listed:
        return tuple(Outcome(failure.outcome, failure.reason) for failure in listed)
    roles = contract.notification
    examples = contract.schemas.schema(f"{command.folder}/notification").get("examples", ())
    return tuple(Outcome(e[roles.outcome], e[roles.reason]) for e in examples if e[roles.outcome] != roles.success)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What becomes of a valid request to a chosen number.

    It is refused by the rule `refusal` or with the answer `refused` (`once`: only the first request to each number),
    or accepted and ended with the failure of that `outcome`; then `change` makes its answer another one, and `alter`
    its notifications.
    """

    summary: str
    refusal: str | None = None
    once: bool = False
    outcome: str | None = None
    refused: Refusal | None = None
    change: Change | None = None
    alter: Alteration | None = None

    @property
    def breach(self) -> Breach | None:
        """What it is refused for, if it is."""
        if self.refused is not None:
            return Breach("chosen", refusal=self.refused)
        return None if self.refusal is None else Breach(self.refusal)


def _refused(status: int, description: str, *headers: tuple[str, str]) -> Scenario:
    told = ", with Retry-After" if any(name == "Retry-After" for name, _ in headers) else ""
    return Scenario(f"answered {status} each time{told}", refused=Refusal(status, description, headers))


def _answered(summary: str, change: Change) -> Scenario:
    return Scenario(summary, change=change)


SCENARIOS: dict[str, Scenario] = {
    # Refused for a reason, or accepted and failed
    "99000402": Scenario("answered 402: the balance does not suffice", refusal="funds"),
    "99000429": Scenario("the first request is answered 429, later ones are accepted", refusal="rate", once=True),
    "99000404": Scenario("accepted; fails because the subscriber is unknown", outcome="404"),
    "99000408": Scenario("accepted; fails because the subscriber does not respond", outcome="408"),
    "99000500": Scenario("accepted; fails at the operator", outcome="500"),
    # Answered with an error
    "99001400": _refused(400, "The request is malformed"),
    "99001401": _refused(401, "Authentication failed"),
    "99001403": _refused(403, "Access denied"),
    "99001404": _refused(404, "There is no such command"),
    "99001422": _refused(422, "Validation failed: this number is not taken"),
    "99001429": _refused(429, "Too many requests; slow down", ("Retry-After", str(RETRY_AFTER_S))),
    "99001500": _refused(500, "Internal error; try again later"),
    "99001503": _refused(503, "Not available; try again later"),
    # Taken, and the answer is lost
    "99002001": _answered("the connection is closed before the answer", lost(Ending.BEFORE)),
    "99002002": _answered("the connection is closed in the middle of the answer", lost(Ending.MIDDLE)),
    "99002003": _answered("the connection is closed at the end of the answer", lost(Ending.AFTER)),
    "99002004": _answered("never answered", lost(Ending.NEVER)),
    # Taken, and the answer cannot be used
    "99003001": _answered("answered with an HTML page and 502", unusable(502, HTML, HTML_502)),
    "99003002": _answered("answered with 200 and nothing", unusable(200, JSON, b"")),
    "99003003": _answered("answered with half a JSON text", cut_short),
    "99003004": _answered("answered in the envelope, declared as HTML", declared_as(HTML)),
    "99003005": _answered("answered with a JSON array", unusable(200, JSON, b"[]")),
    "99003006": _answered("answered with HTTP 200, status_code 402", disagreeing(200, 402, "Insufficient funds")),
    "99003007": _answered("answered with HTTP 402, status_code 200", disagreeing(402, 200, "Operation successful")),
    # Accepted in another way
    "99004001": Scenario("accepted; the answer has extra fields", change=adding(balance=12.5, operator={"codes": [1]})),
    "99004002": Scenario("accepted; the description is another one", change=adding(description="Ombi limepokelewa 👍")),
    "99004003": Scenario("accepted; Content-Type has a charset", change=declared_as(f"{JSON}; charset=utf-8")),
    # Accepted, and notified of in another way
    "99005001": Scenario("accepted; notified of before the answer", alter=before_answer),
    "99005002": Scenario("accepted; notified of twice", alter=twice),
    "99005003": Scenario("accepted; notified of success, then of failure", alter=contradicted),
    "99005004": Scenario("accepted; the notification has extra fields", alter=with_extra),
    "99005005": Scenario("accepted; never notified of", alter=none_of),
}
"""Last digits of the phone number → what happens, as in 254799000500. Eight digits, so that numbers which are drawn or
counted up do not meet one by chance: a lawful request would then be refused."""

_ENDING = 8


def scenario_for(phone_number: object) -> Scenario | None:
    """The scenario that the ending of `phone_number` calls for, or None."""
    return SCENARIOS.get(phone_number[-_ENDING:]) if isinstance(phone_number, str) else None
