"""A run judged part by part, with the verdicts of one pass through the whole.

Each part is gone through twice. First its single messages are judged, and it yields its facts; when the facts of all
parts are known, the checks of the run judge it by them. Tallies, facts and coverage add up. The parts are in no order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from conformance.contract.contract import Contract
from conformance.diagnosis.observations import Observed, ObservedCheck
from conformance.journal import Record
from conformance.judging.coverage import Coverage
from conformance.judging.facts import Amounts, PartFacts, RunFacts, Share, add_amounts
from conformance.judging.gathering import amounts_of, facts_of
from conformance.judging.judgement import Check, SubjectCheck, Tally
from conformance.judging.parts import Division, Part, PartTask
from conformance.judging.passage import SinglePass
from conformance.judging.terms import Terms

Checks = Callable[[Contract], Mapping[str, Check]]
Pairs = tuple[tuple[str, str | None], ...]
"""Requirements by their ids, each with a command."""


@dataclass(frozen=True, slots=True)
class ReadPart:
    """Judges the single messages of a part, and finds its facts and coverage."""

    checks: Checks
    pairs: Pairs
    listed: tuple[tuple[str, ...], ...]
    measured: bool

    def __call__(self, record: Record, terms: Terms, share: Share) -> tuple[tuple[Tally, ...], PartFacts, Coverage]:
        """Tallies in the order of the pairs, those of checks of the run empty."""
        checks, coverage = self.checks(terms.contract), Coverage(terms.contract)
        asked = [(checks[id_], command) for id_, command in self.pairs]
        witnesses = [coverage.see] if self.measured else []
        passage = SinglePass.through(record, terms, asked, witnesses, self.listed, share)
        return passage.tallies, facts_of(passage.evidence), coverage


@dataclass(frozen=True, slots=True)
class FindAmounts:
    """Finds the accepted requests of a part that asked for certain amounts."""

    wanted: Mapping[str | None, frozenset[Decimal]]

    def __call__(self, record: Record, terms: Terms, share: Share) -> Mapping[str | None, Amounts]:
        """By command and amount."""
        return amounts_of(SinglePass.through(record, terms, (), share=share).evidence, self.wanted)


@dataclass(frozen=True, slots=True)
class ConcludePart:
    """Has the checks of the run judge a part by the facts of the whole."""

    checks: Checks
    pairs: Pairs
    listed: tuple[tuple[str, ...], ...]
    facts: RunFacts

    def __call__(self, record: Record, terms: Terms, share: Share) -> tuple[Tally, ...]:
        """Tallies in the order of the pairs, those of checks of single messages empty."""
        checks = self.checks(terms.contract)
        asked = [(checks[id_], command) for id_, command in self.pairs]
        of_run = [(check, command) for check, command in asked if not isinstance(check, SubjectCheck)]
        listed = [
            each for (check, _), each in zip(asked, self.listed, strict=True) if not isinstance(check, SubjectCheck)
        ]
        passage = SinglePass.through(record, terms, of_run, (), listed, share)
        passage.conclude(self.facts)
        tallies = iter(passage.tallies)
        return tuple(Tally() if isinstance(check, SubjectCheck) else next(tallies) for check, _ in asked)


@dataclass(frozen=True, slots=True)
class WatchPart:
    """Observes checks that found something while they judge a part."""

    checks: Checks
    pairs: Pairs
    facts: RunFacts

    def __call__(self, record: Record, terms: Terms, share: Share) -> tuple[Observed, ...]:
        """The observations of each pair, in their order."""
        checks = self.checks(terms.contract)
        watched = [ObservedCheck(checks[id_], command) for id_, command in self.pairs]
        asked = [(each.check, each.command) for each in watched]
        SinglePass.through(record, terms, asked, share=share).conclude(self.facts)
        for each in watched:
            each.observed.limit()
        return tuple(each.observed for each in watched)


@dataclass(frozen=True, slots=True)
class DividedPass:
    """A run that was judged part by part. `tallies` are in the order of the pairs."""

    division: Division
    checks: Checks
    pairs: Pairs
    parts: tuple[Part, ...]
    tallies: tuple[Tally, ...]
    coverage: Coverage
    facts: RunFacts = field(default_factory=RunFacts)

    @classmethod
    def of(  # noqa: PLR0913 - as SinglePass
        cls,
        division: Division,
        terms: Terms,
        checks: Checks,
        pairs: Pairs,
        listed: Sequence[tuple[str, ...]],
        *,
        measured: bool,
    ) -> DividedPass:
        """Judge all parts of a run."""
        begun, found = tuple(map(Tally, listed)), PartFacts()
        coverage = Coverage(terms.contract)
        reading = ReadPart(checks, pairs, tuple(listed), measured)

        def read(parts: Sequence[Part]) -> None:
            for tallies, facts, covered in division.each((part, reading) for part in parts):
                _add_all(begun, tallies)
                found.merge(facts)
                coverage.add(covered)

        read(division.others)
        # It has the requests that may be notifications if some are missing, in whatever part.
        leading = replace(division.leading, share=replace(division.leading.share, missing=dict(found.missing)))
        read([leading])
        parts = (*division.others, leading)
        amounts: dict[str | None, Amounts] = {}
        if found.told:
            for some in division.each((part, FindAmounts(found.told)) for part in parts):
                add_amounts(amounts, some)
        facts = found.settled(terms, amounts)
        concluding = ConcludePart(checks, pairs, tuple(listed), facts)
        for tallies in division.each((part, concluding) for part in parts):
            _add_all(begun, tallies)
        return cls(division, checks, pairs, parts, begun, coverage, facts)

    def look(self, watched: Mapping[int, ObservedCheck]) -> None:
        """Observe the checks of the pairs with these places."""
        task = WatchPart(self.checks, tuple(self.pairs[place] for place in watched), self.facts)
        for observed in self._each(task):
            for check, more in zip(watched.values(), observed, strict=True):
                check.observed.merge(more)

    def _each(self, task: PartTask[tuple[Observed, ...]]) -> Iterator[tuple[Observed, ...]]:
        return self.division.each((part, task) for part in self.parts)


def _add_all(tallies: Sequence[Tally], more: Sequence[Tally]) -> None:
    for tally, other in zip(tallies, more, strict=True):
        tally.add_tally(other)
