"""The libraries that the suite is built on, with their bounds changed, as pip reads them: `python .ci/bounds.py HOW`.

lowest  each at its lowest version
open    each without its upper bound
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(requirement: Requirement) -> Requirement:
    """At its lowest version. A constraint has no extras: whoever asks for the library names them."""
    (bound,) = [each.version for each in requirement.specifier if each.operator == ">="]
    requirement.specifier = SpecifierSet(f"=={bound}")
    requirement.extras = set()
    return requirement


def unbounded(requirement: Requirement) -> Requirement:
    """Without its upper bound."""
    requirement.specifier = SpecifierSet(",".join(str(each) for each in requirement.specifier if each.operator == ">="))
    return requirement


if __name__ == "__main__":
    change = {"lowest": lowest, "open": unbounded}[sys.argv[1]]
    for line in tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]:
        print(change(Requirement(line)))
