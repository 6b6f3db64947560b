"""Failures, explained: what they depend on, their findings gathered, and the causes that they share.

explain_gateway     the verdicts of a gateway's run, by a second look at it
explain_client      those of a certification, by all findings of its checks
one_causes          the causes that break several requirements

Two requirements that fall short in the same exchanges have one cause where chance would not bring it about. Where
nearly all fell short, that says nothing: there both have to be about the message as a whole, or about the same place in
it, or in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from itertools import combinations

from conformance.contract.contract import Contract
from conformance.contract.requirements import Requirement
from conformance.diagnosis.follow_ups import causes_of
from conformance.diagnosis.grouping import gathered, grouped, said_by, without_particulars
from conformance.diagnosis.observations import ObservedCheck, observe
from conformance.diagnosis.patterns import PatternContext, depends_alone, told
from conformance.diagnosis.traits import ERROR_RATE, FORM, above, payload_classes
from conformance.journal import Record
from conformance.judging.judgement import Check, Finding, OneCause
from conformance.judging.single_pass import KEPT_FINDINGS
from conformance.judging.verdicts import Listed, RequirementVerdict, Verdict, Verdicts
from conformance.model.traffic import Kind

# Some exchanges are not judged by the one requirement or the other: so much of all is to be the same.
SAME = 0.9

# An exchange, a case or a notification, by its number or id.
Subject = tuple[str, int | str]
# The place in a message, and what was said of it.
Sentence = tuple[str | None, str]


@dataclass(slots=True)
class Failing:
    """The failures of a requirement: `subjects`, of so many `observations`, and the sentences of its findings.

    `is_of_form`: it judges the form of a message.
    """

    requirement: str
    is_of_form: bool = False
    observations: int = 0
    failed: int = 0
    subjects: set[Subject] = field(default_factory=set)
    sentences: set[Sentence] = field(default_factory=set)

    def add(self, findings: Iterable[Finding], failed: int, observations: int) -> None:
        """The findings of one command more."""
        self.observations += observations
        self.failed += failed
        for finding in findings:
            self.subjects.add(_subject(finding))
            self.sentences.add((finding.pointer, without_particulars(finding.message)))

    @property
    def places(self) -> set[str | None]:
        """Where in messages it fell short; None and the message as a whole are one."""
        return {pointer or None for pointer, _ in self.sentences}


def one_causes(failing: Sequence[Failing], contract: Contract) -> tuple[OneCause, ...]:
    """The causes that break several requirements, in the order of the first of each."""
    groups: list[list[Failing]] = [[each] for each in failing]
    for one, other in combinations(failing, 2):
        if _in_the_same(one, other, contract) or _in_the_same_words(one, other):
            first = next(group for group in groups if one in group)
            second = next(group for group in groups if other in group)
            if first is not second:
                first += second
                groups.remove(second)
    order = [each.requirement for each in failing]
    return tuple(
        OneCause(
            tuple(sorted((each.requirement for each in group), key=order.index)),
            len(reduce(set.union, (each.subjects for each in group), set[Subject]())),
        )
        for group in groups
        if len(group) > 1
    )


def _subject(finding: Finding) -> Subject:
    if finding.exchange is not None:
        return "exchange", finding.exchange
    return ("case", finding.case) if finding.case is not None else ("notification", finding.notification or 0)


def _in_the_same(one: Failing, other: Failing, contract: Contract) -> bool:
    """Whether both fall short in the same exchanges, and not by chance."""
    both = len(one.subjects & other.subjects)
    if both < SAME * max(len(one.subjects), len(other.subjects)):
        return False
    observed = max(one.observations, other.observations)
    if max(one.failed, other.failed) < SAME * observed:
        few = len(one.subjects) == len(other.subjects) == 1
        return few or above(both, len(one.subjects), len(other.subjects), observed) <= ERROR_RATE
    said, said_too = ({_unnamed(sentence, contract) for sentence in each.sentences} for each in (one, other))
    return one.places == other.places or bool(said & said_too)


def _in_the_same_words(one: Failing, other: Failing) -> bool:
    """Whether the same is wrong at the same place of messages, of which each judges some."""
    same = len(one.sentences & other.sentences)
    return one.is_of_form and other.is_of_form and same >= SAME * max(len(one.sentences), len(other.sentences))


def _unnamed(sentence: Sentence, contract: Contract) -> str:
    """The sentence without the name of the member."""
    return _members(contract).sub("…", sentence[1])


@cache
def _members(contract: Contract) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(sorted(map(re.escape, _documented(contract)), key=len, reverse=True))})\b")


def _documented(contract: Contract) -> Iterator[str]:
    for name in ("response.success", "response.error", *(f"{p}/notification" for p in sorted(contract.products))):
        yield from contract.schemas.resolved(name).get("properties", {})


Explained = tuple[Verdicts, tuple[OneCause, ...]]


def explain_gateway(  # noqa: PLR0913, PLR0917 - a failure is explained by all of them
    verdicts: Verdicts,
    listed: Listed,
    record: Record,
    part: Record,
    contract: Contract,
    checks: Mapping[str, Check],
    is_of_form: Callable[[Requirement], bool],
) -> Explained:
    """Explain failures by the judged `part` of the record, and by what was found out after it.

    Where findings are `listed`, they are not gathered: one that is not listed must not go under among those that are.
    `is_of_form`: whether a requirement judges the form of a message.
    """
    short = {number: verdict for number, verdict in enumerate(verdicts) if verdict.failed}
    if not short:
        return verdicts, ()
    causes = causes_of(record)
    watched = {
        number: ObservedCheck(
            checks[each.requirement.id], each.command, causes.get((each.requirement.id, each.command), ())
        )
        for number, each in short.items()
    }
    observe(part, contract, watched.values())
    classes = payload_classes(part, {o.number for seen in watched.values() for o in seen.observations}, contract)
    said = said_by(record, set().union(*(seen.numbers for seen in watched.values())), contract)
    explained = list(verdicts)
    for number, seen in watched.items():
        each = short[number]
        pointer = each.findings[0].pointer if each.findings else None
        area = FORM if is_of_form(each.requirement) else ""
        context = PatternContext(area, pointer, classes, contract.notification.outcome)
        pattern = told(seen.causes, seen.observations, each.failed, each.observations, context)
        groups = [] if _is_listed(each, listed) else seen.groups(said, area)
        shown = (
            replace(finding, pattern=depends_alone(group, seen.observations, len(groups), context))
            for finding, group in zip(seen.findings(groups), groups, strict=False)
        )
        explained[number] = replace(each, pattern=pattern, findings=tuple(shown) or each.findings)
    found = {number: seen.found for number, seen in watched.items()}
    return tuple(explained), _in_common(verdicts, found, contract, is_of_form)


def explain_client(
    verdicts: Verdicts, listed: Listed, record: Record, contract: Contract, found: Mapping[int, Sequence[Finding]]
) -> Explained:
    """Explain failures by the answers of a receiver; a client is answered by the suite itself."""
    delivered = {case.id for case in record.cases if case.kind is Kind.DELIVER}
    numbers = {each.exchange or 0 for some in found.values() for each in some if each.case in delivered}
    said = said_by(record, numbers, contract)
    explained = list(verdicts)
    for number, each in enumerate(verdicts):
        if each.failed and not _is_listed(each, listed):
            groups = grouped(found[number], said, "")
            explained[number] = replace(each, findings=tuple(map(gathered, groups[:KEPT_FINDINGS])) or each.findings)
    return tuple(explained), _in_common(verdicts, found, contract, lambda _: False)


def _in_common(
    verdicts: Verdicts,
    found: Mapping[int, Sequence[Finding]],
    contract: Contract,
    is_of_form: Callable[[Requirement], bool],
) -> tuple[OneCause, ...]:
    """The causes that break several of the requirements that fell short, over all commands."""
    failing: dict[str, Failing] = {}
    for number, each in enumerate(verdicts):
        if each.failed and each.verdict in (Verdict.FAIL, Verdict.WARN):
            known = failing.setdefault(each.requirement.id, Failing(each.requirement.id, is_of_form(each.requirement)))
            known.add(found[number], each.failed, each.observations)
    return one_causes(list(failing.values()), contract)


def _is_listed(verdict: RequirementVerdict, listed: Listed) -> bool:
    return (verdict.requirement.id, verdict.command) in listed
