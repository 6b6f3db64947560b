"""The sender records what becomes of each case, slows down when told to, and sends nothing twice unasked."""

from __future__ import annotations

import signal
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from mock_rig import eventually
from sockets import NO_ANSWER, OK, PATIENCE_S, Answering, RawServer, a_case, sent_in_turn

from conformance.journal import Journal, Record, Redaction, read_journal
from conformance.model.errors import EnvironmentFailure, SuiteError
from conformance.model.traffic import CLOSED_ON_REUSE, Case, Exchange, Kind, Request, Response
from conformance.wire import Pace, Sender
from conformance.wire import connection as connecting
from conformance.wire.sender import MAX_ATTEMPTS, Manners


class Waved(Pace):
    """A pace that never waits and remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    def told_to_slow_down(self, retry_after_s: float | None, now: float, sent_at: float | None = None) -> None:
        """Remembers, and does nothing about it."""
        assert sent_at is not None
        assert sent_at <= now
        self.asked.append(retry_after_s)


def send_singly(journal: Journal, server: RawServer, count: int, concurrency: int, pace: Pace | None = None) -> None:
    """Send so many cases, each in a group of its own."""
    groups = [[a_case(str(number), server.url)] for number in range(count)]
    Sender(journal, pace or Pace(), manners=Manners(concurrency=concurrency)).send(groups)


# --- Slowing down


def _refusing(times: int, answer: bytes) -> Answering:
    return lambda _, number: answer if number <= times else OK


def _refusal(status: int, retry_after: str = "") -> bytes:
    header = f"Retry-After: {retry_after}\r\n" if retry_after else ""
    return f"HTTP/1.1 {status} Not Now\r\n{header}Content-Length: 0\r\n\r\n".encode()


TOO_MANY = _refusal(429)


@pytest.mark.parametrize(
    ("answer", "statuses", "asked"),
    [
        (TOO_MANY, [429, 429, 200], [None, None]),
        (_refusal(429, "3"), [429, 429, 200], [3.0, 3.0]),
        (_refusal(503, "3"), [503, 503, 200], [3.0, 3.0]),
        (_refusal(503), [503], []),
    ],
    ids=["429", "429-retry-after", "503-retry-after", "503"],
)
def test_a_refusal_for_now_is_tried_again(
    journal: Journal, answer: bytes, statuses: list[int], asked: list[float | None]
) -> None:
    """The same bytes, as the next attempt at the same case; a plain 503 is an answer like any other."""
    pace = Waved()
    with RawServer(_refusing(2, answer)) as server:
        exchanges = sent_in_turn(journal, a_case("a", server.url), pace=pace)
    assert statuses == [exchange.response and exchange.response.status for exchange in exchanges]
    assert list(range(1, len(statuses) + 1)) == [exchange.attempt for exchange in exchanges]
    assert [server.requests[0]] * len(statuses) == server.requests
    assert asked == pace.asked


def test_a_case_that_is_always_refused_is_left(journal: Journal) -> None:
    """After a number of attempts its last refusal stands, and the cases behind it get their turn."""

    def refuse_a(request: bytes, _: int) -> bytes:
        return TOO_MANY if b"/a" in request else OK

    with RawServer(refuse_a) as server:
        exchanges = sent_in_turn(journal, a_case("a", server.url + "/a"), a_case("b", server.url + "/b"), pace=Waved())
    assert ["a"] * MAX_ATTEMPTS + ["b"] == [exchange.case_id for exchange in exchanges]


def test_a_gateway_that_refuses_everything_ends_the_run(journal: Journal) -> None:
    """It is the surroundings that do not let the run go on; the user is told what was seen."""

    class Refused(Waved):
        def told_to_slow_down(self, retry_after_s: float | None, now: float, sent_at: float | None = None) -> None:
            super().told_to_slow_down(retry_after_s, now, sent_at)
            self.refused_in_a_row = len(self.asked)

    with RawServer(lambda *_: TOO_MANY) as server, pytest.raises(EnvironmentFailure, match=r"8 requests in a row.*429"):
        send_singly(journal, server, 20, concurrency=1, pace=Refused())
    assert 8 == len(server.requests)


def test_a_failure_is_not_tried_again(journal: Journal) -> None:
    """A request whose answer was lost may have been taken: sending it again could pay twice."""
    with RawServer(lambda _, number: NO_ANSWER if number == 2 else OK) as server:
        exchanges = sent_in_turn(journal, *(a_case(name, server.url + "/" + name) for name in "abc"))
    assert [("a", None), ("b", CLOSED_ON_REUSE), ("c", None)] == [
        (exchange.case_id, exchange.failure) for exchange in exchanges
    ]
    assert 3 == len(server.requests)


# --- Side by side


def test_keeps_the_order_within_a_group(journal: Journal) -> None:
    """Each case is sent when the one before it was answered, however many groups there are."""
    with RawServer(lambda *_: OK) as server:
        groups = [[a_case(f"{group}-{place}", server.url) for place in range(10)] for group in range(12)]
        Sender(journal, Pace(), manners=Manners(concurrency=4)).send(groups)
    journal.flush()
    exchanges = read_journal(journal.path).exchanges
    assert 120 == len(exchanges)
    for group in range(12):
        own = [exchange for exchange in exchanges if exchange.case_id.startswith(f"{group}-")]
        assert [f"{group}-{place}" for place in range(10)] == [exchange.case_id for exchange in own]
        assert all((one.answered_at or 0) <= other.sent_at for one, other in pairwise(own))


def test_sends_as_many_at_once_as_it_may(journal: Journal) -> None:
    """Each answer waits until three requests are there: that is reached, and never exceeded."""
    together = threading.Barrier(3)
    under_way, most, lock = 0, 0, threading.Lock()

    def answer(_: bytes, __: int) -> bytes:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait(PATIENCE_S)
        with lock:
            under_way -= 1
        return OK

    with RawServer(answer) as server:
        send_singly(journal, server, 12, concurrency=3)
    assert (12, 3) == (len(server.requests), most)


def test_begins_groups_in_the_order_given(journal: Journal) -> None:
    """What the plan wants to see early is seen early; empty groups are no trouble."""
    with RawServer(lambda *_: OK) as server:
        groups = [[], *([a_case(str(number), server.url)] for number in range(20)), []]
        Sender(journal, Pace(), manners=Manners(concurrency=1)).send(groups)
        Sender(journal, Pace()).send([])
    journal.flush()
    assert [str(number) for number in range(20)] == [e.case_id for e in read_journal(journal.path).exchanges]


def test_records_a_request_before_it_goes_out(journal: Journal) -> None:
    """When the gateway has it, the journal has it: a run that is killed then shows what was sent."""
    seen: list[tuple[str, Response | None]] = []

    def answer(*_: object) -> bytes:
        journal.flush()
        seen.extend((exchange.case_id, exchange.response) for exchange in read_journal(journal.path).exchanges)
        return OK

    with RawServer(answer) as server:
        sent_in_turn(journal, a_case("a", server.url))
    assert [("a", None)] == seen


def test_uses_connections_again(journal: Journal) -> None:
    """One connection for each worker, not one for each request."""
    with RawServer(lambda *_: OK) as server:
        send_singly(journal, server, 50, concurrency=2)
    assert 50 == len(server.requests)
    assert server.connections <= 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", id="announced"),
        pytest.param(OK, id="unannounced"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", id="http-1.0"),
        pytest.param(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", id="broken-promise"),
    ],
)
def test_a_server_that_closes_after_each_answer_loses_nothing(journal: Journal, answer: bytes) -> None:
    """Closing is lawful, whether it was announced or not: no request crosses it, so that none fails."""
    with RawServer(lambda *_: answer, closes=True) as server:
        send_singly(journal, server, 100, concurrency=8)
    journal.flush()
    assert [None] * 100 == [exchange.failure for exchange in read_journal(journal.path).exchanges]
    assert 100 == len(server.requests) == server.connections


def test_does_not_use_a_connection_that_was_idle(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause the server may be about to close it."""
    monkeypatch.setattr(connecting, "IDLE_S", 0.0)
    with RawServer(lambda *_: OK) as server:
        sent_in_turn(journal, a_case("a", server.url), a_case("b", server.url))
    assert 2 == server.connections


