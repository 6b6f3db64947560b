"""Cutting a journal into parts that can be judged one by one (`conformance.judging.parts`).

One pass reads the ids of all messages, exactly as judging reads them, and a temporary SQLite file sorts them. Exchanges
and notifications that have a key in common (a case, a group, a request_id) belong together. Keys are compared by short
digests: two that are equal by chance only put more into one part.
"""

from __future__ import annotations

import sqlite3
import tempfile
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

from conformance.journal import Record
from conformance.judging.evidence import BALANCE, identity_of, is_of_anybody
from conformance.judging.excuses import ACCESS_DENIED
from conformance.judging.facts import Share, Values
from conformance.judging.messages import Answer
from conformance.judging.parts import Part
from conformance.judging.reading import AlteredIds, Content, carried_id
from conformance.judging.terms import Terms
from conformance.judging.transactions import AccountUse
from conformance.model.traffic import Case, Kind, Notification
from conformance.wire.ledger import request_id_of

# Bytes of the digest of a key: an integer of SQLite.
KEY_BYTES = 8
# Rows that are written at once.
AT_ONCE = 5_000
# KiB of the temporary file that SQLite holds in memory.
CACHE_KIB = 16_000

# The kinds of keys: of cases and groups; the id of an answer, and of a notification; an id as the figures read it.
KINDS = OF_CASE, GIVEN, CARRIED, LENIENT = 0, 1, 2, 3

_CREATE = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    "CREATE TABLE keys (key INTEGER, kind INTEGER, place INTEGER)",
    "CREATE TABLE requests (identity BLOB, place INTEGER)",
)


def cut(record: Record, terms: Terms, count: int) -> tuple[Part, ...]:
    """Cut a run into `count` parts of about the same size, or fewer, and the leading one, which comes last.

    Reads all of the record once; once more if there are notifications with unknown ids, which may be altered ones.
    """
    with tempfile.TemporaryDirectory() as directory, closing(sqlite3.connect(Path(directory) / "keys")) as connection:
        connection.isolation_level = None
        for statement in _CREATE:
            connection.execute(statement)
        connection.execute("BEGIN")
        cutting = _Cutting(terms, connection)
        cutting.read(record)
        cutting.join(record)
        return cutting.parts(count)


def _key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest(), signed=True)


