"""The one place for evidence: an append-only SQLite file, written during a run and read by everything that judges it.

    redaction   keeps secrets out, by value
    marks       what is put in their place
    spellings   every reading of a text; `codings` of whole runs and `notations` of single characters
    rows        Record: the content of a journal; its tables, and traffic as rows and back
    reader      read_journal: the Record of a file, whose rows stay in it; read_evidence: of a file from a stranger
    shapes      the types of rows, settings and notes
    earlier     holds_a_run: whether a directory has results of an earlier run; removing them
    locking     one run at a time writes to a journal
    writer      Journal: many threads add to it, one writes
    merging     the files of several processes become rows of one journal

`schemas/formats/journal.json` describes the rows as JSON.
"""

from __future__ import annotations

from conformance.journal.earlier import INTERRUPTED_AT_ONCE, earlier_run, holds_a_run
from conformance.journal.reader import Held, read_evidence, read_journal
from conformance.journal.redaction import Redaction
from conformance.journal.rows import LISTENED, RESUMED, UNREADABLE, Note, Record
from conformance.journal.writer import Journal

__all__ = [
    "INTERRUPTED_AT_ONCE",
    "LISTENED",
    "RESUMED",
    "UNREADABLE",
    "Held",
    "Journal",
    "Note",
    "Record",
    "Redaction",
    "earlier_run",
    "holds_a_run",
    "read_evidence",
    "read_journal",
]
