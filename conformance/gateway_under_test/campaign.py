"""A run against a gateway: prepare, prove the way back, send everything, then listen once.

    run     holds the campaign and returns the path of the journal, in which everything is that happened

Nothing is judged here; a journal can be judged at any time after (`conformance.verdicts.judge`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conformance.callbacks.ledger import Ledger, Settled, request_id_of
from conformance.callbacks.strays import Strays
from conformance.checks.evidence import Answer
from conformance.checks.notifications import NETWORK_HOLDS_S
from conformance.checks.reading import as_over_a_network
from conformance.errors import EnvironmentFailure
from conformance.exchange import Allowance, Sender
from conformance.gateway_under_test.anew import MOST_LOST, ROUNDS, Anew, lost_of, windows_of
from conformance.gateway_under_test.limits import Limits
from conformance.gateway_under_test.plan import Plan, seed_for
from conformance.gateway_under_test.preflight import examine, over_network, way_back
from conformance.gateway_under_test.progress import Progress, Silent
from conformance.gateway_under_test.rig import Rig, rigged
from conformance.gateway_under_test.samples import check_samples
from conformance.gateway_under_test.settings import Settings
from conformance.journal import Journal, Redaction
from conformance.mock_gateway.behaviour import Behaviour
from conformance.mock_gateway.variants import BUILT_IN
from conformance.traffic import Case, Exchange, Request

JOURNAL = "journal.sqlite"
# Beyond the time that it may take, a notification is still awaited for so long: "late" says more than "missing".
LATE_S = 2.0
# Over a network so many in a row without an answer are no chance any more, and each may take as long as --read-timeout.
MOST_SILENT = 32


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
    plan = planned(settings, rig.gateway)
    journal.plan(plan.cases)
    journal.flush()  # else requests would stand behind the whole plan, and not in the file when they go out
    for case_id, why in plan.left_out.items():
        journal.note("left-out", {"case": case_id, "why": why})
    hearing = _Hearing(settings, journal, progress, planned=len(plan.cases))
    rig.intake.hand_to(hearing.on_arrival)
    progress.phase("send", f"{len(plan.cases)} cases")
    bounds = settings.bounds
    allowance = bounds.allowance()
    sender = Sender(
        journal,
        bounds.pace(settings.seed),
        on_exchange=hearing.on_exchange,
        ca_file=settings.ca_file,
        allowance=allowance,
        manners=bounds.manners(over_network=settings.network_there),
    )
    try:
        for group in plan.alone:
            sender.send([group])
        sender.send(plan.groups)
        sender.send(plan.last)
        if settings.network_there and planned == Plan.of:  # another plan need not follow the seed
            _send_anew(settings, rig, journal, hearing, sender, plan)
    finally:
        if bounds.any:
            journal.note("allowance", _within_limits(bounds, allowance, plan))
    progress.phase("listen", f"up to {settings.notify_within_s:g} s")
    settled = hearing.ledger.wait()
    if settled.missing and settings.gateway is not None:
        journal.note("way-back", _way_back(settings, rig, hearing.ledger.missing()))
    if hearing.strays.left_out:
        journal.note("strays", {"left_out": hearing.strays.left_out})
    journal.note("settled", {"at": time.monotonic(), **_described(settled)})


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


def _send_anew(  # noqa: PLR0913, PLR0917 - all that a sending needs
    settings: Settings,
    rig: Rig,
    journal: Journal,
    hearing: _Hearing,
    sender: Sender,
    plan: Plan,
) -> None:
    """Have other cases show what those would have shown whose answers the network lost."""
    sent, groups = list(plan.cases), (*plan.alone, *plan.groups, *plan.last)
    lost = lost_of(groups, hearing.unanswered)
    for number in range(1, ROUNDS + 1):
        if not lost or len(lost) > MOST_LOST * sum(map(len, groups)):
            return
        other = replace(settings, seed=seed_for(settings.seed, "anew", str(number)), corpus=None)
        again = Plan.of(other, rig.gateway, windows_of(sent))
        answered = {case.id for case in sent} - hearing.unanswered
        anew = Anew.of(lost, again, f"anew-{number}", sent, answered)
        if not anew.cases:
            return
        journal.plan(anew.cases)
        journal.note("planned-anew", {"stands_for": dict(anew.stands_for)})
        journal.flush()
        hearing.expect(len(anew.cases))
        for group in anew.alone:
            sender.send([group])
        sender.send(anew.groups)
        sent += anew.cases
        groups = (*anew.alone, *anew.groups)
        lost = lost_of(groups, hearing.unanswered)


def _way_back(settings: Settings, rig: Rig, missing: Collection[str]) -> Mapping[str, Any]:
    """What became of the way by which notifications of these products are missing."""
    if not settings.network_back:
        return {"lost": {product: probe.detail for product, probe in way_back(settings, rig) if not probe.ok}}
    products = [product for product in settings.products if product in missing]
    counted = over_network(settings, rig, products)
    return {"canaries": {product: (canaries.sent, canaries.lost) for product, canaries in counted}}


def _within_limits(bounds: Limits, allowance: Allowance, plan: Plan) -> Mapping[str, Any]:
    """What may have been accepted, and how many cases and attempts were kept from being sent by which option."""
    return {
        "max_accepted": bounds.max_accepted,
        "max_spend": bounds.max_spend,
        "accepted_at_most": allowance.taken,
        "spent_at_most": allowance.spent,
        "not_planned": dict(plan.beyond_limits),
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
    """Keeps the ledger of what is owed, from both sides: answers as they are read, notifications as they come."""

    def __init__(self, settings: Settings, journal: Journal, progress: Progress, planned: int) -> None:
        self.ledger = Ledger(settings.notify_within_s + (NETWORK_HOLDS_S if settings.network_back else LATE_S))
        self.strays = Strays()
        self._journal = journal
        self._progress = progress
        self._planned = planned
        self._lock = threading.Lock()
        self._done = 0
        self._arrived = 0
        # The cases whose last attempt has no answer, and got lost on a network if there is one.
        self.unanswered: set[str] = set()
        self._silent_in_a_row = 0
        self._over_network = settings.network_there

    def expect(self, more: int) -> None:
        """So many cases were planned beside the first ones."""
        with self._lock:
            self._planned += more

    def on_exchange(self, case: Case, exchange: Exchange) -> None:
        """An attempt has its answer; called by the sender's workers."""
        answer = Answer.of(case, as_over_a_network(exchange) if self._over_network else exchange)
        if answer.owes_notification and exchange.answered_at is not None:
            self.ledger.owe(answer.product or "", answer.request_id or "", exchange.answered_at)
        with self._lock:
            self._done += exchange.attempt == 1
            (self.unanswered.add if answer.status is None else self.unanswered.discard)(case.id)
            self._silent_in_a_row = 0 if answer.status is not None else self._silent_in_a_row + 1
            silent = self._over_network and self._silent_in_a_row >= MOST_SILENT
            self._progress.exchanged(self._done, self._planned)
        if silent:
            raise EnvironmentFailure(
                f"the gateway answers no more: {MOST_SILENT} requests in a row are without an answer, the last one: "
                f"{exchange.failure}",
                "is the network up, and the gateway running?",
            )

    def on_arrival(self, product: str | None, request: Request, at: float, wall: float) -> None:
        """A notification has come; called by the receiver's threads."""
        kept = self.strays.kept(request) if product is None else request
        if kept is None:
            return
        self._journal.notified(product, kept, at, wall)
        self.ledger.arrived(product, request_id_of(request.body), at)
        with self._lock:
            self._arrived += 1
            self._progress.notified(self._arrived, self.ledger.outstanding)
