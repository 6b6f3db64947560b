"""Judged cases per second: this suite beside other ways to test the same gateway.

    rates       prints them, and how many times as fast the suite is

All talk to one mock gateway process. The others are spared what only the suite does: they talk to a server there that
has no callbacks registered, so that no notification is in their way. The suite's own time is that of whole runs:
planning, preflight, sending, listening to the end, judging, reports.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks.campaigns import KEY, SECRET, callbacks_at, free_address, gateways, held
from benchmarks.schemathesis_rate import Rate, is_installed, schemathesis_rate, write_document
from conformance.contract.command import Command
from conformance.contract.contract import statum
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour
from conformance.model.errors import SuiteError
from conformance.model.traffic import Request
from conformance.payloads.strategies import strategy_for
from conformance.wire.sender import CONCURRENCY

SCHEMAS = statum().schemas

ROUNDS = 3
# Valid payloads for each command in the suite's larger run: enough that start and end do not count for much.
EXAMPLES = 1_000
# Examples of each command for those who send one after the other; they have no start and end to speak of.
ONE_BY_ONE = 200
# The aims: how many times as fast the suite is to be. It does more than bare httpx does with each answer.
AIMS = {"schemathesis": 5.0, "bare httpx": 0.5}
OK = 200


def by_hypothesis(url: str) -> Rate:
    """What most people would write: draw a payload, post it, validate the answer, one after the other."""
    posts = [command for command in statum().commands.values() if command.method == "POST"]
    with httpx.Client(auth=(KEY, SECRET)) as client:
        begun = time.perf_counter()
        cases = sum(_example_by_example(client, url, command) for command in posts)
        return Rate(cases, time.perf_counter() - begun)


def _example_by_example(client: httpx.Client, url: str, command: Command) -> int:
    account = Account.sample()
    registered: Mapping[str, st.SearchStrategy[Any]] = {
        "sender_id": st.sampled_from(account.registered["sender_id"]),
        "short_code": st.sampled_from(account.registered["short_code"]),
    }
    sent = 0

    @settings(
        max_examples=ONE_BY_ONE,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy_for(SCHEMAS.resolved(f"{command.folder}/request"), registered))
    def judge(payload: dict[str, Any]) -> None:
        nonlocal sent
        sent += 1
        answer = client.post(f"{url}/{command.name}", json=payload)
        schema = "response.success" if answer.status_code == OK else "response.error"
        for error in SCHEMAS.validator(schema).iter_errors(answer.json()):
            raise SuiteError(f"the answer to {payload} is not as it should be: {error.message}")

    judge()
    return sent


def by_httpx(requests: Sequence[Request]) -> Rate:
    """The very requests of a run of the suite, by as many clients as it has; answers are read and thrown away."""
    rest = iter(requests)
    lock = threading.Lock()

    def work() -> None:
        with httpx.Client() as client:
            while True:
                with lock:
                    request = next(rest, None)
                if request is None:
                    return
                client.send(
                    httpx.Request(request.method, request.url, headers=list(request.headers), content=request.body)
                )

    begun = time.perf_counter()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for future in [pool.submit(work) for _ in range(CONCURRENCY)]:
            future.result()
    return Rate(len(requests), time.perf_counter() - begun)


def _round(number: int) -> dict[str, Rate]:
    """Everybody once, side by side; each round has a seed and a gateway of its own, for a gateway remembers."""
    address = free_address()
    rates: dict[str, Rate] = {}
    with gateways([callbacks_at(address), {}], Behaviour()) as (heard, unheard), tempfile.TemporaryDirectory() as kept:
        for name, examples in (("suite", EXAMPLES), ("suite, default run", None)):
            options = {} if examples is None else {"max_examples": examples}
            # Another seed, for what was sent within the last five minutes must not be sent again.
            timed = held(heard, address, seed=2 * number + (examples is None), **options)
            rates[name] = Rate(timed.exchanges, timed.took_s)
        if is_installed():
            document = write_document(Path(kept), unheard)
            rates["schemathesis"] = schemathesis_rate(unheard, document, examples=ONE_BY_ONE, seed=number + 1)
        rates["Hypothesis and httpx"] = by_hypothesis(unheard)
        plan = Plan.of(Settings(KEY, SECRET, seed=number, max_examples=EXAMPLES), unheard)
        rates["bare httpx"] = by_httpx([case.request for case in plan.cases])
    return rates


def rates() -> None:
    """Prints the median rates of some rounds, and the ratios to the suite's larger run in the same round."""
    rounds = [_round(number) for number in range(ROUNDS)]
    for name in rounds[0]:
        per_second = [each[name].per_second for each in rounds]
        line = f"rates       {name:<22}{median(per_second):7,.0f} cases/s ({rounds[0][name].cases:,} cases)"
        if not name.startswith("suite"):
            ratio = median(each["suite"].per_second / each[name].per_second for each in rounds)
            line += f" · the suite judges {ratio:.2f} times as many"
            line += f" (aim: {AIMS[name]:g} and more)" if name in AIMS else ""
        print(line, flush=True)
    if not is_installed():
        print("rates       schemathesis is not there to be measured: make .venv-schemathesis/.ready")
    print(f"rates       medians of {ROUNDS} rounds; suite and bare httpx: {CONCURRENCY} connections, the others: one")