# --- Ending


def test_stop_lets_requests_under_way_finish(journal: Journal) -> None:
    """Requests that went out get their answers; nothing more is sent."""
    stopped = threading.Event()

    def answer(*_: object) -> bytes:
        assert stopped.wait(PATIENCE_S)
        return OK

    with RawServer(answer) as server:
        sender = Sender(journal, Pace(), manners=Manners(concurrency=2))
        sending = threading.Thread(target=sender.send, args=([[a_case(str(n), server.url)] * 3 for n in range(9)],))
        sending.start()
        assert eventually(lambda: len(server.requests) == 2, PATIENCE_S)
        sender.stop()
        stopped.set()
        sending.join(PATIENCE_S)
    assert not sending.is_alive()
    journal.flush()
    assert [200, 200] == [e.response and e.response.status for e in read_journal(journal.path).exchanges]
    assert 2 == len(server.requests)


def test_an_interrupt_ends_the_workers(journal: Journal) -> None:
    """Ctrl-C in the main thread: what is under way is finished and recorded, then it is raised."""

    def interrupt(case: Case, _: Exchange) -> None:
        if case.id == "3":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with RawServer(lambda *_: OK) as server:
        pace = Pace(rate_per_s=50)
        sender = Sender(journal, pace, manners=Manners(concurrency=2), on_exchange=interrupt)
        with pytest.raises(KeyboardInterrupt):
            sender.send([[a_case(str(number), server.url)] for number in range(1000)])
    journal.flush()
    exchanges = read_journal(journal.path).exchanges
    assert 4 <= len(exchanges) == len(server.requests) < 1000
    assert all(exchange.response is not None for exchange in exchanges)


