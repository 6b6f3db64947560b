"""The expectations file: what it may hold, and how what is wrong in it is told."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest
from command_line import call
from input_files import EXPECTATIONS, expectations_at

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.judging.expectations import GUIDE, Expectation, Expectations, read_expectations
from conformance.model.errors import UsageError

CATALOGUE = statum().catalogue


@pytest.mark.parametrize("day", ["2027-01-31", '"2027-01-31"'])
def test_a_file_is_read(tmp_path: Path, day: str) -> None:
    """Its entries in their order; a day may be a date or a text of TOML."""
    read = read_expectations(expectations_at(tmp_path, command='"sms"', message='"wrong"', expires=day), CATALOGUE)

    assert (Expectation(1, "ENC-01", "FAIL", "#1", "us", date(2027, 1, 31), "sms", "wrong"),) == read.entries
    assert read == Expectations.of(read.recorded())


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    """A comment more is another edition."""
    path = expectations_at(tmp_path)
    before = read_expectations(path, CATALOGUE)
    path.write_text(path.read_text("utf-8") + "# agreed\n", "utf-8")

    assert before.entries == read_expectations(path, CATALOGUE).entries
    assert before.digest != read_expectations(path, CATALOGUE).digest


def test_an_empty_file_lists_nothing(tmp_path: Path) -> None:
    """It is what one begins with."""
    (tmp_path / EXPECTATIONS).touch()

    assert () == read_expectations(tmp_path / EXPECTATIONS, CATALOGUE).entries


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"owner": None, "ownr": '"us"'}, "'ownr' in entry 1 of {} is not a key of an entry…did you mean owner?"),
        ({"owner": None}, "owner is missing in entry 1 of {}"),
        ({"owner": '""'}, "owner in entry 1 of {} is ''; expected a text that is not empty"),
        ({"issue": "17"}, "issue in entry 1 of {} is 17; expected a text that is not empty"),
        ({"requirement": '"ENC-1"'}, "there is no requirement 'ENC-1' (entry 1 of {})…did you mean ENC-"),
        ({"requirement": '"enc-01"'}, "there is no requirement 'enc-01' (entry 1 of {})…did you mean ENC-01"),
        ({"requirement": '"ENC-99"'}, "there is no requirement 'ENC-99' (entry 1 of {})…did you mean ENC-"),
        ({"verdict": '"fail"'}, "verdict in entry 1 of {} is 'fail'; expected one of FAIL, …did you mean FAIL?"),
        ({"verdict": '"PASS"'}, "verdict in entry 1 of {} is 'PASS'; expected one of FAIL, WARN, INCONCLUSIVE"),
        ({"expires": '"31.1.2027"'}, "expires in entry 1 of {} is '31.1.2027'; expected a day such as"),
        ({"expires": "2027-01-31T00:00:00"}, "expires in entry 1 of {} is '2027-01-31T00:00:00'; expected a day"),
        ({"expires": '"2027-02-30"'}, "expires in entry 1 of {} is '2027-02-30', which no calendar has; "),
        ({"command": '"smss"'}, "ENC-01 is not judged for a command 'smss' (entry 1 of {})…(hint: did you mean sms?)"),
        ({"requirement": '"CMD-01"', "command": '"sms"'}, "CMD-01 belongs to no command, and entry 1 of {}"),
        ({"a/b~c": "1"}, "expectations file {} is not valid TOML: "),
        ({'"a/b~c"': "1"}, "'a/b~c' in entry 1 of {} is not a key of an entry"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_entry_is_told(tmp_path: Path, changes: dict[str, str | None], complaint: str) -> None:
    """With the entry, what stands there, what is expected, and what may have been meant."""
    path = expectations_at(tmp_path, **changes)

    with pytest.raises(UsageError) as refused:
        read_expectations(path, CATALOGUE)
    beginning, _, end = complaint.format(path).partition("…")
    assert str(refused.value).startswith(beginning)
    assert end in str(refused.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[expectations]]\n", "'expectations' in {} is not a table of an expectations file; expected [[expectation]]"),
        ("[expectation]\n", "expectation in {} is not a list of tables (hint: begin each entry with"),
        ("expectation = [1]\n", "expectation in {} is not a list of tables (hint: begin each entry with"),
        ("- requirement: ENC-01\n", "expectations file {} is not valid TOML: "),
        ("\udcff", "expectations file {} is not valid TOML: "),
    ],
)  # fmt: skip
def test_what_is_no_expectations_file_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    """Each in the words of the file."""
    (tmp_path / EXPECTATIONS).write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(UsageError) as refused:
        read_expectations(tmp_path / EXPECTATIONS, CATALOGUE)
    assert str(refused.value).startswith(complaint.format(tmp_path / EXPECTATIONS))


def test_yaml_is_told_from_toml(tmp_path: Path) -> None:
    """By its name, whatever is in it."""
    with pytest.raises(UsageError, match=f"known.yaml is YAML by its name; expected TOML .hint: {GUIDE}"):
        read_expectations(tmp_path / "known.yaml", CATALOGUE)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ({}, {}, False),
        ({"command": '"sms"'}, {}, False),
        ({"message": '"a"'}, {}, False),
        ({"message": '"a"'}, {"message": '"a"', "command": '"sms"'}, False),
        ({"command": '"sms"'}, {"command": '"airtime"'}, True),
        ({"message": '"a"'}, {"message": '"b"'}, True),
        ({}, {"requirement": '"ENC-02"'}, True),
    ],
)
def test_an_entry_that_is_there_twice_is_refused(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], *, together: bool
) -> None:
    """Which of them a finding belongs to has to be clear."""
    text = "".join(expectations_at(tmp_path, **changes).read_text("utf-8") for changes in (first, second))
    (tmp_path / EXPECTATIONS).write_text(text, "utf-8")

    if together:
        assert 2 == len(read_expectations(tmp_path / EXPECTATIONS, CATALOGUE).entries)
    else:
        with pytest.raises(UsageError, match=r"entries 1 and 2 of .* both list ENC-01"):
            read_expectations(tmp_path / EXPECTATIONS, CATALOGUE)


@pytest.mark.parametrize("command", [("run",), ("judge", "journal.sqlite")])
def test_a_file_that_cannot_be_used_is_one_line_and_exit_2(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is sent or judged."""
    monkeypatch.chdir(tmp_path)

    called = call(capsys, *command, "--expectations", "none.toml")

    assert 2 == called.code
    assert called.only_line.startswith("error: there is no expectations file none.toml (hint: begin with an empty one")


def test_the_example_of_the_schema_can_be_read(tmp_path: Path) -> None:
    """As TOML it is what docs/expectations.md shows."""
    path = expectations_at(tmp_path, command='"sms"')

    assert [] == FORMATS.violations(
        "expectations", {"expectation": [read_expectations(path, CATALOGUE).entries[0].members()]}
    )
    assert date(2027, 1, 31) == tomllib.loads(path.read_text("utf-8"))["expectation"][0]["expires"]
