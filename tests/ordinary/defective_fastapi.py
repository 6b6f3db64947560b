"""A gateway in FastAPI with six defects that teams have: defective_fastapi.py PORT CALLBACK_BASE_URL.

Its team would say:

1. Errors are the framework's own: {"detail": …}, and plain text where it crashes.
2. The pattern of phone numbers has no end, so longer numbers pass.
3. A notification has null for the reason.
4. Airtime is notified with the operator's own code, "0000".
5. SMS are handed on in UCS-2, two bytes a character, so an emoji crashes it.
6. It logs the extra members of a body by a recursive function, so deep nesting crashes it.
"""

import secrets
import sys
import time
import uuid
from typing import Annotated, Any

import requests
import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, ConfigDict, StringConstraints

PORT, CALLBACKS = int(sys.argv[1]), sys.argv[2]

Phone = Annotated[str, StringConstraints(strict=True, pattern=r"^\+?254[17][0-9]{8}")]
Shillings = Annotated[str, StringConstraints(strict=True, pattern=r"^[1-9][0-9]{0,4}$")]
ShortCode = Annotated[str, StringConstraints(strict=True, pattern=r"^174379$")]
Text = Annotated[str, StringConstraints(strict=True)]


class Payload(BaseModel):
    """Members that nobody asked for are kept for the log."""

    model_config = ConfigDict(extra="allow")


class Sms(Payload):
    """A message."""

    phone_number: Phone
    sender_id: Annotated[str, StringConstraints(strict=True, pattern=r"^Statum$")]
    message: Annotated[str, StringConstraints(strict=True, min_length=1)]


class Airtime(Payload):
    """Airtime."""

    phone_number: Phone
    amount: Shillings


class Mpesa(Payload):
    """A payment."""

    short_code: ShortCode
    phone_number: Phone
    amount: Shillings
    bill_ref_number: Text = ""


app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
basic = HTTPBasic()
recent: dict[tuple[str, str], float] = {}


def authenticated(given: Annotated[HTTPBasicCredentials, Depends(basic)]) -> None:
    """Refuse a wrong credential."""
    if not secrets.compare_digest(f"{given.username}:{given.password}".encode(), b"key:secret"):
        raise HTTPException(401, "Invalid credentials", {"WWW-Authenticate": "Basic"})


def depth(value: Any) -> int:
    """How deep a value is nested, for the log."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, members), default=0)


def notify(product: str, request_id: str, code: str = "200", reason: str | None = "Success") -> None:
    """Send the result."""
    note = {"result_code": code, "result_desc": reason, "request_id": request_id}
    requests.post(f"{CALLBACKS}/{product}", json=note, timeout=10)


def accepted(payload: Payload, tasks: BackgroundTasks, *result: str | None) -> dict[str, Any]:
    """The answer to an accepted request, whose result is sent afterwards."""
    depth(payload.model_extra)
    request_id = str(uuid.uuid4())
    tasks.add_task(notify, result[0], request_id, *result[1:])
    return {"status_code": 200, "description": "Operation successful", "request_id": request_id}


@app.post("/api/v2/sms", dependencies=[Depends(authenticated)])
def sms(payload: Sms, tasks: BackgroundTasks) -> dict[str, Any]:
    """Hand on a message to the modem."""
    b"".join(ord(character).to_bytes(2, "big") for character in payload.message)
    return accepted(payload, tasks, "sms", "200", None)


@app.post("/api/v2/airtime", dependencies=[Depends(authenticated)])
def airtime(payload: Airtime, tasks: BackgroundTasks) -> dict[str, Any]:
    """Buy airtime, the same once in five minutes."""
    if not 5 <= int(payload.amount) <= 10000:
        raise HTTPException(422, "The amount has to be from 5 to 10000")
    key, now = (payload.phone_number.removeprefix("+"), payload.amount), time.monotonic()
    if now - recent.setdefault(key, now) < 300 and recent[key] != now:
        raise HTTPException(400, "Similar request within five minutes")
    recent[key] = now
    return accepted(payload, tasks, "airtime", "0000")


@app.post("/api/v2/mpesa/online", dependencies=[Depends(authenticated)])
def mpesa_online(payload: Mpesa, tasks: BackgroundTasks) -> dict[str, Any]:
    """Ask a customer to pay."""
    return accepted(payload, tasks, "mpesa-online")


@app.post("/api/v2/mpesa-wallet", dependencies=[Depends(authenticated)])
def mpesa_wallet(payload: Mpesa, tasks: BackgroundTasks) -> dict[str, Any]:
    """Pay a customer."""
    return accepted(payload, tasks, "mpesa-wallet")


@app.get("/api/v2/account-details", dependencies=[Depends(authenticated)])
def account_details() -> dict[str, Any]:
    """Describe the account."""
    details = {
        "available_balance": 1000.5,
        "location": "Nairobi",
        "website": "https://example.com",
        "office_email": "office@example.com",
        "office_mobile": "254712345678",
        "mpesa_account_top_up_code": "TOP01",
    }
    accounts = [{"account": "Statum", "service_name": "SMS"}]
    organization = {"name": "Ordinary Ltd", "details": details, "accounts": accounts}
    request_id = str(uuid.uuid4())
    return {"status_code": 200, "description": "OK", "request_id": request_id, "organization": organization}


uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="critical")
