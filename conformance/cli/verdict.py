"""The end of every command that judges: reports, failures, one line of verdict, the exit code.

As a step of a workflow on GitHub a run also leaves annotations for its runner, and its page in the summary of the job.
"""

from __future__ import annotations

import os
from collections.abc import Callable
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
from conformance.model.process import Progress
from conformance.reports.console import on_github, print_document, print_line, remarks
from conformance.reports.files import REPORT_HTML, json_report, write_reports
from conformance.reports.report import Report
from conformance.reports.result import Result
from conformance.reports.summary import summary, workflow_commands
from conformance.reports.terminal import show, show_observed, show_verdict, show_verdict_alone

# Where a step leaves what its job's summary shall show; GitHub gives the name of the file.
SUMMARY = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A judged run, as the Python API returns it.

    `exit_code` is that of the command, `files` are those that were written, the journal first. `obstacle`: why the run
    came to no end, where something is known to be broken all the same.
    """

    verdict: Conclusion
    exit_code: int
    report: Report
    files: tuple[Path, ...]
    obstacle: EnvironmentFailure | None = None


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run that is judged and reported."""

    result: Result
    journal: Path
    reports: tuple[Path, ...]
    notary: Notary | None = None
    save_corpus: Path | None = None

    @classmethod
    def of(  # noqa: PLR0913 - what `judge` may judge by, instead of what the run was given
        cls,
        journal: Path,
        report_dir: Path,
        contract: Contract,
        certification: Certification | None = None,
        save_corpus: Path | None = None,
        *,
        expectations: Expectations | None = None,
        show_phone_numbers: bool | None = None,
        strict: bool | None = None,
    ) -> Self:
        """Judge `journal` and write the reports into `report_dir`.

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
        return cls(result, journal, write_reports(result, report_dir), notary, save_corpus)

    @property
    def report(self) -> Path:
        """The report for people to read."""
        return self.reports[0].with_name(REPORT_HTML)

    def tell(self, output: Output) -> int:
        """Show the result, and write what `keep` writes; the exit code of the verdict. Raises as that does."""
        messages = Messages.of()
        if output.as_json:
            print_document(json_report(self.result))
        obstacle = obstacle_in(self.result.record)
        self._show(output, hindered=obstacle is not None)
        if obstacle is not None:
            messages.error(obstacle)
        _tell_github(self.result, messages)
        self.keep(quiet=output.quiet)
        return self.result.exit_code

    def keep(self, *, quiet: bool = False) -> RunOutcome:
        """Write the certificate and the failing cases that were asked for, and say so unless `quiet`.

        Raises EnvironmentFailure if one of them cannot be written.
        """
        files = [self.journal, *self.reports]
        if self.notary is not None:
            files += self.notary.certify(self.result, self.reports[0].parent, quiet=quiet)
        if self.save_corpus is not None:
            for path in save_failing(self.result.record, self.result.judged, self.save_corpus, self.result.contract):
                files.append(path)
                if not quiet:
                    print_line(remarks(), f"kept {path}")
        obstacle = obstacle_in(self.result.record)
        return RunOutcome(self.result.conclusion, self.result.exit_code, self.result.report, tuple(files), obstacle)

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


def held(hold: Callable[[Progress], Path], judge: Callable[[Path], JudgedRun], output: Output) -> JudgedRun:
    """Hold a campaign, which leaves a journal, and judge that; progress is shown."""
    with output.progress() as progress:
        journal = hold(progress)
        progress.phase("judge")
        return judge(journal)


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
