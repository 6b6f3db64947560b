"""Where in a file something stands: the lines of what TOML and JSON hold, by the path that leads there.

toml_lines      of a TOML document: ("command", 2, "window") → line
json_lines      of a JSON document: ("properties", "code", "type") → line
line_of         the line of a path, or of the nearest above it that is there

Tables of a list are counted from 0. Within an inline table, or a list of them, every path has the line of its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from json import JSONDecoder

Path = tuple[str | int, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?")
_ENTRY = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=\s*")
_LONG = ('"""', "'''")
_SPACE = re.compile(r"[\s,:]*")
_DECODER = JSONDecoder()


def toml_lines(text: str) -> dict[Path, int]:
    """The line of each table and key, from 1; of a document that can be read."""
    found: dict[Path, int] = {(): 1}
    counts: dict[Path, int] = {}
    table: Path = ()
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


def _keys(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))


def _numbered(name: Path, counts: Mapping[Path, int]) -> Path:
    """The path of a table below the last one of a list of tables."""
    path: Path = ()
    for key in name[:-1]:
        path = (*path, key)
        if path in counts:
            path = (*path, counts[path])
    return (*path, *name[-1:])


def _open_at_end(line: str) -> tuple[str, int]:
    """The quotes of a text that goes on in the next line, and how many brackets more are opened than closed."""
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


def json_lines(text: str) -> dict[Path, int]:
    """The line of each member and item, from 1; of a document that can be read."""
    starts = [match.start() for match in re.finditer("\n", text)]
    found: dict[Path, int] = {}
    line = 0
    for at, path in _members(text):
        while line < len(starts) and starts[line] < at:
            line += 1
        found[path] = line + 1
    return found


def _members(text: str) -> Iterator[tuple[int, Path]]:
    """Where each value begins (a member where its name does), with its path; in the order of the text."""
    above: list[tuple[Path, bool, int]] = []  # path, whether it is an object, items so far
    at = _after_space(text, 0)
    path: Path = ()
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
    """Behind a value without members, and what is between it and the next."""
    return _after_space(text, _DECODER.raw_decode(text, at)[1])


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def line_of(path: Path, lines: Mapping[Path, int]) -> int:
    """The line of `path`, or of the nearest above it that is there."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 1)
