"""The control API of a mock gateway that people develop against: JSON over HTTP, beside the gateway's own commands.

    controlled      a MockGateway with its page and its control API
    Control         answers the requests to them

`schemas/formats/control.json` describes the messages, and docs/mock.md the paths. A page of another site cannot use it:
a request that names another origin is refused.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from conformance.contract.schemas import FORMATS
from conformance.mock.behaviour import Reply
from conformance.mock.gateway import JSON_HEADER
from conformance.mock.notifications import kinds
from conformance.mock.page import SECURITY_HEADERS, page
from conformance.mock.partner import MockGateway
from conformance.mock.recent import RecordedRequest, SentNotification, text_of, without_token
from conformance.mock.serving import Initiated
from conformance.model.errors import ConformanceError, did_you_mean
from conformance.model.traffic import Headers, Request, header
from conformance.model.untrusted import parse_json

# A POST to PRODUCT below this path starts a transaction that no request precedes.
UNSOLICITED = "/unsolicited/"

_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")

Answering = Callable[[Request], Awaitable[Reply]]


class ControlError(Exception):
    """A request to the control API that cannot be answered as it is; `reply` says why."""

    def __init__(self, status: int, error: str, hint: str | None = None, *more: tuple[str, str]) -> None:
        super().__init__(error)
        self.reply = Reply(status, (JSON_HEADER, *more), {"error": error, "hint": hint})


class Control:
    """The page and the control API of `gateway`, in the loop of its server."""

    def __init__(self, gateway: MockGateway) -> None:
        self._gateway = gateway
        self._paths: Mapping[str, Mapping[str, Answering]] = {
            "/": {"GET": self._page},
            "/_exchanges": {"GET": self._exchanges},
            "/_kinds": {"GET": self._kinds},
            "/_callbacks": {"GET": self._callbacks, "POST": self._register},
            "/_notify": {"POST": self._notify},
            "/_reset": {"POST": self._reset},
        }

    async def answer(self, request: Request) -> Reply | None:
        """The answer to a request that is not for the gateway; None for any other."""
        path = request.url.partition("?")[0]
        if path != "/" and not path.startswith(("/_", UNSOLICITED)):
            return None
        try:
            self._check_origin(request)
            if path.startswith(UNSOLICITED):
                return await self._initiate(request, path.removeprefix(UNSOLICITED))
            return await self._answering(request, path)(request)
        except ControlError as refused:
            return refused.reply
        except ConformanceError as error:
            return ControlError(422, error.message, error.hint).reply

    def _answering(self, request: Request, path: str) -> Answering:
        if path not in self._paths:
            expected = ", ".join(name for name in self._paths if name != "/")
            raise ControlError(404, f"there is no {path}; expected one of {expected}", did_you_mean(path, self._paths))
        methods = self._paths[path]
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods:
            allowed = ", ".join(methods)
            raise ControlError(405, f"expected {allowed}, not {request.method}", None, ("Allow", allowed))
        return methods[method]

    def _check_origin(self, request: Request) -> None:
        """A browser sends the origin of the page that makes a request; one of another site is nobody's wish."""
        origin, host = header(request.headers, "origin"), header(request.headers, "host")
        if origin is not None and urlsplit(origin).netloc != host:
            raise ControlError(403, f"a page of {origin} may not use this", f"expected the origin http://{host}")

    # --- Each path

    async def _page(self, request: Request) -> Reply:
        version = f'"{self._gateway.record.version}"'
        headers = (("Content-Type", "text/html; charset=utf-8"), *SECURITY_HEADERS, ("ETag", version))
        if header(request.headers, "if-none-match") == version:
            return Reply(304, headers, None, raw=b"")
        host = header(request.headers, "host") or ""
        root = f"http://{host}" if _HOST.fullmatch(host) else self._gateway.root_url
        return Reply(200, headers, None, raw=page(self._gateway, root))

    async def _exchanges(self, request: Request) -> Reply:
        given = parse_qs(request.url.partition("?")[2])
        record, wanted = self._gateway.record, given.get("request_id", [""])[-1]
        text = given.get("after", ["0"])[-1]
        if not re.fullmatch("[0-9]{1,15}", text):
            raise ControlError(422, f"after is {text!r}; expected the number of an exchange")
        after = int(text)
        exchanges = [each for each in record.requests if each.number > after and wanted in {"", each.request_id}]
        others = [each for each in record.others if each.number > after and not wanted]
        unreadable = [] if wanted else [each.error for each in tuple(self._gateway.server.unreadable)]
        return _json(
            {
                "exchanges": [exchange_document(each) for each in exchanges],
                "notifications": [notification_document(each) for each in others],
                "unreadable": unreadable,
            }
        )

    async def _kinds(self, _: Request) -> Reply:
        rows = kinds().values()
        return _json([{"name": each.name, "lawful": each.lawful, "summary": each.summary} for each in rows])

    async def _callbacks(self, _: Request) -> Reply:
        registered = self._gateway.callbacks
        names = self._gateway.server.gateway.contract.callbacks
        return _json({name: without_token(registered[name]) if name in registered else None for name in names})

    async def _register(self, request: Request) -> Reply:
        self._gateway.callbacks.change(_checked(request, "callbacks"))
        self._gateway.record.note_change()
        return await self._callbacks(request)

    async def _notify(self, request: Request) -> Reply:
        given = _checked(request, "notify")
        request_id = given.get("request_id")
        order = self._gateway.order(
            request_id,
            given.get("kind", ()),
            given.get("product"),
            given.get("url"),
            given.get("changes", {}),
            given.get("members", {}),
            given.get("after_s", 0.0),
        )
        sent = await self._gateway.send(request_id, order)
        taken = all(each.taken for each in sent)
        return _json({"taken": taken, "notifications": [notification_document(each) for each in sent]})

    async def _reset(self, _: Request) -> Reply:
        forgotten = len(self._gateway.requests)
        await self._gateway.restart()
        return _json({"forgotten": forgotten})

    async def _initiate(self, request: Request, product: str) -> Reply:
        if request.method != "POST":
            raise ControlError(405, f"expected a POST, not a {request.method}", None, ("Allow", "POST"))
        members = _object(request, "the members of the notification, or nothing")
        return _json(initiated_document(await self._gateway.server.initiated(product, members)))


