"""The content of a journal as a value, and as rows of the tables of its file.

    meta            settings of the run, and when it began
    cases           the plan, in order
    sent            a request, before its bytes went out
    answered        its answer or failure, under the same number
    notifications   requests to the receiver
    notes           other events: phases, preflight, end of run
    messages        lines to and from the driver of a client (since version 2)

Rows are only ever added; triggers make the file itself refuse any change. `schemas/formats/journal.json` describes
their columns. Reading a row that no run has written raises ValueError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from conformance.journal.redaction import Redaction
from conformance.journal.shapes import ROW_OF, check_note
from conformance.model.traffic import (
    Case,
    Direction,
    DriverLine,
    Exchange,
    Headers,
    Kind,
    Notification,
    Request,
    Response,
)
from conformance.model.untrusted import parse_json

# Tells SQLite whose file it is; any unregistered number will do.
APPLICATION_ID = int.from_bytes(b"StCo", "big")
# SQLite's `user_version`; raised whenever the meaning of a row changes.
VERSION = 2
# The versions whose rows have the same meaning; the first one had no messages.
READABLE = frozenset({1, 2})

_REQUEST = "method TEXT, url TEXT, headers TEXT, body BLOB"

_TABLES: dict[str, str] = {
    "meta": "key TEXT PRIMARY KEY, value TEXT",
    "cases": (
        'number INTEGER PRIMARY KEY, id TEXT UNIQUE, command TEXT, kind TEXT, aspect TEXT, "group" TEXT, '
        f"{_REQUEST}, member TEXT, keyword TEXT, twin TEXT, earlier TEXT"
    ),
    "sent": f"number INTEGER PRIMARY KEY, case_id TEXT, attempt INTEGER, {_REQUEST}, sent_at REAL, sent_wall REAL",
    "answered": (
        "number INTEGER PRIMARY KEY, status INTEGER, http_version TEXT, headers TEXT, body BLOB, failure TEXT, "
        "answered_at REAL"
    ),
    "notifications": f"number INTEGER PRIMARY KEY, product TEXT, {_REQUEST}, received_at REAL, received_wall REAL",
    "notes": "number INTEGER PRIMARY KEY, kind TEXT, detail TEXT, noted_at REAL, noted_wall REAL",
    "messages": ("number INTEGER PRIMARY KEY, case_id TEXT, direction TEXT, line TEXT, said_at REAL, said_wall REAL"),
}

# Tables and the version that added them; all others are in each version.
_SINCE = {"messages": 2}


def layout(version: int) -> Iterator[tuple[str, str, str, str | None]]:
    """SQLite's list of the content of a journal of a version: kind, name, table and statement.

    SQLite makes the indexes by itself, for columns that have to be unique.
    """
    tables = [table for table in _TABLES if _SINCE.get(table, 0) <= version]
    yield from (("table", table, table, f"CREATE TABLE {table} ({_TABLES[table]})") for table in tables)
    refusal = "BEGIN SELECT RAISE(ABORT, 'a journal is only ever added to'); END"
    for table in tables:
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_keeps_{verb}"
            yield "trigger", name, table, f"CREATE TRIGGER {name} BEFORE {verb} ON {table} {refusal}"
    yield from (("index", f"sqlite_autoindex_{table}_1", table, None) for table in ("meta", "cases"))


CREATE: tuple[str, ...] = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
    *(sql for *_, sql in layout(VERSION) if sql is not None),
)

INSERT: dict[str, str] = {
    table: f"INSERT INTO {table} VALUES ({', '.join('?' * (columns.count(',') + 1))})"  # noqa: S608 - from the table above
    for table, columns in _TABLES.items()
}


Row = tuple[str, tuple[Any, ...]]

# How many columns of a joined row make an exchange; the rest make its case.
_OF_EXCHANGE = 15
# Cached sets of headers as redacted JSON: a run has few different ones, and they are most of the work of a row.
REMEMBERED_HEADERS = 1024
# The kind of the note on bytes that reached the suite and are not a request.
UNREADABLE = "unreadable"
# The kind of the note on bytes behind an answer: `exchange`, its number, and `sent`, the first of them.
BEYOND = "beyond-answer"
# The kind of the note on an answer whose body could not be decoded: `exchange`, its number, and `remark`, why.
UNDECODABLE = "undecodable"
# The kind of the note that not a byte of a request was sent after all: `exchange`, its number.
UNSENT = "unsent"

# Kinds of notes with which another process begins to add to a journal; nobody was there from `silent_since` to
# `until`.
RESUMED, LISTENED = "resumed", "listened"

# Characters of bytes behind an answer that are kept: enough to recognise them.
MOST_BEYOND = 512
# Characters of unreadable bytes that are kept: the request line, and the headers that matter.
HEAD_SHOWN = 200
# Bytes that are read of a line of a driver that is not a message; a longer one is cut.
LONGEST_STDERR = 16 * 1024
# Characters that a cut line loses after its redaction: the rest of a secret at its end is shorter.
CUT_AGAIN = 1024


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened beside the traffic (a phase, the preflight, the end of the run)."""

    number: int
    kind: str
    detail: dict[str, Any]
    noted_at: float
    noted_wall: float


