"""Whole runs against mock gateways over real HTTP: the journal and the conclusion."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from campaigns import held, judged, registered, settings, shortfalls
from seeded import FAULTS, ON_LOAD, VARIANTS

from conformance.contract.contract import statum
from conformance.gateway import campaign, listening
from conformance.gateway.plan import Plan
from conformance.gateway.rig import CANARY_HEADER
from conformance.journal import Record, read_journal
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Callback, Moment
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.process import Silent
from conformance.model.traffic import CLOSED_ON_REUSE, header
from conformance.reports.files import write_reports
from conformance.reports.result import Result, judge

PRODUCTS = statum().products

ALL = ("sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details")
SMS = {"products": ("sms",)}


@pytest.fixture(scope="module")
def lawful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a run of everything against a lawful gateway of which every other transaction fails."""
    return held(tmp_path_factory.mktemp("lawful"), replace(BUILT_IN, failure_rate=0.5), max_examples=2)


def noted(record: Record, kind: str) -> dict[str, Any]:
    """The detail of the one note of that kind."""
    (note,) = (note for note in record.notes if note.kind == kind)
    return dict(note.detail)


# --- A run of everything against a lawful gateway


def test_the_journal_tells_the_whole_run(lawful: Path) -> None:
    """Plan, exchanges, notifications and phases; a lawful gateway gets no request beyond the plan."""
    record = read_journal(lawful)
    planned = Plan.of(settings(lawful.parent, max_examples=2), record.settings["gateway"])
    settled = noted(record, "settled")
    kinds = [note.kind for note in record.notes]

    assert [(c.id, c.request.url, c.request.body) for c in planned.cases] == [
        (c.id, c.request.url, c.request.body) for c in record.cases
    ]
    assert {case.id: 1 for case in record.cases} == Counter(exchange.case_id for exchange in record.exchanges)
    assert set(PRODUCTS) == {notification.product for notification in record.notifications}
    assert len(record.notifications) == settled["owed"] == settled["arrived"]
    assert {None} == {header(n.request.headers, CANARY_HEADER) for n in record.notifications}, "a canary is none"
    assert ["settled", "finished"] == kinds[-2:]
    assert [True] * (2 + len(PRODUCTS)) == [note.detail["ok"] for note in record.notes if note.kind == "preflight"]


def test_every_requirement_is_exercised_for_each_of_its_commands(lawful: Path) -> None:
    """All five commands and four products, and nearly every condition came about.

    A GET has no members to explain errors of, nobody sends what no request precedes, and no run is under load.
    """
    judgement = judge(read_journal(lawful))
    unsolicited = statum().unsolicited
    open_ = {("RSP-20", "account-details"), *((f"UNS-{n:02}", product) for product in unsolicited for n in (1, 2, 3))}

    assert {*ALL, *unsolicited, None} == {v.command for v in judgement.verdicts}
    short = {(v.requirement.id, v.command) for v in judgement.verdicts if v.verdict is not Verdict.PASS}
    assert open_ == {(name, command) for name, command in short if name not in ON_LOAD}
    assert Conclusion.CONFORMANT == judgement.conclusion


@pytest.mark.parametrize("product", PRODUCTS)
def test_one_product_with_one_phone_number_is_conformant(product: str, tmp_path: Path) -> None:
    """A run judges its command and account-details; systematic cases exercise every MUST, and amounts suffice."""
    judgement = judged(tmp_path, products=(product,), phone_numbers=("254712345678",))

    (command,) = (name for name, command in statum().commands.items() if command.product == product)
    judged_for = {v.command for v in judgement.verdicts if v.command not in statum().unsolicited}
    assert {command, "account-details", None} == judged_for
    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)


# --- Others on the account, and runs in a row


