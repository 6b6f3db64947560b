"""The pages of a register, and how they are published: nothing of somebody else is obeyed, overwritten or lost."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from command_line import call
from registered import BEGAN, hand_in, judged_report, many

from conformance.contract.contract import statum
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.register.certificates import Checks
from conformance.register.pages import Layout, contents_of, files_of, history_plot
from conformance.register.publishing import publish
from conformance.register.reading import MANIFEST, ReadResults
from conformance.register.results import RegisteredResult
from conformance.register.subjects import Register
from conformance.reports.report import Report, ReportedFinding

Capsys = pytest.CaptureFixture[str]

EVIL = "</script><script>alert(1)</script><img src=//x.invalid/ onerror=alert(1)>\u202e\ud800"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Links(HTMLParser):
    """What a page leads to and loads, and the ids in it."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        told = dict(attrs)
        self.tags.append(tag)
        self.ids += [told["id"] or ""] if "id" in told else []
        self.hrefs += [told[name] or "" for name in ("href", "src") if name in told]


@pytest.fixture
def register(tmp_path: Path) -> Path:
    """A register of three subjects, with histories."""
    many(tmp_path / "in", 1)
    return tmp_path


def made(folder: Path, capsys: Capsys, *options: str) -> dict[str, bytes]:
    """The files that `site` makes of the results in a folder."""
    called = call(capsys, "site", str(folder / "in"), "--out", str(folder / "out"), *options)
    assert 0 == called.code, called.err
    return contents(folder / "out")


# --- Pages


def test_every_link_leads_somewhere(register: Path, capsys: Capsys) -> None:
    """To a file of the register, or to a place in a page of it; an id is there once."""
    files = made(register, capsys)
    pages = {
        name: Links(content) for name, content in files.items() if name.endswith("/index.html") or name == "index.html"
    }
    dead = []
    for name, links in pages.items():
        dead += [(name, id_) for id_ in links.ids if links.ids.count(id_) > 1]
        for href in links.hrefs:
            path, _, anchor = href.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(path))) if path else name
            known = pages[target].ids if target in pages else [anchor]
            if not href.startswith("data:") and (target not in files or (anchor and anchor not in known)):
                dead.append((name, href))

    assert [] == dead
    assert 4 == len(pages)


def test_words_of_others_are_shown_and_not_obeyed(tmp_path: Path, capsys: Capsys) -> None:
    """As name, version, finding, reason and file: on pages, in the badge and in register.json."""
    report = judged_report("client", EVIL, {"SND-01": EVIL}, version=EVIL)
    plain = judged_report("client", "acme")
    hand_in(tmp_path / "in" / "a", report)
    hand_in(tmp_path / "in", replace(report, verdict=plain.verdict), f"{'<b>'}.report.json")
    (tmp_path / "in" / "<script>.report.json").write_text("{}", encoding="utf-8")
    plain_tags = Links(made_of(plain)).tags

    files = made(tmp_path, capsys, "--skip-invalid", "--report-pages", "none")

    pages = [content for name, content in files.items() if name.endswith("index.html")]
    assert 2 == len(pages)
    for page in pages:
        assert 1 == Links(page).tags.count("script")
        assert Links(page).tags.count("img") <= plain_tags.count("img")
        assert b"&lt;script&gt;alert(1)" in page
        assert b"\\u202e" in page
    badge = next(content for name, content in files.items() if name.endswith("badge.svg"))
    assert b"<script" not in badge
    assert json.loads(files["register.json"])["left_out"][0]["file"] == "<script>.report.json"


def made_of(report: Report) -> bytes:
    """The page of a subject with one result."""
    result = RegisteredResult.of_report(report, statum(), Path("report.json"))
    register = Register.of(ReadResults((result,)), [statum()])
    return dict(contents_of(register, Layout("Register")))[f"subjects/{register.subjects[0].slug}/index.html"]


def test_only_the_script_of_the_register_may_run(register: Path, capsys: Capsys) -> None:
    """By a policy that names its digest, and lets nothing be loaded from elsewhere."""
    page = made(register, capsys)["index.html"].decode()

    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src &#39;none&#39;;")
    assert re.search("script-src &#39;sha256-[A-Za-z0-9+/]{43}=&#39;$", policy)
    assert [] == re.findall(r"(?:src|href)=\"(?:https?:)?//", page)


