"""Options of the table as click has them: the types of their values, defaults, completion, help.

VALUES              type of an option → how click reads its value
SectionedOption     a row of the table as an option of click
contract_in         the contract that was chosen for a command
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from functools import cache, partial
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from conformance.certificate.issuing import DEFAULT_VALID_DAYS
from conformance.cli.configuration import environment_names
from conformance.client.settings import ClientSettings as CertificationSettings
from conformance.contract.contract import Contract, statum
from conformance.gateway.settings import (
    DEFAULT_MAX_ACCEPTED,
    DEFAULT_RATE_PER_S,
    DEFAULT_SHRINK_REQUESTS,
    RunLimits,
    Settings,
)
from conformance.judging.expectations import read_expectations
from conformance.judging.objectives import NAMES as SLO_NAMES
from conformance.judging.objectives import SLO
from conformance.mock.account import OPENING_BALANCE, numbers
from conformance.mock.faults import faults, variants
from conformance.mock.notifications import kinds
from conformance.model.errors import UsageError, did_you_mean
from conformance.options import Option
from conformance.reports.console import print_line, results
from conformance.reports.folders import check_pattern
from conformance.wire.listening import Address

CONTRACT = "contract"

Completions = list[CompletionItem]

# As fast as a mock is asked for requests by hand, and no faster: `load` is for more.
LEAST_PACE_S, MOST_PACE_S = 0.01, 86_400.0


def contract_in(ctx: click.Context | None) -> Contract:
    """The contract that was chosen for a command; that of Statum where none was, or no command is under way."""
    chosen = None if ctx is None else ctx.meta.get(CONTRACT)
    return chosen if isinstance(chosen, Contract) else statum()


def beginning(incomplete: str, names: Iterable[str]) -> Completions:
    """The names that begin with `incomplete`."""
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _nothing(_: str, __: Contract) -> Completions:
    return []


class Value(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """A value that `read` makes of a text and the chosen contract. Raises UsageError for a text that cannot be used.

    `complete` makes the proposals for the text so far; without it there are none.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[str, Contract], Any],
        complete: Callable[[str, Contract], Completions] = _nothing,
    ) -> None:
        self.name = name
        self.read = read
        self._complete = complete

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002 - click's signature
        """The value of a text; anything else has been read already."""
        return self.read(value, contract_in(ctx)) if isinstance(value, str) else value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Completions:  # noqa: ARG002 - click's signature
        """Proposals for a text that is not complete."""
        return self._complete(incomplete, contract_in(ctx))


class Named(Value):
    """One of the `names` of a kind of thing; a function gives those that the chosen contract has.

    Raises UsageError for any other, with the nearest one as its hint.
    """

    def __init__(
        self, kind: str, names: Iterable[str] | Callable[[Contract], Iterable[str]], listed_by: str | None = None
    ) -> None:
        super().__init__(kind, self._checked, lambda text, contract: beginning(text, self.names_in(contract)))
        self.of_contract = callable(names)
        self._names = names
        self._listed_by = listed_by

    def names_in(self, contract: Contract) -> tuple[str, ...]:
        """The names that there are."""
        return tuple(self._names(contract) if callable(self._names) else self._names)

    def _checked(self, name: str, contract: Contract) -> str:
        names = self.names_in(contract)
        if name in names:
            return name
        expected = f"one of {', '.join(names)}" if self._listed_by is None else f"a name that {self._listed_by} shows"
        of_it = f" in the contract {contract.name!r}" if self.of_contract and contract.folder is not None else ""
        raise UsageError(
            f"there is no {self.name} {name!r}{of_it}; expected {expected}",
            hint=did_you_mean(name, names) or self._elsewhere(name, contract),
        )

    def _elsewhere(self, name: str, contract: Contract) -> str | None:
        """A hint at the contract of Statum, or at callbacks that no request precedes, where these have the name."""
        if not self.of_contract:
            return None
        if contract.folder is not None and name in self.names_in(statum()):
            return f"--contract {contract.folder} has other names"
        if contract.unsolicited_at(name) is None:
            return None
        return f"no request precedes {name}: a run judges it whenever it comes"


PRODUCT = Named("product", lambda contract: contract.products)
CALLBACK = Named("product", lambda contract: contract.callbacks)
UNSOLICITED = Named("product", lambda contract: tuple(contract.unsolicited))
CALLBACK_OR_PRODUCT = Named("callback", lambda contract: (*contract.products, *contract.unsolicited))


