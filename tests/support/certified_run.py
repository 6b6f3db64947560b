"""A folder as somebody has it who certified the built-in mock gateway: keys, reports, journal and certificate.

certified_in    makes one; the run takes a second or two
"""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.certificate.signing import make_key_pair
from conformance.cli import outcome

QUICK = ("--product=sms", "--max-examples=0", "--seed=7")
CERTIFICATE = "reports/certificate.json"
EVIDENCE = ("--evidence", "reports/journal.sqlite")
KNOWN = ("--key=vendor.key.pub", *EVIDENCE)


def certified_in(folder: Path) -> Path:
    """The folder, with the keys of a vendor and a certifier, and a run that was certified with the vendor's."""
    with pytest.MonkeyPatch.context() as there:
        there.chdir(folder)
        for key in ("vendor.key", "certifier.key"):
            make_key_pair(Path(key))
        assert 0 == outcome(["run", *QUICK, "--sign-key=vendor.key"])
    return folder
