"""Receivers as processes: nothing is refused or lost while the socket changes hands, and a dead one is replaced."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from campaigns import settings
from steady_streams import number_in, numbers_in, streaming

from conformance.gateway.preflight import send_canary
from conformance.gateway.rig import Rig, rigged
from conformance.gateway.settings import Settings
from conformance.journal import Journal, Redaction, read_journal
from conformance.load.receivers import Receivers, measured
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Request
from conformance.wire.connection import Connection, KeepAlive

WITHIN_S = 20.0


@dataclass
class _Bench:
    """A rig with a journal; `own`: the numbers that its own receiver took."""

    settings: Settings
    rig: Rig
    journal: Journal
    own: list[int]
    folder: Path

    def receivers(self, count: int) -> Receivers:
        return Receivers(self.settings, self.rig, self.journal, count, self.folder, 1000)

    @property
    def url(self) -> str:
        return self.rig.receiver.urls["sms"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[_Bench]:
    """A rig beside the mock gateway, with the receiver of the coordinator."""
    given = settings(tmp_path)
    with rigged(given) as rig, Journal.create(tmp_path / "journal.sqlite", {}, Redaction.none()) as journal:
        own: list[int] = []

        def take(_product: str | None, request: Request, _at: float, _wall: float) -> None:
            own.append(number_in(request))

        rig.intake.hand_to(take)
        yield _Bench(given, rig, journal, own, tmp_path / "shards")


def test_no_notification_is_lost_or_refused_while_the_socket_changes_hands(bench: _Bench) -> None:
    """Streams go on across both hand-overs: each notification is answered with 200, and recorded once."""
    with streaming(bench.url) as streams:
        streams.await_more()
        with bench.receivers(2) as receivers:
            streams.await_more(200)
        streams.await_more()

    theirs = [number for shard in receivers.shards for number in numbers_in(shard.path)]
    assert [] == streams.broken
    assert sorted(streams.answered) == sorted([*bench.own, *theirs])
    assert len(theirs) >= 150
    assert len(bench.own) >= 50


def test_while_receivers_serve_the_coordinator_takes_one_more_request_on_each_connection_at_most(bench: _Bench) -> None:
    """So that it is not the bottleneck: each connection ends behind its next answer."""
    with streaming(bench.url) as streams:
        streams.await_more()
        with bench.receivers(1):
            before = len(bench.own)
            streams.await_more(200)
            taken = len(bench.own) - before

    assert taken <= 3


def test_a_killed_receiver_is_replaced_and_what_it_wrote_is_kept(bench: _Bench) -> None:
    """`kill -9` in the middle: what was committed is read, the rest is in the time that the note `lost` names."""
    with streaming(bench.url) as streams, bench.receivers(1) as receivers:
        streams.await_more()
        (pid,) = receivers.processes.values()
        os.kill(pid, signal.SIGKILL)
        streams.await_more()
        assert ["receiver-2"] == list(receivers.processes)
    bench.journal.flush()

    theirs = [number for shard in receivers.shards for number in numbers_in(shard.path)]
    (note,) = (note for note in read_journal(bench.journal.path).notes if note.kind == "lost")
    assert ("receiver", "receiver-1") == (note.detail["what"], note.detail["name"])
    lost = len(set(streams.answered) - {*bench.own, *theirs})
    # Answered, and not committed within the last milliseconds before the kill.
    assert lost <= 20
    assert len(streams.broken) <= 3
    assert note.detail["since"] <= note.detail["until"] <= note.noted_at
    assert note.detail["since"] == receivers.shards[0].lost_since
    assert receivers.shards[1].lost_since is None


def test_canaries_reach_the_run_through_the_receivers(bench: _Bench) -> None:
    """A watched way back sees them, and no row has them."""
    with bench.receivers(1) as receivers, measured(bench.settings, bench.rig) as delay:
        token = bench.rig.intake.new_canary()
        with streaming(bench.url) as streams:
            while delay.most_s == 0:
                streams.await_more()
        _send_canary(bench, token)
        found = bench.rig.intake.canary(token, WITHIN_S)

    assert ("sms", bench.rig.paths.target("sms")) == found
    assert 0 < delay.p99_s <= delay.most_s < WITHIN_S
    assert sorted(streams.answered) == sorted(n for shard in receivers.shards for n in numbers_in(shard.path))


def test_receivers_that_cannot_serve_are_one_clear_line(bench: _Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends before it serves is tried a few times; then its last words are the error."""
    monkeypatch.setenv("PYTHONPATH", str(bench.folder / "nowhere"))
    monkeypatch.chdir("/")
    with _no_suite(monkeypatch, bench.folder), pytest.raises(EnvironmentFailure) as raised, bench.receivers(1):
        pass

    assert raised.value.message.startswith("a receiver cannot serve: its process ended with status ")


@contextmanager
def _no_suite(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Processes find a `conformance` that is not the suite."""
    (folder / "nowhere" / "conformance").mkdir(parents=True)
    (folder / "nowhere" / "conformance" / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder / "nowhere"))
    yield


def _send_canary(bench: _Bench, token: str) -> None:
    with Connection(WITHIN_S, KeepAlive(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as line:
        send_canary(line, bench.url, token, "sms")
