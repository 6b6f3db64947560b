"""The terms of a run: the settings that verdicts depend on, and what its journal notes of its ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from conformance.checks.outages import Watch
from conformance.contract.commands import COMMANDS
from conformance.journal import LISTENED, RESUMED, UNREADABLE, Record


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that verdicts depend on, as they stand in the journal.

    `targets`: product → path and query at which its notifications must arrive. `loopback`: no network lies between
    the suite and the gateway, so that a lost answer is the gateway's doing. `settled_at`: until when (monotonic
    seconds) the suite listened, None when it was cut off before. `obstacle`: why the campaign was not held at all.
    `own_gateway`: the gateway was started for the run, so that no other run came before. `alone`: nobody else uses the
    account, because so it was said, or because of that. `phone_numbers`: those that were given; none: any may be used.
    `ways_lost`: product → how its callback path was found not to lead here after the run. `network_back`: a network
    lies between the gateway and the callbacks; `canaries`: product → how many went over it, and how many got lost;
    `watch`: what those told that went over it while the run went on.
    `stand_ins`: the id of a case whose answer got lost → the ids of those that were planned anew for it. `gaps`: from
    when until when nobody listened, where the run was cut off and gone on with. `unread`: what came to the receiver and
    could not be read as a request, each with the product that it names, if any, and what is wrong with it.
    `inquiring`: what is judged are follow-ups to refusals that nothing in the run excused.
    """

    commands: tuple[str, ...] = tuple(COMMANDS)
    notify_within_s: float = 10.0
    exclusive_account: bool = False
    targets: Mapping[str, str] = field(default_factory=dict)
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
    inquiring: bool = False

    @classmethod
    def of(cls, record: Record) -> Self:
        """The terms of a recorded run, from its settings and notes."""
        settings = record.settings
        notes = {note.kind: note.detail for note in record.notes}
        canaries = {p: (sent, lost) for p, (sent, lost) in notes.get("way-back", {}).get("canaries", {}).items()}
        return cls(
            commands=tuple(settings["commands"]),
            notify_within_s=float(settings["notify_within_s"]),
            exclusive_account=bool(settings["exclusive_account"]),
            targets=dict(settings["callback_targets"]),
            loopback=bool(settings["loopback"]),
            settled_at=notes.get("settled", {}).get("at"),
            obstacle=next((note.detail["message"] for note in record.latest_notes if note.kind == "obstacle"), None),
            alone=bool(settings["exclusive_account"] or settings.get("own_gateway")),
            own_gateway=bool(settings.get("own_gateway")),
            phone_numbers=frozenset(settings.get("phone_numbers", ())),
            ways_lost=dict(notes.get("way-back", {}).get("lost", {})),
            network_back=bool(settings.get("network_back", False)),
            canaries=canaries,
            watch=Watch.of(record.notes, *map(sum, zip(*canaries.values(), strict=True))),
            stand_ins=_stand_ins(record),
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
            inquiring=bool(settings.get("inquiring")),
        )

    def listened_between(self, begin: float, end: float) -> bool:
        """Whether somebody listened all the time, as far as it is known."""
        return not any(since < end and begin < until for since, until in self.gaps)


def _stand_ins(record: Record) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for note in record.notes:
        if note.kind == "planned-anew":
            for new, lost in note.detail["stands_for"].items():
                found[lost].append(new)
    return found
