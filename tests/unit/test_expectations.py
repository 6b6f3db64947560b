"""What becomes of verdicts by what is listed as known, what of the list is stale, and what could be added to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from input_files import EXPECTATIONS, expectations_at
from made_result import SETTINGS
from run_records import Run

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.gateway.rules.checks import GatewayFace, checks_of
from conformance.journal import Journal, Record, Redaction
from conformance.judging.evidence import Evidence
from conformance.judging.expectations import Expectation, Expectations, Staleness, read_expectations
from conformance.judging.judgement import KEPT_FINDINGS, Check, Finding, Inconclusive, Judgement, Passed, Reason
from conformance.judging.verdicts import Conclusion, Judged, RequirementVerdict, Verdict, day_of, judge_as
from conformance.reports.expectations_file import entries_to_paste
from conformance.reports.result import Result

CHECKS = checks_of(statum())

MUST, SHOULD, NO_COMMAND = "ENC-01", "AUT-11", "CMD-01"

# The day of the runs that are made here.
TODAY = date(2026, 11, 22)


def listed(requirement: str = MUST, verdict: str = "FAIL", **known: Any) -> Expectation:
    """An entry that counts today."""
    known = {"issue": "https://tracker.example/1", "owner": "us", "expires": TODAY, **known}
    return Expectation(known.pop("number", 1), requirement, verdict, **known)


def saying(*judgements: Judgement) -> Check:
    """A check that says just that."""

    def check(_: Evidence, __: str | None) -> Iterator[Judgement]:
        return iter(judgements)

    return check


def judged(*entries: Expectation, run: Run | None = None, **said: tuple[Judgement, ...]) -> Judged:
    """A run that is judged with these entries; of `RSP_03=(…)` the check says that, the others say that all is well."""
    checks = {id_.replace("_", "-"): saying(*judgements) for id_, judgements in said.items()}
    return judged_by(checks, (run or Run()).record(), *entries)


def judged_by(checks: Mapping[str, Check], record: Record, *entries: Expectation) -> Judged:
    """A record that is judged by these checks, and others that say that all is well."""
    face = GatewayFace(lambda _: {**dict.fromkeys(CHECKS, saying(Passed())), **checks})
    return judge_as(face, record, Expectations(entries, str(EXPECTATIONS), f"sha256:{0:064}"))


def of(found: Judged, requirement: str = MUST, command: str | None = "sms") -> RequirementVerdict:
    """One of the verdicts."""
    return next(v for v in found.verdicts if (v.requirement.id, v.command) == (requirement, command))


def told(found: Judged) -> list[tuple[Staleness, str]]:
    """Why entries are stale."""
    return [(stale.why, stale.detail) for stale in found.stale]


WRONG, OTHERWISE = Finding("wrong by 1"), Finding("otherwise by 1")


# --- What becomes of a verdict


KNOWN_FAILURE = (Conclusion.NON_CONFORMANT, 0, True)
UNKNOWN_FAILURE = (Conclusion.NON_CONFORMANT, 1, False)
CAPPED = (*[WRONG] * (3 * KEPT_FINDINGS), OTHERWISE)
AWAY = {reason: (Inconclusive(reason, "away"),) for reason in (Reason.ENVIRONMENT, Reason.INTERRUPTED)}
NO_TWIN = Inconclusive(Reason.PRECONDITION, "no twin")
CUT_OFF = (Verdict.INCONCLUSIVE, False, Conclusion.INCONCLUSIVE, 3, False)

# Entries, a requirement and what is said of it; its verdict, whether the entries explain it, and how the run ends.
Ends = tuple[Verdict, bool, Conclusion, int, bool]
LISTED: dict[str, tuple[tuple[Expectation, ...], str, tuple[Judgement, ...], Ends]] = {
    "nothing is listed": ((), MUST, (WRONG,), (Verdict.FAIL, False, *UNKNOWN_FAILURE)),
    "a failure": ((listed(message="wrong by"),), MUST, (Passed(), WRONG), (Verdict.KNOWN, True, *KNOWN_FAILURE)),
    # also beyond the shown findings
    "a finding begins otherwise": ((listed(message="wrong"),), MUST, CAPPED, (Verdict.FAIL, False, *UNKNOWN_FAILURE)),
    "two entries explain it together": (
        (listed(message="wrong"), listed(message="otherwise", number=2)),
        MUST,
        CAPPED,
        (Verdict.KNOWN, True, *KNOWN_FAILURE),
    ),
    # it does not hinder
    "a warning": ((listed(SHOULD, "WARN"),), SHOULD, (WRONG,), (Verdict.WARN, True, Conclusion.CONFORMANT, 0, False)),
    "an inconclusive requirement": (
        (listed(verdict="INCONCLUSIVE", message="precondition"),),
        MUST,
        (NO_TWIN,),
        (Verdict.INCONCLUSIVE, True, Conclusion.INCONCLUSIVE, 0, True),
    ),
    # an unreachable gateway is inconclusive, whatever is listed
    **{reason: ((listed(verdict="INCONCLUSIVE"),), MUST, said, CUT_OFF) for reason, said in AWAY.items()},
}


def test_listed_expectations_change_verdicts_and_exit_codes() -> None:
    """The subject is not called conformant for it; an entry that holds is not stale."""
    found = {}
    for name, (entries, requirement, said, _) in LISTED.items():
        run = judged(*entries, **{requirement.replace("-", "_"): said})
        its = of(run, requirement)
        assert its.expected in ((), entries), name
        assert [] == told(run), name
        found[name] = (its.verdict, its.expected != (), run.conclusion, run.exit_code, run.as_expected)

    assert {name: ends for name, (*_, ends) in LISTED.items()} == found
    assert OTHERWISE == of(judged(listed(message="wrong"), ENC_01=CAPPED)).findings[0]


def test_an_entry_without_a_command_is_about_every_command() -> None:
    """And one with a command about that alone."""
    run = Run(commands=("sms", "airtime"))
    every, one = judged(listed(), run=run, ENC_01=(WRONG,)), judged(listed(command="sms"), run=run, ENC_01=(WRONG,))

    assert [Verdict.KNOWN] * 2 == [of(every, MUST, command).verdict for command in ("sms", "airtime")]
    assert [Verdict.KNOWN, Verdict.FAIL] == [of(one, MUST, command).verdict for command in ("sms", "airtime")]
    assert [0, 1] == [every.exit_code, one.exit_code]


def test_a_run_in_which_nothing_was_exercised_is_never_0() -> None:
    """Even if all of it is listed."""
    exercised = [id_ for id_ in CHECKS if not id_.startswith("LOD-")]  # those are for `load`, and not applicable here
    entries = [listed(id_, "INCONCLUSIVE", number=number) for number, id_ in enumerate(exercised, start=1)]
    nothing = judged_by(dict.fromkeys(CHECKS, saying()), Run().record(), *entries)

    assert 3 == judged(ENC_01=()).exit_code
    assert (Conclusion.INCONCLUSIVE, 3) == (nothing.conclusion, nothing.exit_code)


# --- What is stale


GONE = "the catalogue has no such requirement any more"
EXPIRED = "it expired on 2026-11-21, and the run was on 2026-11-22"
OTHER_MESSAGE = "no finding begins with 'else'; one is 'wrong by 1'"

# An entry, a run and the judgements of ENC-01 in it, and why the entry is stale.
FALSIFIED, MISSED, PASSING = Staleness.MATCHES_NOTHING, (WRONG,), (Passed(),)
OPEN = listed(verdict="INCONCLUSIVE")
STALE: dict[str, tuple[Expectation, Run, tuple[Judgement, ...], tuple[Staleness, str] | None]] = {
    "passes": (listed(), Run(), PASSING, (Staleness.PASSES, "it passes for sms")),
    "is exercised": (OPEN, Run(), PASSING, (Staleness.PASSES, "it passes for sms")),
    "passes without a command": (listed(NO_COMMAND), Run(), MISSED, (Staleness.PASSES, "it passes")),
    "expired": (listed(expires=date(2026, 11, 21)), Run(), MISSED, (Staleness.EXPIRED, EXPIRED)),
    "other message": (listed(message="else"), Run(), MISSED, (FALSIFIED, OTHER_MESSAGE)),
    "other verdict": (listed(verdict="WARN"), Run(), MISSED, (FALSIFIED, "it is FAIL for sms, not WARN")),
    "not inconclusive": (OPEN, Run(), MISSED, (FALSIFIED, "it is FAIL for sms, not INCONCLUSIVE")),
    "gone from the catalogue": (listed("ZZZ-99"), Run(), PASSING, (FALSIFIED, GONE)),
    "holds": (listed(), Run(), MISSED, None),
    "was not exercised": (listed(), Run(), (), None),
    "other command than those of the run": (listed(command="airtime"), Run(), PASSING, None),
    "cut off": (listed(), Run(settled=False), PASSING, None),
    "obstacle": (listed(), Run(obstacle="away"), PASSING, None),
}


def test_an_entry_is_stale_once_it_does_not_hold() -> None:
    """It fails the run; a run that could not show it makes no entry stale."""
    found = {name: judged(entry, run=run, ENC_01=said) for name, (entry, run, said, _) in STALE.items()}

    assert {name: [why] if why else [] for name, (*_, why) in STALE.items()} == {
        name: told(each) for name, each in found.items()
    }
    assert {1} == {each.exit_code for each in found.values() if each.stale}


def test_one_that_passes_for_one_of_its_commands_has_to_be_narrowed() -> None:
    """Otherwise a mended failure could come back unseen."""
    run = Run(commands=("sms", "airtime"))
    found = judged_by({MUST: lambda _, name: iter([WRONG if name == "sms" else Passed()])}, run.record(), listed())

    narrowed = (Staleness.PASSES, "it passes for airtime", "keep an entry for each of sms")
    assert [narrowed] == [(stale.why, stale.detail, stale.advice) for stale in found.stale]


def test_chosen_cases_prove_nothing_about_the_list() -> None:
    """That a failure did not show where only some cases were sent is no news."""
    record = Run().record()
    chosen = Record({**record.settings, "cases": "case.json"}, notes=record.notes)

    assert () == judged_by({}, chosen, listed()).stale


def test_an_expired_entry_explains_nothing() -> None:
    """What it listed is a failure again; it counts through its last day."""
    assert Verdict.FAIL == of(judged(listed(expires=date(2026, 11, 21)), ENC_01=(WRONG,))).verdict
    assert Verdict.KNOWN == of(judged(listed(expires=TODAY), ENC_01=(WRONG,))).verdict


# --- Recorded, and judged later


def failing_run() -> Run:
    """A run that breaks NTF-08 and nothing else that it exercises."""
    run = Run()
    run.invoke("R-1")
    run.notify("R-1", result_code=200)
    return run


def test_a_journal_is_judged_by_its_recorded_expectations() -> None:
    """Offline, without the file; another list may be put in its place."""
    entries = Expectations((listed("NTF-08"),), str(EXPECTATIONS), f"sha256:{1:064x}")
    record = failing_run().record()
    recorded = replace(record, settings={**record.settings, "expectations": entries.recorded()})

    assert [Verdict.KNOWN, Verdict.FAIL, Verdict.FAIL] == [
        of(result.judged, "NTF-08").verdict
        for result in (Result.of(recorded), Result.of(recorded, Expectations((), "none", "d")), Result.of(record))
    ]
    assert Result.of(record, entries).judged == Result.of(recorded).judged


def test_the_report_has_the_list_and_the_entries_behind_a_verdict() -> None:
    """Valid against its schema; of the settings it repeats the name of the file alone."""
    stale = listed("NTF-10", number=2)
    entries = Expectations((listed("NTF-08", message="result_code"), stale), str(EXPECTATIONS), f"sha256:{1:064x}")
    record = failing_run().record()
    settings = {**SETTINGS, **record.settings, "expectations": entries.recorded()}
    document = Result.of(replace(record, settings=settings)).document
    told, (entry,) = document["expectations"], (e for e in document["requirements"] if e["id"] == "NTF-08")

    assert [] == FORMATS.violations("report", document)
    assert str(EXPECTATIONS) == document["settings"]["expectations"]
    assert entries.recorded() | {"stale": told["stale"]} == told
    assert [(2, "NTF-10", "passes")] == [(each["entry"], each["requirement"], each["why"]) for each in told["stale"]]
    known = {"issue": "https://tracker.example/1", "owner": "us", "expires": "2026-11-22"}
    assert [{"entry": 1, "message": "result_code", **known}] == entry["expected"]


# --- Entries to paste


def pasted(found: Judged, tmp_path: Path) -> Expectations:
    """The file with the printed entries."""
    (tmp_path / EXPECTATIONS).write_text("\n".join(entries_to_paste(found, TODAY)), "utf-8")
    return read_expectations(tmp_path / EXPECTATIONS, statum().catalogue)


def test_a_message_to_paste_ends_before_the_details_of_one_request(tmp_path: Path) -> None:
    """So that it fits the values of the next run; a message that distinguishes nothing is left out."""
    rows: list[tuple[list[str], str | None]] = [
        (["result_code is not a string"], "result_code is not a string"),
        (['status_code is the text "200"'], "status_code is the text"),
        (["no notification within 10 s of it"], "no notification within"),
        (["a valid request (minimal) was 400", "a valid request (maximal) was 400"], "a valid request"),
        (["sender_id is missing", "short_code is missing"], None),
        (["wrong"], None),
        (['"\\'], None),
        (["the value – is not a number"], "the value"),
    ]
    found = [pasted(judged(ENC_01=tuple(map(Finding, messages))), tmp_path).entries for messages, _ in rows]

    assert [[beginning] for _, beginning in rows] == [[entry.message for entry in entries] for entries in found]


def test_printed_entries_can_be_pasted(tmp_path: Path) -> None:
    """One entry for each result that was not expected; the same run is then as expected."""
    run = Run(commands=("sms", "airtime"))
    said: dict[str, tuple[Judgement, ...]] = {
        "ENC_01": (Finding('status_code is "\\\n\x7f"'),),
        "AUT_11": (Finding("the 401 carries no WWW-Authenticate"),),
        "CMD_01": (Inconclusive(Reason.PRECONDITION, "no twin"),),
        "NTF_13": (),
    }
    before = judged(run=run, **said)
    entries = pasted(before, tmp_path).entries
    after = judged(*entries, run=run, **said)

    assert [("sms", "FAIL"), ("airtime", "FAIL")] == [(e.command, e.verdict) for e in entries if e.requirement == MUST]
    assert {MUST, SHOULD, NO_COMMAND} == {entry.requirement for entry in entries}
    assert {date(2026, 12, 22)} == {entry.expires for entry in entries}
    assert (1, 0, True, []) == (before.exit_code, after.exit_code, after.as_expected, told(after))
    assert [] == list(entries_to_paste(after, TODAY))


def test_an_environment_failure_is_not_offered() -> None:
    """Nor anything where no file was given."""
    cut_off = judged(ENC_01=(Inconclusive(Reason.INTERRUPTED, "cut off"),))

    assert [] == list(entries_to_paste(cut_off, TODAY))
    assert [] == list(entries_to_paste(replace(judged(ENC_01=(WRONG,)), expectations=Expectations()), TODAY))


def test_an_entry_that_is_in_the_way_is_named() -> None:
    """A second entry like it would be refused as a repeated one."""
    found = judged(listed(expires=date(2026, 1, 1)), ENC_01=(Finding("a message of some length"),))

    assert [
        "# not expected: 1; to be known from now on, add to expectations.toml",
        "# ENC-01 is listed by entry 1 already, which has to be corrected",
    ] == list(entries_to_paste(found, TODAY))


# --- From the command line


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of a run that fails in many ways, without expectations."""
    record = failing_run().record()
    lists: dict[str, Any] = {key: [] for key in ("sender_ids", "short_codes", "phone_numbers")}
    known = {**record.settings, **lists, "consumer_key": "key", "products": ["sms"], "max_examples": 0}
    with Journal.create(tmp_path / "journal.sqlite", known, Redaction.none()) as journal:
        journal.note("settled", {"at": 1000.0})
    return tmp_path / "journal.sqlite"


def test_judge_takes_another_list_from_the_command_line_alone(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From file or environment it would change the verdicts of an old journal."""
    path = expectations_at(tmp_path, expires="2020-01-01")
    reports = ("--report-dir", str(tmp_path / "reports"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATUM_CONFORMANCE_EXPECTATIONS", str(path))

    without = call(capsys, "judge", str(journal), *reports)
    with_it = call(capsys, "judge", str(journal), *reports, "--expectations", str(path))

    assert (3, False) == (without.code, "stale" in without.out)
    assert (1, True) == (
        with_it.code,
        f"stale: entry 1 of {path} (ENC-01 FAIL): it expired on 2020-01-01" in with_it.out,
    )
    assert with_it.out.splitlines()[-1].startswith("inconclusive with 1 stale expectation: ")


def test_the_day_of_a_run_is_that_of_utc() -> None:
    """Wherever it was made."""
    assert date(2026, 11, 21) == day_of(Record({"started_at": "2026-11-22T01:30:00.000+03:00"}))
