"""The coverage of a run, as certificates and badges claim it, and the policy of their reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from conformance.certificate.envelope import Rejected
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, ByRule, Level
from conformance.judging.verdicts import Verdict
from conformance.model.errors import UsageError, did_you_mean
from conformance.reports.report import Report

# The rule by which a gateway shows that its notifications reach the callback URLs.
CALLBACKS_PROVEN = ByRule("each-accepted-request-is-notified")

ALL_COMMANDS = "all commands"
NOTIFICATIONS = "notifications"

_MEMBERS = ("exercised", "notifications", "lacks", "must_not_applicable")


@dataclass(frozen=True, slots=True)
class Claims:
    """The coverage of a run that was judged by `contract`.

    `exercised`: the commands with at least one PASS. `notifications`: the products whose notifications were
    judged. `lacks`: what the client's API does not expose, in its own words. `must_not_applicable`: the MUSTs that do
    not apply because the client lacks a feature.
    """

    contract: Contract
    exercised: tuple[str, ...]
    notifications: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    must_not_applicable: tuple[str, ...] = ()

    @classmethod
    def of(cls, report: Report, contract: Contract) -> Self:
        """Read the coverage off the report of a run that was judged by `contract`."""
        passed = [entry for entry in report.requirements if entry.verdict is Verdict.PASS and entry.command]
        called = {entry.command for entry in passed if entry.actor is not Actor.RECEIVER}
        proof = contract.catalogue.judged_by(CALLBACKS_PROVEN)
        notified = {entry.command for entry in passed if entry.actor is Actor.RECEIVER or entry.id in proof}
        return cls(
            contract,
            tuple(name for name in contract.commands if name in called),
            (
                *products_of(contract, (name for name in contract.commands if name in notified)),
                *(name for name in contract.names if name in notified and name not in contract.commands),
            ),
            report.client.lacks if report.client else (),
            tuple(
                entry.name
                for entry in report.requirements
                if entry.verdict is Verdict.NOT_APPLICABLE and entry.level is Level.MUST
            ),
        )

    @classmethod
    def stated(cls, extension: Mapping[str, Any], contract: Contract) -> Self | None:
        """Read the coverage off our part of a certificate's predicate; older certificates state none."""
        coverage = extension.get("coverage")
        return None if coverage is None else cls(contract, *(tuple(coverage[name]) for name in _MEMBERS))

    def includes(self, other: Claims) -> bool:
        """Whether this covers everything that `other` claims."""
        return {*other.exercised} <= {*self.exercised} and {*other.notifications} <= {*self.notifications}

    @property
    def entry(self) -> dict[str, list[str]]:
        """As a statement holds it."""
        return {name: list(getattr(self, name)) for name in _MEMBERS}

    @property
    def in_words(self) -> str:
        """As a badge claims it: `sms, account-details, notifications`, or `notifications of sms` if only of some."""
        every = {*self.exercised} == {*self.contract.commands}
        parts = [ALL_COMMANDS] if every else list(self.exercised)
        if self.notifications:
            whole = set(self.notifications) == set(products_of(self.contract, self.exercised))
            parts.append(NOTIFICATIONS if whole else f"{NOTIFICATIONS} of {', '.join(self.notifications)}")
        return ", ".join(parts) or "nothing"


def products_of(contract: Contract, commands: Iterable[str]) -> list[str]:
    """The products of those commands that are followed by notifications."""
    return [product for product in map(contract.product_of, commands) if product]


@dataclass(frozen=True, slots=True)
class Policy:
    """The coverage that a reader requires: of `commands`, and of the notifications of their `products`.

    `notifications` without commands: of any product. `strict`: no SHOULD may be broken.
    """

    commands: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    notifications: bool = False
    strict: bool = False

    @classmethod
    def of(cls, required: Sequence[str], contract: Contract, *, strict: bool = False) -> Self:
        """Parse names of commands, separated by commas or in several values. Raises UsageError for an unknown name."""
        names = [name.strip() for each in required for name in each.split(",")]
        known = [*contract.commands, NOTIFICATIONS]
        for name in names:
            if name not in known:
                raise UsageError(
                    f"--require names {name!r}; expected {', '.join(contract.commands)} or {NOTIFICATIONS}",
                    hint=did_you_mean(name, known),
                )
        commands = tuple(name for name in contract.commands if name in names)
        return cls(commands, tuple(products_of(contract, commands)), NOTIFICATIONS in names, strict)

    def check(self, coverage: Claims | None, warned: Iterable[str]) -> None:
        """Raise Rejected unless the coverage (None: unknown) and the broken SHOULDs of a certificate suffice."""
        exercised = () if coverage is None else coverage.exercised
        notified = () if coverage is None else coverage.notifications
        missing = [name for name in self.commands if name not in exercised]
        if self.notifications and (lacking := [product for product in self.products if product not in notified]):
            missing.append(f"{NOTIFICATIONS} of {', '.join(lacking)}")
        elif self.notifications and not notified:
            missing.append(NOTIFICATIONS)
        if missing and coverage is None:
            why = "it was issued before certificates said what they cover"
            raise Rejected(f"policy: it is not known to cover {', '.join(missing)}: {why}")
        if missing and coverage is not None:
            raise Rejected(f"policy: it does not cover {', '.join(missing)}; it covers {coverage.in_words}")
        if self.strict and (broken := list(warned)):
            raise Rejected(f"policy: no SHOULD may be broken; broken are {', '.join(broken)}")
