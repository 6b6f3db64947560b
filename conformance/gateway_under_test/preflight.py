"""Does the set-up work? Looked at before anything is judged, so that the gateway is not blamed for it.

    examine     probe by probe: gateway reachable, credential accepted, callback path proven by a canary
    Probe       the outcome of one, with a hint where it failed

Only account-details is called: it moves no money and sends no message.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx

from conformance.contract.commands import COMMANDS
from conformance.exchange.trust import trusting
from conformance.gateway_under_test.rig import CANARY_HEADER, Rig
from conformance.gateway_under_test.settings import Settings, is_loopback
from conformance.generation.probes import authorization

# How long the gateway may take to answer, and a canary to come back through tunnels and proxies. Generous: here a
# false alarm costs a whole run.
ANSWER_TIMEOUT_S = 15.0
CANARY_TIMEOUT_S = 10.0
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that must work. `target`: for a canary, path and query at which it arrived."""

    name: str
    ok: bool
    detail: str
    hint: str | None = None
    target: str | None = None


# Everything else would work, and every notification would seem to be missing.
NOWHERE_TO_NOTIFY = Probe(
    "callback address",
    ok=False,
    detail="the callback receiver listens on any free port, which no gateway can have registered",
    hint="give --callback-listen HOST:PORT, and register http://HOST:PORT/callbacks/<product> with the gateway",
)


def examine(settings: Settings, rig: Rig) -> Iterator[Probe]:
    """Probe after probe; the next one is made only if the one before it went well."""
    trusted = trusting(settings.ca_file) if settings.ca_file else True
    with httpx.Client(
        timeout=ANSWER_TIMEOUT_S, follow_redirects=False, mounts=_of_this_machine(rig), verify=trusted
    ) as client:
        for probe in _gateway(settings, rig, client):
            yield probe
            if not probe.ok:
                return
        if settings.gateway is not None and settings.callback_url is None and settings.callback_listen.port == 0:
            yield NOWHERE_TO_NOTIFY
            return
        for product in settings.products:
            probe = _callback(product, rig, client)
            yield probe
            if not probe.ok:
                return


def _of_this_machine(rig: Rig) -> dict[str, None]:
    """The addresses of the set-up that are on this machine: no proxy of the environment knows the way to them."""
    urls = filter(is_loopback, (rig.gateway, *rig.callback_urls.values()))
    return {f"all://{urlsplit(url).netloc.rpartition('@')[2]}": None for url in urls}


def _gateway(settings: Settings, rig: Rig, client: httpx.Client) -> Iterator[Probe]:
    url = f"{rig.gateway.rstrip('/')}/{COMMANDS['account-details'].name}"
    credential = authorization(settings.consumer_key, settings.consumer_secret)
    try:
        answer = client.get(url, headers={"Authorization": credential, "Content-Type": "application/json"})
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        yield Probe(
            "gateway reachable",
            ok=False,
            detail=f"gateway {rig.gateway} cannot be reached: {_in_words(error)}",
            hint="is it running, and are host, port and scheme right?",
        )
        return
    yield Probe("gateway reachable", ok=True, detail=f"{rig.gateway} answered {answer.status_code}")
    if answer.status_code == UNAUTHORIZED:
        yield Probe(
            "credential accepted",
            ok=False,
            detail=f"gateway {rig.gateway} refused the credential with 401",
            hint="check --consumer-key and --consumer-secret",
        )
        return
    yield Probe("credential accepted", ok=True, detail=f"consumer key {settings.consumer_key}")


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {ANSWER_TIMEOUT_S:g} s"
    return str(error) or type(error).__name__


def _callback(product: str, rig: Rig, client: httpx.Client) -> Probe:
    """POST a one-time token to the product's public callback URL and see it arrive here."""
    url, name = rig.callback_urls[product], f"callback path of {product}"
    shown = _without_query(url)
    token = secrets.token_hex(16)
    listening = f"the suite listens on {rig.receiver.address}"
    try:
        answer = client.post(url, headers={CANARY_HEADER: token}, json={"canary": product})
        said = f"answered {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return Probe(
            name,
            ok=False,
            detail=f"callback URL {shown} does not lead back here: {_in_words(error)}",
            hint=f"{listening}; does the tunnel or proxy forward to it?",
        )
    arrived = rig.intake.canary(token, CANARY_TIMEOUT_S if answer.is_success else 0.0)
    if arrived is None:
        return Probe(
            name,
            ok=False,
            detail=f"callback URL {shown} does not lead back here: it {said}, and nothing arrived",
            hint=f"{listening}; does the tunnel or proxy forward to it?",
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


def _changed(target: str, registered: str) -> str | None:
    """In words, what became of the target on its way; None if it is the registered one, however it is escaped."""
    path, _, query = target.partition("?")
    registered_path, _, registered_query = registered.partition("?")
    if unquote(path) != unquote(registered_path):
        return f"at {path}"
    if unquote(query) != unquote(registered_query):
        # The query may hold the integrator's token, so its value is not shown.
        return "with another query" if query else "without its query"
    return None


def _without_query(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query="", fragment="").geturl()
