"""A run against a gateway: prepare, prove the way back, send everything, listen once, then look into the failures.

A journal can be judged at any time later (`conformance.judging.verdicts.judge_as`); here that only finds the failures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.diagnosis.search import Search, SearchTerms, is_called_for
from conformance.gateway.command_plan import seed_for
from conformance.gateway.listening import LATE_S, Listening, Successes
from conformance.gateway.plan import Plan
from conformance.gateway.preflight import check_samples, examine, over_network, watched, way_back
from conformance.gateway.reaching import ASKED_TO_WAIT, PreflightCheck
from conformance.gateway.recovery import PLANNED, Rest, check_targets, ids_given, last_sign, send_replacements
from conformance.gateway.request_templates import sent_again
from conformance.gateway.rig import Campaign, Rig, recorded, redaction_of, rigged
from conformance.gateway.rules.checks import GATEWAY
from conformance.gateway.settings import Settings
from conformance.journal import INTERRUPTED_AT_ONCE, RESUMED, Journal, Record, earlier_run, holds_a_run, read_journal
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.model.errors import EnvironmentFailure, UsageError, lack_of
from conformance.model.process import Progress, Silent, interrupts_allowed, interrupts_deferred, is_interrupted
from conformance.model.traffic import Case
from conformance.payloads.addressees import Addressees
from conformance.payloads.members import ROOM
from conformance.wire import Allowance, Manners, Sender
from conformance.wire.allowance import PROBATION_S

JOURNAL = "journal.sqlite"


def run(
    settings: Settings,
    progress: Progress | None = None,
    behaviour: Behaviour = BUILT_IN,
    planned: Callable[[Settings, str], Plan] = Plan.of,
) -> Path:
    """Hold a campaign; `behaviour` is that of the built-in mock gateway, where no other is given.

    `planned` makes the plan, from the settings and the gateway's base URL.
    Raises UsageError and EnvironmentFailure if the run cannot begin (an address that is taken, a report directory that
    cannot be written); also for a wrong set-up (gateway not reached, credential refused, callback not proven) where the
    report directory holds an earlier run, which is left as it is. Otherwise a wrong set-up is a note in the
    journal, so that the reports can show it, and so is a failure that ends the run later (nothing but 429).
    """

    def send(campaign: Campaign, plan: Plan) -> None:
        # Another plan need not follow the seed, so no replacements can be planned by it.
        anew = planned == Plan.of
        record_plan(campaign, plan)
        _send_all(campaign, plan)
        kept = plan.all_groups if settings.network_there else ()
        del plan
        if anew and campaign.listening.unanswered:
            # Without a network the plan is hardly ever needed again, so it was not kept: make it once more.
            send_replacements(campaign, kept or Plan.of(settings, campaign.rig.gateway).all_groups)

    return hold(settings, planned, send, progress, behaviour)


def hold(  # noqa: PLR0913 - the parts of a run
    settings: Settings,
    planned: Callable[[Settings, str], Plan],
    send: Callable[[Campaign, Plan], None],
    progress: Progress | None = None,
    behaviour: Behaviour = BUILT_IN,
    *,
    also_recorded: Mapping[str, Any] | None = None,
) -> Path:
    """Hold a campaign whose plan `planned` makes and `send` sends; `also_recorded`: further settings of the journal.

    Raises as `run` does.
    """
    progress = progress or Silent()
    progress.phase("prepare")
    path = settings.report_dir / JOURNAL
    with interrupts_deferred(), rigged(settings, behaviour) as rig:
        examined = _examined(settings, rig, progress)
        if (obstacle := _obstacle(examined)) is not None and holds_a_run(path):
            raise EnvironmentFailure(obstacle.message, f"{obstacle.hint}; {earlier_run(path)}")
        # Made before the journal, which replaces an earlier one: some plans cannot be made.
        plan: Plan | None = None
        if obstacle is None:
            with suppress(KeyboardInterrupt), interrupts_allowed():
                plan = planned(settings, rig.gateway)
        if is_interrupted() and holds_a_run(path):
            raise EnvironmentFailure(INTERRUPTED_AT_ONCE, earlier_run(path))
        with (
            Journal.create(
                path, {**recorded(settings, rig), **(also_recorded or {})}, redaction_of(settings, rig)
            ) as journal,
            _to_its_end(rig, journal),
            interrupts_allowed(),
        ):
            journal.note("samples", {"passed": check_samples(settings.contract)})
            _note_examined(journal, examined)
            if plan is None:
                raise obstacle or KeyboardInterrupt
            made, plan = [plan], None  # of a large run it is most of the memory, so nobody else refers to it
            with _listening(settings, rig, journal, progress) as campaign:
                send(campaign, made.pop())
    return path


def resume(path: Path, settings: Settings, progress: Progress | None = None, behaviour: Behaviour = BUILT_IN) -> Path:
    """Go on with the run of a journal where it was cut off, without sending a case again.

    `settings` are those of the run. Raises the same as `run`, and UsageError for a run that has nothing left to do.
    """
    progress = progress or Silent()
    progress.phase("prepare")
    record = read_journal(path)
    if record.settings.get("load") is not None:
        # The journal may lack what other processes sent, and nothing must be sent twice.
        raise UsageError(
            f"{path} is the journal of a run under load, which cannot be resumed",
            "`judge` judges what it holds; `load` begins another run",
        )
    sessions = sum(note.kind == RESUMED for note in record.notes) + 1
    targets = record.settings["callback_targets"]
    del record  # or its file would stay open for reading while it is written to
    # Started again, the mock gateway shall not give the ids that it gave before.
    seeded = replace(settings, seed=seed_for(settings.seed, RESUMED, str(sessions)))
    with interrupts_deferred(), rigged(seeded, behaviour) as rig:
        redaction = check_targets(targets, settings, rig)
        examined = _examined(settings, rig, progress)
        if (obstacle := _obstacle(examined)) is not None:
            raise obstacle  # the journal is left as it is, for the next time
        with Journal.reopened(path, redaction) as journal:
            # Read once the journal is locked, so that nobody adds to it.
            record = read_journal(path)
            rest, since = Rest.of(record, settings, rig.gateway), last_sign(record)
            del record
            journal.note(RESUMED, {"silent_since": since, "until": journal.time_of(time.monotonic())})
            with _to_its_end(rig, journal), interrupts_allowed():
                _note_examined(journal, examined)
                with _listening(settings, rig, journal, progress, rest.count_against) as campaign:
                    for request_id in ids_given(rest.exchanges, settings.contract):
                        rig.intake.claim(request_id)
                    campaign.listening.unanswered.update(rest.cut_off)
                    _send_all(campaign, rest.plan)
                    send_replacements(campaign, rest.groups, rest.replaced, rest.rounds)
    return path


@contextmanager
def _to_its_end(rig: Rig, journal: Journal) -> Iterator[None]:
    """Notes how the run ended, whatever cuts it off, and what the receiver could not read or take."""
    begun = time.monotonic()
    rig.note_in(journal)
    try:
        yield
    except KeyboardInterrupt:
        journal.note("interrupted", {})
    except Exception as error:
        failure = error if isinstance(error, EnvironmentFailure) else lack_of(error)
        if failure is None:
            raise
        journal.note("obstacle", {"message": failure.message, "hint": failure.hint})
    # Before the journal closes: a later request would find it closed.
    rig.receiver.close()
    journal.note("finished", {"duration_s": round(time.monotonic() - begun, 3)})


@contextmanager
def _listening(
    settings: Settings,
    rig: Rig,
    journal: Journal,
    progress: Progress,
    count: Callable[[Allowance, Successes], None] | None = None,
) -> Iterator[Campaign]:
    """Takes notifications while the cases are sent, then those that are owed; then looks into the failures.

    All is sent within the limits of the run; `count` takes off earlier requests. The last note says how much may have
    been accepted.
    """
    bounds = settings.bounds
    allowance = Allowance(settings.contract, bounds.max_accepted, bounds.max_spend, PROBATION_S)
    listening = Listening(settings, journal, progress)
    if bounds.any:
        alone = settings.exclusive_account
        listening.successes = Successes(settings.contract, allowance, listening.on_proof, alone=alone)
        if count is not None:
            count(allowance, listening.successes)
    sender = _sender(settings, rig.gateway, journal, listening, allowance)
    campaign = Campaign(settings, rig, journal, listening, sender)
    try:
        listening.on_id = rig.intake.claim
        rig.intake.hand_to(listening.on_arrival)
        with watched(settings, rig, journal, listening.is_awaiting):
            yield campaign
            progress.phase("listen", f"up to {listening.patience_s:g} s")
            if listening.ledger.outstanding:
                progress.until(listening.ledger.deadline)
            budget = settings.shrink_budget(rig.gateway)
            early = _Early(campaign)
            settled = listening.ledger.wait(early.judge if budget else None)
        if settings.gateway is not None:
            _examine_way_back(settings, rig, journal, listening)
        if listening.strays.left_out:
            journal.note("strays", listening.strays.described())
        rig.receiver.tell_unfinished()
        journal.note("settled", {"at": journal.time_of(time.monotonic()), **listening.in_all(settled)})
        if budget and not early.was_well:
            _look_into_failures(campaign, budget)
    finally:
        if bounds.any or allowance.withheld:
            # How much may have been accepted, and how many cases and attempts which option kept from being sent.
            journal.note(
                "allowance",
                {
                    "max_accepted": bounds.max_accepted,
                    "max_spend": bounds.max_spend,
                    "accepted_at_most": allowance.taken,
                    "spent_at_most": allowance.spent,
                    "not_planned": campaign.not_planned,
                    "withheld": dict(allowance.withheld),
                },
            )


def _sender(settings: Settings, gateway: str, journal: Journal, listening: Listening, allowance: Allowance) -> Sender:
    bounds = settings.bounds
    return Sender(
        journal,
        listening.pace,
        on_exchange=listening.on_exchange,
        on_pause=listening.on_pause,
        ca_file=settings.ca_file,
        allowance=allowance,
        # The built-in gateway ends with its run, so its requests under way need not be in the file.
        manners=Manners(
            bounds.concurrency,
            bounds.read_timeout_s,
            bounds.connect_timeout_s,
            over_network=settings.network_there,
            recorded_first=settings.gateway is not None,
            keep_alive=settings.replaceable or settings.network_there,
        ),
        addressees=Addressees.of(settings.contract, settings.constraints, gateway),
        reading=[c.name for c in settings.contract.commands.values() if c.product is None and c.method == "GET"],
    )


class _Early:
    """Whether a run calls for inquiries, judged while it still listens for notifications that are not owed."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._well_with: int | None = None

    def judge(self) -> None:
        """Judge the run by the journal so far."""
        settings, journal = self._campaign.settings, self._campaign.journal
        journal.flush()
        arrived = self._campaign.listening.arrived
        now = journal.time_of(time.monotonic())
        if not is_called_for(GATEWAY, settings.contract, settings.expectations, read_journal(journal.path), now):
            self._well_with = arrived

    @property
    def was_well(self) -> bool:
        """Whether there was no failure to look into, and no notification has come since."""
        listening = self._campaign.listening
        return self._well_with == listening.arrived and not listening.strays.left_out


