"""Patterns of failures: always, from or at every nth request, with a trait or a payload; or intermittent.

A pattern carries its numbers (k of n), and is claimed only where chance does not explain it
(`conformance.diagnosis.traits`): a failure without a trait of its own is intermittent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from conformance.diagnosis.follow_ups import Cause
from conformance.diagnosis.traits import (
    ERROR_RATE,
    ERROR_RATE_OF_A_ROW,
    OUTCOME,
    Claim,
    Classes,
    Observation,
    regular,
    set_apart,
)
from conformance.judging.excuses import UNUSUAL
from conformance.judging.judgement import Dependence, Finding, Pattern
from conformance.model.traffic import Kind

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
