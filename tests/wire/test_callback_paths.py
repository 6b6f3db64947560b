"""Where a receiver listens and which path is whose: addresses and callback paths as people write them."""

from __future__ import annotations

import re

import pytest

from conformance.contract.contract import statum
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.wire.listening import Address, listening_socket
from conformance.wire.receiver import CallbackPaths

PRODUCTS = statum().products


ADDRESSES = {
    "127.0.0.1:8080": Address("127.0.0.1", 8080),
    "localhost:0": Address("localhost", 0),
    "[::1]:65535": Address("::1", 65535),
}


def test_an_address_is_read_and_written() -> None:
    """As people write it."""
    assert ADDRESSES == {text: Address.parse(text) for text in ADDRESSES}
    assert list(ADDRESSES) == [str(address) for address in ADDRESSES.values()]


NO_ADDRESSES = (
    "",
    "8080",
    ":8080",
    "host",
    "host:",
    "host:http",
    "host:65536",
    "host:-1",
    "::1:80",
    "[]:80",
    "h:٣",
    "a/b:1",
)


def test_an_unusable_address_is_a_usage_error() -> None:
    """It shows what was given."""
    for text in NO_ADDRESSES:
        with pytest.raises(UsageError, match=re.escape(repr(text))):
            Address.parse(text)


def test_an_address_of_another_machine_is_an_environment_failure() -> None:
    """Said in words, not as an errno."""
    elsewhere = {
        Address("203.0.113.7", 0): "listen address 203.0.113.7:0 is not an address of this machine",
        Address("no-such-host.invalid", 0): "this machine knows no host 'no-such-host.invalid'",
    }
    for address, words in elsewhere.items():
        with pytest.raises(EnvironmentFailure, match=re.escape(words)):
            listening_socket(address)


def test_prefix_and_query_of_a_callback_url_are_kept() -> None:
    """The target of each product is that of the base URL, with the product's path between."""
    targets = {
        None: "/callbacks/sms",
        "http://h:1": "/callbacks/sms",
        "https://h/": "/callbacks/sms",
        "http://h:1/hooks?token=t": "/hooks/callbacks/sms?token=t",
        "http://h/a/b/?t": "/a/b/callbacks/sms?t",
        "http://h/a%20b": "/a%20b/callbacks/sms",
    }
    for url, target in targets.items():
        paths = CallbackPaths.of_url(url, PRODUCTS)
        assert target == paths.target("sms")
        assert "sms" == paths.product_of(target)
        assert f"https://public.example:7{target}" == paths.callback_urls("https://public.example:7/other?x")["sms"]


UNUSABLE = (
    *("", "h:1/hooks", "//h/hooks", "ftp://h/", "http://", "http:///hooks", "http://h:x/", "http://h:0/"),
    *("http://[h/", "http://h/a b", "http://h/é", "http://h/?s3cret#token"),
    *("http://h/a|b", "http://h/a%2", "http://h/?a'b", "http://h/?a[0]=b", "http://h/a/../b", "http://h/./"),
)


def test_an_unusable_callback_url_is_a_usage_error() -> None:
    """It shows what was given, but for what may be a token, or a password in the place of a port."""
    for url in UNUSABLE:
        shown = {"http://h:x/": "http://…"}.get(url, re.sub(r"([?#]).+", r"\1…", url))
        with pytest.raises(UsageError, match=re.escape(repr(shown))):
            CallbackPaths.of_url(url, PRODUCTS)


def test_a_prefix_that_would_never_match_is_a_usage_error() -> None:
    """Otherwise every notification would be a stray."""
    for prefix in ("hooks", "/hooks/", "/"):
        with pytest.raises(UsageError, match=re.escape(repr(prefix))):
            CallbackPaths(prefix, "", PRODUCTS)
