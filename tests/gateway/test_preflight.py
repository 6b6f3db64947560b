"""The checks before a run: each obstacle is described and blamed on nobody."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from campaigns import free_address, settings, shortfalls
from pytest_httpserver import HTTPServer
from seeded import ON_LOAD, fault
from sockets import connection
from werkzeug import Request as Received
from werkzeug import Response as Given

from conformance.contract.contract import statum
from conformance.gateway import campaign, preflight, reaching
from conformance.gateway.preflight import examine
from conformance.gateway.reaching import PreflightCheck
from conformance.gateway.rig import CANARY_HEADER, RunIntake, rigged
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Judged, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.mock.serving import serve_mock
from conformance.model.traffic import Request, Response
from conformance.reports.result import judge
from conformance.wire.listening import Address

PRODUCTS = statum().products

TOKEN = "hush-3f9a51c07e"  # noqa: S105 - of no use to anybody


@contextmanager
def proxy(backend: Address, rewrite: Callable[[str], str] = str) -> Iterator[str]:
    """The URL of a reverse proxy before `backend`, which changes each target as `rewrite` does."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with closing(http.client.HTTPConnection(backend.host, backend.port)) as behind:
                behind.request("POST", rewrite(self.path), body, dict(self.headers))
                status = behind.getresponse().status
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a way back that is cut
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary that does not come is not waited for at length."""
    monkeypatch.setattr(preflight, "CANARY_TIMEOUT_S", 0.1)


def probes(given: Settings) -> list[PreflightCheck]:
    """All probes of a set-up."""
    with rigged(given) as rig:
        return list(examine(given, rig))


def obstacle(given: Settings) -> PreflightCheck:
    """The one probe that went wrong, which has to be the last."""
    *well, last = probes(given)
    assert [True] * len(well) == [probe.ok for probe in well]
    assert not last.ok
    assert last.hint
    assert [1, 1] == [len(text.splitlines()) for text in (last.detail, last.hint)]
    return last


# --- All is well


def test_gateway_credential_and_each_callback_are_checked(tmp_path: Path) -> None:
    """In this order; a token for a sandbox does no harm."""
    names = ("gateway reachable", "credential accepted", *(f"callback path of {product}" for product in PRODUCTS))
    found = probes(settings(tmp_path, callback_token=TOKEN))

    assert [(name, True) for name in names] == [(probe.name, probe.ok) for probe in found]


def test_a_proxy_that_speaks_tls_to_the_plain_port_is_reported(tmp_path: Path, httpserver: HTTPServer) -> None:
    """Its canary cannot be read."""
    address = free_address()

    def forward(_: Received) -> Given:
        with connection(address) as behind:
            behind.sendall(b"\x16\x03\x01\x00\xf4\x01")
            assert behind.recv(1)
        return Given("", 502)

    httpserver.expect_request("/callbacks/sms").respond_with_handler(forward)
    given = {"callback_listen": address, "callback_url": httpserver.url_for("/"), "products": ("sms",)}
    found = obstacle(settings(tmp_path, **given))
    said = "it answered 502, and nothing arrived that could be read: a TLS handshake on a plain HTTP port"
    assert found.detail.endswith(said)


def test_early_requests_are_handed_to_the_run() -> None:
    """In order; later ones at once."""
    intake = RunIntake()
    taken: list[bytes] = []
    for body in (b"1", b"2"):
        intake.on_arrival("sms", Request("POST", "/callbacks/sms", (), body), 0.0, 0.0)

    intake.hand_to(lambda _product, request, _at, _wall: taken.append(request.body))
    intake.on_arrival("sms", Request("POST", "/callbacks/sms", (), b"3"), 0.0, 0.0)

    assert [b"1", b"2", b"3"] == taken


def test_a_false_canary_is_dropped() -> None:
    """Anybody may send one, as often as they like."""
    intake = RunIntake()
    taken: list[Request] = []
    intake.hand_to(lambda _product, request, _at, _wall: taken.append(request))
    known = intake.new_canary()
    for token in ("x", known, known):  # a proxy may repeat it
        intake.on_arrival("sms", Request("POST", f"/{token}", ((CANARY_HEADER, token),)), 0.0, 0.0)

    assert [None, ("sms", f"/{known}"), None] == [intake.canary(token, 0.0) for token in ("x", known, known)]
    assert [] == taken


def test_early_requests_are_bounded() -> None:
    """Junk must not fill the memory; the first ones are there."""
    intake = RunIntake()
    taken: list[bytes] = []
    for number in range(40):
        intake.on_arrival(None, Request("POST", "/", (), bytes([number]) * 1024 * 1024), 0.0, 0.0)
    intake.hand_to(lambda _product, request, _at, _wall: taken.append(request.body[:1]))

    assert [bytes([number]) for number in range(31)] == taken[:31]
    assert len(taken) < 40


def test_a_proxy_that_keeps_path_and_query_is_fine(tmp_path: Path) -> None:
    """A whole run through it is conformant; the token of the URL is in no artefact."""
    address = free_address()
    with proxy(address) as public:
        url = f"{public}/hooks/statum?token={TOKEN}"
        callbacks = {product: f"{public}/hooks/statum/callbacks/{product}?token={TOKEN}" for product in PRODUCTS}
        with serve_mock(Account.sample(callbacks), BUILT_IN) as server:
            given = {"gateway": server.url, "callback_listen": address, "callback_url": url, **_credential()}
            path = campaign.run(settings(tmp_path, products=("sms",), **given))
    judgement = judge(read_journal(path))

    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)
    assert TOKEN.encode() not in path.read_bytes()


# --- The gateway


def test_a_gateway_that_cannot_be_reached(tmp_path: Path) -> None:
    """It is named as it was given."""
    url = f"{free_address().url}/api/v2"
    found = obstacle(settings(tmp_path, gateway=url))

    assert "gateway reachable" == found.name
    assert url in found.detail


def test_a_credential_that_is_refused(tmp_path: Path) -> None:
    """The options that it came from are named; it itself is not shown."""
    with serve_mock(Account.sample()) as server:
        found = obstacle(settings(tmp_path, gateway=server.url))

    assert "credential accepted" == found.name
    assert "401" in found.detail
    assert "--consumer-key" in (found.hint or "")
    assert "--consumer-secret" in (found.hint or "")


def test_a_receiver_on_any_free_port_cannot_be_known_to_a_gateway(tmp_path: Path) -> None:
    """Nothing could have been registered, so everything would seem to be missing."""
    with serve_mock(Account.sample()) as server:
        found = obstacle(settings(tmp_path, gateway=server.url, **_credential()))

    assert "--callback-listen" in (found.hint or "")


def _credential() -> dict[str, str]:
    account = Account.sample()
    return {"consumer_key": account.consumer_key, "consumer_secret": account.consumer_secret}


# --- The way back


@pytest.mark.parametrize("path", [None, "/elsewhere", "/callbacks/sms"], ids=["nobody", "a 404", "another server"])
def test_a_callback_url_that_does_not_lead_here(path: str | None, tmp_path: Path, httpserver: HTTPServer) -> None:
    """The finding says where it should have arrived, without the token."""
    if path is not None:
        httpserver.expect_request(path).respond_with_data("thank you")
    public = free_address().url if path is None else httpserver.url_for("").rstrip("/")
    found = obstacle(settings(tmp_path, callback_url=f"{public}?token={TOKEN}"))

    assert "callback path of sms" == found.name
    assert "does not lead back here" in found.detail
    assert "the suite listens on 127.0.0.1:" in (found.hint or "")
    assert TOKEN not in found.detail + (found.hint or "")


REWRITES: dict[str, tuple[Callable[[str], str], str]] = {
    "prefix lost": (lambda target: target.removeprefix("/hooks"), "/callbacks/sms"),
    "prefix added": (lambda target: "/v1" + target, "/v1/hooks/callbacks/sms"),
    "another product": (lambda target: target.replace("/sms", "/airtime"), "/hooks/callbacks/airtime"),
    "query lost": (lambda target: target.partition("?")[0], "without its query"),
    "query changed": (lambda target: target.replace(TOKEN, "another"), "another query"),
    "slash escaped": (lambda target: target.replace("/hooks/", "/hooks%2F"), "/hooks%2Fcallbacks/sms"),
}


def test_a_proxy_that_changes_the_target_is_described(tmp_path: Path) -> None:
    """The finding shows what became of the URL, without the token."""
    for name, (rewrite, words) in REWRITES.items():
        address = free_address()
        with proxy(address, rewrite) as public:
            given = {"callback_listen": address, "callback_url": f"{public}/hooks?token={TOKEN}"}
            found = obstacle(settings(tmp_path, **given))

        assert "callback path of sms" == found.name, name
        assert words in found.detail
        assert "kept" in (found.hint or "")
        assert TOKEN not in found.detail + (found.hint or "")


def test_a_proxy_may_spell_the_target_otherwise(tmp_path: Path) -> None:
    """As long as it names the same: notifications that come this way keep NTF-18."""
    address = free_address()
    with proxy(address, lambda target: target.replace("callbacks/sms", "c%61llbacks/sm%73")) as public:
        given = {"callback_listen": address, "callback_url": f"{public}/hooks?token={TOKEN}", "products": ("sms",)}
        assert all(probe.ok for probe in probes(settings(tmp_path, **given)))


def test_only_the_products_of_the_run_need_a_way_back(tmp_path: Path) -> None:
    """A proxy may forward some of them."""
    address = free_address()
    with proxy(address, lambda target: target.replace("/airtime", "/elsewhere")) as public:
        given = {"callback_listen": address, "callback_url": public}
        assert {True} == {probe.ok for probe in probes(settings(tmp_path, products=("sms",), **given))}
        assert "callback path of airtime" == obstacle(settings(tmp_path, **given)).name


# --- What becomes of a run


def test_an_obstacle_makes_every_verdict_inconclusive(tmp_path: Path) -> None:
    """Nothing is sent; the reports tell why, once in the journal and with every requirement."""
    record = read_journal(campaign.run(settings(tmp_path, gateway=f"{free_address().url}/api/v2")))
    judgement = judge(record)
    (told,) = (note.detail for note in record.notes if note.kind == "obstacle")

    assert ((), (), ()) == (record.cases, record.exchanges, record.notifications)
    assert {(Verdict.INCONCLUSIVE, Reason.ENVIRONMENT, told["message"])} == {
        (v.verdict, v.reason, v.detail) for v in judgement.verdicts if v.requirement.id not in ON_LOAD
    }
    assert (Conclusion.INCONCLUSIVE, 3) == (judgement.conclusion, judgement.conclusion.exit_code)
    assert told["hint"]


class Tunnel:
    """A way back that passes on so many requests, and then none any more, or none but every other."""

    def __init__(self, lets_through: int, *, recovers: bool = False) -> None:
        self._left = lets_through
        self._recovers = recovers
        self._lock = threading.Lock()

    def __call__(self, target: str) -> str:
        """The target, or the end of the connection."""
        with self._lock:
            self._left -= 1
            if self._left < 0 and (not self._recovers or self._left % 2):
                raise ConnectionAbortedError
        return target


def judged_through(tunnel: Tunnel, directory: Path, behaviour: Behaviour = BUILT_IN) -> Judged:
    """The verdicts on a run of sms whose notifications come through that tunnel."""
    address = free_address()
    with proxy(address, tunnel) as public:
        given = {"callback_listen": address, "callback_url": public, "products": ("sms",), "notify_within_s": 3.0}
        account = Account.sample({"sms": f"{public}/callbacks/sms"})
        with serve_mock(account, behaviour, seed=1) as server:
            return judge(read_journal(campaign.run(settings(directory, gateway=server.url, **_credential(), **given))))


@pytest.mark.parametrize("tunnel", [Tunnel(20), Tunnel(20, recovers=True)], ids=["for good", "now and then"])
def test_notifications_lost_on_a_broken_way_back_fail_nobody(tunnel: Tunnel, tmp_path: Path) -> None:
    """A canary after the run shows that the way has changed."""
    judgement = judged_through(tunnel, tmp_path)
    found = next(v for v in judgement.verdicts if (v.requirement.id, v.command) == ("NTF-01", "sms"))

    assert (Verdict.INCONCLUSIVE, Reason.ENVIRONMENT) == (found.verdict, found.reason)
    assert "are missing, and callback URL http://127.0.0.1:" in (found.detail or "")
    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert Conclusion.INCONCLUSIVE == judgement.conclusion


def test_notifications_that_a_gateway_never_sent_fail_it(tmp_path: Path) -> None:
    """A canary after the run proves the way back once more."""
    behaviour = fault("one-notification-in-twenty-lost").change(BUILT_IN)
    judgement = judged_through(Tunnel(1_000_000), tmp_path, behaviour)

    assert ["NTF-01"] == [v.requirement.id for v in judgement.by(Verdict.FAIL)]


# --- What a person should look at


def test_a_wrong_clock_is_reported() -> None:
    """A slow answer is no wrong clock, and neither is a date that cannot be read."""
    expected = {
        "Thu, 01 Jan 1970 00:16:40 GMT": [],
        "Thu, 01 Jan 1970 00:17:30 GMT": [],
        "Thu, 01 Jan 1970 00:20:00 GMT": ["the gateway's clock is 200 s ahead of this machine's"],
        "Thu, 01 Jan 1970 00:00:00 GMT": ["the gateway's clock is 1000 s behind this machine's"],
        "yesterday": [],
        "Mon, 20 Nov 9999999999 12:00:00 +0000": [],
        ",": [],
    }
    found = {date: list(reaching.clock(Response(200, (("Date", date),)), now=1000.0)) for date in expected}

    assert expected == {date: [probe.detail for probe in probes] for date, probes in found.items()}
    assert all(probe.ok and probe.warning for probes in found.values() for probe in probes)


def test_urls_to_register_are_shown_without_their_secrets(tmp_path: Path) -> None:
    """Unless they are asked for whole."""
    given = settings(tmp_path, callback_url=f"https://example.org/hooks?a=1&token={TOKEN}", products=("sms",))
    with rigged(given) as rig:
        shown, whole = (preflight.to_register(rig, given.products, whole=whole) for whole in (False, True))
    assert {"sms": "https://example.org/hooks/callbacks/sms?a=…&token=…"} == shown
    assert {"sms": f"https://example.org/hooks/callbacks/sms?a=1&token={TOKEN}"} == whole
