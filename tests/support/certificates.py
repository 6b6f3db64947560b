"""Certificates: of hand-made results, of real runs, and forged ones that say otherwise than their evidence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from made_result import PASSED, RECORD, SETTINGS, result_of

from conformance.certificate.digests import JournalFile
from conformance.certificate.ed25519 import PrivateKey
from conformance.certificate.issuing import EXTENSION, Certification, countersign, issue, statement_bytes
from conformance.certificate.signing import LONGEST_CERTIFICATE, PAYLOAD_TYPE, Envelope, make_key_pair
from conformance.certificate.verification import MEMBERS
from conformance.cli import outcome
from conformance.contract.contract import statum
from conformance.journal import Journal, Note, Record, Redaction
from conformance.judging.verdicts import RequirementVerdict
from conformance.reports.result import Result

Statement = dict[str, Any]
Lie = Callable[[Statement], None]

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


FINISHED = Note(1, "finished", {"duration_s": 1.5}, 2.0, 2.0)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

VENDOR, CERTIFIER, STRANGER = (PrivateKey.generate() for _ in range(3))


def journal_of(folder: Path) -> JournalFile:
    """A closed journal that holds nothing but settings and its end."""
    path = folder / "journal.sqlite"
    with Journal.create(path, SETTINGS, Redaction.none()) as journal:
        journal.note("finished", {"duration_s": 1.5})
    return JournalFile.closed(path)


def conformant(*verdicts: RequirementVerdict, record: Record = RECORD) -> Result:
    """A result of those verdicts, or of two that passed, of a run that came to its end."""
    return result_of(verdicts or PASSED, replace(record, notes=(FINISHED,)))


def certificate(
    folder: Path, *more: PrivateKey, result: Result | None = None, now: datetime = NOW, **asked: Any
) -> bytes:
    """A certificate by VENDOR, and by `more`."""
    envelope = issue(result or conformant(), journal_of(folder), Certification(VENDOR, **asked), now)
    for key in more:
        envelope = countersign(envelope, key)
    return envelope.to_bytes()


def payload(data: bytes) -> Statement:
    """The statement in a certificate."""
    document: Statement = json.loads(Envelope.parse(data).payload)
    return document


ELSEWHERE = "https://gateway-a.example/api/v2"

# What a member becomes whose values are few, or have a form.
_OTHER: Mapping[str, Any] = {
    "_type": "https://in-toto.io/Statement/v0.1",
    "predicateType": "https://in-toto.io/attestation/vulns",
    "version": 2,
    "verdict": "inconclusive",
    "result": "WARNED",
    "subject.kind": "client",
    "subject.url": ELSEWHERE,
    "subject.digest_source": "given",
    "subject.artifacts": [{"name": "gateway A", "digest": {"sha256": "ab" * 32}}],
    "journal.digest": {"sha256": "ab" * 32},
    "issued": "2026-01-01T00:00:00Z",
    "expires": "2035-01-01T00:00:00Z",
    "run.started_at": "2020-01-01T00:00:00.000+00:00",
    "kill_matrix": {
        "measured": True,
        "same_suite": True,
        **dict.fromkeys(("catalogue", "suite"), f"sha256:{'ab' * 32}"),
        **dict.fromkeys(("faults", "killed", "lawful", "left_alone"), 999),
        "version": "9.9.9",
        "measured_on": "2026-01-01",
    },
    "configuration.expectations": {"name": "expectations", "digest": {"sha256": "ab" * 32}},
}


def _other(name: str, value: Any) -> Any:
    if name in _OTHER:
        return _OTHER[name]
    match value:
        case bool():
            other: Any = not value
        case int() | float():
            other = value + 1
        case list():
            other = [*value, "RSP-99 airtime"]
        case {"digest": _}:
            other = {**value, "digest": {"sha256": "ab" * 32}}
        case dict():
            other = {each: its + 1 if type(its) is int else its for each, its in value.items()}
        case _:
            other = f"{value} A"
    return other


def changed_member(document: Statement, name: str) -> None:
    """Give a member another value of its kind; an entry of the configuration that is not there is added."""
    predicate, extension = document["predicate"], document["predicate"][EXTENSION]
    begin, _, rest = name.partition(".")
    if begin == "configuration":
        entries = predicate["configuration"]
        old = next((entry for entry in entries if entry["name"] == rest), None)
        entries[:] = [entry for entry in entries if entry is not old] + [_other(name, old)]
    elif name == "subject.artifacts":
        document["subject"] = _other(name, document["subject"])
    else:
        holder, key = (extension[begin], rest) if rest else (document, name)
        holder = holder if key in holder else predicate if key in predicate else extension
        holder[key] = _other(name, holder[key])


def resigned(certificate: Envelope | bytes, lie: Lie, *keys: PrivateKey) -> bytes:
    """The certificate with its statement changed, and signed by these keys, or by VENDOR, as if that were right."""
    envelope = Envelope.parse(certificate) if isinstance(certificate, bytes) else certificate
    document = json.loads(envelope.payload)
    lie(document)
    forged = Envelope(statement_bytes(document))
    for key in keys or (VENDOR,):
        forged = countersign(forged, key)
    return forged.to_bytes()


# --- Lies that hold together


def gateway_a(document: Statement) -> None:
    """Another gateway, of which every command is said to be conformant."""
    extension = document["predicate"][EXTENSION]
    extension["subject"].update(name="gateway A", url=ELSEWHERE)
    document["subject"] = [{"name": "gateway A", "digest": {"sha256": "ab" * 32}}]
    all_commands(document)


def all_commands(document: Statement) -> None:
    """Every command, with tests that passed, counted as they are listed."""
    predicate = document["predicate"]
    extension = predicate[EXTENSION]
    more = [f"ENC-01 {command}" for command in statum().commands if f"ENC-01 {command}" not in predicate["passedTests"]]
    predicate["passedTests"] += more
    extension["must"] = {each: count + len(more) for each, count in extension["must"].items()}
    extension["commands"] = list(statum().commands)
    extension["coverage"].update(exercised=list(statum().commands), notifications=list(statum().products))


def more_passed(document: Statement) -> None:
    """Nine hundred more tests, of requirements that there are not."""
    predicate = document["predicate"]
    predicate["passedTests"] += [f"NEW-{number} sms" for number in range(900)]
    predicate[EXTENSION]["must"] = {each: count + 900 for each, count in predicate[EXTENSION]["must"].items()}


def another_edition(document: Statement) -> None:
    """Issued by files that are not installed here, so that nobody can look."""
    for entry in document["predicate"]["configuration"]:
        entry["digest"] = {"sha256": "ab" * 32}


def together(*lies: Lie) -> Lie:
    """One after the other."""

    def lie(document: Statement) -> None:
        for each in lies:
            each(document)

    return lie


def _member(name: str) -> Lie:
    return lambda document: changed_member(document, name)


LIES: Mapping[str, Lie] = {
    **{f"{name} is another": _member(name) for name in MEMBERS},
    "gateway A, all commands": gateway_a,
    "all commands": all_commands,
    "more passed": more_passed,
    "gateway A, all commands, by another edition": together(gateway_a, another_edition),
    "all commands, by another edition": together(all_commands, another_edition),
    "the edition of the schemas left out": lambda document: document["predicate"]["configuration"].pop(),
}


# --- Files that keep a reader busy

SIGNATURE = {"keyid": "0" * 64, "sig": f"{'A' * 86}==", "public_key": f"{'A' * 59}="}


def enveloped(**members: object) -> bytes:
    """An envelope with some members otherwise."""
    return json.dumps({"payloadType": PAYLOAD_TYPE, "payload": "e30=", "signatures": [SIGNATURE], **members}).encode()


BOMBS: Mapping[str, bytes] = {
    "one member, many times": b"{" + b",".join([b'"payload":"e30="'] * 60_000) + b"}",
    "many members": b"{" + b",".join(b'"%d":0' % number for number in range(60_000)) + b"}",
    "many signatures": enveloped(signatures=[SIGNATURE] * 4_000),
    "many that are none": enveloped(signatures=[[]] * 200_000),
    "deep": b"[" * 500_000,
    "a long payload": enveloped(payload="A" * 1_000_000),
    "long strings": enveloped(payloadType="x" * 1_000_000),
    "numbers": enveloped(payload=int("9" * 4_000)),
    "too long": b" " * (LONGEST_CERTIFICATE + 1),
    "binary": os.urandom(1_000_000),
}
