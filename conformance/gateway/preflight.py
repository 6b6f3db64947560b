"""Checks of the set-up before a run, while it goes on and after it, so that the gateway is not blamed for it.

The checks move no money and send no message. Canaries before and after a run do not see a tunnel that was down for some
seconds in between, so some go out while a notification is owed, no faster than a gateway notifies; each is a note in
the journal.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import httpx

from conformance.contract.contract import Contract
from conformance.gateway.reaching import (
    ANSWER_TIMEOUT_S,
    OWN_AUTHORITY,
    TRIES_OVER_NETWORK,
    UNTRUSTED,
    PreflightCheck,
    reached,
)
from conformance.gateway.rig import CANARY_HEADER, Rig
from conformance.gateway.rules.checks import GATEWAY
from conformance.gateway.settings import Settings
from conformance.journal import Journal, Note, Record
from conformance.judging.messages import ANSWERED_BETWEEN
from conformance.judging.terms import HEARTBEAT
from conformance.judging.verdicts import Verdict, judge_as
from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError
from conformance.model.traffic import (
    JSON_MEDIA_TYPE,
    Case,
    Exchange,
    Headers,
    Kind,
    Notification,
    Request,
    Response,
    normalized,
)
from conformance.wire.connection import Connection, KeepAlive, Unanswered
from conformance.wire.streams import Route, client_tls

# How long a canary may take to come back through tunnels and proxies. Generous: here a false alarm costs a whole run.
CANARY_TIMEOUT_S = 10.0

# So many canaries go to each callback path after a run in which notifications are missing; over a network enough that
# none of them lost speaks for the network: of 8 notifications 4 missing are then no chance, of 50 it takes 8.
CANARIES_AFTER = 3
CANARIES_OVER_NETWORK = 200
CANARIES_AT_ONCE = 16
# Canaries that have not gone out by then do not: fewer of them show less, and nothing wrong.
CANARIES_WITHIN_S = 60.0
# Between two canaries on one connection: less than the receiver, or a proxy before it, keeps an idle one open.
KEPT_S = 3.0
# The answers to a canary that came back.
TAKEN = range(200, 300)

# Seconds between two: a shorter cut loses no more notifications than chance may explain.
HEARTBEAT_S = 1.0
SOONEST_HEARTBEAT_S = 0.1
# So many requests go out between two, where more go out in a second.
REQUESTS_BETWEEN = 5.0
# TCP sends a lost packet again after 1 s, and then after 2 s more; a canary that takes longer counts as lost.
LOST_AFTER_S = 3.0

JSON: Headers = (("Content-Type", JSON_MEDIA_TYPE),)


# Everything else would work, and every notification would seem to be missing.
NOWHERE_TO_NOTIFY = PreflightCheck.failed(
    "callback address",
    "the callback receiver listens on any free port, which no gateway can have registered",
    "give --callback-listen HOST:PORT, and register http://HOST:PORT/callbacks/<product> with the gateway",
)


def examine(settings: Settings, rig: Rig) -> Iterator[PreflightCheck]:
    """Check after check; the next one is made only if the one before it passed."""
    tls = _canary_tls(settings, rig)  # an unusable proxy is an error before anything is sent
    for probe in reached(settings, rig.gateway, rig.intake.disown):
        yield probe
        if not probe.ok:
            return
    if settings.gateway is not None and settings.callback_url is None and settings.callback_listen.port == 0:
        yield NOWHERE_TO_NOTIFY
        return
    with _for_canaries(tls) as connection:
        for product in settings.products:
            # Another canary, where a network may have lost the first.
            for _ in range(TRIES_OVER_NETWORK if settings.network_back else 1):
                probe = _callback(product, rig, connection)
                if probe.ok or not probe.may_be_chance:
                    break
            yield probe
            if not probe.ok:
                return


def _canary_tls(settings: Settings, rig: Rig) -> ssl.SSLContext:
    """The certificates that canaries trust, as the run does.

    EnvironmentFailure for a proxy of the environment that cannot be spoken to.
    """
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
    return client_tls(settings.ca_file) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _for_canaries(tls: ssl.SSLContext, within_s: float = ANSWER_TIMEOUT_S, *, keep: bool = True) -> Connection:
    """A connection for one canary after the other, each answered `within_s`; or for one alone."""
    return Connection(within_s, KeepAlive(trusted=keep), tls, idle_s=KEPT_S)


def send_canary(connection: Connection, url: str, token: str, tells: object) -> Response:
    """Send one, and read its answer. Raises Unanswered, and SuiteError for an invalid URL."""
    return connection.ask(
        Request("POST", url, (*JSON, (CANARY_HEADER, token)), json.dumps({"canary": tells}).encode())
    ).response


def to_register(rig: Rig, products: Sequence[str], *, whole: bool = False) -> Mapping[str, str]:
    """The callback URL of each product, as it is to be entered on the dashboard.

    Values in the query may be secrets and are left out, unless `whole`; so are parts without a name.
    """
    urls = {product: rig.callback_urls[product] for product in products}
    return urls if whole else {product: _without_values(url) for product, url in urls.items()}


def _without_values(url: str) -> str:
    path, mark, query = url.partition("?")
    parts = [f"{name}=…" if equals else "…" for name, equals, _ in (part.partition("=") for part in query.split("&"))]
    return f"{path}{mark}{'&'.join(parts)}" if mark else path


def way_back(settings: Settings, rig: Rig) -> Iterator[tuple[str, PreflightCheck]]:
    """A few canaries to each callback path, none of which may be lost; beside each product the first that was.

    Where one is lost, missing notifications may have been lost on the same way, and do not count as failures.
    """
    with _for_canaries(_canary_tls(settings, rig)) as connection:
        for product in settings.products:
            tries = (_callback(product, rig, connection) for _ in range(CANARIES_AFTER))
            last = next(tries)
            for probe in tries:
                if not last.ok:
                    break
                last = probe
            yield product, last


def over_network(settings: Settings, rig: Rig, products: Sequence[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Send many canaries to the callback path of each product; yields how many were sent, and how many got lost.

    Each goes on a connection of its own, after the run.
    """
    deadline = time.monotonic() + CANARIES_WITHIN_S
    tls = _canary_tls(settings, rig)
    with ThreadPoolExecutor(CANARIES_AT_ONCE) as workers:
        for product in products:
            tokens = [rig.intake.new_canary() for _ in range(CANARIES_OVER_NETWORK)]

            def flown(token: str, url: str = rig.callback_urls[product]) -> str | None:
                if time.monotonic() > deadline:
                    return None
                # A canary without an answer may have arrived all the same.
                with suppress(Unanswered), _for_canaries(tls, keep=False) as connection:
                    send_canary(connection, url, token, tells=True)
                return token

            sent = [token for token in workers.map(flown, tokens) if token is not None]
            until = time.monotonic() + CANARY_TIMEOUT_S
            arrived = [rig.intake.canary(token, max(0.0, until - time.monotonic())) for token in sent]
            callback = rig.paths.callback_of(product)
            yield product, (len(sent), sum(found is None or found[0] != callback for found in arrived))


