"""The public Python API: the commands that judge, for a program. `conformance` has its names.

    run, certify, judge     the commands of these names; they return a RunOutcome and print no result
    RunOutcome              the verdict, the report, and the files that were written
    MockGateway             the mock gateway of the pytest fixture `statum_gateway`

An option of the command is a keyword argument, with underscores: `max_examples=20`. A repeatable one takes a list, a
`NAME=VALUE` one also a dictionary. An option that is not given, or is None, comes from the environment or the
configuration file, as on the command line. What cannot be used, or prevents the run, is raised as a ConformanceError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from typing import Any

from conformance.cli.command import ConformanceCommand, Messages, Output, in_words
from conformance.cli.journals import JudgedRun, RunOutcome, judged_again
from conformance.cli.journals import judge as judge_command
from conformance.cli.run import certify as certify_command
from conformance.cli.run import prepared_certification, prepared_run
from conformance.cli.run import run as run_command
from conformance.judging.verdicts import Conclusion
from conformance.mock.partner import MockGateway
from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError, UsageError, did_you_mean
from conformance.model.process import closed_at_second_signal, interrupts_deferred, is_interrupted, signals_handled
from conformance.options import options_of, spelled
from conformance.reports.report import Report
from conformance.wire.streams import close_all

__all__ = [
    "ConformanceError",
    "EnvironmentFailure",
    "MockGateway",
    "Report",
    "RunOutcome",
    "SuiteError",
    "UsageError",
    "certify",
    "judge",
    "run",
]

# Options of the output, and `--plan`, with which nothing is judged.
OF_THE_COMMAND_LINE = frozenset({"format", "help", "plan", "quiet", "verbose"})

OPTION = re.compile(r"--[a-z]+(?:-[a-z]+)*")


def run(**options: Any) -> RunOutcome:
    """Judge a gateway, as the command `run` does; the options are those of that command.

    Raises KeyboardInterrupt where a signal ended the run, after its reports are written.
    """
    return _outcome(run_command, options, prepared_run)


def certify(**options: Any) -> RunOutcome:
    """Judge a client or a receiver, as the command `certify` does; the options are those of that command.

    Raises KeyboardInterrupt where a signal ended the run, after its reports are written.
    """
    return _outcome(certify_command, options, prepared_certification)


def judge(journal: str | PathLike[str], **options: Any) -> RunOutcome:
    """Judge a saved journal again, as the command `judge` does; the options are those of that command."""
    return _outcome(judge_command, options, lambda given: lambda _: judged_again(given["journal"], given), journal)


def _outcome(
    command: ConformanceCommand,
    options: Mapping[str, Any],
    prepared: Callable[[dict[str, Any]], Callable[[Output], JudgedRun]],
    *journal: str | PathLike[str],
) -> RunOutcome:
    arguments = [*_arguments(command, options), "--", *map(str, journal)]
    messages = Messages(from_python=True)
    # A second signal closes connections, and does not end the process, which is the caller's.
    with signals_handled(hard=False), closed_at_second_signal(close_all):
        try:
            with command.make_context(command.name, arguments, obj=messages) as context:
                # Most flags have no opposite for a command line; here False overrules environment and file.
                context.params |= {key: False for key, value in options.items() if value is False}
                judged_run = prepared(context.params)
                with interrupts_deferred():
                    outcome = judged_run(Output(quiet=True)).keep(quiet=True)
        except Exception as error:  # noqa: BLE001 - a bug of the suite is a SuiteError as well
            failure = _for_python(in_words(error), command, messages)
            is_bug = isinstance(failure, SuiteError) and failure is not error
            raise failure from (error if is_bug else None)
        if outcome.obstacle is not None and outcome.verdict is Conclusion.INCONCLUSIVE:
            raise _for_python(outcome.obstacle, command, messages)
        if is_interrupted():
            raise KeyboardInterrupt
    return outcome


def _for_python(error: ConformanceError, command: ConformanceCommand, messages: Messages) -> ConformanceError:
    """The error without secrets; an option is called by its keyword, and not as on the command line."""
    keywords = {f"--{option.name}": option.key for option in options_of(command.name or "")}

    def text(original: str) -> str:
        return messages.redacted(OPTION.sub(lambda option: keywords.get(option[0], option[0]), original))

    error.message, error.hint = text(error.message), None if error.hint is None else text(error.hint)
    error.lines = tuple(map(messages.redacted, error.lines))
    error.args = (error.message,)
    return error


def _arguments(command: ConformanceCommand, options: Mapping[str, Any]) -> Iterator[str]:
    """The options as the command line has them, which is how they are read and checked."""
    known = {option.key: option for option in options_of(command.name or "") if option.key not in OF_THE_COMMAND_LINE}
    for key, value in options.items():
        if key not in known:
            raise UsageError(f"{command.name} has no option {key!r}", hint=did_you_mean(key, known))
        option = known[key]
        if value is False and option.opposite:
            yield f"--{option.opposite}"
        elif option.is_flag and not isinstance(value, bool | None):
            raise UsageError(f"{key} is {value!r}; expected True or False")
        else:
            yield from spelled(option.name, value)
