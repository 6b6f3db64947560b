"""Case files as tests write them, changed as each test likes.

document, REPEATED, BROKEN      cases as their files have them
written, folder                 a folder of such, and the same read
QUICK                           a quick run of the command
"""

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
