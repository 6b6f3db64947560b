"""Small runs against the built-in mock gateway or a gateway of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from seeded import refuses
from sockets import quiet_port

from conformance.contract.contract import statum
from conformance.diagnosis import search
from conformance.gateway import campaign
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Judged, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour, Moment
from conformance.mock.changes import member
from conformance.reports.result import Result, judge
from conformance.wire.listening import Address

# Letters of both cases and other characters, so that each spelling of it can be looked for.
KEY, SECRET = "Key2be989703d6", "S3cret/3P0R4q+ünicode"


def settings(directory: Path, **changes: Any) -> Settings:
    """The settings of a run with the systematic payloads only and a fixed seed."""
    given: dict[str, Any] = {
        "consumer_key": KEY,
        "consumer_secret": SECRET,
        "max_examples": 0,
        "seed": 7,
        "report_dir": directory,
    }
    return Settings(**{**given, **changes})


def held(directory: Path, behaviour: Behaviour = BUILT_IN, **changes: Any) -> Path:
    """Hold a run; the built-in mock gateway behaves as `behaviour`."""
    return campaign.run(settings(directory, **changes), behaviour=behaviour)


def judged(directory: Path, behaviour: Behaviour = BUILT_IN, **changes: Any) -> Judged:
    """Hold a run and judge it from its journal."""
    return judge(read_journal(held(directory, behaviour, **changes)))


def free_address() -> Address:
    """An address that nobody listens on, and that no client is given in the meantime."""
    return Address("127.0.0.1", quiet_port())


def registered(gateway: Callable[[Account], str]) -> dict[str, Any]:
    """What a run is told about a gateway of the test's own; `gateway` starts it for an account and gives its URL."""
    address = free_address()
    account = Account.sample({product: f"{address.url}/callbacks/{product}" for product in statum().products})
    return {
        "gateway": gateway(account),
        "consumer_key": account.consumer_key,
        "consumer_secret": account.consumer_secret,
        "callback_listen": address,
    }


def shortfalls(judgement: Judged) -> str:
    """Each verdict that is no PASS, with its first finding or its reason."""
    return "\n".join(
        f"{v.verdict} {v.requirement.id} {v.command}: {v.findings[0].message if v.findings else v.detail}"
        for v in judgement.verdicts
        if v.verdict is not Verdict.PASS
    )


SMS: dict[str, Any] = {"products": ("sms",)}

Refuses = Callable[[Moment], bool]
Entries = dict[tuple[str, str | None], Mapping[str, Any]]


def with_short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second elsewhere takes a part of one here; the mock gateway notifies within milliseconds."""
    monkeypatch.setattr(search, "LEAST_PATIENCE_S", 0.3)
    monkeypatch.setattr(campaign, "LATE_S", 0.2)


def result_of_run(directory: Path, behaviour: Behaviour, **changes: Any) -> Result:
    """The result of a run against a gateway with that behaviour."""
    return Result.of(read_journal(held(directory, behaviour, **({"notify_within_s": 1.0} | changes))))


def refusing(which: Refuses, every: int = 1) -> Behaviour:
    """A gateway that refuses requests that it should accept."""
    return refuses(which, every=every)(BUILT_IN)


def failures(result: Result) -> Entries:
    """What failed or warns, by requirement and command."""
    entries = result.document["requirements"]
    return {(e["id"], e["command"]): e for e in entries if e["verdict"] in ("FAIL", "WARN")}


def astral(moment: Moment) -> bool:
    """A message with a character above U+FFFF."""
    return any(ord(character) > 0xFFFF for character in member(moment, "message"))


def verdict_numbers(judged: Judged) -> list[tuple[Any, ...]]:
    """The verdicts, with their numbers."""
    return [(v.requirement.id, v.command, v.verdict, v.observations, v.failed, v.unobserved) for v in judged.verdicts]
