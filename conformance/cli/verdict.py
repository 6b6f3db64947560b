"""The end of every command that judges: reports, what fell short, one line of verdict, the exit code."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.certificate.issuing import Certification
from conformance.cli.certificates import Notary
from conformance.cli.complaints import Complaints
from conformance.errors import EnvironmentFailure
from conformance.expectations import Expectations
from conformance.gateway_under_test.keeping import keep
from conformance.journal import Record, read_journal
from conformance.reporting.console import print_line, remarks, results
from conformance.reporting.result import Result
from conformance.reporting.terminal import show, show_verdict
from conformance.reporting.writing import REPORT_JSON, write_reports


def judge_journal(  # noqa: PLR0913 - each is an option of the commands that end so
    journal: Path,
    report_dir: Path,
    save_corpus: Path | None = None,
    certification: Certification | None = None,
    *,
    expectations: Expectations | None = None,
    show_phone_numbers: bool | None = None,
) -> int:
    """Judge `journal`, write the reports into `report_dir`, show the result; the exit code of the verdict.

    Failing cases go into the folder `save_corpus`, if there is one, and a certificate beside the reports, if one is
    asked for; `expectations` and `show_phone_numbers` are those of `Result.of`. Raises UsageError if it is no journal,
    EnvironmentFailure if the reports, the certificate or the corpus cannot be written.
    """
    # Before it is read, so that what is certified is what was judged.
    notary = None if certification is None else Notary(journal, certification)
    result = Result.of(read_journal(journal), expectations, show_phone_numbers=show_phone_numbers)
    write_reports(result, report_dir)
    report = report_dir / REPORT_JSON
    obstacle = obstacle_in(result.record)
    if obstacle is None:
        show(result, results(), report, journal)
    else:
        # Every requirement is inconclusive for the same reason, which is told once.
        show_verdict(result, results(), report)
        complaints = click.get_current_context().find_object(Complaints) or Complaints()
        complaints.error(obstacle)
    if notary is not None:
        notary.certify(result, report_dir)
    if save_corpus is not None:
        for path in keep(result.record, result.judged, save_corpus):
            print_line(remarks(), f"kept {path}")
    return result.exit_code


def obstacle_in(record: Record) -> EnvironmentFailure | None:
    """What kept the campaign from being held, if anything did."""
    details = [note.detail for note in record.notes if note.kind == "obstacle"]
    return EnvironmentFailure(details[-1]["message"], details[-1].get("hint")) if details else None
