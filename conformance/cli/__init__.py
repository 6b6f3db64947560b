"""The command line: a thin face over everything else.

    outcome                     arguments → exit code, as `conformance.__main__` calls it

    configuration               options from environment and file
    parameters, command         options as click has them; commands, and their output
    settings                    options → settings of a run
    run                         `run`, `certify`, `doctor`
    load                        `load`
    journals                    `judge`, `listen`, `replay`; the end of all that judge
    report, certificates        `report`, `show`, `compare`; `verify`, `sign`, `badge`, `keygen`
    register                    `site`
    mock, notify                `mock`, `notify`
    init, pages                 `init`; `docs`
    printing                    `requirements`, `openapi`, `history`, `config`, `completion`
    explaining                  `explain`

Every option and its help is a row of `conformance/options.toml`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from conformance import __version__
from conformance.cli.certificates import badge, keygen, sign, verify
from conformance.cli.command import HELP_OPTIONS, ConformanceCommand, ConformanceGroup, Messages, in_words
from conformance.cli.configuration import variable
from conformance.cli.explaining import explain
from conformance.cli.init import init
from conformance.cli.journals import judge, listen, replay
from conformance.cli.load import load
from conformance.cli.mock import mock
from conformance.cli.notify import notify
from conformance.cli.pages import docs
from conformance.cli.printing import completion, config, history, openapi, requirements
from conformance.cli.register import site
from conformance.cli.report import compare, report, show
from conformance.cli.run import certify, doctor, run
from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError, UsageError
from conformance.model.process import closed_at_second_signal, interrupts_allowed, is_interrupted, signals_handled
from conformance.wire.streams import close_all

PROGRAM = "statum-conformance"


@click.group(
    cls=ConformanceGroup,
    context_settings={"help_option_names": HELP_OPTIONS},
    epilog="Every option can also be given in the environment (--max-examples as STATUM_CONFORMANCE_MAX_EXAMPLES), or "
    "in statum-conformance.toml or [tool.statum-conformance] of pyproject.toml in the current directory. The command "
    "line beats the environment, which beats the file. --env NAME takes what the file has in [env.NAME]; `config` "
    "shows what counts.",
)
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """Judge whether a Statum-style gateway keeps its API contract, requirement by requirement."""


COMMANDS: tuple[ConformanceCommand, ...] = (
    init,
    run,
    load,
    certify,
    doctor,
    mock,
    notify,
    judge,
    listen,
    replay,
    report,
    show,
    compare,
    history,
    requirements,
    explain,
    openapi,
    verify,
    sign,
    badge,
    site,
    keygen,
    config,
    completion,
    docs,
)

for command in COMMANDS:
    cli.add_command(command)


def outcome(arguments: Sequence[str] | None = None) -> int:
    """Run the command of the `arguments` (those of the process, if None); the exit code."""
    messages = Messages(debug=bool(os.environ.get(variable("debug"))))
    with signals_handled(), closed_at_second_signal(close_all):
        try:
            with interrupts_allowed(raise_at_end=False):
                code = cli.main(
                    args=None if arguments is None else list(arguments),
                    prog_name=PROGRAM,
                    obj=messages,
                    standalone_mode=False,
                )
        except SystemExit as ended:  # click's way to say whether it has completed a command line
            return UsageError.exit_code if ended.code else 0
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a bug of the suite's ends in one line as well
            return messages.error(_interrupted(error) if is_interrupted() else in_words(error))
        if not code and is_interrupted():
            return messages.error(EnvironmentFailure("interrupted at its end; whatever is written by now is whole"))
    return int(code or 0)


def _interrupted(error: BaseException) -> ConformanceError:
    """Turn an exception after a signal into an interruption; it may have become any other on its way."""
    translated = in_words(error)
    if not isinstance(translated, SuiteError):
        return translated
    amid = "" if isinstance(error, click.Abort) else f", which led to {type(error).__name__}: {error}"
    interrupted = EnvironmentFailure(" ".join(f"interrupted{amid}".split()))
    interrupted.__cause__ = error
    return interrupted
