"""Requests, responses, cases and notifications as frozen values, and the spellings of a URL.

Times: `*_at` are seconds of the suite's monotonic clock (only differences mean anything), `*_wall` are seconds since
the Unix epoch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from conformance.model.errors import UsageError

Headers = tuple[tuple[str, str], ...]

CLOSED_ON_REUSE = (
    "connection closed without an answer; it had been used before, so the gateway may have closed it before it read "
    "the request"
)
"""The `failure` of an exchange whose request the gateway may or may not have read (RFC 9112, 9.5)."""

LOST_WITH_ITS_SENDER = "the process of the suite that sent it was lost before it recorded an answer"
"""The `failure` of an exchange of which the suite lost the answer: the gateway may have given any."""


def header(headers: Headers, name: str) -> str | None:
    """The first value of the header `name` (case-insensitive), or None."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


JSON_MEDIA_TYPE = "application/json"


def media_type(headers: Headers) -> str | None:
    """The media type that Content-Type declares, without parameters and in lower case; None without the header."""
    value = header(headers, "content-type")
    return None if value is None else value.partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; `url` of a received one is the target as the request line has it."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response; `body` is decoded (gzip, chunks), `headers` are as they came.

    `undecodable` says why `body` could not be decoded and is raw. `beyond` is the beginning of the bytes that the
    server sent after the end of the response.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    http_version: str = "HTTP/1.1"
    undecodable: str | None = None
    beyond: str | None = None


class Kind(StrEnum):
    """The purpose of a case, by which checks select."""

    VALID = "valid"  # inside the contract: must be accepted
    HEADERS = "headers"  # a valid request with lawful headers of another kind: must be accepted
    REPEAT = "repeat"  # the bytes of an earlier case again, or a similar request
    BURST = "burst"  # valid, sent at the same moment as the others of its group: must be accepted; of equal ones, one
    BROKEN = "broken"  # a JSON object that breaks the schema in one place: must be refused
    MALFORMED = "malformed"  # a body that is not a JSON object, or not declared as JSON: must be refused
    CREDENTIAL = "credential"  # a wrong or missing credential: must be refused with 401
    METHOD = "method"  # a method that the command does not have: must be refused
    UNKNOWN_COMMAND = "unknown-command"  # a path without a command: must be refused
    OPEN = "open"  # the contract is silent: either answer will do, but in the envelope
    INVOKE = "invoke"  # a client is asked to call; the exchanges are the requests that reached the witness
    DELIVER = "deliver"  # the suite sends a notification, or junk in place of one, to a client's receiver


@dataclass(frozen=True, slots=True)
class Case:
    """One planned request.

    `id` is unique in a run and the same for the same seed. `aspect` narrows the kind (`sample`, `swapped`, `missing`,
    …). A broken payload violates `keyword` at `member`. The cases of one `group` are sent in order, groups run side by
    side. A refusal counts only if the case with the id `twin` is accepted. `earlier` is the id of the case that this
    one repeats.
    """

    id: str
    command: str | None
    kind: Kind
    aspect: str
    group: str
    request: Request
    member: str | None = None
    keyword: str | None = None
    twin: str | None = None
    earlier: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One attempt at a case. Exactly one of `response` and `failure` is set, or neither when the run was cut off.

    `failure` says in words why there is no answer (connection refused, read timeout, not HTTP …). `unsent`: not a byte
    of the request was sent, for want of a connection that took one.
    """

    number: int
    case_id: str
    attempt: int
    request: Request
    sent_at: float
    sent_wall: float
    response: Response | None = None
    failure: str | None = None
    answered_at: float | None = None
    unsent: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    """A request that reached the receiver. `product` is None when its path belongs to no product (a stray)."""

    number: int
    product: str | None
    request: Request
    received_at: float
    received_wall: float


class Direction(StrEnum):
    """The way a line went between the suite and the driver of a client."""

    TO = "to"
    FROM = "from"
    STDERR = "stderr"


# Enough for a stack trace and its message; the journal has all.
SHOWN_LINES = 15
# A line of minified code may be as long as the program.
LONGEST_LINE = 300


def last_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """The last lines that a driver wrote to standard error, for people, without the blank ones at the end."""
    written = list(lines)
    while written and not written[-1].strip():
        written.pop()
    return tuple(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…" for line in written[-SHOWN_LINES:])


@dataclass(frozen=True, slots=True)
class DriverLine:
    """A line to or from the driver of a client, without its end; `case_id` is that of the case at hand, if any."""

    number: int
    case_id: str | None
    direction: Direction
    line: str
    at: float
    wall: float


_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


def origin_form(target: str) -> str:
    """Path and query of a target, which may be a whole URL, as a client of a proxy writes it (RFC 9112 §3.2)."""
    found = _ORIGIN.match(target)
    if found is None:
        return target
    rest = target[found.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def shown_url(url: str) -> str:
    """`url`, valid or not, without its secrets: a password may come before an `@`, a token behind the path."""
    if "@" in url or _WRONG_PORT.match(url):
        return f"{url.partition('://')[0]}://…" if "://" in url else "…"
    return _BEHIND_THE_PATH.sub(r"\1…", url, count=1)


def has_userinfo(url: str) -> bool:
    """Whether `url` may hold a user's name or password: something before an `@`, in front of path and query."""
    return "@" in re.split("[/?#]", url.partition("://")[2] or url.lstrip("/"), maxsplit=1)[0]


def check_http_url(url: str, called: str, hint: str) -> None:
    """Raise UsageError, in which the URL is `called` so, if `url` is not an http or https URL with a host.

    The message shows nothing of the URL that may be secret.
    """
    no_url = f"{called} {shown_url(url)!r} is not a URL"
    if any(character.isspace() or not character.isprintable() for character in url):
        raise UsageError(f"{no_url}: there is white space or a control character in it")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # The words of the error would show the value.
        raise UsageError(f"{no_url}: there is something wrong with its host or port") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{no_url}; expected http:// or https://, a host and a path", hint)


# It may be a password, of a URL whose rest is missing.
_WRONG_PORT = re.compile(r"(?:[^:/?#]*://)?(?:\[[^]]*\]|[^:/?#\[])*:(?![0-9]*(?:[/?#]|$))")
_BEHIND_THE_PATH = re.compile(r"([?#]).+", re.DOTALL)


def normalized(target: str) -> str:
    """The target in origin form, as RFC 3986 §6.2.2 has it: no unreserved character escaped, escapes in capitals.

    `%7E` and `~` name the same, so do `%2f` and `%2F`, but not `/`.
    """
    return _ESCAPE.sub(_spelled, origin_form(target))


def _spelled(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()
