"""`certify --only`: the calls that a requirement needs, read off its rule, and the same verdict by them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from flawed_clients.table import VARIETIES

from conformance.client import certification
from conformance.client.needed_calls import needed
from conformance.client.plan import MOST_BETWEEN, Cases, PlannedCall, calls_of
from conformance.client.settings import ClientSettings
from conformance.client.witness import SENDING
from conformance.contract.contract import statum
from conformance.contract.requirements import Actor, Focus
from conformance.journal import Record, read_journal
from conformance.reports.result import judge

DRIVER = Path(__file__).parents[1] / "flawed_clients" / "driver.py"
SEED = 20261122
CLIENT = [r for r in statum().catalogue.requirements if r.actor is Actor.CLIENT and r.excluded is None]


def settings(directory: Path, variety: str, product: str) -> ClientSettings:
    """A certification of that variety, with short waits."""
    return ClientSettings(
        driver=shlex.join((sys.executable, "-S", "-E", str(DRIVER), variety)),
        products=(product,),
        seed=SEED,
        max_examples=0,
        report_dir=directory,
        timeout_s=0.5,
        resend_window_s=0.4,
        advised_delay_s=1.2,
        patience_s=3.0,
    )


@cache
def all_calls(*commands: str) -> list[PlannedCall]:
    """The calls of a whole certification of these commands."""
    return calls_of(Cases(statum(), SEED, "http://witness"), commands, 0, SEED)


def planned(commands: Collection[str], *only: str) -> list[PlannedCall]:
    """The calls that the requirements need; without any, all calls."""
    return needed(all_calls(*commands), Focus.of(only), statum()) if only else all_calls(*commands)


# requirement → the scenarios that its rule reads, beside the usual answer
READ = {
    "SND-11": {"redirect", "redirect-302"},
    "RDG-07": {"body-says-202", "body-says-402", "body-says-500"},
    "RDG-08": {"never", "stalled", "dripping"},
    "RDG-10": {"id-uuid", "id-digits", "id-signs", "id-short", "id-long"},
    "RTY-02": {"answer-429", "answer-429-date"},
}


def test_the_scenarios_of_a_requirement_are_read_off_its_rule() -> None:
    """Those whose answer it judges; the others are not played."""
    played = {id_: {call.scenario.name for call in planned(["sms"], f"{id_}:sms")} for id_ in READ}

    assert READ == {id_: names - {SENDING.name} for id_, names in played.items()}


def test_a_rule_on_requests_gets_one_scenario_of_each_kind() -> None:
    """Whatever is answered, the credential is the same; a rule on payloads gets all of these."""
    whole, credential, members = planned(["sms"]), planned(["sms"], "SND-04"), planned(["sms"], "SND-07")
    payloads = {call.case.id for call in whole if call.scenario is SENDING}

    sent = {call.case.id for call in members}
    kinds = {call.scenario.name for call in credential}
    assert (True, True, set()) == (2 * len(credential) < len(whole), len(kinds) > 10, payloads - sent)


def test_failing_calls_stay_among_accepted_ones() -> None:
    """Two to each, or a circuit breaker opens that stays closed in the whole."""
    parts = [planned(["sms"], requirement.id) for requirement in CLIENT]
    failing = [sum(call.troubles for call in part) for part in parts]

    assert [] == [calls for calls, part in zip(failing, parts, strict=True) if len(part) < (1 + MOST_BETWEEN) * calls]


def test_after_a_failure_the_calls_that_showed_it_are_needed() -> None:
    """Those of their scenarios, also of a requirement that needs everything otherwise."""
    failed_by = {("DRV-01", None): ("sms/redirect",), ("RDG-06", "sms"): ("sms/array-200", "sms/null-200")}
    calls = needed(all_calls("sms"), Focus((("DRV-01", None), ("RDG-06", None)), failed_by), statum())

    assert {SENDING.name, "redirect", "array-200", "null-200"} == {call.scenario.name for call in calls}


@pytest.mark.parametrize("id_", ["DRV-01", "ROB-01"])
def test_some_requirements_need_everything(id_: str) -> None:
    """Any call may kill a driver, or spoil the first call that is made again."""
    assert len(planned(["sms"])) == len(planned(["sms"], id_))


# --- The verdicts


def part_of(record: Record, id_: str) -> Record:
    """The record of a certification that is limited to a requirement, made of a whole one."""
    commands = [name for name in record.settings["commands"] if name in statum().catalogue[id_].commands]
    if None in statum().catalogue[id_].commands:
        commands = record.settings["commands"]
    made = {each.case.id for call in planned(record.settings["commands"], id_) for each in call.in_order}
    made |= {note.detail["case"] for note in record.notes if note.kind == "extra-call" and note.detail["of"] in made}
    made |= {case.id for case in record.cases if case.earlier is not None or case.command is None}
    return replace(
        record,
        settings={**record.settings, "only": [id_], "commands": commands},
        cases=tuple(case for case in record.cases if case.id in made),
        exchanges=tuple(each for each in record.exchanges if each.case_id in made),
        messages=tuple(each for each in record.messages if each.case_id is None or each.case_id in made),
    )


# variety → the product of its certification: a lawful client, and flaws in requests, in understanding, in sending again
JUDGED = {
    "no-callback": "mpesa-wallet",
    "polite-retry": "airtime",
    "ascii-alone": "sms",
    "accepts-arrays": "sms",
    "resends-after500": "airtime",
    "resends-after-loss": "mpesa-online",
}


@pytest.mark.parametrize("variety", JUDGED)
def test_a_part_gives_each_requirement_the_verdict_of_the_whole(variety: str, tmp_path: Path) -> None:
    """For every requirement on clients, of a good client and of flawed ones."""
    whole = read_journal(certification.certify(settings(tmp_path, variety, JUDGED[variety])))
    of_whole = judge(whole).verdicts
    assert set(VARIETIES[variety].breaks) == {each.requirement.id for each in of_whole if each.failed}

    def differs(id_: str) -> bool:
        expected = {each.command: each.verdict for each in of_whole if each.requirement.id == id_}
        return expected != {each.command: each.verdict for each in judge(part_of(whole, id_)).verdicts}

    assert [] == [requirement.id for requirement in CLIENT if differs(requirement.id)]