def record_plan(campaign: Campaign, plan: Plan) -> None:
    """Record the plan, before its first request goes out."""
    journal = campaign.journal
    campaign.not_planned.update(plan.beyond_limits)
    journal.plan(plan.cases)
    journal.note(PLANNED, {"alone": [g[0].group for g in plan.alone], "last": [g[0].group for g in plan.last]})
    journal.flush()  # else requests would wait behind the whole plan, and not be in the file when they go out
    for case_id, why in plan.left_out.items():
        journal.note("left-out", {"case": case_id, "why": why})


def _send_all(campaign: Campaign, plan: Plan) -> None:
    campaign.listening.progress.phase("send", f"{len(plan.cases)} cases")
    campaign.send(plan.alone, plan.groups, plan.last)


def _look_into_failures(campaign: Campaign, budget: int) -> None:
    """Find out on what the failures depend, and the simplest requests that show them."""
    settings, journal, listening = campaign.settings, campaign.journal, campaign.listening
    journal.flush()
    record = read_journal(journal.path)
    base = record.settings["gateway"]

    def again(case: Case) -> Case | None:
        with suppress(UsageError):  # the journal has not kept its bytes
            return sent_again(settings.contract, case, base, base, settings.consumer_key, settings.consumer_secret)
        return None

    # A gateway of the run's own has no past; another one may remember the run before.
    room = 0 if settings.gateway is None else settings.seed % ROOM
    terms = SearchTerms(
        GATEWAY,
        settings.contract,
        settings.constraints,
        settings.expectations,
        settings.notify_within_s,
        LATE_S,
        room,
        again,
    )
    search = Search.of(terms, record, budget)
    del record  # or its file would stay open for reading while it is written to
    if not search.inquiries:
        return
    listening.progress.phase("shrink", f"up to {budget} requests")

    def ask(groups: Sequence[Sequence[Case]], listen_s: float | None) -> tuple[Record, float]:
        listening.begin_again(search.patience_s if listen_s is None else listen_s)
        listening.expect(sum(map(len, groups)))
        journal.plan([case for group in groups for case in group])
        campaign.sender.send(groups)
        if listen_s is not None:
            listening.ledger.wait()
        settled_at = journal.time_of(time.monotonic())
        journal.flush()
        return read_journal(journal.path, after=search.held, beside=search.twins), settled_at

    search.run(ask, journal.note)
    if listening.ledger.outstanding:
        listening.ledger.wait()  # later notifications would find nobody


