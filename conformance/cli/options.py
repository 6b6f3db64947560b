"""The options that several commands share, and the settings that they make.

gateway_options, account_options, campaign_options, case_options, report_options …      groups of options
settings_from                                                                           options → Settings
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from conformance.cli.callback_path import callback_path_option
from conformance.cli.command import ExpectationsFile, Listen, Named, option, products_of
from conformance.cli.complaints import Complaints
from conformance.cli.configuration import variable
from conformance.cli.credential_for import check_meant_for, credential_for_option
from conformance.cli.credentials import Given, credential_of
from conformance.cli.limits import limits_from
from conformance.cli.tls import tls_from, trusted
from conformance.contract.contract import Contract, statum
from conformance.gateway.case_files import CaseFolder
from conformance.gateway.settings import (
    DEFAULT_CORPUS,
    DEFAULT_MAX_EXAMPLES,
    DEFAULT_NOTIFY_WITHIN_S,
    DEFAULT_SHRINK_REQUESTS,
    Settings,
    check_gateway_url,
    fresh_seed,
)
from conformance.journal.redaction import tokens_of
from conformance.mock.account import Account
from conformance.model.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_REPORT_DIR = Path("reports")

SECRET_VARIABLE = variable("consumer-secret")

GATEWAY, ACCOUNT, NOTIFICATIONS, CAMPAIGN, REPORTS = "Gateway", "Account", "Notifications", "Campaign", "Reports"
CASES, CLIENT, OBSERVING = "Case files", "Client", "Observing"


def _together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """The decorators as one; their options appear in the help in this order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


credential_options = _together(
    option(GATEWAY, "--consumer-key", metavar="KEY", help="Consumer key of the account."),
    option(
        GATEWAY,
        "--consumer-secret",
        metavar="SECRET",
        help=f"Its secret; rather give it as {SECRET_VARIABLE}, other processes see a command line.",
    ),
    option(
        GATEWAY,
        "--consumer-secret-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File whose only line is the secret.",
    ),
)


def redact_option(section: str) -> Callable[[F], F]:
    """--redact, below the heading of whose values it is about."""
    told = "Value that must stand in no report, journal or message, beside the secret and the tokens of callback URLs."
    return option(section, "--redact", multiple=True, metavar="VALUE", help=f"{told} Repeatable.")


def _ca_file_option(section: str, whom: str) -> Callable[[F], F]:
    told = f"Certificates in PEM to trust, beside those of this machine, for {whom}."
    return option(section, "--ca-file", type=click.Path(path_type=Path), metavar="FILE", help=told)


gateway_options = _together(
    option(
        GATEWAY,
        "--gateway",
        metavar="URL",
        help="Base URL of the gateway, such as https://api.statum.co.ke/api/v2. Without it, the built-in mock gateway.",
    ),
    credential_options,
    option(
        GATEWAY,
        "--over-network/--no-network",
        default=None,
        help="Whether a network lies between, so that what gets lost may be its doing. Default: unless gateway and "
        "callback URL are on this machine. Beside a tunnel that begins here say --over-network: what is at its end "
        "then counts as a real gateway.",
    ),
    _ca_file_option(GATEWAY, "the gateway and for callback URLs"),
    option(
        GATEWAY,
        "--netrc",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File of the form of ~/.netrc: key and secret are login and password for the gateway's host.",
    ),
    credential_for_option(GATEWAY),
    redact_option(GATEWAY),
)


def _first_of(member: str) -> str:
    return statum().members.registered[member][0]


account_options = _together(
    option(
        ACCOUNT,
        "--sender-id",
        multiple=True,
        metavar="ID",
        help=f"Sender id that is registered to the account. Repeatable. Default: {_first_of('sender_id')}.",
    ),
    option(
        ACCOUNT,
        "--short-code",
        multiple=True,
        metavar="CODE",
        help=f"Short code that is registered to the account. Repeatable. Default: {_first_of('short_code')}.",
    ),
)

phone_options = option(
    ACCOUNT,
    "--phone-number",
    multiple=True,
    metavar="NUMBER",
    help="Phone number to use, and no other, for a sandbox that is real. Repeatable.",
)

sandbox_options = _together(
    phone_options,
    option(
        ACCOUNT,
        "--exclusive-account/--shared-account",
        default=False,
        help="Whether nobody else uses the account: then a notification that nobody asked for is a failure, "
        "otherwise (the default) a warning.",
    ),
)

