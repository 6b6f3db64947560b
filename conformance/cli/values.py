"""Types of the values of options: names, addresses, pairs of a product and something, files.

VALUES          type of an option, as the table of options has it → how click reads it
Named           one of the names that there are, which may be the contract's
contract_in     the contract that was chosen for a command
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import click
from click.shell_completion import CompletionItem

from conformance.contract.contract import Contract, statum
from conformance.gateway.settings import DEFAULT_MAX_ACCEPTED, DEFAULT_RATE_PER_S, DEFAULT_SHRINK_REQUESTS
from conformance.judging.expectations import Expectations
from conformance.judging.expectations_file import read_expectations
from conformance.mock.faults import faults, variants
from conformance.model.errors import UsageError, did_you_mean
from conformance.options import Option
from conformance.wire.listening import Address

CONTRACT = "contract"

# As fast as a mock is asked for requests by hand, and no faster: `load` is for more.
LEAST_PACE_S, MOST_PACE_S = 0.01, 86_400.0


def contract_in(ctx: click.Context | None) -> Contract:
    """The contract that was chosen for a command; that of Statum where none was, or no command is under way."""
    chosen = None if ctx is None else ctx.meta.get(CONTRACT)
    return chosen if isinstance(chosen, Contract) else statum()


def beginning(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    """The names that `incomplete` may be completed to."""
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class Named(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """One of the `names`; `what` they are names of. Raises UsageError, with what may have been meant as its hint.

    Names that are the contract's are a function of it: they are those of the contract that was chosen.
    """

    def __init__(
        self, what: str, names: Iterable[str] | Callable[[Contract], Iterable[str]], listed_by: str | None = None
    ) -> None:
        self.name = what
        self.of_contract = callable(names)
        self._names = names
        self._listed_by = listed_by

    def names_in(self, contract: Contract) -> tuple[str, ...]:
        """The names that there are."""
        return tuple(self._names(contract) if callable(self._names) else self._names)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """The name itself, if it is one."""
        contract = contract_in(ctx)
        names = self.names_in(contract)
        if value in names:
            return str(value)
        expected = f"one of {', '.join(names)}" if self._listed_by is None else f"a name that {self._listed_by} shows"
        of_it = f" in the contract {contract.name!r}" if self.of_contract and contract.folder is not None else ""
        raise UsageError(
            f"there is no {self.name} {value!r}{of_it}; expected {expected}",
            hint=did_you_mean(str(value), names) or self._elsewhere(str(value), contract),
        )

    def _elsewhere(self, name: str, contract: Contract) -> str | None:
        """Where there is such a name: in the contract of Statum, or for what no request precedes."""
        if not self.of_contract:
            return None
        if contract.folder is not None and name in self.names_in(statum()):
            return f"--contract {contract.folder} has other names"
        if contract.unsolicited_at(name) is None:
            return None
        return f"no request precedes {name}: a run judges it whenever it comes"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """The names that begin so."""
        return beginning(incomplete, self.names_in(contract_in(ctx)))


class Pair(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """`NAME=SOMETHING`, where the name is one of the contract's. Raises UsageError for anything else."""

    names: ClassVar[Named]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:  # noqa: ARG002 - click's signature
        """The name, and what is said of it."""
        if isinstance(value, tuple):
            return value
        name, equals, said = str(value).partition("=")
        return self.read(str(value), name, said if equals else None, ctx)

    def read(self, value: str, name: str, said: str | None, ctx: click.Context | None) -> tuple[str, Any]:
        """The two parts of the `value`, checked; `said` is None where there is no `=`."""
        raise NotImplementedError

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """The names that begin so; the rest is anybody's guess."""
        return beginning(incomplete, [f"{name}=" for name in self.names.names_in(contract_in(ctx))])


PRODUCT = Named("product", lambda contract: contract.products)
CALLBACK = Named("product", lambda contract: contract.callbacks)


class Registration(Pair):
    """`PRODUCT=URL`, of a callback of the contract."""

    name = "registration"
    names = CALLBACK

    def read(self, value: str, name: str, said: str | None, ctx: click.Context | None) -> tuple[str, str]:
        """Product and callback URL."""
        if said is None or not said.startswith(("http://", "https://")):
            example = next(iter(CALLBACK.names_in(contract_in(ctx))), "PRODUCT")
            raise UsageError(
                f"callback {value!r} is not PRODUCT=URL with an http or https URL",
                hint=f"for example {example}=http://127.0.0.1:8080/callbacks/{example}",
            )
        return CALLBACK.convert(name, None, ctx), said


