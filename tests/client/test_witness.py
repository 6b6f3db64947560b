"""The witness over real HTTP: its records, and its answers to requests of all kinds."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from client_records import HEADERS, PARAMS, Certification, Sent, refused
from run_records import failures

from conformance.client.rules.calls import OUTLASTED, REUSED, STRAY, UNUSED
from conformance.client.witness import SENDING, Stage, Witness, played
from conformance.contract.contract import statum
from conformance.contract.tables import ScenarioRow
from conformance.journal import Journal, Record, Redaction, read_journal
from conformance.mock.account import Account
from conformance.mock.behaviour import Ending
from conformance.mock.gateway import Gateway
from conformance.model.traffic import Case, Headers, Kind, Request, header

NONCE = "00c0ffee00c0ffee"
PATIENCE_S = 20.0
DRIPS_EVERY_S = 0.3
SENT_HEADERS = {"Authorization": "Basic a2V5OnNlY3JldA==", "Content-Type": "application/json"}
WITHOUT_END = ("never", "stalled", "dripping")
SCENARIOS = statum().behaviours.scenarios
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
Answer = tuple[http.client.HTTPResponse, bytes]


@dataclass
class Watched:
    """A witness with its journal."""

    witness: Witness
    journal: Journal
    path: Path

    def stage(self, scenario: ScenarioRow | None = None, case_id: str = "case-1", hold_s: float | None = None) -> None:
        """Have the scenario met under NONCE."""
        elsewhere = f"{self.witness.base_url(NONCE, elsewhere=True)}/sms"
        behaviour = played(scenario or SENDING, NONCE, elsewhere, DRIPS_EVERY_S * 4)
        self.witness.open(NONCE, Stage(case_id, Gateway(Account("key", "secret"), behaviour), hold_s=hold_s))

    def ask(
        self, path: str = "sms", method: str = "POST", body: bytes = b"{}", timeout_s: float = PATIENCE_S
    ) -> Answer:
        """One request at the base URL."""
        return self.send(f"{self.witness.base_url(NONCE)}/{path}", method, body, timeout_s)

    def send(self, url: str, method: str = "POST", body: bytes = b"{}", timeout_s: float = PATIENCE_S) -> Answer:
        """One request on a new connection."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
        try:
            connection.request(method, parts.path, body, SENT_HEADERS)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def record(self) -> Record:
        """The journal, once the witness has stopped."""
        self.witness.stop()
        self.journal.close()
        return read_journal(self.path)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A witness that serves."""
    path = tmp_path / "journal.sqlite"
    with Journal.create(path, {}, Redaction.of_values()) as journal:
        for name in (STRAY, "case-1"):
            journal.plan([Case(name, "sms", Kind.INVOKE, "x", name, Request("POST", "http://x/"))])
        with Witness(journal, statum()) as witness:
            yield Watched(witness, journal, path)
        assert () == witness.errors


def test_a_request_is_recorded_under_its_case_as_it_came(watched: Watched) -> None:
    """Target, headers with the credential, body; and the answer that it was given."""
    watched.stage()

    response, body = watched.ask(body=b'{"message": "Habari"}')

    (exchange,) = watched.record().exchanges
    assert ("case-1", 1, f"/n/{NONCE}/api/v2/sms") == (exchange.case_id, exchange.attempt, exchange.request.url)
    assert SENT_HEADERS["Authorization"] == header(exchange.request.headers, "authorization")
    assert b'{"message": "Habari"}' == exchange.request.body
    assert exchange.response is not None
    assert (200, body) == (exchange.response.status, exchange.response.body)
    assert 200 == response.status


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PUT", "sms", b"{}"), ("POST", "fax", b"{}"), ("POST", "sms", b"nonsense"), ("POST", "sms/", b"")],
)
def test_the_scenario_is_played_for_any_request(watched: Watched, method: str, path: str, body: bytes) -> None:
    """The checks judge requests, not the witness."""
    watched.stage(BY_NAME["answer-402"])

    response, content = watched.ask(path, method, body)

    assert (402, 402) == (response.status, json.loads(content)["status_code"])


def test_few_strays_are_recorded(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is counted; requests that are evidently the client's are recorded, and counted separately."""
    monkeypatch.setattr("conformance.wire.ledger.KEPT_BODY", 100)
    watched.stage()
    watched.witness._strays._without_id.requests = 3  # noqa: SLF001 - as after nearly a thousand

    statuses = [httpx.post(f"{watched.witness.url}/junk", content=b"x" * 1000).status_code for _ in range(5)]
    watched.send(f"{watched.witness.url}/fax", body=b"x" * 1000)
    watched.witness.note_rest()

    record = watched.record()
    assert [404] * 5 == statuses
    assert [100] * 3 + [1000] == [len(each.request.body) for each in record.exchanges]
    assert [2] == [note.detail["left_out"] for note in record.notes if note.kind == "strays"]
    assert 1 == watched.witness.astray


