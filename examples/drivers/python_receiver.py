"""A receiver of notifications on http.server, with the client of python_httpx.py, and the driver of both.

statum-conformance certify --driver 'python examples/drivers/python_receiver.py'
"""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from python_httpx import REQUIRED, drive, invoke  # lies beside this file

TOKEN = secrets.token_urlsafe()  # notifications carry no signature: who does not know this is not the gateway
PATHS = {product: f"/hooks/{product}?token={TOKEN}" for product in ("sms", "airtime", "mpesa-online", "mpesa-wallet")}
NOTIFICATION = {"result_code": "result_code", "result_desc": "result_desc", "request_id": "request_id"}  # word: member
MOST_BYTES, MOST_READ = 64 << 10, 8 << 20  # what lies between is read only to be refused in peace

# The first word on a request stands, for there may be more; none is turned away, for it may come before the answer.
results: dict[str, dict[str, str]] = {}
writing = threading.Lock()


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to a notification and 4xx to anything else."""

    timeout = 10  # seconds for a body to come, so that nobody holds a thread for ever

    def respond(self) -> None:
        length = self.headers.get("Content-Length", "")
        body = self.rfile.read(min(int(length), MOST_READ)) if length.isdecimal() else b""
        self.send_response(self.status(body))
        self.end_headers()

    do_POST = do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond  # noqa: N815 - names it looks for

    def status(self, body: bytes) -> int:
        if self.path not in PATHS.values():
            return 404
        if self.command != "POST":
            return 405
        if len(body) > MOST_BYTES:
            return 413
        if self.headers.get_content_type() != "application/json":
            return 415
        try:
            content = json.loads(body.decode())
            told = {word: content[name] for word, name in NOTIFICATION.items()}
        except (ValueError, RecursionError, TypeError, LookupError):
            return 400
        if not all(isinstance(value, str) for value in told.values()):
            return 400
        with writing:
            results.setdefault(told.pop("request_id"), told)
        return 204

    def log_message(self, *_: Any) -> None: ...


def result(request_id: str) -> dict[str, Any]:
    """What became of a request, in the words of the driver protocol."""
    if request_id not in results:
        return {"state": "pending", "applied": 0}
    told = results[request_id]
    return {**told, "state": "succeeded" if told["result_code"] == "200" else "failed", "applied": 1}


if __name__ == "__main__":
    server_class = type("Server", (ThreadingHTTPServer,), {"request_queue_size": 512})  # notifications come in bursts
    server = server_class(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urls = {product: f"http://127.0.0.1:{server.server_port}{path}" for product, path in PATHS.items()}
    implementation = {"name": "example-receiver", "version": "1.0.0", "language": "python"}
    about = {"protocol": 1, "implementation": implementation, "commands": [*REQUIRED]}
    drive({**about, "features": ["callback", "results"], "callback_urls": urls}, invoke=invoke, result=result)
