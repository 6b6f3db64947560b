"""The documentation as a site: `make site` builds it with Sphinx, into build/site.

    assemble    the pages as Sphinx reads them, in a folder
    build       the site; False where Sphinx complained, as of a link that leads nowhere

The pages are docs/*.md and ELSEWHERE. The home page is docs/index.md, and the navigation is made of its sections. A
file of the repository that a page links to has a page, too, so that nothing depends on where the repository is.
docs/site/ has the configuration and the style.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

# ruff: noqa: INP001 - a script, not a module of a package

CHECKOUT = Path(__file__).parents[1]
DOCS = CHECKOUT / "docs"
CONFIGURATION = DOCS / "site"
ASSEMBLED = CHECKOUT / "build" / "site-source"
SITE = CHECKOUT / "build" / "site"

# Files outside docs/ that are pages of the site; the home page is for both of its sources.
ELSEWHERE: Mapping[str, str] = {
    ".github/CONTRIBUTING.md": "contributing.md",
    ".github/SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
HOME = "index.md"
# The sample is shown as what it is, a report.
SAMPLE, SAMPLE_PAGE = "reports/sample", "sample/report.html"

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"^<!-- .*? -->\n", re.MULTILINE)
_LINK = re.compile(r"\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s#]+)(?P<fragment>#[^)\s]*)?\)")
_PICTURE = re.compile(
    r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>.+?)">'
    r'<img alt="(?P<alt>.+?)" src="(?P<light>.+?)"></picture>'
)
_PICTURES = (
    r'<img class="only-light" alt="\g<alt>" src="\g<light>"><img class="only-dark" alt="\g<alt>" src="\g<dark>">'
)
_SECTION = re.compile(r"^## (?P<title>.+)\n(?P<text>(?:(?!## ).*\n)*)", re.MULTILINE)


def assemble(folder: Path) -> None:
    """Write the pages into the folder, which is emptied first, and the pictures. Raises OSError for a missing file."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DOCS / "images", folder / "images")
    linked: set[str] = set()
    pages = {page.relative_to(CHECKOUT).as_posix(): page.name for page in sorted(DOCS.glob("*.md"))} | ELSEWHERE
    for source, name in pages.items():
        text = _as_read(CHECKOUT / source, linked)
        if name == HOME:
            text += _navigation(text)
        (folder / name).write_text(text, encoding="utf-8")
    for path in sorted(linked):
        (folder / _page_of(path)).write_text(_shown(path), encoding="utf-8")
    (folder / "404.md").write_text(MISSING, encoding="utf-8")


def _as_read(page: Path, linked: set[str]) -> str:
    """The page without comments, its links as those of the site; the files that it links to go into `linked`."""

    def link(found: re.Match[str]) -> str:
        text, target, fragment = found["text"], found["target"], found["fragment"] or ""
        if ":" in target:
            return found[0]
        path = (page.parent / target).resolve().relative_to(CHECKOUT).as_posix()
        if path == SAMPLE:
            return f'<a href="{SAMPLE_PAGE}">{text.replace("`", "")}</a>'
        if path == "README.md":
            return f"[{text}]({HOME})"
        if path in ELSEWHERE:
            return f"[{text}]({ELSEWHERE[path]}{fragment})"
        if path.startswith("docs/"):
            return f"[{text}]({path.removeprefix('docs/')}{fragment})"
        linked.add(path)
        return f"[{text}]({_page_of(path)})"

    def prose(text: str) -> str:
        return _PICTURE.sub(_PICTURES, _LINK.sub(link, _COMMENT.sub("", text)))

    text = page.read_text(encoding="utf-8")
    blocks = _FENCED.findall(text)
    return "".join(prose(part) + block for part, block in zip(_FENCED.split(text), [*blocks, ""], strict=True))


def _navigation(home: str) -> str:
    """For each section of the home page, the pages that it links to, each below the first section that has it."""
    sections: dict[str, list[str]] = {}
    seen: set[str] = set()
    for section in _SECTION.finditer(home):
        pages = [found["target"] for found in _LINK.finditer(section["text"]) if found["target"].endswith(".md")]
        sections[section["title"]] = [page for page in dict.fromkeys(pages) if page not in seen]
        seen |= {*pages}
    sections["Project"] = [page for page in ELSEWHERE.values() if page not in seen]
    return "".join(
        "\n```{toctree}\n:hidden:\n:caption: " + "\n".join([title, "", *pages]) + "\n```\n"
        for title, pages in sections.items()
    )


def _page_of(path: str) -> str:
    """The page that shows a file of the repository."""
    return f"{path.replace('/', '-').lstrip('.')}.md"


# Begins a page that is neither in the navigation nor found.
UNLISTED = "---\norphan: true\nnosearch: true\n---\n\n"
LANGUAGES: Mapping[str, str] = {".mjs": "javascript", ".md": "markdown", ".sh": "bash", ".txt": "text", ".yml": "yaml"}


def _shown(path: str) -> str:
    """A page with the content of that file, outside the navigation and the search."""
    file = CHECKOUT / path
    language = LANGUAGES.get(file.suffix, file.suffix.removeprefix("."))
    fence = "`" * 6
    return (
        f"---\norphan: true\nnosearch: true\n---\n\n# {path}\n\n{fence}{language}\n{file.read_text('utf-8')}{fence}\n"
    )


MISSING = f"{UNLISTED}# Page not found\n\nThe [first page]({HOME}) lists all pages.\n"


def build() -> bool:
    """Assemble the pages and build the site of them; whether Sphinx had no complaint."""
    assemble(ASSEMBLED)
    shutil.rmtree(SITE, ignore_errors=True)
    quietly = ("--quiet", "--fail-on-warning", "--keep-going", "--fresh-env")
    code = sphinx_build([*quietly, "--conf-dir", str(CONFIGURATION), str(ASSEMBLED), str(SITE)])
    shutil.rmtree(SITE / ".doctrees", ignore_errors=True)
    return code == 0


if __name__ == "__main__":
    sys.exit(not build())
