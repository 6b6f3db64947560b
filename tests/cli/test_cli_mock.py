"""`mock`: the gateway for people who write clients, as a process."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

import httpx
import pytest
from command_line import Called, call, finished, process
from pytest_httpserver import HTTPServer
from seeded import FAULTS, LOAD_FAULTS, LOAD_VARIANTS, VARIANTS
from sockets import connection, quiet_port

from conformance.mock.account import Account
from conformance.wire.listening import Address

Capsys = pytest.CaptureFixture[str]
SAMPLE = Account.sample()
CREDENTIAL = (SAMPLE.consumer_key, SAMPLE.consumer_secret)
SMS = {"sender_id": "Statum", "phone_number": "254712345678", "message": "Habari"}
# The notification is tried before the request is answered, so the mock gateway never ends before it was.
EARLY = ("--variant", "early-notification")
PARCEL = Path(__file__).parents[1] / "contracts" / "parcel"
# For a notification over loopback, on a busy machine.
PATIENCE_S = 20.0


@dataclass
class Serving:
    """A mock gateway at `url`; `introduction` is what it said before it was ready."""

    running: Popen[str]
    url: str
    introduction: list[str]

    def stop(self, number: int = signal.SIGTERM) -> Called:
        """Tell it to stop; how it went."""
        self.running.send_signal(number)
        return finished(self.running)


@contextmanager
def serving(directory: Path, *arguments: str, **variables: str) -> Iterator[Serving]:
    """`statum-conformance mock` on a free port, ready."""
    running = process(directory, "mock", "--listen", "127.0.0.1:0", *arguments, **variables)
    try:
        introduction = []
        assert running.stdout is not None
        for line in running.stdout:
            if line == "ready\n":
                break
            introduction.append(line.removesuffix("\n"))
        assert introduction, finished(running)
        yield Serving(running, introduction[0].removeprefix("mock gateway at "), introduction)
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
            finished(running)


def test_it_says_where_it_is_and_how_to_reach_it(tmp_path: Path) -> None:
    """URL, the sample credential, and for each product where its notifications go, without tokens; then `ready`."""
    with serving(tmp_path, "--callback", "sms=http://127.0.0.1:9/hooks?t=1") as mock:
        answer = httpx.get(f"{mock.url}/account-details", auth=CREDENTIAL)

        assert 200 == answer.status_code
        assert f"consumer key {SAMPLE.consumer_key}, secret {SAMPLE.consumer_secret}" in mock.introduction
        assert "  sms: http://127.0.0.1:9/hooks?…" in mock.introduction
        assert "  airtime: no callback (register one with --callback airtime=URL)" in mock.introduction


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM alike: exit 0, nothing on standard error, a word on what it did."""
    with serving(tmp_path) as mock:
        httpx.get(f"{mock.url}/account-details", auth=CREDENTIAL)

        assert Called(0, "1 request answered, 0 notifications taken, 0 not taken\n", "") == mock.stop(number)


def test_notifications_go_to_the_callback_of_their_product(tmp_path: Path, httpserver: HTTPServer) -> None:
    """With the request_id of the answer."""
    httpserver.expect_oneshot_request("/hooks", method="POST", query_string="t=1").respond_with_json({})
    with (
        serving(tmp_path, "--callback", f"sms={httpserver.url_for('/hooks')}?t=1") as mock,
        httpserver.wait(timeout=PATIENCE_S),
    ):
        answer = httpx.post(f"{mock.url}/sms", auth=CREDENTIAL, json=SMS).json()

    (request, _), *_ = httpserver.log
    notification = json.loads(request.data)
    assert (answer["request_id"], "200") == (notification["request_id"], notification["result_code"])


def test_each_notification_is_logged_as_it_goes(tmp_path: Path, httpserver: HTTPServer) -> None:
    """How it was answered and how soon, or why it was not taken; an inquiry goes before its notification."""
    httpserver.expect_request("/good").respond_with_data("", status=204)
    httpserver.expect_request("/bad").respond_with_data("", status=500)
    good, bad = httpserver.url_for("/good"), httpserver.url_for("/bad")
    callbacks = {"sms": good, "airtime": bad, "mpesa-wallet": f"http://localhost:{quiet_port()}/", "mpesa-c2b": good}
    callbacks["mpesa-c2b/validation"] = bad
    with serving(tmp_path, *[f"--callback={name}={url}" for name, url in callbacks.items()], *EARLY) as mock:
        payment = {"phone_number": "254712345678", "amount": "50"}
        wallet = {**payment, "short_code": "174379"}
        for command, members in (("sms", SMS), ("airtime", payment), ("mpesa-wallet", wallet)):
            assert 200 == httpx.post(f"{mock.url}/{command}", auth=CREDENTIAL, json=members).status_code
        httpx.post(mock.url.replace("/api/v2", "/unsolicited/mpesa-c2b"))
        logged = re.sub(r"\d+ ms", "N ms", mock.stop().out).splitlines()[:4]

    assert [
        "→ sms 204 N ms",
        "→ airtime not taken: answered 500",
        "→ mpesa-wallet not taken: connection refused",
        "→ mpesa-c2b/validation not taken: answered 500",
    ] == logged


