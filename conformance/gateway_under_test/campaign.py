"""A run against a gateway: prepare, prove the way back, send everything, then listen once.

    run     holds the campaign and returns the path of the journal, in which everything is that happened

Nothing is judged here; a journal can be judged at any time after (`conformance.verdicts.judge`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conformance.callbacks.ledger import Settled
from conformance.errors import EnvironmentFailure
from conformance.gateway_under_test.listening import Listening
from conformance.gateway_under_test.plan import Plan
from conformance.gateway_under_test.preflight import examine, over_network, way_back
from conformance.gateway_under_test.progress import Progress, Silent
from conformance.gateway_under_test.rig import Rig, rigged
from conformance.gateway_under_test.samples import check_samples
from conformance.gateway_under_test.sending import send_anew, sending
from conformance.gateway_under_test.settings import Settings
from conformance.journal import Journal, Redaction
from conformance.mock_gateway.behaviour import Behaviour
from conformance.mock_gateway.variants import BUILT_IN

JOURNAL = "journal.sqlite"


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
    hearing = Listening(settings, journal, progress, planned=len(plan.cases))
    rig.intake.hand_to(hearing.on_arrival)
    progress.phase("send", f"{len(plan.cases)} cases")
    with sending(settings, journal, plan, hearing) as sender:
        for group in plan.alone:
            sender.send([group])
        sender.send(plan.groups)
        sender.send(plan.last)
        if settings.network_there and planned == Plan.of:  # another plan need not follow the seed
            send_anew(settings, rig.gateway, journal, hearing, sender, plan)
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


def _way_back(settings: Settings, rig: Rig, missing: Collection[str]) -> Mapping[str, Any]:
    """What became of the way by which notifications of these products are missing."""
    if not settings.network_back:
        return {"lost": {product: probe.detail for product, probe in way_back(settings, rig) if not probe.ok}}
    products = [product for product in settings.products if product in missing]
    counted = over_network(settings, rig, products)
    return {"canaries": {product: (canaries.sent, canaries.lost) for product, canaries in counted}}


def _described(settled: Settled) -> Mapping[str, Any]:
    return {
        "owed": settled.owed,
        "arrived": settled.arrived,
        "missing": settled.missing,
        "waited_s": round(settled.waited_s, 3),
    }
