"""Journals of runs: their end as verdict, reports and exit code, and the commands `judge`, `listen` and `replay`.

    JudgedRun       a journal → reports, output, certificate, and the RunOutcome that a program gets
    held            a campaign → its journal → the JudgedRun

As a step of a workflow on GitHub a run also leaves annotations for its runner, and its page in the summary of the job.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import click
from click.shell_completion import CompletionItem

from conformance.certificate.issuing import Certification
from conformance.cli.certificates import Notary
from conformance.cli.command import ConformanceCommand, Messages, Output, on_command_line
from conformance.cli.parameters import beginning
from conformance.cli.settings import as_recorded
from conformance.contract.contract import Contract
from conformance.gateway import campaign
from conformance.gateway.case_files import save_failing
from conformance.gateway.plan import Plan
from conformance.gateway.recovery import history, listen_on
from conformance.gateway.request_templates import sent_again
from conformance.gateway.rules.checks import judged_alone, window_of
from conformance.gateway.settings import Settings
from conformance.journal import Record, read_evidence, read_journal
from conformance.judging.expectations import Expectations
from conformance.judging.verdicts import Conclusion
from conformance.model.errors import EnvironmentFailure, UsageError, did_you_mean
from conformance.model.process import Progress
from conformance.model.traffic import Case
from conformance.payloads.addressees import GIVEN_BY, Addressees
from conformance.reports.console import on_github, print_document, print_json, print_line, remarks, results
from conformance.reports.expectations_file import expectations_file
from conformance.reports.files import REPORT_HTML, json_report, write_reports
from conformance.reports.folders import folder_of, latest_folder
from conformance.reports.plan_and_replay import Replayed, show_conclusion, show_replayed
from conformance.reports.report import Report
from conformance.reports.result import Result, is_client
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
    write_expectations: Path | None = None

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
        is not a journal of a run by that contract, EnvironmentFailure if the reports cannot be written.
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

    def tell(self, output: Output) -> int:
        """Show the result, and write what `keep` writes; the exit code of the verdict. Raises as that does."""
        result, page, messages = self.result, self.reports[0].with_name(REPORT_HTML), Messages.of()
        obstacle = obstacle_in(result.record)
        if output.as_json:
            print_document(json_report(result))
        if output.quiet:
            if not output.as_json:
                show_verdict_alone(result, output.console, page)
        elif obstacle is not None and result.conclusion is Conclusion.INCONCLUSIVE:
            # Nothing is known to be broken, and the obstacle, which is shown once, explains every requirement.
            show_verdict(result, output.console, page)
        else:
            if output.verbose:
                show_observed(result, output.console)
            show(result, output.console, page, self.journal)
        if obstacle is not None:
            messages.error(obstacle)
        _tell_github(result, messages)
        self.keep(quiet=output.quiet)
        return result.exit_code

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
        if self.write_expectations is not None:
            path = self.write_expectations
            write_new(path, expectations_file(self.result))
            files.append(path)
            if not quiet:
                print_line(remarks(), f"{path} lists the failures; give it with --expectations {path}")
        obstacle = obstacle_in(self.result.record)
        return RunOutcome(self.result.conclusion, self.result.exit_code, self.result.report, tuple(files), obstacle)


def held(hold: Callable[[Progress], Path], judge: Callable[[Path], JudgedRun], output: Output) -> JudgedRun:
    """Run a campaign, which leaves a journal, and judge that; progress is shown."""
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


# To listen for longer, users leave the option out.
MOST_LISTENED_S = 365 * 86_400.0

# Beside the journal that is replayed from: that one is evidence, and stays as it is.
FOLDER = "replay"


@click.command("judge", cls=ConformanceCommand, short_help="Judge a saved journal again, offline.")
@click.argument("journal", type=click.Path(path_type=Path))
def judge(journal: Path, **options: Any) -> int:
    """Judge the JOURNAL of a run again, offline: same verdicts, same reports, same exit code.

    Its expectations are used, unless --expectations is given on the command line. A run that was judged strictly is
    judged strictly again; with --strict, any run is.

    If the run was killed, the journal is judged as far as it goes; the rest is inconclusive.
    """
    output = Output.of(options)
    return judged_again(journal, options).tell(output)


def judged_again(journal: Path, options: Mapping[str, Any]) -> JudgedRun:
    """Judge a journal again, by the options. Raises UsageError for one that cannot be used."""
    check_new(options["write_expectations"])
    run = read_evidence(journal, options["contract"]).settings
    began = datetime.fromisoformat(run["started_at"])
    judged = JudgedRun.of(
        journal,
        folder_of(options["report_dir"], run["subject_name"], run["seed"], began),
        options["contract"],
        expectations=options["expectations"] if on_command_line("expectations") else None,
        show_phone_numbers=options["show_phone_numbers"] or None,
        strict=options["strict"] or None,
    )
    return replace(judged, write_expectations=options["write_expectations"])


def check_new(path: Path | None) -> None:
    """Raise UsageError if a file for the expectations is there already."""
    if path is not None and path.exists():
        raise UsageError(f"--write-expectations {path} is there already; expected a new file", "nothing is overwritten")


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet. Raises EnvironmentFailure if it is, or cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot be written: {error.strerror or error}") from error


@click.command("listen", cls=ConformanceCommand, short_help="Receive notifications that come after a run.")
def listen(journal: Path, **options: Any) -> int:
    """Receive late notifications of a run that has ended, at its own address; `judge` then counts them.

    A late notification breaks another requirement (NTF-02) than one that never comes (NTF-01).

    Exit code: 0 when told to stop, 2 wrong usage, 3 if the address is taken or another run writes to the journal.
    """
    output = Output.of(options)
    for_s: float | None = options.pop("for")
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


def _recorded_cases(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The cases of the journal that the command line names so far."""
    folder = ctx.params.get("report_dir") or "reports"
    try:
        record = read_journal(ctx.params.get("journal") or Path(folder) / campaign.JOURNAL)
    except UsageError:
        return []
    return beginning(incomplete, (case.id for case in record.cases))


