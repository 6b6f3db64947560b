"""Does the set-up work? Looked at before anything is judged, so that the gateway is not blamed for it.

    examine     probe by probe: gateway reachable, credential accepted, callback path proven by a canary
    way_back    the callback paths once more, after the run: where notifications are missing, somebody lost them
    to_register what has to stand on the gateway's dashboard
    Probe       the outcome of one, with a hint where it failed

Only account-details is called: it moves no money and sends no message.
"""

from __future__ import annotations

import re
import secrets
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

import httpx

from conformance.contract.commands import COMMANDS
from conformance.exchange.trust import trusting
from conformance.gateway_under_test.limits import is_loopback
from conformance.gateway_under_test.rig import CANARY_HEADER, Rig
from conformance.gateway_under_test.settings import Settings
from conformance.generation.probes import authorization

# How long the gateway may take to answer, and a canary to come back through tunnels and proxies. Generous: here a
# false alarm costs a whole run.
ANSWER_TIMEOUT_S = 15.0
CANARY_TIMEOUT_S = 10.0
UNAUTHORIZED = 401

# A certificate that runs out sooner is about to stop a nightly run.
FEW_DAYS = 14
SECONDS_OF_A_DAY = 86_400
# Answers carry whole seconds, and take a while; what differs more is a clock that nobody sets.
CLOCKS_DIFFER_S = 60.0
# So many canaries go to each callback path after a run in which notifications are missing.
CANARIES_AFTER = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that must work. `target`: for a canary, path and query at which it arrived.

    `warning`: it works, and yet a person should look at it.
    """

    name: str
    ok: bool
    detail: str
    hint: str | None = None
    target: str | None = None
    warning: bool = False


# Everything else would work, and every notification would seem to be missing.
NOWHERE_TO_NOTIFY = Probe(
    "callback address",
    ok=False,
    detail="the callback receiver listens on any free port, which no gateway can have registered",
    hint="give --callback-listen HOST:PORT, and register http://HOST:PORT/callbacks/<product> with the gateway",
)


def examine(settings: Settings, rig: Rig) -> Iterator[Probe]:
    """Probe after probe; the next one is made only if the one before it went well."""
    with _client(settings, rig) as client:
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


def _client(settings: Settings, rig: Rig) -> httpx.Client:
    trusted = trusting(settings.ca_file) if settings.ca_file else True
    mounts = _of_this_machine(rig)
    return httpx.Client(timeout=ANSWER_TIMEOUT_S, follow_redirects=False, mounts=mounts, verify=trusted)


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
    yield from _certificate(answer)
    yield from clock(answer, time.time())
    if answer.status_code == UNAUTHORIZED:
        yield Probe(
            "credential accepted",
            ok=False,
            detail=f"gateway {rig.gateway} refused the credential with 401",
            hint="check --consumer-key and --consumer-secret",
        )
        return
    yield Probe("credential accepted", ok=True, detail=f"consumer key {settings.consumer_key}")


def _certificate(answer: httpx.Response) -> Iterator[Probe]:
    """How long the gateway's certificate is good for; nothing for one that is reached without TLS."""
    stream = answer.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    certificate = tls.getpeercert() if tls is not None else None
    if tls is not None and certificate:
        days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // SECONDS_OF_A_DAY)
        yield Probe(
            "certificate",
            ok=True,
            detail=f"{tls.version()}, its certificate is good for {days} days",
            warning=days < FEW_DAYS,
        )


def clock(answer: httpx.Response, now: float) -> Iterator[Probe]:
    """Whether both clocks agree: times in the journal are compared with what the gateway's people see in their logs."""
    dated = answer.headers.get("Date")
    try:
        theirs = parsedate_to_datetime(dated).timestamp() if dated else None
    except ValueError:
        theirs = None
    if theirs is not None and abs(theirs - now) > CLOCKS_DIFFER_S:
        ahead = "ahead of" if theirs > now else "behind"
        yield Probe(
            "clock",
            ok=True,
            detail=f"the gateway's clock is {abs(theirs - now):.0f} s {ahead} this machine's",
            warning=True,
        )


def to_register(rig: Rig, products: Sequence[str], *, whole: bool = False) -> Mapping[str, str]:
    """The callback URL of each product, as it has to stand on the dashboard.

    Values in the query may be secrets and are left out, unless `whole`.
    """
    urls = {product: rig.callback_urls[product] for product in products}
    return urls if whole else {product: _QUERY_VALUE.sub(r"\1=…", url) for product, url in urls.items()}


_QUERY_VALUE = re.compile(r"(?<=[?&])([^=&]+)=[^&]*")


def way_back(settings: Settings, rig: Rig) -> Iterator[tuple[str, Probe]]:
    """A few canaries to each callback path, none of which may be lost; beside each product the first that was.

    Where one is lost, notifications that are missing may have been lost on the same way, and are held against nobody.
    """
    with _client(settings, rig) as client:
        for product in settings.products:
            tries = (_callback(product, rig, client) for _ in range(CANARIES_AFTER))
            last = next(tries)
            for probe in tries:
                if not last.ok:
                    break
                last = probe
            yield product, last


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
