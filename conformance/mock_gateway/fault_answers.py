"""Which answers a fault touches, and what is done to them that could not be done to a notification.

Requests for an unknown command or a wrong method are judged as a whole by CMD, an over-long message by LEN-01. So
`success`, `error` and `any_answer` leave those alone: a fault of the envelope there would break two requirements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from conformance.contract.commands import COMMANDS
from conformance.mock_gateway.behaviour import Moment, Reply
from conformance.mock_gateway.fault_admission import over_long
from conformance.mock_gateway.fault_changes import ReplyChange, Which
from conformance.mock_gateway.fault_messages import changing, declaring, without_header
from conformance.mock_gateway.forms import success_reason
from conformance.mock_gateway.refusals import CREDENTIAL_TAGS, MEMBER_TAGS, METHOD, UNKNOWN_COMMAND
from conformance.mock_gateway.rendering import json_bytes

CREDENTIAL, VALIDATION, PATH = frozenset(CREDENTIAL_TAGS), frozenset(MEMBER_TAGS), frozenset({METHOD, UNKNOWN_COMMAND})


def anything(moment: Moment) -> bool:
    """Any answer at all."""
    return True


def refused(moment: Moment) -> bool:
    """Any answer to a refused request."""
    return moment.refusal is not None


def any_answer(moment: Moment) -> bool:
    """An answer to a request for a command and method that exist, but for an over-long message."""
    return moment.refusal not in PATH and not over_long(moment)


def success(moment: Moment) -> bool:
    """Such an answer, to an accepted request."""
    return moment.refusal is None and any_answer(moment)


def error(moment: Moment) -> bool:
    """Such an answer, to a refused request."""
    return moment.refusal is not None and any_answer(moment)


def both(one: Which, other: Which) -> Which:
    """Those that one and the other take."""
    return lambda moment: one(moment) and other(moment)


def refused_as(*tags: str) -> Which:
    """An answer to a request that was refused with one of the tags."""
    return lambda moment: moment.refusal in tags


def from_request(number: int, which: Which) -> Which:
    """Those of `which` from the request with that number on (the first is 1)."""
    return lambda moment: moment.count >= number and which(moment)


def posted(which: Which) -> Which:
    """Those of `which` that are about a command with a notification, which spares the first call of every run."""

    def taken(moment: Moment) -> bool:
        return moment.command in COMMANDS and COMMANDS[moment.command].product is not None and which(moment)

    return taken


def http_status(status: int) -> ReplyChange:
    """Another HTTP status; the body stays."""
    return lambda reply, moment: replace(reply, status=status)


def status(code: int, description: str) -> ReplyChange:
    """Another status, in the status line and in the envelope, and its description."""

    def reshape(reply: Reply, moment: Moment) -> Reply:
        if not isinstance(reply.content, Mapping):
            return reply
        return replace(reply, status=code, content={**reply.content, "status_code": code, "description": description})

    return reshape


def as_success(reply: Reply, moment: Moment) -> Reply:
    """The status and the words of an accepted request."""
    return status(moment.contract.answer.success, success_reason(moment.contract))(reply, moment)


def html_page(reply: Reply, moment: Moment) -> Reply:
    """The error as a page for people, as a web server in front of a gateway would send it; the HTTP status stays."""
    page = f"<html><head><title>{reply.status}</title></head><body><h1>{reply.status}</h1></body></html>\n"
    return replace(reply, headers=declaring(reply.headers, "text/html"), raw=page.encode())


def dropped(reply: Reply, moment: Moment) -> Reply:
    """No answer: the connection closes."""
    return replace(reply, dropped=True)


def followed_by_another(reply: Reply, moment: Moment) -> Reply:
    """A second answer comes behind it on the same connection, whole and right, to nobody's request."""
    body = json_bytes({"status_code": 200, "description": "Request processed", "request_id": f"second-{moment.count}"})
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return replace(reply, beyond=head + body)


def without_challenge(reply: Reply, moment: Moment) -> Reply:
    """No WWW-Authenticate."""
    return replace(reply, headers=without_header(reply.headers, "www-authenticate"))


def fields_as_list(errors: Any) -> Any:
    """validation_errors as an array of objects, as other APIs have them."""
    return [{"field": field, "messages": messages} for field, messages in errors.items()]


def misnamed_fields(errors: Any) -> Any:
    """validation_errors that blame the body as a whole."""
    return {"body": [message for messages in errors.values() for message in messages]}


def nameless_organization() -> ReplyChange:
    """An organization without its name."""
    return changing("organization", lambda held: {name: value for name, value in held.items() if name != "name"})


def organization_without(detail: str) -> ReplyChange:
    """An organization whose details lack one."""
    return _details(lambda details: {name: value for name, value in details.items() if name != detail})


def balance_as_text() -> ReplyChange:
    """An organization whose available_balance is a string."""
    return _details(lambda details: {**details, "available_balance": f"{details['available_balance']}"})


def accounts_by_name() -> ReplyChange:
    """Accounts as an object instead of an array, in the organization or its details, wherever they are."""

    def by_name(accounts: Any) -> Any:
        return {account["service_name"]: account["account"] for account in accounts}

    def moved(organization: Any) -> Any:
        if "accounts" in organization:
            return {**organization, "accounts": by_name(organization["accounts"])}
        details = organization["details"]
        return {**organization, "details": {**details, "accounts": by_name(details["accounts"])}}

    return changing("organization", moved)


def _details(edit: Any) -> ReplyChange:
    return changing("organization", lambda held: {**held, "details": edit(held["details"])})
