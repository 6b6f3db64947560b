"""For Sphinx: what the site looks like. `docs/build_site.py` assembles its pages.

Nothing is loaded from elsewhere when a page is read: theme, search and highlighting are files of the site, and it works
from a disk, too. SITE_URL, the address that it is published at, is for the sitemap.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

# ruff: noqa: INP001, D103 - Sphinx runs it as a file

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
ADDRESS = os.environ.get("SITE_URL", "").rstrip("/")
REPOSITORY = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]

project = "statum-conformance"
language = "en"
extensions = ["myst_parser", "sphinx_copybutton"]
# A page shows what a program printed, with … for what is left out: no lexer knows that.
suppress_warnings = ["misc.highlighting_failure"]

myst_heading_anchors = 4

# Of a session, the commands alone, also those that go on in the next line.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

html_theme = "furo"
html_title = project
html_static_path = [str(HERE / "style.css"), str(HERE / "from-disk.js")]
html_css_files = ["style.css"]
html_js_files = ["from-disk.js"]
html_favicon = str(HERE / "icon.svg")
html_baseurl = f"{ADDRESS}/" if ADDRESS else ""
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_use_index = False
html_theme_options: dict[str, Any] = {"navigation_with_keys": True}


def setup(app: Any) -> None:
    app.connect("build-finished", add_files)


def add_files(app: Any, failure: Exception | None) -> None:
    """The pictures, the sample of a report, and where the address is known the sitemap."""
    if failure is not None:
        return
    site = Path(app.outdir)
    shutil.copytree(CHECKOUT / "docs" / "images", site / "images", dirs_exist_ok=True)
    (site / "sample").mkdir()
    shutil.copy(CHECKOUT / "reports" / "sample" / "report.html", site / "sample")
    if ADDRESS:
        hidden = {name for name, metadata in app.env.metadata.items() if "nosearch" in metadata}
        pages = sorted(app.env.found_docs - hidden)
        (site / "sitemap.txt").write_text("".join(f"{ADDRESS}/{page}.html\n" for page in pages), encoding="utf-8")
