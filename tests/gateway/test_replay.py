"""`replay`: one recorded case is sent again, with what it depends on, and judged by itself."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from campaigns import free_address
from command_line import Called, call
from seeded import fault

from conformance.cli import outcome
from conformance.cli.configuration import PREFIX
from conformance.contract.contract import statum
from conformance.gateway.recovery import history
from conformance.gateway.rules.checks import judged_alone
from conformance.journal import read_journal
from conformance.judging.verdicts import Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.mock.gateway import Gateway, Reaction
from conformance.mock.serving import MockServer
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Case, Kind, Request
from conformance.reports.console import PlainProgress

Capsys = pytest.CaptureFixture[str]

# A quick run of all that is repeatable.
QUICK = ("--max-examples", "0", "--seed", "7")
SMS = ("--product", "sms", *QUICK)
AIRTIME = ("--product", "airtime", *QUICK)
JOURNAL = Path("reports/journal.sqlite")
AGAIN = Path("reports/replay/journal.sqlite")
SAMPLE = Account.sample()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, where reports go; the secret in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{PREFIX}CONSUMER_SECRET", SAMPLE.consumer_secret)
    return tmp_path


class Remembering(Gateway):
    """A mock gateway that keeps what reaches it."""

    def __init__(self, account: Account, behaviour: Behaviour) -> None:
        super().__init__(account, behaviour)
        self.reached: list[Request] = []

    def answer(self, request: Request, now: float) -> Reaction:
        """Answer, and keep the request."""
        self.reached.append(request)
        return super().answer(request, now)


@contextmanager
def gateway(*faults: str) -> Iterator[tuple[Remembering, tuple[str, ...]]]:
    """A gateway with these faults, and the options by which a run finds it."""
    address = free_address()
    account = Account.sample({product: f"{address.url}/callbacks/{product}" for product in statum().products})
    behaviour = BUILT_IN
    for name in faults:
        behaviour = fault(name).change(behaviour)
    with MockServer(Remembering(account, behaviour)) as server:
        assert isinstance(server.gateway, Remembering)
        yield (
            server.gateway,
            ("--gateway", server.url, "--consumer-key", account.consumer_key, "--callback-listen", str(address)),
        )


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that tests have in common, the gateway that it was against, and what that was sent."""

    directory: Path
    subject: Remembering
    sent: Sequence[Request]

    def copy(self) -> None:
        """Have its reports in the current directory."""
        shutil.copytree(self.directory / JOURNAL.parent, JOURNAL.parent)

    def reached_by(self, capsys: Capsys, case_id: str) -> Sequence[Request]:
        """What reaches the gateway when a case is replayed, which has to find nothing."""
        self.subject.reached.clear()
        assert 0 == replayed(capsys, case_id).code
        return tuple(self.subject.reached)


def ran(directory: Path, subject: Remembering, *arguments: str) -> Ran:
    """Run, which has to find a lawful gateway."""
    with pytest.MonkeyPatch.context() as there:
        there.chdir(directory)
        there.setenv(f"{PREFIX}CONSUMER_SECRET", SAMPLE.consumer_secret)
        assert 0 == outcome(("run", "--quiet", *arguments))
    return Ran(directory, subject, tuple(subject.reached))


