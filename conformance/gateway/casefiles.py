"""Cases as files: one small JSON file each, as `schemas/formats/case.json` has them.

    CaseFile, Find          what a file holds: the request with what goes before it, and what it found
    CaseFolder              files of a folder, or one file; their labels are proved when they are read
    case_file, file_bytes   bytes → CaseFile → bytes

A file holds no credential, only which one is meant. What belongs to an account stands as a marker in the text of the
body (`${sender_id}`, `${short_code}`, `${phone_number}`), so that a corpus fits every account.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from conformance.contract.contract import Contract
from conformance.contract.schema_set import FORMATS
from conformance.gateway.caselabels import mislabelled
from conformance.gateway.credentials import RIGHT, without_credential
from conformance.gateway.steps import Step, marker
from conformance.model.errors import UsageError
from conformance.model.traffic import Kind
from conformance.model.untrusted import parse_json

SCHEMA = "case"
SUFFIX = ".json"
INDENT = 2


@dataclass(frozen=True, slots=True)
class Find:
    """One thing that a case found: the id of the requirement, what was seen, on which day, by which version."""

    requirement: str
    message: str
    date: str
    version: str


@dataclass(frozen=True, slots=True)
class CaseFile:
    """What a file holds, for gateways of a `contract`; `name` is its name without the ending."""

    contract: Contract
    name: str
    note: str
    step: Step
    before: tuple[Step, ...] = ()
    found: tuple[Find, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All requests, in order; the last is the one that the file is about."""
        return (*self.before, self.step)

    @property
    def digest(self) -> str:
        """The same for files that send the same, whatever their names and notes."""
        return hashlib.sha256(json.dumps(_content(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """The files at `path`, which is a folder or a file, in the order of their names."""

    path: Path
    files: tuple[CaseFile, ...]

    @classmethod
    def read(cls, path: Path, contract: Contract) -> Self:
        """Read what is at `path`.

        Raises UsageError if there is nothing, and for a file that is no case file or whose labels its bytes belie.
        """
        if not path.exists():
            raise UsageError(f"there is no case file or folder {path}", hint="docs/replay.md tells what one holds")
        paths = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        return cls(path, tuple(case_file(_read(each), each.stem, each, contract) for each in paths))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"case file {path} cannot be read: {error.strerror}") from error


def case_file(data: bytes, name: str, place: Path | str, contract: Contract) -> CaseFile:
    """The case file that `data` holds, its labels proved; `place` is how to call it.

    Raises UsageError that names the file and what is wrong in it.
    """
    try:
        document = parse_json(data)
    except ValueError as error:
        raise UsageError(f"case file {place} is no JSON: {error}") from error
    for violation in FORMATS.violations(SCHEMA, document):
        where = f" at {violation.pointer}" if violation.pointer else ""
        raise UsageError(f"case file {place} is not as schemas/formats/case.json has it{where}: {violation.message}")
    try:
        file = CaseFile(
            contract,
            name,
            document["note"],
            _step(contract, document),
            tuple(_step(contract, before) for before in document.get("before", ())),
            tuple(Find(**find) for find in document.get("found", ())),
        )
    except ValueError as error:
        raise UsageError(f"case file {place} cannot be used: {error}") from error
    samples = dict(_samples(file))
    earlier = None
    for step in (each.filled(contract, samples) for each in file.steps):
        if fault := mislabelled(contract, step, earlier):
            raise UsageError(
                f"case file {place} is mislabelled: {step.kind} ({step.aspect}) {fault}",
                hint="correct kind, aspect or body, or move the file out of the folder",
            )
        earlier = step
    return file


def _samples(file: CaseFile) -> Iterator[tuple[bytes, str]]:
    """A valid value for each marker: what a label claims must hold whatever the account is."""
    contract = file.contract
    markers = dict.fromkeys(each for step in file.steps for each in step.markers(contract))
    for number, each in enumerate(markers):
        if found := marker(contract).fullmatch(each):
            registered = found["registered"]
            if registered:
                yield each, contract.members.registered[registered.decode()][0]
            else:
                yield each, numbered(contract, (found["prefix"] or b"").decode(), number)


def numbered(contract: Contract, prefix: str, number: int) -> str:
    """A recipient that begins with `prefix` and ends with a number, as long as the first example of the contract."""
    example = contract.examples_of(contract.members.recipient or "")[0]
    begun = prefix or example[: len(example) // 3]
    return f"{begun}{number:0{max(len(example) - len(begun), 1)}d}"


def _step(contract: Contract, document: Mapping[str, Any]) -> Step:
    """A step as it stands in a file, with what is left out filled in. Raises ValueError for what the schema lets by."""
    command = document["command"]
    if command is not None and command not in contract.commands:
        raise ValueError(f"there is no command {command!r}; expected {', '.join(contract.commands)}, or null")
    if command is None and not {"method", "path"} <= document.keys():
        raise ValueError("command is null, and method and path do not say what is asked for instead")
    if "body" in document and "body_base64" in document:
        raise ValueError("it has both body and body_base64")
    headers = document.get("headers")
    given = None if headers is None else tuple((name, value) for name, value in headers)
    if given is not None and without_credential(contract, given) != given:
        known = next(iter(contract.probes.aspects(Kind.CREDENTIAL)), RIGHT)
        raise ValueError(
            f"{contract.authentication.header} is among the headers; say `credential` instead, such as {known}/1"
        )
    return Step(
        command=command,
        kind=Kind(document["kind"]),
        aspect=document["aspect"],
        method=document.get("method") or contract.commands[command].method,
        path=document.get("path") or command,
        credential=document.get("credential", RIGHT),
        headers=given,
        body=b64decode(document["body_base64"]) if "body_base64" in document else document.get("body", "").encode(),
        as_is="body_base64" in document,
        member=document.get("member"),
        keyword=document.get("keyword"),
    )


def file_bytes(file: CaseFile) -> bytes:
    """The file as it is written: what goes without saying left out, UTF-8, indented."""
    document: dict[str, Any] = {"note": file.note, **_content(file)}
    if file.found:
        document["found"] = [
            {"requirement": f.requirement, "message": f.message, "date": f.date, "version": f.version}
            for f in file.found
        ]
    return f"{json.dumps(document, ensure_ascii=False, indent=INDENT)}\n".encode("utf-8", "backslashreplace")


def _content(file: CaseFile) -> dict[str, Any]:
    """What is sent."""
    content = _step_as_json(file.contract, file.step)
    if file.before:
        content["before"] = [_step_as_json(file.contract, step) for step in file.before]
    return content


def _step_as_json(contract: Contract, step: Step) -> dict[str, Any]:
    document: dict[str, Any] = {"command": step.command, "kind": step.kind.value, "aspect": step.aspect}
    command = contract.commands[step.command] if step.command else None
    if command is None or step.method != command.method:
        document["method"] = step.method
    if command is None or step.path != command.name:
        document["path"] = step.path
    if step.credential != RIGHT:
        document["credential"] = step.credential
    if step.headers is not None:
        document["headers"] = [list(pair) for pair in step.headers]
    if step.as_is and step.body:
        document["body_base64"] = b64encode(step.body).decode("ascii")
    elif step.body:
        document["body"] = step.body.decode()
    named = {"member": step.member, "keyword": step.keyword}
    return document | {name: value for name, value in named.items() if value is not None}
