"""The lock on a journal: one run at a time writes to it."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from conformance.model.errors import EnvironmentFailure


class JournalLock:
    """An advisory lock on the file `<journal>-lock`, which the operating system drops when its holder dies.

    It has a file of its own, because closing any descriptor of a database file drops the locks of SQLite on it.
    """

    def __init__(self, journal: Path) -> None:
        """Takes the lock, in a directory that is made if need be.

        EnvironmentFailure if another run holds it or the directory cannot be made or written to.
        """
        self._path = journal.with_name(journal.name + "-lock")
        try:
            journal.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._locked(journal)
        except OSError as error:
            raise EnvironmentFailure(
                f"the report directory {journal.parent} cannot be written to: {error.strerror}",
                "name another one with --report-dir",
            ) from error

    def _locked(self, journal: Path) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A holder that ends removes its file: is the locked one still the one by that name?
                with suppress(FileNotFoundError):
                    if os.path.samestat(self._path.stat(), os.fstat(descriptor)):
                        return descriptor
            except BlockingIOError as error:
                os.close(descriptor)
                raise EnvironmentFailure(
                    f"another run is writing to {journal}", "wait for it, or name another directory with --report-dir"
                ) from error
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def release(self) -> None:
        """Gives the lock up and removes its file."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
