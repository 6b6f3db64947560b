"""`report`: each report of an old result made anew to the byte, of report.json and, for what was said, the journal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from campaigns import held
from client_records import Certification, Sent
from command_line import Called, call
from made_result import LISTED, PASSED, result_of, unexercised
from seeded import fault

from conformance.cli.report import BADGE_SVG, FILES
from conformance.contract.contract import statum
from conformance.gateway.campaign import JOURNAL
from conformance.journal import read_journal
from conformance.judging.expectations import Expectations, Stale, Staleness
from conformance.judging.judgement import Reason
from conformance.mock.behaviour import BUILT_IN
from conformance.model.errors import UsageError
from conformance.reports.files import (
    ALLURE_RESULTS,
    NEED_JOURNAL,
    REPORT_HTML,
    REPORT_JSON,
    REPORTS,
    SHOW_JOURNAL,
    TRAFFIC_HAR,
    Content,
    Folder,
    json_report,
    read_report,
    read_saved,
    write_reports,
)
from conformance.reports.har import har
from conformance.reports.report import Report
from conformance.reports.result import Reportable, Result

Capture = pytest.CaptureFixture[str]


def of_a_client() -> Result:
    """The result of a certification whose client said that a refusal was a success, and whose driver died once."""
    certification = Certification()
    certification.call(Sent())
    certification.call(Sent(status=422))
    certification.call(Sent(), said=None, death="exit")
    return Result.of(certification.record())


NUMBER = "254712345999"
STALE = Stale(LISTED, Staleness.PASSES, "it passes for sms", "remove it")
RESULTS = {
    "every verdict": result_of(),
    "conformant": result_of(PASSED),
    "unreachable": result_of([unexercised("RSP-03", "sms", Reason.ENVIRONMENT, "unreachable")]),
    "client": of_a_client(),
    "stale": result_of(PASSED, expectations=Expectations((LISTED,), "known.toml", f"sha256:{1:064x}"), stale=(STALE,)),
}
RENDERED = [name for name in REPORTS if name != REPORT_JSON]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves that was told whom to call, of a gateway that breaks one rule."""
    directory = tmp_path_factory.mktemp("run")
    faulty = fault("result-code-as-number").change(BUILT_IN)
    told = {"products": ("sms",), "phone_numbers": (NUMBER,), "max_examples": 0, "notify_within_s": 1.0}
    write_reports(Result.of(read_journal(held(directory, faulty, **told))), directory)
    return directory


