"""Reports as they are meant to look, kept in tests/data/golden: `tests/support/golden_files.py` writes them anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from io import StringIO
from pathlib import Path

from load_records import busy
from made_result import result_of
from rich.console import Console

from conformance import __version__
from conformance.contract.contract import statum
from conformance.register.document import register_json
from conformance.register.reading import ReadResults
from conformance.register.results import RegisteredResult
from conformance.register.subjects import Register
from conformance.reports.junit import junit
from conformance.reports.result import Result
from conformance.reports.sarif import sarif
from conformance.reports.summary import summary, workflow_commands
from conformance.reports.terminal import show, show_observed

FOLDER = Path(__file__).parents[1] / "data" / "golden"

REPORT = Path("reports/report.html")


class Screen(StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def printed(result: Result, width: int, *, verbose: bool = False, screen: bool = False) -> bytes:
    """What a log or a screen of that width shows of a result, without colours and the blanks that fill lines up."""
    file = Screen() if screen else StringIO()
    console = Console(
        file=file, width=width, force_terminal=screen, color_system=None, markup=False, emoji=False, highlight=False
    )
    if verbose:
        show_observed(result, console)
    show(result, console, REPORT)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines()).encode()


def register_of(result: Result) -> bytes:
    """register.json of one subject, with its result."""
    registered = RegisteredResult.of_report(result.report, result.contract, Path("report.json"))
    return register_json(Register.of(ReadResults((registered,)), [result.contract]), "Register")


@cache
def under_load() -> Result:
    """A run under load, whose gateway fails from some rate on, and whose load generator was late."""
    return Result.of(busy(slo={"answer-p99": 0.1, "errors": 0.01}, behind_s=1.24))


CASES: Mapping[str, Callable[[Result], bytes]] = {
    "summary.md": summary,
    "report.sarif": sarif,
    "junit.xml": junit,
    "terminal-60.txt": partial(printed, width=60, screen=True),
    "terminal-100.txt": partial(printed, width=100),
    "terminal-60-verbose.txt": partial(printed, width=60, verbose=True, screen=True),
    "register.json": register_of,
    "annotations.txt": lambda result: "".join(f"{line}\n" for line in workflow_commands(result.report)).encode(),
    # Of a run under load, which is one of its own.
    "terminal-load.txt": lambda _: printed(under_load(), width=100),
    "summary-load.md": lambda _: summary(under_load()),
}


def golden(name: str) -> str:
    """The content of a golden file."""
    return (FOLDER / name).read_text(encoding="utf-8")


def comparable(content: bytes) -> str:
    """As text, with VERSION and CATALOGUE for what they are now."""
    return content.decode().replace(statum().catalogue.digest, "CATALOGUE").replace(__version__, "VERSION")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in CASES.items():
        (FOLDER / name).write_text(comparable(make(result_of())), encoding="utf-8")
