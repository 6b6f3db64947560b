"""Looking into the failures of a run: rounds of requests for all inquiries together, within a budget.

    Search      .of(…): the inquiries that a run calls for; .run(ask, note): holds them
    Ask         sends groups of cases, waits once for their notifications, and gives the journal so far

What the run itself tells (`conformance.checks.patterns`) is not asked again. A round takes what every inquiry wants to
know next, is waited for once, and is judged by the checks that judge the run. Requests that have to come one after the
other go out alone, so that no other request comes between. The budget is of requests and of seconds; what was found
when it is used up is noted as unfinished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from typing import Any, Protocol

from conformance.checks import CHECKS
from conformance.checks.evidence import Evidence, Terms
from conformance.checks.follow_ups import CAUSE, SEARCH, Cause, is_follow_up, run_proper
from conformance.checks.notifications import CHECKS as ABOUT_NOTIFICATIONS
from conformance.checks.patterns import Dependence, observed
from conformance.contract.commands import COMMANDS
from conformance.errors import EnvironmentFailure
from conformance.gateway_under_test.inquiry import Batch, Inquiry, Learned, Outcomes
from conformance.gateway_under_test.settings import Settings
from conformance.generation.apart import ROOM, Apart
from conformance.generation.labels import Label
from conformance.generation.payloads import Constraints
from conformance.journal import Record
from conformance.traffic import Case, Kind
from conformance.verdicts import RequirementVerdict, Verdict, judge

# Some twenty rounds that wait for notifications, each as long as such a wait usually is; a run that failed is not to
# keep people waiting for much more than a run that did not.
BUDGET_S = 60.0
# While simpler payloads are looked for, a notification is taken for lost after so many times the longest that one of
# the run took, and never sooner than the second number; what is found is confirmed with all the time there is.
PATIENCE_FACTOR, LEAST_PATIENCE_S = 5.0, 1.0
# AUT-10 is about the notification of a request that was refused for its credential, NTF-02 about late ones.
ALSO_ABOUT_NOTIFICATIONS = frozenset({"AUT-10"})
ABOUT_LATENESS = frozenset({"NTF-02"})


class Ask(Protocol):
    """Sends and listens."""

    def __call__(self, groups: Sequence[Sequence[Case]], listen_s: float | None) -> tuple[Record, float]:
        """The journal so far, and until when (monotonic seconds) notifications were listened for.

        `listen_s`: how long a notification may take; None: none is waited for.
        """


Inquiring = Generator[Batch, Outcomes, list[Cause]]
Held = tuple[Inquiry, Inquiring, Batch]


@dataclass(slots=True)
class Search:
    """The inquiries into a run, and what they may cost: `budget` requests, BUDGET_S seconds."""

    inquiries: tuple[Inquiry, ...]
    budget: int
    patience_s: float
    within_s: float
    late_s: float
    spent: int = 0
    rounds: int = 0
    _began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, settings: Settings, cases: Sequence[Case], record: Record, budget: int, late_s: float) -> Search:
        """The inquiries that the record of a run calls for; `cases` are those of its plan, not redacted.

        `late_s`: for how long the run awaits a notification that is late.
        """
        evidence = Evidence.of(run_proper(record))
        ground = _Ground.of(settings, cases, evidence)
        inquiries = filter(None, map(ground.inquiry, judge(record).verdicts))
        within = settings.notify_within_s
        return cls(tuple(inquiries), budget, min(within, _patience(evidence)), within, late_s)

    def run(self, ask: Ask, note: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Hold the inquiries; each cause is noted as soon as it is found, and in the end what it took."""
        stopped: str | None = None
        try:
            for cause in self._causes(ask):
                note(CAUSE, cause.noted())
        except EnvironmentFailure as failure:
            stopped = failure.message
        finally:
            seconds = round(time.monotonic() - self._began, 3)
            note(
                SEARCH,
                {
                    "budget": self.budget,
                    "requests": self.spent,
                    "rounds": self.rounds,
                    "seconds": seconds,
                    "stopped": stopped,
                },
            )

    def _causes(self, ask: Ask) -> Iterator[Cause]:
        # What the first one finds out spares the others most of their requests, where it is the same fault.
        yield from self._together(self.inquiries[:1], ask)
        yield from self._together(self.inquiries[1:], ask)

    def _together(self, inquiries: Sequence[Inquiry], ask: Ask) -> Iterator[Cause]:
        held: list[Held] = []
        for inquiry in inquiries:
            inquiring = inquiry.inquire()
            yield from self._advance(inquiry, inquiring, None, held)
        while held:
            chosen = [each for each in held if each[2].in_order] or held
            held = [each for each in held if each not in chosen]
            outcomes = self._round(chosen, ask)
            for (inquiry, inquiring, _), told in zip(chosen, outcomes, strict=True):
                yield from self._advance(inquiry, inquiring, told, held)

    @staticmethod
    def _advance(inquiry: Inquiry, inquiring: Inquiring, told: Outcomes | None, held: list[Held]) -> Iterator[Cause]:
        """Tell an inquiry what became of its requests; it asks again and is held, or ends with its causes."""
        try:
            batch = next(inquiring) if told is None else inquiring.send(told)
        except StopIteration as end:
            yield from end.value
        else:
            held.append((inquiry, inquiring, batch))

    # --- A round

    def _round(self, chosen: Sequence[Held], ask: Ask) -> list[Outcomes]:
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
        within = min(listen_s or self.within_s, self.within_s)
        terms = replace(Terms.of(record), settled_at=settled_at, notify_within_s=within)
        evidence = Evidence.of(record, terms)
        return [_outcomes(inquiry, sent, evidence) for (inquiry, _, _), sent in zip(chosen, affordable, strict=True)]

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

    def _listen_s(self, chosen: Sequence[Held]) -> float | None:
        return max(
            (self._patience_with(inquiry, batch) for inquiry, _, batch in chosen if inquiry.needs_notifications),
            default=None,
        )

    def _patience_with(self, inquiry: Inquiry, batch: Batch) -> float:
        if inquiry.requirement in ABOUT_LATENESS:
            return self.within_s + self.late_s
        return self.within_s if batch.patient else self.patience_s


