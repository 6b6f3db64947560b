"""The account that the mock gateway serves, and the recipients whose numbers have a known outcome.

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
from conformance.contract.tables import NumberRow

# Whole units of money: enough for dozens of runs with the dearest payments (70 000 each).
OPENING_BALANCE = 100_000_000


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
        """An account with the examples of its contract as registered values.

        Key and secret hold letters of both cases, so that a credential in another case is another credential.
        """
        contract = contract or statum()
        key, secret = "Sample2be989703d6dKey", "Sample3P0R4qSecret"
        return cls(key, secret, contract.members.registered, balance, dict(callbacks or {}), contract)

    @property
    def names(self) -> str:
        """The registered values in words: `sender ids Statum, 20880; short codes 174379`."""
        named = ((member.replace("_", " "), values) for member, values in self.registered.items())
        return "; ".join(f"{kind}s {', '.join(values)}" for kind, values in named)

    def details(self, balance: int) -> dict[str, Any]:
        """The members that only an answer about the account has."""
        roles, answer, schemas = self.contract.account, self.contract.answer, self.contract.schemas
        if roles is None:
            return {}
        name = f"{self.contract.commands[roles.command].folder}/response"
        examples = schemas.schema(name).get("examples", ()) if name in schemas else ()
        content: dict[str, Any] = copy.deepcopy(dict(next(iter(examples), {})))
        for member in (answer.id, answer.code, answer.reason):
            content.pop(member, None)
        *path, last = (roles.balance or "/").split("/")[1:]
        holder = content
        for step in path:
            holder = holder[step]
        if last:
            holder[last] = balance
        return content


@dataclass(frozen=True, slots=True)
class TransactionOutcome:
    """How a transaction ended: `code` as it is in the notification, and for a failure the operator's `reason`."""

    code: str
    reason: str = ""
    succeeded: bool = False

    @classmethod
    def success(cls, contract: Contract) -> TransactionOutcome:
        """The transaction took effect."""
        return cls(contract.notification.success, succeeded=True)


@cache
def failures(contract: Contract, command: Command) -> tuple[TransactionOutcome, ...]:
    """How a transaction of `command` may fail: as the contract lists, or as the examples of its notifications do."""
    listed = contract.behaviours.failures
    if listed:
        return tuple(TransactionOutcome(failure.outcome, failure.reason) for failure in listed)
    roles = contract.notification
    examples = contract.schemas.schema(f"{command.folder}/notification").get("examples", ())
    return tuple(
        TransactionOutcome(e[roles.outcome], e[roles.reason]) for e in examples if e[roles.outcome] != roles.success
    )


@cache
def numbers(contract: Contract) -> Mapping[str, NumberRow]:
    """How requests to numbers end, by the last characters of the number."""
    return {row.ending: row for row in contract.behaviours.numbers}


def number_row(contract: Contract, recipient: object) -> NumberRow | None:
    """The row for the longest ending of the number that has one, or None."""
    if not isinstance(recipient, str):
        return None
    rows = numbers(contract)
    endings = (recipient[-length:] for length in range(max(map(len, rows), default=0), 0, -1))
    return next((rows[ending] for ending in endings if ending in rows), None)
