"""One investigation into the failures of a requirement × command: their causes, and the simplest payloads of each.

It only yields the requests that it needs next, and gets their outcomes, so that the requests of all investigations can
go out together, with a single wait (`conformance.diagnosis.search`). First a failing payload goes out again beside a
plain one, in an order that no rule of the kind "every nth" fits. If it fails each time and the plain one never, the
failure depends on the payload, which is then made simpler; if not, requests in a row show another pattern.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.diagnosis.follow_ups import (
    Attribution,
    Cause,
    Comparison,
    FailureCount,
    Found,
    Outcomes,
    Specimen,
    follow_up_id,
    mended,
)
from conformance.diagnosis.patterns import ENOUGH, Observation, ordinal, period, turning_point
from conformance.judging.judgement import Check, Dependence
from conformance.model.traffic import Case, Kind
from conformance.payloads.addressees import Addressees
from conformance.payloads.members import Constraints, Label, Members, UniquePayloads, members_of, recipient_of
from conformance.payloads.shrinking import Shrinker, as_plain_as, plain_members
from conformance.payloads.valid import encoded

# A failing payload (F) and a plain one (P), in an order that no "every nth" fits.
ORDER = "FPPFFP"
# F goes to other phone numbers, because a gateway may recognise it. If it passes then, it is sent exactly as it was, so
# many times; if a window makes similar requests repeats, with an amount next to its own.
EXACTLY = 3
# A row long enough to show an "every nth": three times the distance at the rate of the run, and some.
ROW_FACTOR, ROW_SPARE = 3.5, 2
SHORTEST_ROW, LONGEST_ROW = 8, 70
# Simpler payloads of one inquiry that are sent at once.
MOST_AT_ONCE = 32
# Kinds of cases that are not about their payloads, or whose payloads are too large to be sent again; bytes of those.
BESIDE, HUGE = frozenset({Kind.HEADERS, Kind.REPEAT, Kind.OPEN}), 1 << 22
# Other failing cases that are examined for the same cause, and the most causes of one requirement × command.
MOST_OTHERS, MOST_CAUSES = 6, 4


Turn = tuple[str, Specimen, Iterable[str]]
"""A letter (F: the failing payload, P: a plain one), the payload, and the names of its members that do not change."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests to be sent; `in_order`: one after the other. `patient`: a notification may take its full time."""

    cases: tuple[Case, ...]
    in_order: bool = False
    patient: bool = False


@dataclass(slots=True)
class Learned:
    """Findings of the other inquiries of the run: members to blame, and the longest n of an "every nth"."""

    to_blame: list[Members] = field(default_factory=list)
    period: int = 0


