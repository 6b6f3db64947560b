"""The interface of a callback receiver, and the common part of its engines.

    CallbackPaths   the path of each product, with the prefix and the query token of the callback URL
    Intake          hands a request over, and gives the status that answers it
    Receiver        the base of the engines

A receiver hands over every request that reaches it, whatever its method, path or body: the checks judge it.
"""

from __future__ import annotations

import hmac
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError, UsageError
from conformance.model.traffic import Request, has_userinfo, origin_form, shown_url
from conformance.wire.listening import Address, Head, Unreadable

# Bytes of a body. Notifications have a few hundred; a larger body is a mistake and would only fill the journal.
MAX_BODY = 1024 * 1024

# The parameter of the query with the secret of the callback URL, which only the gateway knows.
TOKEN = "token"  # noqa: S105 - a name

OnArrival = Callable[[str | None, Request, float, float], None]
"""`on_arrival(product, request, at, wall)`: product None for a stray; monotonic and epoch seconds of its arrival.

Called in a thread of the receiver before the answer goes out; by some engines in several threads at once.
"""


@dataclass(frozen=True, slots=True)
class Unread:
    """The first bytes of an unreadable request, and the error; `product` as far as its first line names it."""

    product: str | None
    error: str
    head: bytes


OnUnread = Callable[[Unread], None]
"""Called with the first `MOST_UNREAD` of them, in a thread of the receiver."""

# Enough to see the mistake: a gateway that begins TLS on a plain port does so with each notification.
MOST_UNREAD = 100


def request_of(head: Head, body: bytes) -> Request:
    """The request, byte for byte as it came."""
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    return Request(head.method.decode(), head.target.decode("latin-1"), headers, body)


@dataclass(frozen=True, slots=True)
class CallbackPaths:
    """The target (path and query) that is registered for each product: `PREFIX/callbacks/PRODUCT?QUERY`.

    `prefix` is empty or begins with a slash and does not end with one; `query` is without its question mark. With a
    `token` the query has `token=TOKEN` too, and a request without it is a stray. `shared`: product → the product whose
    callback it shares.
    """

    prefix: str
    query: str
    products: tuple[str, ...]
    token: str | None = None
    shared: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.prefix and (not self.prefix.startswith("/") or self.prefix.endswith("/")):
            raise UsageError(f"callback path prefix {self.prefix!r} must begin with a slash, and not end with one")

    @classmethod
    def of_url(
        cls,
        callback_url: str | None,
        products: Iterable[str],
        token: str | None = None,
        shared: Mapping[str, str] | None = None,
    ) -> CallbackPaths:
        """The paths under a public callback base URL; with None those without prefix and query.

        Raises UsageError for a URL without http(s) scheme or host, with an invalid port or a fragment, or with
        characters that some programs escape: the addresses of notifications are compared byte for byte.
        """
        if callback_url is None:
            return cls("", "", tuple(products), token, shared or {})
        name = f"callback URL {shown_url(callback_url)!r}"
        if has_userinfo(callback_url):
            raise UsageError(
                f"{name} contains a password, which would appear in the gateway's logs",
                hint="put a token into the query",
            )
        if not _is_http_url(callback_url):
            raise UsageError(
                f"{name} is not an http or https URL with a host",
                hint="for example https://example.org/hooks?token=secret",
            )
        parts = urlsplit(callback_url)
        if parts.fragment:
            raise UsageError(
                f"{name} has a fragment, which clients do not send", hint="put a token into the path or the query"
            )
        if found := _UNSOUND_IN_PATH.search(parts.path) or _UNSOUND_IN_QUERY.search(parts.query):
            raise UsageError(
                f"{name} contains {found[0]} in its path or query, which some programs escape and others do not",
                hint=f"write it as {quote(found[0], safe='')}, here and on the gateway's dashboard",
            )
        if {".", ".."} & set(parts.path.split("/")):
            raise UsageError(f"{name} contains . or .. in its path, which programs remove")
        return cls(parts.path.rstrip("/"), parts.query, tuple(products), token, shared or {})

    def callback_of(self, product: str) -> str:
        """The product at whose callback `product` is registered; mostly itself."""
        return self.shared.get(product, product)

    def target(self, product: str) -> str:
        """The target that is registered for `product`, as on a request line."""
        path = f"{self.prefix}/callbacks/{self.callback_of(product)}"
        token = f"{TOKEN}={quote(self.token, safe='')}" if self.token else ""
        query = "&".join(part for part in (self.query, token) if part)
        return f"{path}?{query}" if query else path

    def product_of(self, target: str) -> str | None:
        """The product that a request line's target names, or None for a stray.

        By path alone: a trailing slash, another query or another percent-encoding still names the product. A check
        compares the whole target.
        """
        if self.token is not None:
            given = parse_qs(target.partition("?")[2], errors="surrogateescape").get(TOKEN, [""])[0]
            # In constant time, which reveals nothing about the token.
            if not hmac.compare_digest(given.encode(errors="surrogateescape"), self.token.encode()):
                return None
        # A target may also be a whole URL (RFC 9112 §3.2).
        path = unquote(origin_form(target).partition("?")[0]).removesuffix("/")
        return next((p for p in self.products if path == unquote(f"{self.prefix}/callbacks/{p}")), None)

    def callback_urls(self, base_url: str) -> dict[str, str]:
        """The URL to register for each product: the target of the product at the scheme and host of `base_url`."""
        parts = urlsplit(base_url)
        return {product: f"{parts.scheme}://{parts.netloc}{self.target(product)}" for product in self.products}