def _outcomes(inquiry: Inquiry, sent: Sequence[Case], evidence: Evidence) -> Outcomes:
    seen = {o.case.id: o.fell_short for o in observed(inquiry.check, evidence, inquiry.command)}
    return {case.id: seen.get(case.id) for case in sent}


def _patience(evidence: Evidence) -> float:
    longest = 0.0
    for notice in evidence.notices:
        answered_at = notice.answer.exchange.answered_at if notice.answer else None
        if answered_at is not None:
            longest = max(longest, notice.notification.received_at - answered_at)
    return max(LEAST_PATIENCE_S, PATIENCE_FACTOR * longest)


# --- Which inquiries


@dataclass(frozen=True, slots=True)
class _Ground:
    """What inquiries are made from: the evidence of the run, its cases as they were sent, and what they share."""

    evidence: Evidence
    planned: Mapping[str, Case]
    constraints: Constraints
    rooms: Mapping[str, Apart]
    learned: Learned

    @classmethod
    def of(cls, settings: Settings, cases: Sequence[Case], evidence: Evidence) -> _Ground:
        # A gateway of the run's own has no past; another one may remember the run before.
        start = 0 if settings.gateway is None else settings.seed % ROOM
        rooms = {
            command: Apart(
                COMMANDS[command],
                settings.constraints,
                (case.request.body for case in cases if case.command == command),
                start,
            )
            for command in settings.commands
        }
        return cls(evidence, {case.id: case for case in cases}, settings.constraints, rooms, Learned())

    def inquiry(self, verdict: RequirementVerdict) -> Inquiry | None:
        """The inquiry that a verdict calls for; None if it tells enough, or if nothing could be asked."""
        command, id_ = verdict.command, verdict.requirement.id
        if verdict.verdict not in (Verdict.FAIL, Verdict.WARN) or command is None:
            return None
        if verdict.pattern is None or verdict.pattern.kind is not Dependence.UNTOLD:
            return None
        check = CHECKS[id_]
        observations = observed(check, self.evidence, command)
        ill = dict.fromkeys(o.case.id for o in observations if o.fell_short)
        failing = self._cases(ill)
        if not any(map(Label.of, failing)):
            return None
        well = dict.fromkeys(o.case.id for o in observations if not o.fell_short) | dict.fromkeys(
            answer.case.id
            for answer in self.evidence.final_of(command)
            if answer.accepted and answer.case.kind is Kind.VALID
        )
        return Inquiry(
            id_,
            command,
            check,
            failing,
            self._cases(case_id for case_id in well if case_id not in ill),
            observations,
            self.constraints,
            self.rooms[command],
            self.learned,
            needs_notifications=id_ in ABOUT_NOTIFICATIONS or id_ in ALSO_ABOUT_NOTIFICATIONS,
        )

    def _cases(self, ids: Iterable[str]) -> tuple[Case, ...]:
        return tuple(self.planned[case_id] for case_id in ids if case_id in self.planned)