receiver_options = _together(
    option(
        NOTIFICATIONS,
        "--callback-listen",
        type=Listen(),
        metavar="HOST:PORT",
        default="127.0.0.1:0",
        help="Where the callback receiver listens. Default: any free port of 127.0.0.1.",
    ),
    option(
        NOTIFICATIONS,
        "--callback-url",
        metavar="URL",
        help="Public address of the receiver, where it is another; /callbacks/PRODUCT is put at the end of its path.",
    ),
    option(
        NOTIFICATIONS,
        "--callback-token",
        metavar="TOKEN",
        help="Secret that is put into callback URLs as token=TOKEN; what comes without it is nobody's notification.",
    ),
    option(
        NOTIFICATIONS,
        "--callback-tls-cert",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Certificate of the receiver in PEM, by which it is reached by https without a proxy before it.",
    ),
    option(
        NOTIFICATIONS,
        "--callback-tls-key",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The private key to it.",
    ),
    callback_path_option(NOTIFICATIONS),
)

waiting_options = option(
    NOTIFICATIONS,
    "--notify-within",
    type=float,
    metavar="SECONDS",
    default=DEFAULT_NOTIFY_WITHIN_S,
    show_default=True,
    help="How long a notification may take.",
)

driver_options = option(
    CLIENT,
    "--driver",
    metavar="'CMD ARGS'",
    help="Command line of the driver that speaks for a client (docs/driver-protocol.md); no shell is involved.",
)

examined_options = _together(
    option(
        CLIENT,
        "--callback-url",
        metavar="URL",
        help="Callback URL of a receiver to examine, just as the gateway would have it, for each --product that is "
        "named. Without --driver it is all that is judged.",
    ),
    _ca_file_option(CLIENT, "callback URLs"),
)

observing_options = _together(
    option(
        OBSERVING,
        "--observe",
        is_flag=True,
        help="Show an address, and judge the client that is run against it by hand by what arrives there.",
    ),
    option(
        OBSERVING,
        "--listen",
        type=Listen(),
        metavar="HOST:PORT",
        default="127.0.0.1:0",
        help="That address. Default: any free port of 127.0.0.1.",
    ),
    option(
        OBSERVING,
        "--observe-for",
        type=float,
        metavar="SECONDS",
        help="End after so long. Default: with Ctrl-C.",
    ),
    option(
        OBSERVING,
        "--observe-idle",
        type=float,
        metavar="SECONDS",
        help="End when nothing has come for so long after a request.",
    ),
)

product_options = option(
    CAMPAIGN,
    "--product",
    type=Named("product", products_of),
    multiple=True,
    metavar="NAME",
    help=f"Product to exercise, of the contract: {', '.join(statum().products)}. Repeatable. Default: all.",
)

campaign_options = _together(
    option(
        CAMPAIGN,
        "--max-examples",
        type=int,
        metavar="N",
        default=DEFAULT_MAX_EXAMPLES,
        show_default=True,
        help="Random valid payloads per command, on top of the systematic ones.",
    ),
    option(
        CAMPAIGN,
        "--seed",
        type=int,
        metavar="N",
        help="The same seed sends the same requests. Default: a new one.",
    ),
    option(
        CAMPAIGN,
        "--shrink-requests",
        type=int,
        metavar="N",
        help="Requests that may be sent to find the simplest form of what fails, and on what that depends. "
        f"Default: {DEFAULT_SHRINK_REQUESTS} to a gateway on this machine, 0 to any other: there they may cost money.",
    ),
)

case_options = _together(
    option(
        CASES,
        "--corpus",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help=f"Case files that are sent first. Default: {DEFAULT_CORPUS}, if there is such a folder here.",
    ),
    option(
        CASES,
        "--cases",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Case file, or folder of such, to send with the twins that they need, and nothing else.",
    ),
    option(
        CASES,
        "--save-corpus",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where failing cases are kept as case files: for each requirement and command the simplest of each cause.",
    ),
)

expectations_options = option(
    REPORTS,
    "--expectations",
    type=ExpectationsFile(),
    metavar="FILE",
    help="What is known to fall short, as TOML: it does not fail the run, but does once it passes or has expired.",
)

report_options = _together(
    option(
        REPORTS,
        "--report-dir",
        type=click.Path(path_type=Path),
        metavar="DIR",
        default=DEFAULT_REPORT_DIR,
        show_default=True,
        help="Where journal and reports are written.",
    ),
    option(
        REPORTS,
        "--show-phone-numbers",
        is_flag=True,
        help="Show the numbers given by --phone-number whole in reports. Default: as 7*****678; the journal has them.",
    ),
)