def _callback(product: str, rig: Rig, connection: Connection) -> PreflightCheck:
    """POST a one-time token to the product's public callback URL and see it arrive here."""
    url, name = rig.callback_urls[product], f"callback path of {product}"
    shown = urlsplit(url)._replace(query="", fragment="").geturl()
    token = rig.intake.new_canary()
    forwarded = f"the suite listens on {rig.receiver.address}; does the tunnel or proxy forward to it?"

    def failed(problem: str, hint: str, *, may_be_chance: bool = False) -> PreflightCheck:
        detail = f"callback URL {shown} {problem}"
        return PreflightCheck(name, ok=False, detail=detail, hint=hint, may_be_chance=may_be_chance)

    try:
        answer = send_canary(connection, url, token, tells=product)
    except (Unanswered, SuiteError) as error:
        hint = OWN_AUTHORITY if UNTRUSTED in str(error) else forwarded
        return failed(f"does not lead back here: {error}", hint, may_be_chance=True)
    arrived = rig.intake.canary(token, CANARY_TIMEOUT_S if answer.status in TAKEN else 0.0)
    if arrived is None:
        reasons = ", ".join(rig.intake.unread)
        nothing = f"nothing arrived that could be read: {reasons}" if reasons else "nothing arrived"
        problem = f"does not lead back here: it answered {answer.status}, and {nothing}"
        return failed(problem, forwarded, may_be_chance=answer.status in ANSWERED_BETWEEN)
    found, target = arrived
    if found != rig.paths.callback_of(product):
        hint = "the path must be kept on its way, /callbacks/<product> at its end"
        return failed(f"leads to {target.partition('?')[0]} here, no callback path of {product}", hint)
    if changed := _changed(target, rig.paths.target(product)):
        hint = "path and query must be kept on their way; does the tunnel or proxy rewrite them?"
        return failed(f"leads here {changed}, for which the gateway would be blamed", hint)
    return PreflightCheck(name, ok=True, detail=f"{shown} leads here", target=target)


