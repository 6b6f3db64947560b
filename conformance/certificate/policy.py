"""What whoever relies on a certificate asks of it, beside what every certificate has to hold.

Policy      the commands that it has to cover, whether notifications, and whether no SHOULD may be broken
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from conformance.certificate.coverage import NOTIFICATIONS, Coverage, products_of
from conformance.certificate.refusal import Refused
from conformance.contract.contract import Contract
from conformance.model.errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True)
class Policy:
    """`commands` that have to be covered, and their `products`.

    `notifications`: also those of these commands; of any, where none is named.

    `strict`: no SHOULD may have been broken.
    """

    commands: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    notifications: bool = False
    strict: bool = False

    @classmethod
    def of(cls, required: Sequence[str], contract: Contract, *, strict: bool = False) -> Self:
        """From names of the contract's commands, each or several between commas. Raises UsageError for another."""
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

    def check(self, coverage: Coverage | None, warned: Iterable[str]) -> None:
        """Raises Refused for a certificate that does not hold it: its coverage, None if unknown; its broken SHOULDs."""
        if missing := ", ".join(self._missing(coverage)):
            if coverage is None:
                said_nothing = "it was issued before certificates said what they cover"
                raise Refused(f"policy: it is not known to cover {missing}: {said_nothing}")
            raise Refused(f"policy: it does not cover {missing}; it covers {coverage.in_words}")
        if self.strict and (broken := list(warned)):
            raise Refused(f"policy: no SHOULD may be broken; broken are {', '.join(broken)}")

    def _missing(self, coverage: Coverage | None) -> Iterator[str]:
        exercised = () if coverage is None else coverage.exercised
        notified = () if coverage is None else coverage.notifications
        yield from (name for name in self.commands if name not in exercised)
        if self.notifications:
            lacking = [product for product in self.products if product not in notified]
            if lacking:
                yield f"{NOTIFICATIONS} of {', '.join(lacking)}"
            elif not notified:
                yield NOTIFICATIONS
