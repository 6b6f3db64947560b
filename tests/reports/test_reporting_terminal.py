"""The result as a person reads it, at two widths, and what it is made of."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from made_result import (
    LOST,
    NOT_SENT,
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

from conformance.contract.contract import statum
from conformance.contract.requirements import Basis, Level
from conformance.judging.judgement import OneCause, Reason
from conformance.judging.verdicts import Verdict
from conformance.reports.reproduce import repeat_command
from conformance.reports.result import Result
from conformance.reports.terminal import SHOWN_SHORTFALLS, show, verdict_line
from conformance.reports.view import hinders, shortfalls

REPORT = Path("reports/report.html")


class Screen(StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def shown(result: Result, width: int = 100, *, color: bool = False) -> str:
    """What is printed, without the blanks that fill lines up."""
    file = StringIO()
    show(
        result,
        Console(file=file, width=width, force_terminal=color, color_system="standard" if color else None),
        REPORT,
    )
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


REPEAT = "repeat with: statum-conformance run --gateway http://127.0.0.1:9000/api/v2 --consumer-key key --seed 4711"
VERDICT = (
    "non-conformant: 2 of 8 MUST passed, 3 failed, 1 known to fail, 2 not exercised, 1 warning · "
    "1 exchange, 0 notifications · seed 4711 · reports/report.html"
)


@pytest.mark.parametrize("kind", [Verdict.FAIL, Verdict.WARN, Verdict.KNOWN])
def test_no_word_is_cut_at_60_columns(kind: Verdict) -> None:
    """Whichever requirement it is, for all of its commands: each word of the table and of the evidence is whole."""
    for requirement in statum().catalogue.requirements:
        if requirement.excluded:
            continue
        told = [verdict(requirement.id, command, kind, LOST) for command in requirement.commands]
        # Beside what makes the other columns as wide as they get.
        others = [unexercised(f"AUT-0{n}", "account-details", Reason.PRECONDITION, NOT_SENT) for n in (2, 3, 4)]

        lines = shown(result_of([*told, *others]), 60).splitlines()
        table = lines[next(at for at, line in enumerate(lines) if line.startswith("verdict ")) :]

        words = "\n".join(table).split()
        assert [] == [word for word in requirement.title.split() if word not in words], requirement.id
        assert {kind.value, requirement.id, "INCONCLUSIVE"} <= set(words)


def test_a_long_word_of_a_finding_is_shown_whole() -> None:
    """It goes on in the next line; nothing of it is left out."""
    url = "https://hooks.example/" + "x" * 70
    long = replace(WRONG_TYPE, message=f"it went to {url} instead")

    text = shown(result_of([verdict("RSP-03", "sms", Verdict.FAIL, long)]), 60)

    assert url in "".join(text.split())
    assert "…" not in text


def test_on_a_screen_prose_is_broken_between_words_and_commands_are_not() -> None:
    """Prose is read, commands are copied; in a log each is one line."""
    screen = Console(file=Screen(), width=60, force_terminal=True, color_system=None)
    show(result_of(), screen, REPORT)
    text = screen.file.getvalue()  # type: ignore[attr-defined]

    lines = text.splitlines()
    assert REPEAT in lines
    assert [] == [line for line in lines if len(line) > 60 and not re.search("curl |listed: |repeat with: ", line)]
    assert " ".join(text.split()).endswith(VERDICT)


def test_the_last_line_is_the_verdict() -> None:
    """One line, however narrow the terminal is said to be."""
    assert VERDICT == shown(result_of(), 40).splitlines()[-1]


def test_a_conformant_run_is_told_in_few_lines() -> None:
    """Nothing fell short, so there is no table."""
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

    assert "[bold]x[/bold] \\x1b[2J :smile:" in text
    assert "/status_code: \\r\\x07 · request_id [red]" in text


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


def test_every_failure_is_named_in_a_flood_of_them() -> None:
    """The first with their evidence, the others in one line each; of warnings the rest is counted."""
    ids = [requirement.id for requirement in statum().catalogue.requirements if not requirement.excluded]
    half = len(ids) // 2
    kinds = [Verdict.FAIL if number < half else Verdict.WARN for number in range(len(ids))]
    broken = [verdict(each, "sms", kind, WRONG_TYPE) for each, kind in zip(ids, kinds, strict=True)]

    lines = shown(result_of(broken)).splitlines()

    assert all(any(line.startswith(f"FAIL {each} ") for line in lines) for each in ids[:half])
    assert half - SHOWN_SHORTFALLS == sum(" sms: " in line for line in lines if line.startswith("FAIL "))
    assert f"… and {len(ids) - half} more in reports/report.html" in lines


def test_what_costs_money_or_gives_away_a_credential_is_told_first() -> None:
    """Of the failures; warnings come after all of them."""
    costly = next(r.id for r in statum().catalogue.requirements if r.basis is Basis.MONEY and r.level is Level.MUST)
    broken = [verdict("AUT-11", "sms", Verdict.WARN, UNCHALLENGED), *VERDICTS]
    lines = shown(result_of([*broken, verdict(costly, "sms", Verdict.FAIL, LOST)])).splitlines()

    assert lines[0].startswith(f"FAIL {costly} ")
    assert [n for n, line in enumerate(lines) if line.startswith("FAIL ")][-1] > 0


def test_one_cause_of_several_requirements_is_told_once() -> None:
    """The requirements that it breaks stand together; only the first has the evidence."""
    result = result_of(VERDICTS)
    report = replace(result.report, one_causes=(OneCause(("RSP-03", "NTF-01"), 3),))
    text = shown(replace(result, report=report))

    assert text.startswith("one cause, 2 requirements: RSP-03, NTF-01 (3 exchanges)\nFAIL RSP-03 ")
    assert text.index("FAIL NTF-01 ") < text.index("WARN AUT-11 ")
    assert 1 == text.count("\n  curl ") - text[text.index("WARN AUT-11 ") :].count("\n  curl ")


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
