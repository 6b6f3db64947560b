"""`sign`: add a signature to a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conformance.certificate.issuing import countersign
from conformance.certificate.verification import Certificate, proved
from conformance.cli.certificates import SECTION, certificate_bytes, passphrase_option, signing_key, write_file
from conformance.cli.command import ConformanceCommand, option
from conformance.cli.verify import threshold_option, trust_of, trusted_keys
from conformance.reporting.console import print_line, results


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
    help="Journal of the certified run, to be judged again before it is signed for.",
)
@option(
    SECTION,
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the certificate with the new signature goes. Default: it replaces the one given.",
)
def sign(certificate: Path, output: Path | None, **options: Any) -> int:
    """Add a signature to a CERTIFICATE, as a certifier does to a vendor's.

    It is verified first, as by `verify`: what would be refused is not signed.
    """
    signer = signing_key(options["sign_key"], options["key_passphrase"])
    trust = trust_of(options["key"], options["threshold"])
    data = certificate_bytes(certificate)
    for step in proved(data, trust, options["evidence"]):
        if isinstance(step, Certificate):
            signed = countersign(step.envelope, signer)
            path = output or certificate
            write_file(path, signed.to_bytes())
            count = len(signed.signatures)
            print_line(results(), f"signed by {signer.public.keyid} · {count} signatures · {path}")
    return 0
