"""The journal keeps everything, in order, through threads, full disks and a kill; and tells what is not a journal."""

from __future__ import annotations

import base64
import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.contract.schemas import FORMATS
from conformance.journal import Journal, Redaction, read_journal
from conformance.journal import writer as writing
from conformance.journal.rows import HEAD_SHOWN
from conformance.model.errors import EnvironmentFailure, SuiteError, UsageError
from conformance.model.traffic import Case, Direction, Exchange, Kind, Notification, Request, Response

ODD = b"\x00\xff\xfe nul and no UTF-8 \xed\xa0\x80\r\n"
REQUEST = Request("POST", "http://gateway.test/api/v2/sms?a=%00", (("X-Odd", "caf\xe9 \xff"), ("x-odd", "twice")), ODD)
RESPONSE = Response(201, (("Content-Type", "application/json"), ("Content-Type", "again")), ODD[::-1], "HTTP/1.0")
VALID = Case("sms-1", "sms", Kind.VALID, "sample", "g1", REQUEST)
GET = Request("GET", "http://gateway.test/")
BROKEN = Case("x-1", None, Kind.BROKEN, "missing", "g2", GET, "message", "required", "sms-1", "x-0")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal is to be made; its directory does not exist yet."""
    return tmp_path / "reports" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """A journal with no secrets to keep."""
    with Journal.create(path, {"seed": 7, "products": ("sms",)}, Redaction.none()) as journal:
        yield journal


def _names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_every_row_is_read_back(journal: Journal) -> None:
    """Every member of every kind of row survives, bytes and duplicate headers included, in the order of the telling."""
    journal.plan([VALID, BROKEN])
    first = journal.sent("sms-1", 1, REQUEST, 10.5, 1e9 + 0.25)
    second = journal.sent("x-1", 2, BROKEN.request, 10.75, 1e9 + 0.5)
    third = journal.sent("x-2", 1, BROKEN.request, 10.75, 1e9 + 0.5)
    journal.failed(second, "connection refused", 11.5)
    journal.answered(first, RESPONSE, 11.25)
    early = journal.notified("sms", REQUEST, 11.0, 1e9 + 1)
    journal.notified(None, BROKEN.request, 12.0, 1e9 + 2)
    journal.note("phase", {"name": "sending", "nested": {"list": [1, None, 1.5, "ü"]}})
    journal.flush()

    record = read_journal(journal.path)

    assert {"seed": 7, "products": ["sms"]} == record.settings
    assert (VALID, BROKEN) == record.cases
    assert (
        Exchange(first, "sms-1", 1, REQUEST, 10.5, 1e9 + 0.25, RESPONSE, None, 11.25),
        Exchange(second, "x-1", 2, BROKEN.request, 10.75, 1e9 + 0.5, None, "connection refused", 11.5),
        Exchange(third, "x-2", 1, BROKEN.request, 10.75, 1e9 + 0.5),
    ) == record.exchanges
    assert Notification(1, "sms", REQUEST, 11.0, 1e9 + 1) == early
    assert (early, Notification(2, None, BROKEN.request, 12.0, 1e9 + 2)) == record.notifications
    assert [("phase", {"name": "sending", "nested": {"list": [1, None, 1.5, "ü"]}})] == [
        (note.kind, note.detail) for note in record.notes
    ]


def test_text_that_utf_8_cannot_say_does_not_end_the_journal(journal: Journal) -> None:
    """A lone surrogate or a NUL in a target that was received is written down as well as it can be."""
    journal.notified(None, Request("GET", "/\ud800\x00ü"), 1.0, 2.0)
    journal.flush()
    assert ["/\\ud800\x00ü"] == [n.request.url for n in read_journal(journal.path).notifications]


def test_a_slice_of_rows_is_that_of_their_values(journal: Journal) -> None:
    """It is read when it is gone through; a slice of a slice is taken from there."""
    journal.plan([replace(VALID, id=f"case-{number}") for number in range(5)])
    journal.flush()
    rows = read_journal(journal.path).cases
    for part in (slice(3), slice(2, None), slice(2, 4), slice(-2, None), slice(9), slice(None, None, 2)):
        expected = list(rows)[part]
        assert (expected, len(expected), expected[-1]) == (list(rows[part]), len(rows[part]), rows[part][-1])
        assert expected[1:] == list(rows[part][1:])


def test_loses_nothing_between_threads(journal: Journal) -> None:
    """Eight threads tell at once: each exchange and notification is there, numbered from 1 without a gap."""
    threads, rows = 8, 500

    def tell(thread: int) -> None:
        for row in range(rows):
            request = Request("POST", f"/{thread}/{row}", body=b"%d %d" % (thread, row))
            journal.answered(
                journal.sent(f"{thread}-{row}", 1, request, 1.0, 2.0), Response(200, body=request.body), 3.0
            )
            journal.notified("sms", request, 4.0, 5.0)

    telling = [threading.Thread(target=tell, args=(thread,)) for thread in range(threads)]
    for thread in telling:
        thread.start()
    for thread in telling:
        thread.join()
    journal.flush()

    record = read_journal(journal.path)
    expected = {f"/{thread}/{row}" for thread in range(threads) for row in range(rows)}
    assert list(range(1, threads * rows + 1)) == [exchange.number for exchange in record.exchanges]
    assert expected == {exchange.request.url for exchange in record.exchanges}
    assert all(e.response is not None and e.response.body == e.request.body for e in record.exchanges)
    assert list(range(1, threads * rows + 1)) == [notification.number for notification in record.notifications]
    assert expected == {notification.request.url for notification in record.notifications}


KILLED = """
import sys, time
from pathlib import Path
from conformance.journal import Journal, Redaction
from conformance.model.traffic import Request, Response
until = time.monotonic() + 60  # whoever should kill it may be dead: what waits to be written is kept in memory
journal = Journal.create(Path(sys.argv[1]), {"seed": 1}, Redaction.none())
number = 0
while time.monotonic() < until:
    for _ in range(250):
        number = journal.sent(f"case-{number + 1}", 1, Request("POST", "/", body=b"x" * 100), 1.0, 2.0)
        if number != 250:
            journal.answered(number, Response(200, body=b"y"), 3.0)
    if number == 250:
        journal.flush()
        print("flushed", flush=True)
