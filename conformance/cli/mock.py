"""`mock`: the mock gateway for people who write clients."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import click
from rich.console import Console

from conformance.cli.command import (
    ConformanceCommand,
    Listen,
    Named,
    Registration,
    contract_in,
    contract_option,
    option,
    rows,
)
from conformance.cli.options import account_options, credential_from, credential_options
from conformance.cli.pace import Pace, check_paces, keep_pace
from conformance.contract.contract import Contract
from conformance.gateway.settings import fresh_seed
from conformance.mock.account import OPENING_BALANCE, Account, numbers
from conformance.mock.behaviour import BUILT_IN, Behaviour, Moment, Reply
from conformance.mock.faults import faults, variants
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.errors import UsageError
from conformance.model.interruption import to_be_heeded
from conformance.model.traffic import has_userinfo, shown_url
from conformance.reports.console import print_line, results

SERVING, MISBEHAVIOUR = "Serving", "Behaviour"


def _listing(of: Callable[[Contract], Mapping[str, Any]]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """A callback of an option that lists the rows of a table of the contract and ends."""

    def show(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
        if wanted and not context.resilient_parsing:
            table = of(contract_in(context))
            width = max(map(len, table), default=0)
            for name, summary in rows(table):
                print_line(results(), f"{name:{width}}  {summary}")
            context.exit()

    return show


@click.command("mock", cls=ConformanceCommand, short_help="Serve the mock gateway.")
@option(
    SERVING,
    "--listen",
    type=Listen(),
    metavar="HOST:PORT",
    default="127.0.0.1:9000",
    show_default=True,
    help="Where to serve; port 0 means any free one.",
)
@option(
    SERVING,
    "--callback",
    type=Registration(),
    multiple=True,
    metavar="PRODUCT=URL",
    help="Where a product's notifications go. Repeatable; a product without one gets none.",
)
@contract_option
@option(
    SERVING,
    "--unsolicited",
    type=Pace(),
    multiple=True,
    metavar="PRODUCT=SECONDS",
    help="Start what no request precedes, such as a payment of a customer, each so many seconds. Repeatable.",
)
@credential_options
@account_options
@option(
    "Account",
    "--balance",
    type=int,
    metavar="AMOUNT",
    default=OPENING_BALANCE,
    show_default=True,
    help="Opening balance in whole units of money.",
)
@option(
    MISBEHAVIOUR,
    "--failure-rate",
    type=float,
    metavar="SHARE",
    default=BUILT_IN.failure_rate,
    show_default=True,
    help="Share of transactions that the operator fails, from 0 to 1.",
)
@option(
    MISBEHAVIOUR,
    "--fault",
    type=Named("fault", faults, listed_by="--list-faults"),
    multiple=True,
    metavar="NAME",
    help="A way to break the contract. Repeatable.",
)
@option(
    MISBEHAVIOUR,
    "--variant",
    type=Named("variant", variants, listed_by="--list-variants"),
    multiple=True,
    metavar="NAME",
    help="A lawful way to be different. Repeatable.",
)
@option(MISBEHAVIOUR, "--seed", type=int, metavar="N", help="The same seed gives the same ids. Default: a new one.")
@option(
    "Output",
    "--list-faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_listing(faults),
    help="List the faults and end.",
)
@option(
    "Output",
    "--list-variants",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_listing(variants),
    help="List the variants and end.",
)
@option(
    "Output",
    "--list-scenarios",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_listing(numbers),
    help="List the endings of phone numbers that have a known outcome, and end.",
)
@option("Output", "-v", "--verbose", is_flag=True, help="A line for each request.")
def mock(**options: Any) -> int:
    """Serve the mock gateway, until Ctrl-C.

    It keeps the contract, with a credential, sender ids and short codes of its own unless others are given. Some phone
    numbers have a known outcome, such as 254799000402 (no funds); --list-scenarios lists them.

    What no request precedes is started by a POST to /unsolicited/PRODUCT, with the members that it is to tell as JSON.
    """
    account = _account(options)
    paces = dict(options["unsolicited"])
    check_paces(paces, account.callbacks)
    console = results()
    behaviour = _behaviour(options)
    if options["verbose"]:
        behaviour = replace(behaviour, reply=(*behaviour.reply, _telling(console)))
    seed = fresh_seed() if options["seed"] is None else options["seed"]
    with serve_mock(account, behaviour, options["listen"], seed, controlled=True) as server, _told_to_stop() as told:
        _introduce(server, options, console)
        keep_pace(server, paces, told, partial(print_line, console) if options["verbose"] else lambda _: None)
        told.wait()
        _sum_up(server, console)
    return 0


def _account(options: dict[str, Any]) -> Account:
    """The account served; its names are by default those that `run` uses by default."""
    key, secret = credential_from(options)
    return Account(
        consumer_key=key,
        consumer_secret=secret,
        registered=_registered(options),
        balance=options["balance"],
        callbacks=dict(options["callback"]),
        contract=options["contract"],
    )


def _registered(options: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """What is registered to the account: as given, or the first example of the contract, with which a run goes out."""
    sample = Account.sample(contract=options["contract"]).registered
    return {member: options.get(member) or examples[:1] for member, examples in sample.items()}


def _behaviour(options: dict[str, Any]) -> Behaviour:
    """The built-in behaviour, changed by each variant and then by each fault that is asked for."""
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
    """What one needs to know to send a request; the last line is for scripts that wait for it."""
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
        if url is None:
            registered = f"no callback (register one with --callback {product}=URL)"
        else:
            # A token is shown, for it may be the wrong one; a password is not.
            registered = shown_url(url) if has_userinfo(url) else url
        print_line(console, f"  {product}: {registered}")
    for what in ("variant", "fault"):
        if options[what]:
            print_line(console, f"{what}: {', '.join(options[what])}")
    print_line(console, "ready")
    console.file.flush()


def _sum_up(server: MockServer, console: Console) -> None:
    notifications = f"{server.delivered:,} notifications taken, {server.failed:,} not taken"
    notifications += f", {server.refused:,} not sent, for their inquiry got no 2xx" if server.refused else ""
    print_line(console, f"{server.requests:,} requests answered, {notifications}")
    # Each way to fail once: a callback that is down fails for every notification alike. A query may hold a token.
    for product, url, reason in dict.fromkeys(
        (f.product, shown_url(f.url.partition("?")[0]), f.reason) for f in server.failures
    ):
        print_line(console, f"  not taken: {product} at {url}: {reason}")
    for error in dict.fromkeys(unreadable.error for unreadable in server.unreadable):
        print_line(console, f"  could not be read as a request: {error}")


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM; in place before anybody is told that the server is ready."""
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in to_be_heeded()}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