def credential_from(options: dict[str, Any], *, is_sent: bool = True) -> tuple[str, str]:
    """Consumer key and secret: as given, or those of the built-in mock gateway where no other is named.

    From here on the secret is kept out of whatever is printed. Raises UsageError if one of them is missing, and if it
    `is_sent` and not known to be meant for the gateway.
    """
    gateway = options.get("gateway")
    given = Given(
        options["consumer_key"],
        options["consumer_secret"],
        options.get("consumer_secret_file"),
        options.get("netrc"),
        gateway,
    )
    context = click.get_current_context()
    complaints = context.find_object(Complaints) or Complaints()
    tokens = (options.get("callback_token") or "", *tokens_of(options.get("callback_url") or "", gateway or ""))
    complaints.protect(given.secret or "", given.key or "", *options.get("redact", ()), *tokens)
    key, secret = credential_of(given)
    complaints.protect(secret or "", key or "", *options.get("redact", ()), *tokens)
    for path in given.readable_by_others():
        complaints.warn(f"{path} holds the secret and can be read by others of this machine; chmod 600 {path}")
    if on_command_line("consumer_secret"):
        complaints.warn(f"--consumer-secret is visible to other processes of this machine; prefer {SECRET_VARIABLE}")
    if gateway is not None:
        check_gateway_url(gateway)  # before the credential is asked for: a typo is the likelier mistake
        for name, value in (("--consumer-key", key), ("--consumer-secret", secret)):
            if not value:
                raise UsageError(f"{name} is missing; --gateway needs a credential", f"set {variable(name[2:])}")
        if is_sent:
            check_meant_for(gateway, given)
    sample = Account.sample()
    return key or sample.consumer_key, secret or sample.consumer_secret


def settings_from(options: dict[str, Any], *, looks_only: bool = False, is_sent: bool = True) -> Settings:
    """The settings of a run, from the options that the command has; those that it lacks have their defaults.

    `looks_only`: the command sends nothing but account-details. `is_sent`: whether it sends the credential at all.
    Raises UsageError for what cannot be used.
    """
    key, secret = credential_from(options, is_sent=is_sent)
    seed = options.get("seed")
    return Settings(
        consumer_key=key,
        consumer_secret=secret,
        gateway=options["gateway"],
        callback_listen=options["callback_listen"],
        callback_url=options["callback_url"],
        contract=options["contract"],
        products=in_order(options["product"], options["contract"]),
        callback_paths=dict(options.get("callback_path", ())),
        registered={
            member: tuple(options[member]) for member in options["contract"].members.registered if options.get(member)
        },
        phone_numbers=options.get("phone_number", ()),
        notify_within_s=options.get("notify_within", DEFAULT_NOTIFY_WITHIN_S),
        max_examples=options.get("max_examples", DEFAULT_MAX_EXAMPLES),
        seed=fresh_seed() if seed is None else seed,
        exclusive_account=options.get("exclusive_account", False),
        shrink_requests=options.get("shrink_requests"),
        callback_token=options.get("callback_token"),
        callback_tls=tls_from(options),
        ca_file=trusted(options.get("ca_file")),
        redact=tuple(options.get("redact", ())),
        show_phone_numbers=options.get("show_phone_numbers", False),
        catalogue_url=options.get("catalogue_url"),
        report_dir=options.get("report_dir", DEFAULT_REPORT_DIR),
        limits=limits_from(options),
        looks_only=looks_only,
        expectations=options.get("expectations"),
        strict=options.get("strict", False),
        over_network=options.get("over_network"),
        **_cases_from(options, options["contract"]),
    )


def _cases_from(options: dict[str, Any], contract: Contract) -> dict[str, Any]:
    """The settings about case files. Raises UsageError for a file that is none, before anything is sent."""
    if "corpus" not in options:
        return {}
    corpus, cases, saved = options["corpus"], options["cases"], options["save_corpus"]
    if cases is not None and corpus is not None and on_command_line("corpus") and on_command_line("cases"):
        raise UsageError("--cases sends these cases and nothing else, and --corpus others first; give one of the two")
    if saved is not None and saved.exists():
        if not saved.is_dir():
            raise UsageError(f"--save-corpus {saved} is a file; expected a folder")
        CaseFolder.read(saved, contract)
    if corpus is None and Path(DEFAULT_CORPUS).is_dir():
        corpus = Path(DEFAULT_CORPUS)
    if corpus is not None and not corpus.is_dir():
        raise UsageError(f"--corpus {corpus} is no folder; expected one with case files in it")
    return {
        "corpus": CaseFolder.read(corpus, contract) if corpus is not None and cases is None else None,
        "cases": CaseFolder.read(cases, contract) if cases is not None else None,
        "save_corpus": saved,
    }


def on_command_line(name: str) -> bool:
    """Whether the option was given there, and not by environment or file."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def in_order(products: tuple[str, ...], contract: Contract) -> tuple[str, ...]:
    """The products, each once, in the order of the contract, so that another order sends the same; all if none is."""
    return tuple(product for product in contract.products if product in products) or contract.products
