"""`run`: judge a gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from conformance.cli.as_recorded import as_recorded
from conformance.cli.certificates import SECTION as CERTIFICATE
from conformance.cli.certificates import certification_from, signing_options
from conformance.cli.command import ConformanceCommand, contract_option, option
from conformance.cli.limits import limit_options
from conformance.cli.options import (
    account_options,
    campaign_options,
    case_options,
    expectations_options,
    gateway_options,
    product_options,
    receiver_options,
    report_options,
    sandbox_options,
    settings_from,
    waiting_options,
)
from conformance.cli.output import Output, catalogue_option, output_options
from conformance.cli.verdict import Ending, strict_option
from conformance.gateway import campaign
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.journal import read_evidence
from conformance.model.errors import UsageError
from conformance.model.interruption import held_back
from conformance.reports.console import print_json, results
from conformance.reports.faces import is_client
from conformance.reports.planned import plan_document, show_plan

PLAN = "Plan"

# The base URL of a mock gateway that is only planned for: it has none before it is started.
NOT_STARTED = "http://127.0.0.1:0/api/v2"


plan_option = option(PLAN, "--plan", is_flag=True, help="Show what would be sent, and send nothing.")


resume_option = option(
    PLAN,
    "--resume",
    type=click.Path(path_type=Path),
    metavar="JOURNAL",
    help="Go on with the run of this journal where it was cut off. What it sent is not sent again.",
)

# Which cases are sent was decided when the run was planned.
CASES = frozenset({"corpus", "cases", "save_corpus"})

# What the journal of a run does not hold, or what is about this machine; everything else is as it was.
OF_A_RESUMED_RUN = frozenset(
    {
        "resume",
        "contract",
        "consumer_key",
        "consumer_secret",
        "consumer_secret_file",
        "netrc",
        "ca_file",
        "redact",
        "credential_for",
        "callback_url",
        "callback_token",
        "callback_tls_cert",
        "callback_tls_key",
        "show_phone_numbers",
        "save_corpus",
    }
)


@click.command("run", cls=ConformanceCommand, short_help="Judge a gateway.")
@gateway_options
@contract_option
@account_options
@sandbox_options
@receiver_options
@waiting_options
@product_options
@campaign_options
@limit_options
@case_options
@expectations_options
@strict_option
@report_options
@catalogue_option
@plan_option
@resume_option
@output_options("report.json (with --plan every request)")
@signing_options
def run(**options: Any) -> int:
    """Judge a gateway, requirement by requirement.

    Without --gateway it is the built-in mock gateway that is judged, over real HTTP. On a real gateway accepted
    requests cost money: name the phone numbers that may be used and how much may be spent; --plan shows what would be
    sent.

    Exit code: 0 conformant, 1 not conformant, 2 wrong usage, 3 inconclusive, 4 the suite failed.
    """
    output = Output.of(options)
    if options["resume"] is not None:
        return _resumed(options["resume"], options, output)
    settings = settings_from(options, is_sent=not options["plan"])
    if options["plan"]:
        return _planned(settings, output)
    certification = certification_from(options)
    with held_back():
        with output.progress() as progress:
            journal = campaign.run(settings, progress)
            progress.phase("judge")
            ending = Ending.of(journal, settings.report_dir, settings.contract, certification)
        return ending.tell(output, settings.save_corpus)


def _resumed(path: Path, options: dict[str, Any], output: Output) -> int:
    """Go on with a run, and judge all of it. Raises UsageError for options that would make it another one."""
    context = click.get_current_context()
    signing = {str(each.name) for each in context.command.params if getattr(each, "section", None) == CERTIFICATE}
    allowed = OF_A_RESUMED_RUN | signing
    given = {name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if other := sorted(given - allowed - {"gateway"}):
        raise UsageError(
            f"--{other[0].replace('_', '-')} is given with --resume, by which a run goes on with what it was told",
            hint="leave it out, or begin a new run",
        )
    record = read_evidence(path, options["contract"])
    if is_client(record):
        raise UsageError(f"{path} is the journal of a certification, which cannot be resumed", hint="begin a new one")
    # What stands in the environment or in a file is for new runs.
    kept = {name: value if name in allowed else None for name, value in options.items() if name not in CASES}
    if "gateway" in given and options["gateway"] != record.settings["gateway"]:
        raise UsageError(
            f"--gateway is {options['gateway']}, and the run of {path} was one against {record.settings['gateway']}"
        )
    settings, key = as_recorded(record, kept, path.parent), record.settings["consumer_key"]
    del record  # or its file would stay open for reading while it is written to
    if settings.consumer_key != key:
        raise UsageError(f"the run of {path} was that of consumer key {key}, not of {settings.consumer_key}")
    certification = certification_from(options)
    with held_back():
        with output.progress() as progress:
            campaign.resume(path, settings, progress)
            progress.phase("judge")
            ending = Ending.of(path, path.parent, settings.contract, certification)
        return ending.tell(output, options["save_corpus"])


def _planned(settings: Settings, output: Output) -> int:
    """Show what would be sent. Raises UsageError for what cannot be planned."""
    plan = Plan.of(settings, settings.gateway or NOT_STARTED)
    if output.as_json:
        print_json(plan_document(plan, settings))
    else:
        show_plan(plan, settings, results())
    return 0
