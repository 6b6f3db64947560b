"""Cases as files: read and written, their labels proved, fitted to an account, kept when they fail."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from campaigns import SECRET, held, registered, settings, shortfalls
from command_line import CHECKOUT, call
from made_result import SETTINGS

from conformance.contract.commands import COMMANDS
from conformance.contract.schemas import parse_json, violations
from conformance.errors import UsageError
from conformance.gateway_under_test.casefiles import CaseFile, CaseFolder, case_file, file_bytes
from conformance.gateway_under_test.credentials import credential_label, credential_value, with_credential
from conformance.gateway_under_test.keeping import as_file, keep, kept_files
from conformance.gateway_under_test.plan import Plan
from conformance.generation.probes import authorization, credential_probes
from conformance.journal import Record, read_journal
from conformance.mock_gateway.behaviour import Behaviour
from conformance.mock_gateway.faults import fault
from conformance.mock_gateway.serving import serve_mock
from conformance.mock_gateway.variants import BUILT_IN
from conformance.traffic import Case, Kind, header
from conformance.verdicts import Conclusion, Judged, Verdict, judge

BASE = "http://gateway.example/api/v2"
CORPUS = CHECKOUT / "corpus"
SMS = '{"sender_id": "${sender_id}", "phone_number": "${phone_number}", "message": "Habari"}'
AIRTIME = '{"phone_number": "${phone_number}", "amount": "10000"}'


def document(**changes: Any) -> dict[str, Any]:
    """A valid sms case as its file has it, changed; None leaves a member out."""
    members = {"note": "A greeting.", "command": "sms", "kind": "valid", "aspect": "random", "body": SMS, **changes}
    return {name: value for name, value in members.items() if value is not None or name == "command"}


def parsed(**changes: Any) -> CaseFile:
    """The same, read."""
    return case_file(json.dumps(document(**changes)).encode(), "greeting", "greeting.json")


def written(directory: Path, *documents: dict[str, Any]) -> Path:
    """A folder with these files, `a.json` first."""
    directory.mkdir(exist_ok=True)
    for name, content in zip("abcdefgh", documents, strict=False):
        (directory / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return directory


def folder(directory: Path, *documents: dict[str, Any]) -> CaseFolder:
    """The same, read."""
    return CaseFolder.read(written(directory, *documents))


def planned(corpus: CaseFolder, **changes: Any) -> Plan:
    """The plan of a run that begins with a corpus."""
    return Plan.of(settings(Path("reports"), corpus=corpus, **changes), BASE)


def from_corpus(plan: Plan) -> dict[str, Case]:
    """Its cases that come from the files."""
    return {case.id: case for case in plan.cases if case.id.startswith("corpus/")}


# --- Reading and writing


def test_what_goes_without_saying_is_filled_in() -> None:
    """Method and path of the command, ordinary headers, the right credential."""
    step = parsed().step

    assert ("POST", "sms", None, "right") == (step.method, step.path, step.headers, step.credential)


REPEAT = document(kind="repeat", aspect="equal", before=[document(note=None)])
FILES = {
    "valid": document(),
    "bytes": document(kind="malformed", aspect="not-utf8", body=None, body_base64=b64encode(b'{"\xff"}').decode()),
    "headers": document(kind="malformed", aspect="other-content-type", headers=[["Content-Type", "text/plain"]]),
    "bare": document(kind="malformed", aspect="absent-content-type", headers=[]),
    "credential": document(kind="credential", aspect="wrong-key", credential="wrong-key/2"),
    "get": document(command="account-details", kind="headers", aspect="bare-get", body=None, headers=[]),
    "method": document(kind="method", aspect="method:PUT", method="PUT"),
    "path": document(
        command=None, kind="unknown-command", aspect="unknown-GET", method="GET", path="nothing", body=None
    ),
    "broken": document(kind="broken", aspect="missing", body="{}", member="sms", keyword="required")
    | {
        "body": '{"sender_id": "${sender_id}", "phone_number": "${phone_number 2547}"}',
        "member": "message",
    },
    "open": document(kind="open", aspect="over-long", body=SMS.replace("Habari", "a" * 500)),
    "repeat": REPEAT,
    "window": document(
        command="airtime",
        kind="repeat",
        aspect="other-phone",
        body=AIRTIME,
        before=[
            document(command="airtime", aspect="boundary", body=AIRTIME.replace("number}", "number #2}"), note=None)
        ],
    ),
    "found": document(found=[{"requirement": "ACC-02", "message": "500", "date": "2026-11-22", "version": "0.1.0"}]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_written_again_says_the_same(name: str) -> None:
    """Every kind of case survives, and what is written is as the schema has it."""
    file = case_file(json.dumps(FILES[name]).encode(), name, name)

    assert FILES[name] == json.loads(file_bytes(file))
    assert [] == violations("case", parse_json(file_bytes(file)))
    assert file == case_file(file_bytes(file), name, name)


def test_a_digest_tells_what_is_sent_and_not_what_is_said_about_it() -> None:
    """So that a case is kept once."""
    assert parsed().digest == replace(parsed(note="Another note."), name="other").digest
    assert parsed().digest != parsed(body=SMS.replace("Habari", "Jambo")).digest


MISLABELLED = [
    ("no JSON", b"{", "is no JSON"),
    ("not utf-8", b"\xff", "is no JSON"),
    ("member", document(colour="red"), "is not as schemas/case.json has it at /colour"),
    ("kind", document(kind="curious"), "at /kind"),
    ("command", document(command="fax"), "there is no command 'fax'"),
    ("two bodies", document(body_base64="e30="), "both body and body_base64"),
    ("credential in a header", document(headers=[["authorization", "Basic e30="]]), "say `credential` instead"),
    ("broken payload as valid", document(body="{}"), "not every gateway accepts: /sender_id"),
    ("no JSON as valid", document(body="{"), "cannot be read"),
    ("a line as line-breaks", document(aspect="line-breaks"), "has nothing line-breaks in it"),
    ("a short text as long", document(aspect="long"), "has nothing long in it"),
    ("a long text as random", document(body=SMS.replace("Habari", "a" * 161)), "161 characters, which is long"),
    (
        "an amount within",
        document(command="airtime", aspect="boundary", body=AIRTIME.replace("10000", "50")),
        "boundary",
    ),
    ("wrong credential as valid", document(credential="wrong-key/1"), "which is not right"),
    ("right as wrong credential", document(kind="credential", aspect="wrong-key"), "sent with the credential 'right'"),
    (
        "no such credential",
        document(kind="credential", aspect="guessed", credential="guessed/1"),
        "none that this account can be probed with",
    ),
    ("another method", document(method="PUT"), "sent with PUT, and sms takes POST"),
    ("the right method", document(kind="method", aspect="method:POST"), "which the command takes"),
    ("text as valid", document(headers=[["Content-Type", "text/plain"]]), "declared as text/plain"),
    ("a command as unknown", document(kind="unknown-command", aspect="x"), "which is a command"),
    ("valid as broken", document(kind="broken", aspect="missing", member="message", keyword="required"), "may accept"),
    ("broken, unnamed", document(kind="broken", aspect="missing", body="{}"), "does not name the member"),
    (
        "broken in two places",
        document(kind="broken", aspect="missing", body="{}", member="message", keyword="required"),
        "not message alone",
    ),
    (
        "another keyword",
        document(
            kind="broken",
            aspect="null",
            body=SMS.replace('"Habari"', "null"),
            member="message",
            keyword="minLength",
        ),
        "never a matter of minLength",
    ),
    ("an object as malformed", document(kind="malformed", aspect="not-json"), "is a JSON object"),
    ("unknown aspect", document(kind="malformed", aspect="odd", body="{"), "is none of"),
    ("a repeat of nothing", document(kind="repeat", aspect="equal"), "before it, which it could repeat"),
    ("a repeat of another", {**REPEAT, "body": SMS.replace("Habari", "Jambo")}, "another body"),
    ("a window of sms", {**REPEAT, "aspect": "window"}, "does not go with sms"),
]


@pytest.mark.parametrize(("content", "said"), [row[1:] for row in MISLABELLED], ids=[row[0] for row in MISLABELLED])
def test_a_label_that_its_bytes_belie_is_refused(content: bytes | dict[str, Any], said: str) -> None:
    """One line that names the file and the fault: a wrong label would blame a gateway that is in the right."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()

    with pytest.raises(UsageError) as caught:
        case_file(data, "x", "corpus/x.json")

    assert caught.value.message.startswith("case file corpus/x.json ")
    assert said in caught.value.message
    assert "\n" not in str(caught.value)


