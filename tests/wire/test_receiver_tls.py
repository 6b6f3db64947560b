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


def test_it_is_reached_by_https_by_who_trusts_its_authority(tmp_path: Path) -> None:
    """And by nobody else: verification is never off."""
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    tls = Tls.of(*files(tmp_path, authority))
    with AsgiReceiver(Address("127.0.0.1", 0), PRODUCTS, ignored, tls=tls) as receiver:
        url = receiver.urls["sms"]
        assert url.startswith("https://127.0.0.1:")
        assert 200 == httpx.post(url, content=b"{}", verify=client_tls(ca_file)).status_code
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.post(url, content=b"{}", verify=client_tls())


def test_what_fails_before_it_is_http_is_told(tmp_path: Path) -> None:
    """Plain HTTP to its port, and a client that does not trust it: neither is a request, each may be missed."""
    unread: list[str] = []
    tls = Tls.of(*files(tmp_path, trustme.CA()))
    with AsgiReceiver(
        Address("127.0.0.1", 0), PRODUCTS, ignored, tls=tls, on_unread=lambda each: unread.append(each.error)
    ) as receiver:
        for url in (receiver.urls["sms"], receiver.urls["sms"].replace("https", "http")):
            with pytest.raises(httpx.TransportError):
                httpx.post(url, verify=client_tls())
        assert eventually(lambda: len(unread) == 2)
    assert "plain HTTP on a TLS port" in unread
    assert [] != [words for words in unread if re.fullmatch("its TLS handshake failed: .* alert unknown ca", words)]


def test_trusting_a_file_does_not_turn_verification_off(tmp_path: Path) -> None:
    """It adds to the usual authorities."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = client_tls(tmp_path / "ca.pem")
    assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)
    assert len(context.get_ca_certs()) == len(client_tls().get_ca_certs()) + 1


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "cannot be read"), ("no certificate", "holds no certificate")]
)
def test_a_ca_file_that_is_none_is_told(content: str | None, expected: str, tmp_path: Path) -> None:
    """Before anything is sent."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=expected):
        client_tls(path)


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    """With what is expected."""
    authority = trustme.CA()
    certificate, _ = files(tmp_path, authority)
    _, other = files(tmp_path, authority, "other")
    with pytest.raises(UsageError, match="cannot be used") as refused:
        Tls.of(certificate, other)
    assert refused.value.hint is not None


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(UsageError, match="there is no file"):
        Tls.of(tmp_path / "absent.pem", tmp_path / "absent.key")


def test_a_crowd_that_does_not_shake_hands_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of connections on which TLS is still to be agreed on, the oldest go."""
    monkeypatch.setattr(listening, "MOST_OPENING", 4)
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    tls = Tls.of(*files(tmp_path, authority))
    with AsgiReceiver(Address("127.0.0.1", 0), PRODUCTS, ignored, tls=tls) as receiver, ExitStack() as until:
        silent = [until.enter_context(connection(receiver.address)) for _ in range(20)]
        assert 200 == httpx.post(receiver.urls["sms"], content=b"{}", verify=client_tls(ca_file)).status_code
        with suppress(ConnectionError):
            assert b"" == silent[0].recv(1)
