"""`mock`: the mock gateway for people who write clients."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import click
from rich.console import Console

from conformance.cli.command import ConformanceCommand
from conformance.cli.settings import credential_from
from conformance.gateway.settings import fresh_seed
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour, Moment, Reply
from conformance.mock.faults import faults, variants
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.errors import UsageError
from conformance.model.process import ending_signals
from conformance.model.traffic import shown_url
from conformance.reports.console import print_line, results


@click.command("mock", cls=ConformanceCommand, short_help="Serve the mock gateway.")
def mock(**options: Any) -> int:
    """Serve the mock gateway, until Ctrl-C.

    It keeps the contract, and has its own credential, sender ids and short codes unless you give others. Some phone
    numbers have a known outcome, such as 254799000402 (no funds); --list-scenarios lists them.

    A POST to /unsolicited/PRODUCT starts a notification that no request precedes, with the members of the JSON body.
    """
    account = _account(options)
    paces = dict(options["unsolicited"])
    for product in paces:
        if product not in account.callbacks:
            raise UsageError(
                f"--unsolicited names {product}, which has no callback",
                hint=f"register one with --callback {product}=URL",
            )
    console = results()
    behaviour = _behaviour(options)
    if options["verbose"]:
        behaviour = replace(behaviour, reply=(*behaviour.reply, _telling(console)))
    seed = fresh_seed() if options["seed"] is None else options["seed"]
    with serve_mock(account, behaviour, options["listen"], seed, controlled=True) as server, _stop_signal() as stopped:
        _introduce(server, options, console)
        _keep_pace(server, paces, stopped, partial(print_line, console) if options["verbose"] else lambda _: None)
        stopped.wait()
        _sum_up(server, console)
    return 0


def _account(options: dict[str, Any]) -> Account:
    key, secret = credential_from(options)
    # By default the contract's first example, as for `run`.
    sample = Account.sample(contract=options["contract"]).registered
    return Account(
        consumer_key=key,
        consumer_secret=secret,
        registered={member: options.get(member) or examples[:1] for member, examples in sample.items()},
        balance=options["balance"],
        callbacks=dict(options["callback"]),
        contract=options["contract"],
    )


def _behaviour(options: dict[str, Any]) -> Behaviour:
    rate = options["failure_rate"]
    if not 0 <= rate <= 1:
        raise UsageError(f"--failure-rate is {rate:g}; expected a share from 0 to 1")
    behaviour = replace(BUILT_IN, failure_rate=rate)
    for name in options["variant"]:
        behaviour = variants(options["contract"])[name].change(behaviour)
    for name in options["fault"]:
        behaviour = faults(options["contract"])[name].change(behaviour)
    return behaviour


def _telling(console: Console) -> Callable[[Reply, Moment], Reply]:
    def tell(reply: Reply, moment: Moment) -> Reply:
        refused = f" refused: {moment.refusal}" if moment.refusal else ""
        target = moment.request.url.partition("?")[0]
        print_line(console, f"{moment.request.method} {target} {reply.status} {moment.request_id}{refused}")
        return reply

    return tell


def _introduce(server: MockServer, options: dict[str, Any], console: Console) -> None:
    """Print how to send a request; scripts wait for the last line."""
    account = server.gateway.account
    print_line(console, f"mock gateway at {server.url}")
    sample = Account.sample(contract=options["contract"])
    if (account.consumer_key, account.consumer_secret) == (sample.consumer_key, sample.consumer_secret):
        print_line(console, f"consumer key {account.consumer_key}, secret {account.consumer_secret}")
    else:
        print_line(console, f"consumer key {account.consumer_key}, and its secret as given")
    print_line(console, account.names)
    for product in account.contract.callbacks:
        url = account.callbacks.get(product)
        if url is None and product not in account.contract.products:
            continue  # nothing is amiss without it
        registered = f"no callback (register one with --callback {product}=URL)" if url is None else _without_token(url)
        print_line(console, f"  {product}: {registered}")
    for what in ("variant", "fault"):
        if options[what]:
            print_line(console, f"{what}: {', '.join(options[what])}")
    print_line(console, "ready")
    console.file.flush()


def _sum_up(server: MockServer, console: Console) -> None:
    courier = server.courier
    notifications = f"{courier.delivered:,} notifications taken, {courier.failed:,} not taken"
    notifications += f", {courier.refused:,} not sent, for their inquiry got no 2xx" if courier.refused else ""
    print_line(console, f"{server.requests:,} requests answered, {notifications}")
    # Each way to fail once: a callback that is down fails for every notification alike.
    for product, url, reason in dict.fromkeys(
        (f.product, _without_token(f.url.partition("?")[0]), f.reason) for f in tuple(courier.failures)
    ):
        print_line(console, f"  not taken: {product} at {url}: {reason}")
    for error in dict.fromkeys(unreadable.error for unreadable in tuple(server.unreadable)):
        print_line(console, f"  could not be read as a request: {error}")


# A segment of a path with letters and digits, or of many of them: `c2b` and `v2` are shorter, words have hyphens.
_LIKE_A_TOKEN = re.compile(r"(?<=/)(?:(?=[^/?]*[0-9])(?=[^/?]*[A-Za-z])[^/?]{8,}|[A-Za-z0-9]{20,})")


def _without_token(url: str) -> str:
    """The URL without the receiver's token, which may be in the query or the path."""
    shown = shown_url(url)
    path_at = shown.find("/", shown.find("://") + len("://"))
    return shown if path_at < 0 else shown[:path_at] + _LIKE_A_TOKEN.sub("…", shown[path_at:])


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM; in place before `ready` is printed."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in ending_signals()}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _keep_pace(
    server: MockServer, paces: Mapping[str, float], stopped: threading.Event, tell: Callable[[str], None]
) -> None:
    """Start a notification of each product every so many seconds until `stopped`; `tell` how each ended.

    Each product has a thread, so a slow receiver delays the next of its product alone.
    """

    def start(product: str, every_s: float) -> None:
        due = time.monotonic() + every_s
        while not stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + every_s, time.monotonic())
            try:
                tell(f"{product} {server.initiate(product).in_words}")
            except (RuntimeError, CancelledError):  # the server has stopped
                return

    for product, every_s in paces.items():
        threading.Thread(target=start, args=(product, every_s), name=f"unsolicited-{product}", daemon=True).start()