# --- Credentials


def test_a_label_gives_back_every_wrong_credential() -> None:
    """By its aspect and its number, as they stand in the id of the case that sends it."""
    plan = Plan.of(settings(Path("reports"), products=("sms",)), BASE)
    cases = [case for case in plan.cases if case.kind is Kind.CREDENTIAL]
    key, secret = settings(Path()).consumer_key, settings(Path()).consumer_secret

    assert len(credential_probes(key, secret)) < len(cases)
    for case in cases:
        value = credential_value(credential_label(case), key, secret)
        assert header(case.request.headers, "Authorization") == value, case.id
        assert case.request.headers == with_credential(case.request.headers, value)


# --- In a plan


def test_a_corpus_goes_first_and_changes_nothing_else() -> None:
    """What is generated from a seed is the same with a corpus and without."""
    with_corpus, without = planned(CaseFolder.read(CORPUS)), Plan.of(settings(Path("reports")), BASE)
    first = with_corpus.groups[: len(with_corpus.groups) - len(without.groups)]

    assert without.groups == with_corpus.groups[len(first) :]
    assert {f"corpus/{file.name}" for file in CaseFolder.read(CORPUS).files} == set(from_corpus(with_corpus))
    assert all(any(case.id.startswith("corpus/") for case in group) for group in first)


