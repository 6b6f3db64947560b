"""Traits that set the failed exchanges apart, where chance does not explain it.

Most traits are of the request (kind, member, aspect, class of payload); the outcome is of the notification. The HTTP
status counts where the form of an answer is judged: elsewhere it is what was judged. A trait is named only where
chance would hardly set so many apart, all traits that were tried taken together (Bonferroni).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import comb, exp, lgamma
from typing import Any

from conformance.contract.contract import Contract
from conformance.journal import Record
from conformance.judging.coverage import BROKEN, MEASURES, Label
from conformance.model.traffic import Case, Exchange, Kind

# A claim may be chance once in a thousand runs: people act on it, and each run makes several.
ERROR_RATE = 0.001
# Requests that are sent for it alone are few, since each of them may cost money: one in a hundred.
ERROR_RATE_OF_A_ROW = 0.01
# Terms that add less than this do not change a sum.
NEGLIGIBLE = 1e-9


def above(ill_inside: int, inside: int, ill: int, of: int) -> float:
    """The chance of `ill_inside` failures or more among `inside` of the `of` observations, `ill` of which failed.

    Fisher's exact test, one-sided. Only for more than are to be expected there; 1 for fewer.
    """
    if ill_inside * of <= ill * inside:
        return 1.0
    total, every = 0.0, _log_comb(of, ill)
    for number in range(ill_inside, min(ill, inside) + 1):
        term = exp(_log_comb(inside, number) + _log_comb(of - inside, ill - number) - every)
        total += term
        if term < NEGLIGIBLE * total:
            break
    return min(1.0, total)


def regular(hits: int, length: int, step: int | None = None) -> float:
    """The chance that `hits` in a row of `length` all come at one distance, none missing; at `step`, if given."""
    steps = range(2, length) if step is None else (step,)
    rows = sum(max(0, min(each, length - (hits - 1) * each) - max(0, length - hits * each)) for each in steps)
    return rows / comb(length, hits)


def split(ill: int, well: int, failed: int, of: int) -> float:
    """The chance that one payload fails `ill` times in a row and another `well` times not, at the rate of a run.

    That rate is `failed` of `of`, with one failure and one success added: neither is certain.
    """
    rate = (failed + 1) / (of + 2)
    return float(rate**ill * (1 - rate) ** well)


def _log_comb(of: int, chosen: int) -> float:
    if not 0 <= chosen <= of:
        return float("-inf")
    return lgamma(of + 1) - lgamma(chosen + 1) - lgamma(of - chosen + 1)


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
        if above(min(len(numbers), len(ill)), len(numbers), len(ill), len(observations)) <= ERROR_RATE
    ]
    of_trait = Counter(trait for trait, _ in groups)
    others = sum(comb(of_trait[trait], len(values)) - 1 for trait, values, _ in unions)
    hypotheses = tried * (len({numbers for *_, numbers in apart}) + others)
    found = [
        (chance, claim)
        for trait, values, numbers in apart
        if (chance := above(len(numbers & ill), len(numbers), len(ill), len(observations))) * hypotheses <= ERROR_RATE
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