class _Buffered:
    """A table that rows are added to, many at a time."""

    def __init__(self, connection: sqlite3.Connection, insert: str) -> None:
        self._connection, self._insert = connection, insert
        self._rows: list[tuple[object, ...]] = []

    def add(self, *row: object) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are waiting."""
        self._connection.executemany(self._insert, self._rows)
        self._rows.clear()


@dataclass(slots=True)
class _Denied:
    """The values of requests that were answered 403."""

    by_command: dict[str | None, dict[str, set[str]]] = field(default_factory=dict)

    def see(self, answer: Answer, terms: Terms) -> None:
        """Add those of an answer."""
        if answer.status == ACCESS_DENIED:
            members = Content.of(answer.exchange.request.body).members
            for member, value in AccountUse.by(answer.command, members, terms.contract).named.items():
                self.by_command.setdefault(answer.command, defaultdict(set))[member].add(value)

    def values(self) -> Mapping[str | None, Values]:
        """By command and member."""
        return {
            command: {member: frozenset(values) for member, values in named.items()}
            for command, named in self.by_command.items()
        }


class _Cutting:
    """The places of exchanges, and behind them those of notifications, joined where they belong together."""

    def __init__(self, terms: Terms, connection: sqlite3.Connection) -> None:
        self._terms, self._connection = terms, connection
        self._keys = _Buffered(connection, "INSERT INTO keys VALUES (?, ?, ?)")
        self._requests = _Buffered(connection, "INSERT INTO requests VALUES (?, ?)")
        # The number of each message, and the place that it was joined to.
        self._numbers = array("q")
        self._joined = array("q")
        self._exchanges = 0
        self._denied = _Denied()
        self._served: set[tuple[str | None, Kind, str]] = set()
        self._twins: set[str] = set()
        self._readable: set[str | None] = set()
        # The place of the last answer to each request for the balance, and the later ones that are compared with it.
        self._balances: dict[str, int] = {}
        self._compared: list[tuple[str, int]] = []

    def read(self, record: Record) -> None:
        """Read the keys of all messages."""
        for case, exchange, final in record.attempts():
            place = self._place(exchange.number)
            self._of_case(case, place)
            answer = Answer.of(case, exchange, self._terms.contract, final=final)
            self._of_answer(answer, place)
            if answer.status is not None and not answer.crashed:
                self._served.add((case.command, case.kind, case.aspect))
            self._denied.see(answer, self._terms)
        self._exchanges = len(self._numbers)
        for notification in record.notifications:
            self._of_notification(notification, self._place(notification.number))
        self._keys.flush()
        self._requests.flush()

    def _place(self, number: int) -> int:
        place = len(self._numbers)
        self._numbers.append(number)
        self._joined.append(place)
        return place

    def _of_case(self, case: Case, place: int) -> None:
        for name in {case.id, case.group, case.earlier} - {None}:
            self._keys.add(_key(f"case {name}"), OF_CASE, place)
        if case.twin is not None:
            self._twins.add(case.twin)
        if case.aspect == BALANCE:
            self._balances[case.id] = place
            if case.earlier is not None:
                self._compared.append((case.earlier, place))

    def _of_answer(self, answer: Answer, place: int) -> None:
        given, member = answer.request_id, self._terms.contract.answer.id
        if given is not None:
            self._keys.add(_key(f"id {given}"), GIVEN, place)
            self._requests.add(identity_of(answer.command, answer.exchange.request), place)
        elif answer.response is not None:
            leniently = request_id_of(answer.response.body, member)
            if leniently is not None:
                self._keys.add(_key(f"id {leniently}"), LENIENT, place)

    def _of_notification(self, notification: Notification, place: int) -> None:
        contract = self._terms.contract
        content = Content.of_notification(notification.request, contract)
        if content is None:
            return
        carried = carried_id(content, notification.request.body, contract)
        if carried is not None:
            self._keys.add(_key(f"id {carried}"), CARRIED, place)
        elif is_of_anybody(notification, self._terms):
            return
        self._readable.add(notification.product)
        value = (content.members or {}).get(contract.notification.id)
        if value is not None and str(value) != carried:
            self._keys.add(_key(f"id {value}"), LENIENT, place)

    # --- Joining

    def join(self, record: Record) -> None:
        """Join what has a key in common, what lies between two balances, and altered ids with those that they mean."""
        unknown: set[int] = set()
        heard = bytearray(self._exchanges)
        rows = self._connection.execute("SELECT key, kind, place FROM keys ORDER BY key")
        for _, alike in groupby(rows, itemgetter(0)):
            places = [array("q") for _ in range(len(KINDS))]
            for _, kind, place in alike:
                places[kind].append(place)
            self._join_all(chain.from_iterable(places))
            if places[CARRIED] and not places[GIVEN]:
                unknown.update(places[CARRIED])
            elif places[CARRIED]:
                for place in places[GIVEN]:
                    heard[place] = 1
        for earlier, place in self._compared:
            if (before := self._balances.get(earlier)) is not None:
                self._join_all(range(min(before, place), max(before, place) + 1))
        if unknown:
            self._join_altered(record, unknown, heard)

    def _join_altered(self, record: Record, unknown: set[int], heard: bytearray) -> None:
        """Join notifications with an unknown id with the requests whose ids they evidently mean."""
        contract = self._terms.contract
        carried = {}
        for place, notification in enumerate(record.notifications, start=self._exchanges):
            if place in unknown and (content := Content.of_notification(notification.request, contract)) is not None:
                carried[place] = carried_id(content, notification.request.body, contract) or ""

        def unnotified() -> Iterator[tuple[str | None, int]]:
            for place, (case, exchange, final) in enumerate(record.attempts()):
                if final and not heard[place]:
                    answer = Answer.of(case, exchange, contract)
                    if answer.accepted:
                        # The place 0 would be none.
                        yield answer.request_id, place + 1

        altered = AlteredIds(unnotified(), carried.values())
        for place, request_id in carried.items():
            if (meant := altered.meant_by(request_id)) is not None:
                self._join_all((place, meant - 1))

    def _join_all(self, places: Iterable[int]) -> None:
        first = None
        for place in places:
            root = self._root(place)
            if first is None:
                first = root
            elif root != first:
                # Exchanges come before notifications, so the root of what has an exchange is one.
                low, high = min(first, root), max(first, root)
                self._joined[high] = low
                first = low

    def _root(self, place: int) -> int:
        joined = self._joined
        while joined[place] != place:
            joined[place] = place = joined[joined[place]]
        return place

    # --- Parts

    def parts(self, count: int) -> tuple[Part, ...]:
        """The parts, the leading one last."""
        sizes = array("q", bytes(8 * self._exchanges))
        roots = array("q", map(self._root, range(len(self._numbers))))
        total = 0
        for root in roots:
            if root < self._exchanges:
                sizes[root] += 1
                total += 1
        part_of = array("q", bytes(8 * self._exchanges))
        filled = 0
        for root, size in enumerate(sizes):
            part_of[root] = filled * count // total if total else 0
            filled += size
        exchanges = [array("q") for _ in range(count)]
        notifications = [array("q") for _ in range(count + 1)]
        for place, (number, root) in enumerate(zip(self._numbers, roots, strict=True)):
            if place < self._exchanges:
                exchanges[part_of[root]].append(number)
            else:
                notifications[part_of[root] if root < self._exchanges else count].append(number)
        share = Share(
            leads=False,
            readable=frozenset(self._readable),
            twins=frozenset(self._twins.union(*map(self._stand_ins, self._twins))),
            denied=self._denied.values(),
            served=frozenset(self._served),
        )
        repeated = self._repeated(roots, part_of, count)
        others = (
            Part(sent, came, replace(share, repeated=again))
            for sent, came, again in zip(exchanges, notifications, repeated, strict=False)
            if sent
        )
        return *others, Part(array("q"), notifications[count], replace(share, leads=True))

    def _stand_ins(self, case_id: str) -> Iterator[str]:
        for stand_in in self._terms.stand_ins.get(case_id, ()):
            yield stand_in
            yield from self._stand_ins(stand_in)

    def _repeated(self, roots: array[int], part_of: array[int], count: int) -> list[frozenset[int]]:
        """By part, the exchanges before which an equal request got an id."""
        repeated: list[set[int]] = [set() for _ in range(count)]
        rows = self._connection.execute("SELECT identity, place FROM requests ORDER BY identity, place")
        before = None
        for identity, place in rows:
            if identity == before:
                repeated[part_of[roots[place]]].add(self._numbers[place])
            before = identity
        return list(map(frozenset, repeated))
