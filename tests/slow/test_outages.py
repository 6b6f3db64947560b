"""A way back that was cut for a while: only notifications of another time fail the gateway if they are missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from campaigns import settings, shortfalls
from failing_network import Cut, FailingNetwork, held_through
from run_records import Run
from seeded import fault

from conformance.gateway import campaign, listening, preflight
from conformance.gateway.rig import CANARY_HEADER
from conformance.gateway.settings import RunLimits, Settings
from conformance.journal import Note, Record, read_journal
from conformance.judging import excuses, gathering
from conformance.judging.judgement import Reason
from conformance.judging.terms import HEARTBEAT, Outage, Watch
from conformance.judging.verdicts import Judged, RequirementVerdict, Verdict
from conformance.mock.behaviour import BUILT_IN, Behaviour, Callback, Moment
from conformance.model.traffic import header
from conformance.reports.result import judge

INFINITE = float("inf")
# So many at the beginning of a run are no chance.
LATE = 60


def beats(times: str, every_s: float = 1.0) -> tuple[Note, ...]:
    """A heartbeat for each character, one after the other: `+` arrived, `-` was lost, a space is none."""
    told = ((number * every_s, sign == "+") for number, sign in enumerate(times) if sign != " ")
    return tuple(
        Note(0, HEARTBEAT, {"product": "sms", "sent_at": at, "arrived": arrived}, at, at) for at, arrived in told
    )


def verdict_of(judgement: Judged, id_: str) -> RequirementVerdict:
    """The verdict on a requirement for sms."""
    return next(v for v in judgement.verdicts if (v.requirement.id, v.command) == (id_, "sms"))


# --- What canaries tell


OUTAGES: dict[str, tuple[Outage, ...]] = {
    "": (),
    "++++": (),
    "++-+": (Outage(1.0, 3.0, 1),),
    "+   --  +": (Outage(0.0, 8.0, 2),),
    "--++": (Outage(-INFINITE, 2.0, 2),),
    "++--": (Outage(1.0, INFINITE, 2),),
    "+-+--+": (Outage(0.0, 2.0, 1), Outage(2.0, 5.0, 2)),
}


def test_an_outage_is_between_two_canaries_that_arrived() -> None:
    """In whatever order they are told; where none was lost after the run, each lost before tells of one."""
    assert OUTAGES == {times: Watch.of(beats(times), 200, 0).outages for times in OUTAGES}
    assert OUTAGES == {times: Watch.of(reversed(beats(times))).outages for times in OUTAGES}


def test_occasional_loss_is_no_outage() -> None:
    """So many in a row have to be lost that it is no chance; those that are no outage count among the others."""
    outages = {(0, 1): 1, (20, 1): 0, (20, 2): 1, (60, 2): 0, (60, 4): 1, (200, 9): 0}
    for (lost_of_200, in_a_row), expected in outages.items():
        watch = Watch.of(beats("++" + "-" * in_a_row + "+"), 200, lost_of_200)
        assert expected == len(watch.outages)
        assert (3, 0) if expected else (3 + in_a_row, in_a_row) == (watch.sent, watch.lost)


# --- What is made of it


def recorded(requests: int, came: dict[int, float], times: str, *, over_network: bool = True) -> Record:
    """A run with an accepted request each 10 s, each notified at once or after `came` seconds; 0 stands for never.

    Their notifications may take 2 s, and `times` are the heartbeats, one a second.
    """
    run = Run(notify_within_s=2.0)
    for number in range(requests):
        run.invoke(f"r-{number}")
        answered = 10.0 * (number + 1)
        run.exchanges[-1] = replace(run.exchanges[-1], sent_at=answered, answered_at=answered)
        if (after := came.get(number, 0.1)) > 0:
            run.notify(f"r-{number}", at=answered + after)
    record = run.record()
    # In all, canaries lose nothing.
    after = Note(1, "way-back", {"canaries": {"sms": (200, 0)}}, 0.0, 0.0)
    return replace(
        record,
        settings={**record.settings, "network_back": over_network},
        notes=(*beats(times), after, *record.notes),
    )


def up(seconds: int, *, down: tuple[int, int] = (0, 0)) -> str:
    """Heartbeats of so many seconds, which are lost from one second to another."""
    return "".join("-" if down[0] <= second < down[1] else "+" for second in range(seconds))


@pytest.mark.parametrize("over_network", [True, False])
def test_notifications_missing_during_an_outage_fail_nobody(over_network: bool) -> None:  # noqa: FBT001 - a parameter
    """Neither failed nor passed, and it is said why."""
    gone = dict.fromkeys(range(4, 16), 0.0)
    found = verdict_of(judge(recorded(20, gone, up(220, down=(50, 165)), over_network=over_network)), "NTF-01")

    assert (Verdict.INCONCLUSIVE, Reason.ENVIRONMENT) == (found.verdict, found.reason)
    assert "the way back was cut while a notification was due: 115 canaries in a row got lost on it" == found.detail


# Which notifications are missing, from when to when canaries are lost, and how many failures and gaps are found.
NOT_EXCUSED: tuple[tuple[range, tuple[int, int], tuple[int, int]], ...] = (
    (range(4, 16), (0, 0), (12, 0)),
    (range(8, 20), (30, 60), (12, 0)),
    # With what networks hold up on either side of the outage: of twenty, one each 10 s, five.
    (range(20), (71, 109), (15, 5)),
)


def test_an_outage_excuses_no_notification_of_another_time() -> None:
    """And without a lost canary there is none."""
    for missing, down, expected in NOT_EXCUSED:
        judgement = judge(recorded(20, dict.fromkeys(missing, 0.0), up(220, down=down)))
        found = verdict_of(judgement, "NTF-01")
        assert (Verdict.FAIL, *expected) == (found.verdict, found.failed, found.unobserved)


def test_a_notification_after_an_outage_is_not_late() -> None:
    """The gateway may have tried before; without an outage it is."""
    late = dict.fromkeys(range(6, 18), 9.0)
    found = verdict_of(judge(recorded(20, late, up(220, down=(60, 190)))), "NTF-02")
    assert (Verdict.PASS, 0, 12) == (found.verdict, found.failed, found.unobserved)
    found = verdict_of(judge(recorded(20, late, up(220))), "NTF-02")
    assert (Verdict.FAIL, 12) == (found.verdict, found.failed)


@pytest.mark.parametrize(("over_network", "expected"), [(True, Verdict.PASS), (False, Verdict.FAIL)])
def test_a_second_try_over_a_network_is_not_late(
    over_network: bool,  # noqa: FBT001 - a parameter of the test
    expected: Verdict,
) -> None:
    """A few of many, sent once more: that is for the network. On this machine nothing gets lost."""
    found = verdict_of(judge(recorded(20, {3: 9.0, 7: 9.0}, up(220), over_network=over_network)), "NTF-02")
    assert expected == found.verdict
    if over_network:
        assert 2 == found.unobserved


# --- Whole runs

QUICK = {
    "products": ("sms",),
    "max_examples": 100,
    "notify_within_s": 0.3,
    "limits": RunLimits(10_000, 10_000, 300.0),
    "shrink_requests": 0,
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on loopback is held up, so that little is left out around an outage."""
    for module in (excuses, gathering, listening):
        monkeypatch.setattr(module, "NETWORK_HOLDS_S", 0.1)
    monkeypatch.setattr(preflight, "SOONEST_HEARTBEAT_S", 0.01)


