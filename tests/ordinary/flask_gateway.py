"""A gateway on Flask, as a tutorial would write it: flask_gateway.py PORT CALLBACK_BASE_URL."""

import json
import logging
import re
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import requests
from flask import Flask, jsonify, request
from werkzeug.exceptions import HTTPException

CALLBACKS = sys.argv[2]
PHONE = r"\+?254[17]\d{8}"
SHILLINGS = r"[1-9]\d{0,4}"
RULES = {
    "sms": {"phone_number": PHONE, "sender_id": "Statum", "message": r"(?s).+"},
    "airtime": {"phone_number": PHONE, "amount": SHILLINGS},
    "mpesa/online": {"short_code": "174379", "phone_number": PHONE, "amount": SHILLINGS},
    "mpesa-wallet": {"short_code": "174379", "phone_number": PHONE, "amount": SHILLINGS},
}

app = Flask(__name__)
logging.getLogger("werkzeug").setLevel(logging.ERROR)
pool = ThreadPoolExecutor(8)
session = requests.Session()
lock = threading.Lock()
recent = {}


def answered(status, description, **members):
    """An answer in the envelope."""
    envelope = {"status_code": status, "description": description, "request_id": str(uuid.uuid4()), **members}
    return jsonify(envelope), status


def refused_for_a_while(payload):
    """Whether the same airtime was bought within five minutes; remembers it if not."""
    key = payload["phone_number"].removeprefix("+"), payload["amount"]
    with lock:
        now = time.monotonic()
        if now - recent.get(key, float("-inf")) < 300:
            return True
        recent[key] = now
        return False


def notify(product, request_id):
    """Tell the result."""
    note = {"result_code": "200", "result_desc": "Success", "request_id": request_id}
    session.post(f"{CALLBACKS}/{product}", json=note, timeout=10)


@app.before_request
def authenticate():
    """Let nobody else in."""
    if request.endpoint is None:
        return None  # 404 and 405 come first
    credential = request.authorization
    if (
        credential is None
        or credential.type != "basic"
        or (credential.username, credential.password) != ("key", "secret")
    ):
        answer, status = answered(401, "Authentication failed")
        return answer, status, {"WWW-Authenticate": "Basic"}
    return None


@app.post("/api/v2/<path:command>")
def post(command):
    """Take a request."""
    if command == "account-details":
        return answered(405, "Method not allowed")
    if command not in RULES:
        return answered(404, "Unknown command")
    payload = request.get_json()
    if not isinstance(payload, dict):
        return answered(400, "The body must be a JSON object")
    errors = {
        name: [f"The {name} field is invalid."]
        for name, rule in RULES[command].items()
        if not isinstance(payload.get(name), str) or not re.fullmatch(rule, payload[name], re.ASCII)
    }
    if "bill_ref_number" in payload and not isinstance(payload["bill_ref_number"], str):
        errors["bill_ref_number"] = ["The bill_ref_number field is invalid."]
    if command == "airtime" and not errors and not 5 <= int(payload["amount"]) <= 10000:
        errors["amount"] = ["The amount field is invalid."]
    if errors:
        return answered(422, "Validation failed", validation_errors=errors)
    if command == "airtime" and refused_for_a_while(payload):
        return answered(400, "Similar request within five minutes")
    answer, status = answered(200, "Operation successful")
    pool.submit(notify, command.replace("/", "-"), json.loads(answer.data)["request_id"])
    return answer, status


@app.get("/api/v2/account-details")
def account_details():
    """Show the account."""
    details = {
        "available_balance": 1000.5,
        "location": "Nairobi",
        "website": "https://example.com",
        "office_email": "office@example.com",
        "office_mobile": "254712345678",
        "mpesa_account_top_up_code": "TOP01",
    }
    accounts = [{"account": "Statum", "service_name": "SMS"}]
    return answered(
        200, "Operation successful", organization={"name": "Ordinary Ltd", "details": details, "accounts": accounts}
    )


@app.errorhandler(HTTPException)
def failed(error):
    """What Flask itself refuses."""
    return answered(error.code, error.description)


app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