def _pair(
    name: str,
    names: Named,
    read: Callable[[str, Contract], Any],
    others: Callable[[Contract], Iterable[str]] = lambda _: (),
) -> Value:
    """`NAME=SOMETHING`; behind a name the `others` are proposed."""

    def complete(incomplete: str, contract: Contract) -> Completions:
        first, equals, _ = incomplete.partition("=")
        texts = (f"{first}={other}" for other in others(contract))
        return beginning(incomplete, texts if equals else [f"{each}=" for each in names.names_in(contract)])

    return Value(name, read, complete)


def _registration(value: str, contract: Contract) -> tuple[str, str]:
    """Product and callback URL, of `PRODUCT=URL`."""
    product, _, url = value.partition("=")
    if not url.startswith(("http://", "https://")):
        example = next(iter(contract.callbacks), "PRODUCT")
        raise UsageError(
            f"callback {value!r} is not PRODUCT=URL with an http or https URL",
            hint=f"for example {example}=http://127.0.0.1:8080/callbacks/{example}",
        )
    return CALLBACK.read(product, contract), url


def _callback_path(value: str, contract: Contract) -> tuple[str, str]:
    """`PRODUCT=PRODUCT`: a product, and the one at whose callback its results arrive, as an older dashboard has it."""
    product, equals, callback = value.partition("=")
    if not equals:
        raise UsageError(
            f"callback path {value!r} is not PRODUCT=PRODUCT, a product and the one at whose callback it arrives",
            hint=f"for example {contract.products[0]}={CALLBACK_OR_PRODUCT.names_in(contract)[-1]}",
        )
    return PRODUCT.read(product, contract), CALLBACK_OR_PRODUCT.read(callback, contract)


def _pace(value: str, contract: Contract) -> tuple[str, float]:
    """`PRODUCT=SECONDS`: how often the mock gateway starts a notification that no request precedes."""
    if not contract.unsolicited:
        raise UsageError(
            f"--unsolicited {value!r} is given, and in the contract {contract.name!r} a request precedes every "
            "notification"
        )
    product, _, seconds = value.partition("=")
    try:
        every_s = float(seconds or 0.0)
    except ValueError:
        every_s = 0.0
    if not LEAST_PACE_S <= every_s <= MOST_PACE_S:
        raise UsageError(
            f"--unsolicited {value!r} is not PRODUCT=SECONDS with {LEAST_PACE_S:g} to {MOST_PACE_S:g} seconds",
            hint="for example " + " or ".join(f"{each}=5" for each in contract.unsolicited),
        )
    return UNSOLICITED.read(product, contract), every_s


def _member(text: str, _: Contract) -> tuple[str, Any]:
    """Member and value, of `MEMBER=VALUE`; a value behind `:=` is JSON. Raises UsageError for any other text."""
    member, equals, value = text.partition("=")
    if not equals or not member.removesuffix(":"):
        raise UsageError(f"--set {text!r} is not MEMBER=VALUE, or MEMBER:=JSON", "for example --set amount=50")
    if not member.endswith(":"):
        return member, value
    try:
        return member.removesuffix(":"), json.loads(value)
    except ValueError as error:
        raise UsageError(f"--set {text!r}: what follows := is not JSON: {error}") from error


def _page(value: str, _: Contract) -> str:
    """The address of a page."""
    if not re.fullmatch(r"https?://[^\s/#]+/[^\s#]*", value):
        raise UsageError(
            f"--catalogue-url is {value!r}; expected the address of a page, without a fragment",
            hint="where docs/requirements.md is published, as https://docs.example/requirements.html",
        )
    return value


def _focus(value: str, contract: Contract) -> str:
    """`ID` or `ID:COMMAND`: a requirement, for every command that it is judged for, or for one."""
    id_, colon, command = value.partition(":")
    requirement = contract.catalogue[REQUIREMENT.read(id_, contract)]
    if requirement.excluded is not None:
        raise UsageError(f"--only {id_} is not judged: {requirement.excluded}")
    names = [name for name in requirement.commands if name]
    if colon and command not in names:
        expected = f"one of {', '.join(names)}" if names else f"--only {id_}, which belongs to no command"
        raise UsageError(
            f"--only {value}: {id_} is not judged for a command {command!r}; expected {expected}",
            hint=did_you_mean(command, names),
        )
    return value


