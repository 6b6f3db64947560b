"""Canaries while a run goes on: was the way of notifications open all the time?

    watched     sends them for as long as it lasts, where the way back is more than a hop on this machine

Those before and after a run do not see a tunnel that was down for some seconds in between; what it lost then would seem
never to have been sent. Each canary is a note in the journal, for `checks.outages` to read. They go out while something
is owed, and no faster than a gateway notifies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle

from conformance.gateway.preflight import TAKEN, Canaries, send_canary
from conformance.gateway.rig import Rig
from conformance.gateway.settings import Settings
from conformance.journal import Journal
from conformance.judging.terms import HEARTBEAT
from conformance.model.errors import ConformanceError, SuiteError
from conformance.wire.connection import Connection, Unanswered
from conformance.wire.ledger import Ledger

# Seconds between two: what is cut off for less loses no more notifications than chance may explain.
EVERY_S = 1.0
SOONEST_S = 0.1
# So many requests go out between two, where more go out in a second.
REQUESTS_BETWEEN = 5.0
# What is lost twice is sent again after 1 s and then after 2 s more; a canary that takes longer counts as lost.
LOST_AFTER_S = 3.0


@contextmanager
def watched(settings: Settings, rig: Rig, journal: Journal, ledger: Ledger) -> Iterator[None]:
    """While entered, the way back is watched whenever `ledger` has something owed; else nothing is sent."""
    if not settings.way_back_to_be_watched:
        yield
        return
    heartbeat = _Heartbeat(settings, rig, journal, ledger)
    heartbeat.start()
    try:
        yield
    finally:
        heartbeat.stop()
    heartbeat.check()


class _Heartbeat:
    """One thread, one canary at a time, to one product after the other: all their callbacks are at one address."""

    def __init__(self, settings: Settings, rig: Rig, journal: Journal, ledger: Ledger) -> None:
        self._settings, self._rig, self._journal, self._ledger = settings, rig, journal, ledger
        rate = settings.bounds.rate_per_s
        self._pause_s = SOONEST_S if rate is None else min(EVERY_S, max(SOONEST_S, REQUESTS_BETWEEN / rate))
        self._over = threading.Event()
        self._owed = 0
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when nothing more is sent or noted, within LOST_AFTER_S or twice that."""
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """SuiteError if it stopped by itself."""
        if self._error is not None:
            raise SuiteError(f"the way back could not be watched: {self._error!r}") from self._error

    def _beat(self) -> None:
        try:
            with Canaries.of(self._settings, self._rig).connection(LOST_AFTER_S) as connection:
                for product in cycle(self._settings.products):
                    while not self._is_owed():
                        if self._over.wait(self._pause_s):
                            return
                    self._send(connection, product)
                    if self._over.wait(self._pause_s):
                        return
        except ConformanceError:
            pass  # the journal cannot be written any more, as everybody else is told
        except Exception as error:  # noqa: BLE001 - told by `check`
            self._error = error

    def _is_owed(self) -> bool:
        """Whether something is awaited, or was since it was last asked."""
        owed, before = self._ledger.owed, self._owed
        self._owed = owed
        return owed > before or self._ledger.outstanding > 0

    def _send(self, connection: Connection, product: str) -> None:
        token, sent_at = self._rig.intake.new_canary(), time.monotonic()
        taken = False
        with suppress(Unanswered):  # it may have arrived all the same
            taken = send_canary(connection, self._rig.callback_urls[product], token, product).status in TAKEN
        found = self._rig.intake.canary(token, LOST_AFTER_S if taken else 0.0)
        arrived = found is not None and found[0] == self._rig.paths.callback_of(product)
        self._journal.note(
            HEARTBEAT, {"product": product, "sent_at": self._journal.time_of(sent_at), "arrived": arrived}
        )
