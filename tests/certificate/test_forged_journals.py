"""Journals that somebody else made: whatever is in them, one line says so, soon, and none of it is run."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from forged_journals import (
    COLUMNS,
    FOREIGN_VALUES,
    HUGE,
    STRUCTURE,
    changed,
    good_journal,
    run_in,
    settings_changed,
)
from made_result import SETTINGS

from conformance.contract.contract import statum
from conformance.journal import Journal, Record, Redaction, read_evidence
from conformance.journal.shapes import NOTES
from conformance.model.errors import UsageError
from conformance.reports.result import Result

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good journal."""
    return good_journal(tmp_path_factory.mktemp("good") / "journal.sqlite")


@pytest.fixture
def path(good: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copy(good, tmp_path))


def gone_through(record: Record) -> int:
    """How many rows there are, each of them made into a value."""
    kinds = (record.cases, record.exchanges, record.notifications, record.notes, record.messages)
    return sum(sum(1 for _ in kind) for kind in kinds) + sum(1 for _ in record.attempts())


def complaint(path: Path) -> str:
    """Why it is no evidence, which is one line that names the file."""
    with pytest.raises(UsageError) as error:
        gone_through(read_evidence(path, statum()))
    assert str(path) in error.value.message
    assert 1 == len(str(error.value).splitlines())
    return error.value.message


def test_a_good_one_is_read(path: Path) -> None:
    """Or nothing below would show anything."""
    assert 10 == gone_through(read_evidence(path, statum()))


# --- Structure


def test_a_file_of_another_structure_is_refused(good: Path, tmp_path: Path) -> None:
    """Views, triggers, columns that compute, pages that several tables share, and files that are no database."""
    for number, change in enumerate(STRUCTURE.values()):
        path = Path(shutil.copy(good, tmp_path / f"{number}.sqlite"))
        change(path)
        complaint(path)


WRONG_STRUCTURE = {
    "a view without end": "is not as the suite makes a journal of version 2: the view 'sent' is not the suite's",
    "one more trigger": "it has the trigger 'more'",
    "no trigger": "it lacks the trigger 'sent_keeps_UPDATE'",
    "a generated column": "the table 'notes' is not the suite's",
    "two thousand tables": "holds far more tables than a journal has",
    "the older version": "is not as the suite makes a journal of version 1: it has the table 'messages'",
    "pages shared": "is damaged: *** in database main ***",
    "settings missing": "it has the settings of 0 runs",
    "a pipe": "is not a file, expected a journal",
}


def test_a_wrong_structure_is_named(good: Path, tmp_path: Path) -> None:
    """So that whoever made it by mistake finds it."""
    found = {}
    for name in WRONG_STRUCTURE:
        path = Path(shutil.copy(good, tmp_path / f"{name}.sqlite"))
        STRUCTURE[name](path)
        found[name] = complaint(path)

    assert {} == {name: said for name, said in found.items() if WRONG_STRUCTURE[name] not in said}


def test_the_older_version_is_read_as_it_was_made(path: Path) -> None:
    """Version 1 had no messages, and nothing that belongs to them."""
    run_in("DROP TABLE messages; PRAGMA user_version = 1")(path)

    record = read_evidence(path, statum())

    assert (3, ()) == (len(record.exchanges), record.messages)


def test_a_journal_that_is_being_written_is_read(tmp_path: Path) -> None:
    """With the files that SQLite keeps beside it."""
    with Journal.create(tmp_path / "journal.sqlite", SETTINGS, Redaction.none()) as journal:
        journal.note("settled", {"at": 1.0})
        journal.flush()
        assert {"-shm", "-wal"} <= {path.name[-4:] for path in tmp_path.iterdir()}
        assert ["settled"] == [note.kind for note in read_evidence(journal.path, statum()).notes]


def test_a_value_that_is_too_long_is_refused(path: Path) -> None:
    """It is not even read into memory."""
    HUGE["a row of 40 MB"](path)

    assert "string or blob too big" in complaint(path)


def test_notes_that_would_fill_the_memory_are_refused(path: Path) -> None:
    """Few bytes in the file make many values: each note is short enough, and all together are too many."""
    detail = json.dumps({"x": [0] * 400_000}).replace(" ", "")
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO notes VALUES (?, 'x', ?, 1.0, 2.0)", [(10 + n, detail) for n in range(6)])
        connection.commit()

    assert "its notes hold more than 2,000,000 values" in complaint(path)


def test_no_journal_is_added_to_that_the_suite_did_not_make(path: Path) -> None:
    """A trigger in it would be run with each row."""
    STRUCTURE["one more trigger"](path)

    with pytest.raises(UsageError, match="it has the trigger 'more'"):
        Journal.reopened(path, Redaction.none())


# --- Rows


