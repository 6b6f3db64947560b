"""Bursts: requests that go out at the same moment, whatever becomes of each."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sockets import OK, PATIENCE_S, RawServer

from conformance.journal import Journal, Record, Redaction, read_journal
from conformance.model.traffic import Case, Kind, Request
from conformance.wire import Pace, Sender


def cases(url: str, *kinds: Kind) -> tuple[Case, ...]:
    """One group of cases of these kinds."""
    return tuple(
        Case(f"case-{n}", "sms", kind, "random", "case-0", Request("POST", f"{url}/{n}", (), b"{}"))
        for n, kind in enumerate(kinds)
    )


def sent(path: Path, group: tuple[Case, ...], pace: Pace | None = None) -> Record:
    """Send one group; what the journal holds of it."""
    with Journal.create(path / "journal.sqlite", {}, Redaction.of("s", "k")) as journal:
        journal.plan(group)
        Sender(journal, pace or Pace()).send([group])
    return read_journal(path / "journal.sqlite")


def test_a_burst_is_on_its_way_before_any_of_it_is_answered(tmp_path: Path) -> None:
    """A server that answers none before it has all three gives each its answer."""
    all_there = threading.Barrier(3)

    def together(*_: object) -> bytes:
        all_there.wait(PATIENCE_S)
        return OK

    with RawServer(together) as server:
        record = sent(tmp_path, cases(server.url, Kind.BURST, Kind.BURST, Kind.BURST))

    assert [200] * 3 == [e.response.status for e in record.exchanges if e.response]


def test_what_stands_around_a_burst_keeps_its_place(tmp_path: Path) -> None:
    """What is before it is answered before, what is behind it is sent after."""
    with RawServer(lambda *_: OK) as server:
        record = sent(tmp_path, cases(server.url, Kind.VALID, Kind.BURST, Kind.BURST, Kind.VALID))
    by_id = {e.case_id: e for e in record.exchanges}
    first, *burst, last = (by_id[f"case-{n}"] for n in range(4))

    assert max(first.answered_at or 0.0, 0.1) <= min(e.sent_at for e in burst)
    assert max(e.answered_at or 0.0 for e in burst) <= last.sent_at


def test_one_that_is_told_to_slow_down_is_sent_again_by_itself(tmp_path: Path) -> None:
    """The others have their answers already."""
    too_many = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
    with RawServer(lambda _, number: too_many if number == 1 else OK) as server:
        record = sent(tmp_path, cases(server.url, Kind.BURST, Kind.BURST))

    statuses = sorted(e.response.status for e in record.exchanges if e.response)
    assert [200, 200, 429] == statuses


def test_one_that_cannot_connect_does_not_hold_the_others(tmp_path: Path) -> None:
    """They go out as soon as it has given up."""
    with RawServer(lambda *_: OK) as server:
        one, other = cases(server.url, Kind.BURST, Kind.BURST)
        nowhere = Case("lost", "sms", Kind.BURST, "random", "case-0", Request("POST", "http://127.0.0.1:1/", (), b"{}"))
        record = sent(tmp_path, (one, nowhere, other))
    answered = {e.case_id: e.response is not None for e in record.exchanges}

    assert {"case-0": True, "lost": False, "case-1": True} == answered


def test_an_error_in_a_burst_ends_the_sending(tmp_path: Path) -> None:
    """It is raised where the sending was asked for."""

    def spoil(case: Case, _: object) -> None:
        if case.id == "case-1":
            raise RuntimeError("spoilt")

    with (
        RawServer(lambda *_: OK) as server,
        Journal.create(tmp_path / "j.sqlite", {}, Redaction.of("s", "k")) as journal,
    ):
        group = cases(server.url, Kind.BURST, Kind.BURST, Kind.VALID)
        journal.plan(group)
        with pytest.raises(RuntimeError, match="spoilt"):
            Sender(journal, Pace(), on_exchange=spoil).send([group])


def test_nothing_is_sent_after_a_stop(tmp_path: Path) -> None:
    """No burst is begun."""
    pace = Pace()
    pace.stop()
    with RawServer(lambda *_: OK) as server:
        record = sent(tmp_path, cases(server.url, Kind.BURST, Kind.BURST), pace)

    assert () == record.exchanges