"""


@pytest.fixture
def killed(path: Path) -> Path:
    """The journal of a process that was killed with SIGKILL while it was writing, after 250 exchanges were flushed."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert "flushed\n" == process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert path.with_name("journal.sqlite-wal").exists()
    return path


def test_survives_a_kill(killed: Path) -> None:
    """What was flushed is there, and of what came after it a beginning without gaps; also where nothing can be made."""
    exchanges = read_journal(killed).exchanges
    assert 250 <= len(exchanges)
    assert [f"case-{number}" for number in range(1, len(exchanges) + 1)] == [e.case_id for e in exchanges]
    assert [250] == [e.number for e in exchanges[:250] if e.response is None]

    # SQLite wants a file beside a journal that was left open; it follows no link there, nor replaces it.
    killed.with_name("journal.sqlite-shm").unlink()
    killed.with_name("journal.sqlite-shm").symlink_to("nowhere")
    assert 250 <= len(read_journal(killed).exchanges)


def test_a_killed_run_does_not_stand_in_the_way_of_the_next(killed: Path) -> None:
    """Its lock ended with it, and its journal is replaced together with the files beside it."""
    with Journal.create(killed, {"seed": 2}, Redaction.none()) as journal:
        journal.plan([VALID])
    assert ({"seed": 2}, (VALID,), ()) == ((r := read_journal(killed)).settings, r.cases, r.exchanges)


def test_leaves_one_file_when_it_is_closed(journal: Journal) -> None:
    """It can be copied, read where nothing can be written, and reading does not change it."""
    journal.plan([VALID])
    journal.close()
    before = journal.path.read_bytes()

    assert b"\x01\x01" == before[18:20], "SQLite's mark for a file that is not in WAL mode"
    assert read_journal(journal.path) == read_journal(journal.path)
    assert before == journal.path.read_bytes()
    assert ["journal.sqlite"] == _names(journal.path.parent)


def test_can_be_read_while_it_is_written(journal: Journal) -> None:
    """A reader in between sees what was flushed, and neither holds the other up."""
    for number in range(1, 4):
        journal.sent("a", number, REQUEST, 1.0, 2.0)
        journal.flush()
        assert number == len(read_journal(journal.path).exchanges)