@pytest.mark.parametrize("table", COLUMNS)
def test_a_foreign_value_in_a_column_is_a_row_or_one_line(good: Path, tmp_path: Path, table: str) -> None:
    """Each column, each foreign value: never anything but a UsageError, and never a value of another type."""
    tried = 0
    for column in COLUMNS[table]:
        for number, value in enumerate(FOREIGN_VALUES.values()):
            path = Path(shutil.copy(good, tmp_path / f"{column}-{number}.sqlite"))
            with suppress(sqlite3.IntegrityError):  # what SQLite itself keeps out of the column
                changed(table, column, value, "rowid = 1")(path)
                with suppress(UsageError):
                    gone_through(read_evidence(path, statum()))
                tried += 1
    assert tried >= len(COLUMNS[table])


WRONG_ROWS: tuple[tuple[str, str, Any, str], ...] = (
    ("sent", "body", None, "holds int, str, int, str, str, str, NULL, float, float"),
    ("sent", "sent_at", ("9e999",), "has the time inf"),
    ("answered", "status", 10**9, "has the status 1000000000"),
    ("answered", "headers", '[[1, {}], ["a", null]]', "it has headers that are not texts"),
    ("answered", "headers", "[" * 100_000, "JSON in it cannot be read: it is nested too deeply"),
    ("cases", "command", "fax", "is of the command 'fax', which there is not"),
    ("cases", "kind", "other", "'other' is not a valid Kind"),
    ("notes", "detail", "[]", "a note 'finished' is not a JSON object"),
    ("notes", "detail", '{"duration_s": "1"}', "a note 'finished' is not as a run writes it: duration_s is '1'"),
    ("notes", "detail", '{"duration_s": NaN}', "JSON in it cannot be read: it is not JSON: NaN is not a number"),
    ("meta", "value", "[]", "its settings are not a JSON object"),
)


def test_a_wrong_row_is_described(good: Path, tmp_path: Path) -> None:
    """What was found, and where."""
    found = []
    for number, (table, column, value, words) in enumerate(WRONG_ROWS):
        path = Path(shutil.copy(good, tmp_path / f"{number}.sqlite"))
        changed(table, column, value)(path)
        found.append((complaint(path), words))

    assert [] == [(said, words) for said, words in found if words not in said]


FOREIGN_MEMBERS: tuple[Any, ...] = (None, "", -1, 1e300, True, [[1]], {"a": 1}, "\ud800\x00")


def test_settings_of_another_kind_are_judged_or_are_one_line(good: Path, tmp_path: Path) -> None:
    """Whatever a setting is, and where it is missing: judging ends in a verdict, or in a UsageError."""
    for name in SETTINGS:
        for number, value in enumerate(FOREIGN_MEMBERS):
            path = Path(shutil.copy(good, tmp_path / f"{number}.sqlite"))
            settings_changed(lambda settings, name=name, value=value: settings.update({name: value}))(path)
            _judged_or_told(path)
        path = Path(shutil.copy(good, tmp_path / "without.sqlite"))
        settings_changed(lambda settings, name=name: settings.pop(name))(path)
        _judged_or_told(path)


def test_notes_of_another_kind_are_judged_or_are_one_line(good: Path, tmp_path: Path) -> None:
    """Each member that is read has to be of its type."""
    for kind, members in NOTES.items():
        for number, value in enumerate(FOREIGN_MEMBERS):
            path = Path(shutil.copy(good, tmp_path / f"{number}.sqlite"))
            with closing(sqlite3.connect(path)) as connection:
                detail = json.dumps(dict.fromkeys(members, value))
                connection.execute("INSERT INTO notes VALUES (99, ?, ?, 1.0, 2.0)", (kind, detail))
                connection.commit()
            _judged_or_told(path)


def _judged_or_told(path: Path) -> None:
    with suppress(UsageError):
        assert Result.of(read_evidence(path, statum())).document["requirements"]


# --- Through the command line


@pytest.mark.parametrize(
    "arguments",
    [
        ("judge", "{}", "--report-dir=out"),
        ("replay", "sms/valid/random/1", "--journal={}", "--report-dir=out"),
        ("run", "--resume={}"),
        ("listen", "--journal={}"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_says_it_in_one_line(
    capsys: Capsys, path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, and the file is as it was."""
    monkeypatch.chdir(path.parent)
    STRUCTURE["a view without end"](path)
    before = path.read_bytes()

    called = call(capsys, *(each.format(path) for each in arguments))

    assert called.only_line.startswith(f"error: {path} is not as the suite makes a journal of version 2")
    assert (2, "", before) == (called.code, called.out, path.read_bytes())


def test_a_report_is_not_made_of_a_journal_that_the_suite_did_not_make(capsys: Capsys, path: Path) -> None:
    """Nor are its messages shown."""
    out = path.parent / "out"
    assert call(capsys, "judge", str(path), f"--report-dir={out}").code in (1, 3)
    STRUCTURE["a view without end"](path)

    called = call(capsys, "report", f"--from={out}", f"--journal={path}", "--all")

    assert called.only_line.startswith(f"error: {path} is not as the suite makes a journal of version 2")
    assert 2 == called.code