def controlled(gateway: MockGateway) -> MockGateway:
    """The gateway, with its page and its control API."""
    gateway.aside_by = Control(gateway).answer
    return gateway


def _json(content: Any) -> Reply:
    return Reply(200, (JSON_HEADER, ("Cache-Control", "no-store")), content)


def _object(request: Request, expected: str) -> dict[str, Any]:
    try:
        content = parse_json(request.body) if request.body.strip() else {}
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ControlError(400, f"the body is not a JSON object; expected {expected}")
    return content


def _checked(request: Request, name: str) -> dict[str, Any]:
    """The object in the body of a request, valid against its definition in the schema."""
    content = _object(request, f"one as {name} in schemas/formats/control.json")
    if (broken := FORMATS.violation(f"control#{name}", content)) is not None:
        known = FORMATS.schema("control")["$defs"][name].get("properties", {})
        raise ControlError(
            422, f"{broken.pointer or 'the body'}: {broken.message}", did_you_mean(broken.pointer[1:], known)
        )
    return content


# --- As JSON


def exchange_document(recorded: RecordedRequest) -> dict[str, Any]:
    """A recorded request as JSON has it."""
    return {
        "number": recorded.number,
        "at": _moment(recorded.at),
        "request": {
            "method": recorded.method,
            "path": recorded.path,
            "headers": _headers(recorded.headers),
            "body": text_of(recorded.body),
            "size": recorded.size,
        },
        "command": recorded.command,
        "refusal": recorded.refusal,
        "request_id": recorded.request_id,
        "answer": {
            "status": recorded.status,
            "reason": recorded.reason,
            "headers": _headers(recorded.answer_headers),
            "body": text_of(recorded.answer),
        },
        "notifications": [notification_document(each) for each in tuple(recorded.notifications)],
    }


def notification_document(sent: SentNotification) -> dict[str, Any]:
    """A notification as JSON has it."""
    return {
        **asdict(sent),
        "at": _moment(sent.at),
        "headers": _headers(sent.headers),
        "body": text_of(sent.body),
        "answer": text_of(sent.answer),
    }


def initiated_document(initiated: Initiated) -> dict[str, Any]:
    """As JSON, a transaction that no request precedes: the messages sent, and the answers of the callbacks."""
    answers = {"inquiry": initiated.inquiry, "notification": initiated.notification}
    return {
        "went_through": initiated.went_through,
        "content": initiated.content,
        **{
            name: None if each is None else {"status": each.status, "reason": each.reason, "took_s": each.took_s}
            for name, each in answers.items()
        },
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _headers(headers: Headers) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