def test_a_refusal_from_a_file_has_its_twin(tmp_path: Path) -> None:
    """One that the run makes, right before it in the same group."""
    plan = planned(folder(tmp_path, FILES["broken"]))
    group = plan.groups[0]

    assert (Kind.VALID, Kind.BROKEN) == tuple(case.kind for case in group)
    assert group[0].id == group[1].twin
    assert {group[0].id} == {case.group for case in group}


def test_a_repeat_from_a_file_repeats_what_goes_before_it(tmp_path: Path) -> None:
    """Byte for byte, also where a marker stood."""
    before, repeat = planned(folder(tmp_path, REPEAT)).groups[0]

    assert before.id == repeat.earlier
    assert before.request == repeat.request


def test_a_wrong_credential_from_a_file_is_made_of_the_account(tmp_path: Path) -> None:
    """And its number stands at the end of the id, where the line that reproduces it looks for it."""
    case = from_corpus(planned(folder(tmp_path, FILES["credential"])))["corpus/a/2"]
    its = settings(Path())

    assert credential_value("wrong-key/2", its.consumer_key, its.consumer_secret) == header(
        case.request.headers, "Authorization"
    )


def test_markers_stand_for_the_account(tmp_path: Path) -> None:
    """Registered names, and phone numbers that were given."""
    corpus = folder(tmp_path, document(), document(command="mpesa-wallet", body=WALLET))
    plan = planned(corpus, sender_ids=("Duka",), short_codes=("600100",), phone_numbers=("254712000001",))

    sms, wallet = (parse_json(case.request.body) for case in from_corpus(plan).values())
    assert {"sender_id": "Duka", "phone_number": "254712000001", "message": "Habari"} == sms
    assert {"short_code": "600100", "phone_number": "254712000001", "amount": "50"} == wallet


WALLET = '{"short_code": "${short_code}", "phone_number": "${phone_number}", "amount": "50"}'


def test_phone_numbers_vary_with_the_seed_and_keep_what_they_begin_with(tmp_path: Path) -> None:
    """Two runs in a row do not meet in a window; the same seed gives the same number."""
    corpus = folder(
        tmp_path, document(command="airtime", aspect="boundary", body=AIRTIME.replace("number}", "number 254112}"))
    )
    numbers = [
        parse_json(from_corpus(planned(corpus, seed=seed, products=("airtime",)))["corpus/a"].request.body)[
            "phone_number"
        ]
        for seed in (1, 1, 2)
    ]

    assert numbers[0] == numbers[1] != numbers[2]
    assert all(number.startswith("254112") and len(number) == 12 for number in numbers)


