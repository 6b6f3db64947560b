"""A run that was cut off is resumed and sends nothing twice; late notifications are recorded."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from campaigns import registered, settings, shortfalls
from command_line import CHECKOUT, CONSOLE_SCRIPT, PATIENCE_S, call, process
from mock_rig import eventually
from run_records import Run
from seeded import fault

from conformance.gateway import campaign, listening
from conformance.gateway.recovery import listen_on
from conformance.journal import LISTENED, RESUMED, Journal, Note, Record, Redaction, read_journal
from conformance.journal import writer as writing
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Judged, RequirementVerdict, Verdict
from conformance.mock.behaviour import BUILT_IN, Moment, Reply
from conformance.mock.serving import serve_mock
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.process import Silent
from conformance.model.traffic import Request
from conformance.reports.result import judge

PRODUCTS = ("sms", "airtime")


class Subject:
    """A gateway that outlives the runs against it and remembers requests; `told` are the settings of such a run."""

    def __init__(self, until: ExitStack, *faults: str) -> None:
        self.posted: Counter[tuple[str, bytes]] = Counter()
        self.given_to_the_next: str | None = None
        behaviour = replace(BUILT_IN, reply=(*BUILT_IN.reply, self._remember))
        for name in faults:
            behaviour = fault(name).change(behaviour)
        gateway = registered(lambda account: until.enter_context(serve_mock(account, behaviour)).url)
        self.told: dict[str, Any] = {**gateway, "products": PRODUCTS}

    def _remember(self, reply: Reply, moment: Moment) -> Reply:
        if moment.refusal is None and moment.request.body:
            self.posted[moment.request.url, moment.request.body] += 1
        if self.given_to_the_next is not None:
            reply = replace(reply, content={**reply.content, "request_id": self.given_to_the_next})
            self.given_to_the_next = None
        return reply


@pytest.fixture
def subject() -> Iterator[Subject]:
    """A gateway that keeps the contract."""
    with ExitStack() as until:
        yield Subject(until)


class CutOff(Silent):
    """Cuts a run off after so many answers."""

    def __init__(self, after: int) -> None:
        self._after = after

    def exchanged(self, done: int, planned: int) -> None:  # noqa: ARG002 - the protocol's
        """One more answer."""
        if done >= self._after:
            raise EnvironmentFailure("the cable was pulled out")


def cut_off(directory: Path, after: int, **told: Any) -> Path:
    """The journal of a run that was cut off; what came after that is not in it, as after a kill."""
    path = campaign.run(settings(directory, **told), CutOff(after))
    assert "settled" not in [note.kind for note in read_journal(path).notes]
    return path


def verdict_of(judgement: Judged, id_: str, command: str = "sms") -> RequirementVerdict:
    """The verdict on one requirement."""
    return next(v for v in judgement.verdicts if (v.requirement.id, v.command) == (id_, command))


# --- Going on


@pytest.mark.parametrize("after", [1, 60, 200])
def test_a_run_is_resumed_where_it_was_cut_off(after: int, subject: Subject, tmp_path: Path) -> None:
    """It comes to the verdict that it would have come to, and no case is sent twice."""
    path = cut_off(tmp_path, after, **subject.told)
    before = {exchange.case_id for exchange in read_journal(path).exchanges}
    campaign.resume(path, settings(tmp_path, **subject.told))
    record = read_journal(path)
    judgement = judge(record)

    assert after <= len(before) < len(record.cases)
    assert {1} == set(Counter(exchange.case_id for exchange in record.exchanges).values())
    assert list(range(1, len(record.exchanges) + 1)) == [exchange.number for exchange in record.exchanges]
    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)
    equal = {request for request, times in subject.posted.items() if times > 1}
    assert all("/sms" in url for url, _ in equal), "the bytes of no top-up reach the gateway twice"


def test_a_run_can_be_cut_off_again_and_again(subject: Subject, tmp_path: Path) -> None:
    """Each time it comes further."""
    path, sent = cut_off(tmp_path, 40, **subject.told), 0
    for _ in range(3):
        campaign.resume(path, settings(tmp_path, **subject.told), CutOff(40))
        before, sent = sent, len(read_journal(path).exchanges)
        assert before < sent
    campaign.resume(path, settings(tmp_path, **subject.told))
    record = read_journal(path)

    assert {1} == set(Counter(exchange.case_id for exchange in record.exchanges).values())
    assert 4 == sum(note.kind == RESUMED for note in record.notes)
    assert Conclusion.CONFORMANT == judge(record).conclusion, shortfalls(judge(record))


def test_a_notification_of_an_earlier_answer_is_kept_though_the_preflight_got_its_id_again(
    subject: Subject, tmp_path: Path
) -> None:
    """As by a gateway that counts its ids anew after a restart: the notification belongs to the run."""
    path = cut_off(tmp_path, 60, **subject.told)
    answers = [json.loads(e.response.body) for e in read_journal(path).exchanges if e.response]
    request_id = next(answer["request_id"] for answer in answers if answer["status_code"] == 200)
    subject.given_to_the_next = request_id
    late = {"result_code": "200", "result_desc": "Success", "request_id": request_id}

    class Notifying(Silent):
        def phase(self, name: str, detail: str = "") -> None:  # noqa: ARG002 - the protocol's
            if name == "send":
                _posted(f"{subject.told['callback_listen'].url}/callbacks/sms", late)

    before = len(read_journal(path).notifications)
    campaign.resume(path, settings(tmp_path, **subject.told), Notifying())

    assert subject.given_to_the_next is None
    arrived = read_journal(path).notifications[before:]
    assert late in [json.loads(notification.request.body) for notification in arrived]


def test_a_resumed_run_finds_the_fault(tmp_path: Path) -> None:
    """The same that a run finds which is not cut off."""
    with ExitStack() as until:
        told = Subject(until, "no-airtime-window").told
        path = cut_off(tmp_path, 100, **told)
        campaign.resume(path, settings(tmp_path, **told))

    assert [("IDM-01", "airtime")] == [
        (v.requirement.id, v.command) for v in judge(read_journal(path)).by(Verdict.FAIL)
    ]


def test_a_run_of_the_built_in_gateway_is_resumed_against_another(tmp_path: Path) -> None:
    """Which remembers nothing: what is told by sequences is sent anew, whole."""
    path = cut_off(tmp_path, 100)
    campaign.resume(path, settings(tmp_path))
    judgement = judge(read_journal(path))

    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)


def test_a_resumed_run_needs_the_same_callbacks(subject: Subject, tmp_path: Path) -> None:
    """Else notifications would be lost, and the token of those that come would stand in the journal."""
    path = cut_off(tmp_path, 10, **subject.told)
    with pytest.raises(UsageError, match=r"the callback of sms was /callbacks/sms, and would now be .*\?token="):
        campaign.resume(path, settings(tmp_path, **subject.told, callback_token="s3cret-token"))  # noqa: S106


def test_requests_before_the_cut_count_against_the_limits(subject: Subject, tmp_path: Path) -> None:
    """A run does not get another allowance by being resumed."""
    limits = campaign.Settings("k", "s" * 8).limits
    told = {**subject.told, "limits": replace(limits, max_accepted=20)}
    path = cut_off(tmp_path, 40, **told)
    campaign.resume(path, settings(tmp_path, **told))

    assert sum(subject.posted.values()) <= 20
    allowance = [note.detail for note in read_journal(path).notes if note.kind == "allowance"][-1]
    assert allowance["accepted_at_most"] <= 20


# --- Clocks


def test_times_go_on_where_the_machine_was_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A monotonic clock begins anew; by the wall clock it is known where what comes now belongs."""
    path = tmp_path / "journal.sqlite"
    with Journal.create(path, {}, Redaction.none()) as journal:
        journal.note("before", {})
    (before,) = read_journal(path).notes
    clock = time.monotonic

    monkeypatch.setattr(writing.time, "monotonic", lambda: clock() - 1_000_000.0)
    with Journal.reopened(path, Redaction.none()) as journal:
        journal.note("after", {})
        journal.notified("sms", Request("POST", "/callbacks/sms"), clock() - 1_000_000.0, 0.0)
    record = read_journal(path)

    assert ["before", "after"] == [note.kind for note in record.notes]
    assert [1, 2] == [note.number for note in record.notes]
    assert 0 <= record.notes[1].noted_at - before.noted_at < PATIENCE_S
    assert 0 <= record.notifications[0].received_at - before.noted_at < PATIENCE_S