def _changed(target: str, registered: str) -> str | None:
    """How the target changed on its way, in words; None if it still names the same, as NTF-18 has it."""
    path, _, query = normalized(target).partition("?")
    registered_path, _, registered_query = normalized(registered).partition("?")
    if path != registered_path:
        return f"at {path}"
    if query != registered_query:
        # The query may hold the integrator's token, so its value is not shown.
        return "with another query" if query else "without its query"
    return None


# --- While a run goes on


@contextmanager
def watched(settings: Settings, rig: Rig, journal: Journal, is_awaiting: Callable[[], bool]) -> Iterator[None]:
    """While entered, the way back is watched whenever a notification is awaited; else nothing is sent.

    `is_awaiting`: whether one is, or was since it was asked last.
    """
    if not settings.way_back_to_be_watched:
        yield
        return
    over, errors = threading.Event(), list[Exception]()

    def watch() -> None:
        try:
            _send_heartbeats(settings, rig, journal, is_awaiting, over)
        except ConformanceError:
            pass  # the journal cannot be written any more, which ends the run as well
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=watch, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()  # within LOST_AFTER_S or twice that
    if errors:
        raise SuiteError(f"the way back could not be watched: {errors[0]!r}") from errors[0]


def _send_heartbeats(
    settings: Settings, rig: Rig, journal: Journal, is_awaiting: Callable[[], bool], over: threading.Event
) -> None:
    """Send one canary at a time until it is `over`, to each product in turn: all callbacks are at one address."""
    rate = settings.bounds.rate_per_s
    pause_s = SOONEST_HEARTBEAT_S
    if rate is not None:
        pause_s = min(HEARTBEAT_S, max(SOONEST_HEARTBEAT_S, REQUESTS_BETWEEN / rate))
    products = cycle(settings.products)
    with _for_canaries(_canary_tls(settings, rig), LOST_AFTER_S) as connection:
        while True:
            if is_awaiting():
                product, token, sent_at = next(products), rig.intake.new_canary(), time.monotonic()
                taken = False
                with suppress(Unanswered):  # it may have arrived all the same
                    taken = send_canary(connection, rig.callback_urls[product], token, product).status in TAKEN
                found = rig.intake.canary(token, LOST_AFTER_S if taken else 0.0)
                arrived = found is not None and found[0] == rig.paths.callback_of(product)
                detail = {"product": product, "sent_at": journal.time_of(sent_at), "arrived": arrived}
                journal.note(HEARTBEAT, detail)
            if over.wait(pause_s):
                return


# --- The contract's own samples


def sample_record(contract: Contract) -> Record:
    """A run in which the sample request of the first product was answered and notified as the contract shows it."""

    def sample(name: str) -> bytes:
        return json.dumps(contract.schemas.schema(name)["examples"][0]).encode()

    product = contract.products[0]
    command = contract.commands[contract.command_of(product) or ""]
    target, case_id = f"/callbacks/{product}", f"{command.folder}/valid/sample/1"
    url = f"http://gateway.invalid/{command.name}"
    request = Request(command.method, url, JSON, sample(command.request_schema))
    case = Case(case_id, command.name, Kind.VALID, "sample", case_id, request)
    response = Response(contract.answer.success, JSON, sample("response.success"))
    exchange = Exchange(1, case.id, 1, request, 1.0, 1.0, response, None, 1.1)
    notification = Request(contract.notification.method, target, JSON, sample(command.notification_schema))
    settings: dict[str, Any] = {
        "commands": [command.name],
        "notify_within_s": 1.0,
        "exclusive_account": True,
        "callback_targets": {product: target},
        "loopback": True,
    }
    settled = Note(1, "settled", {"at": 3.0}, 3.0, 3.0)
    return Record(settings, (case,), (exchange,), (Notification(1, product, notification, 1.2, 1.2),), (settled,))


def check_samples(contract: Contract) -> int:
    """Judge the samples of a contract; the number of requirements that they were seen to keep.

    Raises SuiteError if a requirement is broken by them, or if hardly any bears on them.
    """
    judged = judge_as(GATEWAY, sample_record(contract), contract=contract)
    broken = [v for v in judged.verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)]
    if broken:
        first = broken[0]
        raise SuiteError(f"the contract's own samples break {first.requirement.id}: {first.findings[0].message}")
    passed = len(judged.by(Verdict.PASS))
    if not passed:
        raise SuiteError("the contract's own samples were judged by nothing")
    return passed
