"""What a run exercised: what certificates and badges claim, and no more.

Coverage            the commands, the notifications, and what was left out because the client does not offer it
Coverage.of         of a document that is valid as report.json
Coverage.said       as a certificate says it; None of one that was issued before certificates did
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, Level
from conformance.judging.verdicts import Verdict

# What of a gateway shows that its notifications reach the callback URLs: each accepted request is followed by one.
CALLBACKS_PROVEN = "NTF-01"

ALL_COMMANDS = "all commands"
NOTIFICATIONS = "notifications"


@dataclass(frozen=True, slots=True)
class Coverage:
    """`exercised`: the commands of which traffic was judged, with at least one requirement kept.

    `notifications`: the products whose notifications were judged. `lacks`: what the client's API does not expose, in
    its own words. `must_not_applicable`: the MUSTs that were not asked for, because the client does not offer what they
    rest on. `contract`: what was judged by, which says how many commands there are.
    """

    contract: Contract
    exercised: tuple[str, ...]
    notifications: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    must_not_applicable: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any], contract: Contract) -> Self:
        """What the run of a report exercised, which was judged by `contract`."""
        entries = document["requirements"]
        kept = [entry for entry in entries if entry["verdict"] == Verdict.PASS and entry["command"]]
        called = {entry["command"] for entry in kept if entry["actor"] != Actor.RECEIVER}
        notified = {entry["command"] for entry in kept if _tells_of_notifications(entry)}
        return cls(
            contract,
            tuple(name for name in contract.commands if name in called),
            (
                *products_of(contract, (name for name in contract.commands if name in notified)),
                *(name for name in contract.names if name in notified and name not in contract.commands),
            ),
            tuple(document.get("client", {}).get("lacks", ())),
            tuple(_not_applicable(entries)),
        )

    @classmethod
    def said(cls, extension: Mapping[str, Any], contract: Contract) -> Self | None:
        """What a certificate says of it, in our own part of its predicate."""
        told = extension.get("coverage")
        if told is None:
            return None
        names = ("exercised", "notifications", "lacks", "must_not_applicable")
        return cls(contract, *(tuple(told[name]) for name in names))

    def includes(self, other: Coverage) -> bool:
        """Whether all that the other claims to have exercised is exercised here."""
        return {*other.exercised} <= {*self.exercised} and {*other.notifications} <= {*self.notifications}

    @property
    def entry(self) -> dict[str, list[str]]:
        """As a statement holds it."""
        return {
            "exercised": list(self.exercised),
            "notifications": list(self.notifications),
            "lacks": list(self.lacks),
            "must_not_applicable": list(self.must_not_applicable),
        }

    @property
    def in_words(self) -> str:
        """`sms, account-details, notifications`: the claim of a badge; `notifications of sms` where that is not all."""
        every = {*self.exercised} == {*self.contract.commands}
        parts = [ALL_COMMANDS] if every else list(self.exercised)
        if self.notifications:
            whole = set(self.notifications) == set(products_of(self.contract, self.exercised))
            parts.append(NOTIFICATIONS if whole else f"{NOTIFICATIONS} of {', '.join(self.notifications)}")
        return ", ".join(parts) or "nothing"


def products_of(contract: Contract, commands: Iterable[str]) -> list[str]:
    """The products of those commands that are followed by notifications."""
    return [product for product in map(contract.product_of, commands) if product]


def _tells_of_notifications(entry: Mapping[str, Any]) -> bool:
    """Whether a requirement that was kept shows that notifications of its command were judged."""
    return bool(entry["actor"] == Actor.RECEIVER or entry["id"] == CALLBACKS_PROVEN)


def _not_applicable(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for entry in entries:
        if entry["verdict"] == Verdict.NOT_APPLICABLE and entry["level"] == Level.MUST:
            yield f"{entry['id']} {entry['command'] or ''}".rstrip()
