"""How many notifications are awaited at a time: a run waits once, and none is late by our own doing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from campaigns import KEY, SECRET, settings

from conformance.gateway import campaign, listening
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion
from conformance.mock.behaviour import BUILT_IN
from conformance.model.process import Silent
from conformance.model.traffic import Kind
from conformance.reports.result import judge
from conformance.wire.sender import CONCURRENCY


class Counting(Silent):
    """Keeps the most notifications that were awaited at a time, as far as arrivals show it."""

    most = 0

    def notified(self, arrived: int, outstanding: int) -> None:  # noqa: ARG002 - the interface's
        """Called at each arrival."""
        self.most = max(self.most, outstanding)


def test_no_more_notifications_are_awaited_than_the_receiver_can_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are held back meanwhile; what is under way with the other senders comes on top."""
    monkeypatch.setattr(listening, "MOST_AWAITED", 20)
    monkeypatch.setattr(listening, "MOST_AWAITED_PER_S", 1)
    counting = Counting()
    journal = campaign.run(settings(tmp_path, products=("sms",)), counting, replace(BUILT_IN, notify_after_s=0.1))
    assert 0 < counting.most < 20 + CONCURRENCY
    assert Conclusion.CONFORMANT == judge(read_journal(journal)).conclusion


def test_a_default_run_waits_once() -> None:
    """However slow the gateway: it is never held back for notifications, as it asks for fewer."""
    plan = Plan.of(Settings(KEY, SECRET, seed=7), "http://gateway.example/api/v2")
    accepted = [case for case in plan.cases if case.kind in (Kind.VALID, Kind.HEADERS, Kind.REPEAT)]
    assert len(accepted) < listening.MOST_AWAITED