def test_the_first_bytes_of_an_unreadable_request_are_recorded_redacted(path: Path) -> None:
    """Redacted before they are cut, so that the end does not show half of a secret."""
    whole = b"POST /?" + b"x" * (HEAD_SHOWN - 10) + b"S3cret-value HTTP/1.1\r\n\r\n\xff"
    with Journal.create(path, {}, Redaction.of_values("S3cret-value")) as journal:
        journal.unreadable("receiver", "sms", "illegal request line", whole)
        journal.unreadable("witness", None, "TLS", b"\x16\x03\xff")

    details = [note.detail for note in read_journal(path).notes]

    assert {"where": "witness", "product": None, "error": "TLS", "head": "\x16\x03ÿ"} == details[1]
    assert (HEAD_SHOWN, "sms") == (len(details[0]["head"]), details[0]["product"])
    assert details[0]["head"].endswith("x[RE")


# Table → the kind of its rows.
TABLES = {"cases": "case", "sent": "request", "answered": "answer", "notifications": "notification", "notes": "note"}
TABLES["messages"] = "message"


def test_rows_keep_to_the_schema(journal: Journal) -> None:
    """The columns of each table are the members of its row in schemas/formats/journal.json, and hold what it says."""
    journal.plan([VALID, BROKEN])
    journal.answered(journal.sent("sms-1", 1, REQUEST, 10.5, 1e9), RESPONSE, 11.0)
    journal.failed(journal.sent("x-1", 1, REQUEST, 10.5, 1e9), "connection refused", 11.0)
    journal.notified("sms", REQUEST, 11.0, 1e9)
    journal.notified(None, REQUEST, 11.0, 1e9)
    journal.note("phase", {"name": "sending"})
    journal.said("sms-1", Direction.TO, "{}")
    journal.close()

    with closing(sqlite3.connect(journal.path)) as connection:
        connection.row_factory = sqlite3.Row
        for table, kind in TABLES.items():
            rows = [_as_json(dict(row)) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608
            assert rows, table
            assert [] == [v for row in rows for v in FORMATS.violations("journal", {kind: row})]


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    """BLOBs in base64, columns of JSON as values."""
    for name, value in row.items():
        if isinstance(value, bytes):
            row[name] = base64.b64encode(value).decode()
        elif name in ("headers", "detail") and value is not None:
            row[name] = json.loads(value)
    return row


def test_only_adds_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement of the writer changes or deletes a row."""
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(writing.sqlite3, "connect", traced)
    with Journal.create(path, {}, Redaction.none()) as journal:
        journal.plan([VALID])
        journal.answered(journal.sent("sms-1", 1, REQUEST, 10.5, 1e9), RESPONSE, 11.0)
        journal.notified("sms", REQUEST, 11.0, 1e9)
        journal.note("phase", {})
    verbs = {statement.split()[0] for statement in statements}
    assert "INSERT" in verbs
    assert {"INSERT", "CREATE", "PRAGMA", "BEGIN", "COMMIT", "SELECT"} >= verbs


def test_refuses_to_be_changed(journal: Journal) -> None:
    """Not even another program can change a row by mistake."""
    journal.plan([VALID])
    journal.close()
    with closing(sqlite3.connect(journal.path)) as connection:
        for change in ("UPDATE cases SET kind = 'open'", "DELETE FROM cases"):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
                connection.execute(change)


def test_replaces_the_journal_of_an_earlier_run(path: Path) -> None:
    """A second run in the same directory begins an empty journal."""
    for seed in (1, 2):
        with Journal.create(path, {"seed": seed}, Redaction.none()) as journal:
            journal.plan([VALID])
    record = read_journal(path)
    assert ({"seed": 2}, (VALID,)) == (record.settings, record.cases)


def test_two_runs_never_share_a_journal(journal: Journal) -> None:
    """A run that begins while another one is writing is told so, and does no harm to it."""
    journal.plan([VALID])
    with pytest.raises(EnvironmentFailure, match="another run is writing to"):
        Journal.create(journal.path, {}, Redaction.none())
    journal.plan([BROKEN])
    journal.flush()
    assert (VALID, BROKEN) == read_journal(journal.path).cases


@pytest.mark.parametrize("directory", ["file/reports", "/proc/reports"])
def test_says_that_the_directory_cannot_be_used(tmp_path: Path, directory: str) -> None:
    """A report directory below a file, or where not even root may write, is an environment failure with a hint."""
    tmp_path.joinpath("file").touch()
    with pytest.raises(EnvironmentFailure, match=r"report directory .*/reports cannot be written to") as failure:
        Journal.create(tmp_path / directory / "journal.sqlite", {}, Redaction.none())
    assert "--report-dir" in str(failure.value)


def test_says_that_a_directory_is_in_its_place(path: Path) -> None:
    """What cannot be replaced by a journal is left alone; the lock is given back."""
    path.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(EnvironmentFailure, match=r"journal\.sqlite cannot be made"):
            Journal.create(path, {}, Redaction.none())


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from conformance.model.errors import EnvironmentFailure
from conformance.journal import Journal, Redaction
from conformance.model.traffic import Request
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal.create(Path(sys.argv[1]), {}, Redaction.none())
journal.sent("kept", 1, Request("GET", "/"), 1.0, 2.0)
journal.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
large, heard = Request("GET", "/", body=bytes(100_000)), []
for call in (
    lambda: [journal.sent("lost", 1, large, 1.0, 2.0) for _ in range(20)] + [journal.flush()],
    lambda: journal.note("phase", {}), lambda: journal.flush(), lambda: journal.close()):
    try:
        call()
    except EnvironmentFailure as failure:
        heard.append(str(failure))
print(*heard, sep="\\n")
"""


def test_a_full_disk_is_an_error_for_every_caller(path: Path) -> None:
    """The next call, `flush` and `close` all raise; nobody waits for ever, and what was written before can be read."""
    told = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True, timeout=30
    )
    lines = told.stdout.splitlines()
    assert 4 == len(lines), told
    assert all("cannot be written" in line and "is the disk full?" in line for line in lines)
    assert "kept" == read_journal(path).exchanges[0].case_id


