"""A lawful client with its driver, as small as it can be: what certifications are tested with.

Run as a script it speaks the driver protocol; `Client` can be subclassed to misbehave in one way.
"""

from __future__ import annotations

import base64
import http.client
import json
import sys
from typing import Any
from urllib.parse import urlsplit

GET = {"account-details"}


def call(message: dict[str, Any]) -> dict[str, Any]:
    """Make one call and tell what came of it."""
    url = urlsplit(message["base_url"])
    token = base64.b64encode(f"{message['consumer_key']}:{message['consumer_secret']}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Accept": "application/json"}
    body = None
    if message["command"] not in GET:
        headers["Content-Type"] = "application/json"
        body = json.dumps(message["params"]).encode()
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=message["timeout_s"])
    try:
        connection.request("GET" if body is None else "POST", f"{url.path}/{message['command']}", body, headers)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException):
        return {"outcome": "error", "error": "network"}
    finally:
        connection.close()
    return understood(response, content)


def understood(response: http.client.HTTPResponse, content: bytes) -> dict[str, Any]:
    """What an answer says."""
    media_type = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    try:
        answer = json.loads(content.decode())
        code, said, request_id = answer["status_code"], answer["description"], answer["request_id"]
    except (ValueError, TypeError, KeyError):
        return {"outcome": "error", "error": "protocol"}
    if media_type != "application/json" or code != response.status:
        return {"outcome": "error", "error": "protocol"}
    told = {"status_code": code, "description": said, "request_id": request_id}
    return {"outcome": "accepted", **told} if code == 200 else {"outcome": "error", "error": "http", **told}


HELLO = {
    "protocol": 1,
    "implementation": {"name": "lawful", "version": "1.0", "language": "python"},
    "commands": ["sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"],
    "features": [],
}


def main() -> None:
    """Answer messages until `stop`."""
    for line in sys.stdin:
        message = json.loads(line)
        if message["cmd"] == "stop":
            return
        answer = HELLO if message["cmd"] == "hello" else {"id": message["id"], **call(message)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
