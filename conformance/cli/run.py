"""`run`: judge a gateway."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from conformance.cli.certificates import certification_from, signing_options
from conformance.cli.command import ConformanceCommand
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
from conformance.gateway_under_test import campaign
from conformance.reporting.console import remarks
from conformance.reporting.live import progress_on


@click.command("run", cls=ConformanceCommand, short_help="Judge a gateway.")
@gateway_options
@account_options
@sandbox_options
@receiver_options
@waiting_options
@product_options
@campaign_options
@case_options
@expectations_options
@report_options
@signing_options
def run(**options: Any) -> int:
    """Judge a gateway, requirement by requirement.

    Without --gateway it is the built-in mock gateway that is judged, over real HTTP. On a real gateway accepted
    requests cost money: name the phone numbers that may be used.

    Exit code: 0 conformant, 1 not conformant, 2 wrong usage, 3 inconclusive, 4 the suite failed.
    """
    settings = settings_from(options)
    certification = certification_from(options)
    with terminated_as_interrupted(), progress_on(remarks()) as progress:
        journal = campaign.run(settings, progress)
        progress.phase("judge")
    return judge_journal(journal, settings.report_dir, settings.save_corpus, certification)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """While entered, SIGTERM ends the campaign as Ctrl-C does: what is there is judged."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
