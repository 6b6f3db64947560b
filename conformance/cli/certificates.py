"""Certificates: `keygen`, `sign`, and the certificate that a run is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.certificate.digests import Digest, JournalFile
from conformance.certificate.issuing import CERTIFICATE, Certification, countersign, issue
from conformance.certificate.signing import (
    LONGEST_CERTIFICATE,
    Rejected,
    is_open_to_others,
    make_key_pair,
    public_path,
    read_private_key,
    read_public_key,
)
from conformance.certificate.verification import MEMBERS, Provenance, Trust, VerifiedCertificate, proved
from conformance.cli.command import ConformanceCommand, on_command_line, warn_if_visible
from conformance.cli.messages import Messages
from conformance.model.errors import ConformanceError, EnvironmentFailure, UsageError, did_you_mean
from conformance.model.untrusted import TooLong, given_bytes
from conformance.reports.console import print_line, remarks, results
from conformance.reports.files import replace_file
from conformance.reports.result import Result

if TYPE_CHECKING:
    from conformance.certificate.ed25519 import PrivateKey

DEFAULT_KEY_FILE = Path("signing.key")


def certification_from(options: Mapping[str, Any], measured: tuple[Path, ...] = ()) -> Certification | None:
    """The certificate that the options ask for; None without --sign-key. `measured`: the files of the subject.

    To be called before anything is sent: raises UsageError for a key that cannot be used, and a digest that is none.
    """
    key, digest = options["sign_key"], options["subject_digest"]
    if key is None:
        for name in ("subject_name", "subject_digest", "valid_days"):
            if on_command_line(name):
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
    warn_if_visible("key-passphrase")
    key = read_private_key(path, passphrase)
    if is_open_to_others(path):
        Messages.of().warn(f"{path} can be read by others; a private key should have mode 600")
    return key


class Notary:
    """Takes the digest of a journal before it is judged, and certifies what was judged then.

    Where it cannot, it says why and leaves the verdict as it is.
    """

    def __init__(self, journal: Path, certification: Certification) -> None:
        """Look at the journal as it is now."""
        self._certification = certification
        self._journal: JournalFile | ConformanceError
        try:
            self._journal = JournalFile.closed(journal)
        except ConformanceError as error:
            self._journal = error

    def certify(self, result: Result, directory: Path, *, quiet: bool = False) -> list[Path]:
        """Write the certificate into `directory` and say so, unless `quiet`, or say why there is none; its path.

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
            return []
        write_file(path, envelope.to_bytes())
        if not quiet:
            print_line(remarks(), f"certificate {path}")
        return [path]


def write_file(path: Path, content: bytes) -> None:
    """Put the content there in one step. Raises EnvironmentFailure if it cannot be written."""
    try:
        replace_file(path, content)
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot be written: {error.strerror or error}") from error


def certificate_bytes(path: Path, most: int = LONGEST_CERTIFICATE) -> bytes:
    """The content of the file, up to `most` bytes. Raises UsageError if there is none, or it cannot be read."""
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


def trust_of(keys: tuple[Path, ...], threshold: int | None) -> Trust:
    """Whose signatures are asked for. Raises UsageError for files that are no public keys."""
    return Trust.of([read_public_key(path) for path in keys], threshold)


@click.command("keygen", cls=ConformanceCommand, short_help="Make a key pair to sign certificates with.")
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT_KEY_FILE)
def keygen(file: Path, key_passphrase: str | None) -> int:
    """Make a key pair: the private key FILE (signing.key), which nobody else may read, and the public key FILE.pub.

    Nothing is overwritten. With a passphrase the private key is encrypted.
    """
    public = make_key_pair(file, key_passphrase)
    for line in (f"private key {file}", f"public key  {public_path(file)}", f"key id      {public.keyid}"):
        print_line(results(), line)
    return 0


@click.command("sign", cls=ConformanceCommand, short_help="Add a signature to a certificate.")
@click.argument("certificate", type=click.Path(path_type=Path))
def sign(certificate: Path, output: Path | None, **options: Any) -> int:
    """Add a signature to a CERTIFICATE, as a certifier does to a vendor's.

    It is verified first, as by `verify`: what would be refused is not signed, nor what nobody known has signed. What
    the evidence does not bear out is signed only if you vouch for it yourself; a certificate's own dates are its
    issuer's.

    Exit code: 0 signed, 1 not signed, with the reason, 2 wrong usage, 3 inconclusive: nobody said whose signature
    counts.
    """
    signer = signing_key(options["sign_key"], options["key_passphrase"])
    trust = trust_of(options["key"], options["threshold"])
    vouched = frozenset(name.strip() for each in options["vouch_for"] for name in each.split(","))
    data = certificate_bytes(certificate)
    for step in proved(data, options["contract"], trust, options["evidence"]):
        if isinstance(step, VerifiedCertificate):
            signed = countersign(step.envelope, signer)
            trust.check_known(step.envelope.signatures)
            _check_vouched(step.unsupported, vouched)
            path = output or certificate
            write_file(path, signed.to_bytes())
            count = len(signed.signatures)
            print_line(results(), f"signed by {signer.public.keyid} · {count} signatures · {path}")
    return 0


def _check_vouched(missing: Sequence[str] | None, vouched: AbstractSet[str]) -> None:
    """Raise Rejected unless the signer vouches for each member that the evidence does not bear out."""
    if missing is None:
        raise UsageError(
            "--evidence is missing; what is signed for is derived from the journal first",
            hint="the certified run left it as journal.sqlite beside the certificate",
        )
    asked = [name for name in missing if MEMBERS.get(name) is not Provenance.TERMS]
    if left := [name for name in asked if name not in vouched]:
        raise Rejected(
            f"not signed: the evidence does not bear out {', '.join(left)}",
            hint=f"--vouch-for {','.join(left)} if you know better",
        )
    if unasked := sorted(vouched - {*asked}):
        raise UsageError(
            f"--vouch-for names {unasked[0]!r}, for which nobody has to vouch", did_you_mean(unasked[0], asked)
        )
