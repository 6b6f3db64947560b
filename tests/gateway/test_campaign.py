"""Whole runs against mock gateways over real HTTP: what stands in the journal, and what is concluded from it."""

from __future__ import annotations

import base64
import json
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from campaigns import KEY, SECRET, held, judged, registered, settings, shortfalls
from mock_rig import eventually
from seeded import FAULTS, VARIANTS

from conformance.contract.contract import statum
from conformance.contract.requirements import Level
from conformance.gateway import campaign, listening
from conformance.gateway.plan import Plan
from conformance.gateway.rig import CANARY_HEADER
from conformance.journal import Record, read_journal
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Callback, Moment, Reply
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.process import Silent
from conformance.model.traffic import CLOSED_ON_REUSE, header
from conformance.reports.files import write_reports
from conformance.reports.result import Result, judge
from conformance.wire import pacing

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
    """Plan, exchanges, notifications, and each phase that was come to."""
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

    A GET has no members to explain errors of, and nobody sends what no request precedes.
    """
    judgement = judge(read_journal(lawful))
    unsolicited = statum().unsolicited
    open_ = {("RSP-20", "account-details"), *((f"UNS-{n:02}", product) for product in unsolicited for n in (1, 2, 3))}

    assert {*ALL, *unsolicited, None} == {v.command for v in judgement.verdicts}
    assert open_ == {(v.requirement.id, v.command) for v in judgement.verdicts if v.verdict is not Verdict.PASS}
    assert Conclusion.CONFORMANT == judgement.conclusion


def test_a_run_without_random_examples_exercises_every_must(tmp_path: Path) -> None:
    """The systematic cases suffice: no MUST is left open but conditional ones."""
    judgement = judged(tmp_path)

    unexercised = [v for v in judgement.by(Verdict.INCONCLUSIVE) if v.level is Level.MUST]
    assert [] == [v.requirement.id for v in unexercised if v.requirement.condition is None], shortfalls(judgement)
    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)


@pytest.mark.parametrize("product", PRODUCTS)
def test_one_product_alone_is_conformant(product: str, tmp_path: Path) -> None:
    """`--product` exercises its command and account-details, and judges nothing else that requests bring about."""
    judgement = judged(tmp_path, products=(product,))

    (command,) = (name for name, command in statum().commands.items() if command.product == product)
    judged_for = {v.command for v in judgement.verdicts if v.command not in statum().unsolicited}
    assert {command, "account-details", None} == judged_for
    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)


def test_one_phone_number_suffices(tmp_path: Path) -> None:
    """There are amounts enough to keep airtime requests apart."""
    judgement = judged(tmp_path, phone_numbers=("254712345678",), max_examples=2)

    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)


@pytest.mark.parametrize(
    ("key", "secret"), [("123456", "654321"), ("1", "2"), ("ab", "AB"), ("ufunguo", "siri: á ☀"), ("--", "__")]
)
def test_any_credential_can_be_probed(key: str, secret: str, tmp_path: Path) -> None:
    """Without letters there is still a credential in another case: that of its base64."""
    judgement = judged(tmp_path, consumer_key=key, consumer_secret=secret, **SMS)

    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)


# --- Others on the account, and runs in a row


@pytest.mark.parametrize(
    ("exclusive", "verdict", "conclusion"),
    [(False, Verdict.WARN, Conclusion.CONFORMANT), (True, Verdict.FAIL, Conclusion.NON_CONFORMANT)],
)
def test_anothers_notifications_count_by_whose_account_it_is(
    exclusive: bool,  # noqa: FBT001 - a parameter of the test
    verdict: Verdict,
    conclusion: Conclusion,
    tmp_path: Path,
) -> None:
    """On a shared account somebody else has asked; on an exclusive one nobody can have."""
    behaviour = VARIANTS["foreign-notifications"].change(BUILT_IN)
    judgement = judged(tmp_path, behaviour, exclusive_account=exclusive, **SMS)

    assert [("NTF-21", verdict)] == [
        (v.requirement.id, v.verdict) for v in judgement.verdicts if v.verdict in (Verdict.WARN, Verdict.FAIL)
    ]
    assert conclusion == judgement.conclusion


# --- When notifications come


def test_early_notifications_are_not_missing(tmp_path: Path) -> None:
    """They come before the answer that gives their id was read; nothing is waited for that is there."""
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
    # The mock gateway's loop counts whole milliseconds, so that a timer may go off up to one too early.
    assert latency - 0.001 <= min(took)
    assert settled["waited_s"] < 5 * latency


def test_what_never_comes_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One deadline for all that is missing, which names how long was waited."""
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


class Interrupting(Silent):
    """Interrupts the run as Ctrl-C does, `during` "send" when some answers are there, or while it listens."""

    # Where the main thread is at rest: file and function.
    AT_REST: Mapping[str, tuple[str, str]] = {"send": ("sender.py", "_in_threads"), "listen": ("ledger.py", "wait")}

    def __init__(self, during: str) -> None:
        self._during = during
        self._main = threading.main_thread().ident or 0
        self._once = threading.Lock()

    def phase(self, name: str, detail: str = "") -> None:  # noqa: ARG002 - the protocol's
        """It is going to listen."""
        if name == self._during == "listen":
            self._interrupt()

    def exchanged(self, done: int, planned: int) -> None:  # noqa: ARG002 - the protocol's
        """Some answers are there."""
        if self._during == "send" and done >= 20 and self._once.acquire(blocking=False):
            self._interrupt()

    def _interrupt(self) -> None:
        def interrupt() -> None:
            if eventually(self._rests):
                signal.pthread_kill(self._main, signal.SIGINT)

        threading.Thread(target=interrupt).start()

    def _rests(self) -> bool:
        # Nothing else tells what another thread waits for.
        stack = traceback.extract_stack(sys._current_frames()[self._main])  # noqa: SLF001
        return self.AT_REST[self._during] in [(Path(frame.filename).name, frame.name) for frame in stack]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C is heard, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("during", ["send", "listen"])
