"""Patterns of failures: always, from or at every nth request, with a trait or a payload; or intermittent.

A pattern carries its numbers (k of n), and is claimed only where chance does not explain it.

`set_apart` finds the trait by which the failed exchanges differ. Most traits are of the request (kind, member, aspect,
class of payload); the outcome is of the notification. The HTTP status counts where the form of an answer is judged:
elsewhere it is the result itself. A trait is named only where chance would hardly set so many apart, all traits that
were tried taken together (Bonferroni).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from math import comb
from typing import Any

from conformance.contract.contract import Contract
from conformance.diagnosis.follow_ups import ERROR_RATE, ERROR_RATE_OF_A_ROW, Cause
from conformance.journal import Record
from conformance.judging.coverage import BROKEN, Label, classes_of_case
from conformance.judging.excuses import UNUSUAL, chance_of_as_many
from conformance.judging.judgement import Dependence, Finding, Pattern
from conformance.model.traffic import Case, Exchange, Kind

# Aspects of valid requests with a special payload.
SPECIAL = UNUSUAL | {"sample"}
# Requests go out side by side, so near a turning point those of before and after are mixed: two times as many as are
# under way at once.
MIXED = 32
# So many must fail after a turning point for it to be one, rather than the end of a run.
ENOUGH_AFTER = 10
# If a turning point is known to last, some kinds of requests may be spared by it: this share of the requests after it.
SPARED = 0.1
# Fewer observations show no pattern.
ENOUGH = 3
# Each kind of failure is compared with all observations: in a larger run only all failures together are.
MOST_COMPARED = 3_000
# More values in one sentence name nothing.
MOST_VALUES = 3
# So many exchanges are read at once.
AT_ONCE = 500
# Kinds of requests whose payload itself may be to blame, so that follow-ups look into a claim about them, too.
LAWFUL = frozenset({Kind.VALID, Kind.OPEN})
CRASHED = 500

# The name of the outcome where its member is not known.
OUTCOME = "the outcome"
# Attribute of an observation → its name in words. The earlier is preferred where several set the failures apart.
_SINGLE: Mapping[str, str] = {
    "outcome": OUTCOME,
    "kind": "kind",
    "member": "the broken member",
    "keyword": "the broken keyword",
    "aspect": "aspect",
    "status": "the HTTP status",
    "command": "command",
}
CLASS = "class"
_OF_CASES = frozenset({"member", "keyword", "aspect"})

Classes = Mapping[int, Collection[Label]]
"""Number of an exchange → the classes of payloads that it is in."""


@dataclass(frozen=True, slots=True)
class Observation:
    """An exchange that a requirement was judged by: its number in the journal, and the purpose of its case.

    `status` is the HTTP status of its answer, `outcome` that of the notification that was judged, if one was.
    """

    number: int
    case_id: str
    kind: Kind
    aspect: str
    member: str | None
    failed: bool
    keyword: str | None = None
    command: str | None = None
    status: int | None = None
    outcome: str | None = None

    @property
    def is_special(self) -> bool:
        """Whether the payload is a special one, so that it may be to blame."""
        return self.kind is Kind.OPEN or (self.kind is Kind.VALID and self.aspect in SPECIAL)


@dataclass(frozen=True, slots=True)
class PatternContext:
    """The facts beside the observations: the failing place, and the classes of payloads.

    `is_of_form`: the requirement is about the form of a message, whatever its status. `outcome`: the member of a
    notification that holds the outcome.
    """

    is_of_form: bool = False
    pointer: str | None = None
    classes: Classes = field(default_factory=dict)
    outcome: str = OUTCOME


NOTHING_MORE = PatternContext()


def exchanges_of(record: Record, numbers: Collection[int]) -> Iterator[tuple[Case | None, Exchange]]:
    """The exchanges with these numbers, some at a time, for their bodies may be large."""
    ordered = iter(sorted(numbers))
    while some := list(islice(ordered, AT_ONCE)):
        yield from record.exchanges_numbered(some).values()


def payload_classes(record: Record, numbers: Collection[int], contract: Contract) -> Classes:
    """The classes of payloads that the exchanges with these numbers are in."""
    return {
        exchange.number: classes_of_case(case, exchange.request.body, contract)
        for case, exchange in exchanges_of(record, numbers)
        if case is not None
    }


# --- The pattern of a requirement


def pattern_of(
    causes: Sequence[Cause],
    observations: Sequence[Observation],
    failed: int,
    of: int,
    context: PatternContext = NOTHING_MORE,
) -> Pattern:
    """The pattern of a requirement that failed in `failed` of so many observations, of which some are given."""
    if not any(observation.failed for observation in observations):
        # The failures are of notifications that belong to no request.
        if failed == of >= ENOUGH:
            return Pattern(Dependence.ALWAYS, f"always: {failed} of {of}")
        return Pattern(Dependence.UNTOLD, f"{failed} of {of}; on what it depends cannot be told")
    of_run = pattern_of_run(observations, failed, of, context)
    known = [cause for cause in causes if cause.kind != Dependence.UNTOLD]
    words = list(dict.fromkeys(cause.pattern for cause in known or causes))
    if not known:
        return replace(of_run, text="; ".join([of_run.text, *words]))
    several = f"{len(known)} causes{', each' if len(words) == 1 else ''}: " if len(known) > 1 else ""
    text, kind = several + " | ".join(words), Dependence(known[0].kind)
    # If the run and the follow-ups both support a claim, the pattern names both.
    return Pattern(kind, f"{text}; {of_run.claim}" if of_run.claim else text)


def pattern_of_run(
    observations: Sequence[Observation], failed: int, of: int, context: PatternContext = NOTHING_MORE
) -> Pattern:
    """The pattern that a run alone shows: requests of all kinds, sent side by side."""
    count = f"{failed} of {of}"
    if of < ENOUGH:
        return Pattern(Dependence.UNTOLD, f"{count}; too few to tell on what it depends", open=True)
    if failed == of and all(o.is_special for o in observations):
        return Pattern(Dependence.UNTOLD, f"{count}, all with such payloads", open=True)
    if failed == of:
        return Pattern(Dependence.ALWAYS, f"always: {count}")
    if (since := turning_point(observations)) is not None:
        return Pattern(Dependence.FROM_NTH, since)
    if (step := period([o.failed for o in observations], error_rate=ERROR_RATE)) is not None:
        return Pattern(Dependence.EVERY_NTH, f"every {ordinal(step)}: {count}")
    return _of_trait(set_apart(observations, context), count)


def _of_trait(claim: Claim | None, count: str) -> Pattern:
    if claim is None:
        return Pattern(Dependence.UNTOLD, f"intermittent, as far as the run tells: {count}", open=True)
    if not claim.always:
        return Pattern(Dependence.INTERMITTENT, f"intermittent, {claim.text}", open=True, claim=claim.text)
    if claim.of_payload:
        return Pattern(Dependence.PAYLOAD, claim.text, open=True, claim=claim.text)
    return Pattern(Dependence.ALWAYS, claim.text)


def depends_alone(
    group: Sequence[Finding], observations: Sequence[Observation], groups: int, context: PatternContext
) -> str | None:
    """The claim about one of several groups of findings, the others taken as passed; None without one."""
    if groups < 2 or len(observations) > MOST_COMPARED:
        return None
    numbers = {finding.exchange for finding in group}
    alone = [replace(o, failed=o.failed and o.number in numbers) for o in observations]
    claim = set_apart(alone, replace(context, pointer=group[0].pointer), tried=groups)
    return claim.text if claim else None


# --- The order of failures


def turning_point(observations: Sequence[Observation], *, lasting: bool = False) -> str | None:
    """The place from which all fail, and before which none did, apart from requests under way; None without one.

    Payloads of one kind follow each other, so ordinary ones have to be found on both sides. `lasting`: it is known
    that by now all fail, whatever the payload.
    """
    first = next((index for index, o in enumerate(observations) if o.failed), 0)
    if not first:
        return None
    since_then = observations[first:]
    passed_after = [index for index, o in enumerate(since_then, start=first) if not o.failed]
    if lasting:
        turned = len(passed_after) <= SPARED * len(since_then)
    else:
        settled = passed_after[-1] + 1 if passed_after else first
        turned = (
            len(observations) - settled >= ENOUGH_AFTER
            and observations[settled].number - observations[first].number <= MIXED
            and not all(o.is_special for o in observations[:first])
            and not all(o.is_special for o in observations[settled:])
        )
    if not turned:
        return None
    return (
        f"from about the {ordinal(first + 1)} on (exchange {observations[first].number}): "
        f"{sum(o.failed for o in since_then)} of {len(since_then)} since then, none of {first} before"
    )


def period(outcomes: Sequence[bool], expected: int = 0, error_rate: float = ERROR_RATE_OF_A_ROW) -> int | None:
    """The n of "every nth" among outcomes in order (True: failed); None without such a rule.

    `expected`: an n from elsewhere, which fewer failures confirm. `error_rate`: how likely such an order may be by
    chance.
    """
    hits = [index for index, failed in enumerate(outcomes, start=1) if failed]
    if len(hits) < 2:
        return None
    step = hits[1] - hits[0]
    even = all(later - earlier == step for earlier, later in pairwise(hits))
    complete = hits[0] <= step and hits[-1] + step > len(outcomes)
    if step < 2 or not (even and complete):
        return None
    chance = regular(len(hits), len(outcomes), step if step == expected else None)
    return step if chance <= error_rate else None


def regular(hits: int, length: int, step: int | None = None) -> float:
    """The chance that `hits` in a row of `length` all come at one distance, none missing; at `step`, if given."""
    steps = range(2, length) if step is None else (step,)
    rows = sum(max(0, min(each, length - (hits - 1) * each) - max(0, length - hits * each)) for each in steps)
    return rows / comb(length, hits)


def ordinal(number: int) -> str:
    """The number as an ordinal: 1st, 2nd, 3rd, 4th."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else endings.get(number % 10, 'th')}"


