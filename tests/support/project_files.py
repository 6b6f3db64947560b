"""Constraints, workflows, actions and pipelines of this repository and of its pages, as tests read and run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from command_line import CONSOLE_SCRIPT
from markdown_pages import CHECKOUT, Block, blocks
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CONSTRAINTS, BUILD_CONSTRAINTS = CHECKOUT / "ci" / "constraints.txt", CHECKOUT / "ci" / "build-constraints.txt"


@dataclass(frozen=True, slots=True)
class Pin:
    """One entry of a file of constraints."""

    requirement: Requirement
    digests: tuple[str, ...]

    @property
    def version(self) -> Version:
        """The only one."""
        (bound,) = self.requirement.specifier
        assert "==" == bound.operator
        return Version(bound.version)


def pins(path: Path) -> Mapping[str, Pin]:
    """Its entries, by name."""
    whole = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in whole.splitlines():
        if line.startswith("#"):
            continue
        requirement = Requirement(line.partition("--hash")[0].strip())
        assert canonicalize_name(requirement.name) not in found, "a second version of it would need its own tests"
        found[canonicalize_name(requirement.name)] = Pin(requirement, tuple(re.findall(r"--hash=sha256:(\w+)", line)))
    return found


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


def template(**inputs: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs of the template for GitLab, and its jobs with these inputs, each with what it extends."""
    header, jobs = TEMPLATE.read_text(encoding="utf-8").split("\n---\n")
    for name, value in inputs.items():
        jobs = jobs.replace(f"$[[ inputs.{name} ]]", value)
    made = read(jobs)
    for name, job in made.items():
        base = made.get(job.get("extends"), {})
        made[name] = {**base, **job, "variables": {**base.get("variables", {}), **job["variables"]}}
    return read(header)["spec"]["inputs"], made


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


def executable(path: Path, script: str) -> Path:
    """A shell script at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def the_command(path: Path) -> Path:
    """The command of this checkout at `path`."""
    return executable(path, f"PYTHONPATH='{CHECKOUT}' exec '{sys.executable}' -c '{CONSOLE_SCRIPT}' \"$@\"")
