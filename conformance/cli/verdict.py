"""The end of every command that judges: reports, failures, one line of verdict, the exit code.

As a step of a workflow on GitHub a run also leaves annotations for its runner, and its page in the summary of the job.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click

from conformance.certificate.issuing import Certification
from conformance.cli.certificates import Notary
from conformance.cli.messages import Messages, Output
from conformance.contract.contract import Contract
from conformance.gateway.case_files import save_failing
from conformance.journal import Record, read_evidence
from conformance.judging.expectations import Expectations
from conformance.judging.verdicts import Conclusion
from conformance.model.errors import EnvironmentFailure
from conformance.reports.console import on_github, print_document, print_line, remarks
from conformance.reports.files import REPORT_HTML, REPORT_JSON, json_report, write_reports
from conformance.reports.result import Result
from conformance.reports.summary import summary, workflow_commands
from conformance.reports.terminal import show, show_observed, show_verdict, show_verdict_alone

# Where a step leaves what its job's summary shall show; GitHub gives the name of the file.
SUMMARY = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run that is judged and reported; `report` is the one for people to read."""

    result: Result
    journal: Path
    directory: Path
    report: Path
    notary: Notary | None

    @classmethod
    def of(  # noqa: PLR0913 - what `judge` may tell otherwise than the run was told
        cls,
        journal: Path,
        report_dir: Path,
        contract: Contract,
        certification: Certification | None = None,
        *,
        expectations: Expectations | None = None,
        show_phone_numbers: bool | None = None,
        strict: bool | None = None,
    ) -> Self:
        """Judge `journal` and write the reports into `report_dir`; a certificate is issued if one is asked for.

        `contract`, `expectations`, `show_phone_numbers` and `strict` are those of `Result.of`. Raises UsageError if it
        is no journal of a run by that contract, EnvironmentFailure if the reports cannot be written.
        """
        # Before it is read, so that what is certified is what was judged.
        notary = None if certification is None else Notary(journal, certification)
        result = Result.of(
            read_evidence(journal, contract),
            expectations,
            contract=contract,
            show_phone_numbers=show_phone_numbers,
            strict=strict,
        )
        written = {path.name: path for path in write_reports(result, report_dir)}
        report = written.get(REPORT_HTML, report_dir / REPORT_JSON)
        return cls(result, journal, report_dir, report, notary)

    def tell(self, output: Output, save_corpus: Path | None = None) -> int:
        """Show the result; the exit code of the verdict.

        Failing cases go into the folder `save_corpus`, if there is one. Raises EnvironmentFailure if the certificate or
        the corpus cannot be written.
        """
        messages = Messages.of()
        if output.as_json:
            print_document(json_report(self.result))
        obstacle = obstacle_in(self.result.record)
        self._show(output, hindered=obstacle is not None)
        if obstacle is not None:
            messages.error(obstacle)
        _tell_github(self.result, messages)
        if self.notary is not None:
            self.notary.certify(self.result, self.directory, quiet=output.quiet)
        if save_corpus is not None:
            for path in save_failing(self.result.record, self.result.judged, save_corpus, self.result.contract):
                if not output.quiet:
                    print_line(remarks(), f"kept {path}")
        return self.result.exit_code

    def _show(self, output: Output, *, hindered: bool) -> None:
        """Show it; of a run that was hindered what is known to be broken, if anything is.

        Every other requirement is then inconclusive for the same reason, which is shown once.
        """
        if output.quiet:
            if not output.as_json:
                show_verdict_alone(self.result, output.console, self.report)
            return
        if hindered and self.result.conclusion is Conclusion.INCONCLUSIVE:
            show_verdict(self.result, output.console, self.report)
            return
        if output.verbose:
            show_observed(self.result, output.console)
        show(self.result, output.console, self.report, self.journal)


def obstacle_in(record: Record) -> EnvironmentFailure | None:
    """The reason why the campaign could not run, if there is one."""
    details = [note.detail for note in record.latest_notes if note.kind == "obstacle"]
    return EnvironmentFailure(details[-1]["message"], details[-1].get("hint")) if details else None


def _tell_github(result: Result, messages: Messages) -> None:
    """Print annotations, on standard error, and append the summary to that of the job; elsewhere nothing.

    A summary that cannot be written is warned of: the verdict does not depend on it.
    """
    if on_github():
        for line in workflow_commands(result.report):
            click.echo(line, err=True)
    if path := os.environ.get(SUMMARY):
        try:
            with Path(path).open("ab") as file:
                file.write(summary(result))
        except OSError as error:
            messages.warn(f"{path} (${SUMMARY}) cannot be written: {error.strerror or error}")
