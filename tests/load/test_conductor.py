"""The master's part: who may join, whose clock is how far off, and what is known of a worker that is lost."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from load_rig import case, planned

from conformance import __version__
from conformance.contract.contract import statum
from conformance.load.channel import (
    ASK,
    BATCH,
    BEGIN,
    DONE,
    END,
    HELLO,
    PART,
    PING,
    PONG,
    REPORT,
    STOP,
    WELCOME,
    MasterTerms,
)
from conformance.load.conductor import LEAD_S, LOST_AFTER_S, ROUNDS, Conductor
from conformance.load.sharding import Dealer, Schedule
from conformance.wire.allowance import Allowance

URL = "http://127.0.0.1:9/api/v2"
# Seconds that are added to this machine's clock to have that of the journal.
CLOCK_S = 1_000.0


class Stage:
    """A conductor with workers that are played by the test, and a clock that the test moves."""

    def __init__(self, folder: Path, local: tuple[str, ...], expected: int) -> None:
        with planned(folder / "journal.sqlite", [case(each, url=URL) for each in range(20)]):
            pass
        self.now = 50.0
        self.sent: list[tuple[str, str, dict[str, Any]]] = []
        self.told: list[dict[str, Any]] = []
        terms = MasterTerms(
            str(folder / "journal.sqlite"), URL, None, 100.0, (), local, expected, str(folder), CLOCK_S, None, None
        )
        schedule = Schedule(folder / "journal.sqlite", terms.rate)
        self.conductor = Conductor(
            terms,
            schedule,
            Dealer(statum(), schedule, Allowance(statum())),
            lambda client, kind, data: self.sent.append((client, kind, dict(data))),
            lambda message: self.told.append(dict(message)),
            lambda: self.now,
        )

    def hello(self, client: str, name: str | None = None, **changed: str) -> None:
        """A worker says who it is."""
        self.conductor.receive(client, HELLO, {"name": name, "gateway": URL, "version": __version__, **changed})

    def to(self, client: str, kind: str) -> list[dict[str, Any]]:
        """What was sent to a worker, of one kind."""
        return [data for to, each, data in self.sent if (to, each) == (client, kind)]

    def answer_pings(self, client: str, ahead_s: float, took_s: list[float]) -> None:
        """Answer each ping as a worker whose clock is `ahead_s` ahead, over a way that takes so long both ways."""
        for took in took_s:
            at = self.to(client, PING)[-1]["at"]
            self.now += took
            self.conductor.receive(client, PONG, {"at": at, "here": self.now - took / 4 + ahead_s})

    @property
    def driven(self) -> dict[str, Any]:
        """What is told of each worker at the end, by its name."""
        (end,) = [message for message in self.told if "driven" in message]
        return {each["name"]: each for each in end["driven"]}


@pytest.fixture
def one_of_each(tmp_path: Path) -> Stage:
    """A worker of this machine and one that joins, whose clock is 7 s ahead; both have begun, and have a batch."""
    stage = Stage(tmp_path, ("worker-1",), 1)
    stage.hello("here", "worker-1")
    stage.hello("there")
    stage.answer_pings("there", 7.0, [0.4, 0.1, 0.2] + [0.3] * (ROUNDS - 3))
    for client in ("here", "there"):
        stage.conductor.receive(client, ASK, {})
    return stage


def test_the_load_begins_for_all_at_one_moment(one_of_each: Stage) -> None:
    """By the clock of each; the fastest ping says how exactly."""
    (here,), (there,) = one_of_each.to("here", BEGIN), one_of_each.to("there", BEGIN)
    (began,) = [message["began"] for message in one_of_each.told if "began" in message]

    assert [{"name": "worker-1"}, {"name": "worker-2"}] == [
        one_of_each.to(client, WELCOME)[0] for client in ("here", "there")
    ]
    assert began == here["at"] == one_of_each.now + LEAD_S
    assert abs(there["at"] - 7.0 - began) <= 0.05


def test_each_case_is_handed_out_once_and_the_end_told_to_all(one_of_each: Stage) -> None:
    """Also if one worker reports much later."""
    batches = one_of_each.to("here", BATCH) + one_of_each.to("there", BATCH)
    ids = [row[1] for batch in batches for _, rows in batch["groups"] for row in rows]

    assert sorted(case(each).id for each in range(20)) == sorted(ids)
    one_of_each.conductor.receive("here", ASK, {})
    assert [{}] == one_of_each.to("here", END) == one_of_each.to("there", END)


def test_a_joined_worker_that_falls_silent_is_lost_with_what_it_had(one_of_each: Stage) -> None:
    """Its cases are counted by product, for its file is not there; the one on this machine is not lost by silence."""
    seen = one_of_each.now
    one_of_each.now += LOST_AFTER_S + 1
    one_of_each.conductor.look_again()
    one_of_each.conductor.receive("here", ASK, {})
    one_of_each.conductor.receive("here", DONE, {})

    lost = one_of_each.driven["worker-2"]
    assert (seen + CLOCK_S, {"sms": 10}) == (lost["lost_since"], lost["handed_out"])
    assert (None, {}, 0.0) == tuple(
        one_of_each.driven["worker-1"][key] for key in ("lost_since", "handed_out", "within_s")
    )
    one_of_each.conductor.receive("there", REPORT, {})
    assert [{}] == one_of_each.to("there", STOP)


def test_a_local_worker_that_ends_is_lost_and_its_file_tells_all(one_of_each: Stage) -> None:
    """Nothing is counted as unseen: each request is in the file before it goes out."""
    one_of_each.conductor.lose("worker-1")
    one_of_each.conductor.stop()
    one_of_each.conductor.receive("there", PART, {"bytes": b"rows"})
    one_of_each.conductor.receive("there", DONE, {"sha256": hashlib.sha256(b"rows").hexdigest()})

    assert one_of_each.driven["worker-1"]["lost_since"] is not None
    assert {} == one_of_each.driven["worker-1"]["handed_out"]


@pytest.mark.parametrize(("sent", "is_whole"), [(b"rows and rows", True), (b"rows and", False)])
def test_a_file_that_is_shipped_counts_if_its_digest_agrees(one_of_each: Stage, sent: bytes, *, is_whole: bool) -> None:
    """Else the worker is lost; times of its clock are moved by the offset of the fastest ping."""
    for piece in (sent[:4], sent[4:]):
        one_of_each.conductor.receive("there", PART, {"bytes": piece})
    one_of_each.conductor.receive("there", DONE, {"sha256": hashlib.sha256(b"rows and rows").hexdigest()})
    one_of_each.conductor.receive("here", DONE, {})

    there = one_of_each.driven["worker-2"]
    assert is_whole == (there["lost_since"] is None) == (there["handed_out"] == {})
    assert 0.05 == pytest.approx(there["within_s"])
    assert abs(there["offset_s"] - (CLOCK_S - 7.0)) <= there["within_s"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {"gateway": "http://127.0.0.1:8/api/v2"},
            f"it sends to http://127.0.0.1:8/api/v2, and the run is about {URL}",
        ),
        ({"version": "0.0.1"}, f"it is of version 0.0.1, and the run of {__version__}"),
    ],
)
def test_a_worker_that_would_send_otherwise_is_refused(tmp_path: Path, changed: dict[str, str], why: str) -> None:
    """It is told why, and another one may come."""
    stage = Stage(tmp_path, (), 1)
    stage.hello("stranger", **changed)
    stage.hello("other")

    assert [{"refused": why}] == stage.to("stranger", WELCOME)
    assert [{"name": "worker-1"}] == stage.to("other", WELCOME)


def test_one_more_than_expected_is_refused(tmp_path: Path) -> None:
    """Also one that takes the name of a worker that is there."""
    stage = Stage(tmp_path, ("worker-1",), 0)
    for client in ("first", "second"):
        stage.hello(client, "worker-1")

    assert [{"name": "worker-1"}] == stage.to("first", WELCOME)
    assert [{"refused": "no further worker is expected"}] == stage.to("second", WELCOME)
