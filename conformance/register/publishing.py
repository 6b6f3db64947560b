"""Pages → a directory, in which only files that the register wrote are replaced or removed.

`register-files.json` names these files with the SHA-256 of what they held. A file that it does not name, or that was
changed since, belongs to somebody else: then nothing is written. It is written first, with the digests of old and new
files, so that a register whose making was cut off is made again without a question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.certificate.digests import file_digest
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.untrusted import json_object
from conformance.register.reading import MANIFEST
from conformance.reports.files import Staged, replace_file
from conformance.reports.text import as_json

SCHEMA_VERSION = 1
# Of the files that are in the way.
MOST_NAMED = 10

Digests = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Published:
    """The files that were written and removed, by their names below the directory."""

    written: tuple[str, ...]
    removed: tuple[str, ...]


def publish(directory: Path, names: Iterable[str], files: Iterable[tuple[str, bytes]]) -> Published:
    """Write `files` (name below the directory and content, one after the other) in place of those of an earlier time.

    `names`: of all these files. Raises UsageError if a file of somebody else is in the way, and EnvironmentFailure if
    one cannot be written; then none is changed.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"--out names {directory}, which is a file; expected a directory")
    before = _manifest(directory)
    kept = sorted(names)
    _check_unobstructed(directory, {*before, *kept}, before)
    with _as_environment(directory), _folders(directory, kept), Staged() as staged:
        digests: dict[str, frozenset[str]] = {}
        for name, content in files:
            digests[name] = frozenset({hashlib.sha256(content).hexdigest()})
            staged.add(directory / name, content)
        both = {name: before.get(name, frozenset()) | digests.get(name, frozenset()) for name in {*before, *digests}}
        replace_file(directory / MANIFEST, _manifest_bytes(both))
        staged.put_in_place()
        removed = sorted(before.keys() - digests.keys())
        for name in removed:
            (directory / name).unlink(missing_ok=True)
            _remove_empty((directory / name).parent, directory)
        replace_file(directory / MANIFEST, _manifest_bytes(digests))
    return Published(tuple(digests), tuple(removed))


def _manifest(directory: Path) -> Digests:
    """The files of an earlier time; none if there is no manifest. Raises UsageError for one that is damaged."""
    path = directory / MANIFEST
    if not path.is_file():
        return {}
    document = json_object(path.read_bytes())
    files: Any = (document or {}).get("files")
    if (document or {}).get("schema_version") != SCHEMA_VERSION or not isinstance(files, dict):
        raise UsageError(
            f"{path} is not the list of files of a register; nothing is written",
            hint="move it away, or name another directory with --out",
        )
    return {str(name): frozenset(map(str, digests)) for name, digests in files.items() if _is_below(str(name))}


def _is_below(name: str) -> bool:
    """Whether a name, as it was read from a file, is that of a file below the directory."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _manifest_bytes(digests: Digests) -> bytes:
    files = {name: sorted(digests[name]) for name in sorted(digests)}
    return as_json({"schema_version": SCHEMA_VERSION, "files": files})


def _check_unobstructed(directory: Path, names: Iterable[str], before: Digests) -> None:
    """Raise UsageError if a file there is not as the register left it, or a link leads elsewhere."""
    lines = [f"{directory / name}: {why}" for name in sorted(names) if (why := _obstruction(directory, name, before))]
    if lines:
        more = [f"… and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
        raise UsageError(
            f"{directory} holds files that the register did not write; nothing is written",
            hint="move them away, or name another directory with --out",
            lines=(*lines[:MOST_NAMED], *more),
        )


def _obstruction(directory: Path, name: str, before: Digests) -> str:
    path = directory / name
    if any(each.is_symlink() for each in (path, *path.parents[: len(Path(name).parts) - 1])):
        return "it is, or is below, a symbolic link"
    if not path.exists():
        return ""
    if not path.is_file():
        return "it is not a file"
    if name not in before:
        return "no register wrote it"
    try:
        changed = file_digest(path).value not in before[name]
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return "it was changed since the register wrote it" if changed else ""


@contextmanager
def _folders(directory: Path, names: Iterable[str]) -> Iterator[None]:
    """Make the folders of these files; those that are empty at the end, because something failed, are removed."""
    folders = sorted({directory, *((directory / name).parent for name in names)})
    made = [folder for folder in folders if not folder.exists()]
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _remove_empty(folder: Path, directory: Path) -> None:
    while folder != directory:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
        folder = folder.parent


@contextmanager
def _as_environment(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentFailure(
            f"the register cannot be written to {directory}: {error.strerror or error}",
            hint="name another directory with --out",
        ) from error
