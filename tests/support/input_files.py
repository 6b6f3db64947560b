"""Files that users write: cases and expectations, changed as a test likes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conformance.contract.contract import statum
from conformance.gateway.case_files import CaseFolder

SMS = '{"sender_id": "${sender_id}", "phone_number": "${phone_number}", "message": "Habari"}'
AIRTIME = '{"phone_number": "${phone_number}", "amount": "10000"}'


def document(**changes: Any) -> dict[str, Any]:
    """A valid sms case as its file has it, changed; None leaves a member out."""
    members = {"note": "A greeting.", "command": "sms", "kind": "valid", "aspect": "random", "body": SMS, **changes}
    return {name: value for name, value in members.items() if value is not None or name == "command"}


def written(directory: Path, *documents: dict[str, Any]) -> Path:
    """A folder with these files, `a.json` first."""
    directory.mkdir(exist_ok=True)
    for name, content in zip("abcdefgh", documents, strict=False):
        (directory / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return directory


def folder(directory: Path, *documents: dict[str, Any]) -> CaseFolder:
    """The same, read."""
    return CaseFolder.read(written(directory, *documents), statum())


REPEATED = document(kind="repeat", aspect="equal", before=[document(note=None)])
BROKEN = document(
    kind="broken",
    aspect="missing",
    body='{"sender_id": "${sender_id}", "phone_number": "${phone_number 2547}"}',
    member="message",
    keyword="required",
)
WRONG_KEY = document(kind="credential", aspect="wrong-key", credential="wrong-key/2")

# Of a run that is over soon.
QUICK = ("run", "--product", "sms", "--max-examples", "0", "--seed", "7")


EXPECTATIONS = Path("expectations.toml")
EXPECTATION: dict[str, str] = {
    "requirement": '"ENC-01"',
    "verdict": '"FAIL"',
    "issue": '"#1"',
    "owner": '"us"',
    "expires": "2027-01-31",
}


def expectations_at(directory: Path, **changes: str | None) -> Path:
    """A file with one entry, some of its keys changed or (None) left out."""
    path = directory / EXPECTATIONS
    keys = {name: value for name, value in {**EXPECTATION, **changes}.items() if value is not None}
    path.write_text("[[expectation]]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()), "utf-8")
    return path