@click.command("replay", cls=ConformanceCommand, short_help="Send one recorded case again.")
@click.argument("case_id", metavar="CASE", shell_complete=_recorded_cases)
def replay(case_id: str, **options: Any) -> int:
    """Send the recorded CASE again, byte for byte, and judge it by itself.

    The requests that it depends on are sent first: its positive twin, the request that it repeats, its group up to it.
    Without --gateway they go to the gateway of the journal, or to a new built-in mock gateway if the run used one. The
    journal holds no credential: give key and secret, from which wrong credentials are made again, too. The new exchange
    is recorded in the folder `replay` of the report directory.

    Exit code: 0 the case keeps every requirement on it, 1 it breaks one, 2 wrong usage, 3 inconclusive, 4 the suite
    failed.
    """
    output = Output.of(options)
    options["report_dir"] = latest_folder(options["report_dir"])
    path: Path = options.pop("journal") or options["report_dir"] / campaign.JOURNAL
    contract = options["contract"]
    record = read_evidence(path, contract)
    if is_client(record):
        raise UsageError(
            f"{path} is the journal of a certification; no command can make a client send a case again",
            hint="repeat the certification with its seed instead",
        )
    case = _recorded(record, case_id, path)
    cases = history(record, case)
    named = dict.fromkeys(contract.product_of(case.command) for case in cases)
    recorded = as_recorded(record, options, options["report_dir"] / FOLDER, tuple(filter(None, named)))
    settings = replace(recorded, shrink_requests=0, recorded_cases=True, only=())
    again = settings.report_dir / campaign.JOURNAL
    if again.resolve() == path.resolve():
        raise UsageError(f"{path} would be replaced by its own replay", hint="choose another --report-dir")
    _check_numbers(cases, record, settings)
    window = None
    if settings.gateway is not None:
        # The run, and the replay before this one: both sent requests to the gateway.
        records = (record, *([read_journal(again)] if again.is_file() else []))
        window = window_of(settings.contract, case, cases, records, time.time())
    messages = Messages.of()
    if window is not None and window.ago_s is not None:
        messages.warn(window.in_words)
    with output.progress() as progress:
        campaign.run(settings, progress, planned=lambda its, base_url: _plan(cases, record, its, base_url))
        progress.phase("judge")
    now = read_journal(again)
    contract = settings.contract
    alone = judged_alone(contract, now, case.id, window), judged_alone(contract, record, case.id)
    replayed = Replayed(case.id, now, *alone, journal=again, contract=contract)
    if (obstacle := obstacle_in(now)) is not None:
        code = messages.error(obstacle)
        if replayed.conclusion is not Conclusion.NON_CONFORMANT:
            return code
    if output.as_json:
        print_json(replayed.document())
    if not output.quiet:
        show_replayed(replayed, output.console)
    elif not output.as_json:
        show_conclusion(replayed, output.console)
    return replayed.conclusion.exit_code


def _recorded(record: Record, case_id: str, path: Path) -> Case:
    found = {case.id: case for case in record.cases}.get(case_id)
    if found is None:
        ids = [case.id for case in record.cases]
        raise UsageError(
            f"there is no case {case_id!r} in {path}, which has {len(ids):,}; expected the id of one, such as "
            f"{ids[0] if ids else 'sms/valid/sample/1'}",
            hint=did_you_mean(case_id, ids),
        )
    return found


def _check_numbers(cases: tuple[Case, ...], record: Record, settings: Settings) -> None:
    """Refuse to send a phone number that neither the run nor this command was given."""
    addressees = Addressees.of(settings.contract, settings.constraints, record.settings["gateway"])
    for case in cases:
        number = addressees.stranger_in(case.request)
        if number is not None:
            raise UsageError(
                f"case {case.id} cannot be sent again: a gateway may find the phone number {number} in it, "
                f"which is none of {GIVEN_BY}",
                hint=f"give the number as {GIVEN_BY} if it may be called, or repeat the run with its seed instead",
            )


def _plan(cases: tuple[Case, ...], record: Record, settings: Settings, base_url: str) -> Plan:
    """One group, so that the cases go out one after the other."""
    recorded_base = record.settings["gateway"]
    key, secret = settings.consumer_key, settings.consumer_secret
    again = (sent_again(settings.contract, case, recorded_base, base_url, key, secret) for case in cases)
    return Plan(settings.contract, (tuple(again),))
