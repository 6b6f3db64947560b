"""A run against a gateway: prepare, prove the way back, send everything, listen once, then look into what failed.

    run     holds the campaign and returns the path of the journal, in which everything is that happened

A journal can be judged at any time after (`conformance.verdicts.judge`); here that is done only to see what failed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conformance.callbacks.ledger import Ledger, Settled, request_id_of
from conformance.callbacks.strays import Strays
from conformance.checks.evidence import Answer
from conformance.errors import EnvironmentFailure
from conformance.exchange import Allowance, Sender
from conformance.gateway_under_test.limits import Limits, is_loopback
from conformance.gateway_under_test.plan import Plan
from conformance.gateway_under_test.preflight import examine, way_back
from conformance.gateway_under_test.progress import Progress, Silent
from conformance.gateway_under_test.rig import Rig, rigged
from conformance.gateway_under_test.samples import check_samples
from conformance.gateway_under_test.settings import Settings
from conformance.gateway_under_test.shrinking import Search
from conformance.journal import Journal, Record, Redaction, read_journal
from conformance.mock_gateway.behaviour import Behaviour
from conformance.mock_gateway.variants import BUILT_IN
from conformance.traffic import Case, Exchange, Request

JOURNAL = "journal.sqlite"
# Beyond the time that it may take, a notification is still awaited for so long: "late" says more than "missing".
LATE_S = 2.0
# Accepted requests whose notification is still to come. Beside 16 busy senders the receiver may take fewer than are
# caused (some 600 of 1,000 a second, on two cores), and a gateway whose deliveries wait for our answers would be found
# late. With so many for each second that a notification may take, it is in time if 100 a second are taken; and a
# gateway that uses all of its time is still sent 100 a second.
MOST_AWAITED_PER_S = 100
# Whatever the time: more than a default run has (300), which is to wait once, when everything was sent.
MOST_AWAITED = 500


def run(
    settings: Settings,
    progress: Progress | None = None,
    behaviour: Behaviour = BUILT_IN,
    planned: Callable[[Settings, str], Plan] = Plan.of,
) -> Path:
    """Hold a campaign; `behaviour` is that of the built-in mock gateway, where no other is given.

    `planned` makes the plan, from the settings and the gateway's base URL.
    Raises UsageError and EnvironmentFailure for what keeps a run from beginning (an address that is taken, a report
    directory that cannot be written). What is wrong with the gateway's surroundings (unreachable, credential refused,
    callback path not proven, nothing but 429) is a note in the journal, so that the reports can tell.
    """
    progress = progress or Silent()
    progress.phase("prepare")
    begun = time.monotonic()
    with rigged(settings, behaviour) as rig, _journal(settings, rig) as journal:
        try:
            _campaign(settings, rig, journal, progress, planned)
        except KeyboardInterrupt:
            journal.note("interrupted", {})
        except EnvironmentFailure as failure:
            journal.note("obstacle", {"message": failure.message, "hint": failure.hint})
        # Before the journal is: what comes after the end would find it closed.
        rig.receiver.close()
        journal.note("finished", {"duration_s": round(time.monotonic() - begun, 3)})
    return settings.report_dir / JOURNAL


def _journal(settings: Settings, rig: Rig) -> Journal:
    token_values = [value for url in rig.callback_urls.values() for _, value in parse_qsl(urlsplit(url).query)]
    redaction = Redaction.of(settings.consumer_secret, settings.consumer_key, *token_values, *settings.redact)
    recorded: Mapping[str, Any] = {
        **settings.recorded(),
        "gateway": rig.gateway,
        "subject_name": rig.subject_name,
        "loopback": is_loopback(rig.gateway),
        "shrink_requests": settings.shrink_budget(rig.gateway),
        "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "callback_targets": {product: rig.paths.target(product) for product in settings.products},
    }
    return Journal.create(settings.report_dir / JOURNAL, recorded, redaction)


def _campaign(
    settings: Settings, rig: Rig, journal: Journal, progress: Progress, planned: Callable[[Settings, str], Plan]
) -> None:
    journal.note("samples", {"passed": check_samples()})
    if not _proven(settings, rig, journal, progress):
        return
    hearing = _Hearing(settings, journal, progress)
    not_planned: dict[str, int] = {}
    with _sending(settings, rig, journal, hearing, not_planned) as sender:
        rig.intake.hand_to(hearing.on_arrival)
        _send(planned(settings, rig.gateway), not_planned, journal, hearing, sender)
        progress.phase("listen", f"up to {settings.notify_within_s:g} s")
        settled = hearing.ledger.wait()
        if settled.missing and settings.gateway is not None:
            lost = {product: probe.detail for product, probe in way_back(settings, rig) if not probe.ok}
            journal.note("way-back", {"lost": lost})
        if hearing.strays.left_out:
            journal.note("strays", {"left_out": hearing.strays.left_out})
        journal.note("settled", {"at": time.monotonic(), **_described(settled)})
        if budget := settings.shrink_budget(rig.gateway):
            _look_into_failures(settings, journal, hearing, sender, budget)


def _send(plan: Plan, not_planned: dict[str, int], journal: Journal, hearing: _Hearing, sender: Sender) -> None:
    """What is planned; nobody has the plan after that, which may be most of what a large run has in memory.

    How much of it was left out for the limits of the run is put into `not_planned`.
    """
    not_planned.update(plan.beyond_limits)
    journal.plan(plan.cases)
    journal.flush()  # else requests would stand behind the whole plan, and not in the file when they go out
    for case_id, why in plan.left_out.items():
        journal.note("left-out", {"case": case_id, "why": why})
    hearing.expect(len(plan.cases))
    hearing.progress.phase("send", f"{len(plan.cases)} cases")
    for group in plan.alone:
        sender.send([group])
    sender.send(plan.groups)
    sender.send(plan.last)


def _look_into_failures(settings: Settings, journal: Journal, hearing: _Hearing, sender: Sender, budget: int) -> None:
    """On what do the failures depend, and what are the simplest requests that show them?"""
    journal.flush()
    search = Search.of(settings, read_journal(journal.path), budget, LATE_S)
    if not search.inquiries:
        return
    hearing.progress.phase("shrink", f"up to {budget} requests")

    def ask(groups: Sequence[Sequence[Case]], listen_s: float | None) -> tuple[Record, float]:
        hearing.begin_again(search.patience_s if listen_s is None else listen_s)
        hearing.expect(sum(map(len, groups)))
        journal.plan([case for group in groups for case in group])
        sender.send(groups)
        if listen_s is not None:
            hearing.ledger.wait()
        settled_at = time.monotonic()
        journal.flush()
        return read_journal(journal.path, after=search.held, beside=search.twins), settled_at

    search.run(ask, journal.note)
    if hearing.ledger.outstanding:
        hearing.ledger.wait()  # what is still on its way would find nobody


@contextmanager
def _sending(
    settings: Settings, rig: Rig, journal: Journal, hearing: _Hearing, not_planned: Mapping[str, int]
) -> Iterator[Sender]:
    """Sends whatever the run sends, within its limits; in the end it is noted what may have been accepted."""
    bounds = settings.bounds
    allowance = bounds.allowance()
    try:
        yield Sender(
            journal,
            hearing.pace,
            on_exchange=hearing.on_exchange,
            ca_file=settings.ca_file,
            allowance=allowance,
            manners=bounds.manners(rig.gateway),
        )
    finally:
        if bounds.any:
            journal.note("allowance", _within_limits(bounds, allowance, not_planned))


def _proven(settings: Settings, rig: Rig, journal: Journal, progress: Progress) -> bool:
    progress.phase("preflight", rig.gateway)
    for probe in examine(settings, rig):
        journal.note(
            "preflight",
            {
                "probe": probe.name,
                "ok": probe.ok,
                "detail": probe.detail,
                "target": probe.target,
                "warning": probe.warning,
            },
        )
        if not probe.ok:
            journal.note("obstacle", {"message": probe.detail, "hint": probe.hint})
            return False
    return True


def _within_limits(bounds: Limits, allowance: Allowance, not_planned: Mapping[str, int]) -> Mapping[str, Any]:
    """What may have been accepted, and how many cases and attempts were kept from being sent by which option."""
    return {
        "max_accepted": bounds.max_accepted,
        "max_spend": bounds.max_spend,
        "accepted_at_most": allowance.taken,
        "spent_at_most": allowance.spent,
        "not_planned": dict(not_planned),
        "withheld": dict(allowance.withheld),
    }


def _described(settled: Settled) -> Mapping[str, Any]:
    return {
        "owed": settled.owed,
        "arrived": settled.arrived,
        "missing": settled.missing,
        "waited_s": round(settled.waited_s, 3),
    }


class _Hearing:
    """Keeps the ledger of what is owed, from both sides: answers as they are read, notifications as they come.

    `pace` holds requests back while too many are awaited.
    """

    def __init__(self, settings: Settings, journal: Journal, progress: Progress) -> None:
        most = max(MOST_AWAITED, int(settings.notify_within_s * MOST_AWAITED_PER_S))
        self.pace = settings.bounds.pace(settings.seed, lambda: self.ledger.full_until(most))
        self.ledger = Ledger(settings.notify_within_s + LATE_S, on_change=lambda _: self.pace.look_again())
        self.strays = Strays()
        self.progress = progress
        self._journal = journal
        self._planned = 0
        self._lock = threading.Lock()
        self._done = 0
        self._arrived = 0

    def expect(self, planned: int) -> None:
        """So many more cases are going to be sent."""
        self._planned += planned

    def begin_again(self, notify_within_s: float) -> None:
        """What was owed before is not waited for any more."""
        self.ledger = Ledger(notify_within_s, on_change=lambda _: self.pace.look_again())

    def on_exchange(self, case: Case, exchange: Exchange) -> None:
        """An attempt has its answer; called by the sender's workers."""
        answer = Answer.of(case, exchange)
        if answer.owes_notification and exchange.answered_at is not None:
            self.ledger.owe(answer.product or "", answer.request_id or "", exchange.answered_at)
        with self._lock:
            self._done += exchange.attempt == 1
            self.progress.exchanged(self._done, self._planned)

    def on_arrival(self, product: str | None, request: Request, at: float, wall: float) -> None:
        """A notification has come; called by the receiver's threads."""
        kept = self.strays.kept(request) if product is None else request
        if kept is None:
            return
        self._journal.notified(product, kept, at, wall)
        self.ledger.arrived(product, request_id_of(request.body), at)
        with self._lock:
            self._arrived += 1
            self.progress.notified(self._arrived, self.ledger.outstanding)
