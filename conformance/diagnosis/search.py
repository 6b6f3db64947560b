"""Looking into the failures of a run: rounds of requests for all inquiries together, within a budget.

A pattern that the run itself shows needs no request (`conformance.diagnosis.patterns`). A round sends the next requests
of every inquiry, waits once, and is judged by the checks that judge the run. Requests that have to come one after the
other go out alone, so that no other request comes between. The budget is of requests and of seconds; a cause that is
not made simple when the budget is used up is noted as unfinished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, islice, zip_longest
from typing import Any, Protocol

from conformance.contract.contract import Contract
from conformance.contract.requirements import Requirement
from conformance.diagnosis.follow_ups import BEGINNING, CAUSE, SEARCH, Cause, Outcomes, held_by, is_follow_up
from conformance.diagnosis.inquiry import Batch, Investigation, Learned
from conformance.diagnosis.observations import ObservedCheck, observe
from conformance.diagnosis.patterns import Observation
from conformance.journal import Held, Note, Record
from conformance.judging.evidence import Evidence
from conformance.judging.expectations import Expectations
from conformance.judging.judgement import Check
from conformance.judging.verdicts import Face, RequirementVerdict, judge_as
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Case, Kind
from conformance.payloads.addressees import Addressees
from conformance.payloads.members import Constraints, Label, UniquePayloads

# Some twenty rounds that wait for notifications, each as long as such a wait usually is: a run that failed should not
# keep people waiting for much longer than one that did not.
BUDGET_S = 60.0
# While the search looks for simpler payloads, it takes a notification for lost after so many times the longest that one
# of the run took, and never sooner than the second number; a cause is confirmed with all the time there is.
PATIENCE_FACTOR, LEAST_PATIENCE_S = 5.0, 1.0
# So many of the cases that passed are candidates for the comparison with a failing one.
MOST_WELL = 1_000


Ask = Callable[[Sequence[Sequence[Case]], float | None], tuple[Record, float]]
"""Sends groups of cases, and listens so many seconds for their notifications (None: does not wait for any).