def test_no_transaction_fails_unless_that_is_asked_for(tmp_path: Path, httpserver: HTTPServer) -> None:
    """A client's first message does not fail by chance; `--failure-rate`, or a chosen number, has transactions fail."""
    httpserver.expect_request("/hooks").respond_with_data("")
    callback, codes = f"--callback=sms={httpserver.url_for('/hooks')}", []
    for options in ((), ("--failure-rate", "1")):
        with serving(tmp_path, callback, "--seed=1", *EARLY, *options) as mock:
            for _ in range(30):
                assert 200 == httpx.post(f"{mock.url}/sms", auth=CREDENTIAL, json=SMS).status_code
        codes.append({json.loads(request.data)["result_code"] == "200" for request, _ in httpserver.log})
        httpserver.clear_log()

    assert [{True}, {False}] == codes


def test_a_callback_that_is_down_is_told_at_the_end(tmp_path: Path) -> None:
    """Which product, where, and why; without the query, which may hold a token."""
    with serving(tmp_path, "--callback", "sms=http://127.0.0.1:1/hooks?token=canary", "-v", *EARLY) as mock:
        for _ in range(2):
            assert 200 == httpx.post(f"{mock.url}/sms", auth=CREDENTIAL, json=SMS).status_code
        called = mock.stop()

    told = called.out.splitlines()
    assert 1 == told.count("  not taken: sms at http://127.0.0.1:1/hooks: connection refused"), called.out
    assert "canary" not in called.out


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/hooks/k7Qp2xVt9LmN/sms", "/hooks/…/sms"),
        ("/0b9c2f4e-77aa-4c1e-9d0f-3a5b6c7d8e9f", "/…"),
        ("/hooks/abcdefghijklmnopqrstuvwx", "/hooks/…"),
        ("/statum-notifications/v2/c2b", "/statum-notifications/v2/c2b"),
    ],
)
def test_a_token_in_the_path_of_a_callback_is_not_shown(tmp_path: Path, path: str, shown: str) -> None:
    """Neither at the start nor among the callbacks that failed; ordinary words are."""
    callback = f"sms=http://127.0.0.1:1{path}"
    with serving(tmp_path, "--callback", callback, *EARLY) as mock:
        assert 200 == httpx.post(f"{mock.url}/sms", auth=CREDENTIAL, json=SMS).status_code
        assert f"  sms: http://127.0.0.1:1{shown}" in mock.introduction
        called = mock.stop()

    assert f"  not taken: sms at http://127.0.0.1:1{shown}: " in called.out