def test_an_interrupted_run_ends_in_order_and_is_inconclusive(during: str, tmp_path: Path) -> None:
    """What happened until then is there, the reason is noted, and what was not exercised is not held against anyone."""
    behaviour = replace(BUILT_IN, notify_after_s=60.0)
    begun = time.monotonic()
    given = settings(tmp_path, notify_within_s=60.0, max_examples=300, **SMS)
    path = campaign.run(given, Interrupting(during), behaviour)
    record = read_journal(path)
    judgement = judge(record)

    assert time.monotonic() - begun < 30
    assert ["interrupted", "finished"] == [note.kind for note in record.notes][-2:]
    assert all(exchange.response for exchange in record.exchanges)
    assert (during == "listen") == (len(record.exchanges) == len(record.cases))
    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    missing = next(v for v in judgement.verdicts if v.requirement.id == "NTF-01")
    assert (Verdict.INCONCLUSIVE, Reason.INTERRUPTED) == (missing.verdict, missing.reason)
    assert Conclusion.INCONCLUSIVE == judgement.conclusion


def test_a_notification_by_get_is_not_waited_for_once_it_came(tmp_path: Path) -> None:
    """What it tells in its query settles what was owed; that it is no POST is for the check to say."""
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


def test_a_gateway_that_dies_in_the_middle_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run comes to its end; on loopback nobody else is to blame for lost answers."""
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


def test_a_gateway_that_answers_429_for_ever_is_an_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, and the reports say why; nothing is held against it."""
    monkeypatch.setattr(pacing, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(pacing, "MIN_RATE", 10_000.0)

    def at_any_time(reply: Reply, _: Moment) -> Reply:
        return replace(reply, headers=tuple(pair for pair in reply.headers if pair[0] != "Retry-After"))

    behaviour = replace(BUILT_IN, additional_refusals=(lambda _: "rate",), reply=(at_any_time,))
    record = read_journal(held(tmp_path, behaviour, **SMS))
    judgement = judge(record)

    assert "429" in noted(record, "obstacle")["message"]
    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert Conclusion.INCONCLUSIVE == judgement.conclusion


# --- Secrets


def spelled() -> dict[str, bytes]:
    """The secret, and the credential that it is in, in the spellings that they go by."""
    credential = f"{KEY}:{SECRET}"
    texts = {
        "plain": SECRET,
        "without its end": SECRET[:-1],
        "in the other case": SECRET.swapcase(),
        "in JSON": json.dumps(SECRET)[1:-1],
        "in a URL": quote(SECRET),
        "in a query": quote(SECRET, safe=""),
        "in a form": quote_plus(SECRET),
        "in base64": base64.b64encode(SECRET.encode()).decode().rstrip("="),
        "the credential": base64.b64encode(credential.encode()).decode().rstrip("="),
        "the credential for URLs": base64.urlsafe_b64encode(credential.encode()).decode().rstrip("="),
    }
    return {name: text.encode() for name, text in texts.items()}


def _echoing(reply: Reply, moment: Moment) -> Reply:
    """The answer of a gateway that tells everybody what it was sent."""
    sent = dict(moment.request.headers).get("authorization", "nothing")
    decoded = base64.b64decode(sent.partition(" ")[2] + "==").decode("utf-8", "replace") if "Basic" in sent else ""
    content = {**reply.content, "description": f"{reply.content['description']} {sent} {decoded} {quote(decoded)}"}
    return replace(reply, content=content, headers=(*reply.headers, ("X-Debug", sent)))


def _wrongly(reply: Reply, moment: Moment) -> Reply:
    """The same as a string where a number belongs, so that the findings show it."""
    echoed = _echoing(reply, moment)
    return replace(echoed, content={**echoed.content, "status_code": echoed.content["description"]})


@pytest.mark.parametrize("change", [None, _echoing, _wrongly])
def test_the_secret_is_in_no_artefact(
    change: Callable[[Reply, Moment], Reply] | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in the journal, not in a report; not even of a gateway that echoes the Authorization header."""
    behaviour = BUILT_IN if change is None else replace(BUILT_IN, reply=(change,))
    result = Result.of(read_journal(held(tmp_path, behaviour, notify_within_s=0.2, **SMS)))
    write_reports(result, tmp_path)
    captured = capfd.readouterr()
    artefacts = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    artefacts["output"] = (captured.out + captured.err).encode()

    assert {"journal.sqlite", "report.json", "junit.xml", "output"} <= set(artefacts)
    assert [] == [(name, how) for name, data in artefacts.items() for how, text in spelled().items() if text in data]
    assert KEY.encode() in artefacts["journal.sqlite"]


def test_the_token_of_a_callback_url_is_in_no_artefact(tmp_path: Path) -> None:
    """It is a secret between integrator and gateway."""
    tokens: set[str] = set()

    def kept(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
        tokens.update(delivery.url.partition("token=")[2] for delivery in deliveries)
        return deliveries

    result = Result.of(read_journal(held(tmp_path, replace(BUILT_IN, deliveries=(kept,)), **SMS)))
    write_reports(result, tmp_path)

    (token,) = tokens
    assert len(token) >= 8
    assert [] == [path.name for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
