"""What goes over the wire, as frozen values: the vocabulary that every part shares.

    Request, Response       one HTTP message each, bytes and headers as they were
    Case                    one thing the campaign does, with what it is meant to show
    DriverLine              one line that was told to the driver of a client, or by it
    Exchange                one attempt at a case: the request and what became of it
    Notification            one HTTP request that reached the callback receiver
    Invocation              a case, its attempts and the notifications that carry its request_id
    normalized              one spelling for all request targets that name the same; `origin_form`, `plainly_escaped`
    shown_url               a URL without what may be a password or a token; check_http_url refuses what is none

Times: `*_at` are seconds of the suite's monotonic clock (only differences mean anything),
`*_wall` are seconds since the Unix epoch.
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
"""The `failure` of an exchange of which nobody can tell whether its request was read (RFC 9112, 9.5)."""


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
    """An HTTP request; for one that was received, `url` is the target as it stood on the request line."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response; `body` is decoded (gzip, chunks), `headers` are as they came.

    `undecodable` says why `body` could not be decoded, and is as it came instead. `beyond`: what the server sent on
    after the answer was complete, the beginning of it.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    http_version: str = "HTTP/1.1"
    undecodable: str | None = None
    beyond: str | None = None


class Kind(StrEnum):
    """What a case is there to show; checks select by it."""

    VALID = "valid"  # inside the contract: must be accepted
    HEADERS = "headers"  # a valid request with lawful headers of another kind: must be accepted
    REPEAT = "repeat"  # the bytes of an earlier case again, or what is similar to them
    BURST = "burst"  # valid, sent at the same moment as the others of its group: must be accepted; of equal ones, one
    BROKEN = "broken"  # a JSON object that breaks the schema in one place: must be refused
    MALFORMED = "malformed"  # a body that is no JSON object, or not declared as JSON: must be refused
    CREDENTIAL = "credential"  # a wrong or missing credential: must be refused with 401
    METHOD = "method"  # a method that the command does not have: must be refused
    UNKNOWN_COMMAND = "unknown-command"  # a path that is no command: must be refused
    OPEN = "open"  # the contract is silent: either answer will do, but in the envelope
    INVOKE = "invoke"  # a client is asked to call; the exchanges are what reached the witness
    DELIVER = "deliver"  # a notification, or junk in place of one, is sent to a client's receiver


@dataclass(frozen=True, slots=True)
class Case:
    """One planned request.

    `id` is unique in a run and the same for the same seed. `aspect` says what in particular the case shows
    (`sample`, `swapped`, `missing`, …). `member` and `keyword` name what a broken payload violates. `group`: the
    cases of one group are sent one after the other, in order; groups run side by side. `twin` is the id of the
    case that must be seen to be accepted before a refusal of this one counts (rule 4 of the design). `earlier` is
    the id of the case whose history this one depends on (the one that it repeats).
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

    `failure` says in words why there is no answer (connection refused, read timeout, not HTTP …). `unsent`: there was
    no connection, or it took nothing, so that not a byte of the request was sent.
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
    """A request that reached the receiver. `product` is None when its path is that of no product (a stray)."""

    number: int
    product: str | None
    request: Request
    received_at: float
    received_wall: float


class Direction(StrEnum):
    """Which way a line went between the suite and the driver of a client."""

    TO = "to"
    FROM = "from"
    STDERR = "stderr"


# A stack trace and what it is about stand in so many lines; the journal has all.
SHOWN_LINES = 15
# A line of minified code may be as long as the program.
LONGEST_LINE = 300


def last_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """The last lines that a driver wrote to standard error, for people; the blanks at the end left out."""
    told = list(lines)
    while told and not told[-1].strip():
        told.pop()
    return tuple(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…" for line in told[-SHOWN_LINES:])


@dataclass(frozen=True, slots=True)
class DriverLine:
    """A line to or from the driver of a client, without its end; `case_id` is that of the case at hand, if any."""

    number: int
    case_id: str | None
    direction: Direction
    line: str
    at: float
    wall: float


@dataclass(frozen=True, slots=True)
class Invocation:
    """A case as it went: `exchange` is the attempt that counts (the last), or None if nothing was sent."""

    case: Case
    attempts: tuple[Exchange, ...] = ()
    notifications: tuple[Notification, ...] = ()

    @property
    def exchange(self) -> Exchange | None:
        """The attempt that is judged: the last one (earlier ones were told to slow down)."""
        return self.attempts[-1] if self.attempts else None

    @property
    def response(self) -> Response | None:
        """The response of the attempt that is judged."""
        return self.exchange.response if self.exchange else None


_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


def origin_form(target: str) -> str:
    """Path and query of a target; one may also be a whole URL, as a client of a proxy writes it (RFC 9112 §3.2)."""
    found = _ORIGIN.match(target)
    if found is None:
        return target
    rest = target[found.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def shown_url(url: str) -> str:
    """`url`, also one that is none, as it may be shown: a password may stand before an `@`, a token behind the path."""
    if "@" in url or _PORT_THAT_IS_NONE.match(url):
        return f"{url.partition('://')[0]}://…" if "://" in url else "…"
    return _BEHIND_THE_PATH.sub(r"\1…", url, count=1)


def has_userinfo(url: str) -> bool:
    """Whether there may be a user's name or password in `url`: something before an `@`, in front of path and query."""
    return "@" in re.split("[/?#]", url.partition("://")[2] or url.lstrip("/"), maxsplit=1)[0]


def check_http_url(url: str, called: str, hint: str) -> None:
    """Raise UsageError, in which the URL is `called` so, if `url` is not an http or https URL with a host.

    The message shows nothing of the URL that may be secret.
    """
    no_url = f"{called} {shown_url(url)!r} is no URL"
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
_PORT_THAT_IS_NONE = re.compile(r"(?:[^:/?#]*://)?(?:\[[^]]*\]|[^:/?#\[])*:(?![0-9]*(?:[/?#]|$))")
_BEHIND_THE_PATH = re.compile(r"([?#]).+", re.DOTALL)


def plainly_escaped(text: str) -> str:
    """The text with no unreserved character escaped, and the other escapes in capitals (RFC 3986 §6.2.2)."""
    return _ESCAPE.sub(_spelled, text)


def normalized(target: str) -> str:
    """The target in origin form, plainly escaped: `%7E` and `~` name the same, so do `%2f` and `%2F`, not `/`."""
    return plainly_escaped(origin_form(target))


def _spelled(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()
