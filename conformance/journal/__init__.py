"""The one place for evidence: an append-only SQLite file, written during a run and read by everything that judges it.

    redaction   keeps secrets out, by value
    marks       what is put in their place
    spellings   every reading of a text; `codings` of whole runs and `notations` of single characters
    rows        Record: the content of a journal; its tables, and traffic as rows and back
    reader      read_journal: the Record of a file, whose rows stay in it; read_evidence: of a file from a stranger
    shapes      the types of rows, settings and notes
    writer      Journal: many threads add to it, one writes; one run at a time

`schemas/formats/journal.json` describes the rows as JSON.
"""

from __future__ import annotations

from conformance.journal.reader import Held, read_evidence, read_journal
from conformance.journal.redaction import Redaction
from conformance.journal.rows import LISTENED, RESUMED, UNREADABLE, Note, Record
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
