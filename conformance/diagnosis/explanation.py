"""Explanations of failures: their patterns, their findings in groups, and the causes that they share.

Two requirements that fail in the same exchanges have one cause, unless chance explains it. Where nearly all exchanges
fail, the overlap says nothing: there both have to be about the message as a whole, about the same place in it, or in
the same words. Two that fail in other exchanges have one cause if the simplest requests that fail are alike, and all
are answered alike. Where no error answer has any member that the contract requires of it, all failures of the form of
error answers have one cause: the gateway answers errors in another form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from itertools import combinations
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.requirements import ByPlace, Requirement
from conformance.diagnosis.follow_ups import ERROR_RATE, causes_of
from conformance.diagnosis.observations import (
    ObservedCheck,
    gathered,
    grouped,
    observe,
    signatures_of,
    without_particulars,
)
from conformance.diagnosis.patterns import PatternContext, depends_alone, pattern_of, payload_classes
from conformance.journal import Record
from conformance.judging.excuses import chance_of_as_many
from conformance.judging.judgement import KEPT_FINDINGS, Check, Finding, Minimal, OneCause
from conformance.judging.verdicts import Listed, RequirementVerdict, Verdict, Verdicts
from conformance.model.traffic import Kind

# Each requirement leaves some exchanges out, so that this share of all has to be the same.
SAME = 0.9
# The answers of which a gateway may have none in the form of the contract.
ERROR_ANSWER = "response.error"
# With one required member alone its lack is a failure like any other.
FEWEST_REQUIRED = 2
# In a finding, before the answer.
ANSWERED = " was answered "
# Characters of a text that is compared by their widths; of a longer one more than these are special.
SHORT = 2

# An exchange, a case or a notification, by its number or id.
Subject = tuple[str, int | str]
# The place in a message, and the text of the finding.
Sentence = tuple[str | None, str]
# Members of a request, each with its value or the widths of its characters.
Simplest = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Failing:
    """The failures of a requirement: `subjects`, of so many `observations`, and the sentences of its findings.

    `statuses`: those that they say were answered. `simplest`: what is special in the simplest requests that fail.
    `is_of_form`: it judges the form of a message.
    """

    requirement: str
    is_of_form: bool = False
    observations: int = 0
    failed: int = 0
    subjects: set[Subject] = field(default_factory=set)
    sentences: set[Sentence] = field(default_factory=set)
    statuses: set[str] = field(default_factory=set)
    simplest: set[Simplest] = field(default_factory=set)

    def add(self, findings: Iterable[Finding], failed: int, observations: int) -> None:
        """Add the findings of another command."""
        self.observations += observations
        self.failed += failed
        for finding in findings:
            self.subjects.add(_subject(finding))
            self.sentences.add((finding.pointer, without_particulars(finding.message)))
            self.statuses.add(finding.message.rpartition(ANSWERED)[2].partition(" ")[0])

    def add_simplest(self, requests: Iterable[Minimal]) -> None:
        """The simplest requests that fail."""
        self.simplest |= {_special(each) for each in requests}

    @property
    def places(self) -> set[str | None]:
        """The places in messages where it failed; None and the message as a whole are one."""
        return {pointer or None for pointer, _ in self.sentences}


def one_causes(failing: Sequence[Failing], contract: Contract) -> tuple[OneCause, ...]:
    """The causes that break several requirements, in the order of the first of each."""
    groups: list[list[Failing]] = [[each] for each in failing]
    formless, sentence = _of_another_form(failing, contract)
    for one, other in combinations(failing, 2):
        together = {one.requirement, other.requirement} <= formless
        if together or any(alike(one, other, contract) for alike in (_in_the_same, _in_the_same_words, _of_the_same)):
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
            sentence if any(each.requirement in formless for each in group) else "",
        )
        for group in groups
        if len(group) > 1
    )


def _subject(finding: Finding) -> Subject:
    if finding.exchange is not None:
        return "exchange", finding.exchange
    return ("case", finding.case) if finding.case is not None else ("notification", finding.notification or 0)


def _in_the_same(one: Failing, other: Failing, contract: Contract) -> bool:
    """Whether both fail in the same exchanges, and not by chance."""
    both = len(one.subjects & other.subjects)
    if both < SAME * max(len(one.subjects), len(other.subjects)):
        return False
    observed = max(one.observations, other.observations)
    if max(one.failed, other.failed) < SAME * observed:
        few = len(one.subjects) == len(other.subjects) == 1
        return few or chance_of_as_many(both, len(one.subjects), len(other.subjects), observed) <= ERROR_RATE
    # The texts without the names of members.
    texts, others = ({_members(contract).sub("…", text) for _, text in each.sentences} for each in (one, other))
    return one.places == other.places or bool(texts & others)


def _of_another_form(failing: Sequence[Failing], contract: Contract) -> tuple[frozenset[str], str]:
    """If no error answer has any required member: the failed requirements on the form of error answers, in a sentence.

    Else none, and "".
    """
    always = {each.requirement for each in failing if each.failed >= SAME * each.observations}
    required = [
        (requirement.id, requirement.judge.at)
        for requirement in contract.catalogue.requirements
        if isinstance(requirement.judge, ByPlace)
        and (requirement.judge.messages, requirement.judge.keywords) == ((ERROR_ANSWER,), ("required",))
    ]
    if len(required) < FEWEST_REQUIRED or not always.issuperset(id_ for id_, _ in required):
        return frozenset(), ""
    judges = {each.requirement: contract.catalogue[each.requirement].judge for each in failing}
    formless = {id_ for id_, judge in judges.items() if judge is not None and judge.is_about_form_of(ERROR_ANSWER)}
    *members, last = (pointer.removeprefix("/") for _, at in required for pointer in at)
    return frozenset(formless), f"no error answer has {', '.join(members)} or {last}"


def _of_the_same(one: Failing, other: Failing, _: Contract) -> bool:
    """Whether the simplest requests that fail are alike, and every failure of both is answered alike."""
    same = bool(one.simplest & other.simplest) and one.statuses == other.statuses
    return same and max(len(each) for failing in (one, other) for each in (failing.sentences, failing.statuses)) == 1


def _special(minimal: Minimal) -> Simplest:
    """The members in which a simplest request is special; of a short text only how many bytes each character takes."""
    return tuple(sorted((name, _width(value)) for name, value in minimal.differs.items()))


def _width(value: Any) -> str:
    if isinstance(value, str) and len(value) <= SHORT:
        return " ".join(str(len(character.encode("utf-8", "surrogatepass"))) for character in value)
    return json.dumps(value)


def _in_the_same_words(one: Failing, other: Failing, _: Contract) -> bool:
    """Whether both find the same fault at the same place, each in messages of its own."""
    same = len(one.sentences & other.sentences)
    return one.is_of_form and other.is_of_form and same >= SAME * max(len(one.sentences), len(other.sentences))


@cache
def _members(contract: Contract) -> re.Pattern[str]:
    messages = ("response.success", "response.error", *(f"{p}/notification" for p in sorted(contract.products)))
    names = (
        re.escape(name) for message in messages for name in contract.schemas.resolved(message).get("properties", ())
    )
    return re.compile(rf"\b({'|'.join(sorted(names, key=len, reverse=True))})\b")


Look = Callable[[Mapping[int, ObservedCheck]], object]
"""Has checks judge a run, by the places of their verdicts, and observes them."""

Explained = tuple[Verdicts, tuple[OneCause, ...]]


def explain_gateway(  # noqa: PLR0913, PLR0917 - a failure is explained by all of them
    verdicts: Verdicts,
    listed: Listed,
    record: Record,
    part: Record,
    contract: Contract,
    checks: Mapping[str, Check],
    is_of_form: Callable[[Requirement], bool],
    look: Look | None = None,
) -> Explained:
    """Explain failures by the judged `part` of the record, and by the follow-ups after it.

    Where findings are `listed`, they are not gathered: one that is not listed would be lost among those that are.
    `is_of_form`: whether a requirement judges the form of a message. `look`: has checks judge the part once more.
    """
    causes = causes_of(record)
    look = look or (lambda checks: observe(part, contract, checks.values()))
    watched = {
        number: ObservedCheck(
            checks[each.requirement.id], each.command, causes.get((each.requirement.id, each.command), ())
        )
        for number, each in enumerate(verdicts)
        if each.failed
    }
    if not watched:
        return verdicts, ()
    look(watched)
    classes = payload_classes(part, {o.number for seen in watched.values() for o in seen.observations}, contract)
    signatures = signatures_of(record, set().union(*(seen.numbers for seen in watched.values())), contract)
    explained = list(verdicts)
    for number, seen in watched.items():
        each = verdicts[number]
        pointer = each.findings[0].pointer if each.findings else None
        of_form = is_of_form(each.requirement)
        context = PatternContext(of_form, pointer, classes, contract.notification.outcome)
        pattern = pattern_of(seen.causes, seen.observations, each.failed, each.observations, context)
        groups = [] if _is_listed(each, listed) else seen.groups(signatures, is_of_form=of_form)
        shown = (
            replace(finding, pattern=depends_alone(group, seen.observations, len(groups), context))
            for finding, group in zip(seen.findings(groups), groups, strict=False)
        )
        explained[number] = replace(each, pattern=pattern, findings=tuple(shown) or each.findings)
    found = {number: seen.found for number, seen in watched.items()}
    return tuple(explained), _in_common(explained, found, contract, is_of_form)


def explain_client(
    verdicts: Verdicts, listed: Listed, record: Record, contract: Contract, found: Mapping[int, Sequence[Finding]]
) -> Explained:
    """Explain failures by the answers of a receiver; a client is answered by the suite itself."""
    delivered = {case.id for case in record.cases if case.kind is Kind.DELIVER}
    numbers = {each.exchange or 0 for some in found.values() for each in some if each.case in delivered}
    signatures = signatures_of(record, numbers, contract)
    explained = list(verdicts)
    for number, each in enumerate(verdicts):
        if each.failed and not _is_listed(each, listed):
            groups = grouped(found[number], signatures, is_of_form=False)
            explained[number] = replace(each, findings=tuple(map(gathered, groups[:KEPT_FINDINGS])) or each.findings)
    return tuple(explained), _in_common(verdicts, found, contract, lambda _: False)


def _in_common(
    verdicts: Sequence[RequirementVerdict],
    found: Mapping[int, Sequence[Finding]],
    contract: Contract,
    is_of_form: Callable[[Requirement], bool],
) -> tuple[OneCause, ...]:
    """The causes that break several of the failed requirements, over all commands."""
    failing: dict[str, Failing] = {}
    for number, each in enumerate(verdicts):
        if each.failed and each.verdict in (Verdict.FAIL, Verdict.WARN):
            known = failing.setdefault(each.requirement.id, Failing(each.requirement.id, is_of_form(each.requirement)))
            known.add(found[number], each.failed, each.observations)
            known.add_simplest(finding.minimal for finding in each.findings if finding.minimal)
    return one_causes(list(failing.values()), contract)


def _is_listed(verdict: RequirementVerdict, listed: Listed) -> bool:
    return (verdict.requirement.id, verdict.command) in listed
