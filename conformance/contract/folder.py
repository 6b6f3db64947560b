"""The files of a contract folder: its tables (TOML) and schemas, and the line of each key in them.

A path such as ("command", 2, "window") leads to a key; tables of a list are counted from 0. Within an inline table, or
a list of them, every path has the line of its key.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from json import JSONDecoder
from pathlib import Path
from typing import Any, Self

from conformance.contract.schemas import BASE_URI, SchemaSet
from conformance.model.errors import did_you_mean

# The keys and numbers that lead to something in a file.
Place = tuple[str | int, ...]

CONTRACT, REQUIREMENTS, PROBES, BEHAVIOURS = (
    f"{name}.toml" for name in ("contract", "requirements", "probes", "behaviours")
)
TABLES = (CONTRACT, REQUIREMENTS, PROBES, BEHAVIOURS)
# A contract without the others has neither probes nor behaviours.
NEEDED = (CONTRACT, REQUIREMENTS)


@dataclass(frozen=True, slots=True, order=True)
class FolderFault:
    """A fault in a file; `message` names the value, the expected one, and maybe a hint. `line` counts from 1."""

    file: str
    line: int
    message: str

    def in_folder(self, folder: Path) -> str:
        """The fault in one line, its place as editors take it."""
        return f"{folder / self.file}:{self.line}: {' '.join(self.message.split())}"


class ContractFolder:
    """A contract folder. `given`: its path as the user gave it; None for the one that comes with the suite."""

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
        """The parsed TOML files by name. Raises tomllib.TOMLDecodeError, too."""
        return {name: self.table(name) for name in TABLES}

    def table(self, name: str) -> Mapping[str, Any]:
        """A parsed TOML file. Raises OSError, UnicodeDecodeError and tomllib.TOMLDecodeError."""
        if name not in self._known_tables:
            self._known_tables[name] = tomllib.loads(self._text(name))
        return self._known_tables[name]

    @property
    def digest(self) -> str:
        """The digest of all tables and schemas."""
        return digest_of([*self.texts.values(), self.schemas.digest])

    def fault(self, file: str, place: Iterable[str | int], message: str) -> FolderFault:
        """A fault at a place in a file, which is a table's name or a schema's."""
        return FolderFault(self.file_of(file), line_of(tuple(place), self._lines(file)), message)

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
        """The folder at `path`."""
        return cls(path, path, path.resolve().name)


def hinted(message: str, given: str, known: Iterable[str]) -> str:
    """The message with a hint at the known names that are near, if any."""
    hint = did_you_mean(given, known)
    return f"{message} (hint: {hint})" if hint else message


def digest_of(texts: Iterable[str]) -> str:
    """`sha256:` and the digest of texts."""
    whole = hashlib.sha256()
    for text in texts:
        whole.update(text.encode())
    return f"sha256:{whole.hexdigest()}"


_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?")
_ENTRY = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=\s*")
_LONG = ('"""', "'''")
_SPACE = re.compile(r"[\s,:]*")
_DECODER = JSONDecoder()


def toml_lines(text: str) -> dict[Place, int]:
    """The line of each table and key of a well-formed document, from 1."""
    found: dict[Place, int] = {(): 1}
    counts: dict[Place, int] = {}
    table: Place = ()
    open_quote, depth = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if open_quote:
            _, quote, line = line.partition(open_quote)  # noqa: PLW2901 - the rest of it is what counts
            if not quote:
                continue
            open_quote = ""
        elif depth == 0 and (header := _HEADER.match(line)):
            name = _numbered(_keys(header[2]), counts)
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                name = (*name, counts[name])
            table = name
            found[table] = number
            continue
        elif depth == 0 and (entry := _ENTRY.match(line)):
            found[(*table, *_keys(entry[1]))] = number
            line = line[entry.end() :]  # noqa: PLW2901 - as above
        open_quote, step = _open_at_end(line)
        depth += step
    return found


def _keys(dotted: str) -> Place:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))


def _numbered(name: Place, counts: Mapping[Place, int]) -> Place:
    """The path of a table below the last one of a list of tables."""
    path: Place = ()
    for key in name[:-1]:
        path = (*path, key)
        if path in counts:
            path = (*path, counts[path])
    return (*path, *name[-1:])


def _open_at_end(line: str) -> tuple[str, int]:
    """The quotes of a text that continues in the next line, and how many more brackets are opened than closed."""
    at = depth = 0
    while at < len(line):
        if line.startswith(_LONG, at):
            quote = line[at : at + 3]
            end = line.find(quote, at + 3)
            if end < 0:
                return quote, depth
            at = end + 3
        elif line[at] in "\"'":
            ends = re.compile(r'"(?:[^"\\]|\\.)*"' if line[at] == '"' else "'[^']*'").match(line, at)
            at = ends.end() if ends else len(line)
        elif line[at] == "#":
            break
        else:
            depth += (line[at] in "[{") - (line[at] in "]}")
            at += 1
    return "", depth


def json_lines(text: str) -> dict[Place, int]:
    """The line of each member and item of a well-formed document, from 1."""
    starts = [match.start() for match in re.finditer("\n", text)]
    found: dict[Place, int] = {}
    line = 0
    for at, path in _members(text):
        while line < len(starts) and starts[line] < at:
            line += 1
        found[path] = line + 1
    return found


def _members(text: str) -> Iterator[tuple[int, Place]]:
    """The start of each value (for a member, that of its name) with its path, in the order of the text."""
    above: list[tuple[Place, bool, int]] = []  # path, whether it is an object, items so far
    at = _after_space(text, 0)
    path: Place = ()
    yield at, path
    while at < len(text):
        character = text[at]
        if character in "{[":
            above.append((path, character == "{", 0))
            at = _after_space(text, at + 1)
        elif character in "}]":
            above.pop()
            at = _after_space(text, at + 1)
        else:
            at = _after_value(text, at)
        if not above or at >= len(text) or text[at] in "}]":
            continue
        parent, is_object, items = above[-1]
        if is_object:
            path = (*parent, _DECODER.raw_decode(text, at)[0])
            yield at, path
            at = _after_value(text, at)
        else:
            path = (*parent, items)
            above[-1] = (parent, is_object, items + 1)
            yield at, path


def _after_value(text: str, at: int) -> int:
    """The position after a value without members and the separators behind it."""
    return _after_space(text, _DECODER.raw_decode(text, at)[1])


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def line_of(path: Place, lines: Mapping[Place, int]) -> int:
    """The line of `path`, or of its nearest parent with a line."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 1)