def test_an_error_in_a_worker_is_raised_where_sending_was_asked_for(journal: Journal) -> None:
    """It ends the other workers too; nothing is swallowed."""

    def fail(case: Case, _: Exchange) -> None:
        if case.id == "5":
            raise ZeroDivisionError(case.id)

    with RawServer(lambda *_: OK) as server, pytest.raises(ZeroDivisionError, match="5"):
        Sender(journal, Pace(), manners=Manners(concurrency=2), on_exchange=fail).send(
            [[a_case(str(number), server.url)] for number in range(500)]
        )
    assert 6 <= len(server.requests) < 500


def test_a_journal_that_cannot_be_written_ends_the_sending(journal: Journal) -> None:
    """Nothing goes out that cannot be recorded."""
    journal.plan([a_case("a", "http://127.0.0.1:9/")] * 2)
    with pytest.raises(SuiteError, match="cannot take a row"):
        journal.flush()
    with RawServer(lambda *_: OK) as server, pytest.raises(SuiteError, match="cannot take a row"):
        Sender(journal, Pace()).send([[a_case("b", server.url)]])
    assert [] == server.requests
    with pytest.raises(SuiteError):
        journal.close()


def test_the_journal_alone_is_redacted(tmp_path: Path) -> None:
    """The run itself works with what was said, whatever the secret is; the journal never has it."""
    told: list[Exchange] = []
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nechoed-canar"
    headers = (("Authorization", "Basic a2V5OmVjaG9lZC1jYW5hcg=="),)
    redaction = Redaction.of("echoed-canar", "key")
    with RawServer(lambda *_: answer) as server, Journal.create(tmp_path / "journal.sqlite", {}, redaction) as journal:
        case = a_case("a", server.url, headers=headers)
        Sender(journal, Pace(), on_exchange=lambda _, exchange: told.append(exchange)).send([[case]])
    assert b"Authorization: Basic a2V5OmVjaG9lZC1jYW5hcg==\r\n" in server.requests[0]
    assert [b"echoed-canar"] == [exchange.response and exchange.response.body for exchange in told]
    (written,) = read_journal(tmp_path / "journal.sqlite").exchanges
    assert (("Authorization", "Basic $STATUM_AUTHORIZATION"),) == written.request.headers
    assert b"[REDACTED]" == (written.response and written.response.body)


# --- What is in the file when


