"""Runs that are killed, at many points, and go on.

killed      `kill -9` after so many answers; the journal is read, judged, and the run resumed to its end
"""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

from campaigns import registered, settings, shortfalls
from command_line import PATIENCE_S, process
from mock_rig import eventually

from benchmarks.chaos.figures import Figures
from conformance.errors import UsageError
from conformance.gateway_under_test import campaign
from conformance.journal import read_journal
from conformance.mock_gateway.account import Account
from conformance.mock_gateway.serving import MockServer, serve_mock
from conformance.mock_gateway.variants import BUILT_IN
from conformance.traffic import Kind
from conformance.verdicts import Conclusion, Verdict, judge

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

    def started(account: Account) -> str:
        servers.append(serve_mock(account, BUILT_IN))
        servers[0].start()
        return servers[0].url

    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        path = here / "reports" / campaign.JOURNAL
        told = registered(started)
        try:
            options = ["--product=sms", "--product=airtime", "--max-examples=20", f"--seed={seed}", "--rate=400"]
            options += ["--gateway", told["gateway"], "--callback-listen", str(told["callback_listen"])]
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
            given = settings(path.parent, **told, **TOLD, max_examples=20, seed=seed)
            wrong = _judged(path, Conclusion.INCONCLUSIVE)
            with suppress(UsageError):  # before anything was planned, or after the end
                campaign.resume(path, given)
                figures.add("runs", 1)
                wrong = wrong or _judged(path, Conclusion.CONFORMANT)
            figures.search(path.parent, told["consumer_secret"])
            figures.add("requests sent twice", _twice(path))
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


def _twice(path: Path) -> int:
    """Cases that were sent more than once, and requests for airtime that are the same but for no repeat."""
    record = read_journal(path)
    cases = Counter(exchange.case_id for exchange in record.exchanges)
    airtime = [case for case in record.cases if case.command == "airtime" and case.kind in (Kind.VALID, Kind.BURST)]
    bodies = Counter(case.request.body for case in airtime if case.id in cases)
    return sum(count - 1 for count in (*cases.values(), *bodies.values()))
