"""How the plan is cut for workers: due times, whole groups, limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from load_rig import case, ordinary_plan, planned, settings_for

from conformance.contract.contract import statum
from conformance.load.sharding import (
    MOST_IN_BATCH,
    SLICE_S,
    Dealer,
    DueGroup,
    Nothing,
    Schedule,
    WorkerBatch,
    is_row_refused,
)
from conformance.model.traffic import Case, Kind
from conformance.wire.allowance import ACCEPTED, Allowance

UNLIMITED = Allowance(statum())


def scheduled(tmp_path: Path, cases: Sequence[Case], rate: float, apart: Sequence[str] = ()) -> list[DueGroup]:
    """The groups of these cases."""
    with planned(tmp_path / "journal.sqlite", cases):
        return list(Schedule(tmp_path / "journal.sqlite", rate, apart))


def batches(dealer: Dealer, workers: int) -> list[WorkerBatch]:
    """All that a dealer hands out to workers that report nothing."""
    handed = []
    while isinstance(batch := dealer.hand_out(workers), WorkerBatch):
        handed.append(batch)
    return handed


def ids(batch: WorkerBatch) -> list[str]:
    """The ids of a batch's cases."""
    return [row[1] for row in batch.rows]


def test_requests_to_be_accepted_are_due_at_the_rate(tmp_path: Path) -> None:
    """Ten a second: one each tenth of a second, whatever goes beside them."""
    refused = [case(100 + each, kind=Kind.BROKEN, aspect="missing", id=f"broken/{each}") for each in range(5)]
    groups = scheduled(tmp_path, [*refused, *map(case, range(10))], rate=10.0)

    accepted = [group.due_s for group in groups if not is_row_refused(group.rows[0])]
    assert [round(each / 10, 6) for each in range(10)] == [round(due, 6) for due in accepted]
    beside = [group.due_s for group in groups if is_row_refused(group.rows[0])]
    assert [0.0, 0.2, 0.4, 0.6, 0.8] == [round(due, 6) for due in beside]


def test_a_group_with_several_accepted_requests_counts_with_each(tmp_path: Path) -> None:
    """The next one is due when as many would have been."""
    groups = scheduled(tmp_path, [case(1, "g"), case(2, "g"), case(3, "g"), case(4)], rate=10.0)

    assert [(3, 0.0), (1, 0.3)] == [(len(group.rows), round(group.due_s, 6)) for group in groups]


def test_the_ordinary_plan_is_scheduled_once_and_whole(tmp_path: Path) -> None:
    """Each group but those apart, its cases in their order, at rising due times."""
    plan = ordinary_plan(settings_for("http://127.0.0.1:9/api/v2", tmp_path))
    apart = [plan.groups[0][0].group]
    groups = scheduled(tmp_path, plan.cases, 50.0, apart)

    expected = {group[0].group: [case.id for case in group] for group in plan.all_groups[1:]}
    assert expected == {group.rows[0][5]: [row[1] for row in group.rows] for group in groups}
    assert [group.due_s for group in groups] == sorted(group.due_s for group in groups)


def test_workers_share_each_slice_of_time(tmp_path: Path) -> None:
    """Two workers that take turns send half of the rate each."""
    dealer = Dealer(statum(), scheduled(tmp_path, list(map(case, range(400))), 400.0), UNLIMITED)
    handed = batches(dealer, 2)

    sizes = [len(list(batch.rows)) for batch in handed]
    assert 400 == sum(sizes)
    assert {50} == set(sizes)
    pairs = zip(handed[::2], handed[1::2], strict=True)
    assert all(abs(one.groups[0].due_s - other.groups[0].due_s) < SLICE_S for one, other in pairs)
    assert Counter(each for batch in handed for each in ids(batch)).most_common(1)[0][1] == 1


def test_a_batch_has_a_size(tmp_path: Path) -> None:
    """However many are due at once."""
    dealer = Dealer(statum(), scheduled(tmp_path, list(map(case, range(3 * MOST_IN_BATCH))), 100_000.0), UNLIMITED)

    assert MOST_IN_BATCH >= max(len(list(batch.rows)) for batch in batches(dealer, 1))


def test_nothing_is_handed_out_beyond_the_limit(tmp_path: Path) -> None:
    """Cases under way count as accepted, so the rest waits; once they are accepted, the rest is withheld."""
    allowance = Allowance(statum(), 5)
    dealer = Dealer(statum(), scheduled(tmp_path, list(map(case, range(8))), 1000.0), allowance)
    batch = dealer.hand_out(1)

    assert isinstance(batch, WorkerBatch)
    assert 5 == len(ids(batch))
    assert Nothing.YET is dealer.hand_out(1)
    dealer.reported(batch.number, (), ())
    assert Nothing.LEFT is dealer.hand_out(1)
    assert {ACCEPTED: 3} == allowance.withheld


def test_a_refused_or_unsent_case_makes_room(tmp_path: Path) -> None:
    """As many go out as were refused, or never left."""
    dealer = Dealer(statum(), scheduled(tmp_path, list(map(case, range(8))), 1000.0), Allowance(statum(), 5))
    batch = dealer.hand_out(1)
    assert isinstance(batch, WorkerBatch)
    dealer.reported(batch.number, ids(batch)[:1], ids(batch)[1:2])
    then = dealer.hand_out(1)

    assert isinstance(then, WorkerBatch)
    assert 2 == len(ids(then))


def test_the_batch_of_a_lost_worker_stays_counted(tmp_path: Path) -> None:
    """Without a report its cases may be accepted for ever, and nobody else gets them."""
    dealer = Dealer(statum(), scheduled(tmp_path, list(map(case, range(8))), 1000.0), Allowance(statum(), 5))
    assert isinstance(dealer.hand_out(1), WorkerBatch)

    assert Nothing.YET is dealer.hand_out(1)
    dealer.stop()
    assert Nothing.LEFT is dealer.hand_out(1)