# --- Traits


@dataclass(frozen=True, slots=True)
class Claim:
    """A trait that sets the failures apart: `failed_inside` of the `inside` exchanges that have it failed.

    Elsewhere `failed_outside` of `outside` did. `of_payload`: it is the payload, or may be: requests can tell more.
    """

    where: str
    failed_inside: int
    inside: int
    failed_outside: int
    outside: int
    of_payload: bool

    @property
    def always(self) -> bool:
        """Whether all of them failed, and no other."""
        return self.failed_inside == self.inside and not self.failed_outside

    @property
    def text(self) -> str:
        """`always where result_code is 500: 40 of 40 (0 of 120 elsewhere)`."""
        how = "always" if self.always else "more often" if self.failed_outside else "only"
        elsewhere = f"{self.failed_outside} of {self.outside} elsewhere"
        return f"{how} where {self.where}: {self.failed_inside} of {self.inside} ({elsewhere})"


def set_apart(observations: Sequence[Observation], context: PatternContext, tried: int = 1) -> Claim | None:
    """The claim that these observations support; None if chance may have spread the failures so.

    An outcome does not explain itself, if it is the place that failed. `tried`: how many claims are made about the same
    observations.
    """
    ill = frozenset(o.number for o in observations if o.failed)
    if not ill or len(ill) == len(observations):
        return None
    groups = dict(_groups(observations, context))
    unions = list(_unions(groups, ill))
    candidates = [*((trait, (value,), numbers) for (trait, value), numbers in groups.items()), *unions]

    def chance_of(hits: int, numbers: frozenset[int]) -> float:
        return chance_of_as_many(hits, len(numbers), len(ill), len(observations))

    # A trait that chance could explain even if all that have it failed, and nothing else, is not tried (Tarone).
    apart = [each for each in candidates if chance_of(min(len(each[2]), len(ill)), each[2]) <= ERROR_RATE]
    of_trait = Counter(trait for trait, _ in groups)
    others = sum(comb(of_trait[trait], len(values)) - 1 for trait, values, _ in unions)
    hypotheses = tried * (len({numbers for *_, numbers in apart}) + others)
    found = [
        (chance, claim)
        for trait, values, numbers in apart
        if (chance := chance_of(len(numbers & ill), numbers)) * hypotheses <= ERROR_RATE
        and (claim := _claim(trait, values, numbers, observations, context.outcome)) is not None
    ]
    certain = next((claim for _, claim in found if claim.always), None)
    return certain or min(found, key=lambda each: each[0], default=(0.0, None))[1]