Returns the journal since the run, with the twins of the cases that were sent, and until when it listened (monotonic).
"""


class Searchable(Face, Protocol):
    """A face whose failures further requests may explain."""

    @property
    def checks(self) -> Callable[[Contract], Mapping[str, Check]]:
        """Contract → the check of each requirement by its id."""

    def is_about_notifications(self, requirement: Requirement) -> bool:
        """Whether nothing is known of it until notifications have come."""

    def is_about_lateness(self, requirement: Requirement) -> bool:
        """Whether a notification breaks it by when it comes."""


Inquiring = Generator[Batch, Outcomes, list[Cause]]
Asking = tuple[Investigation, Inquiring, Batch]


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """The settings of a run that its search needs; `late_s`: for how long a notification that is late is awaited.

    `room`: the first of the numbers that make payloads unique. `again`: a recorded case → the same, ready to be sent;
    None if its bytes are not in the journal.
    """

    face: Searchable
    contract: Contract
    constraints: Constraints
    expectations: Expectations | None
    notify_within_s: float
    late_s: float
    room: int
    again: Callable[[Case], Case | None]


@dataclass(slots=True)
class Search:
    """The inquiries into a run, and their budget: `budget` requests, BUDGET_S seconds.

    `held` is how much the journal held before; later entries are not of the run proper. `numbers`: the exchanges of the
    cases that inquiries are about.
    """

    terms: SearchTerms
    inquiries: tuple[Investigation, ...]
    budget: int
    patience_s: float
    held: Held
    numbers: dict[str, int]
    spent: int = 0
    rounds: int = 0
    _began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, terms: SearchTerms, record: Record, budget: int) -> Search:
        """The inquiries that the record of a run calls for."""
        wanting = _wanting(terms.face, terms.contract, terms.expectations, record)
        checks = terms.face.checks(terms.contract)
        observed = [ObservedCheck(checks[verdict.requirement.id], verdict.command) for verdict in wanting]
        if not observed:
            return cls(terms, (), budget, terms.notify_within_s, held_by(record), {})
        evidence = observe(record, terms.contract, observed)
        inquiries = tuple(_inquiries(terms, record, wanting, observed, evidence))
        numbers = {o.case_id: o.number for seen in observed for o in seen.observations if o.failed}
        answered = ((arrival, arrival.answer.answered_at) for arrival in evidence.arrivals if arrival.answer)
        longest = max((arrival.received_at - at for arrival, at in answered if at is not None), default=0.0)
        patience = min(terms.notify_within_s, max(LEAST_PATIENCE_S, PATIENCE_FACTOR * longest))
        return cls(terms, inquiries, budget, patience, held_by(record), numbers)

    @property
    def twins(self) -> frozenset[str]:
        """The ids of the positive twins of all cases."""
        return frozenset(case.twin for inquiry in self.inquiries for case in inquiry.known if case.twin)

    def run(self, ask: Ask, note: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Hold the inquiries; note each cause when it is known, and finally the cost of the search."""
        stopped: str | None = None
        note(BEGINNING, asdict(self.held))
        try:
            for cause in self._causes(ask):
                note(CAUSE, asdict(replace(cause, exchange=self.numbers.get(cause.minimal or ""))))
        except EnvironmentFailure as failure:
            stopped = failure.message
        finally:
            took = {"requests": self.spent, "rounds": self.rounds, "seconds": round(time.monotonic() - self._began, 3)}
            note(SEARCH, {"budget": self.budget, **took, "stopped": stopped})

    def _causes(self, ask: Ask) -> Iterator[Cause]:
        # Where all have the same fault, the result of the first spares the others most of their requests: they begin
        # when it has nothing left to do but to confirm its cause.
        starting, waiting = self.inquiries[:1], self.inquiries[1:]
        held: list[Asking] = []
        while starting or held or waiting:
            for inquiry in starting:
                yield from self._advance(inquiry, inquiry.inquire(), None, held)
            starting = ()
            if waiting and all(batch.patient for *_, batch in held):
                starting, waiting = waiting, ()
                continue
            chosen = [each for each in held if each[2].in_order] or held
            held = [each for each in held if each not in chosen]
            for (inquiry, inquiring, _), outcomes in zip(chosen, self._round(chosen, ask), strict=True):
                yield from self._advance(inquiry, inquiring, outcomes, held)

    @staticmethod
    def _advance(
        inquiry: Investigation, inquiring: Inquiring, outcomes: Outcomes | None, held: list[Asking]
    ) -> Iterator[Cause]:
        """Give an inquiry the outcomes of its requests: it joins `held` with the next ones, or ends with its causes."""
        try:
            batch = next(inquiring) if outcomes is None else inquiring.send(outcomes)
        except StopIteration as end:
            yield from end.value
        else:
            held.append((inquiry, inquiring, batch))

    # --- A round

    def _round(self, chosen: Sequence[Asking], ask: Ask) -> list[Outcomes]:
        affordable = self._affordable([batch.cases for _, _, batch in chosen])
        cases = list(chain.from_iterable(affordable))
        if not cases:
            return [{} for _ in chosen]
        in_order = chosen[0][2].in_order
        listen_s = self._listen_s(chosen)
        groups = [tuple(replace(case, group=cases[0].id) for case in cases)] if in_order else [(c,) for c in cases]
        record, settled_at = ask(groups, listen_s)
        self.rounds += 1
        self.spent = sum(is_follow_up(exchange.case_id) for exchange in record.exchanges)
        observed = [ObservedCheck(inquiry.check, inquiry.command, among=is_follow_up) for inquiry, _, _ in chosen]
        within = self.terms.notify_within_s if listen_s is None else min(listen_s, self.terms.notify_within_s)
        settings = {**record.settings, "notify_within_s": within, "inquiring": True}
        observe(_ended(replace(record, settings=settings), settled_at), self.terms.contract, observed)
        # The limits of the run may have prevented some.
        went_out = {exchange.case_id for exchange in record.exchanges}
        outcomes = list[Outcomes]()
        for sent, observations in zip(affordable, (each.observations for each in observed), strict=True):
            self.numbers.update((o.case_id, o.number) for o in observations)
            failed = {o.case_id: o.failed for o in observations}
            outcomes.append({case.id: failed.get(case.id) for case in sent if case.id in went_out})
        return outcomes

    def _affordable(self, batches: Sequence[tuple[Case, ...]]) -> list[list[Case]]:
        """The first cases of each batch, in turn, as many as the budget allows."""
        left = self.budget - self.spent if time.monotonic() - self._began < BUDGET_S else 0
        taken: list[list[Case]] = [[] for _ in batches]
        for turn in zip_longest(*batches):
            for place, case in enumerate(turn):
                if case is not None and left > 0:
                    taken[place].append(case)
                    left -= 1
        return taken

    def _listen_s(self, chosen: Sequence[Asking]) -> float | None:
        """How long a notification of this round may take; None if no inquiry needs one."""
        terms = self.terms
        waits = list[float]()
        for inquiry, _, batch in chosen:
            if not inquiry.needs_notifications:
                continue
            if terms.face.is_about_lateness(terms.contract.catalogue[inquiry.requirement]):
                waits.append(terms.notify_within_s + terms.late_s)
            else:
                waits.append(terms.notify_within_s if batch.patient else self.patience_s)
        return max(waits, default=None)