def test_a_journal_of_another_version_is_not_added_to(tmp_path: Path) -> None:
    """Its rows might mean something else."""
    path = tmp_path / "journal.sqlite"
    with Journal.create(path, {}, Redaction.none()) as journal, pytest.raises(EnvironmentFailure, match="another run"):
        Journal.reopened(path, Redaction.none())
    assert journal.path == path
    with writing.sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 1")
    with pytest.raises(UsageError, match="a journal of version 1"):
        Journal.reopened(path, Redaction.none())


# --- While nobody listened


def recorded(*, arrives_at: float | None, gap: tuple[float, float], kind: str = RESUMED) -> Record:
    """A run with one request, answered at 1.1 s, and a gap; its notification may take 10 s."""
    run = Run()
    run.invoke("r-1")
    if arrives_at is not None:
        run.notify("r-1", at=arrives_at)
    record = run.record()
    detail = {"silent_since": gap[0], "until": gap[1]}
    return replace(record, notes=(Note(1, kind, detail, gap[1], gap[1]), *record.notes))


@pytest.mark.parametrize("kind", [RESUMED, LISTENED])
def test_a_notification_missing_while_nobody_listened_fails_nobody(kind: str) -> None:
    """Neither as missing nor, where it came again later, as late."""
    for arrives_at in (None, 60.0):
        judgement = judge(recorded(arrives_at=arrives_at, gap=(5.0, 50.0), kind=kind))
        found = verdict_of(judgement, "NTF-02" if arrives_at else "NTF-01")
        assert (Verdict.INCONCLUSIVE, Reason.INTERRUPTED) == (found.verdict, found.reason)
        assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)


