"""The journal as a file that a certificate can name: closed, with its digest.

JournalFile     a journal that nobody writes to any more
exact_copy      a copy of a journal and the digest of just these bytes, to be judged in its place
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from conformance.certificate.digests import Digest, file_digest
from conformance.model.errors import EnvironmentFailure, UsageError

# What SQLite puts beside a database whose contents are not all in the one file.
_OPEN = ("-wal", "-journal")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class JournalFile:
    """A closed journal: all that it holds is in the bytes of this one file. `size` in bytes."""

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
        """Raises EnvironmentFailure if the file is not what it was, as when another run began to write it."""
        if JournalFile.closed(self.path) != self:
            raise EnvironmentFailure(
                f"the journal {self.path} changed while it was judged", hint="give each run its own --report-dir"
            )


@contextmanager
def exact_copy(journal: Path, most: int | None = None) -> Iterator[JournalFile | None]:
    """A private copy of `journal` whose digest is that of the copied bytes: what is judged is what was certified.

    Nothing that lies beside the original can add to it. None for a file of more than `most` bytes, which is not copied.
    Raises UsageError if it cannot be read, EnvironmentFailure if there is no room for the copy.
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
