"""Lines about a run beside its verdicts, the same in every format.

coverage_lines, limit_lines, stranger_lines, load_lines, client_lines, not_applicable, stale_lines
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from conformance.client.rules.answers import NO_CONNECTION_KEPT
from conformance.contract.contract import Contract
from conformance.gateway.rules.load import behind
from conformance.judging.coverage import Covered
from conformance.reports.figures import in_words
from conformance.reports.report import LoadTimes, Report
from conformance.reports.text import counted, for_terminal

WHOLE_BODY = "body"
# With standard error; further ones mostly have the same cause.
SHOWN_DEATHS = 3
# Of the requirements that a run was limited to.
SHOWN_ONLY = 10
_NUMBERS = "--phone-number"


def coverage_lines(report: Report) -> Iterator[str]:
    """A line for each member with classes of payloads that were not exercised, then the totals.

    Commands that lack the same classes share a line. A run that exercised nothing has only the totals.
    """
    coverage = report.coverage
    if not coverage:
        return
    sent = sum(one.sent > 0 for one in coverage)
    if sent:
        yield from _of_commands("not exercised", (one for one in coverage if not one.sent))
    if report.client is None:
        yield f"coverage: {sent:,} of {len(coverage):,} classes of payloads exercised"
        return
    arrived = sum(one.accepted > 0 for one in coverage)
    if arrived:
        lost = (one for one in coverage if one.sent and not one.accepted)
        yield from _of_commands("called and never sent", lost)
    yield f"coverage: calls of {sent:,} of {len(coverage):,} classes of payloads, requests of {arrived:,}"


def exercised(one: Covered, report: Report) -> bool:
    """Whether a class was exercised; by a client it was if a request arrived."""
    return bool(one.sent if report.client is None else one.accepted)


def _of_commands(words: str, coverage: Iterable[Covered]) -> Iterator[str]:
    by_member: dict[tuple[str, str, str], list[str]] = {}
    for one in coverage:
        by_member.setdefault((one.kind, one.member or WHOLE_BODY, one.command), []).append(one.name)
    commands: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (kind, member, command), classes in by_member.items():
        commands.setdefault((kind, member, tuple(classes)), []).append(command)
    for (kind, member, names), several in commands.items():
        yield f"{words}: {kind} {member} of {', '.join(several)}: {' · '.join(names)}"


def limit_lines(report: Report, contract: Contract) -> Iterator[str]:
    """Lines for a limited run: what it was limited to, how much may have been accepted, what was not sent and why."""
    if only := report.settings.get("only"):
        more = f" and {len(only) - SHOWN_ONLY:,} more" if len(only) > SHOWN_ONLY else ""
        yield f"judged only: {', '.join(only[:SHOWN_ONLY])}{more}; this says nothing about other requirements"
    limits = report.limits
    if limits is None:
        return
    line = f"accepted at most: {counted(limits.accepted_at_most, 'request')}"
    line += f", {money(limits.spent_at_most, contract)}"
    for option, given in (("--max-accepted", limits.max_accepted), ("--max-spend", limits.max_spend)):
        if kept := limits.kept_back(option):
            line += f" · {kept:,} not sent for {option} {given}"
    if kept := limits.kept_back(_NUMBERS):
        line += f" · {kept:,} not sent, for others than {_NUMBERS} might be found in them"
    yield line


def money(amount: int, contract: Contract) -> str:
    """`KES 1,200`: an amount in the currency of the contract, or its currencies."""
    currencies = dict.fromkeys(each.money.currency for each in contract.commands.values() if each.money)
    return f"{'/'.join(currencies)} {amount:,}".lstrip()


def stranger_lines(report: Report) -> Iterator[str]:
    """Lines about requests that anybody may have sent, which were not judged, and those that the servers refused."""
    found = report.strangers
    if found is None:
        return
    if found.not_judged:
        yield (
            f"{found.not_judged:,} requests to the callbacks carry no id of the run and may be anybody's: they are "
            "not judged; with --callback-token only the gateway knows the address"
        )
    if found.not_kept:
        yield f"{found.not_kept:,} more requests that carry no id of the run were too many to be kept in the journal"
    excused = "; what is missing for that is held against nobody" if report.subject.kind == "gateway" else ""
    for reason in found.refused:
        yield f"the suite itself did not take everything: {reason}{excused}"


def load_lines(report: Report) -> Iterator[str]:
    """Lines about a run under load: its rate, what became of the requests, and how long answers and notifications took.

    The first line says so if the load generator was the limit.
    """
    load = report.load
    if load is None:
        return
    if late := behind(load.behind_s):
        yield late
    yield (
        f"load: {load.reached:,.1f} of {load.rate:,g} valid requests/s for {load.seconds:,.1f} s, "
        f"{load.sent_per_s:,.1f}/s in all · {load.sent:,} sent: {load.accepted:,} accepted, {load.refused:,} refused, "
        f"{load.failed:,} failed · {load.notified:,} notified"
    )
    for name, times in (("answers", load.answers), ("notifications", load.notifications)):
        if times is not None:
            parts = (f"{percentile} {in_words(seconds)}" for percentile, seconds in percentiles(times))
            yield f"{name} under load: {' · '.join(parts)}"


def percentiles(times: LoadTimes) -> tuple[tuple[str, float], ...]:
    """The percentiles of times under load by their names, and the longest time, in seconds."""
    return (("p50", times.p50), ("p90", times.p90), ("p99", times.p99), ("p99.9", times.p99_9), ("max", times.max))


def client_lines(report: Report) -> Iterator[str]:
    """Lines about a client: its name, the failures of its driver, and how long the suite watched it."""
    client = report.client
    if client is None:
        return
    if client.implementation is None:
        yield for_terminal(f"{report.subject.name}, seen from outside")
    else:
        commands = ", ".join(client.commands) or "no commands"
        features = "".join(f", {feature}" for feature in client.features)
        yield for_terminal(f"client: {report.subject.name}: {commands}{features}")
    for number, death in enumerate(client.deaths):
        yield for_terminal(f"the driver failed over {death.case or 'no case'}: {death.detail}")
        yield from (for_terminal(f"  | {line}") for line in (death.stderr if number < SHOWN_DEATHS else ()))
    if client.left_behind is None:
        yield "whether the driver has left processes behind was not looked at: this system does not tell"
    for left in client.left_behind or ():
        fate = "it was ended" if left.ended else "it could not be ended, and goes on"
        yield for_terminal(f"the driver has left a process behind: {left.command} (pid {left.pid}); {fate}")
    if client.connections.new and not client.connections.reused:
        yield f"{NO_CONNECTION_KEPT}: what it does when a kept-alive connection dies was not seen"
    if client.waited_s is not None:
        yield f"watched for {client.waited_s:.1f} s after the last error or lost answer for what is sent again"


def not_applicable(report: Report) -> Iterator[str]:
    """A line for each reason why requirements do not apply, with their ids."""
    reasons: dict[str, dict[str, None]] = {}
    for entry in report.requirements:
        if entry.not_applicable:
            reasons.setdefault(entry.not_applicable, {})[entry.id] = None
    for why, ids in reasons.items():
        yield f"not applicable: {for_terminal(why)} ({in_ranges(list(ids))})"


def in_ranges(ids: Sequence[str]) -> str:
    """`SND-01 … SND-12, RDG-01 …`: the ids that follow each other as their first and last."""

    def begins(numbered: tuple[int, str]) -> tuple[str, int]:
        place, name = numbered
        area, _, number = name.partition("-")
        return area, int(number) - place

    runs = [[name for _, name in run] for _, run in groupby(enumerate(ids), begins)]
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} … {run[-1]}" for run in runs)


def stale_lines(report: Report) -> Iterator[str]:
    """A line for each stale expectation, with advice."""
    for stale in report.stale:
        place = f"entry {stale.entry} of {report.expectations.file if report.expectations else ''}"
        yield f"{place} ({stale.name} {stale.verdict}): {stale.detail}; {stale.advice}"