def test_what_could_not_be_read_is_told_at_the_end(tmp_path: Path) -> None:
    """Each reason once: a client whose requests are answered with a bare 400 learns why."""
    with serving(tmp_path) as mock:
        for _ in range(2):
            with connection(Address.parse(urlsplit(mock.url).netloc)) as client:
                client.sendall(b"POST /api/v2/sms HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWJj\nZGVm\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 400"
        told = mock.stop().out.splitlines()

    assert ["  could not be read as a request: illegal header line"] == told[1:]


def test_verbose_tells_each_request(tmp_path: Path) -> None:
    """Method, path, status, request_id, and for a refused one the rule that it broke."""
    with serving(tmp_path, "--verbose") as mock:
        accepted = httpx.post(f"{mock.url}/sms", auth=CREDENTIAL, json=SMS).json()["request_id"]
        refused = httpx.post(f"{mock.url}/sms", json=SMS).json()["request_id"]
        told = mock.stop().out.splitlines()

    assert [f"POST /api/v2/sms 200 {accepted}", f"POST /api/v2/sms 401 {refused} refused: credential.absent"] == told[
        :2
    ]


def test_without_verbose_requests_are_not_told(tmp_path: Path) -> None:
    """Only the sum, at the end."""
    with serving(tmp_path) as mock:
        httpx.post(f"{mock.url}/sms", auth=CREDENTIAL, json=SMS)

        assert 1 == len(mock.stop().out.splitlines())


def test_a_secret_that_is_given_is_not_shown(tmp_path: Path) -> None:
    """The account has the given credential, and the output does not hold the secret."""
    secret = {"STATUM_CONFORMANCE_CONSUMER_SECRET": "canary42", "STATUM_CONFORMANCE_CONSUMER_KEY": "me"}
    with serving(tmp_path, **secret) as mock:
        assert 200 == httpx.get(f"{mock.url}/account-details", auth=("me", "canary42")).status_code
        assert "consumer key me, and its secret as given" in mock.introduction
        assert "canary42" not in "".join([*mock.introduction, mock.stop().out])


def test_the_account_is_as_told(tmp_path: Path) -> None:
    """Sender ids, short codes and balance."""
    with serving(tmp_path, "--sender-id", "Duka", "--short-code", "55555", "--balance", "7") as mock:
        details = httpx.get(f"{mock.url}/account-details", auth=CREDENTIAL).json()["organization"]
        refused = httpx.post(f"{mock.url}/sms", auth=CREDENTIAL, json=SMS)

    assert 7 == details["details"]["available_balance"]
    assert 403 == refused.status_code


def test_faults_and_variants_change_it(tmp_path: Path) -> None:
    """Both at once, and it says so."""
    with serving(tmp_path, "--fault", "status-code-as-string", "--variant", "extra-fields") as mock:
        answer = httpx.get(f"{mock.url}/account-details", auth=CREDENTIAL).json()

        assert "200" == answer["status_code"]
        assert "api_version" in answer
        assert ["variant: extra-fields", "fault: status-code-as-string"] == mock.introduction[-2:]


@pytest.mark.parametrize(
    ("option", "table"), [("--list-faults", FAULTS | LOAD_FAULTS), ("--list-variants", VARIANTS | LOAD_VARIANTS)]
)
def test_faults_and_variants_are_listed(capsys: Capsys, option: str, table: dict[str, object]) -> None:
    """One line each: name and what it does."""
    called = call(capsys, "mock", option)

    assert (0, "") == (called.code, called.err)
    assert list(table) == [line.split()[0] for line in called.out.splitlines()]


def test_payments_of_customers_are_started_at_the_pace_that_is_asked_for(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    """Each is logged as it is sent."""
    httpserver.expect_request("/c2b").respond_with_data("")
    callback = f"mpesa-c2b={httpserver.url_for('/c2b')}"
    with serving(tmp_path, "--callback", callback, "--unsolicited", "mpesa-c2b=0.02") as served:
        assert served.running.stdout is not None
        lines = [served.running.stdout.readline() for _ in range(2)]
        ended = served.stop()
    assert ["→ mpesa-c2b 200 N ms\n"] * 2 == [re.sub(r"\d+ ms", "N ms", line) for line in lines]
    assert "0 requests answered" in ended.out
    assert f"  {callback.replace('=', ': ')}" in served.introduction


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("mpesa-c2b=5", "--unsolicited names mpesa-c2b, which has no callback"),
        ("mpesa-c2b", "is not PRODUCT=SECONDS"),
        ("mpesa-c2b=0", "is not PRODUCT=SECONDS"),
        ("mpesa-c2b=nan", "is not PRODUCT=SECONDS"),
        ("sms=5", "there is no product 'sms'"),
    ],
)
def test_a_pace_that_cannot_be_kept_is_refused(capsys: Capsys, value: str, words: str) -> None:
    """One line, before anything is served."""
    called = call(capsys, "mock", "--listen", "127.0.0.1:0", "--unsolicited", value)
    assert 2 == called.code
    assert words in called.only_line


def test_a_contract_without_such_a_product_starts_none(capsys: Capsys) -> None:
    """It says so, rather than naming nothing as what is expected."""
    called = call(capsys, "mock", "--contract", str(PARCEL), "--unsolicited", "tips=5")
    assert 2 == called.code
    assert "in the contract 'parcel' a request precedes every notification" in called.only_line


def test_several_processes_have_one_summary(tmp_path: Path) -> None:
    """What each of them did is counted together, and all end with the first."""
    with serving(tmp_path, "--processes", "2") as mock:
        answers = [httpx.post(f"{mock.url}/sms", json=SMS, auth=CREDENTIAL) for _ in range(6)]
        called = mock.stop()

    assert [200] * 6 == [answer.status_code for answer in answers]
    assert 6 == len({answer.json()["request_id"] for answer in answers})
    assert (0, "") == (called.code, called.err)
    assert "6 requests answered, 0 notifications taken, 0 not taken" in called.out


@pytest.mark.parametrize("number", ["0", "65"])
def test_a_number_of_processes_that_makes_no_sense_is_refused(capsys: Capsys, number: str) -> None:
    """In one line, before anything is served."""
    called = call(capsys, "mock", "--processes", number)

    assert 2 == called.code
    assert f"error: --processes is {number}; expected a number from 1 to 64\n" == called.err
