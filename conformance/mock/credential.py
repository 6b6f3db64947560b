"""The rules about the Authorization header: each way of getting it wrong has its own tag."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from conformance.mock.account import Account
from conformance.model.traffic import Headers, header


def credential_breaches(headers: Headers, account: Account) -> Iterator[str]:
    """The tags of what is wrong with the request's credential; nothing if it is the account's.

    A wrong key together with a wrong secret yields both tags, so that waiving one still refuses the request.
    """
    authentication = account.contract.authentication
    value = header(headers, authentication.header)
    if value is None:
        yield "credential.absent"
        return
    scheme, _, token = value.strip().partition(" ") if authentication.scheme else ("", "", value)
    token = token.strip()
    if scheme and scheme.lower() != authentication.scheme.lower():
        yield "credential.other-scheme"
    elif not token:
        yield "credential.empty"
    else:
        yield from _pair_breaches(token, account) if authentication.names_key else _secret_breaches(token, account)


def _secret_breaches(token: str, account: Account) -> Iterator[str]:
    secret = account.consumer_secret
    if token == account.consumer_key:
        yield "credential.swapped"
    elif token.lower() == secret.lower() and token != secret:
        yield "credential.other-case"
    elif token != secret:
        yield "credential.wrong-secret"


def _pair_breaches(token: str, account: Account) -> Iterator[str]:
    try:
        given = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        yield "credential.not-base64"
        return
    key, secret = account.consumer_key.encode(), account.consumer_secret.encode()
    right = key + b":" + secret
    if given == right:
        return
    given_key, _, given_secret = given.partition(b":")
    if not given_key or (not given_secret and given_key == key):
        yield "credential.empty"
    elif given == secret + b":" + key:
        yield "credential.swapped"
    elif given.lower() == right.lower() or token.lower() == base64.b64encode(right).decode().lower():
        yield "credential.other-case"
    else:
        if given_key != key:
            yield "credential.wrong-key"
        if given_secret != secret:
            yield "credential.wrong-secret"
