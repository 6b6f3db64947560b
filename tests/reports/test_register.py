"""A register: which files are read, what is one subject, how its results make a history, and what refuses a file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from command_line import call
from made_result import VERDICTS, parcel_result, result_of
from other_contracts import PARCEL, parcel
from registered import BEGAN, hand_in, judged_report

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.judging.verdicts import Verdict
from conformance.model.errors import UsageError
from conformance.register.certificates import Checks
from conformance.register.document import register_json
from conformance.register.reading import MANIFEST, ReadResults, found_in
from conformance.register.results import RegisteredResult, Standing, by_area, by_requirement
from conformance.register.subjects import Register, slug_of
from conformance.reports.report import Report

Capsys = pytest.CaptureFixture[str]
CONTRACTS = {"statum": statum()}
OUT = Path("public")


def registered(*reports: Report) -> Register:
    """The register of reports."""
    results = tuple(RegisteredResult.of_report(report, statum(), Path("report.json")) for report in reports)
    return Register.of(ReadResults(results), [statum()])


def reading_of(*files: Path) -> ReadResults:
    """What is read of files, without keys."""
    return ReadResults.of(files, CONTRACTS, Checks())


# --- Files


def test_folders_are_searched_for_reports_and_certificates(tmp_path: Path) -> None:
    """Each file once, by its path; hidden folders, other names, earlier registers and the place of this one are not."""
    wanted = ["a/report.json", "b/c/acme.report.json", "b/c/certificate.json", "b/x-certificate.json"]
    for name in (*wanted, "a/other.json", ".git/report.json", "old/report.json", f"old/{MANIFEST}", "out/report.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}", encoding="utf-8")
    given = [tmp_path, tmp_path / "a" / "other.json", tmp_path / "a"]

    found = found_in(given, tmp_path / "out")

    assert [*wanted, "a/other.json"] == [path.relative_to(tmp_path).as_posix() for path in found]


BY_THEMSELVES = "name files that are called otherwise one by one)"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", "there is no {} (hint: name a report.json, a certificate.json, or a folder of them)"),
        (
            "empty",
            "{} holds no results; expected report.json or certificate.json, there or in folders below it (hint: "
            + BY_THEMSELVES,
        ),
    ],
)
def test_a_path_without_results_is_refused(name: str, said: str, tmp_path: Path) -> None:
    """It is a mistake, be it one of many paths."""
    (tmp_path / "empty").mkdir()
    path = tmp_path / name

    with pytest.raises(UsageError) as refused:
        found_in([path], OUT)
    assert said.format(path) == str(refused.value)


NEWER = {"schema_version": 2}
ELSEWHERE = {"settings": {**result_of().document["settings"], "contract": {"name": "other", "folder": "/x"}}}
UNFIT = (
    (b"", "it is not JSON: it is empty"),
    (b"{", "it is not JSON: it is not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
    (b"\xff", "it is not JSON: it is not UTF-8: byte 0xff at offset 0"),
    (b"[" * 101 + b"]" * 101, "it is not JSON: it is nested too deeply to be read, more than 100 deep"),
    (b"[]", "it is not a report of statum-conformance: [] is not of type 'object' at /"),
    ({**result_of().document, **NEWER}, "it has schema_version 2; this version reads 1"),
    ({**result_of().document, **ELSEWHERE}, "it is of a run by the contract 'other'; expected one by 'statum'"),
    (
        {**result_of().document, "started_at": "2026-02-30T00:00:00Z"},
        "a value in it is none that a run writes: day is out of range for month",
    ),
    ({"payloadType": "x"}, None),
)


def test_a_file_that_is_no_result_is_named_with_the_reason(tmp_path: Path) -> None:
    """In one line each, and nothing is written; none of the others is lost when they are left out."""
    good = hand_in(tmp_path, judged_report("client", "acme"))
    files = []
    for number, (content, _) in enumerate(UNFIT):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    reading = reading_of(good, *files)

    assert files == [each.file for each in reading.left_out]
    assert [] == [
        (expected, each.reason)
        for (_, expected), each in zip(UNFIT, reading.left_out, strict=True)
        if (expected is not None and not each.reason.startswith(expected)) or "\n" in each.reason
    ]
    assert ["acme"] == [result.name for result in reading.results]
    with pytest.raises(UsageError, match="9 files cannot be read as a result; nothing is written") as refused:
        reading.check_complete()
    assert [str(path) for path in files] == [line.partition(": ")[0] for line in refused.value.lines]


def test_a_file_that_is_no_result_stops_the_register_unless_it_may_be_left_out(tmp_path: Path, capsys: Capsys) -> None:
    """Then terminal, page and register.json name it."""
    hand_in(tmp_path / "in" / "a", judged_report("client", "acme"))
    (tmp_path / "in" / "report.json").write_text("{}", encoding="utf-8")
    out = tmp_path / "out"
    asked = ("site", str(tmp_path / "in"), "--out", str(out))

    stopped = call(capsys, *asked)
    assert (2, "", False) == (stopped.code, stopped.out, out.exists())
    skipped = call(capsys, *asked, "--skip-invalid")

    assert 0 == skipped.code
    assert f"warning: {tmp_path}/in/report.json is left out: it is not a report" in skipped.err
    document = json.loads((out / "register.json").read_bytes())
    assert ["report.json"] == [each["file"] for each in document["left_out"]]
    assert "1 file held no result" in (out / "index.html").read_text("utf-8")
    assert 2 == call(capsys, "site", str(tmp_path / "in" / "report.json"), "--out", str(out), "--skip-invalid").code


# --- Subjects


def test_results_of_one_name_are_one_subject_with_a_history() -> None:
    """Whatever its case, spaces and version, by the time of their runs; each says what changed."""
    of_sdk = [
        judged_report("client", " Acme  SDK", {"SND-01": "no header"}, began=BEGAN + timedelta(days=1), version="1.1"),
        judged_report("client", "acme sdk", began=BEGAN, version="1.0"),
        judged_report("client", "ACME SDK", began=BEGAN + timedelta(days=2), version="1.2"),
    ]

    (subject,) = registered(*of_sdk).subjects

    commands = len([entry for entry in of_sdk[0].requirements if entry.id == "SND-01"])
    expected = [
        ("1.0", "conformant", "first result", ""),
        ("1.1", "non-conformant", f"{commands} broken", "worse"),
        ("1.2", "conformant", f"{commands} fixed", "better"),
    ]
    told = [(row.result.version, row.result.verdict.value, row.in_one_line, row.direction) for row in subject.history]
    assert expected == told
    assert ("ACME SDK", "conformant") == (subject.name, subject.latest.verdict)


def test_moments_are_compared_and_not_their_texts() -> None:
    """Offsets differ."""
    early = judged_report("client", "acme", version="1.0", started_at="2026-03-02T10:00:00+03:00")
    late = judged_report("client", "acme", version="1.1", started_at="2026-03-02T08:00:00Z")

    (subject,) = registered(late, early).subjects

    assert ["1.0", "1.1"] == [row.result.version for row in subject.history]


def test_a_number_without_a_dot_is_part_of_the_name() -> None:
    """It tells sites apart; a driver that declares such a version is believed."""
    names = [
        (result.name, result.version)
        for result in (
            RegisteredResult.of_report(report, statum(), Path())
            for report in (
                judged_report("gateway", "Site 2"),
                judged_report("gateway", "Site v2.1-rc1"),
                judged_report("client", "acme", version="7"),
                judged_report("client", "2.0"),
            )
        )
    ]

    assert [("Site 2", ""), ("Site", "v2.1-rc1"), ("acme", "7"), ("2.0", "")] == names


def test_gateways_clients_and_receivers_are_apart() -> None:
    """A client of which only its receiver was judged is a receiver; equal names do not matter."""
    groups = registered(*(judged_report(kind, "acme") for kind in ("receiver", "client", "gateway"))).groups

    assert ["gateway", "client", "receiver"] == [group.kind for group in groups]
    assert ["gateway-acme", "client-acme", "receiver-acme"] == [group.subjects[0].slug for group in groups]


def test_a_copy_counts_once_and_a_contradiction_twice(tmp_path: Path) -> None:
    """Two reports of one run that differ, as after judging again, are both shown, and a remark names them."""
    first, copy, other = (tmp_path / name for name in ("a", "b", "c"))
    report = judged_report("client", "acme")
    hand_in(first, report)
    hand_in(copy, report)
    hand_in(other, judged_report("client", "acme", {"SND-01": "no header"}))

    reading = reading_of(*(each / "report.json" for each in (first, copy, other)))

    assert [first, other] == [result.file.parent for result in reading.results]
    (remark,) = reading.remarks
    assert remark.startswith(f"{first}/report.json and {other}/report.json are of one run, began 2026-03-02T08:30:00")


NAMES = (
    *("", " ", ".", "..", "../..", "/etc/passwd", "a/b", "a b", "a-b", "a.b", "C:\\x", "con", "a\0b"),
    *("😀", "😁", "ключ", "é", "x" * 60, "x" * 61, "\ud800", "<b>", "%2e%2e", "--out", "-", "a--b", "a_b"),
    *("client-acme", "acme-0123456789abcdef", "https://a.example/api/v2", "http://a.example/api/v2"),
)


def test_an_address_is_safe_for_any_name_and_no_two_names_share_one() -> None:
    """Letters, digits and hyphens, of a bounded length; names that differ only in what is not compared share it."""
    slugs = {name: slug_of("statum", "client", name) for name in NAMES}
    slugs["other"] = slug_of("statum", "gateway", "a-b")
    slugs["contract"] = slug_of("parcel", "client", "a-b")

    assert [] == [slug for slug in slugs.values() if not re.fullmatch(r"(client|gateway)-[a-z0-9-]{1,66}", slug)]
    # Only the empty names are one.
    assert len(slugs) - 1 == len(set(slugs.values()))
    assert "client-a-b" == slugs["a-b"] == slug_of("statum", "client", "A-B")
    assert slugs["a b"] == slug_of("statum", "client", " A\tb")


# --- Verdicts folded


def test_an_area_has_its_gravest_verdict_and_ignores_what_need_not_be_exercised() -> None:
    """NTF-13 has a condition that never came about; NTF-05 has none, and was missed."""
    report = result_of(VERDICTS).report

    requirements, areas = by_requirement(report), by_area(report)

    assert Standing(Verdict.FAIL, 2, 2) == requirements["RSP-03"]
    assert Standing(Verdict.INCONCLUSIVE, 1, 1, idle=True) == requirements["NTF-13"]
    expected = {
        "ENC": Standing(Verdict.PASS, 1, 1),
        "RSP": Standing(Verdict.FAIL, 1, 1),
        "AUT": Standing(Verdict.WARN, 1, 3),
        "CMD": Standing(Verdict.PASS, 1, 1),
        "NTF": Standing(Verdict.FAIL, 1, 3),
        "ACC": Standing(Verdict.KNOWN, 1, 2),
    }
    assert expected == areas


def test_what_is_kept_of_a_report_does_not_grow_with_its_findings() -> None:
    """Hundreds of large reports are read, one after the other."""
    report = judged_report("client", "acme", {"SND-01": "x" * 100_000})
    entry = next(entry for entry in report.requirements if entry.findings)
    finding = replace(entry.findings[0], reproduce="curl " * 10_000)
    many = replace(report, requirements=(replace(entry, findings=(finding,) * 500, failed=500),))

    kept = RegisteredResult.of_report(many, statum(), Path()).report

    assert len(json.dumps(kept.written())) < 10_000


# --- Several contracts and editions


def test_results_by_another_contract_are_a_group_of_their_own(tmp_path: Path, capsys: Capsys) -> None:
    """Its folder has to be given; without it the line says which."""
    hand_in(tmp_path / "in" / "a", parcel_result().report)
    hand_in(tmp_path / "in" / "b", judged_report("gateway", "acme"))
    asked = ("site", str(tmp_path / "in"), "--out", str(tmp_path / "out"))

    unknown = call(capsys, *asked)
    assert 2 == unknown.code
    assert "it is of a run by the contract 'parcel'; expected one by 'statum'" in unknown.err
    assert 0 == call(capsys, *asked, "--contract", str(PARCEL)).code

    groups = json.loads((tmp_path / "out" / "register.json").read_bytes())["groups"]
    assert [("statum", "gateway"), (parcel().name, "gateway")] == [(g["contract"]["name"], g["kind"]) for g in groups]
    assert groups[0]["subjects"][0]["slug"] != groups[1]["subjects"][0]["slug"]


def test_a_contract_that_is_given_twice_is_refused(tmp_path: Path, capsys: Capsys) -> None:
    """Results could not be told apart."""
    hand_in(tmp_path, judged_report("gateway", "acme"))
    called = call(capsys, "site", str(tmp_path), "--out=x", f"--contract={PARCEL}", f"--contract={PARCEL}")

    assert (2, f"error: --contract {PARCEL} is called 'parcel', as another one is; expected other names") == (
        called.code,
        called.only_line,
    )


def test_another_edition_of_the_catalogue_is_said_in_a_line(tmp_path: Path, capsys: Capsys) -> None:
    """On the first page and on that of the subject; its requirements are shown as it has them."""
    old = judged_report("client", "old")
    old = replace(old, tool=replace(old.tool, version="0.0.9", catalogue=f"sha256:{0:064}"))
    hand_in(tmp_path / "in" / "a", replace(old, requirements=old.requirements[:5]))
    hand_in(tmp_path / "in" / "b", judged_report("client", "new"))

    assert 0 == call(capsys, "site", str(tmp_path / "in"), "--out", str(tmp_path / "out")).code

    text = {
        name: (tmp_path / "out" / name).read_text("utf-8") for name in ("index.html", "subjects/client-old/index.html")
    }
    assert "2 editions of the catalogue" in text["index.html"]
    assert "Another edition of the catalogue judged this subject" in text["subjects/client-old/index.html"]


# --- register.json


def test_the_document_is_valid_and_holds_every_subject() -> None:
    """Against its schema, with every kind of verdict."""
    register = registered(
        result_of(VERDICTS).report,
        judged_report("client", "acme", {"SND-01": "no header"}, version="1.0"),
        judged_report("client", "acme", version="1.1", began=BEGAN + timedelta(days=1)),
        judged_report("receiver", "hooks"),
    )

    document = json.loads(register_json(register, "Register"))

    assert [] == FORMATS.violations("register", document)
    assert [each.slug for each in register.subjects] == [s["slug"] for g in document["groups"] for s in g["subjects"]]
