"""`run`: judge a gateway."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from conformance.cli.certificates import certification_from, signing_options
from conformance.cli.command import ConformanceCommand, option
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
from conformance.cli.verdict import judge_journal
from conformance.errors import UsageError
from conformance.gateway_under_test import campaign
from conformance.gateway_under_test.plan import Plan
from conformance.gateway_under_test.settings import Settings
from conformance.reporting.console import remarks, results
from conformance.reporting.live import progress_on
from conformance.reporting.planned import plan_document, show_plan

F = TypeVar("F", bound=Callable[..., Any])


PLAN = "Plan"

# The base URL of a mock gateway that is only planned for: it has none before it is started.
NOT_STARTED = "http://127.0.0.1:0/api/v2"


def plan_options(function: F) -> F:
    """Those of a run that is only planned."""
    shown = option(PLAN, "--plan", is_flag=True, help="Show what would be sent, and send nothing.")
    form = option(
        PLAN,
        "--format",
        "form",
        type=click.Choice(("text", "json")),
        help="How --plan shows it: as text (the default), or as json with every request.",
    )
    return shown(form(function))


@click.command("run", cls=ConformanceCommand, short_help="Judge a gateway.")
@gateway_options
@account_options
@sandbox_options
@receiver_options
@waiting_options
@product_options
@campaign_options
@limit_options
@case_options
@expectations_options
@report_options
@plan_options
@signing_options
def run(**options: Any) -> int:
    """Judge a gateway, requirement by requirement.

    Without --gateway it is the built-in mock gateway that is judged, over real HTTP. On a real gateway accepted
    requests cost money: name the phone numbers that may be used and how much may be spent; --plan shows what would be
    sent.

    Exit code: 0 conformant, 1 not conformant, 2 wrong usage, 3 inconclusive, 4 the suite failed.
    """
    settings = settings_from(options)
    if options["plan"]:
        return _planned(settings, options["form"] or "text")
    if click.get_current_context().get_parameter_source("form") is ParameterSource.COMMANDLINE:
        raise UsageError(f"--format {options['form']} is given without --plan, which it is for")
    certification = certification_from(options)
    with terminated_as_interrupted(), progress_on(remarks()) as progress:
        journal = campaign.run(settings, progress)
        progress.phase("judge")
    return judge_journal(journal, settings.report_dir, settings.save_corpus, certification)


def _planned(settings: Settings, form: str) -> int:
    """Show what would be sent. Raises UsageError for what cannot be planned."""
    plan = Plan.of(settings, settings.gateway or NOT_STARTED)
    if form == "json":
        click.echo(json.dumps(plan_document(plan, settings), indent=2, ensure_ascii=True))
    else:
        show_plan(plan, settings, results())
    return 0


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """While entered, SIGTERM ends the campaign as Ctrl-C does: what is there is judged."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
