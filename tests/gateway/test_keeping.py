"""Failing cases are kept as files: the smallest ones, once, without a secret, and good for finding the fault again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from campaigns import SECRET, held, judged, settings
from input_files import document
from seeded import fault

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


def test_a_failing_case_is_kept_as_the_smallest_one(emoji: tuple[Record, Judged]) -> None:
    """With what it found; its bytes are those of the run, but for what belongs to the account."""
    record, judgement = emoji
    (file,) = failing_cases(record, judgement, statum())
    (find,) = file.found

    assert ("sms", Kind.VALID, "unicode") == (file.step.command, file.step.kind, file.step.aspect)
    assert "ACC-03" == find.requirement
    assert record.settings["started_at"].startswith(find.date)
    assert b'"sender_id": "${sender_id}"' in file.step.body
    assert file.step.body.replace(b"${sender_id}", b"Statum") in {case.request.body for case in record.cases}


def test_a_kept_case_finds_the_fault_again_and_passes_without_it(emoji: tuple[Record, Judged], tmp_path: Path) -> None:
    """That is what it is kept for."""
    kept = save_failing(*emoji, tmp_path / "corpus", statum())
    cases = CaseFolder.read(tmp_path / "corpus", statum())

    again = judged(tmp_path / "again", fault("refuses-emoji").change(BUILT_IN), cases=cases)
    mended = judged(tmp_path / "mended", cases=cases)

    assert 1 == len(kept)
    assert Conclusion.NON_CONFORMANT == again.conclusion
    assert Conclusion.CONFORMANT == mended.conclusion


@pytest.mark.parametrize(
    "name",
    ["accepts-another-case", "crashes-on-no-utf8", "accepts-null", "accepts-any-method", "refuses-an-equal-message"],
)
def test_each_kind_of_case_can_be_kept(tmp_path: Path, name: str) -> None:
    """Wrong credentials, bytes that are no text, broken payloads, methods, repeats: each finds its fault again."""
    record, judgement = failing(tmp_path / "first", name)
    save_failing(record, judgement, tmp_path / "corpus", statum())

    cases = CaseFolder.read(tmp_path / "corpus", statum())
    again = judged(tmp_path / "again", fault(name).change(BUILT_IN), cases=cases, products=("sms",))

    assert Conclusion.NON_CONFORMANT == again.conclusion


def test_nothing_is_kept_twice_or_overwritten(emoji: tuple[Record, Judged], tmp_path: Path) -> None:
    """A second run with the same finding adds nothing, and a file of the same name stays."""
    (path,) = save_failing(*emoji, tmp_path, statum())
    before = path.read_bytes()

    assert [] == save_failing(*emoji, tmp_path, statum())
    path.write_text(json.dumps(document()), encoding="utf-8")
    (beside,) = save_failing(*emoji, tmp_path, statum())

    assert path != beside
    assert document() == json.loads(path.read_bytes())
    assert before == beside.read_bytes()


def test_an_airtime_case_is_kept_with_a_number_that_varies(tmp_path: Path) -> None:
    """Its range is kept, its end is not: the same bytes would be refused lawfully for five minutes."""
    record, judgement = failing(tmp_path, "refuses-both-ends", products=("airtime",))
    bodies = [file.step.body for file in failing_cases(record, judgement, statum())]

    assert all(b"${phone_number 254" in body for body in bodies)
    assert [1, 1] == [sum(b'"amount": "%s"' % amount in body for body in bodies) for amount in (b"5", b"10000")]


def test_a_kept_case_holds_no_secret(tmp_path: Path) -> None:
    """Neither the secret nor any Authorization: a wrong credential is named by its aspect."""
    record, judgement = failing(tmp_path, "accepts-another-case")
    kept = b"".join(map(file_bytes, failing_cases(record, judgement, statum())))

    assert b'"credential": "other-case/' in kept
    assert SECRET.encode() not in kept
    assert (
        statum().authentication.value(settings(Path()).consumer_key, SECRET).removeprefix("Basic ").encode() not in kept
    )
    assert b"uthorization" not in kept