def is_called_for(
    face: Face, contract: Contract, expectations: Expectations | None, record: Record, settled_at: float
) -> bool:
    """Whether a run that would have listened until `settled_at` (monotonic seconds) calls for inquiries.

    Asked while it still listens, which takes longer than to judge a run of usual size.
    """
    return bool(_wanting(face, contract, expectations, _ended(record, settled_at)))


def _ended(record: Record, settled_at: float) -> Record:
    """The record, as that of a run that listened until then."""
    return replace(record, notes=(*record.notes, Note(0, "settled", {"at": settled_at}, settled_at, settled_at)))


# --- Which inquiries


def _wanting(
    face: Face, contract: Contract, expectations: Expectations | None, record: Record
) -> list[RequirementVerdict]:
    """The verdicts on failures that are not listed, and whose pattern the run does not show."""
    judged = judge_as(face, record, expectations, contract=contract, measured=False)
    failed = (verdict for verdict in judged.verdicts if verdict.command is not None and verdict.unexpected)
    return [verdict for verdict in failed if verdict.pattern is not None and verdict.pattern.open]


def _failed_and_passed(
    verdict: RequirementVerdict, observations: Sequence[Observation], evidence: Evidence
) -> tuple[list[str], list[str]]:
    """The ids of the cases that failed a requirement for a command, and of those that passed, in order of sending."""
    failed = dict.fromkeys(o.case_id for o in observations if o.failed)
    passed = (o.case_id for o in observations if not o.failed)
    accepted = (each.case_id for each in evidence.final_of(verdict.command or "", Kind.VALID) if each.accepted)
    others = (case_id for case_id in dict.fromkeys(chain(passed, accepted)) if case_id not in failed)
    return list(failed), list(islice(others, MOST_WELL))


def _inquiries(
    terms: SearchTerms,
    record: Record,
    wanting: Sequence[RequirementVerdict],
    observed: Sequence[ObservedCheck],
    evidence: Evidence,
) -> Iterator[Investigation]:
    """The inquiries into failures for which requests can be made; they share their results."""
    contract, constraints = terms.contract, terms.constraints
    observations = [watched.observations for watched in observed]
    compared = [_failed_and_passed(*each, evidence) for each in zip(wanting, observations, strict=True)]
    wanted = {case_id for each in compared for ids in each for case_id in ids}
    again = (terms.again(case) for case in record.cases if case.id in wanted)
    cases = {case.id: case for case in again if case is not None}
    addressees = Addressees.of(contract, constraints, record.settings["gateway"])
    unique: dict[str, UniquePayloads] = {}
    learned = Learned()
    for verdict, seen, ids_of in zip(wanting, observations, compared, strict=True):
        command, requirement = verdict.command or "", verdict.requirement
        failing, passed = (tuple(cases[id_] for id_ in ids if id_ in cases) for ids in ids_of)
        if not any(Label.of(case, contract) for case in failing):
            continue
        if command not in unique:
            sent = (case.request.body for case in record.cases if case.command == command)
            unique[command] = UniquePayloads(contract, contract.commands[command], constraints, sent, terms.room)
        yield Investigation(
            contract,
            requirement.id,
            command,
            terms.face.checks(contract)[requirement.id],
            failing,
            passed,
            seen,
            constraints,
            addressees,
            unique[command],
            learned,
            needs_notifications=terms.face.is_about_notifications(requirement),
        )
