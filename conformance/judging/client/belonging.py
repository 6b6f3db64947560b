"""Whether a request that came to no base URL is of the client: anybody may call at an open port.

speaks_of_a_call    whether it holds something that only a client knows, or asks for a command
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote, unquote

from conformance.contract.contract import Contract
from conformance.model.traffic import Request

# Shorter values stand in anything.
SHORTEST_TRACE = 6

# So a base URL begins: a nonce, which nobody guesses.
_OF_A_BASE_URL = "/n/"


def speaks_of_a_call(request: Request, contract: Contract, key: str, secret: str, params: Iterable[str] = ()) -> bool:
    """Whether a request holds the credential, a value of the call's, or names a command or a base URL.

    A scanner asks for what it hopes to find there, which is none of these.
    """
    path = unquote(request.url.partition("?")[0]).rstrip("/").lower()
    if _OF_A_BASE_URL in path or any(path.endswith(f"/{name.lower()}") for name in contract.commands):
        return True
    pair = b64encode(f"{key}:{secret}".encode()).decode().rstrip("=")
    traces = {each for each in (key, secret, pair, *params) if len(each) >= SHORTEST_TRACE}
    traces |= {quote(each, safe="") for each in traces}
    headers = "\n".join(value for _, value in request.headers)
    return any(each in request.url or each in headers or each.encode() in request.body for each in traces)
