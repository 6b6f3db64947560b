"""Observed mode over real HTTP: the address that is shown, the cases made of requests, and the verdicts."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import PATIENCE_S, Called, call, process
from seeded import NUMBERS

from conformance.client.certification import STRANGE, command_of, observe
from conformance.client.settings import ClientSettings
from conformance.contract.contract import statum
from conformance.journal import Record, read_journal
from conformance.judging.verdicts import Conclusion, Judged, Verdict
from conformance.mock.account import Account
from conformance.model.traffic import Kind
from conformance.reports.result import judge
from conformance.wire.listening import Address

Capsys = pytest.CaptureFixture[str]

MESSAGE = {"phone_number": "254712345678", "sender_id": "Statum", "message": "Habari"}
PLAIN = {"Content-Type": "text/plain"}

Client = Callable[[httpx.Client], None]


def observed(directory: Path, client: Client, key: str | None = None, secret: str | None = None) -> Record:
    """The record of what `client` sent."""

    def run(base_url: str, account: Account) -> None:
        credential = (key or account.consumer_key, secret or account.consumer_secret)

        def work() -> None:
            headers = {"Accept": "application/json"}
            with httpx.Client(base_url=base_url, auth=credential, timeout=0.3, headers=headers) as http:
                client(http)

        threading.Thread(target=work).start()

    settings = ClientSettings(
        observe=Address("127.0.0.1", 0),
        observe_idle_s=0.6,
        products=("sms",),
        seed=7,
        report_dir=directory,
        resend_window_s=0.2,
        advised_delay_s=0.2,
    )
    return read_journal(observe(settings, run))


def send(http: httpx.Client, ending: str | None = None, times: int = 1, **members: Any) -> None:
    """A message, to a chosen number where an ending is given."""
    number = {"phone_number": f"2547{ending}"} if ending else {}
    for _ in range(times):
        try:
            http.post("/sms", json={**MESSAGE, **number, **members})
        except httpx.HTTPError:
            continue  # some answers are lost on purpose


def found(judged: Judged, verdict: Verdict) -> set[str]:
    """The ids with that verdict."""
    return {each.requirement.id for each in judged.by(verdict)}


@pytest.fixture(scope="module")
def lawful(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A client that does as it should, with numbers of each kind."""

    def client(http: httpx.Client) -> None:
        send(http)
        http.get("/account-details")
        for ending in ("99000402", "99001401", "99001422", "99001429", "99001500", "99002001", "99002004", "99003001"):
            send(http, ending)

    return observed(tmp_path_factory.mktemp("observed"), client)


def test_requirements_on_requests_alone_are_judged(lawful: Record) -> None:
    """And nothing fails."""
    judged = judge(lawful)
    passed = {(v.requirement.id, v.command) for v in judged.by(Verdict.PASS)}

    assert set() == found(judged, Verdict.FAIL) | found(judged, Verdict.WARN)
    wire = {*(f"SND-{n:02}" for n in (2, 3, 4, 5, 6, 8, 10, 12)), *(f"RTY-{n:02}" for n in (1, 2, 3))}
    assert {(name, "sms") for name in wire} <= passed
    assert ("SND-04", "account-details") in passed


def test_the_rest_is_inconclusive_with_the_reason(lawful: Record) -> None:
    """A client that was only watched is never called conformant."""
    judged = judge(lawful)
    details = {v.requirement.id: str(v.detail) for v in judged.by(Verdict.INCONCLUSIVE) if v.command == "sms"}

    assert Conclusion.INCONCLUSIVE == judged.conclusion
    assert "the client's reports to its caller cannot be seen without a driver" == details["RDG-01"]
    assert "the parameters of calls are not known without a driver" == details["SND-07"]
    assert "how many calls were made is not known without a driver" == details["SND-09"]
    assert {"DRV-01", "ROB-01"} <= found(judged, Verdict.NOT_APPLICABLE)


def _leak(http: httpx.Client) -> None:
    http.post("/sms", params={"secret": Account.sample().consumer_secret}, json=MESSAGE)