@pytest.fixture(scope="module")
def built_in(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run of SMS against the mock gateway that it started itself."""
    return ran(tmp_path_factory.mktemp("built-in"), Remembering(SAMPLE, BUILT_IN), *SMS)


@pytest.fixture(scope="module")
def sms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """A run of SMS against a gateway that is still there."""
    with gateway() as (subject, options):
        yield ran(tmp_path_factory.mktemp("sms"), subject, *SMS, *options)


@pytest.fixture(scope="module")
def airtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """A run of airtime against a gateway that is still there, and remembers."""
    with gateway() as (subject, options):
        yield ran(tmp_path_factory.mktemp("airtime"), subject, *AIRTIME, *options)


def cases(journal: Path = JOURNAL) -> dict[str, Case]:
    """The cases of a journal."""
    return {case.id: case for case in read_journal(journal).cases}


def first(kind: Kind, aspect: str = "") -> str:
    """The id of the first case of a kind in the run's journal."""
    return next(case.id for case in cases().values() if case.kind is kind and aspect in case.aspect)


def replayed(capsys: Capsys, case_id: str, *options: str) -> Called:
    """Replay a case."""
    return call(capsys, "replay", case_id, *options)


def test_a_case_is_sent_again_to_a_mock_gateway_that_is_started_again(built_in: Ran, capsys: Capsys) -> None:
    """Without any option: exchange, notification and verdicts are shown; exit 0; the last line is the verdict."""
    built_in.copy()

    called = replayed(capsys, "sms/valid/sample/1")

    assert 0 == called.code, called.out + called.err
    assert re.search(r"^> POST http://127\.0\.0\.1:\d+/api/v2/sms$", called.out, re.MULTILINE)
    assert "This is a test Message through our API" in called.out
    assert re.search(r"^< HTTP/1\.1 200 after \d+ ms$", called.out, re.MULTILINE)
    assert re.search(r"^! notification 1, \d\.\d{3} s after the request: POST /callbacks/sms", called.out, re.MULTILINE)
    assert re.search(r"^PASS .*ACC-01.*NTF-01", called.out, re.MULTILINE)
    assert re.fullmatch(
        r"conformant: (\d+) of \1 MUST that bear on sms/valid/sample/1 passed · reports/replay/journal\.sqlite",
        called.out.splitlines()[-1],
    )
    assert ["sms/valid/sample/1"] == [exchange.case_id for exchange in read_journal(AGAIN).exchanges]


# Those of a run against a gateway; a certification cannot be replayed.
OF_A_RUN = [kind for kind in Kind if kind not in (Kind.INVOKE, Kind.DELIVER)]
KINDS = [
    (kind, aspect) for kind in OF_A_RUN for aspect in (["after-refusal", "equal"] if kind is Kind.REPEAT else [""])
]


@pytest.mark.parametrize(("kind", "aspect"), KINDS)
def test_a_case_of_each_kind_reaches_the_gateway_as_in_the_run(
    sms: Ran, capsys: Capsys, kind: Kind, aspect: str
) -> None:
    """Byte for byte, the rebuilt credential included; the twin and what it repeats go before it."""
    sms.copy()
    case = cases()[first(kind, aspect)]
    reached = sms.reached_by(capsys, case.id)

    sent = [each.id for each in history(read_journal(JOURNAL), case)]
    assert sent == [exchange.case_id for exchange in read_journal(AGAIN).exchanges]
    assert {case.twin, case.earlier} - {None} <= set(sent)
    assert reached[-1] in sms.sent
    at_once = sum(each.kind is Kind.BURST for each in history(read_journal(JOURNAL), case))
    assert case.request.body in {request.body for request in reached[-max(at_once, 1) :]}
    assert case == cases(AGAIN)[case.id]


def test_a_failing_case_is_reproduced(capsys: Capsys) -> None:
    """The line that the run prints can be pasted; exit 1, and it says that it was reproduced."""
    with gateway("accepts-null") as (_, options):
        ran = call(capsys, "run", *SMS, *options)
        (line,) = (line for line in ran.out.splitlines() if line.startswith("  replay with: "))
        program, *arguments = shlex.split(line.partition(": ")[2])
        called = call(capsys, *arguments)

    assert ("statum-conformance", 1, 1) == (program, ran.code, called.code)
    assert "FAIL VAL-02 " in called.out
    assert "\nreproduced: VAL-02 failed in the run, FAIL now\n" in called.out
    assert called.out.splitlines()[-1].startswith("non-conformant: ")


def test_a_failing_case_passes_once_the_fault_is_mended(capsys: Capsys) -> None:
    """At another address, named by --gateway."""
    with gateway("refuses-emoji") as (_, options):
        ran = call(capsys, "run", *SMS, *options)
    case_id = shlex.split(next(line for line in ran.out.splitlines() if line.startswith("  replay with: ")))[4]
    with gateway() as (subject, options):
        called = replayed(capsys, case_id, *options)

    assert 0 == called.code, called.out + called.err
    assert "not reproduced: ACC-03 failed in the run, PASS now" in called.out
    assert cases()[case_id].request.body in {request.body for request in subject.reached}


def test_a_case_is_judged_by_itself(capsys: Capsys) -> None:
    """A failure of its twin, or of another case before it, does not count."""
    with gateway("accepts-an-array") as (_, options):
        ran = call(capsys, "run", *SMS, *options)
        scalar = replayed(capsys, first(Kind.MALFORMED, "scalar"))
        array = replayed(capsys, first(Kind.MALFORMED, "array"))

    assert [1, 0, 1] == [ran.code, scalar.code, array.code], scalar.out
    assert "FAIL BOD-04" in array.out
    assert "BOD-05" in scalar.out
    assert "BOD-04" not in scalar.out


def test_cases_judged_one_by_one_fail_as_the_run_does(capsys: Capsys) -> None:
    """Judged alone, one by one, no failure of a run is lost and none is made."""
    with gateway("request-id-equal-for-equal-requests", "accepts-null") as (_, options):
        call(capsys, "run", *SMS, *options)
    record = read_journal(JOURNAL)

    failed = {
        verdict.requirement.id
        for case in record.cases
        if case.kind in (Kind.REPEAT, Kind.BROKEN)
        for verdict in judged_alone(statum(), record, case.id)
        if verdict.verdict is Verdict.FAIL
    }

    assert {"RID-02", "VAL-02"} == failed


def test_a_refusal_within_the_window_does_not_fail_the_gateway(airtime: Ran, capsys: Capsys) -> None:
    """The same airtime bytes within five minutes: a warning before, and a missing precondition after."""
    airtime.copy()

    called = replayed(capsys, "airtime/valid/sample/1")

    assert 3 == called.code, called.out
    (warning,) = (line for line in called.err.splitlines() if line.startswith("warning: "))
    assert re.match(
        r"warning: airtime: the same phone number and amount were accepted \d+ s ago, and within 300 s", warning
    )
    assert "INCONCLUSIVE ACC-01" in called.out
    assert "precondition: airtime: the same phone number and amount were accepted" in called.out
    assert "FAIL" not in called.out


def test_a_mock_gateway_that_is_started_again_has_no_past(capsys: Capsys) -> None:
    """Its window is open."""
    call(capsys, "run", *AIRTIME)

    called = replayed(capsys, "airtime/valid/sample/1")

    assert 0 == called.code, called.out
    assert "warning" not in called.err


def test_a_window_excuses_no_other_failure(capsys: Capsys) -> None:
    """What is wrong with the refusal itself still counts."""
    with gateway("error-without-description") as (_, options):
        call(capsys, "run", *AIRTIME, *options)
        called = replayed(capsys, "airtime/valid/sample/1")

    assert 1 == called.code, called.out
    assert "FAIL RSP-10" in called.out
    assert "INCONCLUSIVE ACC-01" in called.out


def test_the_journal_of_the_run_stays_as_it_is(built_in: Ran, capsys: Capsys) -> None:
    """It is evidence; what is sent again has a journal of its own, which can be judged and replayed from too."""
    built_in.copy()
    JOURNAL.parent.rename("out")
    before = Path("out/journal.sqlite").read_bytes()

    replayed(capsys, "sms/valid/sample/1", "--report-dir", "out")
    again = replayed(capsys, "sms/valid/sample/1", "--journal", "out/replay/journal.sqlite", "--report-dir", "more")

    assert before == Path("out/journal.sqlite").read_bytes()
    assert 0 == again.code
    assert Path("more/replay/journal.sqlite").exists()


def test_the_secret_is_neither_printed_nor_recorded(sms: Ran, capsys: Capsys, here: Path) -> None:
    """Though it was sent."""
    sms.copy()

    called = replayed(capsys, first(Kind.CREDENTIAL, "other-case"))

    assert SAMPLE.consumer_secret.swapcase() not in called.out + called.err
    assert SAMPLE.consumer_secret not in called.out + called.err
    assert SAMPLE.consumer_secret.encode() not in (here / AGAIN).read_bytes()


def test_a_case_whose_bytes_were_redacted_cannot_be_sent_again(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the secret is also a word of a payload."""
    monkeypatch.setenv(f"{PREFIX}CONSUMER_SECRET", "through")
    call(capsys, "run", *SMS)

    called = replayed(capsys, next(id_ for id_, case in cases().items() if b"[REDACTED]" in case.request.body))

    assert 2 == called.code
    assert "cannot be sent again: the journal keeps it redacted" in called.err.splitlines()[-1]


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "mistyped": (("sms/valid/sampel/1",), "hint: did you mean sms/valid/sample/1"),
    "unknown": (("nonsense",), "there is no case 'nonsense' in reports/journal.sqlite, which has "),
    "no journal": (("sms/valid/sample/1", "--journal", "nowhere.sqlite"), "there is no journal nowhere.sqlite"),
    "no case": ((), "missing argument 'CASE'"),
    "onto itself": (
        ("sms/valid/sample/1", "--journal", "reports/replay/journal.sqlite"),
        "would be replaced by its own replay",
    ),
    "no url": (("sms/valid/sample/1", "--gateway", "nowhere"), "gateway 'nowhere' is not a URL"),
    "no key": (("sms/valid/sample/1", "--notify-within", "0"), "--notify-within is 0.0"),
}


def test_wrong_usage_is_one_line_and_exit_2(built_in: Ran, capsys: Capsys) -> None:
    """What was given, what is expected, and what may have been meant."""
    built_in.copy()
    AGAIN.parent.mkdir()
    shutil.copy(JOURNAL, AGAIN)
    called = {name: call(capsys, "replay", *arguments) for name, (arguments, _) in WRONG.items()}

    assert {2} == {each.code for each in called.values()}
    assert {} == {name: each.err for name, each in called.items() if WRONG[name][1] not in each.only_line}


ELSEWHERE = ("--gateway", "https://gateway.invalid/api/v2", "--consumer-key", "key", "--callback-listen", "127.0.0.1:9")


def test_no_number_that_was_not_given_is_called_on_a_real_gateway(built_in: Ran, capsys: Capsys) -> None:
    """A number that the mock gateway made up may be somebody's there."""
    built_in.copy()
    unnamed = replayed(capsys, "sms/valid/sample/1", *ELSEWHERE)
    another = replayed(capsys, "sms/valid/sample/1", *ELSEWHERE, "--phone-number", "254712000001")
    named = replayed(capsys, "sms/valid/sample/1", *ELSEWHERE, "--phone-number", "254712345678")

    assert [2, 2, 3] == [unnamed.code, another.code, named.code]
    assert "--phone-number is missing" in unnamed.only_line
    assert "find the phone number 254712345678 in it, which is none of --phone-number" in another.only_line


def test_given_numbers_are_the_only_ones_on_this_machine_too(built_in: Ran, capsys: Capsys) -> None:
    """Be the recorded number valid or broken."""
    built_in.copy()
    refused = [
        replayed(capsys, case_id, "--phone-number", "254712000001")
        for case_id in ("sms/valid/sample/1", "sms/broken/pattern/5")
    ]

    assert "phone_number" == cases()["sms/broken/pattern/5"].member
    assert [(2, True)] * 2 == [(each.code, "find the phone number" in each.only_line) for each in refused]


def test_a_gateway_that_is_gone_is_one_line_and_exit_3(capsys: Capsys) -> None:
    """That of the journal, which nobody has started again."""
    with gateway() as (_, options):
        call(capsys, "run", *SMS, *options)

    called = replayed(capsys, "sms/valid/sample/1")

    assert 3 == called.code
    assert "cannot be reached" in called.err.splitlines()[-1]


def test_a_failure_before_an_obstacle_counts(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the obstacle; without a failure the obstacle alone decides."""

    def cut_off(_: PlainProgress, done: int, planned: int) -> None:
        if done == planned:
            raise EnvironmentFailure("the cable was pulled out")

    for fault_of_it, code in (((), 3), (("status-code-as-string",), 1)):
        with gateway(*fault_of_it) as (_, options):
            call(capsys, "run", *SMS, *options)
            with monkeypatch.context() as cut:
                cut.setattr(PlainProgress, "exchanged", cut_off)
                called = replayed(capsys, "sms/valid/sample/1", *options)

        assert code == called.code, called.out
        assert "error: the cable was pulled out" in called.err
        assert bool(fault_of_it) is ("FAIL RSP-03" in called.out)


def test_a_gateway_of_the_journal_needs_its_secret(sms: Ran, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has the key, never the secret."""
    sms.copy()
    monkeypatch.delenv(f"{PREFIX}CONSUMER_SECRET")

    called = replayed(capsys, "sms/valid/sample/1")

    assert 2 == called.code
    assert "--consumer-secret is missing" in called.only_line


def test_a_callback_url_with_a_token_has_to_be_given_again(capsys: Capsys) -> None:
    """The journal keeps the token redacted."""
    with gateway() as (_, options):
        listen = options[-1]
        call(capsys, "run", *SMS, *options, "--callback-url", f"http://{listen}/?token=0123456789")
        missing = replayed(capsys, "sms/valid/sample/1")
        given = replayed(capsys, "sms/credential/absent/1", "--callback-url", f"http://{listen}/?token=0123456789")

    assert 2 == missing.code
    assert "--callback-url is missing; the journal keeps the token of" in missing.only_line
    assert given.code != 2


def test_a_refusal_proves_nothing_when_the_window_refuses_its_twin(airtime: Ran, capsys: Capsys) -> None:
    """A broken airtime request within five minutes is inconclusive, with the same warning."""
    airtime.copy()

    called = replayed(capsys, "airtime/broken/missing/1")

    assert 3 == called.code, called.out
    assert "warning: airtime: the same phone number and amount were accepted" in called.err
    assert "was not accepted" in called.out
