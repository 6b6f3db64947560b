"""Runs that are killed, at many points, and go on.

killed      `kill -9` after so many answers; the journal is read, judged, and the run resumed to its end

The gateway counts what reaches it: more of a request than the journal has was sent twice, or would be.
"""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

from campaigns import registered, settings, shortfalls
from command_line import PATIENCE_S, process
from failing_network import PHONE_NUMBERS, UNLIMITED
from mock_rig import eventually

from benchmarks.chaos.figures import Figures
from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Moment, Reply
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.errors import UsageError
from conformance.model.traffic import Kind, Request, header
from conformance.reports.result import judge

# Of the three hundred and some cases of such a run.
MOST_ANSWERS = 250
TOLD = {"products": ("sms", "airtime")}


def killed(figures: Figures, points: int) -> None:
    """At points that are drawn, from before the first request on."""
    chance = Random(1)
    for number in range(points):
        after = 0 if number == 0 else chance.randrange(1, MOST_ANSWERS)
        wrong = _killed_after(figures, after, seed=number)
        figures.add("kill -9 points not survived" if wrong else "kill -9 points survived", 1, f"after {after}: {wrong}")


def _killed_after(figures: Figures, after: int, seed: int) -> str | None:
    """What went wrong, in words."""
    servers: list[MockServer] = []
    reached: Counter[tuple[str, bytes]] = Counter()

    def count(reply: Reply, moment: Moment) -> Reply:
        # The looks of the preflight are no part of the run; they go out as httpx has them.
        looks = (header(moment.request.headers, "User-Agent") or "").startswith("python-httpx")
        reached[_target(moment.request)] += not looks
        return reply

    def started(account: Account) -> str:
        servers.append(serve_mock(account, replace(BUILT_IN, reply=(*BUILT_IN.reply, count))))
        servers[0].start()
        return servers[0].url

    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        path = here / "reports" / campaign.JOURNAL
        told = registered(started)
        try:
            options = ["--product=sms", "--product=airtime", "--max-examples=20", f"--seed={seed}", "--rate=4000"]
            options += ["--gateway", told["gateway"], "--callback-listen", str(told["callback_listen"])]
            # As a real one: there it costs money what is sent twice.
            options += ["--over-network", "--max-accepted=10000", "--max-spend=10000000"]
            options += [f"--phone-number={number}" for number in PHONE_NUMBERS]
            options += ["--consumer-key", told["consumer_key"], "--consumer-secret", told["consumer_secret"]]
            with process(here, "run", *options) as running:
                far = eventually(lambda: path.exists() and _answers(path) >= after, PATIENCE_S)
                running.kill()
                _, said = running.communicate(timeout=PATIENCE_S)
            if not far:
                return f"it did not get so far: {said}"
            if running.returncode != -signal.SIGKILL:
                return f"it ended with {running.returncode}"
            figures.add("runs", 1)
            figures.search(path.parent, told["consumer_secret"])
            beyond = {"over_network": True, "phone_numbers": PHONE_NUMBERS, "limits": UNLIMITED}
            given = settings(path.parent, **told, **TOLD, **beyond, max_examples=20, seed=seed)
            wrong = _judged(path, Conclusion.INCONCLUSIVE)
            with suppress(UsageError):  # before anything was planned, or after the end
                campaign.resume(path, given)
                figures.add("runs", 1)
                wrong = wrong or _judged(path, Conclusion.CONFORMANT)
            figures.search(path.parent, told["consumer_secret"])
            figures.add("requests sent twice", _twice(path) + _unknown(path, reached), f"killed after {after}")
        finally:
            servers[0].stop()
    return wrong


def _judged(path: Path, expected: Conclusion) -> str | None:
    record = read_journal(path)
    judgement = judge(record)
    ended = any(note.kind == "settled" for note in record.notes)
    if judgement.by(Verdict.FAIL) or (judgement.conclusion is not expected and not ended):
        return f"{judgement.conclusion}: {shortfalls(judgement)}"
    if ended and judgement.conclusion is not Conclusion.CONFORMANT:
        return f"{judgement.conclusion}: {shortfalls(judgement)}"
    return None


def _answers(path: Path) -> int:
    try:
        return sum(exchange.response is not None for exchange in read_journal(path).exchanges)
    except UsageError:
        return -1


def _unknown(path: Path, reached: Counter[tuple[str, bytes]]) -> int:
    """Requests that reached the gateway and do not stand in the journal, by which a run goes on."""
    recorded = Counter(_target(exchange.request) for exchange in read_journal(path).exchanges)
    return (reached - recorded).total()


def _target(request: Request) -> tuple[str, bytes]:
    return request.url.partition(statum().base_path)[2], request.body


def _twice(path: Path) -> int:
    """Cases that were sent more than once, and requests for airtime that are the same but for no repeat."""
    record = read_journal(path)
    cases = Counter(exchange.case_id for exchange in record.exchanges)
    airtime = [case for case in record.cases if case.command == "airtime" and case.kind in (Kind.VALID, Kind.BURST)]
    bodies = Counter(case.request.body for case in airtime if case.id in cases)
    return sum(count - 1 for count in (*cases.values(), *bodies.values()))
