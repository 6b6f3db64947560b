"""A gateway small enough to read in one go, to try the suite on: `sms` and `account-details`, over `http.server`.

    python examples/tiny_gateway.py PORT CALLBACK_URL

It tells each message's result to CALLBACK_URL. docs/getting-started.md judges it; it has one flaw, which is found there.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.request
import uuid
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RIGHT = "Basic " + b64encode(b"tiny-Key:tiny-Secret").decode()
COMMANDS = {"/api/v2/sms": "POST", "/api/v2/account-details": "GET"}
FORMS = {"phone_number": r"254[17]\d{8}", "sender_id": r"Statum", "message": r"(?s).+"}
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
NOTIFIERS = ThreadPoolExecutor(8)


def refusal(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, dict[str, Any]] | None:
    """Status, description and further members of the answer to a request that breaks a rule; None if it keeps all."""
    if request.path not in COMMANDS:
        return 404, "There is no such command", {}
    if request.command != COMMANDS[request.path]:
        return 405, "The command has another method", {}
    if request.headers["Authorization"] != RIGHT:
        return 401, "The credential is missing or wrong", {}
    if request.command == "GET":
        return None
    if request.headers.get_content_type() != "application/json" or "Content-Type" not in request.headers:
        return 400, "The body has to be declared as application/json", {}
    try:
        payload = json.loads(body.decode())
    except ValueError:
        return 400, "The body is not JSON", {}
    if not isinstance(payload, dict):
        return 400, "The body is not a JSON object", {}
    errors = {name: [f"{name} is missing or wrong"] for name, form in FORMS.items() if not fits(payload.get(name), form)}
    return (422, "Validation failed", {"validation_errors": errors}) if errors else None


def fits(value: object, form: str) -> bool:
    """Whether it is a text of that form."""
    return isinstance(value, str) and re.fullmatch(form, value, re.ASCII) is not None


def notify(url: str, request_id: str) -> None:
    """Tell the result of a message."""
    result = {"result_code": 200, "result_desc": "Success", "request_id": request_id}
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(result).encode(), headers)).close()  # noqa: S310


class Gateway(BaseHTTPRequestHandler):
    """Answers one request after the other of a connection."""

    protocol_version = "HTTP/1.1"
    callback_url = ""

    def answer(self) -> None:
        """Read the request, answer it, and see to the notification of what was accepted."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request_id = uuid.uuid4().hex
        status, description, more = refusal(self, body) or (200, "Operation successful", {})
        if status == 200 and self.command == "GET":  # noqa: PLR2004
            more = {"organization": ORGANIZATION}
        envelope = {"status_code": status, "description": description, "request_id": request_id, **more}
        content = json.dumps(envelope).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status == 401:  # noqa: PLR2004
            self.send_header("WWW-Authenticate", 'Basic realm="tiny"')
        self.end_headers()
        self.wfile.write(content)
        if status == 200 and self.command == "POST":  # noqa: PLR2004
            NOTIFIERS.submit(notify, self.callback_url, request_id)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing of each request."""


class Server(ThreadingHTTPServer):
    """Takes more connections at once than the standard five."""

    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    Gateway.callback_url = sys.argv[2]
    with Server(("127.0.0.1", int(sys.argv[1])), Gateway) as server:
        print("tiny gateway at http://127.0.0.1:%d/api/v2" % server.server_port, flush=True)  # noqa: T201, UP031
        server.serve_forever()
