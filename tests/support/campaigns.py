"""Campaigns as tests hold them: small ones, against the built-in mock gateway or a mock gateway of the test's own.

settings        of a small run, changed as the test likes
held            holds the run; the path of its journal
judged          the same, judged
registered      settings and account that fit each other: what `mock` and `run --gateway` are told in two processes
shortfalls      what keeps a judged run from being all green, in words for the message of a failed assertion
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from quiet_ports import quiet_port

from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Judged, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.reports.result import judge
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
