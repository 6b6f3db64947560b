"""Does the set-up work? Looked at before anything is judged, so that the gateway is not blamed for it.

    examine     probe by probe: gateway reached, credential accepted, callback path proven by a canary
    way_back    the callback paths once more, after the run: where notifications are missing, somebody lost them
    over_network  how often a network loses what goes to the callbacks
    to_register what has to stand on the gateway's dashboard
    client_of   the HTTP client that canaries are sent with

What is asked of the gateway moves no money and sends no message.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from conformance.checks.reading import ANSWERED_BETWEEN
from conformance.errors import EnvironmentFailure
from conformance.exchange.trust import trusting
from conformance.gateway_under_test.limits import is_loopback
from conformance.gateway_under_test.reaching import (
    ANSWER_TIMEOUT_S,
    OWN_AUTHORITY,
    TRIES_OVER_NETWORK,
    UNTRUSTED,
    Probe,
    reached,
)
from conformance.gateway_under_test.rig import CANARY_HEADER, Rig
from conformance.gateway_under_test.settings import Settings
from conformance.traffic import normalized

# How long a canary may take to come back through tunnels and proxies. Generous: here a false alarm costs a whole run.
CANARY_TIMEOUT_S = 10.0

# So many canaries go to each callback path after a run in which notifications are missing; over a network enough that
# none of them lost speaks for the network: of 8 notifications 4 missing are then no chance, of 50 it takes 8.
CANARIES_AFTER = 3
CANARIES_OVER_NETWORK = 200
CANARIES_AT_ONCE = 16
# What has not gone out by then does not: fewer canaries say less, and nothing wrong.
CANARIES_WITHIN_S = 60.0
DEFAULT_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)


# Everything else would work, and every notification would seem to be missing.
NOWHERE_TO_NOTIFY = Probe(
    "callback address",
    ok=False,
    detail="the callback receiver listens on any free port, which no gateway can have registered",
    hint="give --callback-listen HOST:PORT, and register http://HOST:PORT/callbacks/<product> with the gateway",
)


def examine(settings: Settings, rig: Rig) -> Iterator[Probe]:
    """Probe after probe; the next one is made only if the one before it went well."""
    with client_of(settings, rig) as client:
        for probe in reached(settings, rig.gateway):
            yield probe
            if not probe.ok:
                return
        if settings.gateway is not None and settings.callback_url is None and settings.callback_listen.port == 0:
            yield NOWHERE_TO_NOTIFY
            return
        for product in settings.products:
            probe = _found_by_trying(settings, product, rig, client)
            yield probe
            if not probe.ok:
                return


def _found_by_trying(settings: Settings, product: str, rig: Rig, client: httpx.Client) -> Probe:
    """A canary; another, where a network may have lost it. What is found to lead elsewhere is not tried again."""
    probe = _callback(product, rig, client)
    for _ in range(TRIES_OVER_NETWORK - 1 if settings.network_back else 0):
        if probe.ok or not probe.may_be_chance:
            break
        probe = _callback(product, rig, client)
    return probe


def client_of(settings: Settings, rig: Rig, limits: httpx.Limits = DEFAULT_LIMITS) -> httpx.Client:
    """One that asks as the run does: whom it trusts, and which proxy it takes where.

    Raises EnvironmentFailure for a proxy that cannot be spoken to.
    """
    trusted = trusting(settings.ca_file) if settings.ca_file else True
    urls = (rig.gateway, *rig.callback_urls.values())
    # No proxy of the environment knows the way to this machine. Where there is nothing else, none is looked at.
    mounts = {f"all://{urlsplit(url).netloc.rpartition('@')[2]}": None for url in urls if is_loopback(url)}
    elsewhere = any(not is_loopback(url) or url.startswith("https:") for url in urls)
    try:
        return httpx.Client(
            timeout=ANSWER_TIMEOUT_S,
            follow_redirects=False,
            mounts=mounts,
            verify=trusted,
            limits=limits,
            trust_env=elsewhere,
        )
    except (ImportError, ValueError) as error:  # SOCKS needs a package more; other schemes nobody speaks
        raise EnvironmentFailure(
            f"the proxy that the environment names cannot be used: {error}",
            hint="http:// and https:// will do in HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; NO_PROXY names exceptions",
        ) from error


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
    with client_of(settings, rig) as client:
        for product in settings.products:
            tries = (_callback(product, rig, client) for _ in range(CANARIES_AFTER))
            last = next(tries)
            for probe in tries:
                if not last.ok:
                    break
                last = probe
            yield product, last


@dataclass(frozen=True, slots=True)
class Canaries:
    """So many went to the callback of a product after the run, and so many of them did not arrive."""

    sent: int
    lost: int


def over_network(settings: Settings, rig: Rig, products: Sequence[str]) -> Iterator[tuple[str, Canaries]]:
    """Many canaries to the callback paths of these products, each on a connection of its own: how many get lost."""
    deadline = time.monotonic() + CANARIES_WITHIN_S
    limits = httpx.Limits(max_connections=CANARIES_AT_ONCE, max_keepalive_connections=0)
    with client_of(settings, rig, limits) as client, ThreadPoolExecutor(CANARIES_AT_ONCE) as workers:
        for product in products:
            tokens = [rig.intake.new_canary() for _ in range(CANARIES_OVER_NETWORK)]

            def flown(token: str, url: str = rig.callback_urls[product]) -> str | None:
                if time.monotonic() > deadline:
                    return None
                with suppress(httpx.HTTPError):  # it may have arrived all the same
                    client.post(url, headers={CANARY_HEADER: token}, json={"canary": True})
                return token

            sent = [token for token in workers.map(flown, tokens) if token is not None]
            until = time.monotonic() + CANARY_TIMEOUT_S
            arrived = [rig.intake.canary(token, max(0.0, until - time.monotonic())) for token in sent]
            yield product, Canaries(len(sent), sum(found is None or found[0] != product for found in arrived))


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {ANSWER_TIMEOUT_S:g} s"
    return str(error) or type(error).__name__


def _callback(product: str, rig: Rig, client: httpx.Client) -> Probe:
    """POST a one-time token to the product's public callback URL and see it arrive here."""
    url, name = rig.callback_urls[product], f"callback path of {product}"
    shown = _without_query(url)
    token = rig.intake.new_canary()
    listening = f"the suite listens on {rig.receiver.address}"
    try:
        answer = client.post(url, headers={CANARY_HEADER: token}, json={"canary": product})
        said = f"answered {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        why = _in_words(error)
        return Probe(
            name,
            ok=False,
            detail=f"callback URL {shown} does not lead back here: {why}",
            hint=OWN_AUTHORITY if UNTRUSTED in why else f"{listening}; does the tunnel or proxy forward to it?",
            may_be_chance=True,
        )
    arrived = rig.intake.canary(token, CANARY_TIMEOUT_S if answer.is_success else 0.0)
    if arrived is None:
        return Probe(
            name,
            ok=False,
            detail=f"callback URL {shown} does not lead back here: it {said}, and {_nothing_arrived(rig)}",
            hint=f"{listening}; does the tunnel or proxy forward to it?",
            may_be_chance=answer.status_code in ANSWERED_BETWEEN,
        )
    found, target = arrived
    if found != product:
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