FLAWED: Mapping[str, Client] = {
    "SND-02": lambda http: http.put("/sms", json=MESSAGE) and None,
    "SND-03": lambda http: http.post("/sms/", json=MESSAGE) and None,
    "SND-05": lambda http: http.post("/sms", content=json.dumps(MESSAGE), headers=PLAIN) and None,
    "SND-06": lambda http: http.post("/sms", json=[MESSAGE]) and None,
    "SND-08": lambda http: send(http, phone_number=254712345678),
    "SND-10": _leak,
    "RTY-01": lambda http: send(http, "99000402", times=2),
    "RTY-02": lambda http: send(http, "99001429", times=2),
}


@pytest.mark.parametrize("id_", FLAWED)
def test_a_flaw_is_found(id_: str, tmp_path: Path) -> None:
    """By its requests alone."""
    judged = judge(observed(tmp_path, FLAWED[id_]))

    assert {id_} == found(judged, Verdict.FAIL)
    assert Conclusion.NON_CONFORMANT == judged.conclusion


def test_equal_requests_are_one_call_only_to_a_chosen_number(tmp_path: Path) -> None:
    """Elsewhere somebody may well send the same message twice."""

    def client(http: httpx.Client) -> None:
        send(http, times=2)
        send(http, "99001500", times=2)
        send(http, "99001500", message="Another call")

    record = observed(tmp_path, client)
    attempts = [exchange.attempt for _, exchange, _ in record.attempts()]

    assert 4 == sum(case.kind is Kind.INVOKE and case.command == "sms" for case in record.cases)
    assert [1, 1, 1, 2, 1] == attempts


def test_a_credential_of_somebody_else_is_not_kept(tmp_path: Path) -> None:
    """It may be a real one, sent here by mistake."""
    record = observed(tmp_path, send, key="real-key", secret="real-secret")  # noqa: S106 - of nobody
    (exchange,) = record.exchanges
    judged = judge(record)

    assert f"Basic {STRANGE}" == dict(exchange.request.headers)["authorization"]
    assert {"SND-04"} == found(judged, Verdict.FAIL)
    with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
        assert not [line for line in journal.iterdump() if "cmVhbC1rZXk6" in line]
    journal.close()


TARGETS = {
    "/api/v2/sms": "sms",
    "/api/v2/mpesa%2Fonline": "mpesa/online",
    "/v1/SMS/?a=b": "sms",
    "/api/v2/mpesa-wallet": "mpesa-wallet",
    "/favicon.ico": None,
    "/": None,
}


def test_a_target_is_taken_for_the_command_that_is_meant() -> None:
    """So that a wrong path is a finding, and not a stray."""
    assert TARGETS == {target: getattr(command_of(target, statum()), "name", None) for target in TARGETS}


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to another process there")
def test_it_shows_where_to_go_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """Scripts can wait for the last line; the requests until then are judged."""
    running = process(tmp_path, "certify", "--observe", "--product", "sms", "--seed", "7")
    assert running.stdout is not None
    shown = list(iter(running.stdout.readline, "ready\n"))
    base_url = shown[0].split()[-1]
    account = Account.sample()
    httpx.post(f"{base_url}/sms", json=MESSAGE, auth=(account.consumer_key, account.consumer_secret))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=PATIENCE_S)
    called = Called(running.returncode, out, err)

    assert f"consumer key {account.consumer_key}, secret {account.consumer_secret}\n" in shown
    assert 3 == called.code, called.err
    assert "inconclusive: " in called.out
    assert (tmp_path / "reports" / "report.json").exists()


def test_the_mock_lists_the_numbers(capsys: Capsys) -> None:
    """Each with its effect."""
    called = call(capsys, "mock", "--list-scenarios")

    assert 0 == called.code
    assert list(NUMBERS) == [line.split()[0] for line in called.out.splitlines()]
    assert "answered 402: the balance does not suffice" in called.out
