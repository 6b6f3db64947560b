"""A gateway with six defects that teams have: defective_gateway.py PORT CALLBACK_BASE_URL.

It answers as FastAPI does, on http.server, so that it needs nothing beside Python. Its team would say:

1. Errors are the framework's own: {"detail": …}, and plain text where it crashes.
2. The pattern of phone numbers has no end, so longer numbers pass.
3. A notification has null for the reason.
4. Airtime is notified with the operator's own code, "0000".
5. SMS are handed on in UCS-2, two bytes a character, so an emoji crashes it.
6. It logs each body by a recursive function, so deep nesting crashes it.
"""

import base64
import json
import re
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PORT, CALLBACKS = int(sys.argv[1]), urlsplit(sys.argv[2])
CREDENTIAL = "Basic " + base64.b64encode(b"key:secret").decode()
PREFIX = "/api/v2/"
PHONE = r"\+?254[17]\d{8}"
SHILLINGS = r"[1-9]\d{0,4}$"
SHORT_CODE = {"short_code": r"174379$", "phone_number": PHONE, "amount": SHILLINGS}
RULES = {
    "sms": {"phone_number": PHONE, "sender_id": r"Statum$", "message": r"(?s)."},
    "airtime": {"phone_number": PHONE, "amount": SHILLINGS},
    "mpesa/online": SHORT_CODE,
    "mpesa-wallet": SHORT_CODE,
}
ACCOUNT = {
    "name": "Ordinary Ltd",
    "details": {
        "available_balance": 1000.5,
        "location": "Nairobi",
        "website": "https://example.com",
        "office_email": "office@example.com",
        "office_mobile": "254712345678",
        "mpesa_account_top_up_code": "TOP01",
    },
    "accounts": [{"account": "Statum", "service_name": "SMS"}],
}

pool = ThreadPoolExecutor(8)
lock = threading.Lock()
recent = {}


class Refusal(Exception):
    """An HTTPException: status, detail, headers."""


def bought_before(payload):
    """Whether the same airtime was bought within five minutes; remembers it if not."""
    key = payload["phone_number"].removeprefix("+"), payload["amount"]
    with lock:
        now = time.monotonic()
        if now - recent.get(key, float("-inf")) < 300:
            return True
        recent[key] = now
        return False


def notify(command, request_id):
    """Send the result."""
    code, reason = ("0000", "Success") if command == "airtime" else ("200", None if command == "sms" else "Success")
    note = {"result_code": code, "result_desc": reason, "request_id": request_id}
    connection = HTTPConnection(CALLBACKS.netloc, timeout=10)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"{CALLBACKS.path}/{command.replace('/', '-')}", json.dumps(note), headers)
    connection.getresponse().read()
    connection.close()


def depth(value):
    """How deep a body is nested, for the log."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, members), default=0)


def parsed(headers, body):
    """The body of a request."""
    if headers.get_content_type() != "application/json":
        raise Refusal(415, "Unsupported media type")
    try:
        payload = json.loads(body.decode())
    except ValueError as error:
        raise Refusal(422, [{"type": "json_invalid", "loc": ["body"], "msg": str(error)}]) from error
    depth(payload)
    if not isinstance(payload, dict):
        raise Refusal(422, [{"type": "dict_type", "loc": ["body"], "msg": "Input should be a valid dictionary"}])
    return payload


def validated(payload, rules):
    """Refuse a payload that breaks a rule."""
    errors = [
        {"type": "string_pattern_mismatch", "loc": ["body", name], "msg": f"String should match pattern '{rule}'"}
        for name, rule in rules.items()
        if not isinstance(payload.get(name), str) or not re.match(rule, payload[name], re.ASCII)
    ]
    if "bill_ref_number" in payload and not isinstance(payload["bill_ref_number"], str):
        errors.append({"type": "string_type", "loc": ["body", "bill_ref_number"], "msg": "Input should be a string"})
    if not errors and rules is RULES["airtime"] and not 5 <= int(payload["amount"]) <= 10000:
        errors.append({"type": "range", "loc": ["body", "amount"], "msg": "Input should be from 5 to 10000"})
    if errors:
        raise Refusal(422, errors)


def answered(method, path, headers, body):
    """The members of a success, beside the envelope."""
    command = path.removeprefix(PREFIX)
    if not path.startswith(PREFIX) or command not in (*RULES, "account-details"):
        raise Refusal(404, "Not Found")
    if method != ("GET" if command == "account-details" else "POST"):
        raise Refusal(405, "Method Not Allowed")
    if headers.get("Authorization") != CREDENTIAL:
        raise Refusal(401, "Not authenticated", {"WWW-Authenticate": "Basic"})
    request_id = str(uuid.uuid4())
    if command == "account-details":
        return {"request_id": request_id, "organization": ACCOUNT}
    payload = parsed(headers, body)
    validated(payload, RULES[command])
    if command == "sms":
        b"".join(ord(character).to_bytes(2) for character in payload["message"])  # for the modem
    if command == "airtime" and bought_before(payload):
        raise Refusal(400, "Similar request within five minutes")
    pool.submit(notify, command, request_id)
    return {"request_id": request_id}


class Gateway(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_any(self):
        """Answer a request of any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        media_type = "application/json"
        more = {}
        try:
            members = answered(self.command, self.path.partition("?")[0], self.headers, body)
            status, answer = 200, json.dumps({"status_code": 200, "description": "Operation successful", **members})
        except Refusal as refusal:
            status, detail, *headers = refusal.args
            answer, more = json.dumps({"detail": detail}), dict(*headers)
        except Exception:  # noqa: BLE001 - as a framework does
            status, answer, media_type = 500, "Internal Server Error", "text/plain; charset=utf-8"
        data = answer.encode()
        self.send_response(status)
        for name, value in {"Content-Type": media_type, "Content-Length": str(len(data)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def __getattr__(self, name):
        """The methods that http.server looks for: do_GET and others."""
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def log_message(self, *_):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Many connections."""

    request_queue_size = 256
    daemon_threads = True


Server(("127.0.0.1", PORT), Gateway).serve_forever()
