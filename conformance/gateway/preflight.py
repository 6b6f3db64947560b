"""Does the set-up work? Looked at before anything is judged, so that the gateway is not blamed for it.

    examine     probe by probe: gateway reached, credential accepted, callback path proven by a canary
    way_back    the callback paths once more, after the run: where notifications are missing, somebody lost them
    over_network  how often a network loses what goes to the callbacks
    to_register what has to stand on the gateway's dashboard
    Canaries    connections to send them on
    send_canary sends one

What is asked of the gateway moves no money and sends no message.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httpx

from conformance.gateway.reaching import (
    ANSWER_TIMEOUT_S,
    OWN_AUTHORITY,
    TRIES_OVER_NETWORK,
    UNTRUSTED,
    Probe,
    reached,
)
from conformance.gateway.rig import CANARY_HEADER, Rig
from conformance.gateway.settings import Settings
from conformance.judging.reading import ANSWERED_BETWEEN
from conformance.model.errors import EnvironmentFailure, SuiteError
from conformance.model.traffic import Request, Response, normalized
from conformance.wire.connection import Connection, KeepAlive, Unanswered
from conformance.wire.proxies import Route
from conformance.wire.streams import client_tls

# How long a canary may take to come back through tunnels and proxies. Generous: here a false alarm costs a whole run.
CANARY_TIMEOUT_S = 10.0

# So many canaries go to each callback path after a run in which notifications are missing; over a network enough that
# none of them lost speaks for the network: of 8 notifications 4 missing are then no chance, of 50 it takes 8.
CANARIES_AFTER = 3
CANARIES_OVER_NETWORK = 200
CANARIES_AT_ONCE = 16
# What has not gone out by then does not: fewer canaries say less, and nothing wrong.
CANARIES_WITHIN_S = 60.0
# Between two canaries on one connection: less than the receiver, or what stands before it, keeps an idle one open.
KEPT_S = 3.0
# So a canary that came back is answered.
TAKEN = range(200, 300)


# Everything else would work, and every notification would seem to be missing.
NOWHERE_TO_NOTIFY = Probe(
    "callback address",
    ok=False,
    detail="the callback receiver listens on any free port, which no gateway can have registered",
    hint="give --callback-listen HOST:PORT, and register http://HOST:PORT/callbacks/<product> with the gateway",
)


def examine(settings: Settings, rig: Rig) -> Iterator[Probe]:
    """Probe after probe; the next one is made only if the one before it went well."""
    canaries = Canaries.of(settings, rig)  # a proxy that cannot be spoken to is told before anything is sent
    for probe in reached(settings, rig.gateway):
        yield probe
        if not probe.ok:
            return
    if settings.gateway is not None and settings.callback_url is None and settings.callback_listen.port == 0:
        yield NOWHERE_TO_NOTIFY
        return
    with canaries.connection() as connection:
        for product in settings.products:
            probe = _found_by_trying(settings, product, rig, connection)
            yield probe
            if not probe.ok:
                return


def _found_by_trying(settings: Settings, product: str, rig: Rig, connection: Connection) -> Probe:
    """A canary; another, where a network may have lost it. What is found to lead elsewhere is not tried again."""
    probe = _callback(product, rig, connection)
    for _ in range(TRIES_OVER_NETWORK - 1 if settings.network_back else 0):
        if probe.ok or not probe.may_be_chance:
            break
        probe = _callback(product, rig, connection)
    return probe


@dataclass(frozen=True, slots=True)
class Canaries:
    """Connections to send canaries on: whom they trust, and which proxy they take, is as it is for the run."""

    tls: ssl.SSLContext

    @classmethod
    def of(cls, settings: Settings, rig: Rig) -> Self:
        """For a run. EnvironmentFailure for a proxy of the environment that cannot be spoken to."""
        urls = [httpx.URL(url) for url in (rig.gateway, *rig.callback_urls.values())]
        try:
            for url in urls:
                Route.to(url)
        except (ValueError, httpx.InvalidURL) as error:
            raise EnvironmentFailure(
                f"the proxy that the environment names cannot be used: {error}",
                hint="http://, https:// and socks5:// will do in HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; "
                "NO_PROXY names exceptions",
            ) from error
        secure = any(url.scheme == "https" for url in urls)
        return cls(client_tls(settings.ca_file) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def connection(self, within_s: float = ANSWER_TIMEOUT_S, *, keep: bool = True) -> Connection:
        """A connection that takes one after the other, each answered `within_s`; or one alone."""
        return Connection(within_s, KeepAlive(trusted=keep), self.tls, idle_s=KEPT_S)


def send_canary(connection: Connection, url: str, token: str, tells: object) -> Response:
    """Send one, and read its answer. Raises Unanswered, and SuiteError for what is no URL."""
    headers = (("Content-Type", "application/json"), (CANARY_HEADER, token))
    return connection.ask(Request("POST", url, headers, json.dumps({"canary": tells}).encode())).response


def to_register(rig: Rig, products: Sequence[str], *, whole: bool = False) -> Mapping[str, str]:
    """The callback URL of each product, as it has to stand on the dashboard.

    Values in the query may be secrets and are left out, unless `whole`; so is what has no name there.
    """
    urls = {product: rig.callback_urls[product] for product in products}
    return urls if whole else {product: _without_values(url) for product, url in urls.items()}


def _without_values(url: str) -> str:
    path, mark, query = url.partition("?")
    parts = [f"{name}=…" if equals else "…" for name, equals, _ in (part.partition("=") for part in query.split("&"))]
    return f"{path}{mark}{'&'.join(parts)}" if mark else path


def way_back(settings: Settings, rig: Rig) -> Iterator[tuple[str, Probe]]:
    """A few canaries to each callback path, none of which may be lost; beside each product the first that was.

    Where one is lost, notifications that are missing may have been lost on the same way, and are held against nobody.
    """
    with Canaries.of(settings, rig).connection() as connection:
        for product in settings.products:
            tries = (_callback(product, rig, connection) for _ in range(CANARIES_AFTER))
            last = next(tries)
            for probe in tries:
                if not last.ok:
                    break
                last = probe
            yield product, last


@dataclass(frozen=True, slots=True)
class Flown:
    """So many went to the callback of a product after the run, and so many of them did not arrive."""

    sent: int
    lost: int


def over_network(settings: Settings, rig: Rig, products: Sequence[str]) -> Iterator[tuple[str, Flown]]:
    """Many canaries to the callback paths of these products, each on a connection of its own: how many get lost."""
    deadline = time.monotonic() + CANARIES_WITHIN_S
    canaries = Canaries.of(settings, rig)
    with ThreadPoolExecutor(CANARIES_AT_ONCE) as workers:
        for product in products:
            tokens = [rig.intake.new_canary() for _ in range(CANARIES_OVER_NETWORK)]

            def flown(token: str, url: str = rig.callback_urls[product]) -> str | None:
                if time.monotonic() > deadline:
                    return None
                # What got no answer may have arrived all the same.
                with suppress(Unanswered), canaries.connection(keep=False) as connection:
                    send_canary(connection, url, token, tells=True)
                return token

            sent = [token for token in workers.map(flown, tokens) if token is not None]
            until = time.monotonic() + CANARY_TIMEOUT_S
            arrived = [rig.intake.canary(token, max(0.0, until - time.monotonic())) for token in sent]
            callback = rig.paths.callback_of(product)
            yield product, Flown(len(sent), sum(found is None or found[0] != callback for found in arrived))


def _callback(product: str, rig: Rig, connection: Connection) -> Probe:
    """POST a one-time token to the product's public callback URL and see it arrive here."""
    url, name = rig.callback_urls[product], f"callback path of {product}"
    shown = _without_query(url)
    token = rig.intake.new_canary()
    listening = f"the suite listens on {rig.receiver.address}"
    try:
        answer = send_canary(connection, url, token, tells=product)
        said = f"answered {answer.status}"
    except (Unanswered, SuiteError) as error:
        why = str(error)
        return Probe(
            name,
            ok=False,
            detail=f"callback URL {shown} does not lead back here: {why}",
            hint=OWN_AUTHORITY if UNTRUSTED in why else f"{listening}; does the tunnel or proxy forward to it?",
            may_be_chance=True,
        )
    arrived = rig.intake.canary(token, CANARY_TIMEOUT_S if answer.status in TAKEN else 0.0)
    if arrived is None:
        return Probe(
            name,
            ok=False,
            detail=f"callback URL {shown} does not lead back here: it {said}, and {_nothing_arrived(rig)}",
            hint=f"{listening}; does the tunnel or proxy forward to it?",
            may_be_chance=answer.status in ANSWERED_BETWEEN,
        )
    found, target = arrived
    if found != rig.paths.callback_of(product):
        return Probe(
            name,
            ok=False,
            detail=f"callback URL {shown} leads to {target.partition('?')[0]} here, no callback path of {product}",
            hint="the path must be kept on its way, /callbacks/<product> at its end",
        )
    if changed := _changed(target, rig.paths.target(product)):
        return Probe(
            name,
            ok=False,
            detail=f"callback URL {shown} leads here {changed}, for which the gateway would be blamed",
            hint="path and query must be kept on their way; does the tunnel or proxy rewrite them?",
        )
    return Probe(name, ok=True, detail=f"{shown} leads here", target=target)


def _nothing_arrived(rig: Rig) -> str:
    reasons = rig.intake.unread
    return f"nothing arrived that could be read: {', '.join(reasons)}" if reasons else "nothing arrived"


def _changed(target: str, registered: str) -> str | None:
    """In words, what became of the target on its way; None if it still names the same, as NTF-18 has it."""
    path, _, query = normalized(target).partition("?")
    registered_path, _, registered_query = normalized(registered).partition("?")
    if path != registered_path:
        return f"at {path}"
    if query != registered_query:
        # The query may hold the integrator's token, so its value is not shown.
        return "with another query" if query else "without its query"
    return None


def _without_query(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query="", fragment="").geturl()
