"""A run that is limited to a requirement sends the cases that it needs, and comes to the same verdict on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from campaigns import KEY, SECRET, settings
from run_records import TARGETS, Run

from conformance.contract.contract import statum
from conformance.contract.requirements import Actor, Focus
from conformance.gateway.command_plan import Group
from conformance.gateway.focused_plan import focused
from conformance.gateway.plan import Plan
from conformance.journal import Record
from conformance.judging.verdicts import Conclusion, Judged, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour, Callback, Reply, json_bytes
from conformance.mock.faults import faults
from conformance.mock.gateway import Gateway
from conformance.model.traffic import Case, Exchange, Kind, Notification, Request, Response
from conformance.reports.result import judge

URL = "http://gateway/api/v2"
# One without a window, and one with.
PRODUCTS = ("sms", "airtime")
COMMANDS = ("sms", "airtime", "account-details")


@cache
def plan() -> Plan:
    """The whole plan of a run against the built-in gateway, whose account is its own, so balances are asked for."""
    return Plan.of(settings(Path("reports"), products=PRODUCTS, seed=7), URL)


def groups_of(*only: str) -> tuple[Group, ...]:
    """The groups of a run that is limited to some requirements."""
    return focused(statum(), Focus.of(only), plan().all_groups)


def body_of(message: Reply | Callback) -> bytes:
    """The body as it goes over the wire."""
    return json_bytes(message.content) if message.raw is None else message.raw


def record(cases: Iterable[Case], behaviour: Behaviour, only: tuple[str, ...]) -> Record:
    """The journal of a run of these cases, a second for each; those of a burst at the same instant."""
    callbacks = {name: f"http://suite{target}" for name, target in TARGETS.items()}
    gateway = Gateway(Account(KEY, SECRET, callbacks=callbacks), behaviour)
    run, at = Run(COMMANDS, exclusive_account=True), 0.0
    for number, case in enumerate(cases, start=1):
        at = at if case.kind is Kind.BURST and case.earlier else at + 1.0
        reaction = gateway.answer(replace(case.request, url=urlsplit(case.request.url).path), at)
        response = Response(reaction.reply.status, reaction.reply.headers, body_of(reaction.reply))
        run.cases.append(case)
        run.exchanges.append(Exchange(number, case.id, 1, case.request, at, at, response, None, at + 0.1))
        for each in reaction.deliveries:
            notified = Request(each.method, each.url.removeprefix("http://suite"), each.headers, body_of(each))
            when = at + 0.2 + each.after_s
            run.notifications.append(Notification(len(run.notifications) + 1, each.product, notified, when, when))
    made = run.record()
    changes: dict[str, Any] = {"only": list(only)} if only else {}
    # Settled long after the last case.
    notes = tuple(replace(note, detail={"at": at + 1_000.0}) for note in made.notes)
    return replace(made, settings={**made.settings, **changes}, notes=notes)


def judged(behaviour: Behaviour, *only: str) -> Judged:
    """The verdicts of a run that is limited to some requirements; of a whole one without any."""
    groups = groups_of(*only) if only else plan().all_groups
    return judge(record(chain.from_iterable(groups), behaviour, only), measured=False)


Pairs = set[tuple[str, str | None]]


def broken(judged: Judged) -> Pairs:
    """The requirements × commands with a failed observation."""
    return {(each.requirement.id, each.command) for each in judged.verdicts if each.failed}


def passed(judged: Judged) -> Pairs:
    """Those that passed."""
    return {(each.requirement.id, each.command) for each in judged.by(Verdict.PASS)}


# One for each way in which a requirement chooses its cases: by a probe, a sequence, an instant, a kind, the form of all
# answers, of errors or successes, and of notifications; and one that compares all of a run.
PROBES = ("VAL-05", "AUT-06", "HDR-01", "ACC-03", "CMD-01")
SEQUENCES = ("IDM-01", "REP-01", "CON-01", "RID-05", "AUT-10", "RID-02")
FORMS = ("VAL-07", "VAL-08", "AUT-11", "RSP-03", "RSP-04", "RSP-05", "NTF-08", "NTF-20")
CHOSEN = (*PROBES, *SEQUENCES, *FORMS, "BAL-01")


def test_a_requirement_that_passes_in_a_whole_run_passes_alone() -> None:
    """And nothing else is judged."""
    whole = passed(judged(BUILT_IN))
    amiss = {
        id_: found for id_ in CHOSEN if (found := passed(judged(BUILT_IN, id_)) ^ {p for p in whole if p[0] == id_})
    }

    assert {} == amiss


FAULTS = {
    "accepts-any-form": ("VAL-05",),
    "status-code-as-string": ("RSP-03",),
    "result-code-as-number": ("NTF-08",),
    "no-airtime-window": ("IDM-01",),
}


def test_a_requirement_that_fails_in_a_whole_run_fails_alone() -> None:
    """For the same commands."""
    known = faults(statum())
    wholes = {name: broken(judged(known[name].change(BUILT_IN))) for name in FAULTS}
    alone = {name: broken(judged(known[name].change(BUILT_IN), *ids)) for name, ids in FAULTS.items()}

    assert wholes == alone
    assert {name: set(ids) for name, ids in FAULTS.items()} == {
        name: {id_ for id_, _ in pairs} for name, pairs in alone.items()
    }


def test_only_what_is_needed_is_sent() -> None:
    """A probe takes a few cases, the form of all answers all of a command; every case is one of the whole run."""
    sent = {id_: len(tuple(chain.from_iterable(groups_of(id_)))) for id_ in ("AUT-06", "RSP-03:sms", "BAL-01")}
    whole = plan().cases

    assert sent["AUT-06"] < 40 < sent["RSP-03:sms"] < sent["BAL-01"] == len(whole)
    assert {case.request for case in chain.from_iterable(groups_of("AUT-06"))} <= {case.request for case in whole}


def test_a_part_is_never_called_conformant_and_a_passed_one_is_a_success() -> None:
    """Nobody knows what the rest of the catalogue would have shown."""
    part = judged(BUILT_IN, "AUT-02")

    assert (Conclusion.INCONCLUSIVE, 0, True) == (part.conclusion, part.exit_code, part.passed_in_part)


def test_a_case_takes_along_all_that_it_is_compared_with() -> None:
    """Positive twins, earlier requests, and all of a burst; each group bears the name of its first case."""
    for id_ in ("VAL-05", "IDM-01", "IDM-05", "CON-01", "AUT-10", "BAL-01"):
        groups = groups_of(id_)
        cases = {case.id: case for group in groups for case in group}
        beside = {name for case in cases.values() for name in (case.twin, case.earlier) if name is not None}
        assert set() == beside - cases.keys()
        assert [group[0].id for group in groups] == [group[0].group for group in groups]


def test_a_focus_is_written_in_few_entries_and_read_again() -> None:
    """A requirement without a command where all of its commands are meant."""
    catalogue = statum().catalogue
    pairs = [*((catalogue["RSP-03"].id, name) for name in catalogue["RSP-03"].commands), ("VAL-05", "sms")]
    focus = Focus.on(pairs, catalogue)

    assert ["RSP-03", "VAL-05:sms"] == focus.written()
    assert focus == Focus.of(focus.written())
    assert [("VAL-05", True), ("VAL-05", False)] == [
        ("VAL-05", focus.covers("VAL-05", name)) for name in ("sms", "airtime")
    ]
    assert set(catalogue["RSP-03"].commands) == set(focus.commands(catalogue, Actor.GATEWAY))
    assert not Focus.of(None)