def test_a_page_shows_findings_changes_and_history(tmp_path: Path, capsys: Capsys) -> None:
    """In sentences."""
    for number, broken in enumerate(({}, {"SND-01": "the header is missing"})):
        began = BEGAN + timedelta(days=number)
        hand_in(
            tmp_path / "in" / str(number), judged_report("client", "acme", broken, version=f"1.{number}", began=began)
        )

    files = made(tmp_path, capsys, "--site-url", "https://acme.example/register")

    page = files["subjects/client-acme/index.html"].decode()
    assert "conformant on 2026-03-02 (1.0), non-conformant on 2026-03-03" in page
    assert "This is worse than before." in page
    assert "the header is missing" in page
    assert "[![conformance](https://acme.example/register/subjects/client-acme/badge.svg)]" in page
    assert ["2026-03-03", "2026-03-02"] == re.findall(r"<time[^>]*>([^<]+)</time>", page)
    assert "subjects/client-acme/report.html" in files


def test_a_plot_has_a_column_for_each_of_the_last_results() -> None:
    """None for a single one; as many as can be told apart."""
    reports = [judged_report("client", "acme", began=BEGAN + timedelta(days=day)) for day in range(50)]
    (subject,) = Register.of(
        ReadResults(tuple(RegisteredResult.of_report(report, statum(), Path()) for report in reports)), [statum()]
    ).subjects

    assert None is history_plot(subject.history[:1])
    assert [2, 40] == [str(history_plot(subject.history[:number])).count("<rect") for number in (2, 50)]


def test_a_message_is_cut_short() -> None:
    """A page does not grow with it."""
    finding = ReportedFinding("x" * 1_000_000, value="y" * 1_000_000)
    report = judged_report("client", "acme", {"SND-01": "no header"})
    entries = tuple(replace(e, findings=(finding,) * 9 if e.findings else ()) for e in report.requirements)

    assert len(made_of(replace(report, requirements=entries))) < len(made_of(report)) + 50_000


@pytest.mark.parametrize(
    "address", ["acme.example", "ftp://acme.example/", "https://acme.example/?x", "javascript:alert(1)"]
)
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path, capsys: Capsys) -> None:
    """It would stand in badges."""
    hand_in(tmp_path / "in", judged_report("client", "acme"))
    called = call(capsys, "site", str(tmp_path / "in"), f"--out={tmp_path / 'out'}", f"--site-url={address}")

    assert 2 == called.code
    assert called.only_line == (
        f"error: --site-url is {address!r}; expected the address where the pages are published (hint: such as "
        "https://example.github.io/register/)"
    )


@pytest.mark.parametrize(("how", "expected"), [("made", True), ("copied", True), ("none", False)])
def test_report_pages_are_made_copied_or_left_out(how: str, expected: bool, tmp_path: Path, capsys: Capsys) -> None:  # noqa: FBT001 - a row of the table
    """A page that somebody else made is copied only if that is asked for."""
    hand_in(tmp_path / "in", judged_report("client", "acme"))
    (tmp_path / "in" / "report.html").write_bytes(b"foreign")

    files = made(tmp_path, capsys, "--report-pages", how)

    page = files.get("subjects/client-acme/report.html")
    assert expected is (page is not None)
    assert (how == "copied") is (page == b"foreign")
    assert expected is (b'href="report.html"' in files["subjects/client-acme/index.html"])


# --- Publishing


def test_the_same_results_make_the_same_bytes(register: Path, capsys: Capsys) -> None:
    """In whatever order they are given, and whatever was there before."""
    first = made(register, capsys)
    again = made(register, capsys)
    folders = sorted((register / "in").iterdir(), reverse=True)
    assert 0 == call(capsys, "site", *map(str, folders), "--out", str(register / "other")).code

    assert first == again == contents(register / "other")


def test_another_subject_moves_none(register: Path, capsys: Capsys) -> None:
    """Addresses stay; only pages with all subjects change."""
    before = made(register, capsys)
    hand_in(register / "in" / "z", judged_report("gateway", "Another"))

    after = made(register, capsys)

    assert {"index.html", "register.json", MANIFEST} == {name for name in before if before[name] != after[name]}


