"""A client on httpx and its driver: statum-conformance certify --driver 'python examples/drivers/python_httpx.py'.

`call` and `understood` are the client, as an SDK would have it; the rest translates to and from the driver protocol.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import httpx

REQUIRED: dict[str, tuple[str, ...]] = {
    "sms": ("phone_number", "sender_id", "message"),
    "airtime": ("phone_number", "amount"),
    "mpesa/online": ("short_code", "phone_number", "amount"),
    "mpesa-wallet": ("short_code", "phone_number", "amount"),
    "account-details": (),
}
ANSWER = {"status_code": "status_code", "description": "description", "request_id": "request_id"}  # word: member

HTTP = httpx.AsyncClient(timeout=None)  # noqa: S113 - made once; its connections are used again
RUNNER = asyncio.Runner()


async def call(command: str, params: dict[str, str], timeout_s: float, base_url: str, **keys: str) -> httpx.Response:
    """The gateway's answer. Sends once: whether to send again is for the caller to decide, who knows what it costs."""
    if not all(params.get(name) for name in REQUIRED[command]):
        raise ValueError(f"{command} needs {' and '.join(REQUIRED[command])}")
    auth = (keys["consumer_key"], keys["consumer_secret"])
    # httpx follows no redirect by itself, so the credential stays here; its own time-outs are for each piece alone.
    async with asyncio.timeout(timeout_s):
        url = f"{base_url}/{command}"
        return await (HTTP.post(url, json=params, auth=auth) if REQUIRED[command] else HTTP.get(url, auth=auth))


def understood(response: httpx.Response) -> dict[str, Any]:
    """What the answer says. ValueError if it is none that a gateway gives."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    answer = json.loads(response.content.decode()) if media_type == "application/json" else None
    if not isinstance(answer, dict) or answer.get(ANSWER["status_code"]) != response.status_code:
        raise ValueError(f"HTTP {response.status_code}, with a body that is no answer of the gateway")
    said = {word: answer[name] for word, name in ANSWER.items() if name in answer}
    if response.status_code == 200 and isinstance(said.get("request_id"), str):
        return {"outcome": "accepted", **said}
    return {"outcome": "error", "error": "protocol" if response.status_code == 200 else "http", **said}


def invoke(**asked: Any) -> dict[str, Any]:
    """What became of a call, in the words of the driver protocol."""
    if asked["command"] not in REQUIRED:
        return {"unsupported": True}
    error = "rejected-locally"
    try:
        response = RUNNER.run(call(**asked))
        error = "protocol"
        return understood(response)
    except (httpx.HTTPError, TimeoutError) as failure:
        return {"outcome": "error", "error": "network", "description": repr(failure)}
    except (ValueError, RecursionError) as complaint:
        return {"outcome": "error", "error": error, "description": str(complaint)}


def drive(hello: dict[str, Any], **commands: Callable[..., dict[str, Any]]) -> None:
    """Answer each line on standard input with one on standard output, until told to stop."""
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if (name := message.pop("cmd")) == "stop":
            break
        answer = hello if name == "hello" else {"id": message.pop("id"), **commands[name](**message)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    made_by = {"name": "example-httpx", "version": "1.0.0", "language": "python"}
    drive({"protocol": 1, "implementation": made_by, "commands": [*REQUIRED], "features": []}, invoke=invoke)
