"""The terms of a run: the settings that verdicts depend on, and the journal's notes on the way of notifications.

A network that now and then loses something loses a canary, too. That is not an outage, unless so many get lost in a row
that chance does not explain it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import inf
from typing import Any, Self

from conformance.contract.contract import Contract, statum
from conformance.journal import LISTENED, RESUMED, UNREADABLE, Note, Record
from conformance.judging.objectives import SLO
from conformance.model.traffic import normalized
from conformance.wire.receiver import TOKEN

HEARTBEAT = "heartbeat"
"""The kind of the canaries' notes: `sent_at` (seconds of the journal's clock), `arrived`."""

# Losses in a row that are less likely are an outage. A false outage blames nobody for a missing notification, a missed
# one may blame the gateway. So one in fifty is enough.
IN_A_ROW_BY_CHANCE = 0.02


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the way was cut, and how many canaries were `lost` then.

    Between the last canary before it that arrived, and the first after it; infinite without one.
    """

    since: float
    until: float
    lost: int


@dataclass(frozen=True, slots=True)
class Watch:
    """The outages of the way of notifications; of all other canaries, how many were `sent`, and `lost`."""

    outages: tuple[Outage, ...] = ()
    sent: int = 0
    lost: int = 0

    @classmethod
    def of(cls, notes: Iterable[Note], sent: int = 0, lost: int = 0) -> Self:
        """From the heartbeats among `notes`, and from the canaries that were sent after the run and lost."""
        beats = sorted((note.detail["sent_at"], note.detail["arrived"]) for note in notes if note.kind == HEARTBEAT)
        usual = (lost + 1) / (sent + 1) if sent else 0.0
        outages, before = [], -inf
        rows = [(arrived, [at for at, _ in row]) for arrived, row in groupby(beats, lambda beat: beat[1])]
        for number, (arrived, times) in enumerate(rows):
            if arrived:
                before = times[-1]
            elif usual ** len(times) <= IN_A_ROW_BY_CHANCE:
                until = rows[number + 1][1][0] if number + 1 < len(rows) else inf
                outages.append(Outage(before, until, len(times)))
        cut = sum(outage.lost for outage in outages)
        all_lost = sum(not arrived for _, arrived in beats)
        return cls(tuple(outages), len(beats) - cut, all_lost - cut)

    def outage_between(self, begin: float, end: float) -> Outage | None:
        """The first outage that overlaps with that time."""
        return next((outage for outage in self.outages if outage.since < end and begin < outage.until), None)


REFUSED_HERE = "refused-here"
"""The kind of a note that the suite's own receiver could not take a request: `why`, and whether that is `lasting`."""

LOST = "lost"
"""The kind of a note on a process of a load run that was lost: `what` (worker or receiver), `name`, `since`, `until`.

`handed_out`: by product, how many cases it may have sent of which nothing is known.
"""
CLOCK = "clock"
"""The kind of a note on the clock of another machine, whose times agree with the journal's within `within_s`."""

# The receiver notes at most one refusal a second, so a note represents those around it.
AROUND_S = 1.5

# A shorter part of a callback URL can be guessed, or is a name.
SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True)
class RefusedHere:
    """A time in which the suite's own receiver did not take everything, and `why`."""

    since: float
    until: float
    why: str

    @classmethod
    def of(cls, note: Note) -> Self:
        """Around the note of one refusal, or from then on; for a receiver that was lost, as long as that may have been.

        It had recorded all that came before its last sign of life.
        """
        if note.kind == LOST:
            return cls(note.detail["since"], note.detail["until"], f"{note.detail['name']} was lost")
        until = inf if note.detail["lasting"] else note.noted_at + AROUND_S
        return cls(note.noted_at - AROUND_S, until, note.detail["why"])


