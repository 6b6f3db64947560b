"""`judge`: judge a saved journal again."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.cli.command import ConformanceCommand
from conformance.cli.options import expectations_options, on_command_line, report_options
from conformance.cli.verdict import judge_journal
from conformance.expectations import Expectations


@click.command("judge", cls=ConformanceCommand, short_help="Judge a saved journal again, offline.")
@click.argument("journal", type=click.Path(path_type=Path))
@expectations_options
@report_options
def judge(journal: Path, report_dir: Path, expectations: Expectations | None, *, show_phone_numbers: bool) -> int:
    """Judge the JOURNAL of a run again, offline: same verdicts, same reports, same exit code.

    It is judged by what the run was told to expect, or by --expectations where that stands on the command line.

    A journal of a run that was killed is judged as far as it goes; what was not exercised is inconclusive.
    """
    return judge_journal(
        journal,
        report_dir,
        expectations=expectations if on_command_line("expectations") else None,
        show_phone_numbers=show_phone_numbers or None,
    )
