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
from conformance.judging.coverage import BROKEN, MEASURES, Label
from conformance.judging.excuses import UNUSUAL, chance_of_as_many
from conformance.judging.judgement import Dependence, Finding, Pattern
from conformance.model.traffic import Case, Exchange, Kind


def regular(hits: int, length: int, step: int | None = None) -> float:
    """The chance that `hits` in a row of `length` all come at one distance, none missing; at `step`, if given."""
    steps = range(2, length) if step is None else (step,)
    rows = sum(max(0, min(each, length - (hits - 1) * each) - max(0, length - hits * each)) for each in steps)
    return rows / comb(length, hits)


# More values in one sentence name nothing.
MOST_VALUES = 3
# So many exchanges are held at once.
AT_ONCE = 500
# The area of requirements that judge the form of a message, whatever its status; all others are of none.
FORM = "form"
# Kinds of requests whose payload itself may be to blame, so that a claim about them is looked into all the same.
LAWFUL = frozenset({Kind.VALID, Kind.OPEN})

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
    fell_short: bool
    keyword: str | None = None
    command: str | None = None
    status: int | None = None
    outcome: str | None = None


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
CRASHED = 500
_OF_CASES = frozenset({"member", "keyword", "aspect"})


@dataclass(frozen=True, slots=True)
class Claim:
    """A trait that sets the failures apart: `ill_inside` of `inside` failed, and elsewhere `ill_outside` of `outside`.

    `of_payload`: it is the payload, or may be: requests can tell more.
    """

    where: str
    ill_inside: int
    inside: int
    ill_outside: int
    outside: int
    of_payload: bool

    @property
    def always(self) -> bool:
        """Whether all of them failed, and no other."""
        return self.ill_inside == self.inside and not self.ill_outside

    @property
    def text(self) -> str:
        """`always where result_code is 500: 40 of 40 (0 of 120 elsewhere)`."""
        how = "always" if self.always else "more often" if self.ill_outside else "only"
        elsewhere = f"{self.ill_outside} of {self.outside} elsewhere"
        return f"{how} where {self.where}: {self.ill_inside} of {self.inside} ({elsewhere})"


def payload_classes(record: Record, numbers: Collection[int], contract: Contract) -> dict[int, tuple[Label, ...]]:
    """The classes of payloads that the exchanges with these numbers are in."""
    found: dict[int, tuple[Label, ...]] = {}
    for case, exchange in exchanges_of(record, numbers):
        if case is None or (command := contract.commands.get(case.command or "")) is None:
            continue
        measure = MEASURES.get(case.kind)
        if command.method != "GET" and measure is not None:
            found[exchange.number] = tuple(dict.fromkeys(measure(command, exchange.request.body, contract)))
    return found


def exchanges_of(record: Record, numbers: Collection[int]) -> Iterator[tuple[Case | None, Exchange]]:
    """The exchanges with these numbers, some at a time, for their bodies may be large."""
    ordered = iter(sorted(numbers))
    while some := list(islice(ordered, AT_ONCE)):
        yield from record.exchanges_numbered(some).values()


def set_apart(  # noqa: PLR0913 - a claim rests on all of them
    observations: Sequence[Observation],
    classes: Classes,
    area: str,
    *,
    tried: int = 1,
    pointer: str | None = None,
    outcome: str = OUTCOME,
) -> Claim | None:
    """The claim that these observations support; None if chance may have spread the failures so.

    `area`: FORM where the form of a message is judged. `pointer`: the place in it that failed: an outcome does not
    explain itself. `outcome`: the member that tells it. `tried`: how often the same observations are asked about.
    """
    ill = frozenset(o.number for o in observations if o.fell_short)
    if not ill or len(ill) == len(observations):
        return None
    groups = dict(_groups(observations, classes, area, judges_outcome=pointer == f"/{outcome}"))
    unions = list(_unions(groups, ill))
    candidates = [*((trait, (value,), numbers) for (trait, value), numbers in groups.items()), *unions]
    # A trait that chance could explain even if all that have it failed, and nothing else, is not tried (Tarone).
    apart = [
        (trait, values, numbers)
        for trait, values, numbers in candidates
        if chance_of_as_many(min(len(numbers), len(ill)), len(numbers), len(ill), len(observations)) <= ERROR_RATE
    ]
    of_trait = Counter(trait for trait, _ in groups)
    others = sum(comb(of_trait[trait], len(values)) - 1 for trait, values, _ in unions)
    hypotheses = tried * (len({numbers for *_, numbers in apart}) + others)
    found = [
        (chance, claim)
        for trait, values, numbers in apart
        if (chance := chance_of_as_many(len(numbers & ill), len(numbers), len(ill), len(observations))) * hypotheses
        <= ERROR_RATE
        and (claim := _claim(trait, values, numbers, observations, outcome)) is not None
    ]
    certain = next((claim for _, claim in found if claim.always), None)
    return certain or min(found, key=lambda each: each[0], default=(0.0, None))[1]


