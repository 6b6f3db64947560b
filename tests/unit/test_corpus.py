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
from conformance.gateway.case_files import CaseFolder, file_bytes
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


def test_a_twin_or_repeated_case_is_sent_right_before_its_file(tmp_path: Path) -> None:
    """In one group: the twin of a refusal, which the run makes, and what is repeated, to the byte."""
    twin, refused = planned(folder(tmp_path / "broken", BROKEN)).groups[0]
    before, repeat = planned(folder(tmp_path / "repeated", REPEATED)).groups[0]

    assert (Kind.VALID, Kind.BROKEN) == (twin.kind, refused.kind)
    assert (twin.id, twin.id, twin.id) == (refused.twin, twin.group, refused.group)
    assert (before.id, before.request) == (repeat.earlier, repeat.request)


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
    names = {"sender_id": ("Duka",), "short_code": ("600100",)}
    plan = planned(corpus, registered=names, phone_numbers=("254712000001",))

    sms, wallet = (parse_json(case.request.body) for case in from_corpus(plan).values())
    assert {"sender_id": "Duka", "phone_number": "254712000001", "message": "Habari"} == sms
    assert {"short_code": "600100", "phone_number": "254712000001", "amount": "50"} == wallet


WALLET = '{"short_code": "${short_code}", "phone_number": "${phone_number}", "amount": "50"}'


def test_phone_numbers_vary_with_the_seed_and_keep_what_they_begin_with(tmp_path: Path) -> None:
    """Two runs in a row do not meet in a window; the same seed gives the same number."""
    begins = document(command="airtime", aspect="boundary", body=AIRTIME.replace("number}", "number 254112}"))
    corpus = folder(tmp_path, begins)
    plans = (planned(corpus, seed=seed, products=("airtime",)) for seed in (1, 1, 2))
    one, again, other = (parse_json(from_corpus(plan)["corpus/a"].request.body)["phone_number"] for plan in plans)

    assert one == again != other
    assert all(number.startswith("254112") and len(number) == 12 for number in (one, other))


ALLOWED = ("254712000001", "254712000002")
UNFIT = [
    ({"body": SMS.replace("${phone_number}", "254712345678")}, "the phone number 254712345678"),
    ({"body": SMS.replace("${sender_id}", "Duka")}, "the sender_id 'Duka'"),
    ({"kind": "malformed", "aspect": "not-json", "body": "Call 254 712 345-678"}, "the phone number 254712345678"),
    ({"kind": "open", "aspect": "open", "body": SMS.replace("${phone_number}", "+254712345678")}, "254712345678"),
]


def test_files_with_numbers_or_names_not_given_are_left_out(tmp_path: Path) -> None:
    """Nobody's phone rings who was not named; why a file is left out can be read."""
    plan = planned(folder(tmp_path, *(document(**changes) for changes, _ in UNFIT)), phone_numbers=ALLOWED)

    assert {} == from_corpus(plan)
    assert [] == [said for (_, said), why in zip(UNFIT, plan.left_out.values(), strict=True) if said not in why]


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


def test_each_file_of_the_corpus_has_a_reason() -> None:
    """A note that says more than its label, and no phone number of anybody's."""
    for file in CaseFolder.read(CORPUS, statum()).files:
        written_now = file_bytes(file)
        assert len(file.note) > 30, file.name
        assert written_now == (CORPUS / f"{file.name}.json").read_bytes(), file.name
        assert b"2547" not in written_now, file.name


def test_the_corpus_passes_run_after_run(tmp_path: Path) -> None:
    """On one gateway: with another seed no window stands in the way, with the same seed nobody is blamed for it."""
    corpus = CaseFolder.read(CORPUS, statum())
    with ExitStack() as until:
        its = registered(lambda account: until.enter_context(serve_mock(account)).url)
        runs = [judged(tmp_path / str(n), cases=corpus, seed=seed, **its) for n, seed in enumerate((1, 2, 1))]
    again = runs.pop()

    assert [Conclusion.CONFORMANT] * 2 == [run.conclusion for run in runs], "\n".join(map(shortfalls, runs))
    assert not again.by(Verdict.FAIL), shortfalls(again)
    assert Conclusion.CONFORMANT != again.conclusion


# --- On the command line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_corpus_in_the_current_directory_is_sent_first(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Unasked, behind the looks at the balance; and the line that repeats the run does not name it either.

    A file that is left out is told with the reason, also when the journal is judged again.
    """
    folder(here / "corpus", document(), document(body=SMS.replace("${sender_id}", "Duka")))

    called = call(capsys, *QUICK)

    assert 0 == called.code, called.out
    record = read_journal(here / "reports" / "journal.sqlite")
    alone = [case.id for case in record.cases if case.group == record.cases[0].group]
    assert ["account-details/valid/balance/1", "corpus/a"] == [record.exchanges[at].case_id for at in (0, len(alone))]
    assert "repeat with: statum-conformance run --product sms --max-examples 0 --seed 7\n" in called.out
    assert "left out corpus/b: it names the sender_id 'Duka', which is none of --sender-id" in called.out
    assert called.out == call(capsys, "judge", "reports/journal.sqlite").out


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


def test_failing_cases_are_saved_to_the_corpus(
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


USAGE = [
    (("--cases", "nowhere"), "there is no case file or folder nowhere"),
    (("--corpus", "nowhere"), "--corpus nowhere is not a folder"),
    (("--corpus", "bad"), "case file bad/a.json is mislabelled: valid (long) has nothing long in it"),
    (("--save-corpus", "bad"), "case file bad/a.json is mislabelled"),
    (("--save-corpus", "bad/a.json"), "--save-corpus bad/a.json is a file"),
    (("--corpus", "good", "--cases", "good"), "give one of the two"),
    (("--cases", "other"), "--cases other holds no case that this run can send"),
]


def test_case_files_that_cannot_be_used_are_one_line_and_exit_2(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Told before anything is sent."""
    written(here / "bad", document(aspect="long"))
    written(here / "good", document())
    written(here / "other", document(command="airtime", aspect="boundary", body=AIRTIME))
    called = [call(capsys, *QUICK, *arguments) for arguments, _ in USAGE]

    assert [2] * len(USAGE) == [each.code for each in called]
    assert [] == [said for (_, said), each in zip(USAGE, called, strict=True) if said not in each.only_line]