def _groups(
    observations: Sequence[Observation], context: PatternContext
) -> Iterator[tuple[tuple[str, Any], frozenset[int]]]:
    """Trait and value → the numbers of the exchanges that have it, if not all have, and if it was not judged itself."""
    explained = {"outcome": context.pointer == f"/{context.outcome}", "status": not context.is_of_form}
    for trait in (each for each in _SINGLE if not explained.get(each)):
        by_value: dict[Any, set[int]] = {}
        for o in observations:
            by_value.setdefault(getattr(o, trait), set()).add(o.number)
        for value, numbers in sorted(by_value.items(), key=lambda item: str(item[0])):
            if value is not None and len(numbers) < len(observations):
                yield (trait, value), frozenset(numbers)
    of_class: dict[Label, set[int]] = {}
    for o in observations:
        for label in context.classes.get(o.number, ()):
            of_class.setdefault(label, set()).add(o.number)
    for label, numbers in sorted(of_class.items(), key=lambda item: str(item[0])):
        if len(numbers) < len(observations):
            yield (CLASS, label), frozenset(numbers)


def _unions(
    groups: Mapping[tuple[str, Any], frozenset[int]], ill: Collection[int]
) -> Iterator[tuple[str, tuple[Any, ...], frozenset[int]]]:
    """The values of one trait that have failures, if they are two or three; classes overlap, so they stay alone."""
    for trait in _SINGLE:
        values = tuple(
            value for (name, value), numbers in groups.items() if name == trait and not numbers.isdisjoint(ill)
        )
        if 1 < len(values) <= MOST_VALUES:
            yield trait, values, frozenset().union(*(groups[trait, value] for value in values))