@pytest.mark.parametrize("path", ["/api/v2/sms", "/n/ffff/api/v2/sms", f"/n/{NONCE}", "/"])
def test_a_request_under_no_base_url_is_a_stray(watched: Watched, path: str) -> None:
    """It is answered with 404."""
    watched.stage()

    response, _ = watched.send(watched.witness.url + path)

    assert 404 == response.status
    assert [STRAY] == [exchange.case_id for exchange in watched.record().exchanges]


def test_a_redirected_request_is_recorded_with_its_host(watched: Watched) -> None:
    """Under the case whose answer has sent it there."""
    watched.stage(BY_NAME["redirect"])

    response, _ = watched.ask()
    location = response.headers["Location"]
    there, _ = watched.send(location)

    first, second = watched.record().exchanges
    assert (307, 401) == (response.status, there.status)
    assert urlsplit(location).hostname != urlsplit(watched.witness.url).hostname
    assert ["case-1", "case-1"] == [first.case_id, second.case_id]
    assert location == second.request.url


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("lost-before", Ending.BEFORE),
        ("lost-reset", Ending.RESET),
        ("lost-middle", Ending.MIDDLE),
        ("lost-after", Ending.AFTER),
    ],
)
def test_an_answer_is_lost_where_it_shall_be(watched: Watched, name: str, ending: Ending) -> None:
    """The client sees the connection end; the journal says that it was the witness."""
    watched.stage(BY_NAME[name])

    reset = ending is Ending.RESET
    gone = (ConnectionResetError,) if reset else (http.client.IncompleteRead, http.client.RemoteDisconnected)
    with pytest.raises(gone) as lost:
        watched.ask()

    (exchange,) = watched.record().exchanges
    assert (None, ending.value) == (exchange.response, exchange.failure)
    assert reset != isinstance(lost.value, http.client.HTTPException)


@pytest.mark.parametrize("name", WITHOUT_END)
def test_a_connection_is_held_open_for_so_long(watched: Watched, name: str) -> None:
    """Then the witness closes it, and the journal says that the client was still there."""
    watched.stage(BY_NAME[name], hold_s=0.5)

    with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected)):
        watched.ask()

    (exchange,) = watched.record().exchanges
    assert exchange.failure is not None
    assert exchange.failure.endswith(OUTLASTED)
    assert exchange.answered_at is not None
    assert exchange.answered_at - exchange.sent_at >= 0.4


