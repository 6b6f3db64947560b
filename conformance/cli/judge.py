"""`judge`: judge a saved journal again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conformance.cli.command import ConformanceCommand, contract_option
from conformance.cli.options import expectations_options, on_command_line, report_options
from conformance.cli.output import Output, output_options
from conformance.cli.verdict import Ending, strict_option


@click.command("judge", cls=ConformanceCommand, short_help="Judge a saved journal again, offline.")
@click.argument("journal", type=click.Path(path_type=Path))
@contract_option
@expectations_options
@strict_option
@report_options
@output_options("report.json")
def judge(journal: Path, **options: Any) -> int:
    """Judge the JOURNAL of a run again, offline: same verdicts, same reports, same exit code.

    It is judged by what the run was told to expect, or by --expectations where that stands on the command line. A run
    that was judged strictly is judged strictly again; --strict judges any run so.

    A journal of a run that was killed is judged as far as it goes; what was not exercised is inconclusive.
    """
    output = Output.of(options)
    ending = Ending.of(
        journal,
        options["report_dir"],
        options["contract"],
        expectations=options["expectations"] if on_command_line("expectations") else None,
        show_phone_numbers=options["show_phone_numbers"] or None,
        strict=options["strict"] or None,
    )
    return ending.tell(output)
