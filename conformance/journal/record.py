"""The content of a journal, as a value.

A run may have hundreds of thousands of exchanges, so nobody who reads a Record should need all of it at once: its
sequences are gone through from front to back, and `attempts` joins what belongs together on the way. What
`read_journal` gives takes each row from the file when it is asked for; a Record made by hand holds tuples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.journal.rows import Note
from conformance.model.traffic import Case, DriverLine, Exchange, Notification

Attempt = tuple[Case, Exchange, bool]
"""A case, one exchange of it, and whether that is the last one of the case: the one that counts."""


RESUMED, LISTENED = "resumed", "listened"
"""Kinds of notes with which another process begins to add to a journal; `silent_since` and `until` tell between which
moments nobody was there."""

UNDECODABLE = "undecodable"
"""The kind of the note beside an answer whose body could not be decoded: `exchange`, its number, and `remark`, why."""

UNSENT = "unsent"
"""The kind of the note that not a byte of a request was sent after all: `exchange`, its number."""


@dataclass(frozen=True, slots=True)
class Record:
    """The content of a journal, each kind in the order of recording; redacted when it was written."""

    settings: Mapping[str, Any]
    cases: Sequence[Case] = ()
    exchanges: Sequence[Exchange] = ()
    notifications: Sequence[Notification] = ()
    notes: tuple[Note, ...] = ()
    messages: Sequence[DriverLine] = ()

    @property
    def latest_notes(self) -> tuple[Note, ...]:
        """Those since the run was last resumed: what kept it from going on before does not matter any more."""
        begins = [at for at, note in enumerate(self.notes) if note.kind == RESUMED]
        return self.notes[begins[-1] :] if begins else self.notes

    def attempts(self) -> Iterator[Attempt]:
        """Each exchange with its case, in the order in which they were sent; KeyError if a case was never planned."""
        cases = {case.id: case for case in self.cases}
        last = {exchange.case_id: exchange.number for exchange in self.exchanges}
        for exchange in self.exchanges:
            yield cases[exchange.case_id], exchange, last[exchange.case_id] == exchange.number

    def exchanges_numbered(self, numbers: Collection[int]) -> dict[int, tuple[Case | None, Exchange]]:
        """The exchanges with these numbers, each with its case (None if it was never planned)."""
        cases = {case.id: case for case in self.cases}
        found = (exchange for exchange in self.exchanges if exchange.number in numbers)
        return {exchange.number: (cases.get(exchange.case_id), exchange) for exchange in found}