@pytest.fixture
def run(left: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return shutil.copytree(left, tmp_path / "run")


def contents(path: Path) -> bytes | dict[str, bytes]:
    """Of a file, or of the files in a folder."""
    return {each.name: each.read_bytes() for each in path.iterdir()} if path.is_dir() else path.read_bytes()


def whole(made: Content | Folder) -> bytes | dict[str, bytes]:
    """What a report function makes, so that it can be compared."""
    if isinstance(made, Mapping):
        return dict(made)
    return made if isinstance(made, bytes) else b"".join(made)


def report(capsys: Capture, directory: Path, *arguments: str) -> Called:
    """Call the command."""
    return call(capsys, "report", "--from", str(directory), *arguments)


def changed(directory: Path, **members: Any) -> None:
    """Change members of `report.json`; those that are to be None go."""
    document = {**json.loads((directory / REPORT_JSON).read_bytes()), **members}
    document = {name: value for name, value in document.items() if value is not None}
    (directory / REPORT_JSON).write_text(json.dumps(document), encoding="utf-8")


# --- The same bytes


def test_every_report_of_a_run_can_be_asked_for() -> None:
    """By a name that none of the others has; and a badge, which a run does not write."""
    assert {*RENDERED, BADGE_SVG} == set(FILES.values())
    assert len(FILES) == len(set(FILES.values()))


@pytest.mark.parametrize("name", [name for name in FILES if FILES[name] != BADGE_SVG])
def test_a_report_made_anew_is_that_of_the_run(name: str, left: Path, tmp_path: Path, capsys: Capture) -> None:
    """To the byte, elsewhere, and nothing else is written."""
    made = tmp_path / "deeper" / "made"

    called = report(capsys, left, f"--{name}", str(made))

    assert (0, f"{made} is written\n", "") == (called.code, called.out, called.err)
    assert contents(left / FILES[name]) == contents(made)
    assert [made] == list(made.parent.iterdir())


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_whatever_the_verdicts_it_is_the_same(name: str, result: Result) -> None:
    """Of a result that was written and read back."""
    read_back = Reportable(Report.read(json.loads(json_report(result))), statum(), result.record, result.masking)

    assert whole(REPORTS[name](result)) == whole(REPORTS[name](read_back))


def test_all_are_made_anew_in_their_places(run: Path, capsys: Capture) -> None:
    """The report directory is as the run left it, and report.json, which they are made of, is not touched."""
    before = {path.name: contents(path) for path in run.iterdir()}
    for name in RENDERED:
        (shutil.rmtree if (run / name).is_dir() else Path.unlink)(run / name)
    stamp = (run / REPORT_JSON).stat().st_mtime_ns

    called = report(capsys, run, "--all")

    assert (0, "") == (called.code, called.err)
    assert {f"{run / name} is written" for name in RENDERED} == set(called.out.splitlines())
    assert before == {path.name: contents(path) for path in run.iterdir()}
    assert stamp == (run / REPORT_JSON).stat().st_mtime_ns


def test_phone_numbers_are_shown_as_they_were(run: Path, capsys: Capture) -> None:
    """Masked, or whole where the result was judged so; the journal has them in any case."""
    assert NUMBER.encode() not in (run / TRAFFIC_HAR).read_bytes()
    write_reports(Result.of(read_journal(run / JOURNAL), show_phone_numbers=True), run)
    shown = {name: contents(run / name) for name in RENDERED}

    report(capsys, run, "--all")

    assert shown == {name: contents(run / name) for name in RENDERED}
    assert NUMBER.encode() in (run / TRAFFIC_HAR).read_bytes()


def test_a_badge_is_that_of_the_command_for_badges(left: Path, tmp_path: Path, capsys: Capture) -> None:
    """Of the same report."""
    report(capsys, left, "--badge", str(tmp_path / "made.svg"))

    assert call(capsys, "badge", str(left / REPORT_JSON)).out == (tmp_path / "made.svg").read_text(encoding="utf-8")


# --- What is asked for, and where it goes


def test_a_report_without_a_place_goes_to_its_usual_one(run: Path, capsys: Capture) -> None:
    """Several at once, beside one that has a place."""
    (run / "junit.xml").unlink()

    called = report(capsys, run, "--junit", "--badge", "--summary", str(run / "page.md"))

    assert {"junit.xml", "badge.svg", "page.md"} == {Path(line.split()[0]).name for line in called.out.splitlines()}
    assert (run / "summary.md").read_bytes() == (run / "page.md").read_bytes()
    assert (run / "junit.xml").is_file()


def test_the_page_is_made_if_nothing_is_asked_for(run: Path, capsys: Capture) -> None:
    """Also where the file itself is named."""
    called = report(capsys, run / REPORT_JSON)

    assert f"{run / REPORT_HTML} is written\n" == called.out


def test_in_a_folder_a_report_has_its_usual_name(left: Path, tmp_path: Path, capsys: Capture) -> None:
    """As with other programs that write files."""
    report(capsys, left, "--sarif", str(tmp_path))

    assert [tmp_path / "report.sarif"] == list(tmp_path.iterdir())


# --- Without the journal


def test_the_others_need_no_journal(run: Path, capsys: Capture) -> None:
    """They are the same without it."""
    alone = set(RENDERED) - NEED_JOURNAL - SHOW_JOURNAL
    before = {name: contents(run / name) for name in alone}
    (run / JOURNAL).unlink()

    called = report(capsys, run, "--all")

    assert 0 == called.code
    assert before == {name: contents(run / name) for name in alone}
    assert alone == {Path(line.split()[0]).name for line in called.out.splitlines() if line.endswith(" is written")}


def test_what_shows_messages_says_that_there_are_none(run: Path, tmp_path: Path, capsys: Capture) -> None:
    """The page, and Allure's results: as many tests, with the findings as evidence."""
    (run / JOURNAL).unlink()
    for name in ("html", "allure"):
        called = report(capsys, run, f"--{name}", str(tmp_path / name))
        assert f"{tmp_path / name} is written without messages, for there is no {run / JOURNAL}\n" == called.out

    before, made = contents(run / ALLURE_RESULTS), contents(tmp_path / "allure")
    assert isinstance(before, dict)
    assert isinstance(made, dict)
    assert set(before) == set(made)
    (evidence,) = (made[name].decode() for name in made if name.endswith(".txt"))
    assert "=== finding 1 of 1: result_code is not a string" in evidence
    assert "--- notification" not in evidence


def test_traffic_without_a_journal_is_refused(run: Path, capsys: Capture) -> None:
    """One line; of all that was asked for nothing is written. Among all it is left out, and told."""
    (run / JOURNAL).unlink()
    asked = report(capsys, run, "--har", "--badge")
    among = report(capsys, run, "--all")

    assert (2, "") == (asked.code, asked.out)
    assert f"error: traffic.har is made of the journal, and there is no {run / JOURNAL} (hint: " in asked.only_line
    assert not (run / BADGE_SVG).exists()
    assert f"{run / TRAFFIC_HAR} is left out, for there is no {run / JOURNAL}" == among.only_line
    with pytest.raises(UsageError, match="stands in the journal alone"):
        har(read_saved(run, run / JOURNAL, statum()))


def test_a_journal_that_is_elsewhere_is_named(run: Path, tmp_path: Path, capsys: Capture) -> None:
    """As that of a result that was judged again."""
    before = (run / TRAFFIC_HAR).read_bytes()
    elsewhere = (run / JOURNAL).rename(tmp_path / "kept.sqlite")

    called = report(capsys, run, "--har", "--journal", str(elsewhere))

    assert 0 == called.code
    assert before == (run / TRAFFIC_HAR).read_bytes()


# --- What cannot be used


def test_the_journal_of_another_run_is_refused(run: Path, capsys: Capture) -> None:
    """Its messages would be shown for findings that they have nothing to do with."""
    changed(run, seed=8)

    called = report(capsys, run, "--junit")

    assert 2 == called.code
    assert f"{run / JOURNAL} is of another run: began " in called.only_line
    assert " with seed 7, the report's began " in called.only_line


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file or directory (hint: name a report.json"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a report of statum-conformance"),
        ('{"schema_version": 0}', "has schema_version 0; this version reads 1 (hint: `statum-conformance judge`"),
        ('{"schema_version": 2}', "has schema_version 2; this version reads 1"),
    ],
)
def test_what_is_no_report_is_told(content: str | None, complaint: str, tmp_path: Path, capsys: Capture) -> None:
    """In one line, and nothing is written."""
    if content is not None:
        (tmp_path / REPORT_JSON).write_text(content, encoding="utf-8")

    called = report(capsys, tmp_path, "--all")

    assert 2 == called.code
    assert complaint in called.only_line
    assert {REPORT_JSON} >= {path.name for path in tmp_path.iterdir()}


