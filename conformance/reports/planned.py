"""What a run would send, before anything is sent: for whoever has to pay for it.

show_plan       as a table
plan_document   as a value, with every request
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console

from conformance.contract.contract import Contract
from conformance.gateway.plan import Plan
from conformance.gateway.selection import has_to_be_refused
from conformance.gateway.settings import RunLimits, Settings
from conformance.model.traffic import Case
from conformance.reports.console import print_line
from conformance.reports.escaping import for_terminal
from conformance.wire.allowance import amount_of

# What stands for the requests whose path is that of no command.
NO_COMMAND = "no command"

# More shillings than that move in no run that anybody planned: they stand for amounts that are no sensible ones.
NO_LIMIT = 10**11


def plan_document(plan: Plan, settings: Settings) -> dict[str, Any]:
    """The plan as JSON has it: totals, the same by command, and every request in the order of its sending."""
    bounds = settings.bounds
    return {
        "gateway": settings.gateway,
        "seed": settings.seed,
        "limits": dict(bounds.recorded()),
        "phone_numbers": list(settings.phone_numbers),
        **_totals(plan.cases, bounds, settings.contract),
        "left_out": {**plan.beyond_limits, **({"case files": len(plan.left_out)} if plan.left_out else {})},
        "commands": [
            {"command": command, "kinds": dict(_kinds(cases)), **_totals(cases, bounds, settings.contract)}
            for command, cases in _by_command(plan.cases).items()
        ],
        "cases": [_case(case, settings.contract) for case in plan.cases],
    }


def _case(case: Case, contract: Contract) -> dict[str, Any]:
    return {
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


def _totals(cases: Sequence[Case], bounds: RunLimits, contract: Contract) -> dict[str, int]:
    """How many are sent, accepted and paid for: by a gateway that keeps the contract, and at most by any."""
    paid = [case for case in cases if not has_to_be_refused(case)]
    spend, all_spend = (sum(amount_of(case.request, contract) for case in some) for some in (paid, cases))
    return {
        "requests": len(cases),
        "accepted_as_planned": len(paid),
        "accepted_at_most": _least(len(cases), bounds.max_accepted),
        "spend_as_planned": spend,
        "spend_at_most": _least(all_spend, bounds.max_spend),
    }


def _least(number: int, limit: int | None) -> int:
    return number if limit is None else min(number, limit)


def _by_command(cases: Sequence[Case]) -> Mapping[str | None, list[Case]]:
    by_command: dict[str | None, list[Case]] = {}
    for case in cases:
        by_command.setdefault(case.command, []).append(case)
    return by_command


def _kinds(cases: Sequence[Case]) -> Counter[str]:
    return Counter(case.kind.value for case in cases)


def show_plan(plan: Plan, settings: Settings, console: Console) -> None:
    """Print the plan: what each command gets, what limits it and what it leaves out; the last line is the sum of it."""
    document = plan_document(plan, settings)
    for row in document["commands"]:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in row["kinds"].items())
        print_line(console, f"{row['command'] or NO_COMMAND}: {row['requests']:,} requests ({kinds})")
        print_line(console, f"  {_told(row)}")
    for line in _lines(document, settings, plan):
        print_line(console, line)


def _told(row: Mapping[str, Any]) -> str:
    """What may be accepted, and for how much."""
    as_planned = f"{row['accepted_as_planned']:,} to be accepted{_for(row['spend_as_planned'])}"
    return f"{as_planned}; at most {row['accepted_at_most']:,}{_for(row['spend_at_most'])}"


def _for(shillings: int) -> str:
    if shillings >= NO_LIMIT:
        return " for any amount"
    return f" for KES {shillings:,}" if shillings else ""


def _lines(document: Mapping[str, Any], settings: Settings, plan: Plan) -> Iterator[str]:
    yield f"to: {document['gateway'] or 'the built-in mock gateway'}"
    numbers = ", ".join(document["phone_numbers"])
    yield f"phone numbers: {numbers or 'any, drawn at random'}"
    bounds = settings.bounds
    given = [f"--max-accepted {bounds.max_accepted}"] if bounds.max_accepted is not None else []
    given += [f"--max-spend {bounds.max_spend}"] if bounds.max_spend is not None else []
    given += [f"--rate {bounds.rate_per_s:g}"] if bounds.rate_per_s is not None else []
    yield f"limits: {', '.join(given) or 'none'}"
    for option, number in plan.beyond_limits.items():
        yield f"not sent for {option}: {number:,} cases"
    for case, why in plan.left_out.items():
        yield for_terminal(f"left out {case}: {why}")
    yield (
        f"would send {document['requests']:,} requests: {_told(document)}, whatever the gateway does · "
        f"seed {document['seed']} · nothing was sent"
    )