def test_a_row_that_cannot_be_is_the_suites_fault(journal: Journal) -> None:
    """An id planned twice, a detail that is not JSON, and a note in a closed journal are errors of the suite."""
    with pytest.raises(SuiteError, match="'phase' cannot be written as JSON"):
        journal.note("phase", {"x": object()})
    with pytest.raises(SuiteError, match="the settings cannot be written as JSON"):
        Journal.create(journal.path.with_name("other"), {"x": float("nan")}, Redaction.none())
    journal.plan([VALID, VALID])
    with pytest.raises(SuiteError, match=r"UNIQUE constraint failed: cases\.id"):
        journal.flush()
    with pytest.raises(SuiteError, match="cannot take a row"):
        journal.close()


def test_a_closed_journal_takes_nothing(journal: Journal) -> None:
    """Closing twice is fine, and so is flushing what is closed; telling it something is an error of the suite."""
    journal.close()
    journal.close()
    journal.flush()
    with pytest.raises(SuiteError, match="is closed"):
        journal.plan([VALID])


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE a (b)")


def _other_version(path: Path) -> None:
    Journal.create(path, {}, Redaction.none()).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def _cut_short(path: Path) -> None:
    with Journal.create(path, {}, Redaction.none()) as journal:
        journal.plan([VALID])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda _: None, "there is no journal", id="absent"),
        pytest.param(lambda path: path.mkdir(), "is a directory", id="directory"),
        pytest.param(lambda path: path.touch(), "no journal of statum-conformance", id="empty"),
        pytest.param(lambda path: path.write_text("{}" * 999), "file is not a database", id="text"),
        pytest.param(_foreign, "no journal of statum-conformance", id="foreign"),
        pytest.param(_other_version, "version 99", id="other-version"),
        pytest.param(_cut_short, "malformed", id="cut-short"),
    ],
)
def test_a_file_that_is_no_journal_is_an_error(tmp_path: Path, make: Any, words: str) -> None:
    """One clear line names the file and what is there instead; nothing is made or changed beside it."""
    path = tmp_path / "some where?#%.sqlite"
    make(path)
    before = _names(tmp_path)
    with pytest.raises(UsageError, match=words) as error:
        read_journal(path)
    assert str(path) in str(error.value)
    assert 1 == len(str(error.value).splitlines())
    assert before == _names(tmp_path)
