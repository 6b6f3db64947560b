"""One inquiry: on what does it depend that a requirement falls short for a command, and what is the simplest payload?

    Inquiry     .inquire(): a generator that yields the requests which it needs next and is sent what became of them

It sends nothing itself, so that the requests of all inquiries can go out together and be waited for once
(`conformance.gateway_under_test.shrinking`). First a failing payload is sent again beside a plain one, in an order that
no rule of the kind "every nth" fits. If it falls short each time and the plain one never, it depends on the payload,
which is then made simpler; if not, requests in a row tell what else it may be.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice

from conformance.checks.follow_ups import Cause, follow_up_id
from conformance.checks.judgement import Check
from conformance.checks.patterns import ENOUGH, Dependence, ordinal, period, turning_point
from conformance.checks.watching import Observation
from conformance.contract.commands import COMMANDS, Command
from conformance.gateway_under_test.comparison import Comparison, Tally
from conformance.generation.apart import Apart
from conformance.generation.labels import Label, Members, members_of
from conformance.generation.payloads import WINDOW_MEMBERS, Constraints, encoded
from conformance.generation.simpler import Simpler, plain_members, without
from conformance.traffic import Case, Kind

# A failing payload (F) and a plain one (P): neither stands at places that "every nth" would fit.
ORDER = "FPPFFP"
# F is sent to other phone numbers, lest a gateway knows it again. If it goes well then, it is sent exactly as it was;
# where similar requests have to be kept apart, with an amount next to its own.
EXACTLY = "GGG"
# In a row, so that every nth shows as such: three times what one of them needs at the rate that the run had, and some.
ROW_FACTOR, ROW_SPARE = 3.3, 2
SHORTEST_ROW, LONGEST_ROW = 8, 70
# Simpler payloads of one inquiry that are sent at once.
MOST_AT_ONCE = 24
# Other failing cases that are looked at for the same cause, and causes looked for in one requirement × command.
MOST_OTHERS, MOST_CAUSES = 6, 4

Outcomes = Mapping[str, bool | None]
"""Case id → whether it fell short; None if it could not be told, or was not sent."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests to be sent; `in_order`: one after the other. `patient`: with all the time that a notification has."""

    cases: tuple[Case, ...]
    in_order: bool = False
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """A failing case whose payload may be to blame."""

    case: Case
    label: Label
    members: Members


@dataclass(slots=True)
class Found:
    """What was found out about a suspect: `base`, the simplest members that fall short, sent as `case`.

    `differs` are the members in which it is not like the `good` one. `cases` are those that are put down to it.
    """

    suspect: Suspect
    base: Members
    good: Members
    case: Case
    differs: tuple[str, ...]
    comparison: Comparison
    confirmed: Comparison
    finished: bool
    cases: list[str]

    def is_in(self, other: Suspect) -> bool:
        """Whether another suspect of the same label has it in it."""
        alike = other.label.kind is Kind.VALID or other.label == self.suspect.label
        return alike and mended(other, [self]) != other.members


def mended(suspect: Suspect, found: Iterable[Found]) -> Members:
    """The suspect's members without anything that was found."""
    members = suspect.members
    for each in found:
        members = without(members, each.base, each.good)
    return members


@dataclass(slots=True)
class Learned:
    """What other inquiries of the run found: members to blame, and the longest n of an "every nth"."""

    to_blame: list[Members] = field(default_factory=list)
    period: int = 0


