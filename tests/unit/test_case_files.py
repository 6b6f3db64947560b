"""Cases as files: read and written, with their labels proved."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

from campaigns import settings
from command_line import CHECKOUT
from input_files import AIRTIME, BROKEN, REPEATED, SMS, WRONG_KEY, document
from made_result import SETTINGS

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.gateway.case_files import CaseFile, as_file, case_file, file_bytes
from conformance.gateway.plan import Plan
from conformance.gateway.request_templates import credential_label, credential_value, with_credential
from conformance.journal import Record
from conformance.model.errors import UsageError
from conformance.model.traffic import Case, Kind, header
from conformance.model.untrusted import parse_json
from conformance.payloads.probes import credential_probes

BASE = "http://gateway.example/api/v2"


def parsed(**changes: Any) -> CaseFile:
    """The same, read."""
    return case_file(json.dumps(document(**changes)).encode(), "greeting", "greeting.json", statum())


# --- Reading and writing


def test_defaults_are_filled_in() -> None:
    """Method and path of the command, ordinary headers, the right credential."""
    step = parsed().step

    assert ("POST", "sms", None, "right") == (step.method, step.path, step.headers, step.credential)


FILES = {
    "valid": document(),
    "bytes": document(kind="malformed", aspect="not-utf8", body=None, body_base64=b64encode(b'{"\xff"}').decode()),
    "headers": document(kind="malformed", aspect="other-content-type", headers=[["Content-Type", "text/plain"]]),
    "bare": document(kind="malformed", aspect="absent-content-type", headers=[]),
    "credential": WRONG_KEY,
    "get": document(command="account-details", kind="headers", aspect="bare-get", body=None, headers=[]),
    "method": document(kind="method", aspect="method:PUT", method="PUT"),
    "path": document(
        command=None, kind="unknown-command", aspect="unknown-GET", method="GET", path="nothing", body=None
    ),
    "broken": BROKEN,
    "open": document(kind="open", aspect="over-long", body=SMS.replace("Habari", "a" * 500)),
    "repeat": REPEATED,
    "window": document(
        command="airtime",
        kind="repeat",
        aspect="other-phone",
        body=AIRTIME,
        before=[
            document(command="airtime", aspect="boundary", body=AIRTIME.replace("number}", "number #2}"), note=None)
        ],
    ),
    "found": document(found=[{"requirement": "ACC-02", "message": "500", "date": "2026-11-22", "version": "0.1.0"}]),
}


def test_a_file_that_is_written_again_says_the_same() -> None:
    """Every kind of case survives, and what is written is as the schema has it."""
    files = {name: case_file(json.dumps(held).encode(), name, name, statum()) for name, held in FILES.items()}
    written = {name: file_bytes(file) for name, file in files.items()}

    assert {name: json.loads(data) for name, data in written.items()} == FILES
    assert [] == [(name, v) for name, data in written.items() for v in FORMATS.violations("case", parse_json(data))]
    assert files == {name: case_file(data, name, name, statum()) for name, data in written.items()}


def test_a_digest_covers_the_request_and_not_its_note() -> None:
    """So that a case is kept once."""
    assert parsed().digest == replace(parsed(note="Another note."), name="other").digest
    assert parsed().digest != parsed(body=SMS.replace("Habari", "Jambo")).digest


OF_50 = AIRTIME.replace("10000", "50")
MISSING = document(kind="broken", aspect="missing", member="message", keyword="required")
NULL = SMS.replace('"Habari"', "null")
MISLABELLED = [
    ("no JSON", b"{", "is not JSON"),
    ("not utf-8", b"\xff", "is not JSON"),
    ("member", document(colour="red"), "is not as schemas/formats/case.json has it at /colour"),
    ("kind", document(kind="curious"), "at /kind"),
    ("command", document(command="fax"), "there is no command 'fax'"),
    ("two bodies", document(body_base64="e30="), "both body and body_base64"),
    ("credential in a header", document(headers=[["authorization", "Basic e30="]]), "say `credential` instead"),
    ("broken payload as valid", document(body="{}"), "not every gateway accepts: /sender_id"),
    ("no JSON as valid", document(body="{"), "cannot be read"),
    ("a line as line-breaks", document(aspect="line-breaks"), "has nothing line-breaks in it"),
    ("a short text as long", document(aspect="long"), "has nothing long in it"),
    ("a long text as random", document(body=SMS.replace("Habari", "a" * 161)), "161 characters, which is long"),
    ("within the range", document(command="airtime", aspect="boundary", body=OF_50), "boundary"),
    ("wrong credential as valid", document(credential="wrong-key/1"), "which is not right"),
    ("right as wrong credential", document(kind="credential", aspect="wrong-key"), "sent with the credential 'right'"),
    ("no such credential", document(kind="credential", aspect="x", credential="x/1"), "none that this account can be"),
    ("another method", document(method="PUT"), "sent with PUT, and sms takes POST"),
    ("the right method", document(kind="method", aspect="method:POST"), "which the command takes"),
    ("text as valid", document(headers=[["Content-Type", "text/plain"]]), "declared as text/plain"),
    ("a command as unknown", document(kind="unknown-command", aspect="x"), "which is a command"),
    ("valid as broken", MISSING, "may accept"),
    ("broken, unnamed", document(kind="broken", aspect="missing", body="{}"), "does not name the member"),
    ("broken in two places", {**MISSING, "body": "{}"}, "not message alone"),
    ("another keyword", {**MISSING, "aspect": "null", "body": NULL, "keyword": "minLength"}, "never a matter of minL"),
    ("an object as malformed", document(kind="malformed", aspect="not-json"), "is a JSON object"),
    ("unknown aspect", document(kind="malformed", aspect="odd", body="{"), "is none of"),
    ("a repeat of nothing", document(kind="repeat", aspect="equal"), "before it, which it could repeat"),
    ("a repeat of another", {**REPEATED, "body": SMS.replace("Habari", "Jambo")}, "another body"),
    ("a window of sms", {**REPEATED, "aspect": "window"}, "does not go with sms"),
]


def test_a_label_that_its_bytes_belie_is_refused() -> None:
    """One line that names the file and the fault: a wrong label would blame a gateway that is in the right."""
    wrong = []
    for name, content, fault in MISLABELLED:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        try:
            case_file(data, "x", "corpus/x.json", statum())
            message = "it is accepted"
        except UsageError as error:
            message = str(error)
        if not message.startswith("case file corpus/x.json ") or fault not in message or "\n" in message:
            wrong.append((name, fault, message))

    assert [] == wrong


# --- Credentials


def test_a_label_gives_back_every_wrong_credential() -> None:
    """By its aspect and its number, as they stand in the id of the case that sends it."""
    plan = Plan.of(settings(Path("reports"), products=("sms",)), BASE)
    cases = [case for case in plan.cases if case.kind is Kind.CREDENTIAL]
    key, secret = settings(Path()).consumer_key, settings(Path()).consumer_secret

    assert len(credential_probes(statum(), key, secret)) < len(cases)
    for case in cases:
        value = credential_value(statum(), credential_label(statum(), case), key, secret)
        assert header(case.request.headers, "Authorization") == value, case.id
        assert case.request.headers == with_credential(statum(), case.request.headers, value)


def test_the_file_in_the_docs_is_one() -> None:
    """What people copy from there works."""
    shown = re.findall(r"```json\n(.*?)```", (CHECKOUT / "docs" / "replay.md").read_text(encoding="utf-8"), re.DOTALL)

    assert ["line-breaks"] == [
        case_file(text.encode(), "docs", "docs/replay.md", statum()).step.aspect for text in shown
    ]


def test_every_case_of_a_plan_proves_its_label(tmp_path: Path) -> None:
    """Whatever is generated could be kept: proofs here and proofs where it is made agree."""
    plan = Plan.of(settings(tmp_path, max_examples=5), BASE)
    record = Record({**SETTINGS, "gateway": BASE}, plan.cases)

    unproved = {case.id: why for case in plan.cases if (why := unkept(case, record)) is not None}

    assert {} == unproved
    assert set(statum().commands) == {case.command for case in plan.cases if case.command}


def unkept(case: Case, record: Record) -> str | None:
    """Why a case cannot be a file."""
    try:
        as_file(statum(), case, "A case.", record)
    except UsageError as error:
        return error.message
    return None
