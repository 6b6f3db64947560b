"""Whom a certificate is about, by digest: what was given, else what could be measured, else no more than an address.

    Subject.of          from a result's document and what the user gave
    files_of_command    the files that a driver's command line names, to be measured

A gateway somewhere on the network cannot be measured. Its certificate then says so: the digest is that of its URL,
which tells where it was, not what was running there.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from conformance.certificate.digests import Digest, file_digest, suite_digest, text_digest
from conformance.model.errors import UsageError


class DigestSource(StrEnum):
    """Where the digest of a subject comes from."""

    GIVEN = "given"
    MEASURED = "measured"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Subject:
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
        document: Mapping[str, Any],
        name: str | None = None,
        digest: Digest | None = None,
        measured: Sequence[Path] = (),
    ) -> Self:
        """The subject of a run; `name` and `digest` are the user's, `measured` files that it consists of.

        Raises UsageError if there is nothing to tell it by, or a file cannot be read.
        """
        judged = document["subject"]
        kind, url = judged["kind"], judged["url"]
        named = name or judged["name"]
        if digest is not None:
            return cls(
                kind, named, url, ((named, digest),), DigestSource.GIVEN, "given by who asked for the certificate"
            )
        if measured:
            files = ", ".join(path.name for path in measured)
            artifacts = tuple((path.name, _measured(path)) for path in measured)
            return cls(kind, named, url, artifacts, DigestSource.MEASURED, f"measured of the driver: {files}")
        if kind == "gateway" and judged["name"] != url:
            # The built-in mock gateway has a name of its own; a gateway that was given is called by its URL.
            return cls(
                kind, named, url, ((named, suite_digest()),), DigestSource.MEASURED, "measured of the suite's files"
            )
        if url is None:
            raise UsageError(f"{named} cannot be measured; --subject-digest is missing", hint="sha256:… of what it is")
        return cls(
            kind, named, url, ((named, text_digest(url)),), DigestSource.ADDRESS, "of the URL alone: where, not what"
        )


def _measured(path: Path) -> Digest:
    try:
        return file_digest(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be measured: {error.strerror or error}") from error


def files_of_command(command: str) -> tuple[Path, ...]:
    """The files that a command line consists of: those among its arguments, else the program itself.

    `python examples/drivers/httpx_driver.py` is that script; `./driver` is that program.
    """
    program, *arguments = shlex.split(command) or [""]
    files = tuple(Path(argument) for argument in arguments if Path(argument).is_file())
    found = shutil.which(program)
    return files or ((Path(found),) if found else ())
