"""The sources of the project as they are read by the rules about them.

Only the syntax tree is read, nothing is imported, so a module that cannot be imported is judged too.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path


@dataclass(frozen=True)
class Module:
    """A file of the code or of its tests, below the checkout `root`."""

    root: Path
    path: Path

    @cached_property
    def place(self) -> Path:
        """Where it is, from the root."""
        return self.path.relative_to(self.root)

    @cached_property
    def text(self) -> str:
        """The source."""
        return self.path.read_text(encoding="utf-8", errors="replace")

    @cached_property
    def tree(self) -> ast.Module:
        """The source, parsed."""
        return ast.parse(self.text, str(self.place))

    @property
    def is_shipped(self) -> bool:
        """Whether it belongs to `conformance`, rather than to the tests."""
        return self.place.parts[0] == "conformance"

    @property
    def part(self) -> str:
        """The part of `conformance` that it belongs to; "" for the package itself."""
        return "" if self.place.parts[1:] == ("__init__.py",) else self.place.with_suffix("").parts[1]

    @property
    def dotted(self) -> str:
        """Its name, as an import has it."""
        return ".".join(self.place.with_suffix("").parts).removesuffix(".__init__")

    def at(self, line: int, words: str) -> str:
        """A violation in this file."""
        return f"{self.place}:{line}: {words}"

    @cached_property
    def imported(self) -> tuple[tuple[int, str], ...]:
        """Each import as (line, dotted name); what is taken from a package counts as if it were a module."""
        return tuple(self._imported())

    def _imported(self) -> Iterator[tuple[int, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@cache
def modules(root: Path, pattern: str = "*.py") -> tuple[Module, ...]:
    """The files of the code and of its tests that `pattern` matches, in a fixed order; each is read once."""
    return tuple(
        Module(root, path)
        for folder in ("conformance", "tests")
        for path in sorted((root / folder).rglob(pattern))
        if path.is_file() and "__pycache__" not in path.parts
    )


def module_of(name: str, known: Container[str]) -> str:
    """The module that an imported name belongs to: the longest beginning of it that is one; "" if none is."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


@cache
def imports_by_module(root: Path) -> Mapping[str, AbstractSet[str]]:
    """Module of `conformance` → those of its own that it imports, by their dotted names."""
    shipped = {module.dotted: module for module in modules(root) if module.is_shipped}
    return {name: {module_of(imported, shipped) for _, imported in module.imported} for name, module in shipped.items()}


@cache
def class_places(root: Path) -> Mapping[str, Path]:
    """Class of `conformance` → the first file that has one of its name."""
    places: dict[str, Path] = {}
    for module in modules(root):
        if module.is_shipped:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, module.place)
    return places
