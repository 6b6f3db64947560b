"""Failing cases become case files: the simplest ones for each requirement × command that failed.

    kept_files      a judged record → case files
    keep            writes those that a folder does not hold yet

Written from the journal, so what is redacted there is in no file; a case whose bytes were touched by that is passed
over, for its bytes are not known any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.contract.contract import Contract
from conformance.gateway.casefiles import SUFFIX, CaseFile, CaseFolder, Find, case_file, file_bytes
from conformance.gateway.corpus import CASES, CORPUS
from conformance.gateway.credentials import credential_label, without_credential
from conformance.gateway.plan import ordinary_headers
from conformance.gateway.recorded import is_redacted
from conformance.gateway.steps import Step, marker
from conformance.journal import Record
from conformance.judging.judgement import Finding
from conformance.judging.verdicts import Judged, Verdict
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.traffic import Case, Headers, Kind
from conformance.payloads.labels import aspect_of, members_of

# How much of a digest tells files apart in their names.
DIGEST_LENGTH = 8
# So many leading digits of a phone number are kept where the rest has to vary: country, operator and its range.
RANGE_LENGTH = 6

# Cases of these are in a file already.
FROM_FILES = (f"{CORPUS}/", f"{CASES}/")

# The version in it goes with the suite that sends the case, not with the case.
_VARYING = "user-agent"


def keep(record: Record, judged: Judged, folder: Path, contract: Contract) -> list[Path]:
    """Write the failing cases of a run into `folder`, which is made if need be; the files that are new.

    No file is ever overwritten, and none is written that sends what another one sends. Raises UsageError if the folder
    holds what is no case file, EnvironmentFailure if it cannot be written.
    """
    files = list(kept_files(record, judged, contract))
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


def kept_files(record: Record, judged: Judged, contract: Contract) -> Iterator[CaseFile]:
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
    """The finding, and those that it stands for; only itself where the simplest request of all is known."""
    yield finding
    for case in () if finding.minimal else finding.others:
        yield replace(finding, case=case)


def _simplest(finding: Finding, cases: Mapping[str, Case], contract: Contract) -> Case:
    """The simplest case that shows what a finding shows, labelled by what it has in it."""
    case = cases[finding.case or ""]
    minimal = cases.get(finding.minimal.case) if finding.minimal else None
    if minimal is None or minimal.kind is not Kind.VALID or minimal.command is None:
        return minimal or case
    aspect = aspect_of(contract, contract.commands[minimal.command], members_of(minimal.request.body) or {})
    return replace(minimal, aspect=aspect)


def as_file(contract: Contract, case: Case, note: str, record: Record, *found: Find) -> CaseFile:
    """A case of a record as a file, with what it repeats.

    Raises UsageError if its bytes are not known, because the journal keeps them redacted, or do not prove its label.
    """
    cases = {each.id: each for each in record.cases}
    history = [case]
    while (earlier := cases.get(history[0].earlier or "")) is not None:
        history.insert(0, earlier)
    if any(is_redacted(each.request) for each in history):
        raise UsageError(f"case {case.id} cannot be kept: the journal has it redacted")
    steps = _for_any_account(
        contract, [_step(contract, each, record.settings["gateway"]) for each in history], record.settings
    )
    file = CaseFile(contract, "", note, steps[-1], tuple(steps[:-1]), found)
    where = contract.commands[case.command].folder if case.command else "unknown-command"
    words = "-".join((*(find.requirement for find in found), where, case.aspect)).lower()
    name = f"{re.sub('[^a-z0-9]+', '-', words)}-{file.digest[:DIGEST_LENGTH]}"
    return case_file(file_bytes(file), name, name, contract)


def _step(contract: Contract, case: Case, base_url: str) -> Step:
    request = case.request
    headers, ordinary = (
        without_credential(contract, each) for each in (request.headers, ordinary_headers(contract, ""))
    )
    path = request.url.removeprefix(base_url.rstrip("/") + "/")
    try:
        request.body.decode()
    except UnicodeDecodeError:
        as_is = True
    else:
        as_is = (
            marker(contract).search(request.body) is not None
        )  # the text itself holds what would be taken for a marker
    return Step(
        case.command,
        case.kind,
        case.aspect,
        request.method,
        path,
        credential_label(case),
        None if _compared(headers) == _compared(ordinary) else headers,
        request.body,
        as_is,
        case.member,
        case.keyword,
    )


def _compared(headers: Headers) -> tuple[Headers, bool]:
    names = {name.lower() for name, _ in headers}
    return tuple(pair for pair in headers if pair[0].lower() != _VARYING), _VARYING in names


# --- For any account


def _for_any_account(contract: Contract, steps: Sequence[Step], settings: Mapping[str, Any]) -> list[Step]:
    """The steps with markers in the place of what belongs to the run's account.

    Where a window would refuse the same request sent again soon, the end of the phone number is left open too.
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
    """The text of a marker, told apart from those of other numbers; there is never need for more than a few."""
    taken = sum(1 for member, _ in values if member == recipient)
    return text if not taken else f"{text[:-1]} #{taken + 1}}}"


def _place(member: str, value: str) -> re.Pattern[bytes]:
    """Where in a JSON text the member has that value."""
    return re.compile(rb'("%s"\s*:\s*")%s(?=")' % (member.encode(), re.escape(value.encode())))


def _recipients(contract: Contract, step: Step) -> list[str]:
    """The recipients in a body that are digits, each as every gateway has to take it."""
    name = (contract.members.recipient or "").encode()
    found = re.findall(rb'"%s"\s*:\s*"([0-9]+)"' % re.escape(name), step.body)
    schema = contract.commands[step.command or ""].request_schema if step.command else None
    texts = [each.decode() for each in found]
    if schema is None:
        return texts
    wrong = f"/{name.decode()}"
    return [
        text
        for text in texts
        if not any(fault.pointer == wrong for fault in contract.schemas.violations(schema, {name.decode(): text}))
    ]


def _marked(step: Step, values: Mapping[tuple[str, str], str]) -> Step:
    if step.as_is:
        return step
    body = step.body
    for (member, value), text in values.items():
        if member != step.member:
            body = _place(member, value).sub(lambda found, text=text: found[1] + text.encode(), body)  # type: ignore[misc]
    return replace(step, body=body)
