"""The digests in a certificate: of the suite, of the journal, and of the subject.

A gateway somewhere on the network cannot be measured. Its certificate has the digest of its URL, which tells where it
was, not which software ran there.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.reports.report import ReportSubject

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
        """Parse `ALGORITHM:HEX`, or 64 digits alone (SHA-256). Raises UsageError for anything else."""
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


# The files that SQLite keeps beside a database while a part of its contents is in them.
_OPEN = ("-wal", "-journal")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class JournalFile:
    """A closed journal, complete in this one file of `size` bytes."""

    path: Path
    digest: Digest
    size: int

    @classmethod
    def closed(cls, path: Path) -> Self:
        """The journal at `path`. Raises EnvironmentFailure while it is open, UsageError if it cannot be read."""
        for suffix in _OPEN:
            beside = path.with_name(path.name + suffix)
            if beside.exists() and beside.stat().st_size:
                raise EnvironmentFailure(
                    f"the journal {path} is not closed: {beside.name} holds a part of it",
                    hint="close the program that has it open, and run again",
                )
        try:
            return cls(path, file_digest(path), path.stat().st_size)
        except OSError as error:
            raise UsageError(f"the journal {path} cannot be read: {error.strerror or error}") from error

    def check_unchanged(self) -> None:
        """Raise EnvironmentFailure if the file has changed, as when another run began to write it."""
        if JournalFile.closed(self.path) != self:
            raise EnvironmentFailure(
                f"the journal {self.path} changed while it was judged", hint="give each run its own --report-dir"
            )


@contextmanager
def exact_copy(journal: Path, most: int | None = None) -> Iterator[JournalFile | None]:
    """A private copy of `journal` with the digest of the copied bytes, so that exactly these bytes are judged.

    SQLite finds no other file beside it. None for a file of more than `most` bytes, which is not copied. Raises
    UsageError if it cannot be read, EnvironmentFailure if there is no room for the copy.
    """
    with TemporaryDirectory(prefix="statum-conformance-evidence-") as folder:
        copy = Path(folder) / "journal.sqlite"
        digest, size = hashlib.sha256(), 0
        for chunk in _chunks_of(journal):
            digest.update(chunk)
            size += len(chunk)
            if most is not None and size > most:
                break
            _append(copy, chunk)
        else:
            copy.touch()
            yield JournalFile(copy, Digest("sha256", digest.hexdigest()), size)
            return
        yield None


def _chunks_of(journal: Path) -> Iterator[bytes]:
    try:
        with journal.open("rb") as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise UsageError(f"the evidence {journal} cannot be read: {error.strerror or error}") from error


def _append(copy: Path, chunk: bytes) -> None:
    try:
        with copy.open("ab") as target:
            target.write(chunk)
    except OSError as error:
        raise EnvironmentFailure(
            f"the evidence cannot be copied to {copy.parent}: {error.strerror or error}",
            hint="TMPDIR names a folder with more room",
        ) from error


class DigestSource(StrEnum):
    """Where the digest of a subject comes from."""

    GIVEN = "given"
    MEASURED = "measured"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class CertifiedSubject:
    """`artifacts` are names with digests; `source` says where those come from, `detail` the same in words."""

    kind: str
    name: str
    url: str | None
    artifacts: tuple[tuple[str, Digest], ...]
    source: DigestSource
    detail: str

    @classmethod
    def of(
        cls,
        judged: ReportSubject,
        name: str | None = None,
        digest: Digest | None = None,
        measured: Sequence[Path] = (),
    ) -> Self:
        """The subject of a run; the user gives `name` and `digest`; `measured`: the files that it consists of.

        Raises UsageError if nothing identifies it, or a file cannot be read.
        """
        url, named = judged.url, name or judged.name
        artifacts: tuple[tuple[str, Digest], ...]
        if digest is not None:
            artifacts, source, detail = ((named, digest),), DigestSource.GIVEN, "given by who asked for the certificate"
        elif measured:
            artifacts = tuple((path.name, _measured(path)) for path in measured)
            source = DigestSource.MEASURED
            detail = f"measured of the driver: {', '.join(path.name for path in measured)}"
        elif judged.kind == "gateway" and judged.name != url:
            # The built-in mock gateway has a name of its own; a gateway that was given is called by its URL.
            artifacts, source = ((named, suite_digest()),), DigestSource.MEASURED
            detail = "measured of the suite's files"
        elif url is not None:
            artifacts, source = ((named, text_digest(url)),), DigestSource.ADDRESS
            detail = "of the URL alone: where, not what"
        else:
            raise UsageError(f"{named} cannot be measured; --subject-digest is missing", hint="sha256:… of what it is")
        return cls(judged.kind, named, url, artifacts, source, detail)


def _measured(path: Path) -> Digest:
    try:
        return file_digest(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be measured: {error.strerror or error}") from error


def files_of_command(command: str) -> tuple[Path, ...]:
    """The files that a command line consists of: those among its arguments, else the program itself.

    `python driver.py` is that script; `./driver` is that program.
    """
    program, *arguments = shlex.split(command) or [""]
    files = tuple(Path(argument) for argument in arguments if Path(argument).is_file())
    found = shutil.which(program)
    return files or ((Path(found),) if found else ())
