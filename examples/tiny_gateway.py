"""A gateway small enough to read in one go, to try the suite on: `sms` and `account-details`, over `http.server`.

    python examples/tiny_gateway.py HOST:PORT CALLBACK_URL

It tells the result of each message to CALLBACK_URL. It has one flaw, which docs/getting-started.md finds and mends.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

# ruff: noqa: INP001 - a script, not a module of a package

RIGHT = "Basic " + b64encode(b"tiny-Key:tiny-Secret").decode()
COMMANDS = {"/api/v2/sms": "POST", "/api/v2/account-details": "GET"}
FORMS = {"phone_number": r"254[17]\d{8}", "sender_id": "Statum", "message": "(?s).+"}
ORGANIZATION = {
    "name": "Tiny Ltd",
    "details": {
        "available_balance": 1000,
        "location": "Nairobi",
        "website": "https://tiny.example",
        "office_email": "office@tiny.example",
        "office_mobile": "254712345678",
        "mpesa_account_top_up_code": "TINY01",
    },
    "accounts": [{"account": "Statum", "service_name": "SMS"}],
}

Members = dict[str, Any]


def refusal(request: BaseHTTPRequestHandler, body: bytes) -> tuple[HTTPStatus, Members] | None:
    """Status and further members of the answer to a request that breaks a rule; None if it keeps all of them."""
    if request.path not in COMMANDS:
        return HTTPStatus.NOT_FOUND, {}
    if request.command != COMMANDS[request.path]:
        return HTTPStatus.METHOD_NOT_ALLOWED, {}
    if request.headers["Authorization"] != RIGHT:
        return HTTPStatus.UNAUTHORIZED, {}
    if request.command == "POST" and request.headers["Content-Type"] != "application/json":
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {}
    return refusal_of_payload(body) if request.command == "POST" else None


def refusal_of_payload(body: bytes) -> tuple[HTTPStatus, Members] | None:
    """The same for what a request says."""
    try:
        payload = json.loads(body.decode())
    except (ValueError, RecursionError):  # no JSON, or nested too deeply to be read
        return HTTPStatus.BAD_REQUEST, {}
    if not isinstance(payload, dict):
        return HTTPStatus.BAD_REQUEST, {}
    wrong = [name for name, form in FORMS.items() if not fits(payload.get(name), form)]
    errors = {name: [f"{name} is missing or wrong"] for name in wrong}
    return (HTTPStatus.UNPROCESSABLE_ENTITY, {"validation_errors": errors}) if errors else None


def fits(value: object, form: str) -> bool:
    """Whether `value` is a text of that form."""
    return isinstance(value, str) and re.fullmatch(form, value, re.ASCII) is not None


def notify(client: httpx.Client, url: str, request_id: str) -> None:
    """Tell the result of a message."""
    client.post(url, json={"result_code": 200, "result_desc": "Success", "request_id": request_id})


class Gateway(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    callback_url = ""
    client = httpx.Client()
    notifiers = ThreadPoolExecutor(4)

    def answer(self) -> None:
        """Read the request, answer it, and see to the notification of what was accepted."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        request_id = uuid.uuid4().hex
        status, more = refusal(self, body) or (HTTPStatus.OK, {})
        if status is HTTPStatus.OK and self.command == "GET":
            more = {"organization": ORGANIZATION}
        self.write({"status_code": status, "description": status.phrase, "request_id": request_id, **more})
        if status is HTTPStatus.OK and self.command == "POST":
            self.notifiers.submit(notify, self.client, self.callback_url, request_id)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server calls

    def write(self, envelope: Members) -> None:
        """Send an answer."""
        content = json.dumps(envelope).encode()
        self.send_response(envelope["status_code"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if envelope["status_code"] == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="tiny"')
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


class Server(ThreadingHTTPServer):
    """Lets more than the usual five connections wait."""

    request_queue_size = 128


if __name__ == "__main__":
    listen, Gateway.callback_url = sys.argv[1:]
    host, _, port = listen.partition(":")
    with Server((host, int(port)), Gateway) as server, suppress(KeyboardInterrupt):
        sys.stdout.write(f"tiny gateway at http://{host}:{port}/api/v2\n")
        sys.stdout.flush()
        server.serve_forever()
