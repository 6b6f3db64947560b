"""Case files in a run: fitted to the account, sent first or alone; and the corpus of the project."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from campaigns import judged, registered, settings, shortfalls
from command_line import CHECKOUT, call
from input_files import AIRTIME, BROKEN, QUICK, REPEATED, SMS, WRONG_KEY, document, folder, written
from seeded import fault

from conformance.contract.contract import statum
from conformance.gateway.case_files import CaseFile, CaseFolder, file_bytes
from conformance.gateway.plan import Plan
from conformance.gateway.request_templates import credential_value
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.serving import serve_mock
from conformance.model.traffic import Case, Kind, header
from conformance.model.untrusted import parse_json

BASE = "http://gateway.example/api/v2"
CORPUS = CHECKOUT / "corpus"


def planned(corpus: CaseFolder, **changes: Any) -> Plan:
    """The plan of a run that begins with a corpus."""
    return Plan.of(settings(Path("reports"), corpus=corpus, **changes), BASE)


def from_corpus(plan: Plan) -> dict[str, Case]:
    """Its cases that come from the files."""
    return {case.id: case for case in plan.cases if case.id.startswith("corpus/")}


# --- In a plan


def test_a_corpus_goes_first_and_changes_nothing_else() -> None:
    """What is generated from a seed is the same with a corpus and without."""
    with_corpus, without = planned(CaseFolder.read(CORPUS, statum())), Plan.of(settings(Path("reports")), BASE)
    first = with_corpus.groups[: len(with_corpus.groups) - len(without.groups)]

    assert without.groups == with_corpus.groups[len(first) :]
    assert {f"corpus/{file.name}" for file in CaseFolder.read(CORPUS, statum()).files} == set(from_corpus(with_corpus))
    assert all(any(case.id.startswith("corpus/") for case in group) for group in first)


def test_a_refusal_from_a_file_has_its_twin(tmp_path: Path) -> None:
    """One that the run makes, right before it in the same group."""
    plan = planned(folder(tmp_path, BROKEN))
    group = plan.groups[0]

    assert (Kind.VALID, Kind.BROKEN) == tuple(case.kind for case in group)
    assert group[0].id == group[1].twin
    assert {group[0].id} == {case.group for case in group}


def test_a_repeat_from_a_file_repeats_what_goes_before_it(tmp_path: Path) -> None:
    """Byte for byte, also where a marker stood."""
    before, repeat = planned(folder(tmp_path, REPEATED)).groups[0]

    assert before.id == repeat.earlier
    assert before.request == repeat.request


def test_a_wrong_credential_from_a_file_is_made_of_the_account(tmp_path: Path) -> None:
    """And its number stands at the end of the id, where the line that reproduces it looks for it."""
    case = from_corpus(planned(folder(tmp_path, WRONG_KEY)))["corpus/a/2"]
    its = settings(Path())

    assert credential_value(statum(), "wrong-key/2", its.consumer_key, its.consumer_secret) == header(
        case.request.headers, "Authorization"
    )


def test_markers_stand_for_the_account(tmp_path: Path) -> None:
    """Registered names, and phone numbers that were given."""
    corpus = folder(tmp_path, document(), document(command="mpesa-wallet", body=WALLET))
    plan = planned(
        corpus, registered={"sender_id": ("Duka",), "short_code": ("600100",)}, phone_numbers=("254712000001",)
    )

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
    plan = planned(CaseFolder.read(CORPUS, statum()), products=("sms",))

    assert {"sms"} == {case.command for case in from_corpus(plan).values()}
    assert {} == plan.left_out


def test_cases_alone_are_sent_with_their_twins_and_nothing_else(tmp_path: Path) -> None:
    """`--cases`."""
    only = folder(tmp_path, document(), BROKEN)
    plan = Plan.of(settings(Path("reports"), cases=only), BASE)

    assert ["cases/a", "sms/valid/random/1", "cases/b"] == [case.id for case in plan.cases]


# --- The corpus of the project


@pytest.mark.parametrize("file", CaseFolder.read(CORPUS, statum()).files, ids=lambda file: file.name)
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
            judged(tmp_path / str(run), cases=CaseFolder.read(CORPUS, statum()), seed=seed, **its)
            for run, seed in enumerate(seeds)
        )

    assert Conclusion.CONFORMANT == first.conclusion, shortfalls(first)
    assert not second.by(Verdict.FAIL), shortfalls(second)
    assert (seeds[0] != seeds[1]) == (Conclusion.CONFORMANT == second.conclusion)


# --- On the command line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_corpus_in_the_current_directory_is_sent_first(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Unasked, behind the looks at the balance; and the line that repeats the run does not name it either."""
    folder(here / "corpus", document())

    called = call(capsys, *QUICK)

    assert 0 == called.code, called.out
    record = read_journal(here / "reports" / "journal.sqlite")
    alone = [case.id for case in record.cases if case.group == record.cases[0].group]
    assert ["account-details/valid/balance/1", "corpus/a"] == [record.exchanges[at].case_id for at in (0, len(alone))]
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


def test_a_file_that_was_left_out_is_told(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """With the reason, also when the journal is judged again."""
    folder(here / "corpus", document(body=SMS.replace("${sender_id}", "Duka")))

    first = call(capsys, *QUICK)
    again = call(capsys, "judge", "reports/journal.sqlite")

    assert "left out corpus/a: it names the sender_id 'Duka', which is none of --sender-id" in first.out
    assert first.out == again.out


USAGE = [
    (("--cases", "nowhere"), "there is no case file or folder nowhere"),
    (("--corpus", "nowhere"), "--corpus nowhere is not a folder"),
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
