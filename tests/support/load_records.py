"""Records of runs under load, made by hand: no server, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from made_result import SETTINGS
from run_records import Run

from conformance.journal import Note, Record

BEGAN, ENDED = 10.0, 900.0


@dataclass
class Loaded(Run):
    """A run in the making whose requests are under load, from BEGAN to ENDED of its clock."""

    slo: dict[str, float] = field(default_factory=dict)
    behind_s: float = 0.0
    noted: bool = True
    before: int = 0
    took: dict[int, float] = field(default_factory=dict)

    def record(self) -> Record:
        """What the journal of this run would hold: the first `before` requests were sent before the load began.

        `took`: number of an exchange → how long its answer took.
        """
        record = super().record()
        exchanges = tuple(
            replace(
                each,
                sent_at=each.sent_at if each.number <= self.before else each.sent_at + BEGAN,
                answered_at=(each.sent_at if each.number <= self.before else each.sent_at + BEGAN)
                + self.took.get(each.number, 0.1),
            )
            for each in record.exchanges
        )
        notifications = tuple(replace(each, received_at=each.received_at + BEGAN) for each in record.notifications)
        asked = {"rate": 100.0, "for_s": 60.0, "workers": 2, "receivers": 1, "slo": self.slo or None}
        said = {"began": BEGAN, "ended": ENDED, "sent": 1, "accepted": 1, "behind_s": self.behind_s, "withheld": 0}
        notes = (*record.notes, *([Note(3, "load", said, ENDED, ENDED)] if self.noted else []))
        return replace(
            record,
            settings={**record.settings, "load": asked},
            exchanges=exchanges,
            notifications=notifications,
            notes=notes,
        )


def loaded(statuses: list[int], **known: Any) -> Loaded:
    """A run whose valid requests were answered with these statuses; the accepted ones have a notification."""
    run = Loaded(**known)
    for number, status in enumerate(statuses):
        run.invoke(f"id-{number}", status)
        if status == 200:
            run.notify(f"id-{number}")
    return run


def busy(seconds: int = 30, rate: int = 20, slo: dict[str, float] | None = None, behind_s: float = 0.012) -> Record:
    """A load of `rate` requests a second, whose answers take longer and longer; from two thirds on some are too many.

    The same record each time.
    """
    draw = Random(17)
    run = Loaded(slo=slo or {}, behind_s=behind_s)
    sent: list[float] = []
    for number in range(seconds * rate):
        at = number / rate
        overloaded = at > seconds * 2 / 3 and draw.random() < 0.3
        status = draw.choice([429, 429, 503]) if overloaded else 200
        run.invoke(f"id-{number:05}", status)
        sent.append(at)
        run.took[number + 1] = (0.002 if overloaded else 0.01) * draw.lognormvariate(0, 0.5) * (1 + at / 4)
        if status == 200:
            run.notify(f"id-{number:05}", at=at + draw.lognormvariate(-1, 0.6))
    record = run.record()
    exchanges = tuple(
        replace(each, sent_at=BEGAN + at, sent_wall=BEGAN + at, answered_at=BEGAN + at + run.took[each.number])
        for each, at in zip(record.exchanges, sent, strict=True)
    )
    notes = tuple(
        replace(note, detail={**note.detail, "ended": BEGAN + seconds}) if note.kind == "load" else note
        for note in record.notes
    )
    asked = {**record.settings["load"], "rate": float(rate), "for_s": float(seconds)}
    settings = {**SETTINGS, **record.settings, "load": asked}
    return replace(record, settings=settings, exchanges=exchanges, notes=notes)
