"""The files of constraints, as tests read them.

CONSTRAINTS, BUILD_CONSTRAINTS      for what runs, and for what builds the package
pins                                a file's entries, by name
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CHECKOUT = Path(__file__).parents[2]
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
