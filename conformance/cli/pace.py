"""`--unsolicited`: how often the mock gateway starts what no request precedes.

Pace            the type of the option
keep_pace       starts one whenever it is due, until told to stop
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from threading import Event, Thread
from typing import Any

import click
from click.shell_completion import CompletionItem

from conformance.cli.command import Named, beginning, contract_in
from conformance.mock.serving import MockServer
from conformance.model.errors import UsageError

# As fast as a mock is asked for requests by hand, and no faster: `load` is for more.
LEAST_S, MOST_S = 0.01, 86_400.0


class Pace(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """`PRODUCT=SECONDS`. Raises UsageError for anything else."""

    name = "pace"

    def __init__(self) -> None:
        self._product = Named("product", lambda contract: tuple(contract.unsolicited))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Product, and the seconds from one to the next."""
        if isinstance(value, tuple):
            return value
        product, equals, seconds = str(value).partition("=")
        names = self._product.names_in(ctx)
        if not names:
            raise UsageError(
                f"--unsolicited {value!r} is given, and in the contract {contract_in(ctx).name!r} a request precedes "
                "every notification"
            )
        try:
            every_s = float(seconds)
        except ValueError:
            every_s = 0.0
        if not equals or not LEAST_S <= every_s <= MOST_S:
            raise UsageError(
                f"--unsolicited {value!r} is not PRODUCT=SECONDS with {LEAST_S:g} to {MOST_S:g} seconds",
                hint="for example " + " or ".join(f"{name}=5" for name in names),
            )
        return self._product.convert(product, param, ctx), every_s

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """The products that begin so; how often is anybody's guess."""
        return beginning(incomplete, [f"{name}=" for name in self._product.names_in(ctx)])


def check_paces(paces: Mapping[str, float], callbacks: Mapping[str, str]) -> None:
    """UsageError for a product that is started and has no callback to come to."""
    for product in paces:
        if product not in callbacks:
            raise UsageError(
                f"--unsolicited names {product}, which has no callback",
                hint=f"register one with --callback {product}=URL",
            )


def keep_pace(server: MockServer, paces: Mapping[str, float], told: Event, tell: Callable[[str], None]) -> None:
    """Start one of each product every so many seconds, in threads of their own, until `told`; `tell` how each ended.

    What a receiver takes long to answer delays the next of its product alone.
    """

    def start(product: str, every_s: float) -> None:
        due = time.monotonic() + every_s
        while not told.wait(max(0.0, due - time.monotonic())):
            due = max(due + every_s, time.monotonic())
            try:
                tell(f"{product} {server.initiate(product).in_words}")
            except (RuntimeError, CancelledError):  # the server has stopped
                return

    for product, every_s in paces.items():
        Thread(target=start, args=(product, every_s), name=f"unsolicited-{product}", daemon=True).start()
