"""`doctor`: does the set-up work, before anything is judged?"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import click

from conformance.cli.command import ConformanceCommand
from conformance.cli.messages import Messages, Output
from conformance.cli.settings import settings_from
from conformance.client.certification import examine_driver
from conformance.gateway.preflight import examine, to_register
from conformance.gateway.reaching import PreflightCheck
from conformance.gateway.rig import rigged
from conformance.gateway.settings import Settings
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.reports.console import print_json, print_line
from conformance.reports.text import for_terminal

FAILED = "failed"


@click.command("doctor", cls=ConformanceCommand, short_help="Check that the set-up works.")
def doctor(**options: Any) -> int:
    """Check the set-up: gateway reached, credential accepted, each callback path leading back here.

    account-details is called. Where it is not answered as it should be, an object with empty members goes to each
    command, to see whether a gateway answers at all. No money moves. With --driver it is the driver of a client that is
    checked: it is started, greeted and stopped. Exit code: 0 if all is well, 3 if not.
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
