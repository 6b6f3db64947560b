"""`sign`: add a signature to a certificate."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import click

from conformance.certificate.borne_out import MEMBERS, Provenance
from conformance.certificate.envelope import Rejected
from conformance.certificate.issuing import countersign
from conformance.certificate.verification import VerifiedCertificate, proved
from conformance.cli.certificates import SECTION, certificate_bytes, passphrase_option, signing_key, write_file
from conformance.cli.command import ConformanceCommand, contract_option, option
from conformance.cli.verify import threshold_option, trust_of, trusted_keys
from conformance.model.errors import UsageError, did_you_mean
from conformance.reports.console import print_line, results


@click.command("sign", cls=ConformanceCommand, short_help="Add a signature to a certificate.")
@click.argument("certificate", type=click.Path(path_type=Path))
@option(
    SECTION,
    "--sign-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="Private key (Ed25519, PEM) to sign with.",
)
@passphrase_option
@trusted_keys
@threshold_option
@option(
    SECTION,
    "--evidence",
    type=click.Path(path_type=Path),
    metavar="JOURNAL",
    help="Journal of the certified run: what is signed for is derived from it first.",
)
@option(
    SECTION,
    "--vouch-for",
    multiple=True,
    metavar="MEMBER",
    help="What the evidence does not bear out and you know otherwise, such as subject.name. Repeatable.",
)
@option(
    SECTION,
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the certificate with the new signature goes. Default: it replaces the one given.",
)
@contract_option
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
    """Raises Rejected unless the signer knows otherwise what the evidence does not bear out; UsageError for none."""
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
