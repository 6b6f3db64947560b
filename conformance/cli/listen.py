"""`listen`: take notifications that come after a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conformance.cli.as_recorded import as_recorded
from conformance.cli.command import ConformanceCommand, contract_option, option
from conformance.cli.options import NOTIFICATIONS, REPORTS, gateway_options, receiver_options
from conformance.cli.output import Output, quiet_option
from conformance.gateway.resuming import listen_on
from conformance.journal import read_evidence
from conformance.model.errors import UsageError
from conformance.reports.console import print_line, results
from conformance.reports.faces import is_client

# Who wants to listen for longer leaves the option out.
MOST_LISTENED_S = 365 * 86_400.0


@click.command("listen", cls=ConformanceCommand, short_help="Take notifications that come after a run.")
@option(
    REPORTS,
    "--journal",
    type=click.Path(path_type=Path),
    metavar="FILE",
    default=Path("reports/journal.sqlite"),
    show_default=True,
    help="Journal of the run; what comes is added to it.",
)
@option(
    NOTIFICATIONS,
    "--for",
    "for_s",
    type=float,
    metavar="SECONDS",
    help="How long. Default: until Ctrl-C or SIGTERM.",
)
@gateway_options
@receiver_options
@contract_option
@quiet_option("the last line")
def listen(journal: Path, for_s: float | None, **options: Any) -> int:
    """Keep taking notifications for a run that has ended, at the address where it did; `judge` then takes them in.

    A late notification breaks another requirement (NTF-02) than one that never comes (NTF-01).

    Exit code: 0 when told to stop, 2 wrong usage, 3 if the address is taken or another run writes to the journal.
    """
    output = Output.of(options)
    if for_s is not None and not for_s > 0:
        raise UsageError(f"--for is {for_s:g}; expected more than 0 seconds")
    if for_s is not None and for_s > MOST_LISTENED_S:
        raise UsageError(f"--for is {for_s:g}; expected at most {MOST_LISTENED_S:g} seconds, a year")
    record = read_evidence(journal, options["contract"])
    if is_client(record):
        raise UsageError(f"{journal} is the journal of a certification, for which nothing comes late")
    settings = as_recorded(record, options, journal.parent, is_sent=False)
    del record  # or its file would stay open for reading while it is written to
    with output.progress() as progress:
        stayed = listen_on(journal, settings, progress, for_s)
    line = f"{stayed.arrived:,} came; of {stayed.missing:,} accepted requests the notification is missing"
    print_line(results(), f"{line}; `statum-conformance judge {journal}` takes them in")
    return 0
