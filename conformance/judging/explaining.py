"""What fell short, explained: on what it depends, and its findings gathered.

Explanation         of one requirement × command
explain_gateway     those of a gateway's run, by a second look at it
explain_client      those of a certification, by all findings of its checks
causes_in_common    the causes that break several requirements
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from conformance.contract.contract import Contract
from conformance.contract.requirements import Requirement
from conformance.journal import Record
from conformance.judging.follow_ups import causes_of
from conformance.judging.grouping import gathered, grouped, said_by
from conformance.judging.hearing import KEPT_FINDINGS
from conformance.judging.judgement import Check, Finding
from conformance.judging.making import is_of_form
from conformance.judging.one_cause import Failing, OneCause, one_causes
from conformance.judging.patterns import Ground, Pattern, depends_alone, told
from conformance.judging.traits import FORM, payload_classes
from conformance.judging.watching import Watched, watch
from conformance.model.traffic import Kind


class Short(Protocol):
    """What fell short of a requirement for a command."""

    @property
    def requirement(self) -> Requirement:
        """The requirement."""

    @property
    def command(self) -> str | None:
        """The command."""

    @property
    def observations(self) -> int:
        """How often it was judged."""

    @property
    def failed(self) -> int:
        """How often it fell short."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The first findings."""


Listed = Collection[tuple[str, str | None]]
"""Requirement and command of which some findings are listed as known."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`findings` are those to show; `found` are all that were compared."""

    findings: tuple[Finding, ...]
    found: Sequence[Finding]
    pattern: Pattern | None = None


def explain_gateway(  # noqa: PLR0913, PLR0917 - a failure is explained by all of them
    short: Mapping[int, Short],
    record: Record,
    part: Record,
    contract: Contract,
    checks: Mapping[str, Check],
    listed: Listed,
) -> dict[int, Explanation]:
    """By the `part` of the record that is judged, and what was found out after it.

    Where findings are `listed`, they are not gathered: one that is not listed must not go under among those that are.
    """
    if not short:
        return {}
    causes = causes_of(record)
    watched = {
        number: Watched(checks[each.requirement.id], each.command, causes.get((each.requirement.id, each.command), ()))
        for number, each in short.items()
    }
    watch(part, contract, watched.values())
    classes = payload_classes(part, {o.number for seen in watched.values() for o in seen.observations}, contract)
    said = said_by(record, set().union(*(seen.numbers for seen in watched.values())), contract)
    explained = {}
    for number, seen in watched.items():
        each = short[number]
        pointer = each.findings[0].pointer if each.findings else None
        ground = Ground(_area(each), pointer, classes, contract.notification.outcome)
        pattern = told(seen.causes, seen.observations, each.failed, each.observations, ground)
        groups = [] if _is_listed(each, listed) else seen.groups(said, ground.area)
        shown = (
            replace(finding, pattern=depends_alone(group, seen.observations, len(groups), ground))
            for finding, group in zip(seen.findings(groups), groups, strict=False)
        )
        explained[number] = Explanation(tuple(shown) or each.findings, seen.found, pattern)
    return explained


def explain_client(
    short: Mapping[int, Short],
    record: Record,
    contract: Contract,
    found: Mapping[int, Sequence[Finding]],
    listed: Listed,
) -> dict[int, Explanation]:
    """By what a receiver answered; what a client is answered is the suite's own doing."""
    delivered = {case.id for case in record.cases if case.kind is Kind.DELIVER}
    numbers = {each.exchange or 0 for number in short for each in found[number] if each.case in delivered}
    said = said_by(record, numbers, contract)
    explained = {}
    for number, each in short.items():
        groups = [] if _is_listed(each, listed) else grouped(found[number], said, _area(each))
        shown = tuple(map(gathered, groups[:KEPT_FINDINGS]))
        explained[number] = Explanation(shown or each.findings, found[number])
    return explained


def causes_in_common(short: Iterable[tuple[Short, Explanation]], contract: Contract) -> tuple[OneCause, ...]:
    """The causes that break several of the requirements that fell short, over all commands."""
    failing: dict[str, Failing] = {}
    for each, explanation in short:
        known = failing.setdefault(each.requirement.id, Failing(each.requirement.id, is_of_form(each.requirement)))
        known.add(explanation.found, each.failed, each.observations)
    return one_causes(list(failing.values()), contract)


def _area(short: Short) -> str:
    return FORM if is_of_form(short.requirement) else ""


def _is_listed(short: Short, listed: Listed) -> bool:
    return (short.requirement.id, short.command) in listed
