"""The plan of a run before anything is sent, and a case that was replayed, for people and for scripts.

plan_document, show_plan    what a run would send, and what that may cost
Replayed, show_replayed     request, answer, notifications, and the verdicts on the case
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.gateway.plan import Plan
from conformance.gateway.selection import has_to_be_refused
from conformance.gateway.settings import RunLimits, Settings
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.judging.verdicts import Conclusion, RequirementVerdict, Verdict, conclude
from conformance.model.traffic import Case, Exchange, Headers, Notification
from conformance.reports.console import print_line
from conformance.reports.remarks import money
from conformance.reports.terminal import STYLES
from conformance.wire.allowance import amount_of

# The heading of requests to a path of no command.
NO_COMMAND = "no command"
# Invalid requests may have any amount; a plan does not show larger sums.
NO_LIMIT = 10**11
# Of a body; the journal has all of it.
SHOWN_CHARACTERS = 2_000


def plan_document(plan: Plan, settings: Settings) -> dict[str, Any]:
    """The plan for scripts: totals, totals by command, and every request in the order of sending."""
    bounds, contract = settings.bounds, settings.contract
    by_command: dict[str | None, list[Case]] = {}
    for case in plan.cases:
        by_command.setdefault(case.command, []).append(case)
    return {
        "gateway": settings.gateway,
        "seed": settings.seed,
        "limits": asdict(bounds),
        "phone_numbers": list(settings.phone_numbers),
        **_totals(plan.cases, bounds, contract),
        "left_out": {**plan.beyond_limits, **({"case files": len(plan.left_out)} if plan.left_out else {})},
        "commands": [
            {
                "command": command,
                "kinds": dict(Counter(case.kind.value for case in cases)),
                **_totals(cases, bounds, contract),
            }
            for command, cases in by_command.items()
        ],
        "cases": [
            {
                "id": case.id,
                "command": case.command,
                "kind": case.kind.value,
                "aspect": case.aspect,
                "method": case.request.method,
                "url": case.request.url,
                "body": case.request.body.decode("utf-8", "backslashreplace"),
                "has_to_be_refused": has_to_be_refused(case),
                "amount": amount_of(case.request, contract),
            }
            for case in plan.cases
        ],
    }


def _totals(cases: Sequence[Case], bounds: RunLimits, contract: Contract) -> dict[str, int]:
    """The requests that are sent and accepted, and their cost: by a conformant gateway, and at most."""
    paid = [case for case in cases if not has_to_be_refused(case)]
    spend, all_spend = (sum(amount_of(case.request, contract) for case in some) for some in (paid, cases))
    return {
        "requests": len(cases),
        "accepted_as_planned": len(paid),
        "accepted_at_most": len(cases) if bounds.max_accepted is None else min(len(cases), bounds.max_accepted),
        "spend_as_planned": spend,
        "spend_at_most": all_spend if bounds.max_spend is None else min(all_spend, bounds.max_spend),
    }


def show_plan(plan: Plan, settings: Settings, console: Console) -> None:
    """Print what each command gets, the limits and what they leave out; the last line is the sum."""
    document, bounds = plan_document(plan, settings), settings.bounds
    for row in document["commands"]:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in row["kinds"].items())
        print_line(console, f"{row['command'] or NO_COMMAND}: {row['requests']:,} requests ({kinds})")
        print_line(console, f"  {_accepted(row, settings.contract)}")
    print_line(console, f"to: {settings.gateway or 'the built-in mock gateway'}")
    print_line(console, f"phone numbers: {', '.join(settings.phone_numbers) or 'any, drawn at random'}")
    given = [f"--max-accepted {bounds.max_accepted}"] if bounds.max_accepted is not None else []
    given += [f"--max-spend {bounds.max_spend}"] if bounds.max_spend is not None else []
    given += [f"--rate {bounds.rate_per_s:g}"] if bounds.rate_per_s is not None else []
    print_line(console, f"limits: {', '.join(given) or 'none'}")
    for option, number in plan.beyond_limits.items():
        print_line(console, f"not sent for {option}: {number:,} cases")
    for case, why in plan.left_out.items():
        print_line(console, f"left out {case}: {why}")
    print_line(
        console,
        f"would send {document['requests']:,} requests: {_accepted(document, settings.contract)}, whatever the gateway "
        f"does · seed {settings.seed} · nothing was sent",
    )


def _accepted(row: Mapping[str, Any], contract: Contract) -> str:
    def for_money(amount: int) -> str:
        if amount >= NO_LIMIT:
            return " for any amount"
        return f" for {money(amount, contract)}" if amount else ""

    as_planned = f"{row['accepted_as_planned']:,} to be accepted{for_money(row['spend_as_planned'])}"
    return f"{as_planned}; at most {row['accepted_at_most']:,}{for_money(row['spend_at_most'])}"


# --- Replay


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replayed case: `record` and `verdicts` are of the replay, `before` are the verdicts in the run."""

    case_id: str
    record: Record
    verdicts: tuple[RequirementVerdict, ...]
    before: tuple[RequirementVerdict, ...]
    journal: Path
    contract: Contract

    @property
    def conclusion(self) -> Conclusion:
        """The conclusion from the verdicts on the case."""
        return conclude(self.verdicts)

    def document(self) -> dict[str, Any]:
        """For scripts: exchanges and notifications in order, and the verdicts now and in the run."""
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
        """A line for each failure of the run, whether it was reproduced."""
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
