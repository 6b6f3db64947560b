"""Results that were saved, read back: `report.json`, and the journal where it is still there.

    read_document       the document, in a file or in a report directory
    read_saved          the document with its journal, as every report is made of them

Nothing is judged anew: the verdicts are those of the document, whatever version made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.schema_set import FORMATS
from conformance.journal import Record, read_evidence
from conformance.model.errors import UsageError, did_you_mean
from conformance.model.untrusted import TooLong, given_bytes, parse_json
from conformance.reports.masking import Masking
from conformance.reports.result import SCHEMA_VERSION, Saved
from conformance.reports.writing import REPORT_JSON

Document = Mapping[str, Any]

# A report has some hundred kilobytes: it does not grow with the size of a body.
LONGEST_REPORT = 16 << 20

# What tells a run from another: both stand in the journal and in the document.
_OF_THE_RUN = ("started_at", "seed")


def read_document(path: Path, contract: Contract) -> Document:
    """The document at `path`, or in the directory `path`.

    Raises UsageError if there is none, one that this version cannot read, or one of a run by another contract.
    """
    file = path / REPORT_JSON if path.is_dir() else path
    try:
        document = parse_json(given_bytes(file, LONGEST_REPORT))
    except TooLong as error:
        raise UsageError(f"{file} is too long for a report; expected at most {LONGEST_REPORT:,} bytes") from error
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", hint=f"name a {REPORT_JSON}, or the directory that it is in"
        ) from error
    except ValueError as error:
        raise UsageError(f"{file} is no JSON: {error}") from error
    version = document.get("schema_version", SCHEMA_VERSION) if isinstance(document, dict) else SCHEMA_VERSION
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{file} has schema_version {version}; this version reads {SCHEMA_VERSION}",
            hint="`statum-conformance judge` makes reports of its journal, if that is still there",
        )
    wrong = FORMATS.violation("report", document)
    if wrong is not None:
        raise UsageError(f"{file} is no report of statum-conformance: {wrong.message} at {wrong.pointer or '/'}")
    contract.check_recorded(document["settings"], f"the report {file}")
    for entry in (*document["requirements"], *document.get("coverage", ())):
        if entry["command"] not in {None, *contract.names}:
            raise UsageError(
                f"{file} tells of a command {entry['command']!r:.80}, which this version does not know; expected one "
                f"of {', '.join(contract.names)}",
                hint=did_you_mean(entry["command"], contract.names),
            )
    found: Document = document
    return found


def read_saved(directory: Path, journal: Path, contract: Contract, *, required: bool = False) -> Saved:
    """The result in `directory` with what stands in `journal`; without it where there is none, unless `required`.

    Raises UsageError if either cannot be read, or the journal is that of another run.
    """
    document = read_document(directory, contract)
    if not required and not journal.is_file():
        return Saved(document, contract)
    record = read_evidence(journal, contract)
    if any(record.settings.get(name) != document[name] for name in _OF_THE_RUN):
        raise UsageError(
            f"{journal} is of another run: {_told(record.settings)}, the report's {_told(document)}",
            hint="name the journal of the report with --journal",
        )
    return Saved(document, contract, record, _masking(document, record))


def _told(run: Mapping[str, Any]) -> str:
    return f"began {run.get('started_at')} with seed {run.get('seed')}"


def _masking(document: Document, record: Record) -> Masking:
    """What the document has been through, so that what is taken from the record goes through the same."""
    return Masking.of(record.settings, shown=document["settings"].get("show_phone_numbers"))