def _claim(
    trait: str, values: tuple[Any, ...], numbers: frozenset[int], observations: Sequence[Observation], outcome: str
) -> Claim | None:
    counts = Counter((o.number in numbers, o.failed) for o in observations)
    inside, outside = counts[True, True] + counts[True, False], counts[False, True] + counts[False, False]
    if len(values) > 1 and (counts[False, True] or counts[True, False]):
        return None  # several values are named only where they explain every failure
    of_payload = trait == CLASS or _may_be_payload(trait, values, {o.kind for o in observations if o.failed})
    return Claim(_words(trait, values, outcome), counts[True, True], inside, counts[False, True], outside, of_payload)


def _may_be_payload(trait: str, values: tuple[Any, ...], kinds: Collection[Kind]) -> bool:
    """Whether it is the payload that makes the difference, if this does: a 5xx is an effect, too."""
    if trait == "status":
        return any(value >= CRASHED for value in values)
    return (trait in _OF_CASES and not LAWFUL.isdisjoint(kinds)) or (trait == "kind" and Kind.OPEN in kinds)


def _words(trait: str, values: tuple[Any, ...], outcome: str) -> str:
    if trait == CLASS:
        kind, member, name = values[0]
        if member is None:
            return f"the body has “{name}”"
        return f"{member} breaks “{name}”" if kind == BROKEN else f"{member} is of the class “{name}”"
    called = outcome if trait == "outcome" else _SINGLE[trait]
    return f"{called} is {' or '.join(str(value) for value in values)}"
