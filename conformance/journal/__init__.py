"""The one place where evidence lives: an append-only SQLite file, written as a run goes and read by whatever judges it.

    redaction   keeps secrets out, by value
    tables      the file: tables, and what marks it as ours
    rows        traffic as rows and back
    lock        one run at a time
    writer      Journal: told by many threads, written by one
    record      Record: what a journal holds, gone through from front to back
    opening     the file opened, if it has the structure of a journal
    shapes      what rows, settings and notes may hold
    reader      read_journal: the Record of a file, whose rows stay in it; read_evidence: of a file that anybody may
                have made; Held: how much it held at some moment

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
