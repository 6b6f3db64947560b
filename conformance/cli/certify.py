"""`certify`: judge a client, or its receiver of notifications."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click
from rich.console import Console

from conformance.certificate.digests import files_of_command
from conformance.cli.certificates import certification_from
from conformance.cli.command import ConformanceCommand
from conformance.cli.messages import Messages, Output
from conformance.cli.settings import given_settings, trusted
from conformance.cli.verdict import JudgedRun, held
from conformance.client.certification import certify as hold
from conformance.client.certification import observe
from conformance.client.driver_messages import secrets_of, tokens_in
from conformance.client.settings import ClientSettings
from conformance.mock.account import Account
from conformance.model.errors import UsageError
from conformance.model.process import interrupts_deferred
from conformance.reports.console import print_line, remarks, results


@click.command("certify", cls=ConformanceCommand, short_help="Judge a client.")
def certify(**options: Any) -> int:
    """Judge a client, requirement by requirement, by its requests to a witness and by what it returns to its caller.

    Exit code: 0 conformant, 1 not conformant, 2 wrong usage, 3 inconclusive, 4 the suite failed.
    """
    output = Output.of(options)
    judged_run = prepared_certification(options)
    with interrupts_deferred():
        return judged_run(output).tell(output)


def prepared_certification(options: dict[str, Any]) -> Callable[[Output], JudgedRun]:
    """The certification that the options ask for, ready to be held. Raises UsageError for what cannot be used."""
    settings = _settings_from(options)
    certification = certification_from(options, files_of_command(settings.driver or ""))

    def judged_run(output: Output) -> JudgedRun:
        # Whoever runs the client has to know the address, also where standard output is for something else.
        introduce = partial(_introduce, remarks() if output.quiet or output.as_json else results())
        return held(
            partial(hold, settings) if settings.observe is None else partial(observe, settings, introduce),
            lambda journal: JudgedRun.of(journal, settings.report_dir, settings.contract, certification),
            output,
        )

    return judged_run


def _introduce(console: Console, base_url: str, account: Account) -> None:
    """Print how to run a client against it; scripts wait for the last line."""
    print_line(console, f"gateway to run the client against: {base_url}")
    print_line(console, f"consumer key {account.consumer_key}, secret {account.consumer_secret}")
    print_line(console, account.names)
    print_line(console, "phone numbers that bring about a behaviour: statum-conformance mock --list-scenarios")
    print_line(console, "ready")
    console.file.flush()


def _settings_from(options: dict[str, Any]) -> ClientSettings:
    contract = options["contract"]
    secrets = (*secrets_of(contract, options["driver"] or ""), *tokens_in(contract, options["callback_url"] or ""))
    Messages.of().protect("", "", *options["redact"], *secrets)
    if options["callback_url"] is not None and not options["product"]:
        raise UsageError(
            "--callback-url does not say which product's notifications go there; expected --product NAME",
            hint=f"one of {', '.join(contract.callbacks)}",
        )
    settings = {
        **given_settings(ClientSettings, "certify", options),
        "observe": options["listen"] if options["observe"] else None,
        "products": tuple(name for name in contract.callbacks if name in options["product"]),
        "ca_file": trusted(options["ca_file"]),
    }
    return ClientSettings(**settings)
