"""On what a failure depends: whether it is always there, from some request on, every nth time, or with some payloads.

    observed            what a check saw, exchange by exchange, in the order of sending
    told_by_journal     what the journal of a run alone says about that
    period              every nth, from requests sent one after the other

A statement carries its numbers (k of n), and none says more than was seen: a failure whose cause was not looked into is
told as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import pairwise

from conformance.checks.acceptance import ASPECTS
from conformance.checks.evidence import Answer, Evidence, Notice
from conformance.checks.judgement import Check, Finding, Kept
from conformance.traffic import Case, Kind

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


@dataclass(frozen=True, slots=True)
class Observation:
    """One exchange, by its number, that a requirement was judged by."""

    number: int
    case: Case
    fell_short: bool


# --- What a check saw


@dataclass(frozen=True, slots=True)
class _Followed(Evidence):
    """Evidence that knows which answer was looked at last: the one that the next judgement is about."""

    last: list[Answer | None] = field(default_factory=lambda: [None])

    @classmethod
    def through(cls, evidence: Evidence) -> _Followed:
        return cls(**{f.name: getattr(evidence, f.name) for f in fields(Evidence)})

    def of_command(self, command: str | None) -> tuple[Answer, ...]:
        return self._each(Evidence.of_command(self, command))  # type: ignore[return-value]  # iterated over alone

    def notices_for(self, command: str | None) -> tuple[Notice, ...]:
        return self._each_notice(Evidence.notices_for(self, command))  # type: ignore[return-value]  # the same

    def _each(self, answers: Sequence[Answer]) -> Iterator[Answer]:
        for answer in answers:
            self.last[0] = answer
            yield answer

    def _each_notice(self, notices: Sequence[Notice]) -> Iterator[Notice]:
        for notice in notices:
            self.last[0] = notice.answer
            yield notice


def observed(check: Check, evidence: Evidence, command: str | None) -> tuple[Observation, ...]:
    """What `check` saw: each exchange that it judged, once, in the order of sending.

    What belongs to no exchange (a notification that nobody asked for) is left out.
    """
    followed = _Followed.through(evidence)
    cases = {answer.exchange.number: answer.case for answer in evidence.answers}
    short: dict[int, bool] = {}
    for judgement in check(followed, command):
        number: int | None = None
        if isinstance(judgement, Finding):
            number = judgement.exchange
        elif isinstance(judgement, Kept) and followed.last[0] is not None:
            number = followed.last[0].exchange.number
        if number is not None:
            short[number] = short.get(number, False) or isinstance(judgement, Finding)
    return tuple(Observation(number, cases[number], short[number]) for number in sorted(short))


# --- What that says


def told_by_numbers(failed: int, of: int) -> Pattern:
    """What can be said where it is not known which requests fell short: notifications that belong to nobody."""
    if failed == of >= ENOUGH:
        return Pattern(Dependence.ALWAYS, f"always: {failed} of {of}")
    return Pattern(Dependence.UNTOLD, f"{failed} of {of}; on what it depends cannot be told")


def told_by_journal(observations: Sequence[Observation]) -> Pattern:
    """What a run alone says: requests of all kinds, sent side by side."""
    seen = sum(o.fell_short for o in observations)
    count = f"{seen} of {len(observations)}"
    if len(observations) < ENOUGH:
        return Pattern(Dependence.UNTOLD, f"{count}; too few to tell on what it depends")
    if seen == len(observations) and any(not is_special(o.case) for o in observations):
        return Pattern(Dependence.ALWAYS, f"always: {count}")
    if (since := turning_point(observations)) is not None:
        return Pattern(Dependence.FROM_NTH, since)
    if (step := period([o.fell_short for o in observations], ENOUGH_UNASKED)) is not None:
        return Pattern(Dependence.EVERY_NTH, f"every {ordinal(step)}: {count}")
    if (apart := _told_by_kind(observations)) is not None:
        return apart
    return Pattern(Dependence.UNTOLD, f"{count}; on what it depends was not looked into")


def is_special(case: Case) -> bool:
    """Whether the payload of a case is there to show something, so that it may be to blame."""
    if case.kind is Kind.VALID:
        return case.aspect in ASPECTS
    return case.kind is Kind.OPEN


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
    ordinary = [not is_special(o.case) for o in observations]
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
    if any(o.fell_short and o.case.kind in (Kind.VALID, Kind.OPEN) for o in observations):
        return None
    for trait, words in _TELLING.items():
        ill = {getattr(o.case, trait) for o in observations if o.fell_short}
        among = [o for o in observations if getattr(o.case, trait) in ill]
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
