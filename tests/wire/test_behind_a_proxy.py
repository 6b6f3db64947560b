"""A gateway beyond this machine, by https and through a proxy that the environment names: the command line as it is."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from socket import SHUT_RDWR, create_connection, create_server, socket

import pytest
import trustme
from campaigns import free_address
from command_line import PATIENCE_S, call

from conformance.mock.account import Account
from conformance.mock.serving import serve_mock
from conformance.wire.listening import Address

# A name that is nobody's (RFC 6761): only the proxy knows the way.
HOST = "gateway.test"
GATEWAY = f"https://{HOST}/api/v2"
SAMPLE = Account.sample()


class Proxy:
    """Takes CONNECT, and is itself the TLS server in front of the gateway at `behind`; `asked` are the hosts."""

    def __init__(self, behind: Address, tls: ssl.SSLContext) -> None:
        self.asked: list[bytes] = []
        self._behind, self._tls = behind, tls
        self._listening = create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more."""
        with suppress(OSError):
            self._listening.shutdown(SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket) -> None:
        connection.settimeout(PATIENCE_S)
        with suppress(OSError), connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(1)  # what follows is for the handshake
            self.asked.append(head.split(b" ")[1])
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with self._tls.wrap_socket(connection, server_side=True) as near, self._connected() as far:
                back = threading.Thread(target=_pumped, args=(far, near), daemon=True)
                back.start()
                _pumped(near, far)
                back.join(PATIENCE_S)

    def _connected(self) -> socket:
        return create_connection((self._behind.host, self._behind.port), timeout=PATIENCE_S)


def _pumped(source: socket, target: socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(SHUT_RDWR)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_proxies: None) -> None:  # noqa: ARG001 - for its effect
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def callback() -> Address:
    """Where notifications come."""
    return free_address()


@pytest.fixture
def proxy(tmp_path: Path, callback: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy that the environment names, and the credential; `ca.pem` in the current directory."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(tls)
    monkeypatch.setenv("STATUM_CONFORMANCE_CONSUMER_SECRET", SAMPLE.consumer_secret)
    with ExitStack() as until:
        server = until.enter_context(serve_mock(Account.sample({"sms": f"{callback.url}/callbacks/sms"}), seed=1))
        behind = Address.parse(server.url.removeprefix("http://").partition("/")[0])
        it = until.enter_context(closing(Proxy(behind, tls)))
        monkeypatch.setenv("HTTPS_PROXY", it.url)
        yield it


def options(callback: Address, *more: str) -> tuple[str, ...]:
    """What both commands are told."""
    key = ("--consumer-key", SAMPLE.consumer_key)
    return ("--gateway", GATEWAY, "--callback-listen", str(callback), *key, "--product=sms", *more)


def test_a_run_goes_by_https_through_the_proxy_and_keeps_to_its_limits(
    proxy: Proxy, callback: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it; with the one authority that it is told of beside the usual ones."""
    limits = ("--phone-number=254712345678", "--rate=1000", "--seed=7")
    called = call(capsys, "run", *options(callback, *limits, "--ca-file=ca.pem"))

    assert 0 == called.code, called.out + called.err
    accepted = re.search(r"accepted at most: (\d+) requests, KES 0 .* not sent for --max-accepted 25", called.out)
    assert accepted is not None, called.out
    assert int(accepted[1]) <= 25
    assert {f"{HOST}:443".encode()} == set(proxy.asked)


def test_doctor_shows_the_certificate(proxy: Proxy, callback: Address, capsys: pytest.CaptureFixture[str]) -> None:
    """Its version of TLS, and for how long it is good."""
    called = call(capsys, "doctor", *options(callback, "--ca-file=ca.pem"))

    assert 0 == called.code, called.out + called.err
    assert "certificate: TLSv1.3, its certificate is good for " in called.out
    assert f"  sms: {callback.url}/callbacks/sms" in called.out.splitlines()
    assert proxy.asked


def test_a_certificate_of_an_unknown_authority_is_never_accepted(
    proxy: Proxy, callback: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    """No option turns that off."""
    called = call(capsys, "run", *options(callback, "--phone-number=254712345678"))

    assert 3 == called.code
    assert f"error: gateway {GATEWAY} cannot be reached: " in called.err
    assert "certificate verify failed" in called.err.lower().replace("_", " ")
    assert proxy.asked


def test_hosts_in_no_proxy_are_reached_directly(
    proxy: Proxy, callback: Address, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it names is asked directly; here nobody knows the name."""
    monkeypatch.setenv("NO_PROXY", HOST)
    called = call(capsys, "doctor", *options(callback, "--ca-file=ca.pem"))

    assert 3 == called.code
    assert [] == proxy.asked


def test_an_unusable_proxy_is_named(
    callback: Address, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, before anything is sent."""
    monkeypatch.setenv("STATUM_CONFORMANCE_CONSUMER_SECRET", SAMPLE.consumer_secret)
    monkeypatch.setenv("ALL_PROXY", "quic://127.0.0.1:9")
    called = call(capsys, "run", *options(callback, "--phone-number=254712345678"))

    assert 3 == called.code, called.out + called.err
    (line,) = called.err.splitlines()
    assert line.startswith("error: the proxy that the environment names cannot be used: ")
    assert "Unknown scheme for proxy URL 'quic://127.0.0.1:9'" in line


def test_no_proxy_is_used_on_this_machine(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment names: the built-in mock gateway is one hop away."""
    monkeypatch.setenv("ALL_PROXY", "quic://127.0.0.1:9")
    called = call(capsys, "run", "--product=sms", "--max-examples=0", "-q")

    assert 0 == called.code, called.out + called.err
