"""`run`: judge a gateway."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from conformance.cli.certificates import certification_from
from conformance.cli.command import ConformanceCommand, on_command_line
from conformance.cli.messages import Output
from conformance.cli.settings import as_recorded, settings_from
from conformance.cli.verdict import JudgedRun, held
from conformance.gateway import campaign
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.journal import read_evidence
from conformance.model.errors import UsageError
from conformance.model.interruption import held_back
from conformance.options import options_of
from conformance.reports.console import print_json, results
from conformance.reports.plan_and_replay import plan_document, show_plan
from conformance.reports.result import is_client

# The base URL of a mock gateway that is only planned for: it has none before it is started.
NOT_STARTED = "http://127.0.0.1:0/api/v2"

# Which cases are sent was decided when the run was planned.
CASES = frozenset({"corpus", "cases", "save_corpus"})


@click.command("run", cls=ConformanceCommand, short_help="Judge a gateway.")
def run(**options: Any) -> int:
    """Judge a gateway, requirement by requirement.

    Without --gateway it is the built-in mock gateway that is judged, over real HTTP. On a real gateway accepted
    requests cost money: name the phone numbers that may be used and how much may be spent; --plan shows what would be
    sent.

    Exit code: 0 conformant, 1 not conformant, 2 wrong usage, 3 inconclusive, 4 the suite failed.
    """
    output = Output.of(options)
    if options["plan"] and options["resume"] is None:
        return _planned(settings_from(options, is_sent=False), output)
    judged_run = prepared_run(options)
    with held_back():
        return judged_run(output).tell(output)


def prepared_run(options: dict[str, Any]) -> Callable[[Output], JudgedRun]:
    """The run that the options ask for, ready to be held. Raises UsageError for what cannot be used."""
    if options["resume"] is not None:
        return _resumed(options["resume"], options)
    settings = settings_from(options)
    certification = certification_from(options)
    return partial(
        held,
        partial(campaign.run, settings),
        lambda journal: JudgedRun.of(
            journal, settings.report_dir, settings.contract, certification, settings.save_corpus
        ),
    )


def _resumed(path: Path, options: dict[str, Any]) -> Callable[[Output], JudgedRun]:
    """Resume a run and judge all of it. Raises UsageError for options that would make it another run."""
    allowed = {option.key for option in options_of("run") if option.on_resume}
    given = {name for name in options if on_command_line(name)}
    if other := sorted(given - allowed - {"gateway"}):
        raise UsageError(
            f"--{other[0].replace('_', '-')} is given with --resume, by which a run goes on with what it was told",
            hint="leave it out, or begin a new run",
        )
    record = read_evidence(path, options["contract"])
    if is_client(record):
        raise UsageError(f"{path} is the journal of a certification, which cannot be resumed", hint="begin a new one")
    # Environment and file are for new runs.
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
    return partial(
        held,
        partial(campaign.resume, path, settings),
        lambda journal: JudgedRun.of(journal, journal.parent, settings.contract, certification, options["save_corpus"]),
    )


def _planned(settings: Settings, output: Output) -> int:
    plan = Plan.of(settings, settings.gateway or NOT_STARTED)
    if output.as_json:
        print_json(plan_document(plan, settings))
    else:
        show_plan(plan, settings, results())
    return 0
