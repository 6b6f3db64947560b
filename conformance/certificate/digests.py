"""Digests, as in-toto writes them: `{algorithm: hexadecimal}`.

Digest          one, parsed from `ALGORITHM:HEX`
file_digest     of a file
suite_digest    of the suite's own files: the same in a checkout and in an installed wheel
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Self

from conformance.model.errors import UsageError

# Of those that in-toto names, with the number of their hexadecimal digits.
ALGORITHMS: Mapping[str, int] = {"sha256": 64, "sha512": 128, "gitCommit": 40}

# The schemas have a digest of their own and lie elsewhere in a checkout; the kill matrix is measured of all the rest.
_NOT_SUITE = frozenset({"__pycache__", "schemas", "kill-matrix.json"})
_SUITE_SUFFIXES = (".py", ".toml", ".json", ".typed", ".html", ".css", ".js")


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest of something; `value` in lower-case hexadecimal digits."""

    algorithm: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest that `ALGORITHM:HEX` says, or 64 digits alone (SHA-256). Raises UsageError for anything else."""
        algorithm, colon, value = text.strip().rpartition(":")
        algorithm, value = (algorithm if colon else "sha256"), value.lower()
        if len(value) != ALGORITHMS.get(algorithm) or not re.fullmatch("[0-9a-f]+", value):
            known = ", ".join(f"{name} ({digits})" for name, digits in ALGORITHMS.items())
            raise UsageError(
                f"digest {text!r} is none; expected ALGORITHM:HEX with one of {known} hexadecimal digits",
                hint="such as sha256:… from `sha256sum FILE`",
            )
        return cls(algorithm, value)

    @property
    def entry(self) -> dict[str, str]:
        """As a statement holds it."""
        return {self.algorithm: self.value}


def file_digest(path: Path) -> Digest:
    """The SHA-256 of a file. Raises OSError if it cannot be read."""
    with path.open("rb") as opened:
        return Digest("sha256", hashlib.file_digest(opened, "sha256").hexdigest())


def text_digest(text: str) -> Digest:
    """The SHA-256 of a text in UTF-8."""
    return Digest("sha256", hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest())


@cache
def suite_digest() -> Digest:
    """The SHA-256 of all files of the suite with their names; without its schemas, which have a digest of their own."""
    digest = hashlib.sha256()
    for name, file in sorted(_files_below(files("conformance"), "")):
        data = file.read_bytes()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return Digest("sha256", digest.hexdigest())


def _files_below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.name in _NOT_SUITE:
            continue
        if entry.is_dir():
            yield from _files_below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUITE_SUFFIXES) and not entry.name.startswith("."):
            yield f"{prefix}{entry.name}", entry
