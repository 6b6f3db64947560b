"""Takes the pictures of a report that README.md shows: `make picture`, or `python docs/picture.py [FOLDER]`.

The sample report (`examples/sample_report.py`) as Chromium shows it, light and dark. What drives Chromium is installed
by `npm ci --prefix .ci/browser`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import which

# ruff: noqa: INP001 - a script, not a module of a package

CHECKOUT = Path(__file__).parents[1]
SAMPLE = CHECKOUT / "reports" / "sample" / "report.html"
IMAGES = CHECKOUT / "docs" / "images"
NAMES = ("report-light.png", "report-dark.png")

# Chromium starts within seconds on an idle machine.
PATIENCE_S = 120.0


def take(folder: Path) -> tuple[Path, ...]:
    """Write the pictures into `folder`, which is made if need be; their paths. Raises CalledProcessError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / name for name in NAMES)
    subprocess.run(  # noqa: S603 - our own script
        [which("node") or "node", CHECKOUT / ".ci" / "browser" / "picture.mjs", SAMPLE, *paths],
        check=True,
        timeout=PATIENCE_S,
    )
    return paths


if __name__ == "__main__":
    for path in take(Path(sys.argv[1]) if sys.argv[1:] else IMAGES):
        sys.stdout.write(f"{path}\n")
