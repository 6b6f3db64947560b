"""Files and folders → results; what cannot be read is a line each.

    found_in        the files among the paths that were given, and in the folders below them
    ReadResults         the results of these files, and those that were left out

A file is read once, and one at a time, so that memory does not grow with the size of reports.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.certificate.issuing import CERTIFICATE, CONTRACT
from conformance.certificate.signing import LONGEST_CERTIFICATE
from conformance.contract.contract import Contract, statum
from conformance.gateway.campaign import JOURNAL
from conformance.model.errors import ConformanceError, UsageError
from conformance.model.untrusted import TooLong, given_bytes, parse_json
from conformance.register.certificates import CertificateState, CheckedCertificate, Checks, contract_name
from conformance.register.results import RegisteredResult
from conformance.reports.files import LONGEST_REPORT, REPORT_JSON, as_a_run_writes_it, check_report, report_of
from conformance.reports.text import counted

# A folder with this file is a register, whose copies are not results of their own.
MANIFEST = "register-files.json"

# The files to read in a folder; one that is named on the command line may have any name.
NAMES = (REPORT_JSON, CERTIFICATE)
SUFFIXES = tuple(f"{separator}{name}" for name in NAMES for separator in "-._")

# A file in messages that follow its name.
IT = "it"
# Of the files that cannot be read.
MOST_NAMED = 20

Contracts = Mapping[str, Contract]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that holds no result, and why not."""

    file: Path
    reason: str


def found_in(paths: Sequence[Path], out: Path) -> list[Path]:
    """The files to read, each once, those of a folder by their paths; `out`, where pages go, is not searched.

    Raises UsageError for a path that does not exist, and a folder without results.
    """
    files: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no {path}", hint=f"name a {REPORT_JSON}, a {CERTIFICATE}, or a folder of them")
        below = sorted(_below(path, out.resolve())) if path.is_dir() else [path]
        if not below:
            raise UsageError(
                f"{path} holds no results; expected {' or '.join(NAMES)}, there or in folders below it",
                hint="name files that are called otherwise one by one",
            )
        for file in below:
            files.setdefault(file.resolve(), file)
    return [*files.values()]


def _below(folder: Path, out: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        here = Path(place)
        if MANIFEST in names or here.resolve() == out:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (here / name for name in names if name in NAMES or name.endswith(SUFFIXES))


@dataclass(frozen=True, slots=True)
class ReadResults:
    """The results of files, those of one run put together.

    `remarks`: a line for each two results that contradict each other.
    """

    results: tuple[RegisteredResult, ...]
    left_out: tuple[LeftOut, ...] = ()
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Sequence[Path], contracts: Contracts, checks: Checks) -> ReadResults:
        """Read the files. A file that cannot be read, or is no result, is left out."""
        reports: list[RegisteredResult] = []
        certificates: list[RegisteredResult] = []
        left_out = []
        for file in files:
            try:
                result = read_result(file, contracts, checks)
            except ConformanceError as error:
                left_out.append(LeftOut(file, error.message))
            else:
                (reports if result.has_report else certificates).append(result)
        several, doubted = _apart(reports)
        remarks = [*doubted, *_attach(several, _best(certificates))]
        refused = [each for each in several if not each.has_report and _is_refused(each)]
        left_out += [LeftOut(each.file, each.certificate.reason) for each in refused if each.certificate]
        return cls(tuple(each for each in several if each not in refused), tuple(left_out), tuple(remarks))

    def check_complete(self) -> None:
        """Raise UsageError, with a line for each, if any file was left out."""
        lines = [f"{each.file}: {each.reason}" for each in self.left_out[:MOST_NAMED]]
        more = len(self.left_out) - len(lines)
        if lines:
            raise UsageError(
                f"{counted(len(self.left_out), 'file')} cannot be read as a result; nothing is written",
                hint="--skip-invalid leaves such files out, and says so on the pages",
                lines=(*lines, *([f"… and {more} more"] if more else [])),
            )