def test_a_notification_missing_while_the_run_listened_is_a_failure() -> None:
    """And what comes after its time is late, whoever was there in between."""
    gap = (20.0, 50.0)
    assert Verdict.FAIL == verdict_of(judge(recorded(arrives_at=None, gap=gap)), "NTF-01").verdict
    late = judge(recorded(arrives_at=60.0, gap=gap))
    assert (Verdict.PASS, Verdict.FAIL) == tuple(verdict_of(late, id_).verdict for id_ in ("NTF-01", "NTF-02"))


def test_a_late_notification_is_recorded_after_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was missing, and now it is late: that breaks another requirement."""
    monkeypatch.setattr(listening, "LATE_S", 0.1)
    with ExitStack() as until:
        told = {**Subject(until, "no-notifications").told, "products": ("sms",), "notify_within_s": 0.2}
        path = campaign.run(settings(tmp_path, **told))
    assert Verdict.FAIL == verdict_of(judge(read_journal(path)), "NTF-01").verdict
    answers = [json.loads(e.response.body) for e in read_journal(path).exchanges if e.response]
    ids = [answer["request_id"] for answer in answers if answer["status_code"] == 200 and "organization" not in answer]

    def notify() -> None:
        url = f"{told['callback_listen'].url}/callbacks/sms"
        for request_id in ids[:3]:
            late = {"result_code": "200", "result_desc": "Success", "request_id": request_id}
            while not _posted(url, late):  # the receiver is being started, in a process that announces nothing
                time.sleep(0.01)

    thread = threading.Thread(target=notify, daemon=True)
    thread.start()
    stayed = listen_on(path, settings(tmp_path, **told), Silent(), for_s=3.0)
    thread.join(PATIENCE_S)
    judgement = judge(read_journal(path))

    assert (3, len(ids) - 3) == (stayed.arrived, stayed.missing)
    assert ["NTF-01", "NTF-02"] == [v.requirement.id for v in judgement.by(Verdict.FAIL)]
    assert 3 == verdict_of(judgement, "NTF-02").failed


def _posted(url: str, notification: dict[str, str]) -> bool:
    with suppress(httpx.ConnectError):
        httpx.post(url, json=notification, trust_env=False, timeout=PATIENCE_S)
        return True
    return False


# --- The command line


def options_of(subject: Subject, *more: str) -> list[str]:
    """What the command is told of a gateway, for one product."""
    told = subject.told
    credential = ["--consumer-key", told["consumer_key"], "--consumer-secret", told["consumer_secret"]]
    return ["--gateway", told["gateway"], "--callback-listen", str(told["callback_listen"]), *credential, *more]


def test_a_killed_run_is_resumed_on_the_command_line(
    subject: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kill -9`, which leaves a journal that can be judged, then `run --resume`: the reports are of the whole run."""
    path = tmp_path / "reports" / campaign.JOURNAL
    with process(tmp_path, "run", *options_of(subject, "--product=sms", "--max-examples=800")) as running:
        assert eventually(lambda: path.exists() and _answers(path) >= 50, PATIENCE_S)
        running.kill()
    before, judgement = _answers(path), judge(read_journal(path))
    judged = call(capsys, "judge", str(path), "--report-dir", str(tmp_path / "again"))
    unended = [note.kind for note in read_journal(path).notes]
    secret = ("--consumer-secret", subject.told["consumer_secret"])
    refused = call(capsys, "run", "--resume", str(path), *secret, "--seed", "1")
    other = call(capsys, "run", "--resume", str(path), *secret, "--consumer-key", "somebody-else")
    called = call(capsys, "run", "--resume", str(path), *secret)
    ended = call(capsys, "run", "--resume", str(path), *secret)

    assert -signal.SIGKILL == running.returncode
    assert (0, 2, 2, 2) == (called.code, refused.code, other.code, ended.code), called.out + called.err
    assert {"settled", "finished"}.isdisjoint(unended)
    assert ([], Conclusion.INCONCLUSIVE) == (judgement.by(Verdict.FAIL), judgement.conclusion), shortfalls(judgement)
    assert Reason.INTERRUPTED in {v.reason for v in judgement.verdicts}
    assert (3, True) == (judged.code, judged.out.splitlines()[-1].startswith("inconclusive: ")), judged.err
    assert "--seed is given with --resume" in refused.err
    assert "was that of consumer key" in other.err
    assert "came to its end" in ended.err
    report = json.loads(path.with_name("report.json").read_bytes())
    assert ("conformant", True) == (report["verdict"], report["counts"]["exchanges"] > before)


