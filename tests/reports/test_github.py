"""A run on GitHub: its job's summary, its annotations, and a gateway that would like to give the runner orders."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from campaigns import held
from command_line import call
from hypothesis import example, given
from hypothesis import strategies as st
from made_result import PASSED, WRONG_TYPE, result_of, verdict
from seeded import fault

from conformance.contract.contract import statum
from conformance.judging.judgement import Finding
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.reports.console import WithoutCommands, print_line, results
from conformance.reports.summary import MOST_BYTES, MOST_OF_A_KIND, SHOWN_PROBLEMS, summary, workflow_commands
from conformance.reports.text import fenced, for_markdown, for_runner

Capture = pytest.CaptureFixture[str]

ANY_TEXT = st.text(st.characters() | st.sampled_from(":#[`\n\r \t%,|<@"), max_size=40)
# As GitHub's runner finds a command in a line that it has read.
OBEYED = re.compile(r"^\s*::|##\[")
NASTY = "::error::x\r\n::add-mask::y ##[error]z %0A"


def said(text: str) -> Finding:
    """A finding with the gateway's words wherever they may be."""
    return replace(WRONG_TYPE, message=text, value=text, request_id=text, pointer=text)


def lines(text: str) -> list[str]:
    """As the runner parts them."""
    return re.split("[\r\n]", text)


@given(ANY_TEXT)
@example(NASTY)
def test_the_runner_hears_nothing_of_what_is_printed(text: str) -> None:
    """Whatever is written, and however it is parted into lines."""
    file = io.StringIO(newline="")
    WithoutCommands(file).write(text)

    assert [] == [line for line in lines(file.getvalue()) if OBEYED.search(line)]


def test_what_is_harmless_is_printed_as_it_is() -> None:
    """Colons within a line are everyday."""
    assert "POST http://[::1]:9000 a::b\n# # [x]" == for_runner("POST http://[::1]:9000 a::b\n# # [x]")