def read_result(file: Path, contracts: Contracts, checks: Checks) -> RegisteredResult:
    """The result in a report or a certificate.

    Raises UsageError if it is neither, or one that this version cannot read, and Rejected for a damaged certificate.
    """
    try:
        data = given_bytes(file, LONGEST_REPORT)
        document = parse_json(data)
    except TooLong as error:
        raise UsageError(f"it is too long for a report; expected at most {LONGEST_REPORT:,} bytes") from error
    except OSError as error:
        raise UsageError(f"it cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"it is not JSON: {error}") from error
    with as_a_run_writes_it(IT):
        if isinstance(document, dict) and "payloadType" in document:
            return _of_certificate(file, data, contracts, checks)
        return _of_report(file, document, contracts)


def _of_report(file: Path, document: Any, contracts: Contracts) -> RegisteredResult:
    check_report(document, IT)
    recorded = document["settings"].get(CONTRACT) or statum().recorded()
    contract = _contract(str(recorded["name"]), contracts)
    contract.check_recorded(document["settings"], IT)
    return RegisteredResult.of_report(report_of(document, contract, IT), contract, file)


def _of_certificate(file: Path, data: bytes, contracts: Contracts, checks: Checks) -> RegisteredResult:
    if len(data) > LONGEST_CERTIFICATE:
        raise UsageError(f"it is too long for a certificate; expected at most {LONGEST_CERTIFICATE:,} bytes")
    contract = _contract(contract_name(data, statum().name), contracts)
    certificate = CheckedCertificate.of(data, contract, checks, file.with_name(JOURNAL))
    return RegisteredResult.of_certificate(certificate, file)


def _contract(name: str, contracts: Contracts) -> Contract:
    """The contract of that name; if there is none, the first one, which then refuses the result."""
    return contracts.get(name) or next(iter(contracts.values()))


# --- Results of one run


def _apart(reports: Sequence[RegisteredResult]) -> tuple[list[RegisteredResult], list[str]]:
    """The reports without copies, and a remark for each two of one run with other verdicts."""
    several: list[RegisteredResult] = []
    remarks = []
    by_run: dict[Any, RegisteredResult] = {}
    for each in reports:
        first = by_run.setdefault((each.run, each.report.subject.name), each)
        if first is each:
            several.append(each)
        elif first.report != each.report:
            several.append(each)
            remarks.append(
                f"{first.file} and {each.file} are of one run, began {each.report.started_at}, and differ; the latter "
                "counts as the later one"
            )
    return several, remarks


def _best(certificates: Sequence[RegisteredResult]) -> list[RegisteredResult]:
    """One certificate for each run and name: the one that counts most, with the most signatures."""
    best: dict[Any, RegisteredResult] = {}
    for each in certificates:
        key = (each.run, each.name, each.version)
        if key not in best or _worth(each) > _worth(best[key]):
            best[key] = each
    return [*best.values()]


def _worth(result: RegisteredResult) -> tuple[int, int]:
    certificate = result.certificate
    if certificate is None:
        return 0, 0
    return -[*CertificateState].index(certificate.state), len(certificate.signers)


def _attach(several: list[RegisteredResult], certificates: Sequence[RegisteredResult]) -> Iterator[str]:
    """Give each report the certificate of its run, and add those of other runs; remarks on certificates that differ.

    A report that has other verdicts than the certificate of its run is another result: it is not certified.
    """
    for lone in certificates:
        of_run = [number for number, each in enumerate(several) if each.has_report and each.run == lone.run]
        same = [number for number in of_run if several[number].judgements == lone.judgements]
        if same and lone.certificate is not None and several[same[0]].certificate is None:
            several[same[0]] = several[same[0]].certified_by(lone.certificate)
            continue
        if of_run and not same:
            yield f"{lone.file} is of the run of {several[of_run[0]].file}, and has other verdicts; both are shown"
        several.append(lone)


def _is_refused(result: RegisteredResult) -> bool:
    return result.certificate is not None and result.certificate.state is CertificateState.REFUSED
