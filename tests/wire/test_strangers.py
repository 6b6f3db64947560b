"""Strangers at the receiver: who holds connections, who sends junk, and what the suite itself could not take.

None of it is the gateway's fault, and none of it hides what is.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from campaigns import held, registered, shortfalls
from command_line import CHECKOUT
from mock_rig import eventually
from run_records import Run
from sockets import PATIENCE_S, connection, post, status
from wire_servers import ANY, SERVERS

from conformance.contract.contract import statum
from conformance.gateway.listening import id_at_a_glance
from conformance.gateway.rig import MOST_REFUSALS, RunIntake
from conformance.journal import Note, Record, read_journal
from conformance.judging.terms import REFUSED_HERE, Terms
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.behaviour import BUILT_IN, Callback, Moment
from conformance.mock.serving import serve_mock
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Request
from conformance.reports.result import judge
from conformance.wire import asgi, callback_server
from conformance.wire.asgi import AsgiReceiver
from conformance.wire.listening import Address, Refused
from conformance.wire.protocol import Limits, check_has, unusable

PRODUCTS = statum().products

NOTIFICATION = b'{"result_code": "200", "result_desc": "Success", "request_id": "R-1"}'


def ignored(*_: object) -> None:
    """Nobody looks at what arrives."""


# --- Files and connections

FEW_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from conformance.wire.listening import Address
from conformance.wire.asgi import AsgiReceiver
taken = []
with AsgiReceiver(Address("127.0.0.1", 0), ["sms"], lambda *a: taken.append(a), on_refused=lambda r: None) as receiver:
    held = []
    try:
        while len(sys.argv) > 1:
            held.append(open("/dev/null"))
    except OSError:
        del held[: int(sys.argv[1])]
    print(receiver.address.port, flush=True)
    sys.stdin.read()
    print(len(taken), flush=True)
"""


