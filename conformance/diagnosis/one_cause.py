"""One cause that breaks several requirements: told by the same exchanges, or by the same words at the same place.

    Failing         what fell short of one requirement, over all commands
    one_causes      those of a run

That two requirements fall short in the same exchanges is worth saying where chance would not bring it about. Where
nearly all fell short, it says nothing: there both have to be about the message as a whole, or about the same place in
it, or in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, reduce
from itertools import combinations

from conformance.contract.contract import Contract
from conformance.diagnosis.chance import ERROR_RATE, above
from conformance.diagnosis.grouping import without_particulars
from conformance.judging.judgement import Finding, OneCause

# Some exchanges are not judged by the one requirement or the other: so much of all is to be the same.
SAME = 0.9

# An exchange, a case or a notification, by its number or id.
Subject = tuple[str, int | str]
# The place in a message, and what was said of it.
Sentence = tuple[str | None, str]


@dataclass(slots=True)
class Failing:
    """What fell short of a requirement: `subjects`, of so many `observations`, and the sentences of its findings.

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
    """What is said, of whichever member."""
    return _members(contract).sub("…", sentence[1])


@cache
def _members(contract: Contract) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(sorted(map(re.escape, _documented(contract)), key=len, reverse=True))})\b")


def _documented(contract: Contract) -> Iterator[str]:
    for name in ("response.success", "response.error", *(f"{p}/notification" for p in sorted(contract.products))):
        yield from contract.schemas.resolved(name).get("properties", {})
