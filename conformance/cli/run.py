"""Commands that send: `run` judges a gateway, `certify` a client; `doctor` sees whether the set-up works for either.

prepared_run, prepared_certification    options → the campaign, ready to begin; the Python API begins here, too
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console

from conformance.certificate.digests import files_of_command
from conformance.cli.certificates import certification_from
from conformance.cli.command import ConformanceCommand, Messages, Output, on_command_line
from conformance.cli.journals import JudgedRun, check_new, held
from conformance.cli.settings import as_recorded, given_settings, limited, settings_from, trusted
from conformance.client.certification import certify as hold
from conformance.client.certification import examine_driver, observe
from conformance.client.driver_messages import secrets_of, tokens_in
from conformance.client.settings import ClientSettings
from conformance.contract.requirements import Actor
from conformance.gateway import campaign
from conformance.gateway.plan import Plan
from conformance.gateway.preflight import examine, to_register
from conformance.gateway.reaching import PreflightCheck
from conformance.gateway.rig import rigged
from conformance.gateway.settings import Settings
from conformance.journal import read_evidence
from conformance.mock.account import Account
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.process import interrupts_deferred
from conformance.options import options_of
from conformance.payloads.valid import check_given
from conformance.reports.console import print_json, print_line, remarks, results
from conformance.reports.folders import folder_of
from conformance.reports.plan_and_replay import plan_document, show_plan
from conformance.reports.result import is_client
from conformance.reports.text import for_terminal

# The base URL of a mock gateway that is only planned for: it has none before it is started.
NOT_STARTED = "http://127.0.0.1:0/api/v2"

# Whose requirements each command judges.
OF_A_GATEWAY = frozenset({Actor.GATEWAY})
OF_A_CLIENT = frozenset({Actor.CLIENT, Actor.RECEIVER})

# The plan of the run has decided which cases are sent.
CASES = frozenset({"corpus", "cases", "save_corpus"})


@click.command("run", cls=ConformanceCommand, short_help="Judge a gateway.")
def run(**options: Any) -> int:
    """Judge a gateway, requirement by requirement.

    Without --gateway, the built-in mock gateway is judged, over real HTTP. On a real gateway accepted requests cost
    money: give the phone numbers that may be used and the most that may be spent. --plan shows what would be sent.

    Exit code: 0 conformant, 1 not conformant, 2 wrong usage, 3 inconclusive, 4 the suite failed.
    """
    output = Output.of(options)
    if options["plan"] and options["resume"] is None:
        return _planned(settings_from(limited(options, OF_A_GATEWAY), is_sent=False), output)
    judged_run = prepared_run(options)
    with interrupts_deferred():
        return judged_run(output).tell(output)


def prepared_run(options: dict[str, Any]) -> Callable[[Output], JudgedRun]:
    """The run that the options ask for, ready to begin. Raises UsageError for what cannot be used."""
    if options["resume"] is not None:
        return _resumed(options["resume"], options)
    check_new(options["write_expectations"])
    settings = settings_from(limited(options, OF_A_GATEWAY))
    for command in settings.contract.commands_of(settings.products):
        check_given(settings.contract, command, settings.constraints)
    certification = certification_from(options)
    return partial(
        held,
        partial(campaign.run, settings),
        lambda journal: replace(
            JudgedRun.of(journal, settings.report_dir, settings.contract, certification, settings.save_corpus),
            write_expectations=options["write_expectations"],
        ),
    )


def _resumed(path: Path, options: dict[str, Any]) -> Callable[[Output], JudgedRun]:
    """Resume a run and judge all of it. Raises UsageError for options that would make it another run."""
    allowed = {option.key for option in options_of("run") if option.on_resume}
    given = {name for name in options if on_command_line(name)}
    if other := sorted(given - allowed - {"gateway"}):
        raise UsageError(
            f"--{other[0].replace('_', '-')} is given with --resume, which continues a run with its own options",
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


@click.command("certify", cls=ConformanceCommand, short_help="Judge a client.")
def certify(**options: Any) -> int:
    """Judge a client, requirement by requirement: its requests to a mock gateway, and its results to its caller.

    Exit code: 0 conformant, 1 not conformant, 2 wrong usage, 3 inconclusive, 4 the suite failed.
    """
    output = Output.of(options)
    judged_run = prepared_certification(options)
    with interrupts_deferred():
        return judged_run(output).tell(output)


def prepared_certification(options: dict[str, Any]) -> Callable[[Output], JudgedRun]:
    """The certification that the options ask for, ready to begin. Raises UsageError for what cannot be used."""
    check_new(options["write_expectations"])
    settings = _settings_from(limited(options, OF_A_CLIENT))
    certification = certification_from(options, files_of_command(settings.driver or ""))

    def judged_run(output: Output) -> JudgedRun:
        # The person who runs the client needs the address, also where standard output is for something else.
        introduce = partial(_introduce, remarks() if output.quiet or output.as_json else results())
        return held(
            partial(hold, settings) if settings.observe is None else partial(observe, settings, introduce),
            lambda journal: replace(
                JudgedRun.of(journal, settings.report_dir, settings.contract, certification),
                write_expectations=options["write_expectations"],
            ),
            output,
        )

    return judged_run


def _introduce(console: Console, base_url: str, account: Account) -> None:
    """Print how to run a client against it; scripts wait for the last line."""
    print_line(console, f"gateway to run the client against: {base_url}")
    print_line(console, f"consumer key {account.consumer_key}, secret {account.consumer_secret}")
    print_line(console, account.names)
    print_line(console, "phone numbers that bring about a behaviour: statum-conformance mock --list-scenarios")
    print_line(console, "ready")
    console.file.flush()


def _settings_from(options: dict[str, Any]) -> ClientSettings:
    contract = options["contract"]
    secrets = (*secrets_of(contract, options["driver"] or ""), *tokens_in(contract, options["callback_url"] or ""))
    Messages.of().protect("", "", *options["redact"], *secrets)
    if options["callback_url"] is not None and not options["product"]:
        raise UsageError(
            "--callback-url does not say which product's notifications go there; expected --product NAME",
            hint=f"one of {', '.join(contract.callbacks)}",
        )
    settings = {
        **given_settings(ClientSettings, "certify", options),
        "observe": options["listen"] if options["observe"] else None,
        "products": tuple(name for name in contract.callbacks if name in options["product"]),
        "ca_file": trusted(options["ca_file"]),
        "failed_by": options.get("failed_by", {}),
    }
    built = ClientSettings(**settings)
    subject = urlsplit(built.callback_url or "").netloc or built.driver or "observed"
    return replace(built, report_dir=folder_of(built.report_dir, subject, built.seed))


FAILED = "failed"


@click.command("doctor", cls=ConformanceCommand, short_help="Check that the set-up works.")
def doctor(**options: Any) -> int:
    """Check the set-up: the gateway can be reached, it accepts the credential, and each callback URL leads back here.

    It calls account-details. If the answer is not as expected, it sends an object with empty members to each command,
    to see whether a gateway answers at all. No money moves. With --driver it checks the driver of a client instead:
    starts it, says hello and stops it. Exit code: 0 if every check passed, 3 if not.
    """
    shown = _Checks(Output.of(options))
    with shown:
        if options["driver"] is not None:
            for name, detail in examine_driver(options["driver"], options["contract"]):
                shown.check(PreflightCheck(name, ok=True, detail=detail))
        else:
            _examine(settings_from(options, looks_only=True), shown, whole=options["show_callback_token"])
    shown.sum_up("certify" if options["driver"] is not None else "run")
    return 0


def _examine(settings: Settings, shown: _Checks, *, whole: bool) -> None:
    with rigged(settings) as rig:
        if (settings.gateway is not None and settings.callback_url) or settings.callback_listen.port:
            shown.line("callback URLs to register with the gateway, one for each product:")
            every = settings.products == settings.contract.products  # and what no request precedes, too
            products = settings.callbacks if every else settings.products
            for product, url in to_register(rig, products, whole=whole).items():
                shown.line(f"  {product}: {url}")
        for probe in examine(settings, rig):
            shown.check(probe)


class _Checks:
    """Shows each check as it is made, and all of them at the end to a script."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._redacted = Messages.of().redacted
        self._checks: list[dict[str, str | None]] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Print the checks for a script, whatever ended them; nothing for a usage error."""
        if not self._output.as_json or isinstance(error, UsageError):
            return
        if isinstance(error, EnvironmentFailure) and not any(check["verdict"] == FAILED for check in self._checks):
            self._note("set-up", FAILED, "\n".join([error.message, *error.lines]), error.hint)
        print_json(self._checks)

    def line(self, text: str, style: str = "") -> None:
        """A line for people."""
        if not self._output.quiet:
            print_line(self._output.console, text, style)

    def check(self, probe: PreflightCheck) -> None:
        """One more. Raises EnvironmentFailure if it failed."""
        verdict = FAILED if not probe.ok else "warning" if probe.warning else "ok"
        self._note(probe.name, verdict, probe.detail, probe.hint)
        if not probe.ok:
            self.line(f"{FAILED}  {probe.name}", "red")
            raise EnvironmentFailure(probe.detail, probe.hint)
        self.line(f"{verdict:<7} {probe.name}: {for_terminal(probe.detail)}")

    def _note(self, name: str, verdict: str, detail: str, hint: str | None) -> None:
        shown = self._redacted
        self._checks.append(
            {"check": name, "verdict": verdict, "detail": shown(detail), "hint": None if hint is None else shown(hint)}
        )

    def sum_up(self, command: str) -> None:
        """The last line: all is well."""
        count = len(self._checks)
        if not (self._output.quiet and self._output.as_json):
            line = f"All {count} checks passed; `statum-conformance {command}` can begin"
            print_line(self._output.console, line)