ALLOWED = ("254712000001", "254712000002")
UNFIT = [
    ({"body": SMS.replace("${phone_number}", "254712345678")}, "the phone number 254712345678"),
    ({"body": SMS.replace("${sender_id}", "Duka")}, "the sender_id 'Duka'"),
    ({"kind": "malformed", "aspect": "not-json", "body": "Call 254 712 345-678"}, "the phone number 254712345678"),
    ({"kind": "open", "aspect": "open", "body": SMS.replace("${phone_number}", "+254712345678")}, "254712345678"),
]


@pytest.mark.parametrize(("changes", "said"), UNFIT)
def test_what_the_run_was_not_told_of_is_left_out(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Nobody's phone rings who was not named; why a file is left out can be read."""
    plan = planned(folder(tmp_path, document(**changes)), phone_numbers=ALLOWED)

    assert {} == from_corpus(plan)
    assert said in plan.left_out["corpus/a"]


def test_a_window_leaves_no_number_twice(tmp_path: Path) -> None:
    """The same amount goes to each number once; what finds none free is left out, also for what is generated."""
    three = [document(command="airtime", aspect="random", body=AIRTIME.replace("10000", "777"), note=n) for n in "xyz"]
    plan = planned(folder(tmp_path, *three), phone_numbers=ALLOWED, products=("airtime",), seed=3)
    pairs = [
        (parse_json(case.request.body)["phone_number"], parse_json(case.request.body)["amount"])
        for case in from_corpus(plan).values()
    ]

    assert sorted((number, "777") for number in ALLOWED) == sorted(pairs)
    assert ["corpus/c"] == list(plan.left_out)
    assert "no phone number" in plan.left_out["corpus/c"]


def test_files_for_other_products_are_passed_over() -> None:
    """They were not asked for."""
    plan = planned(CaseFolder.read(CORPUS), products=("sms",))

    assert {"sms"} == {case.command for case in from_corpus(plan).values()}
    assert {} == plan.left_out


def test_cases_alone_are_sent_with_their_twins_and_nothing_else(tmp_path: Path) -> None:
    """`--cases`."""
    only = folder(tmp_path, document(), FILES["broken"])
    plan = Plan.of(settings(Path("reports"), cases=only), BASE)

    assert ["cases/a", "sms/valid/random/1", "cases/b"] == [case.id for case in plan.cases]


# --- The corpus of the project


@pytest.mark.parametrize("file", CaseFolder.read(CORPUS).files, ids=lambda file: file.name)
def test_a_file_of_the_corpus_tells_why_it_is_there(file: CaseFile) -> None:
    """A note that says more than its label, and no phone number of anybody's."""
    assert len(file.note) > 30
    assert file_bytes(file) == (CORPUS / f"{file.name}.json").read_bytes()
    assert b"2547" not in file_bytes(file)


@pytest.mark.parametrize("seeds", [(1, 2), (1, 1)])
def test_the_corpus_passes_twice_in_a_row(tmp_path: Path, seeds: tuple[int, int]) -> None:
    """On one gateway: with another seed no window stands in the way, with the same seed nobody is blamed for it."""
    with ExitStack() as until:
        its = registered(lambda account: until.enter_context(serve_mock(account)).url)
        first, second = (
            judged_with(tmp_path / str(run), cases=CaseFolder.read(CORPUS), seed=seed, **its)
            for run, seed in enumerate(seeds)
        )

    assert Conclusion.CONFORMANT == first.conclusion, shortfalls(first)
    assert not second.by(Verdict.FAIL), shortfalls(second)
    assert (seeds[0] != seeds[1]) == (Conclusion.CONFORMANT == second.conclusion)


# --- Keeping what fails


def judged_with(directory: Path, behaviour: Behaviour = BUILT_IN, **changes: Any) -> Judged:
    """A run, judged."""
    return judge(read_journal(held(directory, behaviour, **changes)))


def failing(directory: Path, name: str, **changes: Any) -> tuple[Record, Judged]:
    """A run against a mock gateway with that fault."""
    record = read_journal(held(directory, fault(name).change(BUILT_IN), **{"products": ("sms",), **changes}))
    return record, judge(record)


def test_a_failing_case_is_kept_as_the_smallest_one(tmp_path: Path) -> None:
    """With what it found; its bytes are those of the run, but for what belongs to the account."""
    record, judgement = failing(tmp_path, "refuses-emoji")
    (file,) = kept_files(record, judgement)
    (find,) = file.found

    assert ("sms", Kind.VALID, "unicode", "ACC-03") == (
        file.step.command,
        file.step.kind,
        file.step.aspect,
        find.requirement,
    )
    assert record.settings["started_at"].startswith(find.date)
    assert b'"sender_id": "${sender_id}"' in file.step.body
    assert file.step.body.replace(b"${sender_id}", b"Statum") in {case.request.body for case in record.cases}


def test_a_kept_case_finds_the_fault_again_and_passes_without_it(tmp_path: Path) -> None:
    """That is what it is kept for."""
    record, judgement = failing(tmp_path / "first", "refuses-emoji")
    kept = keep(record, judgement, tmp_path / "corpus")
    cases = CaseFolder.read(tmp_path / "corpus")

    again = judged_with(tmp_path / "again", fault("refuses-emoji").change(BUILT_IN), cases=cases)
    mended = judged_with(tmp_path / "mended", cases=cases)

    assert 1 == len(kept)
    assert Conclusion.NON_CONFORMANT == again.conclusion
    assert Conclusion.CONFORMANT == mended.conclusion


@pytest.mark.parametrize(
    "name",
    ["accepts-another-case", "accepts-no-utf8", "accepts-null", "accepts-any-method", "refuses-an-equal-message"],
)
def test_each_kind_of_case_can_be_kept(tmp_path: Path, name: str) -> None:
    """Wrong credentials, bytes that are no text, broken payloads, methods, repeats: each finds its fault again."""
    record, judgement = failing(tmp_path / "first", name)
    keep(record, judgement, tmp_path / "corpus")

    again = judged_with(
        tmp_path / "again", fault(name).change(BUILT_IN), cases=CaseFolder.read(tmp_path / "corpus"), products=("sms",)
    )

    assert Conclusion.NON_CONFORMANT == again.conclusion


def test_nothing_is_kept_twice_or_overwritten(tmp_path: Path) -> None:
    """A second run with the same finding adds nothing, and a file of the same name stays."""
    record, judgement = failing(tmp_path / "first", "refuses-emoji")
    (path,) = keep(record, judgement, tmp_path / "corpus")
    before = path.read_bytes()

    assert [] == keep(record, judgement, tmp_path / "corpus")
    path.write_text(json.dumps(document()), encoding="utf-8")
    (beside,) = keep(record, judgement, tmp_path / "corpus")

    assert path != beside
    assert document() == json.loads(path.read_bytes())
    assert before == beside.read_bytes()


def test_an_airtime_case_is_kept_with_a_number_that_varies(tmp_path: Path) -> None:
    """Its range is kept, its end is not: the same bytes would be refused lawfully for five minutes."""
    record, judgement = failing(tmp_path, "refuses-both-ends", products=("airtime",))
    (file,) = kept_files(record, judgement)

    assert b"${phone_number 254" in file.step.body
    assert b'"amount": "5"' in file.step.body or b'"amount": "10000"' in file.step.body


def test_a_kept_case_holds_no_secret(tmp_path: Path) -> None:
    """Neither the secret nor any Authorization: a wrong credential is named by its aspect."""
    record, judgement = failing(tmp_path, "accepts-another-case")
    kept = b"".join(map(file_bytes, kept_files(record, judgement)))

    assert b'"credential": "other-case/' in kept
    assert SECRET.encode() not in kept
    assert authorization(settings(Path()).consumer_key, SECRET).removeprefix("Basic ").encode() not in kept
    assert b"uthorization" not in kept


# --- On the command line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


QUICK = ("run", "--product", "sms", "--max-examples", "0", "--seed", "7")


def test_a_corpus_in_the_current_directory_is_sent_first(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Without being asked for; and the line that repeats the run does not name it either."""
    folder(here / "corpus", document())

    called = call(capsys, *QUICK)

    assert 0 == called.code, called.out
    assert "corpus/a" == read_journal(here / "reports" / "journal.sqlite").exchanges[0].case_id
    assert "repeat with: statum-conformance run --product sms --max-examples 0 --seed 7\n" in called.out


def test_another_corpus_is_named_in_the_line_that_repeats(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """As are cases that alone are sent."""
    folder(here / "kept", document())

    first = call(capsys, *QUICK, "--corpus", "kept")
    alone = call(capsys, *QUICK, "--cases", "kept/a.json")

    assert "--corpus kept --seed 7" in first.out
    assert "--cases kept/a.json --seed 7" in alone.out
    assert "· seed 7 · only kept/a.json ·" in alone.out.splitlines()[-1]
    assert 0 == alone.code
    assert ["cases/a"] == [case.id for case in read_journal(here / "reports" / "journal.sqlite").cases]


def test_failing_cases_are_kept_from_the_command_line(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told on standard error, and sent by the next run; a conformant run keeps none."""
    fine = call(capsys, *QUICK, "--save-corpus", "corpus")
    none = list((here / "corpus").iterdir())
    with ExitStack() as until:
        its = registered(lambda a: until.enter_context(serve_mock(a, fault("accepts-null").change(BUILT_IN))).url)
        monkeypatch.setenv("STATUM_CONFORMANCE_CONSUMER_SECRET", its["consumer_secret"])
        options = [f"--{name.replace('_', '-')}={value}" for name, value in its.items() if name != "consumer_secret"]
        failed = call(capsys, *QUICK, "--save-corpus", "corpus", *options)
    (path,) = (here / "corpus").iterdir()
    again = call(capsys, *QUICK)

    assert ([], [0, 1, 0]) == (none, [fine.code, failed.code, again.code])
    assert f"kept corpus/{path.name}" == failed.err.splitlines()[-1]
    assert f"corpus/{path.stem}" in {case.id for case in read_journal(here / "reports" / "journal.sqlite").cases}


def test_the_file_in_the_docs_is_one() -> None:
    """What people copy from there works."""
    shown = re.findall(r"```json\n(.*?)```", (CHECKOUT / "docs" / "replay.md").read_text(encoding="utf-8"), re.DOTALL)

    assert ["line-breaks"] == [case_file(text.encode(), "docs", "docs/replay.md").step.aspect for text in shown]


def test_a_file_that_was_left_out_is_told(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """With the reason, also when the journal is judged again."""
    folder(here / "corpus", document(body=SMS.replace("${sender_id}", "Duka")))

    first = call(capsys, *QUICK)
    again = call(capsys, "judge", "reports/journal.sqlite")

    assert "left out corpus/a: it names the sender_id 'Duka', which is none of --sender-id" in first.out
    assert first.out == again.out


USAGE = [
    (("--cases", "nowhere"), "there is no case file or folder nowhere"),
    (("--corpus", "nowhere"), "--corpus nowhere is no folder"),
    (("--corpus", "bad"), "case file bad/a.json is mislabelled: valid (long) has nothing long in it"),
    (("--save-corpus", "bad"), "case file bad/a.json is mislabelled"),
    (("--save-corpus", "bad/a.json"), "--save-corpus bad/a.json is a file"),
    (("--corpus", "good", "--cases", "good"), "give one of the two"),
    (("--cases", "other"), "--cases other holds no case that this run can send"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE)
def test_case_files_that_cannot_be_used_are_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], here: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Told before anything is sent."""
    written(here / "bad", document(aspect="long"))
    written(here / "good", document())
    written(here / "other", document(command="airtime", aspect="boundary", body=AIRTIME))

    called = call(capsys, *QUICK, *arguments)

    assert 2 == called.code
    assert said in called.only_line


def test_every_case_of_a_plan_proves_its_label(tmp_path: Path) -> None:
    """Whatever is generated could be kept: proofs here and proofs where it is made agree."""
    plan = Plan.of(settings(tmp_path, max_examples=5), BASE)
    record = Record({**SETTINGS, "gateway": BASE}, plan.cases)

    unproved = {case.id: why for case in plan.cases if (why := unkept(case, record)) is not None}

    assert {} == unproved
    assert set(COMMANDS) == {case.command for case in plan.cases if case.command}


def unkept(case: Case, record: Record) -> str | None:
    """Why a case cannot be a file."""
    try:
        as_file(case, "A case.", record)
    except UsageError as error:
        return error.message
    return None