def _is_http_url(url: str) -> bool:
    if not _PRINTABLE.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        # Reading `port` raises for an invalid port.
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


# Allowed on a request line: no space, no control character, nothing beyond ASCII.
_PRINTABLE = re.compile(r"[!-~]+")

# Not allowed unescaped by RFC 3986; in a query browsers and Node escape the apostrophe, too.
_UNSOUND_IN_PATH = re.compile(r"(?:%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/%-])")
_UNSOUND_IN_QUERY = re.compile(r"(?:%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&()*+,;=:@/?%-])")

_REQUEST_LINE = re.compile(rb"[^ \r\n]+ +([!-~]+)[ \r\n]")


class Intake:
    """Hands over the requests that an engine has read, and gives the status of their answers.

    200 for a product's path, 404 for a stray, 413 for a body that was cut at `MAX_BODY`, 500 if the request could not
    be handed over; no answer has a body, so that it leaves in one packet. `errors` has the errors of `on_arrival`: a
    notification that is lost here would be blamed on the gateway.
    """

    def __init__(self, paths: CallbackPaths, on_arrival: OnArrival, on_unread: OnUnread = lambda _: None) -> None:
        self._paths = paths
        self._on_arrival = on_arrival
        self._on_unread = on_unread
        self._unread = 0
        self._lock = threading.Lock()
        self._errors: list[Exception] = []

    @property
    def errors(self) -> tuple[Exception, ...]:
        """Errors so far, oldest first."""
        with self._lock:
            return tuple(self._errors)

    def failed(self, error: Exception) -> None:
        """Adds an error by which a request may have been lost."""
        with self._lock:
            self._errors.append(error)

    def refused(self, unreadable: Unreadable) -> None:
        """Reports bytes that could not be read, up to `MOST_UNREAD` times."""
        with self._lock:
            self._unread += 1
            if self._unread > MOST_UNREAD:
                return
        line = _REQUEST_LINE.match(unreadable.head)
        product = self._paths.product_of(line[1].decode("latin-1")) if line else None
        try:
            self._on_unread(Unread(product, unreadable.error, unreadable.head))
        except Exception as error:  # noqa: BLE001 - as in `take`
            self.failed(error)

    def take(self, request: Request, at: float, wall: float, *, whole: bool) -> int:
        """Hands `request` over and gives the status to answer it with; `whole` is False if its body was cut."""
        try:
            product = self._paths.product_of(request.url)
            self._on_arrival(product, request, at, wall)
        except Exception as error:  # noqa: BLE001 - the engine goes on, and its owner learns of it
            self.failed(error)
            return 500
        if not whole:
            return 413
        return 404 if product is None else 200


class Receiver(ABC):
    """A callback receiver: an HTTP server in threads of its own; a context manager that starts and closes it.

    The address is claimed on construction, so `address` and `urls` are known before it is started (EnvironmentFailure
    if it is not available). A subclass serves: it hands each request to `self.intake`.

    `address`: where it listens, with its actual port. `url`: scheme, host and port for a client on this machine.
    """

    address: Address
    url: str

    def __init__(  # noqa: PLR0913, PLR0917 - the paths, and whom to tell
        self,
        products: Iterable[str],
        on_arrival: OnArrival,
        prefix: str,
        query: str,
        token: str | None = None,
        on_unread: OnUnread = lambda _: None,
    ) -> None:
        self.paths = CallbackPaths(prefix, query, tuple(products), token)
        self.intake = Intake(self.paths, on_arrival, on_unread)

    @property
    def urls(self) -> Mapping[str, str]:
        """The callback URL of each product at its actual address."""
        return self.paths.callback_urls(self.url)

    @property
    def errors(self) -> tuple[Exception, ...]:
        """Errors of the receiver so far: each may have lost a notification."""
        return self.intake.errors

    @abstractmethod
    def start(self) -> None:
        """Serves from here on; returns when requests are being taken."""

    @abstractmethod
    def stop(self) -> None:
        """Stops serving, whatever clients do, and frees the port. Nothing more is handed over."""

    def close(self) -> None:
        """Stops; raises SuiteError if an arrival was lost, EnvironmentFailure if it was for lack of disk or memory."""
        self.stop()
        if self.errors:
            raise self._lost() from self.errors[0]

    def _lost(self) -> ConformanceError:
        first = self.errors[0]
        kind = EnvironmentFailure if isinstance(first, EnvironmentFailure | OSError | MemoryError) else SuiteError
        return kind(
            f"{len(self.errors)} request{'' if len(self.errors) == 1 else 's'} to the callback receiver could not be "
            f"recorded; the first error was {type(first).__name__}: {first}"
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.close()
            return
        self.stop()
        if self.errors:
            error.add_note(str(self._lost()))
