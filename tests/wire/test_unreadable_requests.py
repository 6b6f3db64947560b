"""Bytes that are no request: noted in the journal, and mentioned where a notification is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from campaigns import held
from mock_rig import eventually
from sockets import PATIENCE_S, connection, post
from wire_servers import ANY

from conformance.client.certification import ObservingWitness
from conformance.client.witness import Witness
from conformance.contract.contract import statum
from conformance.gateway import listening
from conformance.gateway.rig import RunIntake
from conformance.journal import UNREADABLE, Journal, Redaction, read_journal
from conformance.judging.verdicts import Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Callback, Moment
from conformance.model.traffic import Request
from conformance.reports.result import judge
from conformance.wire.asgi import AsgiReceiver
from conformance.wire.callback_server import HttpServerReceiver
from conformance.wire.listening import Address
from conformance.wire.receiver import MOST_UNREAD, Unread

PRODUCTS = statum().products

TLS = "a TLS handshake on a plain HTTP port"
HELLO = b"\x16\x03\x01\x00\xf4\x01"


def ignored(_product: str | None, _request: Request, _at: float, _wall: float) -> None:
    """Nobody looks at what arrives."""


def noted(path: Path) -> list[dict[str, Any]]:
    """The details of the notes of what is no request."""
    return [note.detail for note in read_journal(path).notes if note.kind == UNREADABLE]


def test_a_run_reports_notifications_by_https_to_a_plain_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the finding on the first that is missing; and that the URL was not registered is not suspected."""
    monkeypatch.setattr(listening, "LATE_S", 0.2)

    def by_https(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
        return tuple(replace(each, url=each.url.replace("http://", "https://")) for each in deliveries)

    path = held(tmp_path, replace(BUILT_IN, deliveries=(by_https,)), notify_within_s=0.5, products=("sms",))
    missing = next(v for v in judge(read_journal(path)).verdicts if v.requirement.id == "NTF-01")
    details = noted(path)
    assert Verdict.FAIL == missing.verdict
    assert f"requests to the callback receiver could not be read: {TLS}" in missing.findings[0].message
    assert "registered" not in missing.findings[0].message
    assert {("receiver", None, TLS)} == {(each["where"], each["product"], each["error"]) for each in details}
    assert all(each["head"].startswith("\x16\x03") for each in details)


@pytest.mark.parametrize("engine", [AsgiReceiver, HttpServerReceiver])
def test_few_unreadable_requests_are_reported(engine: type[AsgiReceiver | HttpServerReceiver]) -> None:
    """Whoever speaks TLS to a plain port does so with each notification."""
    unread: list[Unread] = []
    with engine(ANY, PRODUCTS, ignored, on_unread=unread.append) as receiver:
        for _ in range(MOST_UNREAD + 5):
            with connection(receiver.address) as client, contextlib.suppress(ConnectionError):
                client.sendall(HELLO)
                assert client.recv(1)
    assert [Unread(None, TLS, HELLO)] * MOST_UNREAD == unread


@pytest.fixture
def unread() -> list[Unread]:
    """What a receiver could not read."""
    return []


@pytest.fixture
def receiver(unread: list[Unread]) -> Iterator[AsgiReceiver]:
    """A running receiver."""
    with AsgiReceiver(ANY, PRODUCTS, ignored, on_unread=unread.append) as running:
        yield running


def test_the_product_is_read_off_the_first_line(receiver: AsgiReceiver, unread: list[Unread]) -> None:
    """As far as there is one."""
    products = {
        b"POST /callbacks/airtime HTTP/1.1\r\nBad Header: x\r\n\r\n": "airtime",
        b"POST http://here/callbacks/airtime HTTP/1.1\r\nBad Header: x\r\n\r\n": "airtime",
        b"POST /callbacks/fax HTTP/1.1\r\nBad Header: x\r\n\r\n": None,
        b"POST\r\n\r\n": None,
    }
    for begun in products:
        with connection(receiver.address) as client:
            client.sendall(begun)
            assert client.recv(1)
    assert list(products.values()) == [each.product for each in unread]


def test_a_failure_to_report_it_is_an_error_of_the_receiver() -> None:
    """As with requests in good order."""

    def fail(_: Unread) -> None:
        raise OSError("disk full")

    receiver = AsgiReceiver(ANY, PRODUCTS, ignored, on_unread=fail)
    receiver.start()
    with connection(receiver.address) as client:
        client.sendall(HELLO)
        assert client.recv(1)
    assert ["OSError('disk full')"] == [repr(error) for error in receiver.errors]
    receiver.stop()


def test_an_unfinished_request_is_reported_once(receiver: AsgiReceiver, unread: list[Unread]) -> None:
    """When a run has settled; a connection that rests between requests is none."""
    with connection(receiver.address) as resting, connection(receiver.address) as begun:
        resting.sendall(post(b"{}"))
        assert resting.recv(1)
        begun.sendall(post(b"{}") + post(b"{}")[:-1])
        assert begun.recv(1)
        receiver.tell_unfinished()
        receiver.tell_unfinished()
    assert [("sms", "nothing more came after 1 bytes of its body")] == [(u.product, u.error) for u in unread]


def test_a_request_that_is_answered_before_its_end_is_not_reported(
    receiver: AsgiReceiver, unread: list[Unread]
) -> None:
    """A body beyond the limit is cut."""
    with connection(receiver.address) as client:
        client.sendall(post(b"x" * (1 << 21))[:-1])
        assert client.recv(1)
    assert [] == unread


def test_unreadable_requests_before_the_journal_are_kept_for_it() -> None:
    """The receiver listens before there is a report directory."""
    intake, told = RunIntake(), []
    first, second = (Unread(None, TLS, bytes([number])) for number in range(2))
    intake.on_unread(first)
    intake.note_unread(told.append)
    intake.on_unread(second)
    assert ([first, second], (TLS,)) == (told, intake.unread)


# --- The witness of clients


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An open journal that keeps the suite's own credentials."""
    with Journal.create(tmp_path / "journal.sqlite", {}, Redaction.of_values()) as journal:
        yield journal


def test_the_witness_notes_a_request_whose_body_does_not_come(journal: Journal) -> None:
    """A Content-Length that is too great: the client waits for an answer, the witness for the rest."""
    with Witness(journal, statum()) as witness, connection(_address(witness)) as client:
        client.sendall(post(b'{"message": "\xe2\x98\x80"}', "/n/00/api/v2/sms")[:-2])
        assert eventually(lambda: _told_unfinished(witness, journal), PATIENCE_S)
    (detail,) = noted(journal.path)
    assert ("witness", "nothing more came after 16 bytes of its body") == (detail["where"], detail["error"])
    assert detail["head"].startswith("POST /n/00/api/v2/sms HTTP/1.1\r\n")


def _address(witness: Witness) -> Address:
    return Address.parse(witness.url.removeprefix("http://"))


def _told_unfinished(witness: Witness, journal: Journal) -> bool:
    witness.note_rest()
    journal.flush()
    return bool(noted(journal.path))


def test_the_witness_shows_a_broken_credential_of_the_suite(journal: Journal) -> None:
    """Python's `encodebytes` breaks it over two lines; only so many are noted."""
    broken = b"GET /n/00/api/v2/account-details HTTP/1.1\r\nHost: h\r\nAuthorization: Basic a2V5\nOnNl\r\n\r\n"
    with Witness(journal, statum()) as witness:
        for _ in range(MOST_UNREAD + 1):
            with connection(_address(witness)) as client:
                client.sendall(broken)
                assert client.recv(1)
    journal.flush()
    details = noted(journal.path)
    assert MOST_UNREAD == len(details)
    assert ("illegal header line", broken.decode()) == (details[0]["error"], details[0]["head"])


def test_the_witness_of_an_observed_client_shows_no_credential(journal: Journal) -> None:
    """It may be a real one, sent here by mistake."""
    observing = ObservingWitness(journal, Account.sample(), 7, ANY)
    with observing as witness, connection(_address(witness)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost : h\r\nAuthorization: Basic a2V5OnNlY3JldA==\r\n\r\n")
        assert client.recv(1)
    journal.flush()
    (detail,) = noted(journal.path)
    assert "GET / HTTP/1.1\r\nHost : h\r\nAuthorization: [REDACTED]\r\n\r\n" == detail["head"]
