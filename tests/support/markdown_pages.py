"""Pages of the documentation, read for what can be tested in them.

    PAGES       README.md, docs/*.md, reports/README.md, CONTRIBUTING.md
    blocks      the fenced blocks of a page
    sessions    the blocks that belong together, in order
    steps       the commands of a `console` block, each with the output that it is shown with
    links       what a page links to

The conventions of a page:

    ```console      lines that begin with `$ ` are commands (a backslash at the end goes on in the next line), the lines
                    below each are its output. `…` alone in a line stands for any lines, inside one for any text.
    <!-- session: NAME -->              above a block: it belongs to the session NAME of that page, whose blocks share
                                        directory, environment and processes; a block without has a session of its own
    <!-- session: every -->             it begins each session that starts below it on that page: where to go first
    <!-- session: NAME, background -->  its command goes on until the session ends, or until it is shown again
    <!-- session: NAME, file: PATH -->  the block is no commands but the content of that file
    <!-- session: NAME, change: PATH --> it is what to change in that file of the code, line by line as in a diff; `…`
                                        alone in a line stands for any lines between two places. The session has a copy
                                        of the code, and its commands run that
    <!-- generated: NAME -->            what follows, up to `<!-- end -->`, is written by docs/regenerate.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
ELSEWHERE = ("README.md", "reports/README.md", ".github/CONTRIBUTING.md")
PAGES = tuple(
    sorted(
        (*(CHECKOUT / place for place in ELSEWHERE), *(CHECKOUT / "docs").glob("*.md")),
        key=lambda page: page.relative_to(CHECKOUT).as_posix(),
    )
)

PROMPT = "$ "
EVERY = "every"

_FENCE = re.compile(r"^```(?P<language>\S*)$")
_MARK = re.compile(
    r"^<!-- session: (?P<session>[^,]+?)(?P<background>, background)?"
    r"(?:, file: (?P<file>\S+))?(?:, change: (?P<change>\S+))? -->$"
)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `line` is that of its fence, `session` None where no mark stands above it."""

    page: Path
    line: int
    language: str
    text: str
    session: str | None = None
    background: bool = False
    file: str | None = None
    change: str | None = None

    @property
    def is_tried(self) -> bool:
        """Whether it has a part in a session: as commands, as a file, or as a change to one."""
        return self.language == "console" or bool(self.file or self.change)

    @property
    def place(self) -> str:
        """Where it is, as editors understand it."""
        return f"{name_of(self.page)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and the lines that it is shown to print."""

    command: str
    shown: tuple[str, ...]
    background: bool = False


def name_of(page: Path) -> str:
    """The page's path in the checkout; for one that is elsewhere, its name."""
    return page.relative_to(CHECKOUT).as_posix() if page.is_relative_to(CHECKOUT) else page.name


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of `page`, in order. Raises ValueError for one that is not closed."""
    found: list[Block] = []
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), start=1))
    above = ""
    for number, line in lines:
        if fence := _FENCE.match(line):
            text = "".join(f"{inside}\n" for inside in _up_to_fence(lines, f"{name_of(page)}:{number}"))
            mark = _MARK.match(above)
            told = mark.groupdict() if mark else {}
            told["background"] = bool(told.get("background"))
            found.append(Block(page, number, fence["language"], text, **told))
        above = line or above
    return found


def _up_to_fence(lines: Iterator[tuple[int, str]], place: str) -> Iterator[str]:
    for _, line in lines:
        if line == "```":
            return
        yield line
    raise ValueError(f"the block at {place} is not closed")


def sessions(page: Path) -> dict[str, list[Block]]:
    """What is to be run of `page`: name of the session → its blocks."""
    found: dict[str, list[Block]] = {}
    first: list[Block] = []
    for block in blocks(page):
        if block.session == EVERY:
            first.append(block)
        elif block.is_tried:
            found.setdefault(block.session or f"line {block.line}", [*first]).append(block)
    return found


def steps(block: Block) -> list[Step]:
    """The commands of a `console` block. Raises ValueError for one that begins with output."""
    found: list[Step] = []
    command: list[str] = []
    shown: list[str] = []
    for line in [*block.text.splitlines(), PROMPT]:
        if command and command[-1].endswith("\\"):
            command.append(line)
        elif line.startswith(PROMPT):
            if command:
                found.append(Step("\n".join(command), tuple(shown), block.background))
            command, shown = [line.removeprefix(PROMPT)], []
        elif command:
            shown.append(line)
        else:
            raise ValueError(f"the block at {block.place} begins with output; expected `$ ` and a command")
    return found


def links(page: Path) -> list[str]:
    """The targets of the links in `page`, those in fenced blocks left out."""
    return [match["target"] for match in _LINK.finditer(prose(page))]


def prose(page: Path) -> str:
    """The text of `page` without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def broken_links(page: Path) -> list[str]:
    """The links of `page` that lead to no file, or to no heading of one; those to other hosts are not tried."""
    broken = []
    for link in links(page):
        target, _, fragment = link.partition("#")
        if target.startswith(("http://", "https://")):
            continue
        path = (page.parent / target) if target else page
        if not path.exists() or (fragment and fragment not in anchors(path)):
            broken.append(link)
    return broken


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page are linked to, as GitHub and GitLab make them."""
    headings = (match["text"].lower().replace("`", "") for match in _HEADING.finditer(prose(page)))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}