def _answers(path: Path) -> int:
    try:
        return sum(exchange.response is not None for exchange in read_journal(path).exchanges)
    except UsageError:
        return 0


def test_an_interrupted_run_says_how_to_go_on(subject: Subject, tmp_path: Path) -> None:
    """The line can be typed as it stands."""
    running = process(tmp_path, "run", *options_of(subject, "--product=sms", "--max-examples=2000"))
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("sending"):
            break
    for number in (signal.SIGINT, signal.SIGTERM):  # as CI runners do
        running.send_signal(number)
    out, _ = running.communicate(timeout=PATIENCE_S)

    assert 3 == running.returncode
    assert "go on with: statum-conformance run --resume reports/journal.sqlite" in out.splitlines()


def test_nobody_adds_to_the_journal_of_a_run_in_progress(
    subject: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is its port shared: whichever is met first is told, and the run is not disturbed."""
    path = tmp_path / "reports" / campaign.JOURNAL
    running = process(tmp_path, "run", *options_of(subject, "--product=sms", "--max-examples=800"))
    assert eventually(lambda: path.exists() and _answers(path) >= 5, PATIENCE_S)
    secret = ("--consumer-secret", subject.told["consumer_secret"])
    others = [
        call(capsys, "run", "--resume", str(path), *secret),
        call(capsys, "listen", "--journal", str(path), "--for", "1", *secret),
        call(capsys, "listen", "--journal", str(path), "--for", "1", *secret, "--callback-listen", "127.0.0.1:0"),
    ]
    out, err = running.communicate(timeout=PATIENCE_S)

    assert [3, 3, 3] == [other.code for other in others]
    assert "is in use by another program" in others[0].err
    assert "another run is writing to" in others[2].err
    assert 0 == running.returncode, out + err


def test_listening_needs_a_gateway_that_is_still_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The built-in one ended with its run."""
    path = campaign.run(settings(tmp_path, products=("sms",)))
    called = call(capsys, "listen", "--journal", str(path), "--for", "1")
    assert (2, True) == (called.code, "built-in mock gateway" in called.only_line)


# --- A full disk


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
"""


def test_a_full_disk_ends_with_a_clear_message_and_a_journal_that_can_be_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3 and one line; what was written before is there."""
    size = 3_000_000
    done = subprocess.run(
        [sys.executable, "-c", LIMITED + CONSOLE_SCRIPT, str(size), "run", "--product=sms", "--max-examples=800"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CHECKOUT), "PYTHONUTF8": "1", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    path = tmp_path / "reports" / campaign.JOURNAL
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    judged = call(capsys, "judge", str(path), "--report-dir", str(tmp_path / "again"))

    assert 3 == done.returncode, done.stderr
    assert 1 == len(errors)
    assert f"the journal {path.relative_to(tmp_path)} cannot be written: " in errors[0]
    assert "is the disk full?" in errors[0]
    assert "Traceback" not in done.stderr
    assert 3 == judged.code, judged.err
    assert 50 < _answers(path)
