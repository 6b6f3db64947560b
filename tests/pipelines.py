"""Workflows, actions and pipelines of this repository and of its pages, as tests read and run them.

WORKFLOWS, ACTION, TEMPLATE     the files
shown_workflows, shown_pipelines    those that docs/ci.md and README.md show, to be copied
shell                           runs a step as GitHub's runner does
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from markdown_pages import CHECKOUT, Block, blocks

WORKFLOWS = tuple(sorted((CHECKOUT / ".github" / "workflows").glob("*.yml")))
ACTION = CHECKOUT / "action.yml"
TEMPLATE = CHECKOUT / "ci" / "gitlab.yml"
PAGE = CHECKOUT / "docs" / "ci.md"

# Longer than any step takes on a busy machine; one that hangs must not hang the build.
PATIENCE_S = 60.0


def read(text: str) -> dict[str, Any]:
    """A mapping in YAML, in which `on` is a word (YAML 1.1 takes it for a truth)."""
    found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes text, lists and mappings only
    assert isinstance(found, dict)
    return found


def _shown() -> list[Block]:
    return [block for block in blocks(PAGE) if block.language == "yaml"]


def shown_workflows() -> Mapping[str, str]:
    """Those for GitHub, by their names."""
    found = {name: block.text for block in _shown() if (name := read(block.text).get("name"))}
    assert found
    return found


def shown_pipelines() -> Mapping[str, str]:
    """Those for GitLab, by where they stand."""
    return {block.place: block.text for block in _shown() if "name" not in read(block.text)}


def step(steps: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The step with that id or name."""
    (found,) = [each for each in steps if name in (each.get("id"), each.get("name"))]
    return found


def shell(script: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a step with `shell: bash`, in `directory`, with these variables beside those of the machine."""
    return subprocess.run(
        ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script),  # noqa: S607 - as the runner does
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