def held_with_a_cut(directory: Path, begin: int, end: int, behaviour: Behaviour = BUILT_IN, **changes: Any) -> Record:
    """A run whose way back lets nothing through between so many answers and so many."""

    def held(given: Settings, _: FailingNetwork, back: FailingNetwork) -> Path:
        return campaign.run(given, Cut(back, begin, end))

    return read_journal(held_through(directory, hold=held, behaviour=behaviour, **{**QUICK, **changes}).journal)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("over_network", [True, None], ids=["a network", "a proxy on this machine"])
def test_a_tunnel_that_is_down_for_a_while_fails_nobody(
    over_network: bool | None,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    """Up before the run and after it: the canaries that were lost in between tell."""
    record = held_with_a_cut(tmp_path, 60, 200, over_network=over_network)
    judgement = judge(record)
    found = verdict_of(judgement, "NTF-01")

    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert (Verdict.INCONCLUSIVE, Reason.ENVIRONMENT) == (found.verdict, found.reason)
    assert "the way back was cut" in (found.detail or "")
    assert {None} == {header(n.request.headers, CANARY_HEADER) for n in record.notifications}
    sent = [note.detail["arrived"] for note in record.notes if note.kind == HEARTBEAT]
    assert (True, True) == (True in sent, False in sent)


@pytest.mark.usefixtures("impatient")
def test_a_gateway_that_drops_notifications_fails_although_a_tunnel_was_down(tmp_path: Path) -> None:
    """Notifications that were owed at another time are missing, and the gateway fails for them."""
    behaviour = fault("no-notifications").change(BUILT_IN)
    judgement = judge(held_with_a_cut(tmp_path, 20, 60, behaviour))

    assert [("NTF-01", "sms")] == [(v.requirement.id, v.command) for v in judgement.by(Verdict.FAIL)]
    assert verdict_of(judgement, "NTF-01").unobserved > 0


@pytest.mark.usefixtures("impatient")
def test_a_late_gateway_fails_over_a_network(tmp_path: Path) -> None:
    """Where canaries come through, it was no second try; also if nothing is missing in the end."""

    def late(deliveries: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        return tuple(replace(each, after_s=0.8) for each in deliveries) if moment.accepted <= LATE else deliveries

    behaviour = replace(BUILT_IN, deliveries=(late,))
    judgement = judge(read_journal(held_through(tmp_path, behaviour=behaviour, **QUICK).journal))

    found = [(v.requirement.id, v.command) for v in judgement.by(Verdict.FAIL)]
    assert [("NTF-02", "sms")] == found, shortfalls(judgement)


def test_on_this_machine_nothing_is_sent_in_between(tmp_path: Path) -> None:
    """Neither of the built-in gateway nor of one whose notifications come straight here."""
    address, gateway = settings(tmp_path).callback_listen, "http://127.0.0.1:9/api/v2"
    for changes in ({}, {"gateway": gateway, "callback_listen": address}):
        assert not settings(tmp_path, **changes).way_back_to_be_watched
    said_so = {"gateway": gateway, "callback_url": "https://hooks.example", "over_network": False}
    assert not settings(tmp_path, **said_so).way_back_to_be_watched
    assert settings(tmp_path, gateway=gateway, callback_url="http://127.0.0.1:9").way_back_to_be_watched
