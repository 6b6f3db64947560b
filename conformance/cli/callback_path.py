"""`--callback-path`: the results of one product at the callback of another, as an older dashboard has it.

CallbackPath            the type of the option
callback_path_option    the option itself
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from conformance.cli.command import Named, beginning, option, products_of
from conformance.contract.contract import Contract
from conformance.model.errors import UsageError


class CallbackPath(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """`PRODUCT=PRODUCT`, of products of the contract. Raises UsageError for anything else."""

    name = "callback-path"

    def __init__(self) -> None:
        self._product, self._callback = Named("product", products_of), Named("callback", _notified)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The product, and the one at whose callback its results arrive."""
        if isinstance(value, tuple):
            return value
        product, equals, callback = str(value).partition("=")
        if not equals:
            raise UsageError(
                f"callback path {value!r} is not PRODUCT=PRODUCT, a product and the one at whose callback it arrives",
                hint=f"for example {self._product.names_in(ctx)[0]}={self._callback.names_in(ctx)[-1]}",
            )
        return self._product.convert(product, param, ctx), self._callback.convert(callback, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """The products that begin so; behind one, the callbacks."""
        product, equals, _ = incomplete.partition("=")
        names = self._callback.names_in(ctx) if equals else ("",)
        products = (product,) if equals else self._product.names_in(ctx)
        return beginning(incomplete, [f"{each}={name}" for each in products for name in names])


def _notified(contract: Contract) -> Iterable[str]:
    """Whatever is notified of at a callback of its own."""
    return (*contract.products, *contract.unsolicited)


def callback_path_option(section: str) -> Any:
    """The option, below that heading."""
    return option(
        section,
        "--callback-path",
        type=CallbackPath(),
        multiple=True,
        metavar="PRODUCT=PRODUCT",
        help="The first product's notifications arrive at the callback of the second, where a dashboard has one for "
        "both. Repeatable.",
    )
