"""What `make bench` says of detection: what counts as found, and that it goes on where it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from seeded import FAULTS, VARIANTS

from benchmarks import detection
from benchmarks.detection import LAWFUL, Outcome, Trial

FAULT = next(iter(FAULTS.values()))
EACH = len(FAULTS) + len(VARIANTS) + 1


def outcome(trial: Trial, **changes: object) -> Outcome:
    """An outcome as it should be, changed as the test likes."""
    short = trial.expected
    conclusion = "non-conformant" if short else "conformant"
    right = Outcome(trial.kind, trial.name, trial.seed, short, short, conclusion, 2.0, detection.fingerprint())
    return replace(right, **changes)  # type: ignore[arg-type]  # changes are fields of Outcome


@pytest.mark.parametrize(
    ("trial", "changes", "right"),
    [
        (Trial("fault", FAULT.name, 1), {}, True),
        (Trial("fault", FAULT.name, 1), {"found": []}, False),
        (Trial("fault", FAULT.name, 1), {"found": sorted([*FAULT.breaks, "XXX-01"])}, False),
        (Trial("variant", LAWFUL, 1), {}, True),
        (Trial("variant", LAWFUL, 1), {"found": ["WARN-01"]}, True),
        (Trial("variant", LAWFUL, 1), {"failed": ["XXX-01"]}, False),
        (Trial("variant", LAWFUL, 1), {"conclusion": "inconclusive"}, False),
    ],
)
def test_what_counts_as_right(trial: Trial, changes: dict[str, object], right: bool) -> None:  # noqa: FBT001 - a column
    """A fault breaks exactly what it says; of what is lawful nothing fails, and warnings are allowed."""
    assert right == outcome(trial, **changes).right


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """The trials that were held, in a checkout of the test's own; each comes out right."""
    held: list[Trial] = []

    def outcomes(trials: Sequence[Trial], _: int) -> Iterator[Outcome]:
        for trial in trials:
            held.append(trial)
            yield outcome(trial)

    monkeypatch.setattr(detection, "fingerprint", lambda: "this code")
    monkeypatch.setattr(detection, "outcomes", outcomes)
    monkeypatch.setattr(detection, "CHECKOUT", tmp_path)
    monkeypatch.setattr(detection, "KEPT", tmp_path / "reports" / "detection.jsonl")
    monkeypatch.setattr(detection, "TABLE", tmp_path / "reports" / "detection.md")
    return held


def test_every_fault_and_variant_is_held_with_every_seed(
    asked: list[Trial], capsys: pytest.CaptureFixture[str]
) -> None:
    """How many there are is said before they begin, and what came of them afterwards."""
    detection.detection(seeds=2)
    said = capsys.readouterr().out
    assert {1: EACH, 2: EACH} == {seed: sum(trial.seed == seed for trial in asked) for seed in (1, 2)}
    assert f"{2 * EACH} runs, of which 0 are there" in said
    assert f"{len(FAULTS)} of {len(FAULTS)} seeded faults found exactly in 2 of 2 runs" in said
    assert f"| fault {FAULT.name} | {', '.join(sorted(FAULT.breaks))} | 2 of 2 |" in detection.TABLE.read_text()


@pytest.mark.usefixtures("capsys")
def test_what_was_held_is_not_held_again(asked: list[Trial]) -> None:
    """But what other code brought about, and a line that was cut off, count for nothing."""
    detection.detection(seeds=1)
    lines = detection.KEPT.read_text().splitlines()
    stale = json.dumps({**json.loads(lines[1]), "code": "other code"})
    detection.KEPT.write_text("\n".join([lines[0][:-5], stale, *lines[2:]]) + "\n")
    asked.clear()
    detection.detection(seeds=1)
    assert [json.loads(line)["name"] for line in lines[:2]] == [trial.name for trial in asked]


def test_what_came_out_wrong_is_told_and_fails(asked: list[Trial], capsys: pytest.CaptureFixture[str]) -> None:
    """Also when it was held before."""
    wrong = outcome(Trial("variant", LAWFUL, 1), failed=["NTF-01"], found=["NTF-01"])
    detection.KEPT.parent.mkdir()
    detection.KEPT.write_text(json.dumps(asdict(wrong)) + "\n")
    with pytest.raises(SystemExit, match="not everything"):
        detection.detection(seeds=1)
    assert EACH - 1 == len(asked)
    assert f"variant {LAWFUL}, seed 1: expected nothing, found NTF-01" in capsys.readouterr().out
