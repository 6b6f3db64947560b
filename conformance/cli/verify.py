"""`verify` and `badge`: whether a certificate is to be relied on, and a picture of what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from conformance.certificate.coverage import Badge, Policy
from conformance.certificate.signing import Rejected, UnknownSigner
from conformance.certificate.verification import VerifiedCertificate, proved
from conformance.cli.certificates import certificate_bytes, trust_of, write_file
from conformance.cli.command import ConformanceCommand, on_command_line
from conformance.cli.messages import Messages
from conformance.contract.contract import Contract
from conformance.contract.schema_set import FORMATS
from conformance.model.errors import UsageError
from conformance.model.untrusted import parse_json
from conformance.reports.console import print_line, results
from conformance.reports.files import LONGEST_REPORT
from conformance.reports.remarks import in_ranges
from conformance.reports.report import Report

UNKNOWN = "unknown"

# Of the members that the evidence does not bear out: all that a certificate of the suite can have.
MOST_NAMED, LONGEST_NAME = 40, 60


@click.command("verify", cls=ConformanceCommand, short_help="Verify a certificate, offline.")
@click.argument("certificate", type=click.Path(path_type=Path))
def verify(certificate: Path, **options: Any) -> int:
    """Verify a CERTIFICATE, offline: signatures, expiry, policy and, where it is given, the evidence.

    What it covers is shown: a certificate says nothing of a command that was not exercised.

    Anybody can sign a certificate, so it is valid only if keys that you give have signed it: --key, or key = [...] in
    statum-conformance.toml. Without them you learn whether anything was changed, and which key signed.

    With --evidence each statement of the certificate is derived from the journal once more; what does not follow from
    it is named in the last line.

    Exit code: 0 valid, 1 refused, with the reason, 2 wrong usage, 3 inconclusive: nobody said whose signature counts.
    """
    trust = trust_of(options["key"], options["threshold"])
    policy = Policy.of(options["require"], options["contract"], strict=options["strict"])
    data = certificate_bytes(certificate)
    console = results()
    try:
        for step in proved(data, options["contract"], trust, options["evidence"], policy=policy):
            if isinstance(step, VerifiedCertificate):
                for line in _statements(step):
                    print_line(console, line)
                trust.check_known(step.envelope.signatures)
                print_line(console, _in_one_line(step), "bold green")
            else:
                print_line(console, f"ok      {step.name}: {step.detail}")
    except Rejected as refusal:
        print_line(console, f"refused: {refusal.message}", "bold red")
        return refusal.exit_code
    except UnknownSigner as unknown:
        print_line(console, f"inconclusive: {unknown}", "bold yellow")
        return unknown.exit_code
    return 0


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

    The same source gives the same badge. Of a certificate that is refused none is made (exit code 1). One that nobody
    known has signed (--key) is not certified: its badge says so.
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
    return 0


def _report(data: bytes) -> Report | None:
    """The report, if the data is one; else None."""
    try:
        document = parse_json(data)
    except ValueError:
        return None
    is_report = isinstance(document, dict) and FORMATS.violation("report", document) is None
    return Report.read(document) if is_report else None
