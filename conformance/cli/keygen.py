"""`keygen`: make a key pair."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.certificate.keys import make_key_pair, public_path
from conformance.cli.certificates import passphrase_option
from conformance.cli.command import ConformanceCommand
from conformance.reports.console import print_line, results

DEFAULT_FILE = Path("signing.key")


@click.command("keygen", cls=ConformanceCommand, short_help="Make a key pair to sign certificates with.")
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT_FILE)
@passphrase_option
def keygen(file: Path, key_passphrase: str | None) -> int:
    """Make a key pair: the private key FILE (signing.key), which nobody else may read, and the public key FILE.pub.

    Nothing is overwritten. With a passphrase the private key is encrypted.
    """
    public = make_key_pair(file, key_passphrase)
    for line in (f"private key {file}", f"public key  {public_path(file)}", f"key id      {public.keyid}"):
        print_line(results(), line)
    return 0