def test_the_consoles_are_not_heard_on_github(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """And elsewhere write what they are given."""
    print_line(results(), "::error::x")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    print_line(results(), "::error::x")

    assert "::error::x\n\\x3a:error::x\n" == capsys.readouterr().out


@given(ANY_TEXT)
@example(NASTY)
def test_an_annotation_is_one_command_whatever_a_gateway_says(text: str) -> None:
    """One line, with one title, and nothing that the runner reads back as a line break."""
    (line,) = workflow_commands(result_of([verdict("RSP-03", "sms", Verdict.FAIL, said(text))]).report)

    assert line.isprintable()
    assert line.startswith("::error title=FAIL RSP-03 sms::status_code is a JSON number.")
    assert "%0A" not in line
    assert "%0D" not in line


def test_no_more_annotations_than_are_shown() -> None:
    """The gravest come first; those after the tenth of a kind would be dropped, so the tenth names the rest."""
    ids = [f"RSP-{number:02}" for number in range(1, 17)]
    broken = [verdict(each, "sms", Verdict.FAIL, WRONG_TYPE) for each in ids]
    warned = verdict("AUT-11", "sms", Verdict.WARN, WRONG_TYPE)

    lines = list(workflow_commands(result_of([warned, *broken]).report))

    assert ["::error"] * MOST_OF_A_KIND + ["::warning"] == [line.split(" ")[0] for line in lines]
    assert all(any(each in line for line in lines) for each in ids)


def test_a_conformant_run_needs_no_annotation() -> None:
    """There is nothing to look into."""
    assert [] == list(workflow_commands(result_of(PASSED).report))


# --- summary.md


@given(ANY_TEXT)
@example("`` ` ``` </details> | @you <script> [x](y)")
def test_words_of_a_gateway_stay_in_their_span_of_code(text: str) -> None:
    """No run of backticks within is as long as those around it."""
    span = for_markdown(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    within = span[len(fence) : -len(fence)]

    assert span.isprintable()
    assert span.endswith(fence)
    assert len(fence) not in map(len, re.findall("`+", within))


def test_a_block_of_code_is_not_ended_by_what_is_in_it() -> None:
    """Its fence is longer."""
    assert "`````sh\n````\n`````" == fenced("````", "sh")


def broken(number: int, text: str) -> list[RequirementVerdict]:
    """So many failures of a gateway that says `text` wherever it can, and a warning."""
    ids = [requirement.id for requirement in statum().catalogue.requirements if requirement.id != "AUT-11"]
    failures = [verdict(each, "sms", Verdict.FAIL, said(text)) for each in ids[:number]]
    return [*failures, verdict("AUT-11", "sms", Verdict.WARN, said(text))]


def test_the_summary_shows_the_first_and_counts_the_rest() -> None:
    """The evidence of ten, the names of other failures, the number of the rest."""
    text = summary(result_of(broken(16, "x" * 10_000))).decode()

    assert (SHOWN_PROBLEMS, 16 - SHOWN_PROBLEMS) == (text.count("### ✗ FAIL"), text.count("\n- FAIL "))
    assert "… and 1 more in `report.html`." in text


@pytest.mark.parametrize("text", ["x", "🇰🇪" * 10_000, "`" * 10_000, "\x00" * 10_000])
@pytest.mark.parametrize("number", [1, 40, 1000])
def test_the_summary_has_room_in_a_comment(number: int, text: str) -> None:
    """However much failed and whatever the gateway says: GitHub refuses a longer one as a whole."""
    found = summary(result_of(broken(number, text)))

    assert len(found) <= MOST_BYTES
    assert 1 <= found.count("### ✗ FAIL".encode()) <= SHOWN_PROBLEMS
    assert found.count(b"<details>") == found.count(b"</details>")
    assert b"## How to repeat the run" in found


def test_a_problem_says_how_it_is_explained_and_sent_again() -> None:
    """With the failures of the same cause, and the case."""
    text = summary(result_of([verdict("RSP-03", "sms", Verdict.FAIL, WRONG_TYPE)])).decode()

    assert "# ❌ non-conformant\n" in text
    assert "\nstatum-conformance explain RSP-03\nstatum-conformance replay sms/valid/random/1 --journal " in text


def test_the_summary_of_a_conformant_run_is_short() -> None:
    """The verdict, what it rests on, the matrix folded away, how to repeat it."""
    text = summary(result_of(PASSED)).decode()

    assert text.startswith("# ✅ conformant\n")
    assert "2 of 2 MUST passed." in text
    assert "###" not in text


# --- The command


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a small run against a gateway that breaks one rule."""
    faulty = fault("result-code-as-number").change(BUILT_IN)
    return held(tmp_path_factory.mktemp("run"), faulty, products=("sms",), max_examples=0, notify_within_s=1.0)


def test_on_github_there_are_annotations_and_a_summary(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The annotations on standard error, so that the result alone is on standard output; the summary after others."""
    job = tmp_path / "summary"
    job.write_bytes(b"# Before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job))

    called = call(capsys, "judge", str(journal), "--report-dir", str(tmp_path / "reports"))

    assert 1 == called.code
    assert ["::error title=FAIL NTF-08 sms"] == [line.rpartition("::")[0] for line in called.err.splitlines()]
    assert [] == [line for line in lines(called.out) if OBEYED.search(line)]
    assert b"# Before\n" + (tmp_path / "reports" / "summary.md").read_bytes() == job.read_bytes()


def test_elsewhere_there_are_none(journal: Path, tmp_path: Path, capsys: Capture) -> None:
    """Nobody would read them."""
    assert "" == call(capsys, "judge", str(journal), "--report-dir", str(tmp_path)).err


def test_a_summary_that_cannot_be_written_is_warned_of(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The verdict stays what it is."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))

    called = call(capsys, "judge", str(journal), "--report-dir", str(tmp_path / "reports"))

    assert 1 == called.code
    assert f"warning: {tmp_path} ($GITHUB_STEP_SUMMARY) cannot be written: Is a directory" == called.only_line
