"""What -v adds to the result: everything that was looked at, not only what fell short.

    show_observed       every requirement with its verdict and number of observations, then lines about single cases

Of what may be endless the first lines are shown, and how many more there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.contract.contract import Contract
from conformance.diagnosis.follow_ups import run_proper
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.reports.console import print_prose
from conformance.reports.escaping import for_terminal
from conformance.reports.faces import is_client
from conformance.reports.result import Result
from conformance.reports.terminal import STYLES

# Enough to see what kind of request is slow.
SHOWN_SLOWEST = 5
# A gateway that asks for less speed does so hundreds of times.
SHOWN_REPEATS = 20


def show_observed(result: Result, console: Console) -> None:
    """Print the table of all requirements, the slowest notifications, and what was sent again or in another's stead."""
    console.print(_table(result.document["requirements"]))
    console.print()
    record = run_proper(result.record, result.contract)
    lines = chain(
        () if is_client(record) else _slowest(record, result.contract), _sent_again(record), _in_its_stead(record)
    )
    for line in lines:
        print_prose(console, result.masking.text(line))


def _table(entries: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each requirement × verdict: how often it was looked at, its title, its commands, why it was not."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("observed", no_wrap=True, justify="right")
    table.add_column("requirement", ratio=1, overflow="fold")
    together: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in entries:
        together.setdefault((entry["id"], entry["verdict"]), []).append(entry)
    for (name, verdict), those in together.items():
        told = Text(for_terminal(those[0]["title"]))
        for line in _below(those):
            told.append(f"\n{for_terminal(line)}", "dim")
        observed = sum(entry["observations"] for entry in those)
        table.add_row(Text(verdict, STYLES.get(verdict, "")), name, f"{observed:,}", told)
    return table


def _below(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Which commands it is, and each reason why it was not exercised or does not apply."""
    commands = [entry["command"] for entry in entries if entry["command"]]
    if commands:
        yield ", ".join(commands)
    yield from dict.fromkeys(f"{e['reason']}: {e['reason_detail']}" for e in entries if "reason" in e)
    yield from dict.fromkeys(entry["not_applicable"] for entry in entries if "not_applicable" in entry)


def _slowest(record: Record, contract: Contract) -> Iterator[str]:
    evidence = Evidence.of(record, contract)
    took = (
        (arrival.received_at - answer.answered_at, answer)
        for command in evidence.terms.commands
        for answer in evidence.owed(command)
        if answer.answered_at is not None and (arrival := evidence.first_about(answer)) is not None
    )
    for seconds, answer in nlargest(SHOWN_SLOWEST, took, key=lambda pair: pair[0]):
        yield f"slow notification: {max(seconds, 0):.3f} s after the answer to {answer.case_id}"


def _sent_again(record: Record) -> Iterator[str]:
    """Each attempt at a case after its first, and what came of the one before."""
    outcomes: dict[str, str] = {}
    lines = []
    for exchange in record.exchanges:
        if exchange.attempt > 1:
            before = outcomes.get(exchange.case_id, "no answer")
            lines.append(f"sent again: {exchange.case_id}, attempt {exchange.attempt} after {before}")
        answer = exchange.response
        outcomes[exchange.case_id] = str(answer.status) if answer else exchange.failure or "no answer"
    yield from lines[:SHOWN_REPEATS]
    if len(lines) > SHOWN_REPEATS:
        yield f"sent again: {len(lines) - SHOWN_REPEATS:,} more"


def _in_its_stead(record: Record) -> Iterator[str]:
    """Cases that were planned anew for those that a network lost."""
    pairs = [
        (stand_in, case_id)
        for note in record.notes
        if note.kind == "planned-anew"
        for stand_in, case_id in note.detail["stands_for"].items()
    ]
    yield from (f"sent in the stead of {case_id}: {stand_in}" for stand_in, case_id in pairs[:SHOWN_REPEATS])
    if len(pairs) > SHOWN_REPEATS:
        yield f"sent in the stead of others: {len(pairs) - SHOWN_REPEATS:,} more"
