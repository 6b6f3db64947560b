"""`mock`: the mock gateway for people who write clients."""

from __future__ import annotations

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
from conformance.mock.behaviour import BUILT_IN, Behaviour, Callback, Moment, Reply
from conformance.mock.control import controlled
from conformance.mock.delivering import Received
from conformance.mock.faults import faults, variants
from conformance.mock.page import is_sample
from conformance.mock.partner import MockGateway
from conformance.mock.recent import without_token
from conformance.mock.serving import MockServer
from conformance.model.errors import UsageError
from conformance.model.process import ending_signals
from conformance.reports.console import print_line, results
from conformance.reports.text import counted, for_terminal

# More than machines have processors for; each takes some 60 MB.
MOST_PROCESSES = 64


@click.command("mock", cls=ConformanceCommand, short_help="Serve the mock gateway.")
def mock(**options: Any) -> int:
    """Serve the mock gateway, until Ctrl-C.

    It keeps the contract, and has its own credential, sender ids and short codes unless you give others. Some phone
    numbers have a known outcome, such as 254799000402 (no funds); --list-scenarios lists them.

    Its page, at the address without the path, shows the last exchanges. A control API sends notifications on demand,
    registers callbacks and more; docs/mock.md has it.
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
    behaviour = partial(_behaviour, options, console)
    behaviour()  # raises for an unusable one before anything is served
    seed = fresh_seed() if options["seed"] is None else options["seed"]
    log = partial(_log_sent, console)
    processes = _processes(options)
    gateway = controlled(MockGateway(account, behaviour, options["listen"], seed, on_sent=log, processes=processes))
    with gateway, _stop_signal() as stopped:
        _introduce(gateway, options, console)
        _keep_pace(gateway.server, paces, stopped)
        stopped.wait()
        _sum_up(gateway.server, console)
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


def _processes(options: dict[str, Any]) -> int:
    number: int = options["processes"]
    if not 1 <= number <= MOST_PROCESSES:
        raise UsageError(f"--processes is {number}; expected a number from 1 to {MOST_PROCESSES}")
    return number


def _behaviour(options: dict[str, Any], console: Console) -> Behaviour:
    """The behaviour that the options ask for; each one counts and remembers anew."""
    rate = options["failure_rate"]
    if not 0 <= rate <= 1:
        raise UsageError(f"--failure-rate is {rate:g}; expected a share from 0 to 1")
    behaviour = replace(BUILT_IN, failure_rate=rate)
    for name in options["variant"]:
        behaviour = variants(options["contract"])[name].change(behaviour)
    for name in options["fault"]:
        behaviour = faults(options["contract"])[name].change(behaviour)
    if options["verbose"]:
        behaviour = replace(behaviour, reply=(*behaviour.reply, _telling(console)))
    return behaviour


def _telling(console: Console) -> Callable[[Reply, Moment], Reply]:
    def tell(reply: Reply, moment: Moment) -> Reply:
        refused = f" refused: {moment.refusal}" if moment.refusal else ""
        target = moment.request.url.partition("?")[0]
        _log(console, f"{moment.request.method} {target} {reply.status} {moment.request_id}{refused}")
        return reply

    return tell


def _log(console: Console, text: str) -> None:
    """Print a line as it is: what rich does for one takes as long as all else that the mock does for a request."""
    if console.quiet:
        return
    try:
        console.file.write(f"{for_terminal(text)}\n")
        console.file.flush()
    except BrokenPipeError:
        console.on_broken_pipe()


def _log_sent(console: Console, callback: Callback, received: Received) -> None:
    answer = f"{received.status} {received.took_s * 1000:.0f} ms"
    _log(console, f"→ {callback.product} {answer if received.taken else f'not taken: {received.why_not_taken}'}")


def _introduce(gateway: MockGateway, options: dict[str, Any], console: Console) -> None:
    """Print how to send a request; scripts wait for the last line."""
    account = gateway.server.gateway.account
    print_line(console, f"mock gateway at {gateway.base_url}")
    print_line(console, f"page with exchanges and phone numbers at {gateway.root_url}/")
    if is_sample(account):
        print_line(console, f"consumer key {account.consumer_key}, secret {account.consumer_secret}")
    else:
        print_line(console, f"consumer key {account.consumer_key}, and its secret as given")
    print_line(console, account.names)
    for product in account.contract.callbacks:
        url = account.callbacks.get(product)
        if url is None and product not in account.contract.products:
            continue  # nothing is amiss without it
        registered = f"no callback (register one with --callback {product}=URL)" if url is None else without_token(url)
        print_line(console, f"  {product}: {registered}")
    for what in ("variant", "fault"):
        if options[what]:
            print_line(console, f"{what}: {', '.join(options[what])}")
    print_line(console, "ready")
    console.file.flush()


def _sum_up(server: MockServer, console: Console) -> None:
    courier = server.courier
    notifications = f"{counted(courier.delivered, 'notification')} taken, {courier.failed:,} not taken"
    notifications += f", {courier.refused:,} not sent because the inquiry got no 2xx" if courier.refused else ""
    print_line(console, f"{counted(server.requests, 'request')} answered, {notifications}")
    # Each way to fail once: a callback that is down fails for every notification alike.
    for product, url, reason in dict.fromkeys(
        (f.product, without_token(f.url.partition("?")[0]), f.reason) for f in tuple(courier.failures)
    ):
        print_line(console, f"  not taken: {product} at {url}: {reason}")
    for error in dict.fromkeys(unreadable.error for unreadable in tuple(server.unreadable)):
        print_line(console, f"  could not be read as a request: {error}")


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


def _keep_pace(server: MockServer, paces: Mapping[str, float], stopped: threading.Event) -> None:
    """Start a notification of each product every so many seconds until `stopped`.

    Each product has a thread, so a slow receiver delays the next of its product alone.
    """

    def start(product: str, every_s: float) -> None:
        due = time.monotonic() + every_s
        while not stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + every_s, time.monotonic())
            try:
                server.initiate(product)
            except (RuntimeError, CancelledError):  # the server has stopped
                return

    for product, every_s in paces.items():
        threading.Thread(target=start, args=(product, every_s), name=f"unsolicited-{product}", daemon=True).start()
