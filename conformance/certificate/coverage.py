"""The coverage of a run: the commands and notifications that it exercised.

    Claims      the coverage that a report or a certificate claims
    Policy      the coverage that a reader requires
    Badge       the coverage as JSON for the endpoint of shields.io, or as an SVG

A badge claims no more than the run exercised. It says `certified` only of a certificate that a known key has signed,
because anybody can write a report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote
from xml.sax.saxutils import escape

from conformance.certificate.signing import Rejected
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, ByRule, Level
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.errors import UsageError, did_you_mean
from conformance.reports.report import Report
from conformance.reports.text import for_terminal

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


# Names of shields.io, and its colours for them.
COLOURS: Mapping[str, str] = {"brightgreen": "#4c1", "red": "#e05d44", "lightgrey": "#9f9f9f"}
_OF_VERDICT: Mapping[str, str] = {
    Conclusion.CONFORMANT: "brightgreen",
    Conclusion.NON_CONFORMANT: "red",
    Conclusion.INCONCLUSIVE: "lightgrey",
}

# Pixels of Verdana at 11, by character; any other character is as wide as most.
_NARROW, _WIDE, _MOST = 4.2, 10.2, 7.0
_WIDTHS: Mapping[str, float] = {**dict.fromkeys(" .,:;!'|ijlIft/()-·", _NARROW), **dict.fromkeys("mwMW%@", _WIDE)}
_PADDING, _HEIGHT = 10.0, 20


@dataclass(frozen=True, slots=True)
class Badge:
    """A `label` with the name of the contract, and a `message` beside it on one of COLOURS."""

    label: str
    message: str
    colour: str

    @classmethod
    def of_certificate(cls, contract: Contract, coverage: Claims | None, expires: datetime) -> Self:
        """The coverage (None: unknown) and the last day of a certificate that known keys have signed."""
        covered = "conformant, coverage unknown" if coverage is None else _conformant(coverage)
        return cls._of(contract, Conclusion.CONFORMANT, f"{covered} · certified until {expires:%Y-%m-%d}")

    @classmethod
    def of_unknown_signer(cls, contract: Contract) -> Self:
        """All that can be said of a certificate if its reader gave no keys."""
        return cls._of(contract, Conclusion.INCONCLUSIVE, "signer unknown")

    @classmethod
    def of_expired(cls, contract: Contract, expires: datetime) -> Self:
        """The last day of a certificate that has expired."""
        return cls._of(contract, Conclusion.INCONCLUSIVE, f"certificate expired {expires:%Y-%m-%d}")

    @classmethod
    def of_report(cls, report: Report, contract: Contract) -> Self:
        """The verdict of a report, and the coverage of a conformant one."""
        verdict = report.verdict
        is_conformant = verdict is Conclusion.CONFORMANT
        return cls._of(contract, verdict, _conformant(Claims.of(report, contract)) if is_conformant else verdict.value)

    @classmethod
    def _of(cls, contract: Contract, verdict: Conclusion, message: str) -> Self:
        return cls(for_terminal(f"{contract.name} conformance"), for_terminal(message), _OF_VERDICT[verdict])

    def endpoint(self) -> bytes:
        """JSON for https://shields.io/badges/endpoint-badge."""
        document = {"schemaVersion": 1, "label": self.label, "message": self.message, "color": self.colour}
        return f"{json.dumps(document, ensure_ascii=False)}\n".encode()

    def markdown(self, path: Path) -> str:
        """The image at that path, for a README."""
        text = re.sub(r"([\\`*_\[\]<>])", r"\\\1", f"{self.label}: {self.message}")
        return f"![{text}]({quote(path.as_posix())})"

    def svg(self) -> bytes:
        """A flat badge that loads nothing from elsewhere."""
        left, right = _width(self.label), _width(self.message)
        title = escape(f"{self.label}: {self.message}", {'"': "&quot;"})
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img" '
            f'aria-label="{title}">\n'
            f"<title>{title}</title>\n"
            f'<clipPath id="r"><rect width="{left + right}" height="{_HEIGHT}" rx="3" fill="#fff"/></clipPath>\n'
            f'<g clip-path="url(#r)"><rect width="{left}" height="{_HEIGHT}" fill="#555"/>'
            f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{COLOURS[self.colour]}"/></g>\n'
            '<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">\n'
            f"{_text(self.label, left / 2, left)}{_text(self.message, left + right / 2, right)}"
            "</g>\n</svg>\n"
        ).encode()


def _conformant(coverage: Claims) -> str:
    return f"{Conclusion.CONFORMANT.value}: {coverage.in_words}"


def _width(text: str) -> int:
    return round(sum(_WIDTHS.get(character, _MOST) for character in text) + _PADDING)


def _text(text: str, middle: float, width: int) -> str:
    return f'<text x="{middle:g}" y="14" textLength="{width - round(_PADDING)}">{escape(text)}</text>\n'
