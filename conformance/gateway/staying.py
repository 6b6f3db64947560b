"""Listening on after a run: what comes late is added to its journal, and judged with the rest.

stay        takes notifications until told to stop, or for so long
Stayed      what came of it
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from conformance.contract.contract import Contract
from conformance.gateway.campaign import redaction_of
from conformance.gateway.listening import id_at_a_glance
from conformance.gateway.resuming import check_targets, last_sign
from conformance.gateway.rig import rigged
from conformance.gateway.settings import Settings
from conformance.journal import LISTENED, Journal, Record, read_journal
from conformance.judging.evidence import Evidence
from conformance.model.errors import UsageError
from conformance.model.interruption import granted, held_back, let_through
from conformance.model.progress import Progress
from conformance.model.traffic import Request
from conformance.wire.ledger import request_id_of
from conformance.wire.strays import Strays, Taken

# How often it is looked whether the time is over: soon enough to be felt as at once.
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Stayed:
    """How many notifications came, and of how many accepted requests one is still missing."""

    arrived: int
    missing: int


def stay(path: Path, settings: Settings, progress: Progress, for_s: float | None = None) -> Stayed:
    """Take notifications into the journal at `path`, until interrupted or `for_s` seconds have gone by.

    `settings` are those of the run. Raises UsageError for a run against the built-in mock gateway, which is gone, and
    for callback URLs that are others than those of the run; EnvironmentFailure if the address is taken or another
    process writes to the journal.
    """
    record = read_journal(path)
    if settings.gateway is None:
        raise UsageError(
            f"{path} is of a run against the built-in mock gateway, which ended with it; nothing can come late"
        )
    targets, since = record.settings["callback_targets"], last_sign(record)
    strays = Strays()
    for exchange in record.exchanges:
        body = exchange.response.body if exchange.response is not None else b""
        if (request_id := request_id_of(body, settings.contract.answer.id)) is not None:
            strays.given(request_id)
    del record  # or its file would stay open for reading while it is written to
    arrived, over = 0, threading.Event()
    counting = threading.Lock()
    with held_back(), rigged(settings) as rig:
        redaction = redaction_of(settings, rig)
        check_targets(targets, {name: redaction.text(rig.paths.target(name)) for name in settings.callbacks})
        with Journal.reopened(path, redaction) as journal:

            def on_arrival(product: str | None, request: Request, at: float, wall: float) -> None:
                nonlocal arrived
                kept = strays.kept(Taken(product, request, at, wall), id_at_a_glance(request, settings.contract))
                if kept is not None:
                    journal.notified(product, kept, at, wall)
                    with counting:
                        arrived += 1
                        progress.notified(arrived, 0)

            journal.note(LISTENED, {"silent_since": since, "until": journal.time_of(time.monotonic())})
            rig.intake.hand_to(on_arrival)
            rig.note_in(journal)
            progress.phase("listen", "until Ctrl-C" if for_s is None else f"for {for_s:g} s")
            until = None if for_s is None else time.monotonic() + for_s
            if until is not None:
                progress.until(until)
            try:
                with let_through():
                    while until is None or time.monotonic() < until:
                        over.wait(LOOK_S)
            except KeyboardInterrupt:
                granted()
            # Before the journal is: what comes after the end would find it closed.
            rig.receiver.close()
            if strays.left_out:
                journal.note("strays", strays.described())
    return Stayed(arrived, _missing(read_journal(path), settings.contract))


def _missing(record: Record, contract: Contract) -> int:
    evidence = Evidence.of(record, contract)
    owed = (answer for command in evidence.terms.commands for answer in evidence.owed(command))
    return sum(evidence.first_about(answer) is None for answer in owed)
