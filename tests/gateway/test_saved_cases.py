"""Failing cases are saved as files: the smallest ones, once, without a secret, and they find the fault again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from campaigns import SECRET, held, judged, settings
from input_files import document
from run_records import failed_requirements
from seeded import fault, together

from conformance.contract.contract import statum
from conformance.gateway.case_files import CaseFolder, failing_cases, file_bytes, save_failing
from conformance.journal import Record, read_journal
from conformance.judging.verdicts import Conclusion, Judged
from conformance.mock.behaviour import BUILT_IN
from conformance.model.traffic import Kind
from conformance.reports.result import judge


def failing(directory: Path, name: str, **changes: Any) -> tuple[Record, Judged]:
    """A run against a mock gateway with that fault."""
    record = read_journal(held(directory, fault(name).change(BUILT_IN), **{"products": ("sms",), **changes}))
    return record, judge(record)


@pytest.fixture(scope="module")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Judged]:
    """A run against a gateway that refuses one kind of messages."""
    return failing(tmp_path_factory.mktemp("emoji"), "refuses-emoji")


def test_the_smallest_failing_case_is_saved(emoji: tuple[Record, Judged]) -> None:
    """With what it found; its bytes are those of the run, but for what belongs to the account."""
    record, judgement = emoji
    (file,) = failing_cases(record, judgement, statum())
    (find,) = file.found

    assert ("sms", Kind.VALID, "unicode") == (file.step.command, file.step.kind, file.step.aspect)
    assert "ACC-03" == find.requirement
    assert record.settings["started_at"].startswith(find.date)
    assert b'"sender_id": "${sender_id}"' in file.step.body
    assert file.step.body.replace(b"${sender_id}", b"Statum") in {case.request.body for case in record.cases}


def test_a_saved_case_passes_once_the_fault_is_mended(emoji: tuple[Record, Judged], tmp_path: Path) -> None:
    """With the fault it fails again."""
    kept = save_failing(*emoji, tmp_path / "corpus", statum())
    cases = CaseFolder.read(tmp_path / "corpus", statum())

    again = judged(tmp_path / "again", fault("refuses-emoji").change(BUILT_IN), cases=cases)
    mended = judged(tmp_path / "mended", cases=cases)

    assert 1 == len(kept)
    assert Conclusion.NON_CONFORMANT == again.conclusion
    assert Conclusion.CONFORMANT == mended.conclusion


@pytest.mark.parametrize(
    "faults",
    [
        ("accepts-another-case", "crashes-on-no-utf8", "accepts-null", "accepts-any-method"),
        ("refuses-an-equal-message",),
    ],
    ids=["accepted", "refused"],
)
def test_a_saved_case_of_each_kind_finds_its_fault_again(tmp_path: Path, faults: tuple[str, ...]) -> None:
    """Wrong credentials, bytes that are no text, broken payloads, methods, repeats."""
    behaviour = together(*(fault(name).change for name in faults))(BUILT_IN)
    record = read_journal(held(tmp_path / "first", behaviour, products=("sms",)))
    save_failing(record, judge(record), tmp_path / "corpus", statum())

    cases = CaseFolder.read(tmp_path / "corpus", statum())
    again = judged(tmp_path / "again", behaviour, cases=cases, products=("sms",))

    assert {id_ for name in faults for id_ in fault(name).breaks} <= failed_requirements(again)


def test_nothing_is_saved_twice_or_overwritten(emoji: tuple[Record, Judged], tmp_path: Path) -> None:
    """A second run with the same finding adds nothing, and a file of the same name stays."""
    (path,) = save_failing(*emoji, tmp_path, statum())
    before = path.read_bytes()

    assert [] == save_failing(*emoji, tmp_path, statum())
    path.write_text(json.dumps(document()), encoding="utf-8")
    (beside,) = save_failing(*emoji, tmp_path, statum())

    assert path != beside
    assert document() == json.loads(path.read_bytes())
    assert before == beside.read_bytes()


def test_an_airtime_case_is_saved_with_a_number_that_varies(tmp_path: Path) -> None:
    """Its range is kept, its end is not: the same bytes would be refused lawfully for five minutes."""
    record, judgement = failing(tmp_path, "refuses-both-ends", products=("airtime",))
    bodies = [file.step.body for file in failing_cases(record, judgement, statum())]

    assert all(b"${phone_number 254" in body for body in bodies)
    assert [1, 1] == [sum(b'"amount": "%s"' % amount in body for body in bodies) for amount in (b"5", b"10000")]


def test_a_saved_case_holds_no_secret(tmp_path: Path) -> None:
    """Neither the secret nor any Authorization: a wrong credential is named by its aspect."""
    record, judgement = failing(tmp_path, "accepts-another-case")
    kept = b"".join(map(file_bytes, failing_cases(record, judgement, statum())))

    assert b'"credential": "other-case/' in kept
    assert SECRET.encode() not in kept
    assert (
        statum().authentication.value(settings(Path()).consumer_key, SECRET).removeprefix("Basic ").encode() not in kept
    )
    assert b"uthorization" not in kept
