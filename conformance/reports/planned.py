"""The plan of a run, before anything is sent: for whoever has to pay for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from conformance.contract.contract import Contract
from conformance.gateway.plan import Plan
from conformance.gateway.selection import has_to_be_refused
from conformance.gateway.settings import RunLimits, Settings
from conformance.model.traffic import Case
from conformance.reports.console import print_line
from conformance.reports.remarks import money
from conformance.reports.text import for_terminal
from conformance.wire.allowance import amount_of

# What stands for the requests whose path is that of no command.
NO_COMMAND = "no command"

# More money than that moves in no run that anybody planned: it stands for amounts that are not sensible.
NO_LIMIT = 10**11


def plan_document(plan: Plan, settings: Settings) -> dict[str, Any]:
    """The plan as JSON has it: totals, the same by command, and every request in the order of its sending."""
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
        "cases": [_case(case, contract) for case in plan.cases],
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
    """How many requests are sent, accepted and paid for: by a gateway that keeps the contract, and at most."""
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
    """Print the plan: what each command gets, what limits it and what it leaves out; the last line is the sum of it."""
    document = plan_document(plan, settings)
    for row in document["commands"]:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in row["kinds"].items())
        print_line(console, f"{row['command'] or NO_COMMAND}: {row['requests']:,} requests ({kinds})")
        print_line(console, f"  {_accepted(row, settings.contract)}")
    for line in _lines(document, settings, plan):
        print_line(console, line)


def _accepted(row: Mapping[str, Any], contract: Contract) -> str:
    def for_money(amount: int) -> str:
        if amount >= NO_LIMIT:
            return " for any amount"
        return f" for {money(amount, contract)}" if amount else ""

    as_planned = f"{row['accepted_as_planned']:,} to be accepted{for_money(row['spend_as_planned'])}"
    return f"{as_planned}; at most {row['accepted_at_most']:,}{for_money(row['spend_at_most'])}"


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
        f"would send {document['requests']:,} requests: {_accepted(document, settings.contract)}, whatever the gateway "
        f"does · seed {document['seed']} · nothing was sent"
    )
