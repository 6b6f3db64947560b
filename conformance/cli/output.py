"""How much a command tells, and where: -q, -v and --format of those that judge.

output_options              the options
quiet_option, form_option   those of commands that have not all of them
catalogue_option            where reports link to
Output                      what they say: the console for people, the progress, whether a script reads
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from rich.console import Console

from conformance.cli.command import option
from conformance.cli.complaints import Complaints
from conformance.cli.options import REPORTS
from conformance.model.errors import UsageError
from conformance.reports.console import remarks, results
from conformance.reports.live import QuietProgress, ShownProgress, progress_on

F = TypeVar("F", bound=Callable[..., Any])

OUTPUT = "Output"
FORMATS = ("text", "json")


def quiet_option(prints: str) -> Callable[[F], F]:
    """-q; `prints` is what there is then."""
    return option(OUTPUT, "-q", "--quiet", is_flag=True, help=f"Print {prints}, and errors; no progress, no warnings.")


def verbose_option(adds: str) -> Callable[[F], F]:
    """-v; `adds` is what comes on top."""
    return option(OUTPUT, "-v", "--verbose", is_flag=True, help=f"Tell more: {adds}.")


def form_option(document: str, *more: str) -> Callable[[F], F]:
    """--format; `document` is what a script gets, `more` are further formats of it."""
    others = "".join(f", or as {name.capitalize()}" for name in more)
    return option(
        OUTPUT,
        "--format",
        "form",
        type=click.Choice([*FORMATS, *more]),
        default="text",
        show_default=True,
        help=f"What goes to standard output: text for people, or {document} as JSON{others} and nothing else. The text "
        "then goes to standard error.",
    )


def output_options(document: str) -> Callable[[F], F]:
    """All three, for a command that judges a run; `document` is what a script gets."""
    quiet = quiet_option("the verdict line")
    verbose = verbose_option(
        "how long each phase took, every requirement with its verdict and number of observations, the slowest "
        "notifications, what was sent again or left out"
    )

    def decorate(function: F) -> F:
        return quiet(verbose(form_option(document)(function)))

    return decorate


def _web_page(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    """UsageError unless it is the address of a page."""
    if url is not None and not re.fullmatch(r"https?://[^\s/#]+/[^\s#]*", url):
        raise UsageError(
            f"--catalogue-url is {url!r}; expected the address of a page, without a fragment",
            hint="where docs/requirements.md is published, as https://docs.example/requirements.html",
        )
    return url


catalogue_option = option(
    REPORTS,
    "--catalogue-url",
    metavar="URL",
    callback=_web_page,
    help="Where you have published docs/requirements.md: reports for Allure and code scanning link to each requirement "
    "there, beside the sentence of the contract that it rests on.",
)
"""Of the commands that judge something anew; a result keeps what it was told."""


@dataclass(frozen=True, slots=True)
class Output:
    """How much is told. `as_json`: standard output is a script's, and people read standard error."""

    quiet: bool = False
    verbose: bool = False
    as_json: bool = False

    @classmethod
    def of(cls, options: dict[str, Any]) -> Output:
        """What the options say, which are taken out of `options`; from here on warnings are told, or not.

        Raises UsageError for -q with -v; of these one on the command line beats one that is configured elsewhere.
        """
        quiet, verbose = bool(options.pop("quiet", False)), bool(options.pop("verbose", False))
        if quiet and verbose:
            here = [_on_command_line(name) for name in ("quiet", "verbose")]
            if here[0] == here[1]:
                raise UsageError("-q (--quiet) and -v (--verbose) are both given; expected one of the two")
            quiet, verbose = here
        if quiet:
            (click.get_current_context().find_object(Complaints) or Complaints()).quieten()
        return cls(quiet, verbose, options.pop("form", None) == "json")

    @property
    def console(self) -> Console:
        """Where people read the result."""
        return remarks() if self.as_json else results()

    @property
    def shown(self) -> bool:
        """Whether people are told anything but the last line."""
        return not self.quiet

    def progress(self) -> ShownProgress:
        """How a run goes on, as it is shown."""
        return QuietProgress() if self.quiet else progress_on(remarks(), verbose=self.verbose)


def _on_command_line(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