@pytest.mark.parametrize("exclusive", [False, True])
def test_foreign_notifications_fail_only_on_an_exclusive_account(exclusive: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """On a shared account somebody else may have sent the request."""
    behaviour = VARIANTS["foreign-notifications"].change(BUILT_IN)
    judgement = judged(tmp_path, behaviour, exclusive_account=exclusive, **SMS)

    short = [(v.requirement.id, v.verdict) for v in judgement.verdicts if v.verdict in (Verdict.WARN, Verdict.FAIL)]
    assert [("NTF-21", Verdict.FAIL if exclusive else Verdict.WARN)] == short
    assert (Conclusion.NON_CONFORMANT if exclusive else Conclusion.CONFORMANT) == judgement.conclusion


# --- When notifications come


def test_early_notifications_are_not_missing(tmp_path: Path) -> None:
    """Each arrives before the answer with its id was read."""
    path = held(tmp_path, VARIANTS["early-notification"].change(BUILT_IN), **SMS)
    record = read_journal(path)
    settled = noted(record, "settled")

    assert (settled["owed"], 0) == (settled["arrived"], settled["missing"])
    answered = {json.loads(e.response.body)["request_id"]: e.answered_at for e in record.exchanges if e.response}
    early = [n for n in record.notifications if n.received_at < answered[json.loads(n.request.body)["request_id"]]]
    assert len(record.notifications) == len(early) == settled["owed"]
    assert Conclusion.CONFORMANT == judge(record).conclusion


def test_slow_notifications_are_waited_for_once(tmp_path: Path) -> None:
    """Together, not one after the other: whatever their number, the wait is that of the last."""
    latency = 1.0
    record = read_journal(held(tmp_path, replace(BUILT_IN, notify_after_s=latency), **SMS))
    settled = noted(record, "settled")

    assert settled["owed"] > 30
    assert 0 == settled["missing"]
    sent = {json.loads(e.response.body)["request_id"]: e.sent_at for e in record.exchanges if e.response}
    took = [n.received_at - sent[json.loads(n.request.body)["request_id"]] for n in record.notifications]
    assert latency - 0.001 <= min(took), "the mock gateway's timers count whole milliseconds"
    assert settled["waited_s"] < 5 * latency


def test_missing_notifications_share_one_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding names how long the run waited."""
    monkeypatch.setattr(listening, "LATE_S", 0.2)

    def lost(_: tuple[Callback, ...], __: Moment) -> tuple[Callback, ...]:
        return ()

    record = read_journal(held(tmp_path, replace(BUILT_IN, deliveries=(lost,)), notify_within_s=0.2, **SMS))
    settled = noted(record, "settled")
    missing = next(v for v in judge(record).verdicts if v.requirement.id == "NTF-01")

    assert settled["owed"] == settled["missing"] == missing.failed == missing.observations
    assert settled["waited_s"] < 0.2 * settled["owed"]
    assert "no notification within 0.2 s" in missing.findings[0].message


# --- Cut off


class Interrupted(Silent):
    """Gets a signal, as of Ctrl-C, when the run begins to listen."""

    def phase(self, name: str, detail: str = "") -> None:  # noqa: ARG002 - the protocol's
        """The signal ends the phase."""
        if name == "listen":
            signal.raise_signal(signal.SIGINT)


def test_an_interrupted_run_is_finished_and_inconclusive(tmp_path: Path) -> None:
    """The journal holds every exchange and the reason; missing notifications fail nobody."""
    behaviour = replace(BUILT_IN, notify_after_s=60.0)
    begun = time.monotonic()
    record = read_journal(campaign.run(settings(tmp_path, notify_within_s=60.0, **SMS), Interrupted(), behaviour))
    judgement = judge(record)

    assert time.monotonic() - begun < 30
    assert ["interrupted", "finished"] == [note.kind for note in record.notes][-2:]
    assert all(exchange.response for exchange in record.exchanges)
    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    missing = next(v for v in judgement.verdicts if v.requirement.id == "NTF-01")
    assert (Verdict.INCONCLUSIVE, Reason.INTERRUPTED) == (missing.verdict, missing.reason)
    assert Conclusion.INCONCLUSIVE == judgement.conclusion


def test_a_notification_by_get_ends_the_wait_for_it(tmp_path: Path) -> None:
    """The id is in its query."""
    record = read_journal(held(tmp_path, FAULTS["notification-by-get"].change(BUILT_IN), shrink_requests=0, **SMS))

    settled = noted(record, "settled")
    assert 0 == settled["missing"]
    assert settled["owed"] == settled["arrived"] > 0


class Dying(Silent):
    """Stops the gateway when so many of its answers are there."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.server: MockServer | None = None

    def exchanged(self, done: int, planned: int) -> None:  # noqa: ARG002 - the protocol's
        """One more."""
        if done == self._after and self.server is not None:
            self.server.stop()


def test_a_gateway_that_dies_during_a_run_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On loopback nobody else can have lost the answers."""
    monkeypatch.setattr(listening, "LATE_S", 0.2)
    # On a busy machine it may take a second to be refused a connection, which is no hanging gateway.
    monkeypatch.setattr(listening, "HANGING_S", 60.0)
    dying = Dying(after=60)

    def started(account: Account) -> str:
        dying.server = serve_mock(account, BUILT_IN)
        dying.server.start()
        return dying.server.url

    given = settings(tmp_path, notify_within_s=0.2, shrink_requests=0, **SMS, **registered(started))
    record = read_journal(campaign.run(given, dying))
    judgement = judge(record)

    assert {case.id for case in record.cases} == {exchange.case_id for exchange in record.exchanges}
    assert Conclusion.NON_CONFORMANT == judgement.conclusion
    assert "ANS-01" in {v.requirement.id for v in judgement.by(Verdict.FAIL)}
    assert {"ANS-01", "NTF-01"} >= {v.requirement.id for v in judgement.by(Verdict.FAIL)}, shortfalls(judgement)
    command_of = {case.id: case.command for case in record.cases}
    # Of a request on a connection that had been used before nobody can tell whether it reached the gateway.
    lost = Counter(command_of[e.case_id] for e in record.exchanges if e.failure not in (None, CLOSED_ON_REUSE))
    assert lost["sms"] == next(v for v in judgement.verdicts if v.requirement.id == "ANS-01").failed > 0


def test_the_token_of_a_callback_url_is_in_no_artefact(tmp_path: Path) -> None:
    """Only integrator and gateway may know it."""
    tokens: set[str] = set()

    def kept(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
        tokens.update(delivery.url.partition("token=")[2] for delivery in deliveries)
        return deliveries

    result = Result.of(read_journal(held(tmp_path, replace(BUILT_IN, deliveries=(kept,)), **SMS)))
    write_reports(result, tmp_path)

    (token,) = tokens
    assert len(token) >= 8
    assert [] == [path.name for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