def _groups(
    observations: Sequence[Observation], classes: Classes, area: str, *, judges_outcome: bool
) -> Iterator[tuple[tuple[str, Any], frozenset[int]]]:
    """Trait and value → the numbers of the exchanges that have it, where not all have."""
    left_out = {*(() if area == FORM else ("status",)), *(("outcome",) if judges_outcome else ())}
    for trait in (each for each in _SINGLE if each not in left_out):
        by_value: dict[Any, set[int]] = {}
        for o in observations:
            by_value.setdefault(getattr(o, trait), set()).add(o.number)
        for value, numbers in sorted(by_value.items(), key=lambda item: str(item[0])):
            if value is not None and len(numbers) < len(observations):
                yield (trait, value), frozenset(numbers)
    of_class: dict[Label, set[int]] = {}
    for o in observations:
        for label in classes.get(o.number, ()):
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
    counts = Counter((o.number in numbers, o.fell_short) for o in observations)
    inside, outside = counts[True, True] + counts[True, False], counts[False, True] + counts[False, False]
    if len(values) > 1 and (counts[False, True] or counts[True, False]):
        return None  # several values are named only where they explain every failure
    of_payload = trait == CLASS or _may_be_payload(trait, values, {o.kind for o in observations if o.fell_short})
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


# Aspects of valid requests with a special payload.
SPECIAL = UNUSUAL | {"sample"}
# Requests go out side by side, so near a turning point those of before and after are mixed: two times as many as are
# under way at once.
MIXED = 32
# So many must fail after a turning point for it to be one, rather than the end of a run.
ENOUGH_AFTER = 10
# Where it is known to last, some kinds of requests may be spared by it: this share of the requests after it.
SPARED = 0.1
# Fewer observations show no pattern.
ENOUGH = 3
# Each kind of failure is compared with all observations anew: of a larger run only all failures together are.
MOST_COMPARED = 3_000


@dataclass(frozen=True, slots=True)
class PatternContext:
    """The facts beside the observations: the area of the requirement, the failing place, classes of payloads.

    `outcome`: the member of a notification that holds the outcome.
    """

    area: str = ""
    pointer: str | None = None
    classes: Classes = field(default_factory=dict)
    outcome: str = OUTCOME


NOTHING_MORE = PatternContext()


def pattern_of(
    causes: Sequence[Cause],
    observations: Sequence[Observation],
    failed: int,
    of: int,
    context: PatternContext = NOTHING_MORE,
) -> Pattern:
    """The pattern of a requirement that failed in `failed` of so many observations, of which some are given."""
    if not any(observation.fell_short for observation in observations):
        return pattern_of_numbers(failed, of)
    of_run = pattern_of_run(observations, failed, of, context)
    known = [cause for cause in causes if cause.kind != Dependence.UNTOLD]
    words = list(dict.fromkeys(cause.pattern for cause in known or causes))
    if not known:
        return replace(of_run, text="; ".join([of_run.text, *words]))
    several = f"{len(known)} causes{', each' if len(words) == 1 else ''}: " if len(known) > 1 else ""
    text, kind = several + " | ".join(words), Dependence(known[0].kind)
    # Where the run and the follow-ups both support a claim, the pattern names both.
    return Pattern(kind, f"{text}; {of_run.claim}" if of_run.claim else text)


