"""A client on requests and its receiver on Flask, as a tutorial would write them, and the driver of both."""

import json
import logging
import sqlite3
import sys
import tempfile
import threading

import requests
from flask import Flask, abort, request
from werkzeug.serving import make_server

PRODUCTS = ["sms", "airtime", "mpesa-online", "mpesa-wallet"]


class GatewayError(Exception):
    """The gateway's answer could not be used."""


# --- The client

session = requests.Session()
session.trust_env = False


def call(command, params, base_url, consumer_key, consumer_secret, timeout_s):
    """The gateway's answer as a dict. Raises requests.RequestException and GatewayError."""
    url = f"{base_url}/{command}"
    auth = (consumer_key, consumer_secret)
    if command == "account-details":
        response = session.get(url, auth=auth, timeout=timeout_s)
    else:
        response = session.post(url, json=params, auth=auth, timeout=timeout_s)
    try:
        answer = response.json()
        answer["status_code"], answer["request_id"]
    except (ValueError, TypeError, KeyError) as error:
        raise GatewayError(f"HTTP {response.status_code}: {error!r}") from error
    return answer


# --- The receiver

database = f"{tempfile.mkdtemp()}/results.sqlite"
with sqlite3.connect(database) as connection:
    connection.execute("CREATE TABLE results (request_id TEXT PRIMARY KEY, result_code TEXT, result_desc TEXT)")

app = Flask(__name__)
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@app.post("/hooks/<product>")
def hook(product):
    """Keep the first result of each request."""
    note = request.get_json()
    members = ("request_id", "result_code", "result_desc")
    if not isinstance(note, dict) or not all(isinstance(note.get(name), str) for name in members):
        abort(400)
    connection = sqlite3.connect(database, timeout=30)
    with connection:
        connection.execute("INSERT OR IGNORE INTO results VALUES (?, ?, ?)", [note[name] for name in members])
    connection.close()
    return "", 204


def result(request_id):
    """What became of a request."""
    connection = sqlite3.connect(database, timeout=30)
    row = connection.execute("SELECT * FROM results WHERE request_id = ?", [request_id]).fetchone()
    connection.close()
    if row is None:
        return {"state": "pending"}
    return {
        "state": "succeeded" if row[1] == "200" else "failed",
        "result_code": row[1],
        "result_desc": row[2],
        "applied": 1,
    }


# --- The driver


def invoke(command, params, **rest):
    """What became of a call, in the words of the driver protocol."""
    try:
        answer = call(command, params, **rest)
    except GatewayError as error:
        return {"outcome": "error", "error": "protocol", "description": str(error)}
    except requests.RequestException as error:
        return {"outcome": "error", "error": "network", "description": str(error)}
    told = {name: answer.get(name) for name in ("status_code", "description", "request_id")}
    if answer["status_code"] == 200:
        return {"outcome": "accepted", **told}
    return {"outcome": "error", "error": "http", **told}


server = make_server("127.0.0.1", 0, app, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
for line in sys.stdin:
    message = json.loads(line)
    cmd, name = message.pop("cmd"), message.pop("id", None)
    if cmd == "stop":
        break
    if cmd == "hello":
        answer = {
            "protocol": 1,
            "implementation": {"name": "requests-flask", "language": "python"},
            "commands": ["sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"],
            "features": ["callback", "results"],
            "callback_urls": {name: f"http://127.0.0.1:{server.port}/hooks/{name}?token=f1ask" for name in PRODUCTS},
        }
    elif cmd == "invoke":
        answer = {"id": name, **invoke(**message)}
    else:
        answer = {"id": name, **result(message["request_id"])}
    print(json.dumps(answer), flush=True)