@contextmanager
def receiving_with_few_files(*arguments: str) -> Iterator[tuple[Address, subprocess.Popen[str]]]:
    """A receiver in a process of its own that may have 64 files open, whatever it asks for."""
    with subprocess.Popen(
        [sys.executable, "-c", FEW_FILES, *arguments],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        yield Address("127.0.0.1", int(running.stdout.readline())), running
        out, _ = running.communicate(timeout=PATIENCE_S)
        assert 20 == int(out)


def notified_on_new_connections(address: Address) -> list[int]:
    """The statuses that 20 notifications are answered with."""
    answered = []
    for _ in range(20):
        with connection(address) as client:
            client.sendall(post(NOTIFICATION, "/callbacks/sms", "Connection: close"))
            answered.append(status(client))
    return answered


def test_silent_connections_keep_nobody_out_of_a_process_with_few_files() -> None:
    """200 connections to a process that may have 64 files; the gateway's own stands all the time."""
    with receiving_with_few_files() as (address, _), ExitStack() as until:
        for _ in range(200):
            with suppress(OSError):
                until.enter_context(socket.create_connection((address.host, address.port), PATIENCE_S))
        assert [200] * 20 == notified_on_new_connections(address)


def test_connections_wait_for_the_last_free_file() -> None:
    """The process has run out of files for want of which nothing can be accepted: what is idle goes."""
    with receiving_with_few_files("1") as (address, _), ExitStack() as until:
        for _ in range(5):
            until.enter_context(socket.create_connection((address.host, address.port), PATIENCE_S))
        assert [200] * 20 == notified_on_new_connections(address)


def test_closing_a_connection_in_use_is_reported() -> None:
    """Whoever used it could not know."""
    refused: list[Refused] = []
    limits = Limits(connections=4)
    with (
        AsgiReceiver(ANY, PRODUCTS, ignored, limits=limits, on_refused=refused.append) as receiver,
        ExitStack() as until,
    ):
        for _ in range(6):
            client = until.enter_context(connection(receiver.address))
            client.sendall(post(NOTIFICATION))
            assert 200 == status(client)
        assert eventually(lambda: len(refused) > 0, PATIENCE_S)
    assert Refused("a connection in use was closed to make room for others") == refused[0]


def test_bodies_that_do_not_end_take_so_much_memory_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are at once; those of notifications are small."""
    monkeypatch.setattr(asgi, "MOST_HELD", 1 << 20)
    refused: list[Refused] = []
    with AsgiReceiver(ANY, PRODUCTS, ignored, on_refused=refused.append) as receiver, ExitStack() as until:
        for _ in range(20):
            large = until.enter_context(connection(receiver.address))
            large.sendall(post(b"x" * 300_000)[:-100_000])
        assert eventually(lambda: len(refused) > 0, PATIENCE_S)
        with connection(receiver.address) as gateway:
            gateway.sendall(post(NOTIFICATION))
            assert 200 == status(gateway)
    assert Refused("more than 1 MiB of unfinished requests came at once") == refused[0]


def test_a_receiver_that_has_died_says_so_and_refuses_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes nothing from then on, which is held against nobody but the suite."""
    die = Event()

    async def ends(server: Any) -> None:
        server._tell_listening()  # noqa: SLF001 - what is broken here is ours
        while not die.is_set():  # noqa: ASYNC110 - it is set by another thread
            await asyncio.sleep(0.01)
        raise MemoryError

    monkeypatch.setattr("conformance.wire.uvicorn_server.PromptServer.main_loop", ends)
    refused: list[Refused] = []
    receiver = AsgiReceiver(ANY, PRODUCTS, ignored, on_refused=refused.append)
    receiver.start()
    die.set()
    assert eventually(lambda: len(refused) > 0, PATIENCE_S)
    assert [Refused("the server has ended: MemoryError()", lasting=True)] == refused
    with pytest.raises(httpx.ConnectError):
        httpx.post(receiver.urls["sms"])
    with pytest.raises(EnvironmentFailure, match="MemoryError"):
        receiver.close()


@pytest.mark.parametrize("server", ["httpserver", "mock", "witness"])
@pytest.mark.parametrize("begun", [b"", b"POST /call", post(NOTIFICATION)[:-5]], ids=["nothing", "head", "body"])
def test_the_other_servers_close_unfinished_requests_too(
    server: str, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`callback_server` has a thread for each connection."""
    monkeypatch.setattr(callback_server, "REQUEST_WITHIN_S", 0.2)
    monkeypatch.setattr(Limits, "of_clients", classmethod(lambda cls: cls(request_within_s=0.2)))
    with SERVERS[server]() as served, connection(served.address) as client:
        client.sendall(begun)
        with suppress(ConnectionError):
            while client.recv(1000):
                """Whatever it says before it closes."""


# --- What the suite could not take


def refused_at(run: Run, at: float, *, lasting: bool = False) -> Record:
    """The run's record with a note that the receiver did not take everything then."""
    record = run.record()
    note = Note(len(record.notes) + 1, REFUSED_HERE, {"why": "no files", "lasting": lasting}, at, at)
    return replace(record, notes=(*record.notes, note))


def verdict_on(record: Record, requirement: str) -> tuple[Verdict, str]:
    """The verdict on a requirement for the command sms, and its words."""
    found = next(v for v in judge(record).verdicts if v.requirement.id == requirement and v.command in {"sms", None})
    return found.verdict, found.findings[0].message if found.findings else found.detail or ""


@pytest.mark.parametrize(("at", "lasting"), [(2.0, False), (-50.0, True)])
def test_a_notification_that_the_receiver_refused_does_not_fail_the_gateway(at: float, lasting: bool) -> None:  # noqa: FBT001
    """Nor is it green."""
    run = Run()
    run.invoke("R-1")
    verdict, words = verdict_on(refused_at(run, at, lasting=lasting), "NTF-01")
    assert Verdict.INCONCLUSIVE is verdict
    assert "the suite's own receiver did not take everything while a notification was due: no files" in words


def test_a_notification_missing_at_another_time_fails_it() -> None:
    """An excuse needs evidence that it applies."""
    run = Run()
    run.invoke("R-1")
    assert Verdict.FAIL is verdict_on(refused_at(run, 60.0), "NTF-01")[0]


def test_few_of_many_refusals_are_reported() -> None:
    """One a second; that it is for good is always told."""
    intake, told = RunIntake(), list[Refused]()
    intake.on_refused(Refused("early"))
    intake.note_refused(told.append)
    for _ in range(2 * MOST_REFUSALS):
        intake.on_refused(Refused("again"))
    intake.on_refused(Refused("ended", lasting=True))
    assert ["early", "ended"] == [each.why for each in told]


# --- Who can know the address


KNOWN = {
    ("/callbacks/sms?token=t", "/callbacks/sms?token=t"): True,
    ("/callbacks/sms?a=b&token=t", "/callbacks/sms?a=b&token=t"): True,
    ("/callbacks/sms?key=[REDACTED]", "/callbacks/sms?key=[REDACTED]"): True,
    ("/callbacks/sms?[REDACTED]", "/callbacks/sms?[REDACTED]"): True,
    ("/9f86d081884c/callbacks/sms", "/9f86d081884c/callbacks/sms"): True,
    ("/callbacks/sms?token=t", "/callbacks/sms"): False,
    ("/callbacks/sms?token=t", "/callbacks/sms?token=u"): False,
    ("/callbacks/sms", "/callbacks/sms"): False,
    ("/hooks/callbacks/mpesa-online", "/hooks/callbacks/mpesa-online"): False,
    ("/callbacks/sms?source=a", "/callbacks/sms?source=a"): False,
}


def test_an_address_that_nobody_can_guess_is_known_to_the_gateway_alone() -> None:
    """It has a token in its query, or a random part in its path."""
    assert KNOWN == {
        (of_sms, target): Terms(targets={"sms": of_sms}).is_known_only_to_the_gateway("sms", target)
        for of_sms, target in KNOWN
    }


OPEN = "/callbacks/sms"


@pytest.mark.parametrize("raw", [b"x" * 100, b"[1]", b'{"result_code": 1}', b"", b"{" * 5000])
def test_at_an_open_address_junk_beside_all_notifications_breaks_nothing(raw: bytes) -> None:
    """Whoever sent it, it is not in the place of a notification."""
    run = Run()
    run.invoke("R-1")
    run.notify("R-1", target=OPEN)
    run.notify(raw=raw, target=OPEN)
    record = with_targets(run.record(), OPEN)
    assert [] == [v.requirement.id for v in judge(record).verdicts if v.requirement.id[:3] == "NTF" and v.findings]


def test_junk_in_place_of_missing_notifications_is_judged() -> None:
    """So that a gateway whose notifications cannot be read is told that, over a loopback address without a token."""
    run = Run()
    run.invoke("R-1")
    run.invoke("R-2")
    for _ in range(3):
        run.notify(raw=b"not JSON", target=OPEN)
    record = with_targets(run.record(), OPEN)
    verdict = next(v for v in judge(record).verdicts if v.requirement.id == "NTF-04" and v.command == "sms")
    assert (Verdict.FAIL, 2) == (verdict.verdict, verdict.observations)


def test_over_a_network_junk_is_mentioned_and_excuses_nothing() -> None:
    """There anybody may be; that a notification is missing stands, and is held against the gateway."""
    run = Run()
    for number in range(20):
        run.invoke(f"R-{number}")
    run.notify(raw=b"not JSON", target=OPEN)
    record = with_targets(run.record(), OPEN, network_back=True)
    way_back = Note(99, "way-back", {"canaries": {"sms": (200, 0)}}, 1.0, 1.0)
    record = replace(record, notes=(*record.notes, way_back))
    verdict, words = verdict_on(record, "NTF-01")
    assert Verdict.FAIL is verdict
    assert "; 1 came there that carry no id and may be anybody's, for its address has no token" in words
    assert not [v for v in judge(record).verdicts if v.requirement.id == "NTF-04" and v.findings]


def with_targets(record: Record, target: str, **changes: Any) -> Record:
    """The record of a run whose callbacks have no token."""
    targets = dict.fromkeys(record.settings["callback_targets"], target)
    return replace(record, settings={**record.settings, "callback_targets": targets, **changes})


def test_a_body_that_the_receiver_has_cut_is_not_called_unreadable() -> None:
    """The rest may have been JSON."""
    run = Run()
    run.invoke("R-1")
    run.notify(raw=b'{"x": "' + b"x" * ((1 << 20) - 7))
    verdict, words = verdict_on(run.record(), "NTF-04")
    assert Verdict.INCONCLUSIVE is verdict
    assert "of which the receiver reads no more" in words


def body(content: bytes) -> Request:
    """A POST with that body."""
    return Request("POST", "/", (), content)


AT_A_GLANCE: tuple[tuple[Request, str | None], ...] = (
    (body(b'{"request_id": "R-1"}'), "R-1"),
    (body(b'{"request_id": 7}'), "7"),
    (body(b'{"request\\u005fid": "R-1"}'), "R-1"),
    (body('{"request_id": "R-1"}'.encode("utf-16")), "R-1"),
    (Request("GET", "/?request_id=R-1"), "R-1"),
    (body(b'{"x": "' + b"x" * 100_000 + b'", "request_id": "R-1"}'), "R-1"),
    (body(b'{"a": 1}'), None),
)


def test_an_id_is_found_at_a_glance() -> None:
    """In each form in which a notification may have one."""
    assert list(AT_A_GLANCE) == [(request, id_at_a_glance(request, statum())) for request, _ in AT_A_GLANCE]


def test_a_body_without_an_id_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else junk that is slow to read would hold up notifications."""

    def slow(_: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("conformance.gateway.listening.told_id", slow)
    monkeypatch.setattr("conformance.gateway.listening.request_id_of", lambda *_: None)
    assert id_at_a_glance(body(b'{"a":1,' * 140_000), statum()) is None
    assert id_at_a_glance(body(b'{"a":1,' * 140_000 + b'"request_id"'), statum()) is None


def test_two_mebibytes_of_junk_do_not_make_a_gateway_fail(tmp_path: Path) -> None:
    """From anybody, to a callback without a token, during a run."""
    junk = [post(b"x" * (2 << 20))]

    def beside(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
        if junk:
            with connection(given["callback_listen"]) as client:
                client.sendall(junk.pop())
                assert 413 == status(client)
        return deliveries

    with ExitStack() as until:
        behaviour = replace(BUILT_IN, deliveries=(beside,))
        given = registered(lambda account: until.enter_context(serve_mock(account, behaviour)).url)
        record = read_journal(held(tmp_path, **given, products=("sms",), notify_within_s=5.0))
    judged = judge(record)
    assert Conclusion.CONFORMANT is judged.conclusion, shortfalls(judged)
    assert 1 == sum(len(each.request.body) == 1 << 20 for each in record.notifications)


def test_a_request_without_the_token_of_the_built_in_gateway_is_ignored(tmp_path: Path) -> None:
    """Its address has one that nobody was told."""
    junk = [b"junk", b"{}", b"[]"]

    def beside(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
        for each in deliveries[:1] if junk else ():
            httpx.post(each.url.partition("?")[0], content=junk.pop())
        return deliveries

    path = held(tmp_path, replace(BUILT_IN, deliveries=(beside,)), products=("sms",), notify_within_s=5.0)
    judged = judge(read_journal(path))
    assert Conclusion.CONFORMANT is judged.conclusion, shortfalls(judged)
    assert 3 == judged.of_anybody


# --- What the servers are built on


def test_an_unsuitable_uvicorn_is_reported_in_one_line() -> None:
    """What there is, and what to install."""
    with pytest.raises(EnvironmentFailure, match="its protocol has no eof_received, on_header") as told:
        check_has(object, ("eof_received", "on_header"))
    assert told.value.message.startswith("uvicorn 0.")
    assert "pip install" in (unusable("").hint or "")