def test_pages_of_a_subject_that_is_gone_are_removed_with_a_warning(register: Path, capsys: Capsys) -> None:
    """And nothing else is."""
    hand_in(register / "in" / "z", judged_report("client", "gone"))
    made(register, capsys)
    (register / "in" / "z" / "report.json").unlink()
    (register / "out" / "subjects" / "client-gone" / "note.txt").write_text("mine", encoding="utf-8")

    called = call(capsys, "site", str(register / "in"), "--out", str(register / "out"))

    assert "warning: removed, for no result was given of: client-gone\n" == called.err
    left = {name for name in contents(register / "out") if "client-gone" in name}
    assert {"subjects/client-gone/note.txt"} == left


FILES = {"index.html": b"page", "subjects/a/index.html": b"a"}


def published(folder: Path, files: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """The folder with those files, as a register writes them."""
    files = FILES if files is None else files
    publish(folder, files, files.items())
    return contents(folder)


def test_files_of_somebody_else_are_never_overwritten(tmp_path: Path) -> None:
    """Nor followed by links; each is named, and nothing is written."""
    foreign, changed, linked, blocked = (tmp_path / name for name in ("foreign", "changed", "linked", "blocked"))
    foreign.mkdir()
    (foreign / "index.html").write_bytes(b"mine")
    published(changed)
    (changed / "index.html").write_bytes(b"mine")
    (tmp_path / "elsewhere").mkdir()
    linked.mkdir()
    (linked / "subjects").symlink_to(tmp_path / "elsewhere")
    (blocked / "index.html").mkdir(parents=True)
    expected = {
        foreign: "index.html: no register wrote it",
        changed: "index.html: it was changed since the register wrote it",
        linked: "subjects/a/index.html: it is, or is below, a symbolic link",
        blocked: "index.html: it is not a file",
    }
    before = contents(tmp_path)

    said = {}
    for folder in expected:
        with pytest.raises(
            UsageError, match="holds files that the register did not write; nothing is written"
        ) as refused:
            published(folder, {**FILES, "index.html": b"new"})
        said[folder] = refused.value.lines

    assert {folder: (f"{folder}/{line}",) for folder, line in expected.items()} == said
    assert before == contents(tmp_path)


def test_files_beside_the_register_stay(tmp_path: Path) -> None:
    """Such as a CNAME."""
    (tmp_path / "CNAME").write_bytes(b"acme.example")
    published(tmp_path)

    assert {"CNAME", MANIFEST, *FILES} == {*published(tmp_path)}


def test_a_register_whose_making_was_cut_off_is_made_again(tmp_path: Path) -> None:
    """Whether the new files were in place or not."""
    published(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_bytes())

    def cut_off() -> Iterator[tuple[str, bytes]]:
        yield "index.html", b"new"
        raise KeyboardInterrupt

    before = contents(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, FILES, cut_off())
    assert before == contents(tmp_path)
    # As after the manifest, and before the files; then as after the first file.
    manifest["files"]["index.html"].append("0" * 64)
    (tmp_path / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    assert published(tmp_path) == before


def test_a_manifest_that_is_none_is_left_alone(tmp_path: Path) -> None:
    """Nothing is removed by what it says, least of all elsewhere."""
    (tmp_path / "mine.txt").write_bytes(b"mine")
    out = tmp_path / "out"
    published(out)
    manifest = json.loads((out / MANIFEST).read_bytes())
    manifest["files"] |= {"../mine.txt": [], str(tmp_path / "mine.txt"): []}
    (out / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")

    assert {MANIFEST, *FILES} == {*published(out)}
    assert b"mine" == (tmp_path / "mine.txt").read_bytes()
    (out / MANIFEST).write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="is not the list of files of a register"):
        published(out)


def test_a_directory_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    """A file is in its place, or of one of its folders."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "subjects").write_bytes(b"")

    with pytest.raises(UsageError, match=r"--out names .*/file, which is a file; expected a directory"):
        published(tmp_path / "file")
    with pytest.raises(EnvironmentFailure, match=r"the register cannot be written to .*/out"):
        published(tmp_path / "out")
    assert {"file", "out/subjects"} == {*contents(tmp_path)}


def test_the_names_of_all_files_are_known_before_one_is_made(tmp_path: Path) -> None:
    """So that nothing is made in vain."""
    many(tmp_path, 1)
    reading = ReadResults.of(sorted(tmp_path.rglob("report.json")), {"statum": statum()}, Checks())
    register = Register.of(reading, [statum()])
    layout = Layout("Register")

    assert files_of(register, layout) == [name for name, _ in contents_of(register, layout)]
