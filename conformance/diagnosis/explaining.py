"""What fell short, explained: on what it depends, and its findings gathered.

explain_gateway     the verdicts of a gateway's run, by a second look at it
explain_client      those of a certification, by all findings of its checks

Both return the verdicts with what was found out, and the causes that break several requirements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from conformance.contract.contract import Contract
from conformance.contract.requirements import Requirement
from conformance.diagnosis.follow_ups import causes_of
from conformance.diagnosis.grouping import gathered, grouped, said_by
from conformance.diagnosis.one_cause import Failing, one_causes
from conformance.diagnosis.patterns import Ground, depends_alone, told
from conformance.diagnosis.traits import FORM, payload_classes
from conformance.diagnosis.watching import Watched, watch
from conformance.journal import Record
from conformance.judging.hearing import KEPT_FINDINGS
from conformance.judging.judgement import Check, Finding, OneCause
from conformance.judging.verdicts import Listed, RequirementVerdict, Verdict, Verdicts
from conformance.model.traffic import Kind

Explained = tuple[Verdicts, tuple[OneCause, ...]]


def explain_gateway(  # noqa: PLR0913, PLR0917 - a failure is explained by all of them
    verdicts: Verdicts,
    listed: Listed,
    record: Record,
    part: Record,
    contract: Contract,
    checks: Mapping[str, Check],
    is_of_form: Callable[[Requirement], bool],
) -> Explained:
    """By the `part` of the record that is judged, and what was found out after it.

    Where findings are `listed`, they are not gathered: one that is not listed must not go under among those that are.
    `is_of_form`: whether a requirement judges the form of a message.
    """
    short = {number: verdict for number, verdict in enumerate(verdicts) if verdict.failed}
    if not short:
        return verdicts, ()
    causes = causes_of(record)
    watched = {
        number: Watched(checks[each.requirement.id], each.command, causes.get((each.requirement.id, each.command), ()))
        for number, each in short.items()
    }
    watch(part, contract, watched.values())
    classes = payload_classes(part, {o.number for seen in watched.values() for o in seen.observations}, contract)
    said = said_by(record, set().union(*(seen.numbers for seen in watched.values())), contract)
    explained = list(verdicts)
    for number, seen in watched.items():
        each = short[number]
        pointer = each.findings[0].pointer if each.findings else None
        area = FORM if is_of_form(each.requirement) else ""
        ground = Ground(area, pointer, classes, contract.notification.outcome)
        pattern = told(seen.causes, seen.observations, each.failed, each.observations, ground)
        groups = [] if _is_listed(each, listed) else seen.groups(said, area)
        shown = (
            replace(finding, pattern=depends_alone(group, seen.observations, len(groups), ground))
            for finding, group in zip(seen.findings(groups), groups, strict=False)
        )
        explained[number] = replace(each, pattern=pattern, findings=tuple(shown) or each.findings)
    found = {number: seen.found for number, seen in watched.items()}
    return tuple(explained), _in_common(verdicts, found, contract, is_of_form)


def explain_client(
    verdicts: Verdicts, listed: Listed, record: Record, contract: Contract, found: Mapping[int, Sequence[Finding]]
) -> Explained:
    """By what a receiver answered; what a client is answered is the suite's own doing."""
    delivered = {case.id for case in record.cases if case.kind is Kind.DELIVER}
    numbers = {each.exchange or 0 for some in found.values() for each in some if each.case in delivered}
    said = said_by(record, numbers, contract)
    explained = list(verdicts)
    for number, each in enumerate(verdicts):
        if each.failed and not _is_listed(each, listed):
            groups = grouped(found[number], said, "")
            explained[number] = replace(each, findings=tuple(map(gathered, groups[:KEPT_FINDINGS])) or each.findings)
    return tuple(explained), _in_common(verdicts, found, contract, lambda _: False)


def _in_common(
    verdicts: Verdicts,
    found: Mapping[int, Sequence[Finding]],
    contract: Contract,
    is_of_form: Callable[[Requirement], bool],
) -> tuple[OneCause, ...]:
    """The causes that break several of the requirements that fell short, over all commands."""
    failing: dict[str, Failing] = {}
    for number, each in enumerate(verdicts):
        if each.failed and each.verdict in (Verdict.FAIL, Verdict.WARN):
            known = failing.setdefault(each.requirement.id, Failing(each.requirement.id, is_of_form(each.requirement)))
            known.add(found[number], each.failed, each.observations)
    return one_causes(list(failing.values()), contract)


def _is_listed(verdict: RequirementVerdict, listed: Listed) -> bool:
    return (verdict.requirement.id, verdict.command) in listed
