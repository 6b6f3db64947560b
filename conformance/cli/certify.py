"""`certify`: judge a client, or its receiver of notifications."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from conformance.certificate.digests import files_of_command
from conformance.cli.certificates import certification_from, signing_options
from conformance.cli.command import ConformanceCommand, Named, contract_option, option
from conformance.cli.complaints import Complaints
from conformance.cli.options import (
    CAMPAIGN,
    CLIENT,
    driver_options,
    examined_options,
    expectations_options,
    observing_options,
    redact_option,
    report_options,
)
from conformance.cli.output import Output, catalogue_option, output_options
from conformance.cli.tls import trusted
from conformance.cli.verdict import Ending, strict_option
from conformance.client.certification import certify as hold
from conformance.client.driver_log import secrets_of, tokens_in
from conformance.client.observing import observe
from conformance.client.settings import ClientSettings
from conformance.client.settings import DEFAULT_MAX_EXAMPLES, DEFAULT_TIMEOUT_S
from conformance.contract.contract import statum
from conformance.mock.account import Account
from conformance.model.errors import UsageError
from conformance.model.interruption import held_back
from conformance.reports.console import print_line, remarks, results


@click.command("certify", cls=ConformanceCommand, short_help="Judge a client.")
@driver_options
@examined_options
@observing_options
@option(
    CLIENT,
    "--timeout",
    type=float,
    metavar="SECONDS",
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    help="Time-out that the client is given with each call.",
)
@redact_option(CLIENT)
@contract_option
@option(
    CAMPAIGN,
    "--product",
    type=Named("product", lambda contract: contract.callbacks),
    multiple=True,
    metavar="NAME",
    help="Product to judge, or callback without an invocation: "
    f"{', '.join(statum().callbacks)}. Repeatable. Default: all that the driver declares.",
)
@option(
    CAMPAIGN,
    "--max-examples",
    type=int,
    metavar="N",
    default=DEFAULT_MAX_EXAMPLES,
    show_default=True,
    help="Calls with random valid payloads per command, on top of the systematic ones.",
)
@option(CAMPAIGN, "--seed", type=int, metavar="N", help="The same seed asks for the same calls. Default: a new one.")
@expectations_options
@strict_option
@report_options
@catalogue_option
@output_options("report.json")
@signing_options
def certify(**options: Any) -> int:
    """Judge a client, requirement by requirement, by what it sends to a witness and what it tells its caller.

    Exit code: 0 conformant, 1 not conformant, 2 wrong usage, 3 inconclusive, 4 the suite failed.
    """
    output = Output.of(options)
    settings = settings_from(options)
    certification = certification_from(options, files_of_command(settings.driver or ""))
    # Whoever runs the client has to know the address, also where standard output is for something else.
    introduce = partial(_introduce, remarks() if output.quiet or output.as_json else results())
    with held_back():
        with output.progress() as progress:
            journal = hold(settings, progress) if settings.observe is None else observe(settings, introduce, progress)
            progress.phase("judge")
            ending = Ending.of(journal, settings.report_dir, settings.contract, certification)
        return ending.tell(output)


def _introduce(console: Console, base_url: str, account: Account) -> None:
    """What one needs to know to run a client against it; the last line is for scripts that wait for it."""
    print_line(console, f"gateway to run the client against: {base_url}")
    print_line(console, f"consumer key {account.consumer_key}, secret {account.consumer_secret}")
    print_line(console, account.names)
    print_line(console, "phone numbers that bring about a behaviour: statum-conformance mock --list-scenarios")
    print_line(console, "ready")
    console.file.flush()


def settings_from(options: dict[str, Any]) -> ClientSettings:
    """The settings of a certification, from the command's options. Raises UsageError for what cannot be used."""
    seeded = {} if options["seed"] is None else {"seed": options["seed"]}
    complaints = click.get_current_context().find_object(Complaints) or Complaints()
    secrets = (
        *secrets_of(options["contract"], options["driver"] or ""),
        *tokens_in(options["contract"], options["callback_url"] or ""),
    )
    complaints.protect("", "", *options["redact"], *secrets)
    if options["callback_url"] is not None and not options["product"]:
        raise UsageError(
            "--callback-url does not say which product's notifications go there; expected --product NAME",
            hint=f"one of {', '.join(options['contract'].callbacks)}",
        )
    return ClientSettings(
        driver=options["driver"],
        callback_url=options["callback_url"],
        observe=options["listen"] if options["observe"] else None,
        observe_for_s=options["observe_for"],
        observe_idle_s=options["observe_idle"],
        contract=options["contract"],
        products=tuple(name for name in options["contract"].callbacks if name in options["product"]),
        max_examples=options["max_examples"],
        report_dir=Path(options["report_dir"]),
        timeout_s=options["timeout"],
        expectations=options["expectations"],
        strict=options["strict"],
        redact=options["redact"],
        catalogue_url=options["catalogue_url"],
        ca_file=trusted(options["ca_file"]),
        **seeded,
    )
