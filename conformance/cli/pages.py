"""`docs`: the pages of the documentation, which come with the package.

shipped         a file or folder of the checkout that an installed package has inside
"""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click
from rich.markdown import Markdown

from conformance.cli.command import ConformanceCommand
from conformance.cli.parameters import Completions, Value, beginning
from conformance.contract.contract import Contract
from conformance.model.errors import UsageError, did_you_mean
from conformance.reports.console import is_screen, print_document, print_line, results

SUFFIX = ".md"

# A line of prose is read best so long; a table may be as wide as the screen.
WIDEST = 120

# Comments by which the tests of the documentation find its sessions.
_MARK = re.compile(r"^<!-- .* -->\n", re.MULTILINE)


def shipped(place: str) -> Traversable:
    """The file or folder at that place of a checkout, wherever this package is."""
    installed = files("conformance") / place
    return installed if installed.is_dir() or installed.is_file() else Path(__file__).resolve().parents[2] / place


def page_names() -> list[str]:
    """The names of the pages: those of their files, without the suffix."""
    return sorted(file.name.removesuffix(SUFFIX) for file in shipped("docs").iterdir() if file.name.endswith(SUFFIX))


def text_of(page: str) -> str:
    """The page of that name in Markdown, without the marks for its tests."""
    return _MARK.sub("", (shipped("docs") / f"{page}{SUFFIX}").read_text(encoding="utf-8"))


def _page(text: str, _: Contract) -> str:
    """The name of a page, of its file, or a path of a checkout, as messages and other pages have it."""
    name = text.partition("#")[0].removeprefix("docs/").removesuffix(SUFFIX)
    names = page_names()
    if name not in names:
        raise UsageError(
            f"there is no page {text!r}; expected a name that `statum-conformance docs` shows",
            did_you_mean(name, names),
        )
    return name


def _complete(incomplete: str, _: Contract) -> Completions:
    return beginning(incomplete, page_names())


@click.command("docs", cls=ConformanceCommand, short_help="Show a page of the documentation.")
@click.argument("page", required=False, metavar="[PAGE]", type=Value("page", _page, _complete))
def docs(page: str | None) -> int:
    """Show a PAGE of the documentation, or list the pages.

    On a terminal it is set and shown by your pager; anywhere else it is printed as Markdown. No network is needed.
    """
    console = results()
    if page is None:
        names = page_names()
        width = max(map(len, names))
        for name in names:
            title = text_of(name).partition("\n")[0].removeprefix("# ")
            print_line(console, f"{name:{width}}  {title}")
    elif is_screen(console):
        with console.capture() as captured:
            console.print(Markdown(text_of(page), hyperlinks=False), width=min(console.width, WIDEST))
        click.echo_via_pager(captured.get())
    else:
        print_document(text_of(page).encode())
    return 0