def _changed(left: Path, directory: Path, name: str, value: object) -> Path:
    """A report directory whose document has another value in one place, which `name` leads to."""
    document = json.loads((left / REPORT_JSON).read_bytes())
    *path, last = name.split("/")
    place = document
    for part in path:
        place = place[int(part) if part.isdecimal() else part]
    place[last] = value
    changed = directory
    changed.mkdir()
    (changed / REPORT_JSON).write_text(json.dumps(document), encoding="utf-8")
    return changed


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("requirements/0/command", "smz", "tells of a command 'smz', which this version does not know"),
        ("coverage/0/command", "elsewhere", "tells of a command 'elsewhere'"),
        ("settings/gateway", [], "is none that a run writes"),
    ],
)
def test_what_no_run_writes_is_told(  # noqa: PLR0913, PLR0917 - what is changed, and what is told of it
    left: Path, tmp_path: Path, name: str, value: object, complaint: str, capsys: Capture
) -> None:
    """In one line, whichever report is asked for, and for whichever command; nothing is written."""
    changed = _changed(left, tmp_path / "changed", name, value)

    called = report(capsys, changed, "--html", "--junit", "--sarif", "--summary")

    assert (2, [REPORT_JSON]) == (called.code, [path.name for path in changed.iterdir()])
    assert complaint in called.only_line
    compared = call(capsys, "compare", str(left), str(changed))
    assert 4 != compared.code
    assert "please report it" not in compared.err


def test_a_journal_that_is_none_is_told(run: Path, capsys: Capture) -> None:
    """Whether it was named or not."""
    (run / JOURNAL).write_text("no journal", encoding="utf-8")

    assert 2 == report(capsys, run, "--junit").code
    assert f"there is no journal {run / 'other'}" in report(capsys, run, "--journal", str(run / "other")).only_line


def test_a_place_that_cannot_be_written_is_told(left: Path, tmp_path: Path, capsys: Capture) -> None:
    """With the reason."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    called = report(capsys, left, "--junit", str(tmp_path / "file" / "junit.xml"))

    assert 3 == called.code
    assert f"{tmp_path / 'file' / 'junit.xml'} cannot be written: " in called.only_line


def test_a_report_that_lacks_something_is_refused_or_does_without(tmp_path: Path) -> None:
    """Whichever member is gone: nobody meets a program that fails in the middle."""
    document = json.loads(json_report(result_of()))
    failed, known = document["requirements"][1], document["requirements"][-1]
    refused, done_without = set(), set()
    for place in (document, document["tool"], document["settings"], failed, failed["findings"][0], known):
        for name in list(place):
            value = place.pop(name)
            (tmp_path / REPORT_JSON).write_text(json.dumps(document), encoding="utf-8")
            place[name] = value
            try:
                saved = Reportable(read_report(tmp_path, statum()), statum())
            except UsageError:
                refused.add(name)
                continue
            done_without.add(name)
            for each in set(RENDERED) - NEED_JOURNAL:
                whole(REPORTS[each](saved))

    assert {"schema_version", "settings", "products", "failed", "pointer", "expected"} <= refused
    assert {"coverage", "figures", "loopback"} <= done_without