@pytest.mark.parametrize("recorded_first", [True, False])
def test_a_request_stands_in_the_file_before_its_first_byte_goes_out(
    recorded_first: bool,  # noqa: FBT001 - a parameter of the test
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where that is asked for: who is killed then, and goes on, does not send it again. Commits are slow here."""
    commit = Journal._commit  # noqa: SLF001 - to be slowed down
    arrived = threading.Event()

    def slow(self: Journal, connection: object, batch: object) -> None:
        if not recorded_first:
            assert arrived.wait(PATIENCE_S)
        commit(self, connection, batch)  # type: ignore[arg-type]

    def answer(_: bytes, number: int) -> bytes:
        seen.append(len(read_journal(journal.path).exchanges) - number)
        arrived.set()
        return OK

    seen: list[int] = []
    journal.flush()
    monkeypatch.setattr(Journal, "_commit", slow)
    with RawServer(answer) as server:
        cases = [a_case("a", server.url)]
        journal.plan(cases)
        Sender(journal, Waved(), manners=Manners(recorded_first=recorded_first)).send([cases])
    assert [0 if recorded_first else -1] == seen


# --- Bursts: requests that go out at the same moment


def burst_of(url: str, *kinds: Kind) -> tuple[Case, ...]:
    """One group of cases of these kinds."""
    return tuple(
        Case(f"case-{n}", "sms", kind, "random", "case-0", Request("POST", f"{url}/{n}", (), b"{}"))
        for n, kind in enumerate(kinds)
    )


def sent(journal: Journal, group: tuple[Case, ...], pace: Pace | None = None) -> Record:
    """Send one group; what the journal holds of it."""
    journal.plan(group)
    Sender(journal, pace or Pace()).send([group])
    journal.flush()
    return read_journal(journal.path)


def test_a_burst_is_on_its_way_before_any_of_it_is_answered(journal: Journal) -> None:
    """A server that answers none before it has all three gives each its answer."""
    all_there = threading.Barrier(3)

    def together(*_: object) -> bytes:
        all_there.wait(PATIENCE_S)
        return OK

    with RawServer(together) as server:
        record = sent(journal, burst_of(server.url, Kind.BURST, Kind.BURST, Kind.BURST))

    assert [200] * 3 == [e.response.status for e in record.exchanges if e.response]


def test_cases_around_a_burst_keep_their_place(journal: Journal) -> None:
    """Those before it are answered before, those behind it are sent after."""
    with RawServer(lambda *_: OK) as server:
        record = sent(journal, burst_of(server.url, Kind.VALID, Kind.BURST, Kind.BURST, Kind.VALID))
    by_id = {e.case_id: e for e in record.exchanges}
    first, *burst, last = (by_id[f"case-{n}"] for n in range(4))

    assert max(first.answered_at or 0.0, 0.1) <= min(e.sent_at for e in burst)
    assert max(e.answered_at or 0.0 for e in burst) <= last.sent_at


def test_a_refused_request_of_a_burst_is_sent_again_by_itself(journal: Journal) -> None:
    """The others have their answers already."""
    with RawServer(_refusing(1, TOO_MANY)) as server:
        record = sent(journal, burst_of(server.url, Kind.BURST, Kind.BURST))

    statuses = sorted(e.response.status for e in record.exchanges if e.response)
    assert [200, 200, 429] == statuses


def test_a_request_that_cannot_connect_does_not_hold_up_its_burst(journal: Journal) -> None:
    """They go out as soon as it has given up."""
    with RawServer(lambda *_: OK) as server:
        one, other = burst_of(server.url, Kind.BURST, Kind.BURST)
        nowhere = Case("lost", "sms", Kind.BURST, "random", "case-0", Request("POST", "http://127.0.0.1:1/", (), b"{}"))
        record = sent(journal, (one, nowhere, other))
    answered = {e.case_id: e.response is not None for e in record.exchanges}

    assert {"case-0": True, "lost": False, "case-1": True} == answered


def test_an_error_in_a_burst_ends_the_sending(journal: Journal) -> None:
    """It is raised where the sending was asked for."""

    def spoil(case: Case, _: object) -> None:
        if case.id == "case-1":
            raise RuntimeError("spoilt")

    with RawServer(lambda *_: OK) as server:
        group = burst_of(server.url, Kind.BURST, Kind.BURST, Kind.VALID)
        journal.plan(group)
        with pytest.raises(RuntimeError, match="spoilt"):
            Sender(journal, Pace(), on_exchange=spoil).send([group])


def test_nothing_is_sent_after_a_stop(journal: Journal) -> None:
    """No burst is begun."""
    pace = Pace()
    pace.stop()
    with RawServer(lambda *_: OK) as server:
        record = sent(journal, burst_of(server.url, Kind.BURST, Kind.BURST), pace)

    assert () == record.exchanges