@dataclass(frozen=True, slots=True)
class UnderLoad:
    """The time in which `load` sent requests at a rate, and the figures of `--slo` (`slo`).

    `behind_s`: the most that a request went out after its due time. Nothing is under load before `load` has noted it.
    """

    slo: SLO = field(default_factory=SLO)
    began: float = inf
    ended: float = inf
    behind_s: float = 0.0

    @classmethod
    def of(cls, settings: Mapping[str, Any], last: Mapping[str, Mapping[str, Any]]) -> Self | None:
        """From the settings of a run and the details of its last note of each kind; None for any other run."""
        asked = settings.get("load")
        if asked is None:
            return None
        slo, note = SLO.of(asked.get("slo")), last.get("load")
        return cls(slo) if note is None else cls(slo, note["began"], note["ended"], note["behind_s"])

    def covers(self, at: float) -> bool:
        """Whether a request that was sent at that moment was under load."""
        return self.began <= at <= self.ended


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that verdicts depend on, from the journal, and the contract.

    `targets`: product → path and query at which its notifications must arrive; `callback_paths`: product → the owner of
    that callback, if it is another product. `loopback`: no network between suite and gateway, so that a lost answer is
    the gateway's fault. `settled_at`: until when (monotonic seconds) the suite listened, None if it was cut off before.
    `obstacle`: why there was no campaign at all. `own_gateway`: the gateway was started for the run, so that no other
    run came before. `alone`: nobody else uses the account, by the settings or because of `own_gateway`.
    `phone_numbers`: the given ones; none: any may be used.

    `ways_lost`: product → how its callback path turned out not to lead here after the run. `network_back`: a network
    lies between the gateway and the callbacks; `canaries`: product → how many crossed it, and how many got lost;
    `watch`: the same during the run. `stand_ins`: the id of a case whose answer got lost → the ids of its replacements.
    `gaps`: times in which nobody listened, before a run was resumed. `unread`: requests to the receiver that could not
    be read, with the product that they name, if any, and the error. `refused_here`: times in which the receiver lacked
    files or had ended. `left_out`: product → how many requests to its callback without an id were too many to keep;
    `left_out_with_id`: how many with an unknown id. `inquiring`: the run consists of follow-ups to refusals without an
    excuse. `load`: when the run was under load; None for any other run than that of `load`. `unseen`: product → how
    many requests workers may have sent of which nothing is known, for they were lost. `dated_within_s`: a
    notification may be dated so many seconds too late, by clocks that differ or by receivers that had much to do.
    """

    contract: Contract = field(default_factory=statum)
    commands: tuple[str, ...] = ()
    notify_within_s: float = 10.0
    exclusive_account: bool = False
    targets: Mapping[str, str] = field(default_factory=dict)
    callback_paths: Mapping[str, str] = field(default_factory=dict)
    loopback: bool = True
    settled_at: float | None = None
    obstacle: str | None = None
    alone: bool = False
    own_gateway: bool = False
    phone_numbers: frozenset[str] = frozenset()
    ways_lost: Mapping[str, str] = field(default_factory=dict)
    network_back: bool = False
    canaries: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    stand_ins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    gaps: tuple[tuple[float, float], ...] = ()
    unread: tuple[tuple[str | None, str], ...] = ()
    refused_here: tuple[RefusedHere, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    left_out_with_id: int = 0
    inquiring: bool = False
    unseen: Mapping[str, int] = field(default_factory=dict)
    dated_within_s: float = 0.0
    load: UnderLoad | None = None

    @classmethod
    def of(cls, record: Record, contract: Contract) -> Self:
        """The terms of a recorded run of this contract, from its settings and notes."""
        settings = record.settings
        last = {note.kind: note.detail for note in record.notes}
        way_back, strays = last.get("way-back", {}), last.get("strays", {})
        canaries = {product: (sent, lost) for product, (sent, lost) in way_back.get("canaries", {}).items()}
        stand_ins: dict[str, list[str]] = defaultdict(list)
        for replaced in (note.detail["stands_for"] for note in record.notes if note.kind == "planned-anew"):
            for replacement, lost in replaced.items():
                stand_ins[lost].append(replacement)
        return cls(
            contract,
            commands=tuple(settings["commands"]),
            notify_within_s=float(settings["notify_within_s"]),
            exclusive_account=bool(settings["exclusive_account"]),
            targets=dict(settings["callback_targets"]),
            callback_paths=dict(settings.get("callback_paths", {})),
            loopback=bool(settings["loopback"]),
            settled_at=last.get("settled", {}).get("at"),
            obstacle=next((note.detail["message"] for note in record.latest_notes if note.kind == "obstacle"), None),
            alone=bool(settings["exclusive_account"] or settings.get("own_gateway")),
            own_gateway=bool(settings.get("own_gateway")),
            phone_numbers=frozenset(settings.get("phone_numbers", ())),
            ways_lost=dict(way_back.get("lost", {})),
            network_back=bool(settings.get("network_back", False)),
            canaries=canaries,
            watch=Watch.of(record.notes, *map(sum, zip(*canaries.values(), strict=True))),
            stand_ins=stand_ins,
            gaps=tuple(
                (note.detail["silent_since"], note.detail["until"])
                for note in record.notes
                if note.kind in (RESUMED, LISTENED)
            ),
            unread=tuple(
                (note.detail["product"], note.detail["error"])
                for note in record.notes
                if note.kind == UNREADABLE and note.detail["where"] == "receiver"
            ),
            refused_here=tuple(
                RefusedHere.of(note)
                for note in record.notes
                if note.kind == REFUSED_HERE or (note.kind == LOST and note.detail["what"] == "receiver")
            ),
            left_out=dict(strays.get("without_id", {})),
            left_out_with_id=int(strays.get("with_id", 0)),
            inquiring=bool(settings.get("inquiring")),
            unseen=_unseen(record.notes),
            dated_within_s=_dated_within_s(record.notes),
            load=UnderLoad.of(settings, last),
        )

    def callback_of(self, product: str) -> str:
        """The product at whose callback the notifications of `product` arrive; mostly itself."""
        return self.callback_paths.get(product, product)

    def refusal(self, begin: float, end: float) -> RefusedHere | None:
        """The first refusal by the suite's own receiver that overlaps with that time; None without one."""
        return next((each for each in self.refused_here if each.since < end and begin < each.until), None)

    def is_known_only_to_the_gateway(self, product: str, target: str) -> bool:
        """Whether `target` is the whole registered callback URL, and strangers cannot guess it.

        Such a URL has a token in its query or a long name in its path.
        """
        registered = self.targets.get(product)
        return registered is not None and _has_a_secret(registered) and normalized(registered) == normalized(target)

    def knows_the_sender(self, product: str | None, target: str) -> bool:
        """Whether a request to `target` is the gateway's: nobody else uses the account, or knows the address."""
        return self.alone or self.is_known_only_to_the_gateway(product or "", target)

    def listened_between(self, begin: float, end: float) -> bool:
        """Whether no gap in listening is known for that time."""
        return not any(since < end and begin < until for since, until in self.gaps)


def _unseen(notes: Iterable[Note]) -> Mapping[str, int]:
    unseen: Counter[str] = Counter()
    for note in notes:
        if note.kind == LOST:
            unseen.update(note.detail["handed_out"])
    return unseen


def _dated_within_s(notes: Iterable[Note]) -> float:
    clocks = (note.detail["within_s"] for note in notes if note.kind == CLOCK)
    receivers = (note.detail.get("receivers_most_s", 0.0) for note in notes if note.kind == "load")
    return float(max(clocks, default=0.0) + max(receivers, default=0.0))


def _has_a_secret(target: str) -> bool:
    path, _, query = target.partition("?")
    named = [part.partition("=") for part in query.split("&")]
    prefix = path.rpartition("/callbacks/")[0]  # a callback of a product may have a name of several parts
    parts = [*prefix.split("/"), *(value or name for name, _, value in named)]
    return any(name == TOKEN and value for name, _, value in named) or max(map(len, parts)) >= SHORTEST_SECRET