@dataclass(slots=True)
class Inquiry:
    """Into one requirement × command.

    `failing` are the cases that fell short in the run, `well` those that did not and can be compared with them, both
    with all that is needed to send them again; `observations` are those of the run.
    """

    requirement: str
    command: str
    check: Check
    failing: tuple[Case, ...]
    well: tuple[Case, ...]
    observations: tuple[Observation, ...]
    constraints: Constraints
    apart: Apart
    learned: Learned
    needs_notifications: bool = False
    _count: int = field(default=0)

    def inquire(self) -> Generator[Batch, Outcomes, list[Cause]]:
        """Ask until it is told, or nothing more can be asked; the causes."""
        suspects, found = self._suspects(), list[Found]()
        other_cause: Cause | None = None
        while suspects and len(found) < MOST_CAUSES:
            suspect, *others = suspects
            plain, comparison = yield from self._compared(suspect)
            if plain is None or comparison is None:
                suspects = others
            elif comparison.depends:
                found.append((yield from self._shrunk(suspect, plain, comparison)))
                suspects = yield from self._unexplained(others, found)
            else:
                told = {case for each in found for case in each.cases}
                left = tuple(case.id for case in self.failing if case.id not in told)
                other_cause = yield from self._in_a_row(suspect, plain, comparison, left)
                break
        return [*(self._cause(each) for each in found), *([other_cause] if other_cause else [])]

    @property
    def observed(self) -> Tally:
        """How often it fell short in the run."""
        return Tally.among(observation.fell_short for observation in self.observations)

    def _suspects(self) -> list[Suspect]:
        """The shortest bodies first: they are the simplest to begin with."""
        found = []
        for case in self.failing:
            label, members = Label.of(case), members_of(case.request.body)
            if label is not None and members is not None:
                found.append(Suspect(case, label, members))
        return sorted(found, key=lambda suspect: len(suspect.case.request.body))

    # --- Beside a plain one

    def _compared(self, suspect: Suspect) -> Generator[Batch, Outcomes, tuple[Members | None, Comparison | None]]:
        """A payload that differs in its outcome, if there is one, and the comparison with it; else with the last."""
        plain: Members | None = None
        comparison: Comparison | None = None
        for plain in self._plain_ones(suspect):
            told = yield from self._tallied(suspect, plain, ORDER)
            comparison = Comparison(told["F"], told["P"])
            if not comparison.ill.always and not comparison.well.short:
                told = yield from self._tallied(suspect, plain, EXACTLY)
                ill = max(comparison.ill, told["G"], key=lambda tally: (tally.always, tally.short))
                comparison = Comparison(ill, comparison.well)
            if comparison.depends or not (comparison.ill.always and comparison.well.always):
                break
        return plain, comparison

    def _tallied(self, suspect: Suspect, plain: Members, order: str) -> Generator[Batch, Outcomes, Mapping[str, Tally]]:
        """Requests in that order, by letter: failing ones to other numbers (F), exactly (G), and plain ones (P)."""
        phone, amount = WINDOW_MEMBERS
        movable = amount if self._command.window_s is not None else ""
        members = {"F": suspect.members, "G": suspect.members, "P": plain}
        kept = {"F": set(suspect.members) - {phone}, "G": set(suspect.members) - {movable}, "P": set[str]()}
        cases = [(letter, case) for letter in order if (case := self._case(suspect, members[letter], kept[letter]))]
        outcomes = yield Batch(tuple(case for _, case in cases), in_order=True)
        return {letter: Tally.among(outcomes.get(case.id) for at, case in cases if at == letter) for letter in order}

    def _plain_ones(self, suspect: Suspect) -> Iterator[Members]:
        """The plainest of all, where it counts as the same; then the plainest that went well in the run."""
        plainest = plain_members(self._command, self.constraints)
        if suspect.label.kind is Kind.VALID:
            yield plainest
        alike = [case for case in self.well if self._is_alike(case, suspect)]
        if alike:
            best = min(alike, key=lambda case: (self._is_open_there(case, suspect), len(case.request.body), case.id))
            yield members_of(best.request.body) or {}

    @staticmethod
    def _is_open_there(case: Case, suspect: Suspect) -> bool:
        """Whether the contract leaves the same member open: then it has no ordinary value to compare with."""
        label = Label.of(case)
        return label is not None and bool(label.open_at & suspect.label.open_at)

    @staticmethod
    def _is_alike(case: Case, suspect: Suspect) -> bool:
        same = case.kind is suspect.case.kind and case.member == suspect.case.member
        return same and (case.kind is Kind.VALID or case.aspect == suspect.case.aspect)

    # --- Not the payload

    def _in_a_row(
        self, suspect: Suspect, plain: Members, comparison: Comparison, cases: tuple[str, ...]
    ) -> Generator[Batch, Outcomes, Cause | None]:
        """Requests one after the other, failing payload and plain one in turn; a longer row if little shows."""
        so_far, row = comparison, list[bool]()
        if not comparison.told:
            return None
        if not (comparison.ill.always and comparison.well.always):
            rate = self.observed.short / max(1, self.observed.of)
            row, so_far = yield from self._row(suspect, plain, so_far, max(1 / rate, self.learned.period))
            if 0 < sum(row) < ENOUGH and period(row, expected=self.learned.period) is None:
                longer, so_far = yield from self._row(suspect, plain, so_far, len(row) / sum(row))
                row = max(row, longer, key=len)
        kind, words = self._told_of_row(row, so_far)
        return Cause(self.requirement, self.command, cases, kind, words)

    def _row(
        self, suspect: Suspect, plain: Members, so_far: Comparison, distance: float
    ) -> Generator[Batch, Outcomes, tuple[list[bool], Comparison]]:
        """A row that is long enough to see what happens once in `distance` requests; the comparison with it added."""
        length = max(SHORTEST_ROW, min(LONGEST_ROW, round(ROW_FACTOR * distance) + ROW_SPARE))
        turns = [("F", suspect.members) if turn == "F" else ("P", plain) for turn in islice(cycle("FFPP"), length)]
        cases = [(letter, case) for letter, members in turns if (case := self._case(suspect, members, ()))]
        outcomes = yield Batch(tuple(case for _, case in cases), in_order=True)
        told = [(letter, outcome) for letter, case in cases if (outcome := outcomes.get(case.id)) is not None]
        ill = so_far.ill + Tally.among(outcome for letter, outcome in told if letter == "F")
        well = so_far.well + Tally.among(outcome for letter, outcome in told if letter == "P")
        return [outcome for _, outcome in told], Comparison(ill, well)

    def _told_of_row(self, row: Sequence[bool], comparison: Comparison) -> tuple[Dependence, str]:
        step = period(row, expected=self.learned.period)
        in_the_run = f"{self.observed} in the run"
        if step is not None:
            self.learned.period = max(self.learned.period, step)
            return (
                Dependence.EVERY_NTH,
                f"every {ordinal(step)}: {sum(row)} of {len(row)} sent one after the other; {in_the_run}",
            )
        if comparison.ill.always and comparison.well.always:
            since = turning_point(self.observations, lasting=True)
            if since is not None:
                return Dependence.FROM_NTH, f"{since}; {comparison.in_words}"
            return Dependence.ALWAYS, f"always, whatever the payload: {comparison.in_words}; {in_the_run}"
        return Dependence.NOW_AND_THEN, f"now and then{comparison.whatever}: {comparison.in_words}; {in_the_run}"

    # --- The payload

    def _shrunk(self, suspect: Suspect, plain: Members, comparison: Comparison) -> Generator[Batch, Outcomes, Found]:
        """Simpler payloads until none falls short any more, or nothing more can be asked."""
        known = tuple(self.learned.to_blame)
        ascii_only = suspect.case.request.body.isascii()
        # What is broken or open is measured against what is valid, which could not be sent as such.
        good = plain if suspect.label.kind is Kind.VALID else plain_members(self._command, self.constraints)
        simpler = Simpler(suspect.label, good, frozenset(self.constraints.values()), ascii_only, known)
        simpler.told(plain, held=True)
        base, case, finished = suspect.members, suspect.case, True
        while finished and (candidates := simpler.candidates(base, MOST_AT_ONCE)):
            trials = [(members, self._case(suspect, members, simpler.differing(members))) for members in candidates]
            outcomes = yield Batch(tuple(each for _, each in trials if each))
            for members, each in trials:
                simpler.told(members, held=each is not None and outcomes.get(each.id) is False)
            finished = all(each is None or each.id in outcomes for _, each in trials)
            failing = ((members, each) for members, each in trials if each and outcomes.get(each.id))
            base, case = next(failing, (base, case))
        differences = simpler.differences(base)
        self.learned.to_blame.append(differences)
        confirmed = yield from self._confirmed(suspect, base, plain, differences)
        return Found(suspect, base, good, case, tuple(differences), comparison, confirmed, finished, [suspect.case.id])

    def _confirmed(
        self, suspect: Suspect, base: Members, plain: Members, kept: Iterable[str]
    ) -> Generator[Batch, Outcomes, Comparison]:
        """The minimal payload and the plain one once more, twice each, with all the time that there is."""
        trials = (("F", base, kept), ("P", plain, ()), ("P", plain, ()), ("F", base, kept))
        cases = [(letter, case) for letter, members, keep in trials if (case := self._case(suspect, members, keep))]
        outcomes = yield Batch(tuple(case for _, case in cases), in_order=True, patient=True)
        ill, well = (Tally.among(outcomes.get(case.id) for at, case in cases if at == letter) for letter in "FP")
        return Comparison(ill, well)

    def _unexplained(
        self, others: Sequence[Suspect], found: Sequence[Found]
    ) -> Generator[Batch, Outcomes, list[Suspect]]:
        """The suspects that have something else; the others are put down to the first cause that they have in them.

        A suspect is put down to what was found if it goes well without all of that. Those that could not be asked
        about are put down to it, too, if those that were asked agree.
        """
        asked: list[tuple[Suspect, Found, Case]] = []
        unasked: list[tuple[Suspect, Found]] = []
        different: list[Suspect] = []
        for other in others:
            cause = next((each for each in found if each.is_in(other)), None)
            if cause is None:
                different.append(other)
                continue
            case = self._case(other, mended(other, found), ()) if len(asked) < MOST_OTHERS else None
            if case is not None and other.label.holds(case.request.body):
                asked.append((other, cause, case))
            else:
                unasked.append((other, cause))
        outcomes = (yield Batch(tuple(case for *_, case in asked))) if asked else {}
        well = [(other, cause) for other, cause, case in asked if outcomes.get(case.id) is False]
        ill = [other for other, _, case in asked if outcomes.get(case.id) is not False]
        for other, cause in [*well, *([] if ill else unasked)]:
            cause.cases.append(other.case.id)
        return [*different, *ill, *([other for other, _ in unasked] if ill else [])]

    def _cause(self, found: Found) -> Cause:
        both = Comparison(found.comparison.ill + found.confirmed.ill, found.comparison.well + found.confirmed.well)
        searched = "" if found.finished else "; the budget was used up before the simplest was found"
        numbers = f"{both.in_words}; {self.observed} in the run{searched}"
        if found.confirmed.told and not found.confirmed.depends:
            kind, words = Dependence.NOW_AND_THEN, f"now and then, more often with such a payload: {numbers}"
        else:
            kind, words = Dependence.PAYLOAD, f"depends on the payload: {numbers}"
        sent = members_of(found.case.request.body) or {}
        differs = {name: sent.get(name) for name in found.differs}
        cases = tuple(found.cases)
        return Cause(self.requirement, self.command, cases, kind, words, found.case.id, differs, found.finished)

    # --- Cases

    @property
    def _command(self) -> Command:
        return COMMANDS[self.command]

    def _case(self, suspect: Suspect, members: Members, kept: Iterable[str]) -> Case | None:
        """A case like the suspect's with other members, kept apart from all before; None if there is no room for it."""
        kept = frozenset(kept)
        placed = self.apart.placed(members, kept) or self.apart.placed(members, kept - {WINDOW_MEMBERS[0]})
        if placed is None:
            return None
        self._count += 1
        case_id = follow_up_id(self._command.folder, self.requirement, self._count)
        body = encoded(placed, ascii_only=suspect.case.request.body.isascii())
        request = replace(suspect.case.request, body=body)
        return replace(suspect.case, id=case_id, group=case_id, request=request)