def pattern_of_numbers(failed: int, of: int) -> Pattern:
    """The pattern where it is unknown which requests failed: notifications that belong to nobody."""
    if failed == of >= ENOUGH:
        return Pattern(Dependence.ALWAYS, f"always: {failed} of {of}")
    return Pattern(Dependence.UNTOLD, f"{failed} of {of}; on what it depends cannot be told")


def pattern_of_run(
    observations: Sequence[Observation], failed: int, of: int, context: PatternContext = NOTHING_MORE
) -> Pattern:
    """The pattern that a run alone shows: requests of all kinds, sent side by side."""
    count = f"{failed} of {of}"
    if of < ENOUGH:
        return Pattern(Dependence.UNTOLD, f"{count}; too few to tell on what it depends", open=True)
    if failed == of and all(map(is_special, observations)):
        return Pattern(Dependence.UNTOLD, f"{count}, all with such payloads", open=True)
    if failed == of:
        return Pattern(Dependence.ALWAYS, f"always: {count}")
    if (since := turning_point(observations)) is not None:
        return Pattern(Dependence.FROM_NTH, since)
    if (step := period([o.fell_short for o in observations], error_rate=ERROR_RATE)) is not None:
        return Pattern(Dependence.EVERY_NTH, f"every {ordinal(step)}: {count}")
    return _of_trait(_set_apart(observations, context, context.pointer), count)


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
    alone = [replace(o, fell_short=o.fell_short and o.number in numbers) for o in observations]
    claim = _set_apart(alone, context, group[0].pointer, tried=groups)
    return claim.text if claim else None


def _set_apart(
    observations: Sequence[Observation], context: PatternContext, pointer: str | None, tried: int = 1
) -> Claim | None:
    return set_apart(observations, context.classes, context.area, tried=tried, pointer=pointer, outcome=context.outcome)


def is_special(observation: Observation) -> bool:
    """Whether the payload is a special one, so that it may be to blame."""
    if observation.kind is Kind.VALID:
        return observation.aspect in SPECIAL
    return observation.kind is Kind.OPEN


def turning_point(observations: Sequence[Observation], *, lasting: bool = False) -> str | None:
    """The place from which all fail, and before which none did, apart from requests under way; None without one.

    Payloads of one kind follow each other, so ordinary ones have to be found on both sides. `lasting`: it is known
    that by now all fail, whatever the payload.
    """
    since = _turn(observations, lasting=lasting)
    if since is None:
        return None
    after = sum(o.fell_short for o in observations[since:])
    return (
        f"from about the {ordinal(since + 1)} on (exchange {observations[since].number}): {after} of "
        f"{len(observations) - since} since then, none of {since} before"
    )


def _turn(observations: Sequence[Observation], *, lasting: bool) -> int | None:
    first = next((index for index, o in enumerate(observations) if o.fell_short), 0)
    passed_after = [index for index in range(first, len(observations)) if not observations[index].fell_short]
    settled = passed_after[-1] + 1 if passed_after else first
    if not first:
        return None
    if lasting:
        return first if len(passed_after) <= SPARED * (len(observations) - first) else None
    if len(observations) - settled < ENOUGH_AFTER:
        return None
    if observations[settled].number - observations[first].number > MIXED:
        return None
    ordinary = [not is_special(o) for o in observations]
    return first if any(ordinary[:first]) and any(ordinary[settled:]) else None


def period(outcomes: Sequence[bool], expected: int = 0, error_rate: float = ERROR_RATE_OF_A_ROW) -> int | None:
    """The n of "every nth" among outcomes in order (True: failed); None without such a rule.

    `expected`: an n that was seen elsewhere, which takes fewer to be seen again. `error_rate`: how likely it may be
    that so many fall into such an order by chance.
    """
    hits = [index for index, fell_short in enumerate(outcomes, start=1) if fell_short]
    if len(hits) < 2:
        return None
    step = hits[1] - hits[0]
    even = all(later - earlier == step for earlier, later in pairwise(hits))
    complete = hits[0] <= step and hits[-1] + step > len(outcomes)
    if step < 2 or not (even and complete):
        return None
    chance = regular(len(hits), len(outcomes), step if step == expected else None)
    return step if chance <= error_rate else None


def ordinal(number: int) -> str:
    """The number as an ordinal: 1st, 2nd, 3rd, 4th."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else endings.get(number % 10, 'th')}"
