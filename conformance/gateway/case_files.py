"""Cases as files: one small JSON file each, as `schemas/formats/case.json` has them.

A file holds no credential, only a label. Values of an account are markers in the text of the body (`${sender_id}`,
`${short_code}`, `${phone_number}`), so that a corpus fits every account. Failing cases are written from the journal, so
a case that is redacted there is passed over.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from conformance import __version__
from conformance.contract.contract import Contract
from conformance.contract.schemas import FORMATS
from conformance.gateway.request_templates import (
    RIGHT,
    RequestTemplate,
    marker,
    mislabelled,
    ordinary_headers,
    without_credential,
)
from conformance.journal import Record
from conformance.judging.judgement import Finding
from conformance.judging.verdicts import Judged, Verdict
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.traffic import Case, Headers, Kind
from conformance.model.untrusted import parse_json
from conformance.payloads.members import aspect_of, members_of

SCHEMA = "case"
SUFFIX = ".json"
INDENT = 2
# The part of a digest that tells files apart in their names.
DIGEST_LENGTH = 8
# So many leading digits of a phone number stay where the rest has to vary: country, operator and its range.
RANGE_LENGTH = 6
# The first part of the ids of cases from files: those of a corpus, and those that alone are sent.
CORPUS, CASES = "corpus", "cases"
FROM_FILES = (f"{CORPUS}/", f"{CASES}/")
# The version in it goes with the suite that sends the case, not with the case.
_VARYING = "user-agent"


@dataclass(frozen=True, slots=True)
class Find:
    """A failure that a case found: the id of the requirement, the finding, its day, and the suite's version."""

    requirement: str
    message: str
    date: str
    version: str


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The content of a file, for gateways of a `contract`; `name` is its name without the ending."""

    contract: Contract
    name: str
    note: str
    step: RequestTemplate
    before: tuple[RequestTemplate, ...] = ()
    found: tuple[Find, ...] = ()

    @property
    def steps(self) -> tuple[RequestTemplate, ...]:
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
        """Read the file or folder at `path`.

        Raises UsageError if there is none, and for a file that is not a case file or whose labels its bytes belie.
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

    Raises UsageError that names the file and its fault.
    """
    try:
        document = parse_json(data)
    except ValueError as error:
        raise UsageError(f"case file {place} is not JSON: {error}") from error
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
    """A valid value for each marker: a label must hold whatever the account is."""
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


def _step(contract: Contract, document: Mapping[str, Any]) -> RequestTemplate:
    """A step of a file, with its defaults filled in. Raises ValueError for faults that the schema lets by."""
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
    return RequestTemplate(
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
    """The file as it is written: without defaults, UTF-8, indented."""
    document: dict[str, Any] = {"note": file.note, **_content(file)}
    if file.found:
        document["found"] = [asdict(find) for find in file.found]
    return f"{json.dumps(document, ensure_ascii=False, indent=INDENT)}\n".encode("utf-8", "backslashreplace")


def _content(file: CaseFile) -> dict[str, Any]:
    """The part that decides what is sent."""
    content = _step_as_json(file.contract, file.step)
    if file.before:
        content["before"] = [_step_as_json(file.contract, step) for step in file.before]
    return content


def _step_as_json(contract: Contract, step: RequestTemplate) -> dict[str, Any]:
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


# --- Failing cases become files


def save_failing(record: Record, judged: Judged, folder: Path, contract: Contract) -> list[Path]:
    """Write the failing cases of a run into `folder`, which is made if need be; the files that are new.

    No file is ever overwritten, and none that sends the same as another is written. Raises UsageError if the folder
    holds anything but case files, EnvironmentFailure if it cannot be written.
    """
    files = list(failing_cases(record, judged, contract))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = {file.digest for file in CaseFolder.read(folder, contract).files}
        written = []
        for file in files:
            if file.digest not in known:
                known.add(file.digest)
                written.append(_written(folder, file))
    except OSError as error:
        raise EnvironmentFailure(
            f"corpus {folder} cannot be written: {error.strerror or error}", hint="choose another --save-corpus"
        ) from error
    return written


def _written(folder: Path, file: CaseFile) -> Path:
    """Write one file under a name that is free."""
    number = 1
    while True:
        path = folder / f"{file.name}{f'-{number}' if number > 1 else ''}{SUFFIX}"
        with suppress(FileExistsError), path.open("xb") as opened:
            opened.write(file_bytes(file))
            return path
        number += 1


def failing_cases(record: Record, judged: Judged, contract: Contract) -> Iterator[CaseFile]:
    """For each requirement × command that failed the simplest case of each cause, or the smallest that it shows."""
    cases = {case.id: case for case in record.cases}
    for verdict in judged.verdicts:
        if verdict.verdict not in (Verdict.FAIL, Verdict.KNOWN):
            continue
        shown = [
            (_simplest(alike, cases, contract), alike)
            for finding in verdict.findings
            for alike in _each(finding)
            if alike.case in cases and not alike.case.startswith(FROM_FILES)
        ]
        any_will_do = True
        for case, finding in sorted(shown, key=lambda pair: (pair[1].minimal is None, len(pair[0].request.body))):
            find = Find(verdict.requirement.id, finding.message, str(record.settings["started_at"])[:10], __version__)
            if finding.minimal or any_will_do:
                with suppress(UsageError):
                    note = f"Found {find.requirement}: {verdict.requirement.title}"
                    yield as_file(contract, case, note, record, find)
                    any_will_do = False


def _each(finding: Finding) -> Iterator[Finding]:
    """The finding, and those grouped with it; only itself where their simplest request is known."""
    yield finding
    for case in () if finding.minimal else finding.others:
        yield replace(finding, case=case)


def _simplest(finding: Finding, cases: Mapping[str, Case], contract: Contract) -> Case:
    """The simplest case of a finding, labelled by its content."""
    case = cases[finding.case or ""]
    minimal = cases.get(finding.minimal.case) if finding.minimal else None
    if minimal is None or minimal.kind is not Kind.VALID or minimal.command is None:
        return minimal or case
    aspect = aspect_of(contract, contract.commands[minimal.command], members_of(minimal.request.body) or {})
    return replace(minimal, aspect=aspect)


def as_file(contract: Contract, case: Case, note: str, record: Record, *found: Find) -> CaseFile:
    """A case of a record as a file, with the requests that it repeats.

    Raises UsageError if its bytes are not known, because the journal keeps them redacted, or do not prove its label.
    """
    cases = {each.id: each for each in record.cases}
    history = [case]
    while (earlier := cases.get(history[0].earlier or "")) is not None:
        history.insert(0, earlier)
    base = record.settings["gateway"]
    templates = [_plainly(contract, RequestTemplate.of(contract, each, base)) for each in history]
    steps = _for_any_account(contract, templates, record.settings)
    file = CaseFile(contract, "", note, steps[-1], tuple(steps[:-1]), found)
    where = contract.commands[case.command].folder if case.command else "unknown-command"
    words = "-".join((*(find.requirement for find in found), where, case.aspect)).lower()
    name = f"{re.sub('[^a-z0-9]+', '-', words)}-{file.digest[:DIGEST_LENGTH]}"
    return case_file(file_bytes(file), name, name, contract)


def _plainly(contract: Contract, template: RequestTemplate) -> RequestTemplate:
    """The template without its headers if they are those of an ordinary request, whatever the version in them."""

    def any_version(headers: Headers) -> Headers:
        return tuple((name, "" if name.lower() == _VARYING else value) for name, value in headers)

    ordinary = without_credential(contract, ordinary_headers(contract, ""))
    same = any_version(template.headers or ()) == any_version(ordinary)
    return replace(template, headers=None) if same else template


# --- For any account


def _for_any_account(
    contract: Contract, steps: Sequence[RequestTemplate], settings: Mapping[str, Any]
) -> list[RequestTemplate]:
    """The steps with markers in the place of the values of the run's account.

    Where a window would refuse the same request sent again soon, the end of the phone number may vary, too.
    """
    values: dict[tuple[str, str], str] = {}
    for member in contract.members.registered:
        values |= {(member, value): f"${{{member}}}" for value in settings.get(f"{member}s", ())}
    if (recipient := contract.members.recipient) is None:
        return [_marked(step, values) for step in steps]
    for number in settings["phone_numbers"]:
        values[recipient, number] = _numbered(recipient, f"${{{recipient}}}", values)
    if any(step.command and contract.commands[step.command].window is not None for step in steps):
        for number in dict.fromkeys(number for step in steps for number in _recipients(contract, step)):
            ranged = f"${{{recipient} {number[:RANGE_LENGTH]}}}"
            values.setdefault((recipient, number), _numbered(recipient, ranged, values))
    return [_marked(step, values) for step in steps]


def _numbered(recipient: str, text: str, values: Mapping[tuple[str, str], str]) -> str:
    """The text of a marker, with a number if there are several."""
    taken = sum(1 for member, _ in values if member == recipient)
    return text if not taken else f"{text[:-1]} #{taken + 1}}}"


def _recipients(contract: Contract, step: RequestTemplate) -> list[str]:
    """The recipients in a body that are digits, each as every gateway has to take it."""
    name = contract.members.recipient or ""
    texts = [text.decode() for text in re.findall(rb'"%s"\s*:\s*"([0-9]+)"' % re.escape(name.encode()), step.body)]
    if step.command is None:
        return texts
    schema = contract.commands[step.command].request_schema
    faults = {text: contract.schemas.violations(schema, {name: text}) for text in texts}
    return [text for text in texts if all(fault.pointer != f"/{name}" for fault in faults[text])]


def _marked(step: RequestTemplate, values: Mapping[tuple[str, str], str]) -> RequestTemplate:
    if step.as_is:
        return step
    body = step.body
    for (member, value), text in values.items():
        if member != step.member:
            place = rb'("%s"\s*:\s*")%s(?=")' % (member.encode(), re.escape(value.encode()))
            body = re.sub(place, lambda found, text=text: found[1] + text.encode(), body)  # type: ignore[misc]
    return replace(step, body=body)
