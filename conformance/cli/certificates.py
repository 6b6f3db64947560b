"""The options that ask for a certificate, what they mean, and the end of a run that asks for one.

signing_options             --sign-key and what goes with it, for whatever judges
certification_from          these options → Certification; None where none is asked for
passphrase_option           for commands that sign without judging
Notary                      a judged run → certificate.json in the report directory, or why there is none
certificate_bytes           a certificate's file, read
write_file                  any file, written in one step
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from conformance.certificate.digests import Digest, JournalFile
from conformance.certificate.envelope import LONGEST_CERTIFICATE
from conformance.certificate.issuing import (
    CERTIFICATE,
    DEFAULT_VALID_DAYS,
    Certification,
    issue,
)
from conformance.certificate.keys import is_open_to_others, read_private_key
from conformance.cli.command import option
from conformance.cli.complaints import Complaints
from conformance.cli.configuration import variable
from conformance.model.errors import ConformanceError, EnvironmentFailure, UsageError
from conformance.model.untrusted import TooLong, given_bytes
from conformance.reports.console import print_line, remarks
from conformance.reports.files import replace_file
from conformance.reports.result import Result

if TYPE_CHECKING:
    from conformance.certificate.ed25519 import PrivateKey

F = TypeVar("F", bound=Callable[..., Any])

SECTION = "Certificate"

key_option = option(
    SECTION,
    "--sign-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Private key (Ed25519, PEM) to sign a certificate with; `statum-conformance keygen` makes one.",
)

passphrase_option = option(
    SECTION,
    "--key-passphrase",
    metavar="PASSPHRASE",
    help=f"Passphrase of the private key; rather give it as {variable('key-passphrase')}.",
)

_ABOUT_THE_SUBJECT = (
    option(SECTION, "--subject-name", metavar="NAME", help="What the certificate calls the subject."),
    option(
        SECTION,
        "--subject-digest",
        metavar="ALGORITHM:HEX",
        help="Digest (sha256, sha512 or gitCommit) of what was judged. Default: measured where that is possible.",
    ),
    option(
        SECTION,
        "--valid-days",
        type=int,
        metavar="N",
        default=DEFAULT_VALID_DAYS,
        show_default=True,
        help="For how long the certificate is valid.",
    ),
)


def signing_options(function: F) -> F:
    """--sign-key and what goes with it."""
    for decorate in reversed((key_option, passphrase_option, *_ABOUT_THE_SUBJECT)):
        function = decorate(function)
    return function


def certification_from(options: dict[str, Any], measured: tuple[Path, ...] = ()) -> Certification | None:
    """What the options ask for; None without --sign-key. `measured` are files that the subject consists of.

    To be called before anything is sent: raises UsageError for a key that cannot be used, and a digest that is none.
    """
    key, digest = options["sign_key"], options["subject_digest"]
    if key is None:
        for name in ("subject_name", "subject_digest", "valid_days"):
            if click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise UsageError(f"--{name.replace('_', '-')} is for a certificate, and --sign-key is missing")
        return None
    return Certification(
        key=signing_key(key, options["key_passphrase"]),
        subject_name=options["subject_name"],
        subject_digest=None if digest is None else Digest.parse(digest),
        measured=measured,
        valid_days=options["valid_days"],
    )


def signing_key(path: Path, passphrase: str | None) -> PrivateKey:
    """The private key in the file; a warning if others can read it. Raises UsageError for whatever else it is."""
    context = click.get_current_context()
    complaints = context.find_object(Complaints) or Complaints()
    if context.get_parameter_source("key_passphrase") is ParameterSource.COMMANDLINE:
        complaints.warn(
            f"--key-passphrase is visible to other processes of this machine; prefer {variable('key-passphrase')}"
        )
    key = read_private_key(path, passphrase)
    if is_open_to_others(path):
        complaints.warn(f"{path} can be read by others; a private key should have mode 600")
    return key


class Notary:
    """Takes the digest of a journal before it is judged, and certifies what was judged then.

    Whatever keeps it from that is told, and leaves the verdict as it is.
    """

    def __init__(self, journal: Path, certification: Certification) -> None:
        """Look at the journal as it is now."""
        self._certification = certification
        self._journal: JournalFile | ConformanceError
        try:
            self._journal = JournalFile.closed(journal)
        except ConformanceError as error:
            self._journal = error

    def certify(self, result: Result, directory: Path, *, quiet: bool = False) -> None:
        """Write the certificate into `directory` and say so, unless `quiet`, or say why there is none.

        Where there is none, that of an earlier run is taken away, for its journal is gone. Raises EnvironmentFailure if
        the file cannot be written.
        """
        path = directory / CERTIFICATE
        try:
            if isinstance(self._journal, ConformanceError):
                raise self._journal
            envelope = issue(result, self._journal, self._certification)
        except ConformanceError as error:
            with suppress(FileNotFoundError):
                path.unlink()
            print_line(remarks(), f"no certificate: {error}", "yellow")
            return
        write_file(path, envelope.to_bytes())
        if not quiet:
            print_line(remarks(), f"certificate {path}")


def write_file(path: Path, content: bytes) -> None:
    """Put the content there in one step. Raises EnvironmentFailure if it cannot be written."""
    try:
        replace_file(path, content)
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot be written: {error.strerror or error}") from error


def certificate_bytes(path: Path, most: int = LONGEST_CERTIFICATE) -> bytes:
    """What is in the file, at most so many bytes. Raises UsageError if there is none, or it cannot be read."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory; expected a certificate", hint=f"such as {path / CERTIFICATE}")
    if not path.exists():
        raise UsageError(f"there is no certificate {path}", hint="`run` and `certify` leave one with --sign-key")
    try:
        return given_bytes(path, most)
    except TooLong as error:
        raise UsageError(f"{path} is too long for a certificate; expected at most {most:,} bytes") from error
    except OSError as error:
        raise UsageError(f"certificate {path} cannot be read: {error.strerror or error}") from error
