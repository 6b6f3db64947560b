"""Certificates: `keygen`, `sign`, `verify`, `badge`, and the certificate that a run is asked for.

certification_from      the certificate that the options of a run ask for
Notary                  certifies a run once it is judged
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.certificate.coverage import Badge, Policy
from conformance.certificate.digests import Digest, JournalFile
from conformance.certificate.issuing import CERTIFICATE, Certification, countersign, issue
from conformance.certificate.signing import (
    LONGEST_CERTIFICATE,
    Rejected,
    UnknownSigner,
    is_open_to_others,
    make_key_pair,
    public_path,
    read_private_key,
    read_public_key,
)
from conformance.certificate.verification import MEMBERS, Provenance, Trust, VerifiedCertificate, proved
from conformance.cli.command import ConformanceCommand, Messages, Output, on_command_line, warn_if_visible
from conformance.contract.contract import Contract
from conformance.contract.schemas import FORMATS
from conformance.model.errors import ConformanceError, EnvironmentFailure, UsageError, did_you_mean
from conformance.model.untrusted import TooLong, given_bytes, parse_json
from conformance.reports.console import print_json, print_line, remarks, results
from conformance.reports.files import LONGEST_REPORT, replace_file
from conformance.reports.remarks import in_ranges
from conformance.reports.report import Report
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
    """Whose signatures are asked for. Raises UsageError for files that are not public keys."""
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

    It is verified first, as by `verify`, and signed only if it is valid and one of your keys (--key) has signed it. If
    it says more than the evidence proves, --vouch-for has to name that; its dates are for its issuer to choose.

    Exit code: 0 signed, 1 not signed, with the reason, 2 wrong usage, 3 inconclusive: no --key says whose signature
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


UNKNOWN = "unknown"

# Of the members that the evidence does not bear out: all that a certificate of the suite can have.
MOST_NAMED, LONGEST_NAME = 40, 60


@click.command("verify", cls=ConformanceCommand, short_help="Verify a certificate, offline.")
@click.argument("certificate", type=click.Path(path_type=Path))
def verify(certificate: Path, **options: Any) -> int:
    """Verify a CERTIFICATE, offline: signatures, expiry, policy and, where it is given, the evidence.

    It prints what the certificate covers: it says nothing about a command that was not exercised.

    Anybody can sign a certificate, so it is valid only if keys that you give have signed it: --key, or key = [...] in
    statum-conformance.toml. Without them you learn whether anything was changed, and which key signed.

    --format json prints one object: verdict (valid, refused or inconclusive), reason, hint, the checks that passed,
    unsupported (what the evidence does not prove; null without evidence), and the statement once its signature holds.

    With --evidence each statement is derived from the journal again; the last line names those that do not follow.

    Exit code: 0 valid, 1 refused, with the reason, 2 wrong usage, 3 inconclusive: no --key says whose signature counts.
    """
    output = Output.of(options)
    trust = trust_of(options["key"], options["threshold"])
    policy = Policy.of(options["require"], options["contract"], strict=options["strict"])
    data = certificate_bytes(certificate)
    console = output.console
    document: dict[str, Any] = {"verdict": "valid", "reason": None, "hint": None, "checks": []}
    document |= {"unsupported": None, "statement": None}
    code = 0
    try:
        for step in proved(data, options["contract"], trust, options["evidence"], policy=policy):
            if isinstance(step, VerifiedCertificate):
                document |= {"unsupported": step.unsupported, "statement": step.statement}
                for line in _statements(step):
                    print_line(console, line)
                trust.check_known(step.envelope.signatures)
                print_line(console, _in_one_line(step), "bold green")
            else:
                document["checks"].append({"check": step.name, "detail": step.detail})
                print_line(console, f"ok      {step.name}: {step.detail}")
    except Rejected as refusal:
        document |= {"verdict": "refused", "reason": refusal.message}
        print_line(console, f"refused: {refusal.message}", "bold red")
        code = refusal.exit_code
    except UnknownSigner as unknown:
        document |= {"verdict": "inconclusive", "reason": unknown.message, "hint": unknown.hint}
        print_line(console, f"inconclusive: {unknown}", "bold yellow")
        code = unknown.exit_code
    if output.as_json:
        print_json(document)
    return code


def _statements(certificate: VerifiedCertificate) -> Iterator[str]:
    said = certificate.extension
    for entry in certificate.statement["subject"]:
        yield f"subject {entry['name']} {_digests(entry)} ({said['subject']['digest_detail']})"
    for entry in certificate.statement["predicate"]["configuration"]:
        version = entry.get("annotations", {}).get("version")
        yield f"by      {entry['name']}{f' {version}' if version else ''} {_digests(entry)}"
    yield from _claims(certificate)
    matrix = said["kill_matrix"]
    if matrix["measured"]:
        suite = "this suite" if matrix["same_suite"] else "another build of the suite"
        yield (
            f"matrix  {matrix['killed']} of {matrix['faults']} faults found exactly, {matrix['left_alone']} of "
            f"{matrix['lawful']} lawful variants left alone, measured on {matrix['measured_on']} with {suite}"
        )
    else:
        yield f"matrix  {matrix['reason']}"


def _claims(certificate: VerifiedCertificate) -> Iterator[str]:
    coverage = certificate.coverage
    if coverage is None:
        yield f"covers  {UNKNOWN}: it was issued before certificates said so"
    else:
        yield f"covers  {coverage.in_words}{'' if coverage.notifications else '; no notifications were judged'}"
        if coverage.lacks:
            yield f"lacks   {', '.join(coverage.lacks)}"
        for commands, ids in _by_commands(coverage.must_not_applicable).items():
            yield f"n/a     {in_ranges(ids)}{f' for {commands}' if commands else ''}"
    yield f"warned  {', '.join(certificate.warned) or 'none: no SHOULD was broken'}"
    yield f"strict  {'yes: a broken SHOULD would have failed it' if certificate.strict else 'no'}"


def _by_commands(tests: Iterable[str]) -> Mapping[str, list[str]]:
    """Group tests, which are named `ID COMMAND`: commands → the requirements that are about exactly these."""
    commands: dict[str, list[str]] = {}
    for test in tests:
        requirement, _, command = test.partition(" ")
        commands.setdefault(requirement, []).append(command)
    together: dict[str, list[str]] = {}
    for requirement, names in commands.items():
        together.setdefault(", ".join(filter(None, names)), []).append(requirement)
    return together


def _digests(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{algorithm}:{value}" for algorithm, value in entry["digest"].items())


def _in_one_line(certificate: VerifiedCertificate) -> str:
    must, should, said = certificate.must, certificate.should, certificate.extension
    covered = f"coverage {UNKNOWN}" if certificate.coverage is None else certificate.coverage.in_words
    return (
        f"valid: {said['subject']['name']} ({said['subject']['kind']}) · {must.passed:,} of {must.applicable:,} MUST, "
        f"{should.passed:,} of {should.applicable:,} SHOULD passed · {covered} · "
        f"until {certificate.expires:%Y-%m-%d} · {supported(certificate.unsupported)}"
    )


def supported(missing: Sequence[str] | None) -> str:
    """How far the evidence bears it out, by the names of the members that it does not; None: it was not looked at."""
    if missing is None:
        return "on the word of its signers: no evidence was given"
    if not missing:
        return "borne out by the evidence"
    more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    return f"not borne out by the evidence: {', '.join(name[:LONGEST_NAME] for name in missing[:MOST_NAMED])}{more}"


@click.command("badge", cls=ConformanceCommand, short_help="Make a badge of a certificate or a report.")
@click.argument("source", type=click.Path(path_type=Path))
def badge(source: Path, output: Path | None, contract: Contract, **options: Any) -> int:
    """Make a badge of SOURCE: a certificate, which is verified first, or a report.json.

    The same source gives the same badge. A certificate that is refused gets none (exit code 1). Without --key the
    signer is unknown, and the badge says only that. With --output it prints the Markdown that shows the file.
    """
    trust = trust_of(options["key"], options["threshold"])
    data = certificate_bytes(source, LONGEST_REPORT)
    report = _report(data)
    if report is None:
        found = next(step for step in proved(data, contract, trust) if isinstance(step, VerifiedCertificate))
        if trust.keys:
            made = Badge.of_certificate(contract, found.coverage, found.expires)
        else:
            Messages.of().warn("without --key nobody knows who signed it, and the badge says no more than that")
            made = Badge.of_unknown_signer(contract)
    elif on_command_line("key"):
        raise UsageError(f"{source} is a report, which nobody signs; --key is for a certificate")
    else:
        contract.check_recorded(report.settings, f"the report {source}")
        made = Badge.of_report(report, contract)
    content = made.endpoint() if options["endpoint"] else made.svg()
    if output is None:
        click.echo(content, nl=False)
    else:
        write_file(output, content)
        if not options["endpoint"]:
            print_line(results(), made.markdown(output))
    return 0


def _report(data: bytes) -> Report | None:
    """The report, if the data is one; else None."""
    try:
        document = parse_json(data)
    except ValueError:
        return None
    is_report = isinstance(document, dict) and FORMATS.violation("report", document) is None
    return Report.read(document) if is_report else None
