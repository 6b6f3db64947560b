"""A replayed case on a terminal: the request, the answer, the notifications, and the verdicts that it bears on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.judging.verdicts import Conclusion, RequirementVerdict, Verdict, conclude
from conformance.model.traffic import Exchange, Headers, Notification
from conformance.reports.console import print_line
from conformance.reports.terminal import STYLES

# Of a body; the journal has it whole.
SHOWN_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """`record` is that of the replay, `verdicts` are those on the case now, `before` those in the run."""

    case_id: str
    record: Record
    verdicts: tuple[RequirementVerdict, ...]
    before: tuple[RequirementVerdict, ...]
    journal: Path
    contract: Contract

    @property
    def conclusion(self) -> Conclusion:
        """The verdict on the case: as for a gateway, on what the case bears on."""
        return conclude(self.verdicts)

    def document(self) -> dict[str, Any]:
        """For scripts: exchanges and notifications in order, the verdicts on the case, and those in the run."""
        before = {(v.requirement.id, v.command): v.verdict.value for v in self.before}
        return {
            "case": self.case_id,
            "verdict": self.conclusion.value,
            "journal": str(self.journal),
            "exchanges": [
                {
                    "number": exchange.number,
                    "case": exchange.case_id,
                    "status": exchange.response.status if exchange.response else None,
                    "failure": exchange.failure,
                }
                for exchange in self.record.exchanges
            ],
            "notifications": [notification.number for notification in _notifications(self)],
            "requirements": [
                {
                    "id": verdict.requirement.id,
                    "command": verdict.command,
                    "level": verdict.level.value,
                    "verdict": verdict.verdict.value,
                    "before": before.get((verdict.requirement.id, verdict.command)),
                    "findings": [finding.message for finding in verdict.findings],
                }
                for verdict in self.verdicts
            ],
        }

    def again(self) -> Iterator[str]:
        """A line for each failure of the run: whether it was reproduced."""
        now = {(v.requirement.id, v.command): v.verdict for v in self.verdicts}
        for verdict in self.before:
            if verdict.verdict is Verdict.FAIL:
                seen = now.get((verdict.requirement.id, verdict.command), Verdict.INCONCLUSIVE)
                word = "reproduced" if seen is Verdict.FAIL else "not reproduced"
                yield f"{word}: {verdict.requirement.id} failed in the run, {seen.value} now"


def show_replayed(replayed: Replayed, console: Console) -> None:
    """Print exchanges, notifications and verdicts."""
    for line in _traffic(replayed):
        print_line(console, line)
    console.print()
    passed = [verdict.requirement.id for verdict in replayed.verdicts if verdict.verdict is Verdict.PASS]
    if passed:
        print_line(console, f"{Verdict.PASS.value} {', '.join(passed)}", STYLES[Verdict.PASS])
    for verdict in replayed.verdicts:
        if verdict.verdict is not Verdict.PASS:
            for line in _verdict(verdict):
                print_line(console, line, STYLES[verdict.verdict] if not line.startswith(" ") else "")
    for line in replayed.again():
        print_line(console, line)
    show_conclusion(replayed, console)


def show_conclusion(replayed: Replayed, console: Console) -> None:
    """Print the line of the verdict."""
    binding = [v for v in replayed.verdicts if v.level is Level.MUST]
    passed = sum(v.verdict is Verdict.PASS for v in binding)
    line = (
        f"{replayed.conclusion.value}: {passed:,} of {len(binding):,} MUST that bear on {replayed.case_id} passed · "
        f"{replayed.journal}"
    )
    print_line(console, line, STYLES[replayed.conclusion])


def _traffic(replayed: Replayed) -> Iterator[str]:
    for exchange in replayed.record.exchanges:
        if exchange.case_id != replayed.case_id:
            yield f"before it {exchange.case_id}: {_outcome(exchange)}"
    sent_at: float | None = None
    for exchange in replayed.record.exchanges:
        if exchange.case_id == replayed.case_id:
            yield from _exchange(exchange)
            sent_at = exchange.sent_at
    for notification in _notifications(replayed):
        request = notification.request
        after = "" if sent_at is None else f"{notification.received_at - sent_at:.3f} s after the request"
        yield f"! notification {notification.number}, {after}: {request.method} {request.url}"
        yield from _message(request.headers, request.body, "!")


def _notifications(replayed: Replayed) -> Iterator[Notification]:
    evidence = Evidence.of(replayed.record, replayed.contract)
    outcome = evidence.final.get(replayed.case_id)
    about = {arrival.number for arrival in evidence.arrivals_about(outcome)} if outcome else set()
    return (notification for notification in replayed.record.notifications if notification.number in about)


def _outcome(exchange: Exchange) -> str:
    if exchange.response is not None:
        return f"answered {exchange.response.status}"
    return exchange.failure or "no answer"


def _exchange(exchange: Exchange) -> Iterator[str]:
    request, response = exchange.request, exchange.response
    yield f"> {request.method} {request.url}"
    yield from _message(request.headers, request.body, ">")
    if response is None:
        yield f"< {_outcome(exchange)}"
        return
    took = f" after {1000 * (exchange.answered_at - exchange.sent_at):.0f} ms" if exchange.answered_at else ""
    yield f"< {response.http_version} {response.status}{took}"
    yield from _message(response.headers, response.body, "<")


def _message(headers: Headers, body: bytes, mark: str) -> Iterator[str]:
    yield from (f"{mark}   {name}: {value}" for name, value in headers)
    if body:
        text = body.decode("utf-8", "backslashreplace")
        more = f"… ({len(body):,} bytes)" if len(text) > SHOWN_CHARACTERS else ""
        yield f"{mark}   {text[:SHOWN_CHARACTERS]}{more}"


def _verdict(verdict: RequirementVerdict) -> Iterator[str]:
    yield f"{verdict.verdict.value} {verdict.requirement.id} {verdict.requirement.title}"
    yield from (f"  {finding.message}" for finding in verdict.findings)
    if verdict.reason is not None:
        yield f"  {verdict.reason}: {verdict.detail}"