@dataclass(slots=True)
class Investigation:
    """Into one requirement × command.

    `failing` are the cases that failed in the run, `passed` those that passed and can be compared with them, both ready
    to be sent again; `observations` are those of the run.
    """

    contract: Contract
    requirement: str
    command: str
    check: Check
    failing: tuple[Case, ...]
    passed: tuple[Case, ...]
    observations: tuple[Observation, ...]
    constraints: Constraints
    addressees: Addressees
    apart: UniquePayloads
    learned: Learned
    needs_notifications: bool = False
    _count: int = field(default=0)
    _sent: int = field(default=0)

    def inquire(self) -> Generator[Batch, Outcomes, list[Cause]]:
        """Yield requests until the causes are known, or no request can add to them; return the causes."""
        # Valid payloads first, then the shortest bodies: they are the simplest to begin with.
        specimens = filter(None, (Specimen.of(case, self.contract) for case in self.failing))
        suspects = sorted(specimens, key=lambda each: (each.label.kind is not Kind.VALID, len(each.case.request.body)))
        found: list[Found] = []
        other_cause: Cause | None = None
        while suspects and len(found) < MOST_CAUSES:
            suspect, *others = suspects
            sent = self._sent
            plain, comparison = yield from self._compared(suspect)
            if plain is None or comparison is None:
                suspects = others
            elif comparison.suggests(self.observed):
                found.append((yield from self._shrunk(suspect, plain, comparison)))
                suspects = yield from self._unexplained(others, plain, found)
            else:
                explained = {case for each in found for case in each.cases}
                left = tuple(case.id for case in self.failing if case.id not in explained)
                if self._sent > sent:  # else the budget was used up before
                    other_cause = yield from self._in_a_row(suspect, plain, comparison, left)
                break
        return [*(self._cause(each) for each in found), *([other_cause] if other_cause else [])]

    @property
    def observed(self) -> FailureCount:
        """How often it failed in the run."""
        return FailureCount.among(observation.failed for observation in self.observations)

    @property
    def known(self) -> tuple[Case, ...]:
        """The cases that all requests are made from."""
        return (*self.failing, *self.passed)

    def _beside(self) -> Iterator[tuple[Case, Members]]:
        """Failing cases that are not investigated themselves, but may share the cause of others."""
        for case in self.failing:
            members = members_of(case.request.body, HUGE)
            if case.kind in BESIDE and Label.of(case, self.contract) is None and members is not None:
                yield case, members

    # --- Beside a plain one

    def _compared(self, suspect: Specimen) -> Generator[Batch, Outcomes, tuple[Specimen | None, Comparison | None]]:
        """A payload that differs in its outcome, if there is one, and the comparison with it; else with the last."""
        plain: Specimen | None = None
        comparison: Comparison | None = None
        whose, asked_for = self._known_by
        to_others, exactly = set(suspect.members) - whose, set(suspect.members) - asked_for
        for plain in self._plain_ones(suspect):
            turns: dict[str, Turn] = {"F": ("F", suspect, to_others), "P": ("P", plain, ())}
            comparison = Comparison.among((yield from self._sent_in_order(turns[letter] for letter in ORDER)))
            if not comparison.failing.always and not comparison.plain.failed:
                outcomes = yield from self._sent_in_order([("F", suspect, exactly)] * EXACTLY)
                counts = (comparison.failing, Comparison.among(outcomes).failing)
                failing = max(counts, key=lambda count: (count.always, count.failed))
                comparison = Comparison(failing, comparison.plain)
            if (
                comparison.suggests(self.observed)
                or not comparison.failing.always
                or 0 < comparison.plain.failed < comparison.plain.of
            ):
                break
        return plain, comparison

    def _cases(self, turns: Iterable[Turn]) -> list[tuple[str, Case]]:
        """Cases beside their letters; some members of each stay as they are."""
        return [(letter, case) for letter, sent, fixed in turns if (case := self._case(sent, sent.members, fixed))]

    def _sent_in_order(self, turns: Iterable[Turn]) -> Generator[Batch, Outcomes, list[tuple[str, bool | None]]]:
        """The outcomes of requests one after the other, each beside its letter."""
        cases = self._cases(turns)
        outcomes = yield Batch(tuple(case for _, case in cases), in_order=True)
        self._sent += len(outcomes)
        return [(letter, outcomes.get(case.id)) for letter, case in cases]

    def _plain_ones(self, suspect: Specimen) -> Iterator[Specimen]:
        """The plainest payloads that count as the same.

        For a valid suspect the plainest of all, then the plainest that passed in the run; otherwise one that passed
        with the same member broken or open, then one with that member as the suspect has it.
        """

        def plainness(each: Specimen) -> tuple[bool, int, str]:
            # If the contract leaves the same member open, it has no ordinary value to compare with.
            return bool(each.label.open_at & suspect.label.open_at), len(each.case.request.body), each.case.id

        plain = plain_members(self.contract, self._command, self.constraints)
        plainest = replace(suspect, members=as_plain_as(suspect.label, suspect.members, plain))
        passed = (Specimen.of(case, self.contract) for case in self.passed if self._is_alike(case, suspect.case))
        seen = min(filter(None, passed), key=plainness, default=None)
        if suspect.label.kind is Kind.VALID:
            yield plainest
            if seen is not None:
                yield replace(suspect, members=seen.members)
        else:
            if seen is not None:
                yield seen
            yield plainest

    @staticmethod
    def _is_alike(case: Case, suspect: Case) -> bool:
        same = case.kind is suspect.kind and case.member == suspect.member
        return same and (case.kind is Kind.VALID or case.aspect == suspect.aspect)

    # --- Not the payload

    def _in_a_row(
        self, suspect: Specimen, plain: Specimen, comparison: Comparison, cases: tuple[str, ...]
    ) -> Generator[Batch, Outcomes, Cause]:
        """Requests one after the other, failing payload and plain one in turn; a longer row if little shows."""
        so_far, row = comparison, list[bool]()
        if not so_far.shows(self.observed) and not (so_far.failing.always and so_far.plain.always):
            rate = self.observed.failed / max(1, self.observed.of)
            row, so_far = yield from self._row(suspect, plain, so_far, max(1 / rate, self.learned.period))
            if 0 < sum(row) < ENOUGH and period(row, expected=self.learned.period) is None:
                longer, so_far = yield from self._row(suspect, plain, so_far, len(row) / sum(row))
                row = max(row, longer, key=len)
        kind, words = self._pattern_of_row(row, so_far, suspect)
        return Cause(self.requirement, self.command, cases, kind, words)

    def _row(
        self, suspect: Specimen, plain: Specimen, so_far: Comparison, distance: float
    ) -> Generator[Batch, Outcomes, tuple[list[bool], Comparison]]:
        """A row long enough for an event of once in `distance` requests; and the comparison with the row added."""
        length = max(SHORTEST_ROW, min(LONGEST_ROW, round(ROW_FACTOR * distance) + ROW_SPARE))
        turns = ((turn, suspect if turn == "F" else plain, ()) for turn in islice(cycle("FFPP"), length))
        outcomes = yield from self._sent_in_order(turns)
        return [outcome for _, outcome in outcomes if outcome is not None], so_far + Comparison.among(outcomes)

    def _pattern_of_row(self, row: Sequence[bool], comparison: Comparison, suspect: Specimen) -> tuple[Dependence, str]:
        step = period(row, expected=self.learned.period)
        in_the_run = f"{self.observed} in the run"
        if comparison.shows(self.observed):
            return Dependence.PAYLOAD, f"depends on the payload: {comparison.in_words}; {in_the_run}"
        if step is not None:
            self.learned.period = max(self.learned.period, step)
            return (
                Dependence.EVERY_NTH,
                f"every {ordinal(step)}: {sum(row)} of {len(row)} sent one after the other; {in_the_run}",
            )
        if comparison.failing.always and comparison.plain.always:
            since = turning_point(self.observations, lasting=True)
            if since is not None:
                return Dependence.FROM_NTH, f"{since}; {comparison.in_words}"
            whatever = "whatever the payload" if suspect.label.kind is Kind.VALID else "with such payloads"
            return Dependence.ALWAYS, f"always, {whatever}: {comparison.in_words}; {in_the_run}"
        if not comparison.is_known and self.observed.always:
            return Dependence.UNTOLD, comparison.in_words
        return Dependence.INTERMITTENT, f"intermittent{comparison.whatever}: {in_the_run}; {comparison.in_words}"

    # --- The payload

    def _shrunk(self, suspect: Specimen, plain: Specimen, comparison: Comparison) -> Generator[Batch, Outcomes, Found]:
        """Send simpler payloads until none fails any more, or the budget is used up."""
        known = tuple(self.learned.to_blame)
        ascii_only = suspect.case.request.body.isascii()
        # A broken or open payload is compared with a valid one, which could not be sent as such.
        valid = suspect.label.kind is Kind.VALID
        good = plain.members if valid else plain_members(self.contract, self._command, self.constraints)
        simpler = Shrinker(suspect.label, good, frozenset(self.constraints.values(self.contract)), ascii_only, known)
        simpler.record(plain.members, passed=True)
        base, case, finished = suspect.members, suspect.case, True
        while finished and (candidates := simpler.candidates(base, MOST_AT_ONCE)):
            trials = [(members, self._case(suspect, members, simpler.differing(members))) for members in candidates]
            outcomes = yield Batch(tuple(each for _, each in trials if each))
            for members, each in trials:
                simpler.record(members, passed=each is not None and outcomes.get(each.id) is False)
            finished = all(each is None or each.id in outcomes for _, each in trials)
            failing = ((members, each) for members, each in trials if each and outcomes.get(each.id))
            base, case = next(failing, (base, case))
        differences = simpler.differences(base)
        self.learned.to_blame.append(differences)
        return Found(suspect, base, good, case, tuple(differences), comparison, finished, [suspect.case.id])

    def _unexplained(
        self, others: Sequence[Specimen], plain: Specimen, found: Sequence[Found]
    ) -> Generator[Batch, Outcomes, list[Specimen]]:
        """The suspects with a further cause; the last known one is confirmed in the same round."""
        # The minimal payload (F) and the plain one (P) once more, twice each.
        minimal, differs = replace(found[-1].suspect, members=found[-1].base), found[-1].differs
        confirming = self._cases([("F", minimal, differs), ("P", plain, ()), ("P", plain, ()), ("F", minimal, differs)])
        attribution = self._attribution(others, found)
        asked = (*(case for _, case in confirming), *(case for *_, case in attribution.asked))
        outcomes = yield Batch(asked, in_order=True, patient=True)
        found[-1].comparison += Comparison.among([(letter, outcomes.get(case.id)) for letter, case in confirming])
        unexplained = attribution.unexplained(outcomes)
        for case, members in () if unexplained else self._beside():
            cause = next((each for each in found if mended(members, [each]) != members), None)
            if cause is not None and not any(case.id in each.cases for each in found):
                cause.cases.append(case.id)
        return unexplained

    def _attribution(self, others: Sequence[Specimen], found: Sequence[Found]) -> Attribution:
        attribution = Attribution()
        for other in others:
            cause = next((each for each in found if each.is_in(other)), None)
            # Without the cause, an open payload may be valid: it goes out as that.
            without_it, body = mended(other.members, found), encoded(mended(other.members, found), ascii_only=True)
            asked = next((each for each in (other, cause and cause.suspect) if each and each.label.holds(body)), None)
            if cause is None or asked is None:
                attribution.different.append(other)
            elif len(attribution.asked) < MOST_OTHERS and (case := self._case(asked, without_it, ())):
                attribution.asked.append((other, cause, case))
            else:
                attribution.unasked.append((other, cause))
        return attribution

    def _cause(self, found: Found) -> Cause:
        compared = found.comparison
        searched = "" if found.finished else "; the budget was used up before the simplest was found"
        numbers = f"{compared.in_words}; {self.observed} in the run{searched}"
        if compared.shows(self.observed):
            kind, words = Dependence.PAYLOAD, f"depends on the payload: {numbers}"
        elif compared.is_consistent:
            kind, words = Dependence.UNTOLD, f"maybe the payload: {numbers}"
        else:
            kind, words = Dependence.INTERMITTENT, f"intermittent{compared.whatever}: {numbers}"
        sent = members_of(found.case.request.body) or {}
        differs = {name: sent.get(name) for name in found.differs}
        cases = tuple(found.cases)
        return Cause(self.requirement, self.command, cases, kind, words, found.case.id, differs, found.finished)

    # --- Cases

    @property
    def _command(self) -> Command:
        return self.contract.commands[self.command]

    @property
    def _known_by(self) -> tuple[set[str], set[str]]:
        """The members by which a gateway may recognise a request: of the recipient, and within a window others."""
        recipient, window = recipient_of(self.contract, self._command), self._command.window
        if window is None:
            return {recipient} if recipient else set(), set()
        movable = [name for name in window.members if name not in self.contract.members.registered]
        whose = {recipient} if recipient in movable else {*movable}
        return whose, {*movable} - whose or whose

    def _case(self, suspect: Specimen, members: Members, fixed: Iterable[str]) -> Case | None:
        """A case like the suspect's with other members, of which the `fixed` stay as they are, unlike all before.

        None if there is no room for it, if its bytes do not prove the suspect's label, and if they hold a phone number
        that was not given.
        """
        fixed = frozenset(fixed)
        placed = self.apart.placed(members, fixed) or self.apart.placed(members, fixed - self._known_by[0])
        body = encoded(placed or {}, ascii_only=suspect.case.request.body.isascii())
        request = replace(suspect.case.request, body=body)
        if placed is None or not suspect.label.holds(body) or self.addressees.stranger_in(request) is not None:
            return None
        self._count += 1
        case_id = follow_up_id(self._command.folder, self.requirement, self._count)
        return replace(suspect.case, id=case_id, group=case_id, request=request)
