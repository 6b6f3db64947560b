"""Drivers as `init` writes them, for tests that need a client.

starter             writes the driver in a language into a directory; its path
python_client       the command line of the one in Python
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from conformance.cli.init import driver_of, languages
from conformance.contract.contract import Contract, statum


def starter(directory: Path, language: str, contract: Contract | None = None, *, receiver: bool = False) -> Path:
    """The file, as it is for the contract (that of Statum unless another is given), with or without a receiver."""
    row = languages()[language]
    file = directory / row.file
    file.write_text(driver_of(row, contract or statum(), receiver=receiver), encoding="utf-8")
    return file


def python_client(directory: Path, contract: Contract | None = None, *, receiver: bool = False) -> str:
    """Started by the interpreter of the tests, which has httpx."""
    return shlex.join((sys.executable, str(starter(directory, "python", contract, receiver=receiver))))
