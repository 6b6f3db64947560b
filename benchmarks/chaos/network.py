"""Runs through a network that fails, beside the same runs without it.

lossy       what the suite is held to: one connection in ten lost, one request in five held up by 2 s, one
notification in twenty repeated; the verdicts are those of fair weather
storms      everything else that networks do, both ways: no verdict that the gateway does not deserve
outages     the way back is cut for some seconds: nobody is blamed for that, and whoever else is to blame still is
capped      gateways that accept too much, behind a storm: never more than may be accepted
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from campaigns import shortfalls
from failing_network import FAIR, UNLIMITED, Cut, FailingNetwork, Through, Weather, held_through, told

from benchmarks.chaos.figures import Figures
from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.gateway.settings import RunLimits, Settings
from conformance.journal import Record, read_journal
from conformance.judging.judgement import Reason
from conformance.judging.terms import HEARTBEAT
from conformance.judging.verdicts import Judged, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour, Moment, Reply
from conformance.mock.faults import faults
from conformance.model.traffic import header
from conformance.reports.files import write_reports
from conformance.reports.result import Result, judge
from conformance.wire.allowance import amount_of

LOSSY = Weather(dropped=0.1, delayed=0.2, delay_s=2.0)
REPEATING = Weather(delayed=0.2, delay_s=2.0, repeated=0.05)
# Of each kind of requirement one: what is refused, the envelope, notifications, history, values.
FAULTS = (
    "accepts-a-wrong-secret",
    "error-without-description",
    "notification-contradicted",
    "no-airtime-window",
    "crashes-on-null",
)
STORMS: Mapping[str, tuple[Weather, Weather]] = {
    "answers lost": (Weather(unanswered=0.1, reset=0.5), FAIR),
    "answers cut": (Weather(cut=0.1, reset=0.5), FAIR),
    "requests cut": (Weather(cut_request=0.1), FAIR),
    "a proxy's 502": (Weather(bad_gateway=0.1), Weather(bad_gateway=0.05)),
    "notifications lost": (FAIR, Weather(dropped=0.1, reset=0.5)),
    "notifications cut": (FAIR, Weather(cut_request=0.1)),
    "answers to notifications lost": (FAIR, Weather(unanswered=0.2)),
    "all at once": (
        Weather(0.03, 0.03, 0.03, 0.03, 0.5, 0.03, 0.2, 0.2),
        Weather(0.02, 0.02, 0.02, 0.02, 0.5, 0.02, 0.2, 0.2, 0.1),
    ),
}
# Gateway, requests per second, and between which answers the way back is cut: for two to three seconds. Of the slower
# run most of what is missing was due at another time, with all that networks hold up.
OUTAGES = (("lawful", 50.0, 60, 210), (FAULTS[0], 50.0, 100, 250), ("no-notifications", 15.0, 20, 50))
MOST_SPENT = 500
SECRET = Account.sample().consumer_secret
TOKEN = "hooks-token-8f3a1c"  # noqa: S105 - a canary


def lossy(figures: Figures, seeds: int) -> None:
    """The same verdicts as in fair weather, on the lawful gateway and on five that are not."""
    for name in ("lawful", *FAULTS):
        behaviour = BUILT_IN if name == "lawful" else faults(statum())[name].change(BUILT_IN)
        fair = told(_judged(figures, FAIR, FAIR, behaviour, seed=0))
        for seed in range(seeds):
            judgement = _judged(figures, LOSSY, REPEATING, behaviour, seed)
            wrong = fair.items() ^ told(judgement).items()
            figures.add("wrong verdicts", len(wrong), f"{name}, seed {seed}: {sorted(map(str, wrong))}")


def storms(figures: Figures, seeds: int) -> None:
    """What falls short is what falls short in fair weather; inconclusive is only what the network kept from view."""
    for name in ("lawful", FAULTS[0]):
        behaviour = BUILT_IN if name == "lawful" else faults(statum())[name].change(BUILT_IN)
        fair = told(_judged(figures, FAIR, FAIR, behaviour, seed=0))
        for storm, (there, back) in STORMS.items():
            for seed in range(seeds):
                judgement = _judged(figures, there, back, behaviour, seed)
                _compare(figures, f"{name} in {storm}, seed {seed}", fair, judgement)


def _compare(figures: Figures, what: str, fair: Mapping[tuple[str, str | None], Verdict], judgement: Judged) -> None:
    for verdict in judgement.verdicts:
        before = fair.get((verdict.requirement.id, verdict.command), Verdict.PASS)
        if verdict.verdict is before:
            continue
        of_network = verdict.reason in (Reason.ENVIRONMENT, Reason.PRECONDITION) and verdict.detail
        rightly = verdict.verdict is Verdict.INCONCLUSIVE and of_network
        row = "inconclusive for the network, and rightly" if rightly else "wrong verdicts"
        figures.add(row, 1, f"{what}: {verdict.requirement.id} {verdict.command}\n{shortfalls(judgement)}")


def outages(figures: Figures, seeds: int) -> None:
    """No verdict changes, but to inconclusive where notifications are missing; and what is missing later is told."""
    for name, rate, begin, end in OUTAGES:
        behaviour = BUILT_IN if name == "lawful" else faults(statum())[name].change(BUILT_IN)
        limits = replace(UNLIMITED, rate_per_s=rate)

        def held(given: Settings, _: FailingNetwork, back: FailingNetwork, begin: int = begin, end: int = end) -> Path:
            return campaign.run(given, Cut(back, begin, end))

        fair = told(_judged(figures, FAIR, FAIR, behaviour, 0, notify_within_s=2.0))
        for seed in range(seeds):
            judgement = _judged(figures, FAIR, FAIR, behaviour, seed, limits=limits, notify_within_s=2.0, hold=held)
            _compare(figures, f"{name}, and a way back that was cut, seed {seed}", fair, judgement)


def capped(figures: Figures, seeds: int) -> None:
    """Whatever gets lost and whatever is accepted that should not be."""
    for cap in (5, 25):
        for seed in range(seeds):
            accepted: Counter[bool] = Counter()
            moved: Counter[bool] = Counter()

            def count(
                reply: Reply,
                moment: Moment,
                accepted: Counter[bool] = accepted,
                moved: Counter[bool] = moved,
            ) -> Reply:
                # The looks of the preflight are no part of the run; they go out as httpx has them.
                looks = (header(moment.request.headers, "User-Agent") or "").startswith("python-httpx")
                accepted[moment.refusal is None and not looks] += 1
                if moment.refusal is None and moment.asked is not None and moment.asked.moves_money:
                    moved[True] += amount_of(moment.request, statum())
                return reply

            behaviour = replace(faults(statum())["accepts-any-form"].change(BUILT_IN), reply=(*BUILT_IN.reply, count))
            limits = RunLimits(max_accepted=cap, max_spend=MOST_SPENT, rate_per_s=UNLIMITED.rate_per_s)
            _judged(figures, STORMS["all at once"][0], FAIR, behaviour, seed, limits=limits, shrink_requests=50)
            figures.add("requests over the cap", max(0, accepted[True] - cap), f"cap {cap}: {accepted[True]}")
            figures.add("shillings over the limit", max(0, moved[True] - MOST_SPENT), f"{moved[True]}")


def _judged(figures: Figures, there: Weather, back: Weather, behaviour: Behaviour, seed: int, **changes: Any) -> Judged:
    """A run, with all that is counted of every run."""
    given = {"limits": UNLIMITED, "callback_token": TOKEN, **changes}
    with tempfile.TemporaryDirectory() as directory:
        held = held_through(Path(directory), there, back, behaviour, seed=seed, **given)
        record = read_journal(held.journal)
        result = Result.of(record)
        write_reports(result, Path(directory))
        figures.add("runs", 1)
        _count_faults(figures, held, record, cut="hold" in changes)
        figures.add("notifications lost", max(0, held.delivered - _distinct(record)), f"{held.delivered} delivered")
        del record, result
        figures.search(Path(directory), SECRET, TOKEN)
        return judge(read_journal(held.journal))


def _count_faults(figures: Figures, held: Through, record: Record, *, cut: bool) -> None:
    happened = {**held.there, "back": sum(held.back.values()) - held.back.get("well", 0)}
    figures.add("faults injected", sum(happened.values()) - happened.get("well", 0))
    if cut:
        lost = any(note.kind == HEARTBEAT and not note.detail["arrived"] for note in record.notes)
        figures.add("outages of the way back" if lost else "outages that no canary told of", 1)


def _distinct(record: Record) -> int:
    return len({notification.request.body for notification in record.notifications})