Attempt = tuple[Case, Exchange, bool]
"""A case, one exchange of it, and whether it is the last one of the case: the one that counts."""


@dataclass(frozen=True, slots=True)
class Record:
    """The content of a journal, each kind in the order of recording; redacted when it was written.

    A run may have hundreds of thousands of exchanges, so iterate over the sequences; `attempts` joins their rows.
    `read_journal` reads each row from the file when it is asked for; a Record made by hand holds tuples.
    """

    settings: Mapping[str, Any]
    cases: Sequence[Case] = ()
    exchanges: Sequence[Exchange] = ()
    notifications: Sequence[Notification] = ()
    notes: tuple[Note, ...] = ()
    messages: Sequence[DriverLine] = ()

    @property
    def path(self) -> Path | None:
        """The file that it is read from; None for one made by hand."""
        return None

    def part(self, exchanges: Collection[int], notifications: Collection[int]) -> Record:
        """The exchanges and notifications with these numbers, and the cases that they need."""
        sent = tuple(exchange for exchange in self.exchanges if exchange.number in exchanges)
        came = tuple(notification for notification in self.notifications if notification.number in notifications)
        return Record(self.settings, self.cases, sent, came, self.notes, self.messages)

    @property
    def latest_notes(self) -> tuple[Note, ...]:
        """The notes since the run was last resumed: earlier obstacles do not matter any more."""
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


class Rows:
    """Makes rows; not thread-safe, the writer thread has its own."""

    def __init__(self, redaction: Redaction) -> None:
        self._redact = redaction
        self._headers: Callable[[Headers], str] = lru_cache(REMEMBERED_HEADERS)(
            lambda headers: as_json(redaction.headers(headers))
        )
        # The bodies of planned cases → redacted, until they are sent: the search for secrets is most of the work.
        self._planned: dict[bytes, bytes] = {}

    def protecting(self, *values: str) -> Rows:
        """Rows that redact these values, too."""
        return Rows(self._redact.and_also(*values))

    def setting(self, key: str, value: Any) -> Row:
        """A row of `meta`; TypeError or ValueError if JSON cannot express `value`."""
        return "meta", (key, as_json(self._redact.value(value)))

    def case(self, number: int, case: Case) -> Row:
        """A planned case, `number` being its place in the plan."""
        described = (case.id, case.command, case.kind.value, case.aspect, case.group)
        shows = (case.member, case.keyword, case.twin, case.earlier)
        body = self._planned[case.request.body] = self._redact.data(case.request.body)
        return "cases", (number, *described, *self._head(case.request), body, *shows)

    def sent(  # noqa: PLR0913, PLR0917 - the columns of the row
        self, number: int, case_id: str, attempt: int, request: Request, at: float, wall: float
    ) -> Row:
        """An exchange as it begins."""
        body = self._planned.pop(request.body, None)
        body = self._redact.data(request.body) if body is None else body
        return "sent", (number, case_id, attempt, *self._head(request), body, at, wall)

    def answered(self, number: int, response: Response, at: float) -> Row:
        """The end of an exchange that was answered."""
        headers, body = self._headers(response.headers), self._redact.data(response.body)
        return "answered", (number, response.status, response.http_version, headers, body, None, at)

    def failed(self, number: int, failure: str, at: float) -> Row:
        """The end of an exchange without an answer."""
        return "answered", (number, None, None, "[]", b"", self._text(failure), at)

    def notified(self, number: int, product: str | None, request: Request, at: float, wall: float) -> Row:
        """A request that reached the receiver."""
        return "notifications", (number, product, *self._head(request), self._redact.data(request.body), at, wall)

    def note(self, number: int, kind: str, detail: Any, at: float, wall: float) -> Row:
        """Another event; TypeError or ValueError if JSON cannot express `detail`."""
        return "notes", (number, kind, as_json(self._redact.value(detail)), at, wall)

    def unreadable(self, number: int, detail: Mapping[str, str | None], head: bytes, at: float, wall: float) -> Row:
        """A note on bytes that are not a request; redacted before they are cut, so that no part of a secret is left."""
        shown = self._redact.head(head)[:HEAD_SHOWN]
        return self.note(number, UNREADABLE, {**detail, "head": shown}, at, wall)

    def beyond(self, number: int, exchange: int, data: bytes, at: float, wall: float) -> Row:
        """A note on bytes behind an answer; cut as in `unreadable`."""
        sent = self._redact.data(data).decode("latin-1")[:MOST_BEYOND]
        return self.note(number, BEYOND, {"exchange": exchange, "sent": sent}, at, wall)

    def said(  # noqa: PLR0913, PLR0917 - the columns of the row
        self, number: int, case_id: str | None, direction: Direction, line: str, at: float, wall: float, *, cut: bool
    ) -> Row:
        """A line to or from a driver; one that was `cut` loses more of its end, which may be part of a secret."""
        text = self._text(line)
        return "messages", (number, case_id, direction.value, f"{text[:-CUT_AGAIN]}…" if cut else text, at, wall)

    def _head(self, request: Request) -> tuple[str, str, str]:
        return self._text(request.method), self._text(request.url), self._headers(request.headers)

    def _text(self, text: str) -> str:
        """Text as SQLite can store it: a lone surrogate, which UTF-8 cannot encode, becomes its escape."""
        return self._redact.text(text).encode(errors="backslashreplace").decode()


