"""On what a failure depends: whether it is always there, from some request on, every nth time, or with some payloads.

    Pattern             that, in words with their numbers
    told                what can be said of a requirement that fell short
    told_by_journal     what the journal of a run alone says about it
    period              every nth, from requests sent one after the other

A statement carries its numbers (k of n), and none says more than was seen: a failure whose cause was not looked into is
told as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from conformance.checks.acceptance import ASPECTS
from conformance.checks.follow_ups import Cause
from conformance.checks.watching import Observation
from conformance.traffic import Kind

# Requests go out side by side, so near a turning point those of before and after are mixed: two times as many as are
# under way at once.
MIXED = 32
# So many must fall short behind a turning point for it to be one, rather than the end of a run.
ENOUGH_AFTER = 10
# Where it is known to last, some kinds of requests may be spared by it: the part of what came after.
SPARED = 0.1
# Twice may be chance; three times, or three times at the same distance with nothing between, is a rule.
ENOUGH = 3
# Payloads of a run are all different, and may fall into such an order by themselves.
ENOUGH_UNASKED = 6


class Dependence(StrEnum):
    """On what it depends."""

    ALWAYS = "always"
    FROM_NTH = "from-nth"
    EVERY_NTH = "every-nth"
    NOW_AND_THEN = "now-and-then"
    PAYLOAD = "payload"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Pattern:
    """On what it depends, and the same in words with its numbers."""

    kind: Dependence
    text: str

    @property
    def is_one_cause(self) -> bool:
        """Whether all that falls short does so for one cause."""
        return self.kind in (Dependence.ALWAYS, Dependence.FROM_NTH, Dependence.EVERY_NTH)


def told(causes: Sequence[Cause], observations: Sequence[Observation], failed: int, of: int) -> Pattern:
    """What is known of a requirement that fell short in `failed` of so many observations, of which some are given."""
    if causes:
        words = list(dict.fromkeys(cause.pattern for cause in causes))
        several = f"{len(causes)} causes{', each' if len(words) == 1 else ''}: " if len(causes) > 1 else ""
        return Pattern(Dependence(causes[0].kind), several + " | ".join(words))
    if any(observation.fell_short for observation in observations):
        return told_by_journal(observations, failed, of)
    return told_by_numbers(failed, of)


def told_by_numbers(failed: int, of: int) -> Pattern:
    """What can be said where it is not known which requests fell short: notifications that belong to nobody."""
    if failed == of >= ENOUGH:
        return Pattern(Dependence.ALWAYS, f"always: {failed} of {of}")
    return Pattern(Dependence.UNTOLD, f"{failed} of {of}; on what it depends cannot be told")


def told_by_journal(observations: Sequence[Observation], failed: int, of: int) -> Pattern:
    """What a run alone says: requests of all kinds, sent side by side."""
    count = f"{failed} of {of}"
    if of < ENOUGH:
        return Pattern(Dependence.UNTOLD, f"{count}; too few to tell on what it depends")
    if failed == of and any(not is_special(o) for o in observations):
        return Pattern(Dependence.ALWAYS, f"always: {count}")
    if (since := turning_point(observations)) is not None:
        return Pattern(Dependence.FROM_NTH, since)
    if (step := period([o.fell_short for o in observations], ENOUGH_UNASKED)) is not None:
        return Pattern(Dependence.EVERY_NTH, f"every {ordinal(step)}: {count}")
    if (apart := _told_by_kind(observations)) is not None:
        return apart
    return Pattern(Dependence.UNTOLD, f"{count}; on what it depends was not looked into")


def is_special(observation: Observation) -> bool:
    """Whether the payload was there to show something, so that it may be to blame."""
    if observation.kind is Kind.VALID:
        return observation.aspect in ASPECTS
    return observation.kind is Kind.OPEN


def turning_point(observations: Sequence[Observation], *, lasting: bool = False) -> str | None:
    """From which on all fall short, and before which none did, give or take what was under way; None if none is seen.

    Payloads of one kind follow each other, so ordinary ones have to be found on both sides. `lasting`: it is known
    that by now all fall short, whatever the payload.
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
    kept_after = [index for index in range(first, len(observations)) if not observations[index].fell_short]
    settled = kept_after[-1] + 1 if kept_after else first
    if not first:
        return None
    if lasting:
        return first if len(kept_after) <= SPARED * (len(observations) - first) else None
    if len(observations) - settled < ENOUGH_AFTER:
        return None
    if observations[settled].number - observations[first].number > MIXED:
        return None
    ordinary = [not is_special(o) for o in observations]
    return first if any(ordinary[:first]) and any(ordinary[settled:]) else None


def period(outcomes: Sequence[bool], enough: int = ENOUGH, expected: int = 0) -> int | None:
    """The n of "every nth" among outcomes in order (True: fell short); None if there is no such rule in them.

    `enough`: how often it has to be seen. `expected`: an n that was seen elsewhere, for which twice is enough.
    """
    hits = [index for index, fell_short in enumerate(outcomes, start=1) if fell_short]
    if len(hits) < 2:
        return None
    step = hits[1] - hits[0]
    if len(hits) < enough and step != expected:
        return None
    regular = all(later - earlier == step for earlier, later in pairwise(hits))
    complete = hits[0] <= step and hits[-1] + step > len(outcomes)
    return step if step > 1 and regular and complete else None


# What a case may be told apart by, beside its payload: the first that separates those that fall short from the others.
_TELLING: Mapping[str, str] = {"kind": "{} requests", "member": "a broken {}", "aspect": "{}"}


def _told_by_kind(observations: Sequence[Observation]) -> Pattern | None:
    """Always for some kinds of requests, and never for the others. Valid payloads are not told apart by this."""
    if any(o.fell_short and o.kind in (Kind.VALID, Kind.OPEN) for o in observations):
        return None
    for trait, words in _TELLING.items():
        ill = {getattr(o, trait) for o in observations if o.fell_short}
        among = [o for o in observations if getattr(o, trait) in ill]
        if None not in ill and all(o.fell_short for o in among) and ENOUGH <= len(among) < len(observations):
            named = words.format(" and ".join(sorted(str(each) for each in ill)))
            others = len(observations) - len(among)
            return Pattern(
                Dependence.ALWAYS, f"always for {named}: {len(among)} of {len(among)}; for others 0 of {others}"
            )
    return None


def ordinal(number: int) -> str:
    """The number as an ordinal: 1st, 2nd, 3rd, 4th."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else endings.get(number % 10, 'th')}"
