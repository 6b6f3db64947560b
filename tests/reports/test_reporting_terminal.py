"""The result as a person reads it on a screen and in a log, what -v adds, and what it is made of."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import pytest
from golden_files import Screen
from made_result import (
    CASE,
    LOST,
    PASSED,
    RECORD,
    SETTINGS,
    UNCHALLENGED,
    VERDICTS,
    WRONG_TYPE,
    result_of,
    unexercised,
    verdict,
)
from rich.console import Console
from run_records import Run

from conformance.contract.contract import statum
from conformance.contract.requirements import Basis, Level
from conformance.journal import Note, Record
from conformance.judging.judgement import OneCause, Reason
from conformance.judging.verdicts import Verdict
from conformance.reports.console import LONGEST_LINE, print_command
from conformance.reports.problems import shortfalls
from conformance.reports.reproduce import repeat_command
from conformance.reports.result import Result
from conformance.reports.terminal import (
    MOST_LINES,
    NAMED,
    SHOWN_REPEATS,
    SHOWN_SLOWEST,
    show,
    show_observed,
    verdict_line,
)
from conformance.reports.view import hinders

REPORT, JOURNAL = Path("reports/report.html"), Path("reports/journal.sqlite")


def shown(result: Result, width: int = 100, *, color: bool = False, screen: bool = False, verbose: bool = False) -> str:
    """What is printed, without the blanks that fill lines up."""
    file = Screen() if screen else StringIO()
    system: Literal["standard"] | None = "standard" if color else None
    console = Console(file=file, width=width, force_terminal=color or screen, color_system=system)
    if verbose:
        show_observed(result, console)
    show(result, console, REPORT, JOURNAL)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


REPEAT = "repeat with: statum-conformance run --gateway http://127.0.0.1:9000/api/v2 --consumer-key key --seed 4711"
VERDICT = (
    "non-conformant: 2 of 8 MUST passed, 3 failed, 1 known to fail, 2 not exercised, 1 warning · "
    "1 exchange, 0 notifications · seed 4711 · reports/report.html"
)


@pytest.mark.parametrize("kind", [Verdict.FAIL, Verdict.WARN, Verdict.KNOWN])
def test_no_word_is_cut_on_a_screen_of_60_columns(kind: Verdict) -> None:
    """Whichever requirement it is, for all of its commands; and no line is longer than the screen."""
    for requirement in statum().catalogue.requirements:
        if requirement.excluded:
            continue
        broken = [verdict(requirement.id, command, kind, LOST) for command in requirement.commands]

        text = shown(result_of(broken), 60, screen=True)

        assert [] == [word for word in requirement.title.split() if word not in text.split()], requirement.id
        assert {kind.value, requirement.id} <= set(text.split())
        assert 60 >= max(map(len, text.splitlines()))


def test_a_long_word_of_a_finding_is_shown_whole() -> None:
    """It goes on in the next line; nothing of it is left out."""
    url = "https://hooks.example/" + "x" * 70
    long = replace(WRONG_TYPE, message=f"it went to {url} instead")

    text = shown(result_of([verdict("RSP-03", "sms", Verdict.FAIL, long)]), 60, screen=True)

    assert url in "".join(text.split())
    assert "…" not in text


def test_a_command_that_is_too_long_for_the_screen_can_still_be_pasted() -> None:
    """It goes on after a backslash; in a log it is one line."""
    text = shown(result_of(), 60, screen=True).replace(" \\\n   ", "")

    assert REPEAT in text.replace(" \\\n ", "").splitlines()
    assert f"  replay with: statum-conformance replay {CASE.id} --journal {JOURNAL}" in text.splitlines()
    assert REPEAT in shown(result_of()).splitlines()


def test_a_long_word_of_a_command_goes_on_in_the_next_line_of_a_log() -> None:
    """A shell puts it together again, whatever is quoted in it."""
    texts = ("x" * 1_200, "it's " * 300, '"$HOME" \\' * 120, f"{'a b' * 200}'")
    pasted = []
    for text in texts:
        file = StringIO()
        print_command(Console(file=file, width=80), "", f'printf %s {shlex.quote(text)} "$UNSET"')
        lines = file.getvalue()
        assert LONGEST_LINE >= max(map(len, lines.splitlines()))
        pasted.append(subprocess.run(["sh", "-c", lines], capture_output=True, text=True, check=True).stdout)  # noqa: S607

    assert list(texts) == pasted


def test_cases_that_were_left_out_have_a_few_lines_on_the_screen() -> None:
    """With their number; -v names each."""
    notes = tuple(Note(n, "left-out", {"case": f"corpus/{n}", "why": "no"}, 1.0, 1.0) for n in range(10))
    result = result_of(record=replace(RECORD, notes=notes))

    assert 3 == shown(result).count("left out corpus/")
    assert "left out 7 more cases of files; -v names each" in shown(result)
    assert 10 + 3 == shown(result, verbose=True).count("left out corpus/")


def test_no_line_of_a_log_is_longer_than_people_read() -> None:
    """Nor is a command."""
    long = replace(WRONG_TYPE, message=" ".join(["x" * 20] * 100))
    settings = {**SETTINGS, "products": ["sms"], "phone_numbers": [f"2547{n:08}" for n in range(50)]}

    text = shown(result_of([verdict("RSP-03", "sms", Verdict.FAIL, long)], replace(RECORD, settings=settings)))

    assert LONGEST_LINE >= max(map(len, text.splitlines())) > LONGEST_LINE / 2


def test_the_last_line_is_the_verdict() -> None:
    """One line, however narrow the terminal is said to be."""
    assert VERDICT == shown(result_of(), 40).splitlines()[-1]


def test_a_conformant_run_is_told_in_few_lines() -> None:
    """There are no problems."""
    assert [
        "2 PASS",
        REPEAT,
        "conformant: 2 of 2 MUST passed, 0 warnings · 1 exchange, 0 notifications · seed 4711 · reports/report.html",
    ] == shown(result_of(PASSED)).splitlines()


def test_an_inconclusive_run_says_how_much_was_not_exercised() -> None:
    """In the verdict itself."""
    result = result_of([*PASSED, unexercised("AUT-02", "sms", Reason.PRECONDITION, "why")])

    assert verdict_line(result).startswith("inconclusive: 2 of 3 MUST passed, 1 not exercised, 0 warnings · ")


def test_without_colour_no_control_character_is_printed() -> None:
    """What CI stores can be read as text."""
    assert shown(result_of()).replace("\n", "").isprintable()


def test_with_colour_verdicts_are_coloured() -> None:
    """On a terminal that has colours."""
    assert "\x1b[1;31mFAIL\x1b[0m" in shown(result_of(), color=True)


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_COLOR` leaves the text without colours, on a terminal too."""
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b[1;31m" not in shown(result_of(), color=True)


def test_what_a_gateway_says_is_not_obeyed() -> None:
    """Neither a terminal's control sequences nor the markup of the library that prints."""
    nasty = replace(WRONG_TYPE, message="[bold]x[/bold] \x1b[2J :smile:", value="\r\x07", request_id="[red]")

    text = shown(result_of([verdict("RSP-03", "sms", Verdict.FAIL, nasty)]))

    assert "[bold]x[/bold] \\x1b[2J :smile: (/status_code is \\r\\x07)" in text


def test_shortfalls_are_gathered_by_what_there_is_to_look_into() -> None:
    """One broken requirement is one thing, and so is one reason; what does not stand in the way is left out."""
    assert [
        (Verdict.FAIL, ("RSP-03",), ("sms", "mpesa/online")),
        (Verdict.FAIL, ("NTF-01",), ("sms",)),
        (Verdict.WARN, ("AUT-11",), ("sms",)),
        (Verdict.INCONCLUSIVE, ("AUT-02", "AUT-03"), ("sms",)),
        (Verdict.KNOWN, ("ACC-05",), ("sms",)),
    ] == [(found.verdict, found.ids, found.commands) for found in shortfalls(result_of().report)]


@pytest.mark.parametrize("settings", [SETTINGS, {**SETTINGS, "cases": "cases.toml"}])
def test_an_entry_hinders_as_its_verdict_does(settings: dict[str, Any]) -> None:
    """So that a report can be made of report.json alone."""
    chosen = "cases" in settings
    verdicts = [replace(v, asked_for=not chosen or v.reason is not Reason.NO_TRAFFIC) for v in VERDICTS]
    report = result_of(verdicts, replace(RECORD, settings=settings)).report

    assert [v.hinders for v in verdicts] == [hinders(entry, report) for entry in report.requirements]


def test_a_shortfall_shows_its_first_finding() -> None:
    """Also where the first entries have none left to show."""
    broken = [verdict("RSP-03", "sms", Verdict.FAIL, failed=1), verdict("RSP-03", "airtime", Verdict.FAIL, LOST)]

    (found,) = shortfalls(result_of(broken).report)

    assert found.finding is not None
    assert LOST.message == found.finding.message


@pytest.mark.parametrize("screen", [True, False])
def test_a_flood_of_failures_fits_on_a_screen(screen: bool) -> None:  # noqa: FBT001 - where it is shown
    """The first with an example, others by their titles, the ids of the rest: every failure is named."""
    ids = [requirement.id for requirement in statum().catalogue.requirements if not requirement.excluded]
    half = len(ids) // 2
    kinds = [Verdict.FAIL if number < half else Verdict.WARN for number in range(len(ids))]
    broken = [verdict(each, "sms", kind, WRONG_TYPE) for each, kind in zip(ids, kinds, strict=True)]

    lines = shown(result_of(broken), screen=screen).splitlines()

    assert len(lines) <= MOST_LINES + 12
    assert f"non-conformant: {len(ids)} problems, the gravest first" == lines[0]
    titled = [line.split()[1] for line in lines if line.startswith("FAIL ")]
    assert NAMED < len(titled) < half
    rest = next(line for line in " ".join(lines).split("… and ") if " more in " in line)
    assert f"{len(ids) - len(titled)} more in {REPORT}: FAIL " in rest
    areas = {each.partition("-")[0] for each in ids[:half] if each not in titled}
    assert [] == [area for area in areas if area not in rest]


def test_what_costs_money_or_gives_away_a_credential_is_told_first() -> None:
    """Of the failures; warnings come after all of them."""
    costly = next(r.id for r in statum().catalogue.requirements if r.basis is Basis.MONEY and r.level is Level.MUST)
    broken = [verdict("AUT-11", "sms", Verdict.WARN, UNCHALLENGED), *VERDICTS]
    lines = shown(result_of([*broken, verdict(costly, "sms", Verdict.FAIL, LOST)])).splitlines()

    kinds = [line.split()[0] for line in lines if line.startswith(("FAIL ", "WARN "))]
    assert lines[2].startswith(f"FAIL {costly} ")
    assert kinds == sorted(kinds)


def test_one_cause_of_several_requirements_is_one_problem() -> None:
    """The first has the evidence; with -v, too."""
    result = result_of(VERDICTS)
    result = replace(result, report=replace(result.report, one_causes=(OneCause(("RSP-03", "NTF-01"), 3),)))
    text, verbose = shown(result), shown(result, verbose=True)

    assert text.startswith("non-conformant: 2 problems, the gravest first\n\nFAIL RSP-03 ")
    assert f"\n  and NTF-01 {statum().catalogue['NTF-01'].title}\n" in text
    assert "one cause, 2 requirements: RSP-03, NTF-01 (3 exchanges)\nFAIL RSP-03 " in verbose
    evidence = verbose[verbose.index("FAIL RSP-03 ") : verbose.index("WARN AUT-11 ")]
    assert 1 == evidence.count("\n  curl ")


REPEATED: list[tuple[dict[str, Any], str]] = [
    ({}, "--gateway http://127.0.0.1:9000/api/v2 --consumer-key key --seed 4711"),
    ({"subject_name": "built-in mock gateway"}, "--seed 4711"),
    (
        {"subject_name": "x", "products": ["sms"], "sender_ids": ["A B", "C"], "short_codes": ["55555"]},
        "--sender-id 'A B' --sender-id C --short-code 55555 --product sms --seed 4711",
    ),
    (
        {"subject_name": "x", "phone_numbers": ["254711000001"], "notify_within_s": 2.5, "max_examples": 3},
        "--phone-number 254711000001 --notify-within 2.5 --max-examples 3 --seed 4711",
    ),
    (
        {"subject_name": "x", "rate_per_s": 0.5, "concurrency": 2, "read_timeout_s": 45.0},
        "--rate 0.5 --concurrency 2 --read-timeout 45 --seed 4711",
    ),
    ({"subject_name": "x", "exclusive_account": True, "seed": 0}, "--exclusive-account --seed 0"),
    (
        {"callback_listen": "0.0.0.0:8080", "callback_url": "https://h/x?t=1"},
        (
            "--gateway http://127.0.0.1:9000/api/v2 --consumer-key key --callback-listen 0.0.0.0:8080 "
            "--callback-url 'https://h/x?t=1' --seed 4711"
        ),
    ),
]


@pytest.mark.parametrize(("changes", "options"), REPEATED)
def test_the_run_can_be_repeated(changes: dict[str, Any], options: str) -> None:
    """The options that differ from the defaults, fit to be pasted; the secret is not among them."""
    assert f"statum-conformance run {options}" == repeat_command({**SETTINGS, **changes}, statum())


def test_a_load_can_be_repeated() -> None:
    """With the same rate, for the same time, by as many processes, all on this machine."""
    load = {"rate": 250.0, "for_s": 60.0, "workers": 4, "receivers": 2, "slo": {"answer-p99": 0.5, "errors": 0.001}}

    line = repeat_command({**SETTINGS, "subject_name": "x", "load": load, "shrink_requests": 0}, statum())

    told = "--rate 250 --for 60 --workers 4 --receivers 2 --slo answer-p99=500ms,errors=0.1%"
    assert f"statum-conformance load --seed 4711 {told}" == line


# --- What -v adds


def lines_about(record: Record) -> list[str]:
    """What is told below the table."""
    file = StringIO()
    show_observed(result_of(PASSED, record), Console(file=file, width=60))
    return file.getvalue().partition("\n\n")[2].splitlines()


def test_the_slowest_notifications_are_told_with_their_case() -> None:
    """The slowest first, and no more than anybody looks at; an answer is there 0.1 s after its request."""
    run = Run()
    for number in range(1, SHOWN_SLOWEST + 3):
        run.invoke(f"R-{number}")
        run.notify(f"R-{number}", at=number + 0.1 + number / 10)

    told = lines_about(run.record())

    assert [f"slow notification: {n / 10:.3f} s after the answer to case-{n}" for n in (7, 6, 5, 4, 3)] == told


def test_a_notification_that_overtook_its_answer_took_no_time() -> None:
    """It is no negative one."""
    run = Run()
    run.invoke("R-1")
    run.notify("R-1", at=1.01)

    assert ["slow notification: 0.000 s after the answer to case-1"] == lines_about(run.record())


def test_what_was_sent_again_is_told_with_what_came_before() -> None:
    """A 429, or no answer at all; what is endless is cut off, and counted."""
    run = Run()
    limited = run.invoke(status=429)
    run.answer_again(limited, 422, "R-1")
    lost = run.invoke(failure="connection reset")
    run.answer_again(lost, 422, "R-2")

    assert [
        "sent again: case-1, attempt 2 after 429",
        "sent again: case-2, attempt 2 after connection reset",
    ] == lines_about(run.record())

    for number in range(SHOWN_REPEATS):
        run.answer_again(run.invoke(status=429), 422, f"R-{number}")
    assert "sent again: 2 more" == lines_about(run.record())[-1]


def test_what_was_sent_in_the_stead_of_something_lost_is_told() -> None:
    """As the run noted it."""
    note = Note(1, "planned-anew", {"stands_for": {"anew-1/case-1": "case-1"}}, 0.0, 0.0)
    record = Run().record()

    assert ["sent in the stead of case-1: anew-1/case-1"] == lines_about(replace(record, notes=(*record.notes, note)))