REQUIREMENT = Named(
    "requirement",
    lambda contract: (each.id for each in contract.catalogue.requirements),
    listed_by="`statum-conformance requirements`",
)

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
    "address": Value("address", lambda text, _: Address.parse(text)),
    "page": Value("page", _page),
    "expectations": Value(
        "file",
        lambda path, contract: read_expectations(Path(path), contract.catalogue),
        lambda path, _: [CompletionItem(path, type="file")],
    ),
    "product": PRODUCT,
    "focus": Value("requirement", _focus, lambda text, contract: beginning(text, REQUIREMENT.names_in(contract))),
    "folder": Value("folder", lambda text, _: check_pattern(text), lambda text, _: [CompletionItem(text, type="dir")]),
    "slo": Value(
        "slo", lambda text, _: SLO.parse(text), lambda text, _: beginning(text, (f"{name}=" for name in SLO_NAMES))
    ),
    "callback": CALLBACK,
    "registration": _pair("registration", CALLBACK, _registration),
    "callback-path": _pair("callback-path", PRODUCT, _callback_path, CALLBACK_OR_PRODUCT.names_in),
    "pace": _pair("pace", UNSOLICITED, _pace),
    "member": Value("member", _member),
    "kind": Named("kind", tuple(kinds()), listed_by="--list"),
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


# Defaults that are neither in the table nor those of settings.
DEFAULTS: Mapping[str, Any] = {
    "balance": OPENING_BALANCE,
    "valid-days": DEFAULT_VALID_DAYS,
}

Listing = Callable[[Contract], Mapping[str, str]]
"""The names in a table, each with a line about it."""


def _summaries(rows_of: Callable[[Contract], Mapping[str, Any]]) -> Listing:
    return lambda contract: {name: row.summary for name, row in rows_of(contract).items()}


# Options that list the rows of a table and end.
LISTINGS: Mapping[str, Listing] = {
    "list-faults": _summaries(faults),
    "list-variants": _summaries(variants),
    "list-scenarios": _summaries(numbers),
    "list": lambda _: {name: kind.described for name, kind in kinds().items()},
}


class SectionedOption(click.Option):
    """An option of the table, as click has it; `section` is its heading in the help."""

    def __init__(self, option: Option, command: str) -> None:
        default = default_of(option, command)
        eager = option.type in (CONTRACT, "environment", "listing") or not option.is_configurable
        attributes: dict[str, Any] = {"is_flag": True} if option.is_flag else {}
        if option.type == "place":
            attributes = {"is_flag": False, "flag_value": ""}  # without a value: in the usual place
        if option.type == CONTRACT:
            attributes["callback"] = lambda ctx, _, __: contract_in(ctx)
        if option.type == "environment":
            attributes["shell_complete"] = lambda _, __, incomplete: beginning(incomplete, _environments())
        if option.type == "listing":
            attributes["callback"] = partial(_list, LISTINGS[option.name])
        if default is not None or option.is_flag:
            attributes["default"] = default
        super().__init__(
            [
                *([f"-{option.short}"] if option.short else []),
                f"--{option.name}" + (f"/--{option.opposite}" if option.opposite else ""),
            ],
            # click 8.2.0 takes a flag that has a type for one without a value.
            type=None if option.is_flag else value_of(option),
            metavar=option.metavar,
            multiple=option.repeatable,
            required=option.required,
            is_eager=eager,
            expose_value=option.type not in ("environment", "listing"),
            show_default=default is not None and not option.is_flag and "Default" not in option.help,
            help=option.help,
            **attributes,
        )
        self.section = option.section
        self._option = option

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Its names and help; only now is the contract read that a help names products of."""
        self.help = help_of(self._option)
        return super().get_help_record(ctx)


def default_of(option: Option, command: str) -> Any:
    """Its default: of the table, else of the settings that it makes; None if it has none."""
    if option.default is not None or option.name in DEFAULTS:
        return DEFAULTS.get(option.name, option.default)
    settings = (CertificationSettings,) if command == "certify" else (Settings, RunLimits)
    name = option.setting or option.recorded
    for field in (field for kind in settings for field in fields(kind) if field.name == name):
        return None if field.default in (MISSING, ()) else field.default
    return False if option.is_flag else None


def _list(listing: Listing, ctx: click.Context, _: click.Parameter, wanted: object) -> None:
    if wanted and not ctx.resilient_parsing:
        table = listing(contract_in(ctx))
        width = max(map(len, table), default=0)
        for name, summary in table.items():
            print_line(results(), f"{name:{width}}  {summary}")
        ctx.exit()


def _environments() -> list[str]:
    try:
        return environment_names(Path.cwd())
    except UsageError:
        return []
