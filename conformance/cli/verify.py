"""`verify`: is a certificate to be relied on?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from conformance.certificate.coverage import NOTIFICATIONS
from conformance.certificate.keys import read_public_key
from conformance.certificate.policy import Policy
from conformance.certificate.refusal import Refused
from conformance.certificate.verification import Certificate, Trust, proved
from conformance.cli.certificates import SECTION, certificate_bytes
from conformance.cli.command import ConformanceCommand, option
from conformance.cli.complaints import Complaints
from conformance.reporting.clients import in_ranges
from conformance.reporting.console import print_line, results

UNKNOWN = "unknown"

trusted_keys = option(
    SECTION,
    "--key",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PUB",
    help="Public key (Ed25519, PEM) that has to have signed. Repeatable.",
)
threshold_option = option(
    SECTION,
    "--threshold",
    type=int,
    metavar="N",
    help="How many of the keys have to have signed. Default: all of them.",
)


@click.command("verify", cls=ConformanceCommand, short_help="Verify a certificate, offline.")
@click.argument("certificate", type=click.Path(path_type=Path))
@trusted_keys
@threshold_option
@option(
    SECTION,
    "--evidence",
    type=click.Path(path_type=Path),
    metavar="JOURNAL",
    help="Journal of the certified run: its digest is compared, and it is judged again.",
)
@option(
    SECTION,
    "--require",
    multiple=True,
    metavar="COMMAND",
    help=f"Command that has to have been exercised, or {NOTIFICATIONS}: then also those of these commands. Repeatable, "
    "or several with commas between them.",
)
@option(SECTION, "--strict", is_flag=True, help="No SHOULD may be broken.")
def verify(certificate: Path, **options: Any) -> int:
    """Verify a CERTIFICATE, offline: signatures, expiry, policy and, where it is given, the evidence.

    What it covers is shown: a certificate says nothing of a command that was not exercised.

    Without --key it is shown that nothing was changed since it was signed, and by which key; whose that is cannot be
    told from the certificate itself.

    Exit code: 0 valid, 1 refused, with the reason, 2 wrong usage.
    """
    trust = trust_of(options["key"], options["threshold"])
    policy = Policy.of(options["require"], strict=options["strict"])
    data = certificate_bytes(certificate)
    console = results()
    try:
        for step in proved(data, trust, options["evidence"], policy=policy):
            if isinstance(step, Certificate):
                for line in _told(step):
                    print_line(console, line)
                print_line(console, _in_one_line(step), "bold green")
            else:
                print_line(console, f"ok      {step.name}: {step.detail}")
    except Refused as refusal:
        print_line(console, f"refused: {refusal.message}", "bold red")
        return refusal.exit_code
    if not trust.keys:
        complaints = click.get_current_context().find_object(Complaints) or Complaints()
        complaints.warn("without --key it is not known who signed; compare the key id, or give the public key")
    return 0


def trust_of(keys: tuple[Path, ...], threshold: int | None) -> Trust:
    """Whose signatures are asked for. Raises UsageError for files that are no public keys."""
    return Trust.of([read_public_key(path) for path in keys], threshold)


def _told(certificate: Certificate) -> Iterator[str]:
    """What it is about, and what it rests on."""
    said = certificate.said
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


def _claims(certificate: Certificate) -> Iterator[str]:
    """What it covers and what not, and how far SHOULDs count."""
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
    """Tests, which are named `ID COMMAND`: the commands that the same requirements are about, and these."""
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


def _in_one_line(certificate: Certificate) -> str:
    must, should, said = certificate.must, certificate.should, certificate.said
    covered = f"coverage {UNKNOWN}" if certificate.coverage is None else certificate.coverage.in_words
    return (
        f"valid: {said['subject']['name']} ({said['subject']['kind']}) · {must.passed:,} of {must.applicable:,} MUST, "
        f"{should.passed:,} of {should.applicable:,} SHOULD passed · {covered} · "
        f"until {certificate.expires:%Y-%m-%d}"
    )
