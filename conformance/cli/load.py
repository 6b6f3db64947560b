"""The command `load`: a run under load, on Locust, or a worker for one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click

from conformance.cli.command import ConformanceCommand, Messages, Output
from conformance.cli.journals import JudgedRun, check_new, held
from conformance.cli.settings import settings_from
from conformance.load.campaign import WORK, run_load
from conformance.load.engine import LoadEngine
from conformance.load.joining import join
from conformance.load.settings import LoadSettings, check_installed, check_permitted
from conformance.model.errors import UsageError
from conformance.model.process import Progress, interrupts_deferred
from conformance.payloads.valid import check_given
from conformance.reports.console import print_line

# Options of a run whose limits and rates are those of the whole load.
OF_THE_RUN_ALONE = ("rate",)


@click.command("load", cls=ConformanceCommand, short_help="Judge a gateway under load.")
def load(**options: Any) -> int:
    """Judge a gateway under load: the contract, payloads and rules of `run`, many requests a second.

    Locust's processes send, on this machine and on others that join. Without --gateway, the built-in mock gateway is
    judged. Any gateway beyond this machine needs --max-accepted, --max-spend and --phone-number; they hold over all
    workers together.

    Exit code: 0 conformant, 1 not conformant, 2 wrong usage, 3 inconclusive, 4 the suite failed.
    """
    output = Output.of(options)
    check_installed()
    settings = settings_from({**options, **dict.fromkeys(OF_THE_RUN_ALONE)})
    if options["join"] is not None:
        if settings.gateway is None:
            raise UsageError("--join is given without --gateway; expected the gateway of the load run")
        join(options["join"], settings, partial(print_line, output.console))
        return 0
    check_permitted(settings)
    check_new(options["write_expectations"])
    for command in settings.contract.commands_of(settings.products):
        check_given(settings.contract, command, settings.constraints)
    terms = _load_settings(options)
    with ExitStack() as stack, interrupts_deferred():
        engines: list[LoadEngine] = []

        def hold(progress: Progress) -> Path:
            engine = stack.enter_context(LoadEngine(terms, settings, settings.report_dir / WORK, progress))
            engines.append(engine)
            return run_load(settings, terms, engine, progress)

        judged = held(
            hold,
            lambda journal: JudgedRun.of(journal, settings.report_dir, settings.contract),
            output,
        )
        code = judged.tell(output)
        ended = engines[0].conclude(code)
    if ended != code:
        Messages.of().warn(f"Locust ended with {ended}, and not with the exit code of the verdict, {code}")
    return code


def _load_settings(options: Mapping[str, Any]) -> LoadSettings:
    return LoadSettings(
        rate=options["rate"],
        for_s=options["for"],
        workers=options["workers"],
        expect_workers=options["expect_workers"],
        listen_workers=options["listen_workers"],
        receivers=options["receivers"],
        web=options["web"],
        slo=options["slo"],
    )
