"""A signal at any moment of a run: no further request is sent, and the run is judged; a second one ends it at once."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from campaigns import settings
from command_line import PATIENCE_S, process
from mock_rig import eventually
from sockets import OK, RawServer, a_case, drip, request_read, serving

from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.journal import Journal, Redaction, read_journal
from conformance.journal.earlier import REPORT_JSON
from conformance.mock.behaviour import BUILT_IN, Moment, Reply
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import (
    SIGNALS,
    closed_at_second_signal,
    interrupts_deferred,
    is_interrupted,
    signals_handled,
)
from conformance.pytest.session import Holder
from conformance.wire import Pace, Sender
from conformance.wire.connection import Connection, HttpAnswer, KeepAlive, Unanswered
from conformance.wire.sender import Manners
from conformance.wire.streams import client_tls, close_all


def swallowed(number: signal.Signals = signal.SIGINT) -> None:
    """Raise a signal whose exception is caught, as Hypothesis does."""
    with suppress(KeyboardInterrupt):
        signal.raise_signal(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_planning_swallows_ends_the_run(tmp_path: Path, number: signal.Signals) -> None:
    """Not one case of the plan goes out, and the run tells that it was interrupted."""
    sent: list[str] = []

    def log(reply: Reply, moment: Moment) -> Reply:
        sent.append(moment.request.url)
        return reply

    def planned(given: Settings, gateway: str) -> Plan:
        plan = Plan.of(given, gateway)
        swallowed(number)
        sent.clear()
        return plan

    behaviour = replace(BUILT_IN, reply=(*BUILT_IN.reply, log))
    with signals_handled():
        path = campaign.run(settings(tmp_path, products=("sms",)), behaviour=behaviour, planned=planned)

    record = read_journal(path)
    assert ([], 0) == (sent, len(record.exchanges))
    assert {"interrupted", "finished"} <= {note.kind for note in record.notes}


def test_a_run_interrupted_before_its_first_request_leaves_earlier_results(tmp_path: Path) -> None:
    """Nothing was judged, so nothing is replaced."""

    def planned(*_: object) -> Plan:
        swallowed()
        return Plan(statum(), ())

    earlier = tmp_path / REPORT_JSON
    earlier.write_text("{}", encoding="utf-8")
    with signals_handled(), pytest.raises(EnvironmentFailure) as refused:
        campaign.run(settings(tmp_path, products=("sms",)), planned=planned)

    assert "interrupted before anything was sent" == refused.value.message
    assert [earlier] == list(tmp_path.iterdir())


def test_a_signal_during_connecting_holds_the_request_back(tmp_path: Path) -> None:
    """It stands, and not a byte goes out; what would have been sent surely never left."""
    with signals_handled(), interrupts_deferred(), RawServer(lambda *_: OK) as server:
        with Connection(5.0, KeepAlive(), client_tls(None)) as connection:
            case = a_case("a", f"{server.url}/")
            with pytest.raises(Unanswered) as refused:
                connection.ask(case.request, swallowed)
        journal = Journal.create(tmp_path / campaign.JOURNAL, {}, Redaction.none())
        with journal, pytest.raises(KeyboardInterrupt):
            Sender(journal, Pace()).send([[case]])
    assert refused.value.never_left
    assert [] == server.requests
    assert () == tuple(read_journal(tmp_path / campaign.JOURNAL).exchanges)


def test_a_request_that_a_signal_held_back_does_not_fail_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes when the request is recorded already, and nothing of it has gone out."""
    told = threading.Event()

    def ask(self: Connection, *arguments: Any) -> HttpAnswer:
        told.set()
        return asked(self, *arguments)

    asked = Connection.ask
    monkeypatch.setattr(Connection, "ask", ask)
    monkeypatch.setattr("conformance.wire.sender.is_interrupted", told.is_set)
    monkeypatch.setattr("conformance.wire.connection.is_interrupted", told.is_set)
    with RawServer(lambda *_: OK) as server:
        journal = Journal.create(tmp_path / campaign.JOURNAL, {}, Redaction.none())
        with journal, pytest.raises(KeyboardInterrupt):
            Sender(journal, Pace()).send([[a_case("a", f"{server.url}/")]])
    (exchange,) = read_journal(tmp_path / campaign.JOURNAL).exchanges
    assert [] == server.requests
    assert (None, None) == (exchange.response, exchange.failure)


def test_a_signal_during_judging_waits_for_the_reports(tmp_path: Path) -> None:
    """Even the quickest reader finds whole files, of one run; the exit code says that somebody wanted an end."""
    with process(tmp_path, "run", "--product", "sms", "--max-examples", "0") as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("judging"):
                running.send_signal(signal.SIGTERM)
                break
        out, err = running.communicate(timeout=PATIENCE_S)

    report = json.loads((tmp_path / "reports" / "report.json").read_bytes())
    assert 3 == running.returncode, err
    assert "conformant" == report["verdict"]
    assert "conformant: " in out
    assert "error: interrupted at its end; whatever is written by now is whole" in err


def test_a_second_signal_ends_a_dripping_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one awaits the answer, which has ten minutes; the second one closes its connection."""
    monkeypatch.setattr("conformance.model.process.REPEAT_S", -1.0)
    asked = threading.Event()

    def handle(connection: socket.socket) -> None:
        request_read(connection)
        asked.set()
        drip(connection, b"H")

    def signal_twice() -> None:
        asked.wait(PATIENCE_S)
        os.kill(os.getpid(), signal.SIGINT)
        eventually(is_interrupted, PATIENCE_S)
        os.kill(os.getpid(), signal.SIGTERM)

    begun = time.monotonic()
    with (
        signals_handled(hard=False),
        interrupts_deferred(),
        closed_at_second_signal(close_all),
        serving(handle) as port,
    ):
        signalling = threading.Thread(target=signal_twice, daemon=True)
        signalling.start()
        with Journal.create(tmp_path / campaign.JOURNAL, {}, Redaction.none()) as journal:
            case = a_case("a", f"http://127.0.0.1:{port}/")
            with suppress(KeyboardInterrupt):
                Sender(journal, Pace(), manners=Manners(timeout_s=600.0)).send([[case]])
        signalling.join(PATIENCE_S)  # or a signal that comes late would end this process
    assert time.monotonic() - begun < PATIENCE_S


def test_under_pytest_a_run_that_is_terminated_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And pytest is interrupted after that, as by Ctrl-C."""

    def planned(*_: object) -> Plan:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("a signal ends the planning")

    monkeypatch.setattr(campaign, "run", partial(campaign.run, planned=planned))
    with pytest.raises(KeyboardInterrupt):
        Holder(settings(tmp_path, products=("sms",))).result()

    report = json.loads((tmp_path / "report.json").read_bytes())
    assert "inconclusive" == report["verdict"]
    assert "interrupted" in {entry.get("reason") for entry in report["requirements"]}
