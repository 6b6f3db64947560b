"""The rules about the Authorization header: each way of getting it wrong has its own tag."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from conformance.mock_gateway.account import Account
from conformance.traffic import Headers, header


def credential_breaches(headers: Headers, account: Account) -> Iterator[str]:
    """The tags of what is wrong with the request's credential; nothing if it is the account's.

    A wrong key together with a wrong secret yields both tags, so that waiving one still refuses the request.
    """
    value = header(headers, "authorization")
    if value is None:
        yield "auth-absent"
        return
    scheme, _, token = value.strip().partition(" ")
    token = token.strip()
    if scheme and scheme.lower() != "basic":
        yield "auth-scheme"
    elif not token:
        yield "auth-empty"
    else:
        yield from _token_breaches(token, account)


def _token_breaches(token: str, account: Account) -> Iterator[str]:
    try:
        given = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        yield "auth-not-base64"
        return
    key, secret = account.consumer_key.encode(), account.consumer_secret.encode()
    right = key + b":" + secret
    if given == right:
        return
    given_key, _, given_secret = given.partition(b":")
    if not given_key or (not given_secret and given_key == key):
        yield "auth-empty"
    elif given == secret + b":" + key:
        yield "auth-swapped"
    elif given.lower() == right.lower() or token.lower() == base64.b64encode(right).decode().lower():
        yield "auth-case"
    else:
        if given_key != key:
            yield "auth-key"
        if given_secret != secret:
            yield "auth-secret"