def test_an_answer_that_drips_keeps_a_client_without_a_time_out_for_the_whole(watched: Watched) -> None:
    """Each byte comes in time."""
    watched.stage(BY_NAME["dripping"])
    address = urlsplit(watched.witness.url)

    with socket.create_connection((address.hostname or "", address.port), timeout=PATIENCE_S) as client:
        client.sendall(f"GET /n/{NONCE}/api/v2/account-details HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        received = b""
        while received.count(b"1\r\n \r\n") < 3:
            received += client.recv(65536)

    (exchange,) = watched.record().exchanges
    assert (None, Ending.DRIPPING.value) == (exchange.response, exchange.failure)


@pytest.mark.parametrize("connection", [REUSED, UNUSED], ids=["the same", "a new one"])
def test_the_journal_says_on_which_connection_an_answer_was_lost(watched: Watched, connection: str) -> None:
    """The client had one to use, since the first answer at the base URL left it open."""
    host = urlsplit(watched.witness.url).netloc
    target = urlsplit(f"{watched.witness.base_url(NONCE)}/sms").path
    connections = [http.client.HTTPConnection(host, timeout=PATIENCE_S)]
    if connection == UNUSED:
        connections.append(http.client.HTTPConnection(host, timeout=PATIENCE_S))

    watched.stage()
    connections[0].request("POST", target, b"{}", SENT_HEADERS)
    assert b"status_code" in connections[0].getresponse().read()
    watched.stage(BY_NAME["kept-alive-closed"])
    connections[-1].request("POST", target, b"{}", SENT_HEADERS)
    with pytest.raises(http.client.RemoteDisconnected):
        connections[-1].getresponse()
    for each in connections:
        each.close()

    _, exchange = watched.record().exchanges
    assert Ending.BEFORE.value + connection == exchange.failure


def test_a_failure_is_of_the_first_request(watched: Watched) -> None:
    """Requests after it are accepted: whether one comes, and when, is seen by then."""
    watched.stage(BY_NAME["answer-500"])

    assert [500, 200, 200] == [watched.ask()[0].status for _ in range(3)]


def test_a_date_in_retry_after_lies_ahead_and_comes(watched: Watched) -> None:
    """By some two seconds."""
    watched.stage(BY_NAME["answer-429-date"])

    refused, _ = watched.ask()
    ahead_s = parsedate_to_datetime(refused.headers["Retry-After"]).timestamp() - time.time()
    time.sleep(max(ahead_s, 0.0))
    accepted, _ = watched.ask()

    assert (429, 200) == (refused.status, accepted.status)
    assert 0.0 < ahead_s <= 2.5


def test_a_request_that_is_never_answered_ends_when_the_client_gives_up(watched: Watched) -> None:
    """That is when its answer counts as lost."""
    watched.stage(BY_NAME["never"])

    with pytest.raises(TimeoutError):
        watched.ask(timeout_s=0.2)

    (exchange,) = watched.record().exchanges
    assert (None, Ending.NEVER.value) == (exchange.response, exchange.failure)
    assert exchange.answered_at is not None
    assert exchange.answered_at - exchange.sent_at >= 0.1


def test_an_answer_in_http_1_0_is_one_on_the_wire(watched: Watched) -> None:
    """And in the journal."""
    watched.stage(BY_NAME["http-1.0"])
    address = urlsplit(watched.witness.url)

    with socket.create_connection((address.hostname or "", address.port), timeout=PATIENCE_S) as client:
        client.sendall(f"GET /n/{NONCE}/api/v2/account-details HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    (exchange,) = watched.record().exchanges
    assert answer.startswith(b"HTTP/1.0 200 ")
    assert exchange.response is not None
    assert "HTTP/1.0" == exchange.response.http_version


@pytest.mark.parametrize("part", range(4))
def test_every_scenario_can_be_played(watched: Watched, part: int) -> None:
    """Serving goes on after it, and the journal has the answer or its loss."""
    scenarios = SCENARIOS[part::4]
    statuses = []
    for number, scenario in enumerate(scenarios):
        watched.journal.plan([Case(f"case {number}", "sms", Kind.INVOKE, "x", "x", Request("POST", "http://x/"))])
        watched.stage(scenario, f"case {number}")
        try:
            watched.ask(timeout_s=0.2 if scenario.name in WITHOUT_END else PATIENCE_S)
        except (http.client.HTTPException, OSError):
            assert scenario.watched
        watched.stage(case_id=STRAY)
        statuses.append(watched.ask()[0].status)

    exchanges = [exchange for exchange in watched.record().exchanges if exchange.case_id != STRAY]
    assert [200] * len(scenarios) == statuses
    assert [f"case {number}" for number in range(len(scenarios))] == [exchange.case_id for exchange in exchanges]
    assert [] == [e.case_id for e in exchanges if (e.response is None) == (e.failure is None)]


# --- Strays beside calls

OF_THE_CLIENT: Mapping[str, tuple[str, Headers, bytes]] = {
    "its credential": ("/api/v2", HEADERS, b"{}"),
    "its values": ("/messages", (), json.dumps(PARAMS).encode()),
    "a command": ("/sms", (), b"{}"),
    "a base URL": ("/n/00000000000000ff", (), b""),
    "a value in the query": ("/?number=254712345678", (), b""),
}
OF_SCANNERS: Mapping[str, tuple[str, Headers, bytes]] = {
    "a page": ("/", (), b""),
    "a login": ("/wp-login.php", (("Authorization", "Basic YWRtaW46YWRtaW4="),), b"log=admin"),
    "an API": ("/api/v2/cmdb/system/admin", (), b"{}"),
    "no path": ("*", (), b""),
    "secrets": ("/.env", (("User-Agent", "zgrab/0.x"),), b""),
}


def test_a_stray_counts_against_the_client_only_with_evidence() -> None:
    """Whatever scanners ask for while a call is made is nobody's."""
    found = {}
    for name, stray in {**OF_THE_CLIENT, **OF_SCANNERS}.items():
        certification = Certification()
        certification.call(Sent())
        if name in OF_THE_CLIENT:
            certification.call(said=refused(404))
        else:
            certification.call(Sent())
        certification.stray(*stray)
        found[name] = failures(certification)

    assert {} == {name: found[name] for name in OF_THE_CLIENT if "SND-03" not in found[name]}
    assert {} == {name: found[name] for name in OF_SCANNERS if found[name]}
