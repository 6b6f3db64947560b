"""Receivers of notifications that keep the contract, cut into methods that a flaw can do otherwise.

Posted      a request that came in
Inbox       serves on its own port; respond → status → take → apply; `result` reports on a request
Till        a receiver of payments that customers start, with an address for inquiries
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PRODUCTS = {"sms": "sms", "airtime": "airtime", "mpesa/online": "mpesa-online", "mpesa-wallet": "mpesa-wallet"}
PAYMENTS, INQUIRIES = "mpesa-c2b", "mpesa-c2b/validation"
MOST_BYTES = 64 << 10
MOST_READ = 8 << 20

Told = dict[str, Any]


@dataclass(frozen=True)
class Posted:
    """A request that came in; `declared` is its Content-Type as it stands, `version` that of HTTP."""

    method: str
    path: str
    media_type: str
    body: bytes
    declared: str = "application/json"
    version: str = "HTTP/1.1"
    offers_upgrade: bool = False


class Subject:
    """A client or a receiver; `breaks` are the ids of the requirements that a flawed one breaks."""

    breaks: tuple[str, ...] = ()

    def __init_subclass__(cls, breaks: tuple[str, ...] | None = None) -> None:
        cls.breaks = cls.breaks if breaks is None else breaks


class Inbox(Subject):
    """Keeps the contract. Its client has these `commands` and `features`, and is `notified` of these, or its commands.

    `known` are the ids that calls were answered with, in order; `told` and `applied` what notifications said and how
    often they took effect, by request_id; `in_flight` whether a call is under way. `protocol`: the HTTP that it speaks;
    `deaf`: it does not read chunks; `served`: the products that it has addresses for.
    """

    commands: tuple[str, ...] = ("sms",)
    features: tuple[str, ...] = ("callback", "results")
    notified: tuple[str, ...] = ()
    thanks = 204
    counts = True
    protocol = "HTTP/1.0"
    deaf = False
    served = frozenset(PRODUCTS.values())

    def __init__(self) -> None:
        self.known: list[str] = []
        self.told: dict[str, Told] = {}
        self.applied: dict[str, int] = {}
        self.in_flight = False
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def urls(self, commands: tuple[str, ...]) -> dict[str, str]:
        """Callback URLs by product: with a prefix and a token."""
        base = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"
        return {PRODUCTS[c]: f"{base}/{PRODUCTS[c]}?token=s3cret" for c in commands if c in PRODUCTS}

    # --- beside the calls

    def calling(self) -> None:
        """A call begins."""
        self.in_flight = True

    def called(self, request_id: str | None) -> None:
        """It has ended, with that request_id if it was accepted."""
        self.in_flight = False
        if request_id is not None:
            self.known.append(request_id)

    # --- notifications

    def respond(self, posted: Posted) -> int:
        """The status that answers a request."""
        path, _, query = posted.path.partition("?")
        if query != "token=s3cret" or path.removeprefix("/hooks/") not in self.served:
            return 404
        if posted.method != "POST":
            return self.other_method(posted)
        if len(posted.body) > MOST_BYTES:
            return self.too_large(posted)
        if posted.media_type != "application/json":
            return self.other_media_type(posted)
        try:
            content = json.loads(posted.body.decode())
        except (ValueError, RecursionError):
            return self.malformed(posted)
        if not self.complete(content):
            return self.incomplete(content)
        return self.take(content)

    def other_method(self, posted: Posted) -> int:
        """For GET, PUT and the rest."""
        return 405

    def too_large(self, posted: Posted) -> int:
        """For a body that no notification has."""
        return 413

    def other_media_type(self, posted: Posted) -> int:
        """For a body that is not declared as JSON."""
        return 415

    def malformed(self, posted: Posted) -> int:
        """For a body that is not JSON, as an empty one."""
        return 400

    def complete(self, content: Any) -> bool:
        """Whether it is an object with the members of a notification, as strings."""
        return isinstance(content, dict) and all(
            isinstance(content.get(name), str) for name in ("request_id", "result_code", "result_desc")
        )

    def incomplete(self, content: Any) -> int:
        """For JSON that is not a notification."""
        return 422

    def take(self, content: Told) -> int:
        """A notification, whether its request is known already or not."""
        with self.lock:
            self.apply(content["request_id"], content)
        return self.thanks

    def apply(self, request_id: str, content: Told) -> None:
        """The first one about a request takes effect."""
        if request_id not in self.told:
            self.told[request_id] = content
            self.applied[request_id] = 1

    # --- what became of it

    def result(self, request_id: str) -> Told:
        """In the words of the driver protocol."""
        content = self.told.get(request_id)
        if content is None:
            answer: Told = {"state": "pending" if request_id in self.known else "unknown", "applied": 0}
        else:
            answer = {"state": self.state(content), "result_code": content["result_code"], "applied": 0}
            answer["result_desc"] = self.reason(content)
            answer["applied"] = self.applied[request_id]
        if not self.counts:
            del answer["applied"]
        return answer

    def state(self, content: Told) -> str:
        """The state that it reports."""
        return "succeeded" if content["result_code"] == "200" else "failed"

    def reason(self, content: Told) -> str:
        """Its text."""
        return str(content["result_desc"])


class Till(Inbox):
    """Makes no calls, and keeps its payments. `asks`: it wants to be asked before."""

    commands = ()
    thanks = 200
    served = frozenset({PAYMENTS})
    asks = True

    def urls(self, commands: tuple[str, ...]) -> dict[str, str]:
        """Those of payments, whatever else."""
        base = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"
        names = (PAYMENTS, INQUIRIES) if self.asks else (PAYMENTS,)
        return {name: f"{base}/{name}?token=s3cret" for name in names}

    def respond(self, posted: Posted) -> int:
        """The status that answers a request, be it an inquiry."""
        if posted.path.partition("?")[0] != f"/hooks/{INQUIRIES}" or posted.method != "POST":
            return super().respond(posted)
        return self.decide(json.loads(posted.body))

    def decide(self, content: Told) -> int:
        """An inquiry."""
        return 200


class _Server(ThreadingHTTPServer):
    request_queue_size = 512


def _handler(inbox: Inbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = inbox.protocol
        disable_nagle_algorithm = True

        def respond(self) -> None:
            body = self.chunks() if self.headers.get("Transfer-Encoding") else self.whole()
            declared = self.headers.get("Content-Type", "")
            posted = Posted(
                self.command,
                self.path,
                self.headers.get_content_type(),
                body,
                declared,
                self.request_version,
                offers_upgrade="Upgrade" in self.headers,
            )
            try:
                status = inbox.respond(posted)
            except Exception:  # noqa: BLE001 - as a web framework does
                status = 500
            answer = b'{"ok":true}' if status == 200 and self.command != "HEAD" else b""
            self.send_response(status)
            if answer:
                self.send_header("Content-Type", "application/json")
            if status != 204:
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def whole(self) -> bytes:
            length = self.headers.get("Content-Length", "")
            return self.rfile.read(min(int(length), MOST_READ)) if length.isdecimal() else b""

        def chunks(self) -> bytes:
            body = b""
            while length := int(self.rfile.readline(), 16):
                body += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return b"" if inbox.deaf else body

        do_POST = do_GET = do_PUT = do_HEAD = do_PATCH = do_DELETE = do_OPTIONS = respond  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
