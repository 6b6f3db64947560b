"""A process that judges parts of a journal, begun by this one.

It is begun by a command of its own rather than by `multiprocessing`, which would run the main module of the program
again, and needs a guard in each script that judges a journal. Both ends trust each other: they exchange pickles over
the standard streams. The other end ends when its input does, so also if this process was killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Self

from conformance.contract.contract import Contract, contract_at
from conformance.journal import read_journal
from conformance.judging.parts import Outcome, Part, PartTask
from conformance.judging.terms import Terms
from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError

_PROGRAM = "from conformance.gateway.judging_process import serve; serve()"
# The contract is not sent: each end has read it from its folder.
_CONTRACT = "contract"
_HINT = "give it more memory, or look into the system's log for why it was ended"


class JudgingProcess:
    """A process that judges parts of the journal at `path`. A context manager: it ends with the context."""

    def __init__(self, path: Path, terms: Terms) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101, PT018 - they are pipes
        self._tasks, self._answers = self._process.stdin, self._process.stdout
        self._contract = terms.contract
        self._setting = (path.absolute(), self._contract.folder), terms

    def __enter__(self) -> Self:
        try:
            for value in self._setting:
                self._send(value)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._tasks, self._answers):
            with suppress(OSError):
                stream.close()
        self._process.terminate()
        self._process.wait()

    def ask(self, part: Part, task: PartTask[Outcome]) -> Outcome:
        """The result of a task on a part. Raises what it raises, EnvironmentFailure if the process has ended."""
        self._send((part, task))
        with self._alive():
            done, result = _received(self._answers, self._contract)
        if not done:
            raise result
        return result  # type: ignore[no-any-return]  # that of the task

    def _send(self, value: object) -> None:
        with self._alive():
            _sent(self._tasks, value)

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """EnvironmentFailure for every error that shows that it has ended."""
        try:
            yield
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise EnvironmentFailure("a process that judged a part of the journal ended too early", _HINT) from error


class _Pickling(pickle.Pickler):
    """Leaves the contract out."""

    def persistent_id(self, obj: Any) -> str | None:
        """The name of what both ends have."""
        return _CONTRACT if isinstance(obj, Contract) else None


class _Unpickling(pickle.Unpickler):
    """Puts the contract in."""

    def __init__(self, stream: IO[bytes], contract: Contract | None) -> None:
        super().__init__(stream)
        self._contract = contract

    def persistent_load(self, _: Any) -> Contract | None:
        """What both ends have."""
        return self._contract


def _sent(stream: IO[bytes], value: object) -> None:
    buffer = BytesIO()
    _Pickling(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    stream.write(buffer.getbuffer())
    stream.flush()


def _received(stream: IO[bytes], contract: Contract | None) -> Any:
    return _Unpickling(stream, contract).load()


def serve() -> None:
    """Do the tasks that come on standard input, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks handles it, and ends this one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no answer
    tasks = sys.stdin.buffer
    path, folder = _received(tasks, None)
    contract = contract_at(folder)
    terms = _received(tasks, contract)
    record = None
    while True:
        try:
            part, task = _received(tasks, contract)
        except EOFError:
            return
        try:
            record = record or read_journal(path)
            result = True, task(record.part(part.exchanges, part.notifications), terms, part.share)
        except ConformanceError as error:
            result = False, error
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told where it matters
            result = False, SuiteError(f"judging a part of the journal failed: {type(error).__name__}: {error}")
        _sent(answers, result)