def as_json(value: Any) -> str:
    """`value` as compact ASCII JSON; TypeError or ValueError if JSON cannot express it."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


@cache
def _kind_of(text: str) -> Kind:
    return Kind(text)


def value_of(text: str) -> Any:
    """The JSON value that a text of a journal holds. ValueError for a text that the suite does not write."""
    try:
        return parse_json(text.encode())
    except ValueError as error:
        raise ValueError(f"JSON in it cannot be read: {error}") from error


def case_of(row: tuple[Any, ...], commands: Container[str] | None = None) -> Case:
    """A row of `cases`; ValueError for a command that is not in `commands`."""
    ROW_OF["case"].check(row)
    return _case(row, _request_of(*row[6:10]), commands)


def exchange_of(row: tuple[Any, ...]) -> Exchange:
    """A row of `sent` joined to that of `answered`, whose columns are NULL if there is none."""
    ROW_OF["exchange"].check(row)
    return _exchange(row)


def attempt_of(row: tuple[Any, ...], commands: Container[str] | None = None) -> tuple[Exchange, Case | None]:
    """A row of `sent` joined to those of `answered` and of `cases`; the request is one value if it went as planned.

    ValueError for a command that is not in `commands`.
    """
    ROW_OF["attempt"].check(row)
    exchange, case = _exchange(row[:_OF_EXCHANGE]), row[_OF_EXCHANGE:]
    if case[0] is None:
        return exchange, None
    request = case[6:10]
    return exchange, _case(case, exchange.request if request == row[3:7] else _request_of(*request), commands)


def notification_of(row: tuple[Any, ...]) -> Notification:
    """A row of `notifications`."""
    ROW_OF["notification"].check(row)
    number, product, method, url, headers, body, at, wall = row
    return Notification(number, product, _request_of(method, url, headers, body), at, wall)


def note_of(row: tuple[Any, ...]) -> Note:
    """A row of `notes`."""
    ROW_OF["note"].check(row)
    number, kind, detail, at, wall = row
    value = value_of(detail)
    check_note(kind, value)
    return Note(number, kind, value, at, wall)


def message_of(row: tuple[Any, ...]) -> DriverLine:
    """A row of `messages`."""
    ROW_OF["message"].check(row)
    number, case_id, direction, line, at, wall = row
    return DriverLine(number, case_id, Direction(direction), line, at, wall)


def _case(row: tuple[Any, ...], request: Request, commands: Container[str] | None) -> Case:
    _, case_id, command, kind, aspect, group, _, _, _, _, member, keyword, twin, earlier = row
    if command is not None and commands is not None and command not in commands:
        raise ValueError(f"the case {case_id!r:.80} is of the command {command!r:.40}, which there is not")
    return Case(case_id, command, _kind_of(kind), aspect, group, request, member, keyword, twin, earlier)


def _exchange(row: tuple[Any, ...]) -> Exchange:
    number, case_id, attempt, method, url, headers, body, at, wall, *ended = row
    status, http_version, answer_headers, answer_body, failure, answered_at = ended
    response = None
    if status is not None:
        response = Response(status, _headers_of(answer_headers), answer_body, http_version)
    request = _request_of(method, url, headers, body)
    return Exchange(number, case_id, attempt, request, at, wall, response, failure, answered_at)


def _request_of(method: str, url: str, headers: str, body: bytes) -> Request:
    return Request(method, url, _headers_of(headers), body)


@lru_cache(REMEMBERED_HEADERS)
def _headers_of(text: str) -> Headers:
    headers = tuple((name, value) for name, value in value_of(text))
    if not all(isinstance(each, str) for pair in headers for each in pair):
        raise ValueError("it has headers that are not texts")
    return headers
