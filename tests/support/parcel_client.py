"""A client of the invented courier with its receiver of news, as a driver: parcel_client.py [FLAW].

Nothing here knows the suite but for the driver protocol. `FLAWS` names what each flaw does, and which requirements of
`contracts/parcel/` it breaks.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

FLAWS: dict[str, tuple[str, ...]] = {
    "sends-the-key-too": ("CAL-04",),  # Basic, as other gateways have it
    "posts-to-the-product": ("CAL-03",),
    "sends-values-as-numbers": ("CAL-08",),
    "wants-200": ("HRD-01", "CAL-13"),
    "trusts-http": ("HRD-07",),
    "waybill-as-number": ("HRD-02",),
    "collects-twice": ("AGN-05", "AGN-07"),
    "takes-any-news-for-delivered": ("EAR-04",),
    "applies-each-time": ("EAR-07", "EAR-08"),
    "gives-no-reason": ("EAR-05",),
    "takes-post-alone": ("EAR-01",),
}
FLAW = sys.argv[1] if len(sys.argv) > 1 else None

HTTP = httpx.AsyncClient(timeout=None)  # noqa: S113 - made once; its connections are used again
RUNNER = asyncio.Runner()

COMMANDS = {"parcels": "parcel", "parcels/cash": "cash"}
TOKEN = secrets.token_urlsafe()
PATHS = {product: f"/news/{product}/{TOKEN}" for product in COMMANDS.values()}
MOST_BYTES, MOST_READ = 64 << 10, 8 << 20

news: dict[str, dict[str, str]] = {}
counts: dict[str, int] = {}
writing = threading.Lock()


# --- The client


async def call(command: str, params: dict[str, Any], timeout_s: float, base_url: str, **keys: str) -> httpx.Response:
    """The courier's answer."""
    headers = {"Authorization": f"Bearer {keys['consumer_secret']}"}
    if FLAW == "sends-the-key-too":
        pair = f"{keys['consumer_key']}:{keys['consumer_secret']}"
        headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if FLAW == "posts-to-the-product":
        command = COMMANDS[command]
    if FLAW == "sends-values-as-numbers":
        params = {name: int(value) if name == "value" else value for name, value in params.items()}
    async with asyncio.timeout(timeout_s):
        return await HTTP.post(f"{base_url}/{command}", json=params, headers=headers)


def understood(response: httpx.Response) -> dict[str, Any]:
    """What it says, in the words of the driver protocol. ValueError if it is none that a courier gives."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    answer = json.loads(response.content.decode()) if media_type == "application/json" else None
    if not isinstance(answer, dict) or (answer.get("code") != response.status_code and FLAW != "trusts-http"):
        raise ValueError(f"HTTP {response.status_code}, with a body that is no answer of the courier")
    words = {"status_code": "code", "description": "text", "request_id": "waybill"}
    said = {word: answer[name] for word, name in words.items() if name in answer}
    if FLAW == "waybill-as-number" and str(said.get("request_id")).isdecimal():
        said["request_id"] = str(int(said["request_id"]))
    taken = response.status_code == (200 if FLAW == "wants-200" else 202)
    if taken and isinstance(said.get("request_id"), str):
        return {"outcome": "accepted", **said}
    return {"outcome": "error", "error": "protocol" if taken else "http", **said}


def invoke(**asked: Any) -> dict[str, Any]:
    """What became of a call."""
    if asked["command"] not in COMMANDS:
        return {"unsupported": True}
    error = "network"
    for _attempt in range(2 if FLAW == "collects-twice" else 1):
        try:
            response = RUNNER.run(call(**asked))
            error = "protocol"
            return understood(response)
        except (httpx.HTTPError, TimeoutError) as failure:
            told = {"outcome": "error", "error": "network", "description": repr(failure)}
        except (ValueError, RecursionError) as complaint:
            return {"outcome": "error", "error": error, "description": str(complaint)}
    return told


# --- The receiver


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to news and 4xx to anything else."""

    timeout = 10

    def respond(self) -> None:
        """Read all of it, and answer."""
        length = self.headers.get("Content-Length", "")
        body = self.rfile.read(min(int(length), MOST_READ)) if length.isdecimal() else b""
        self.send_response(self.status(body))
        self.end_headers()

    do_POST = do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond  # noqa: N815

    def status(self, body: bytes) -> int:
        """What it is answered with."""
        if self.path not in PATHS.values():
            return 404
        if self.command != ("POST" if FLAW == "takes-post-alone" else "PUT"):
            return 405
        if len(body) > MOST_BYTES:
            return 413
        try:
            content = json.loads(body.decode())
            told = {name: content[name] for name in ("waybill_number", "state", "note")}
        except (ValueError, RecursionError, TypeError, LookupError):
            return 400
        if not all(isinstance(value, str) for value in told.values()):
            return 400
        waybill = told.pop("waybill_number")
        with writing:
            news.setdefault(waybill, told)
            counts[waybill] = counts.get(waybill, 0) + 1
        return 204

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def result(request_id: str) -> dict[str, Any]:
    """What became of a request."""
    if request_id not in news:
        return {"state": "pending", "applied": 0}
    told = news[request_id]
    well = told["state"] == "DELIVERED" or FLAW == "takes-any-news-for-delivered"
    reason = "" if FLAW == "gives-no-reason" else told["note"]
    return {
        "state": "succeeded" if well else "failed",
        "result_code": told["state"],
        "result_desc": reason,
        "applied": counts[request_id] if FLAW == "applies-each-time" else 1,
    }


def answered(hello: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    """The answer to a message of the suite."""
    name = message.pop("cmd")
    if name == "hello":
        return hello
    return {"id": message.pop("id"), **(invoke if name == "invoke" else result)(**message)}


if __name__ == "__main__":
    server_class = type("Server", (ThreadingHTTPServer,), {"request_queue_size": 512})
    server = server_class(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urls = {product: f"http://127.0.0.1:{server.server_port}{path}" for product, path in PATHS.items()}
    about = {"protocol": 1, "implementation": {"name": "parcel-client"}, "commands": [*COMMANDS]}
    about |= {"features": ["callback", "results"], "callback_urls": urls}
    for line in sys.stdin.buffer:
        told = json.loads(line)
        if told["cmd"] == "stop":
            break
        print(json.dumps(answered(about, told)), flush=True)  # noqa: T201 - how a driver answers
