"""The files of a contract folder, as they are: what is read before anything in it has a meaning.

ContractFolder      its tables (TOML) and schemas, and the line at which each thing in them is
hinted              a complaint with a hint at what may have been meant
FolderFault               something in it that cannot be used: file, line, what is there and what is expected
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Self

from conformance.contract.lines import Path as Place
from conformance.contract.lines import json_lines, line_of, toml_lines
from conformance.contract.schema_set import BASE_URI, SchemaSet
from conformance.model.errors import did_you_mean

CONTRACT, REQUIREMENTS, PROBES, BEHAVIOURS = (
    f"{name}.toml" for name in ("contract", "requirements", "probes", "behaviours")
)
TABLES = (CONTRACT, REQUIREMENTS, PROBES, BEHAVIOURS)
# A contract without the others has neither probes nor behaviours.
NEEDED = (CONTRACT, REQUIREMENTS)


@dataclass(frozen=True, slots=True, order=True)
class FolderFault:
    """`told`: what is there; what is expected, maybe with a hint. `line` counts from 1."""

    file: str
    line: int
    told: str

    def in_folder(self, folder: Path) -> str:
        """The fault in one line, its place as editors take it."""
        return f"{folder / self.file}:{self.line}: {' '.join(self.told.split())}"


class ContractFolder:
    """A contract folder. `given`: as it was given; None for the one that comes with the suite."""

    def __init__(self, root: Traversable, given: Path | None, name: str) -> None:
        self.root = root
        self.given = given
        self.schemas = SchemaSet(root, f"{BASE_URI}{name}/")
        self._known_tables: dict[str, Mapping[str, Any]] = {}
        self._known_lines: dict[str, Mapping[Place, int]] = {}

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """The TOML files by name; "" for one that may be missing. Raises OSError and UnicodeDecodeError."""
        return {name: self._text(name) for name in TABLES}

    def _text(self, name: str) -> str:
        file = self.root / name
        return "" if name not in NEEDED and not file.is_file() else file.read_text("utf-8")

    @cached_property
    def tables(self) -> Mapping[str, Mapping[str, Any]]:
        """What they hold. Raises tomllib.TOMLDecodeError, too."""
        return {name: self.table(name) for name in TABLES}

    def table(self, name: str) -> Mapping[str, Any]:
        """What one of them holds. Raises OSError, UnicodeDecodeError and tomllib.TOMLDecodeError."""
        if name not in self._known_tables:
            self._known_tables[name] = tomllib.loads(self._text(name))
        return self._known_tables[name]

    @property
    def digest(self) -> str:
        """Names this edition of all files that have a meaning."""
        return digest_of([*self.texts.values(), self.schemas.digest])

    def fault(self, file: str, place: Iterable[str | int], told: str) -> FolderFault:
        """One at a place in a file, which is a table's name or a schema's."""
        return FolderFault(self.file_of(file), line_of(tuple(place), self._lines(file)), told)

    @staticmethod
    def file_of(name: str) -> str:
        """The file of a table or schema."""
        return name if name in TABLES else f"{name}.json"

    def _lines(self, file: str) -> Mapping[Place, int]:
        if file not in self._known_lines:
            if file in TABLES:
                self._known_lines[file] = toml_lines(self.texts[file])
            else:
                self._known_lines[file] = json_lines((self.root / self.file_of(file)).read_text("utf-8"))
        return self._known_lines[file]

    @classmethod
    def at(cls, path: Path) -> Self:
        """The one that was given."""
        return cls(path, path, path.resolve().name)


def hinted(told: str, given: str, known: Iterable[str]) -> str:
    """The same with a hint at what may have been meant, if anything is near."""
    hint = did_you_mean(given, known)
    return f"{told} (hint: {hint})" if hint else told


def digest_of(texts: Iterable[str]) -> str:
    """`sha256:` and the digest of texts."""
    whole = hashlib.sha256()
    for text in texts:
        whole.update(text.encode())
    return f"sha256:{whole.hexdigest()}"