class CallbackPath(Pair):
    """`PRODUCT=PRODUCT`: the results of one product at the callback of another, as an older dashboard has it."""

    name = "callback-path"
    names = PRODUCT
    callbacks = Named("callback", lambda contract: (*contract.products, *contract.unsolicited))

    def read(self, value: str, name: str, said: str | None, ctx: click.Context | None) -> tuple[str, str]:
        """The product, and the one at whose callback its results arrive."""
        if said is None:
            contract = contract_in(ctx)
            raise UsageError(
                f"callback path {value!r} is not PRODUCT=PRODUCT, a product and the one at whose callback it arrives",
                hint=f"for example {PRODUCT.names_in(contract)[0]}={self.callbacks.names_in(contract)[-1]}",
            )
        return PRODUCT.convert(name, None, ctx), self.callbacks.convert(said, None, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The products that begin so; behind one, the callbacks."""
        product, equals, _ = incomplete.partition("=")
        if not equals:
            return super().shell_complete(ctx, param, incomplete)
        return beginning(incomplete, [f"{product}={name}" for name in self.callbacks.names_in(contract_in(ctx))])


class Interval(Pair):
    """`PRODUCT=SECONDS`: how often the mock gateway starts what no request precedes."""

    name = "pace"
    names = Named("product", lambda contract: tuple(contract.unsolicited))

    def read(self, value: str, name: str, said: str | None, ctx: click.Context | None) -> tuple[str, float]:
        """Product, and the seconds from one to the next."""
        contract = contract_in(ctx)
        names = self.names.names_in(contract)
        if not names:
            raise UsageError(
                f"--unsolicited {value!r} is given, and in the contract {contract.name!r} a request precedes every "
                "notification"
            )
        try:
            every_s = float(said or 0.0)
        except ValueError:
            every_s = 0.0
        if not LEAST_PACE_S <= every_s <= MOST_PACE_S:
            raise UsageError(
                f"--unsolicited {value!r} is not PRODUCT=SECONDS with {LEAST_PACE_S:g} to {MOST_PACE_S:g} seconds",
                hint="for example " + " or ".join(f"{each}=5" for each in names),
            )
        return self.names.convert(name, None, ctx), every_s


class Listen(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """`HOST:PORT`. Raises UsageError for anything else."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:  # noqa: ARG002 - click's signature
        """The address."""
        return value if isinstance(value, Address) else Address.parse(str(value))


class ExpectationsFile(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """The path of an expectations file. Raises UsageError for one that cannot be used, whatever is wrong in it."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Expectations:  # noqa: ARG002 - click's signature
        """The expectations in the file."""
        if isinstance(value, Expectations):
            return value
        return read_expectations(Path(str(value)), contract_in(ctx).catalogue)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Any file."""
        return [CompletionItem(incomplete, type="file")]


class WebPage(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """The address of a page. Raises UsageError for anything else."""

    name = "page"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """The address itself, if it is one."""
        if not re.fullmatch(r"https?://[^\s/#]+/[^\s#]*", str(value)):
            raise UsageError(
                f"--catalogue-url is {value!r}; expected the address of a page, without a fragment",
                hint="where docs/requirements.md is published, as https://docs.example/requirements.html",
            )
        return str(value)


VALUES: Mapping[str, click.ParamType] = {  # type: ignore[type-arg] # generic from click 8.4 on
    "text": click.STRING,
    "flag": click.BOOL,
    "listing": click.BOOL,
    "whole": click.INT,
    "number": click.FLOAT,
    "path": click.Path(path_type=Path),
    "contract": click.Path(path_type=Path),
    "place": click.Path(),  # a text, so that an empty one is not the current directory
    "environment": click.STRING,
    "address": Listen(),
    "page": WebPage(),
    "expectations": ExpectationsFile(),
    "product": PRODUCT,
    "callback": CALLBACK,
    "registration": Registration(),
    "callback-path": CallbackPath(),
    "pace": Interval(),
    "fault": Named("fault", faults, listed_by="--list-faults"),
    "variant": Named("variant", variants, listed_by="--list-variants"),
}


@cache
def help_of(option: Option) -> str:
    """The help of an option, with the names and numbers in it filled in."""
    return option.help.format(
        products=", ".join(statum().products),
        callbacks=", ".join(statum().callbacks),
        shrink_requests=DEFAULT_SHRINK_REQUESTS,
        max_accepted=DEFAULT_MAX_ACCEPTED,
        rate=f"{DEFAULT_RATE_PER_S:g}",
        **{member: examples[0] for member, examples in statum().members.registered.items()},
    )


def value_of(option: Option) -> Any:
    """How click reads the value of an option."""
    return click.Choice(option.choices) if option.type == "choice" else VALUES[option.type]
