"""The one place where evidence lives: an append-only SQLite file, written as a run goes and read by whatever judges it.

    redaction   keeps secrets out, by value; `spellings` and `escapes` know how a value may be written
    rows        the file: its tables, and traffic as rows and back
    record      Record: what a journal holds, gone through from front to back
    reader      read_journal: the Record of a file, whose rows stay in it; read_evidence: of a file that anybody may
                have made; Held: how much it held at some moment
    shapes      what rows, settings and notes may hold
    writer      Journal: told by many threads, written by one; one run at a time

The rows as JSON would have them are described by `schemas/formats/journal.json`.
"""

from __future__ import annotations

from conformance.journal.reader import Held, read_evidence, read_journal
from conformance.journal.record import LISTENED, RESUMED, Record
from conformance.journal.redaction import Redaction
from conformance.journal.rows import UNREADABLE, Note
from conformance.journal.writer import Journal

__all__ = [
    "LISTENED",
    "RESUMED",
    "UNREADABLE",
    "Held",
    "Journal",
    "Note",
    "Record",
    "Redaction",
    "read_evidence",
    "read_journal",
]