def _examined(settings: Settings, rig: Rig, progress: Progress) -> Sequence[PreflightCheck]:
    """The checks of the set-up; the last one failed, if any did."""
    progress.phase("preflight", rig.gateway)
    probes = []
    with interrupts_allowed():
        for probe in examine(settings, rig):
            probes.append(probe)
            if probe.name == ASKED_TO_WAIT:
                progress.remark(probe.detail)
    return tuple(probes)


def _obstacle(examined: Sequence[PreflightCheck]) -> EnvironmentFailure | None:
    """The obstacle to holding the run, if there is one."""
    return next((EnvironmentFailure(probe.detail, probe.hint) for probe in examined if not probe.ok), None)


def _note_examined(journal: Journal, examined: Sequence[PreflightCheck]) -> None:
    for probe in examined:
        outcome = {"ok": probe.ok, "detail": probe.detail, "target": probe.target, "warning": probe.warning}
        journal.note("preflight", {"probe": probe.name, **outcome})


def _examine_way_back(settings: Settings, rig: Rig, journal: Journal, listening: Listening) -> None:
    """Note how the callbacks can be reached, if notifications are missing; over a network also if some came late.

    A late one may have been sent again because the network lost the first.
    """
    ledger = listening.ledger
    doubted = ledger.missing() | ledger.late() if settings.network_back else ledger.missing()
    if listening.beside.missing:
        doubted |= frozenset(map(settings.callback_of, settings.products))
    if not doubted:
        return
    if settings.network_back:
        products = [product for product in settings.products if settings.callback_of(product) in doubted]
        journal.note("way-back", {"canaries": dict(over_network(settings, rig, products))})
    else:
        lost = {product: probe.detail for product, probe in way_back(settings, rig) if not probe.ok}
        journal.note("way-back", {"lost": lost})
