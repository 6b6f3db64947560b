"""A run under load: as `conformance.gateway.campaign` has it, but other processes send the plan and take what comes.

Preflight, plan, journal, the last notes and the judgement are those of a run. In between, receivers take over the
listening socket, an engine sends the groups, and the coordinator waits until all that is owed has come. Then the files
of all processes become rows of the journal, which is an ordinary one from there on.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from conformance.gateway.campaign import hold, record_plan
from conformance.gateway.plan import Plan
from conformance.gateway.rig import Campaign
from conformance.gateway.settings import Settings
from conformance.journal import Held, read_journal
from conformance.journal.merging import MergedShard, ShardToMerge, merge
from conformance.judging.gathering import LATENESS_GRACE_S
from conformance.load.planning import further_groups
from conformance.load.receivers import ReceiverDelay, Receivers, measured
from conformance.load.settling import Settling
from conformance.load.shards import Driven, WorkerShard
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.model.process import Progress, interrupts_deferred, is_interrupted
from conformance.wire.allowance import is_refused

# The folder for the files of workers and receivers, in the report directory.
WORK = "load"


class LoadTerms(Protocol):
    """How much load: `accepted` requests in all, and `receivers` processes."""

    @property
    def accepted(self) -> int:
        """How many requests are to be accepted in all."""

    @property
    def receivers(self) -> int:
        """How many processes take notifications."""

    def recorded(self) -> dict[str, Any]:
        """The setting `load` of the journal."""


class Drives(Protocol):
    """Sends the groups of a plan with many processes; `conformance.load.engine` does."""

    def drive(  # noqa: PLR0913 - what the campaign knows
        self,
        journal_path: Path,
        base_url: str,
        clock_s: float,
        *,
        apart: Collection[str] = (),
        max_accepted: int | None = None,
        max_spend: int | None = None,
    ) -> Driven:
        """Send all groups of the plan in the journal but those `apart`, within what is left of the limits."""


def run_load(
    settings: Settings,
    load: LoadTerms,
    engine: Drives,
    progress: Progress | None = None,
    behaviour: Behaviour = BUILT_IN,
) -> Path:
    """Hold a run under load; the path of its journal. `behaviour` is that of the built-in mock gateway.

    Failures are not looked into with further requests, unless the settings name a number of these.
    Raises as `conformance.gateway.campaign.run` does.
    """
    settings = replace(settings, shrink_requests=settings.shrink_requests or 0)

    def send(campaign: Campaign, plan: Plan) -> None:
        _Load(campaign, load, engine).send(plan)

    return hold(settings, Plan.of, send, progress, behaviour, also_recorded={"load": load.recorded()})


@dataclass(slots=True)
class _Load:
    """The part of a campaign that other processes do."""

    campaign: Campaign
    load: LoadTerms
    engine: Drives

    def send(self, plan: Plan) -> None:
        """Send the plan, and merge what the processes recorded."""
        campaign, journal = self.campaign, self.campaign.journal
        record_plan(campaign, plan)
        cases, alone, last = len(plan.cases), plan.alone, plan.last
        for batch in further_groups(campaign.settings, plan, self.load.accepted):
            further = tuple(chain.from_iterable(batch))
            cases += len(further)
            journal.plan(further)
            journal.flush()  # so that no more than a batch is in memory
            if is_interrupted():
                raise KeyboardInterrupt
        del plan
        campaign.listening.progress.phase("send", f"{cases:,} cases")
        campaign.send(alone, ())
        before = read_journal(campaign.journal.path)
        held = Held(len(before.cases), len(before.exchanges), len(before.notifications))
        del before
        self._drive(tuple(group[0].group for group in (*alone, *last)))
        self._count_against(held)
        campaign.send((), last)

    def _drive(self, apart: Collection[str]) -> None:
        """Have the engine send all groups but those `apart`; all that was recorded is merged, whatever ends it."""
        campaign, settings, journal = self.campaign, self.campaign.settings, self.campaign.journal
        folder = settings.report_dir / WORK
        allowance, bounds = campaign.sender.allowance, settings.bounds
        receivers = Receivers(settings, campaign.rig, journal, self.load.receivers, folder, 2 * self.load.accepted)
        for stale in folder.glob("worker-*.sqlite*"):
            stale.unlink()
        began = journal.time_of(time.monotonic())
        driven, delay, accepted = Driven((), began, began), ReceiverDelay(), 0
        campaign.listening.others_send = True
        try:
            with receivers:
                try:
                    with measured(settings, campaign.rig) as delay:
                        driven = self.engine.drive(
                            journal.path,
                            campaign.rig.gateway,
                            journal.time_of(0.0),
                            apart=apart,
                            max_accepted=_left(bounds.max_accepted, allowance.taken),
                            max_spend=_left(bounds.max_spend, allowance.spent),
                        )
                except BaseException:
                    driven = _abandoned(folder, began, journal.time_of(time.monotonic()))
                    raise
                if not is_interrupted():
                    accepted = self._settle(driven, receivers, folder)
            receivers.check()
        finally:
            campaign.listening.others_send = False
            with interrupts_deferred():
                self._merge(driven, receivers, delay, accepted)
        if is_interrupted():
            raise KeyboardInterrupt

    def _settle(self, driven: Driven, receivers: Receivers, folder: Path) -> int:
        """Wait for what is owed; how many requests were accepted."""
        listening, journal = self.campaign.listening, self.campaign.journal
        listening.progress.phase("listen", f"up to {listening.patience_s:g} s")
        settling = Settling(folder / "settling.sqlite", self.campaign.settings.contract, listening.patience_s)
        try:
            for shard in driven.shards:
                if shard.path.exists():
                    settling.owe(shard)
            journal.flush()
            listening.progress.until(max(settling.deadline, 0.0) - journal.time_of(0.0))
            settled = settling.wait(
                # The coordinator's own receiver took a few around the hand-over.
                lambda: [journal.path, *(shard.path for shard in receivers.shards)],
                lambda within_s: receivers.await_more(receivers.taken, within_s),
                lambda: journal.time_of(time.monotonic()),
                listening.progress.notified,
            )
            listening.beside = settled
            return settling.accepted
        finally:
            settling.close()

    def _merge(self, driven: Driven, receivers: Receivers, delay: ReceiverDelay, accepted: int) -> None:
        """Make the files of all processes rows of the journal, and note what became of the processes."""
        journal = self.campaign.journal
        there = [shard for shard in driven.shards if shard.path.exists()]
        files = [
            ShardToMerge(s.name, s.path, s.offset_s, driven.ended if s.lost_since is not None else None) for s in there
        ]
        files += [ShardToMerge(shard.name, shard.path) for shard in receivers.shards]
        merged = merge(journal, files)
        lost = any(shard.lost_since is not None for shard in receivers.shards)
        self._note(driven, merged, delay, accepted, receivers_lost=lost)
        for described in receivers.left_out():
            self.campaign.listening.strays.also(described)
        journal.flush()
        for file in files:
            file.path.unlink()
            file.path.with_suffix(".log").unlink(missing_ok=True)
        with suppress(OSError):  # the engine keeps its logs there
            (self.campaign.settings.report_dir / WORK).rmdir()

    def _note(
        self,
        driven: Driven,
        merged: Sequence[MergedShard],
        delay: ReceiverDelay,
        accepted: int,
        *,
        receivers_lost: bool,
    ) -> None:
        journal = self.campaign.journal
        for shard in merged:
            counts = {"exchanges": shard.exchanges, "notifications": shard.notifications}
            journal.note("shard", {"name": shard.name, "sha256": shard.sha256, **counts})
        for worker in driven.shards:
            if worker.within_s or worker.offset_s:
                journal.note("clock", {"shard": worker.name, "offset_s": worker.offset_s, "within_s": worker.within_s})
            if worker.lost_since is not None:
                since = {"since": worker.lost_since, "until": driven.ended}
                known = {"handed_out": dict(worker.handed_out), "shipped": worker.name in {s.name for s in merged}}
                journal.note("lost", {"what": "worker", "name": worker.name, **since, **known})
        journal.note(
            "load",
            {
                "began": driven.began,
                "ended": driven.ended,
                "sent": sum(shard.exchanges for shard in merged),
                "accepted": accepted,
                "behind_s": driven.behind_s,
                "withheld": sum(driven.withheld.values()),
                "receivers_p99_s": round(delay.p99_s, 4),
                "receivers_most_s": round(delay.most_s, 4),
            },
        )
        for option, count in driven.withheld.items():
            self.campaign.sender.allowance.withhold(option, count)
        # One that was lost has others wait until another one serves.
        if delay.p99_s > LATENESS_GRACE_S and not receivers_lost:
            self.campaign.listening.progress.remark(
                f"the receivers of the suite are the bottleneck: one canary in a hundred took {delay.p99_s:.2f} s or "
                "more; late notifications may be theirs (more --receivers, or a lower --rate)"
            )

    def _count_against(self, held: Held) -> None:
        """Take what the workers sent off the allowance of what is sent behind it."""
        allowance, listening = self.campaign.sender.allowance, self.campaign.listening
        if listening.successes is None:
            return
        record = read_journal(self.campaign.journal.path, held)
        for exchange in record.exchanges:
            refused = exchange.response is not None and is_refused(exchange.response, allowance.contract)
            if not exchange.unsent:
                allowance.count(exchange.request, refused=refused)
            listening.successes.answered(exchange)
        for notification in record.notifications:
            listening.successes.notified(notification.request)
        if any(note.kind == "lost" and note.detail["handed_out"] for note in record.notes):
            allowance.stop()  # nobody knows how much of the limits is left


def _left(limit: int | None, taken: int) -> int | None:
    return None if limit is None else max(0, limit - taken)


def _abandoned(folder: Path, began: float, ended: float) -> Driven:
    """The files of workers that are there although the engine failed; they may end in the middle."""
    paths = sorted(folder.glob("worker-*.sqlite"))
    return Driven(tuple(WorkerShard(path.stem, path, lost_since=ended) for path in paths), began, ended)
