"""`judge`: judge a saved journal again."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.cli.command import ConformanceCommand
from conformance.cli.options import report_options
from conformance.cli.verdict import judge_journal


@click.command("judge", cls=ConformanceCommand, short_help="Judge a saved journal again, offline.")
@click.argument("journal", type=click.Path(path_type=Path))
@report_options
def judge(journal: Path, report_dir: Path, *, show_phone_numbers: bool) -> int:
    """Judge the JOURNAL of a run again, offline: same verdicts, same reports, same exit code.

    A journal of a run that was killed is judged as far as it goes; what was not exercised is inconclusive.
    """
    return judge_journal(journal, report_dir, show_phone_numbers=show_phone_numbers or None)
