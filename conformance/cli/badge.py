"""`badge`: a badge of a certificate or a report."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from conformance.certificate.badge import Badge
from conformance.certificate.verification import VerifiedCertificate, proved
from conformance.cli.certificates import certificate_bytes, write_file
from conformance.cli.command import ConformanceCommand, contract_option, option
from conformance.cli.complaints import Complaints
from conformance.cli.verify import threshold_option, trust_of, trusted_keys
from conformance.contract.contract import Contract
from conformance.contract.schema_set import FORMATS
from conformance.model.errors import UsageError
from conformance.model.untrusted import parse_json
from conformance.reports.files import LONGEST_REPORT
from conformance.reports.report import Report


@click.command("badge", cls=ConformanceCommand, short_help="Make a badge of a certificate or a report.")
@click.argument("source", type=click.Path(path_type=Path))
@option(
    "Badge",
    "--endpoint",
    is_flag=True,
    help="What an endpoint badge of shields.io reads (JSON), in place of a drawing (SVG).",
)
@option(
    "Badge",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where it goes. Default: standard output.",
)
@trusted_keys
@threshold_option
@contract_option
def badge(  # noqa: PLR0913, PLR0917 - click gives each option
    source: Path,
    endpoint: bool,  # noqa: FBT001
    output: Path | None,
    key: tuple[Path, ...],
    threshold: int | None,
    contract: Contract,
) -> int:
    """Make a badge of SOURCE: a certificate, which is verified first, or a report.json.

    The same source gives the same badge. Of a certificate that is refused none is made (exit code 1). One that nobody
    known has signed (--key) is not certified: its badge says so.
    """
    trust = trust_of(key, threshold)
    data = certificate_bytes(source, LONGEST_REPORT)
    report = _report(data)
    if report is None:
        found = next(step for step in proved(data, contract, trust) if isinstance(step, VerifiedCertificate))
        if not trust.keys:
            complaints = click.get_current_context().find_object(Complaints) or Complaints()
            complaints.warn("without --key nobody knows who signed it, and the badge says no more than that")
        made = Badge.of_certificate(found, known=bool(trust.keys))
    elif click.get_current_context().get_parameter_source("key") is ParameterSource.COMMANDLINE:
        raise UsageError(f"{source} is a report, which nobody signs; --key is for a certificate")
    else:
        contract.check_recorded(report.settings, f"the report {source}")
        made = Badge.of_report(report, contract)
    content = made.endpoint() if endpoint else made.svg()
    if output is None:
        click.echo(content, nl=False)
    else:
        write_file(output, content)
    return 0


def _report(data: bytes) -> Report | None:
    """The report that it is; None if it is something else, which a certificate may be."""
    try:
        document = parse_json(data)
    except ValueError:
        return None
    is_report = isinstance(document, dict) and FORMATS.violation("report", document) is None
    return Report.read(document) if is_report else None
