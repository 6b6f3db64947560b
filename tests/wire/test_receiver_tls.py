"""The receiver reached by https, and whom the suite trusts: a file of certificates, never nobody."""

from __future__ import annotations

import re
import ssl
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
import trustme
from mock_rig import eventually
from sockets import connection

from conformance.contract.contract import statum
from conformance.model.errors import UsageError
from conformance.model.traffic import Request
from conformance.wire import listening
from conformance.wire.asgi import AsgiReceiver, Tls
from conformance.wire.listening import Address
from conformance.wire.streams import client_tls

PRODUCTS = statum().products


def ignored(product: str | None, request: Request, at: float, wall: float) -> None:
    """Nobody looks at what arrives."""


def files(directory: Path, authority: trustme.CA, name: str = "server") -> tuple[Path, Path]:
    """Certificate and key for 127.0.0.1, made by an authority of the test's own."""
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    issued.private_key_pem.write_to_path(key)
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return certificate, key


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """Of a server whose authority is in `ca.pem`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return Tls.of(*files(tmp_path, authority))


def test_it_is_reached_by_https_by_who_trusts_its_authority(tls: Tls, tmp_path: Path) -> None:
    """And by nobody else: verification is never off."""
    with AsgiReceiver(Address("127.0.0.1", 0), PRODUCTS, ignored, tls=tls) as receiver:
        url = receiver.urls["sms"]
        assert url.startswith("https://127.0.0.1:")
        assert 200 == httpx.post(url, content=b"{}", verify=client_tls(tmp_path / "ca.pem")).status_code
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.post(url, content=b"{}", verify=client_tls())


def test_a_failed_handshake_is_reported(tls: Tls) -> None:
    """Plain HTTP to its port, and a client that does not trust it: neither is a request, each may be missed."""
    unread: list[str] = []
    with AsgiReceiver(
        Address("127.0.0.1", 0), PRODUCTS, ignored, tls=tls, on_unread=lambda each: unread.append(each.error)
    ) as receiver:
        for url in (receiver.urls["sms"], receiver.urls["sms"].replace("https", "http")):
            with pytest.raises(httpx.TransportError):
                httpx.post(url, verify=client_tls())
        assert eventually(lambda: len(unread) == 2)
    assert "plain HTTP on a TLS port" in unread
    assert [] != [words for words in unread if re.fullmatch("its TLS handshake failed: .* alert unknown ca", words)]


@pytest.mark.usefixtures("tls")
def test_trusting_a_file_does_not_turn_verification_off(tmp_path: Path) -> None:
    """It adds to the usual authorities."""
    context = client_tls(tmp_path / "ca.pem")
    assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)
    assert len(context.get_ca_certs()) == len(client_tls().get_ca_certs()) + 1


def test_an_unusable_ca_file_is_refused(tmp_path: Path) -> None:
    """Before anything is sent."""
    path = tmp_path / "ca.pem"
    with pytest.raises(UsageError, match="cannot be read"):
        client_tls(path)
    path.write_text("no certificate", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no certificate"):
        client_tls(path)


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    """With what is expected; a missing file by its name."""
    authority = trustme.CA()
    certificate, _ = files(tmp_path, authority)
    _, other = files(tmp_path, authority, "other")
    with pytest.raises(UsageError, match="cannot be used") as refused:
        Tls.of(certificate, other)
    assert refused.value.hint is not None
    with pytest.raises(UsageError, match="there is no file"):
        Tls.of(tmp_path / "absent.pem", tmp_path / "absent.key")


def test_clients_without_a_handshake_keep_nobody_out(tls: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of connections on which TLS is still to be agreed on, the oldest go."""
    monkeypatch.setattr(listening, "MOST_OPENING", 4)
    with AsgiReceiver(Address("127.0.0.1", 0), PRODUCTS, ignored, tls=tls) as receiver, ExitStack() as until:
        silent = [until.enter_context(connection(receiver.address)) for _ in range(20)]
        trusting = client_tls(tmp_path / "ca.pem")
        assert 200 == httpx.post(receiver.urls["sms"], content=b"{}", verify=trusting).status_code
        with suppress(ConnectionError):
            assert b"" == silent[0].recv(1)
