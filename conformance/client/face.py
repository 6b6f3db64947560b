"""The client as a face of the suite: the check of each of its requirements, and the explanation of its failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, wraps
from itertools import chain

from conformance.client.rules import answers, receiving, results, sending, unsent
from conformance.client.rules.evidence import ClientCheck, ClientEvidence, ClientRule, one_of
from conformance.client.rules.unsent import coverage_of_calls, why_no_traffic
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, ByPlace, ByRule, Focus, Requirement
from conformance.diagnosis.explanation import Explained, explain_client
from conformance.journal import Record
from conformance.judging.judgement import Finding, Inconclusive, Judgement, Reason, Tally
from conformance.judging.parts import Division
from conformance.judging.terms import Terms
from conformance.judging.verdicts import Evaluation, Listed, RequirementVerdict, Standard, Verdict, Verdicts, verdict_on
from conformance.model.errors import SuiteError

RULES: Mapping[str, ClientRule] = {
    **sending.RULES,
    **unsent.RULES,
    **answers.RULES,
    **receiving.RULES,
    **results.RULES,
}


@cache
def client_checks(contract: Contract) -> Mapping[str, ClientCheck]:
    """The check of each requirement of the contract on a client or a receiver, by its id; excluded ones have none.

    Raises SuiteError for a requirement whose `judge` names an unknown rule, or gives it unknown parameters.
    """
    judged = [each for each in contract.catalogue.requirements if each.excluded is None]
    return {each.id: _check(each) for each in judged if each.actor is not Actor.GATEWAY}


def judges_the_whole(requirement: Requirement) -> bool:
    """Whether anything in a certification may decide the requirement, so that no part of the calls will do."""
    judge = requirement.judge
    return isinstance(judge, ByRule) and RULES[judge.rule].whole


def _check(requirement: Requirement) -> ClientCheck:
    judge = requirement.judge
    try:
        if isinstance(judge, ByPlace):
            return sending.request_keeps(judge)
        if isinstance(judge, ByRule):
            rule = one_of(RULES, "rule", judge.rule)
            check = rule.check(judge.parameters)
            return check if rule.unseen is None else _unless_observed(check, rule.unseen)
    except ValueError as error:
        raise SuiteError(f"requirement {requirement.id} cannot be judged: {error}") from error
    raise SuiteError(f"requirement {requirement.id} cannot be judged: expected a rule, or a place in the request")


def _unless_observed(check: ClientCheck, unseen: str) -> ClientCheck:
    """The check for a client with a driver; a client that is only observed cannot be judged."""

    @wraps(check)
    def judged(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        if evidence.terms.observed:
            return iter([Inconclusive(Reason.PRECONDITION, unseen)])
        return check(evidence, command)

    return judged


# How the requirement is judged that each death of a driver breaks.
DRIVER_LIVES = ByRule("driver-answers-once")


@dataclass(frozen=True, slots=True)
class ClientFace:
    """A client that is driven or watched, and its receiver of notifications."""

    def evaluate(
        self,
        record: Record,
        contract: Contract,
        standard: Standard,
        *,
        measured: bool,  # noqa: ARG002 - as faces do
        division: Division | None = None,  # noqa: ARG002 - it is small
    ) -> Evaluation:
        """Judge the certification of a client; requirements on features that it lacks are not applicable."""
        evidence = ClientEvidence.of(record, contract)
        own = evidence.terms
        obstacle = own.obstacle or (own.gave_up and f"the driver failed again and again: {own.gave_up}")
        terms = Terms(contract, commands=own.commands, settled_at=own.settled_at, obstacle=obstacle)
        commands = [contract.notified(name) for name in (*terms.commands, *own.unsolicited)]
        focus = Focus.of(record.settings.get("only"))
        judged = chain(*(contract.catalogue.judged(actor, commands, focus) for actor in (Actor.CLIENT, Actor.RECEIVER)))
        checks = client_checks(contract)
        verdicts: list[RequirementVerdict] = []
        tallies: list[Tally] = []
        found: dict[int, list[Finding]] = {}
        for requirement, command in judged:
            tally = Tally(standard.beginnings(requirement, command, terms))
            offers = () if own.obstacle is not None else sorted(requirement.needs)
            why = next(filter(None, (evidence.lacking(offer, command) for offer in offers)), None)
            if why is None:
                judgements = list(checks[requirement.id](evidence, command))
                tally.add_all(judgements)
                found[len(verdicts)] = [each for each in judgements if isinstance(each, Finding)]
                verdict = verdict_on(requirement, command, terms, tally, standard)
                if verdict.reason is Reason.NO_TRAFFIC and (happened := why_no_traffic(evidence, command)) is not None:
                    verdict = replace(verdict, reason=happened[0], detail=happened[1])
                verdicts.append(replace(verdict, ended_the_run=_ended_the_run(verdict, evidence)))
            else:
                level, not_applicable = requirement.level, Verdict.NOT_APPLICABLE
                verdicts.append(RequirementVerdict(requirement, command, level, not_applicable, detail=why))
            tallies.append(tally)

        def explain(verdicts: Verdicts, listed: Listed) -> Explained:
            return explain_client(verdicts, listed, record, contract, found)

        accepted = sum(any(sent.agreed == contract.answer.success for sent in call.sent) for call in evidence.calls)
        # A driver that cannot be kept alive has shown too little of its client to call it conformant.
        gave_up, coverage = own.gave_up is not None, coverage_of_calls(evidence)
        return Evaluation(terms, tuple(verdicts), tuple(tallies), accepted, explain, coverage, gave_up)


CLIENT = ClientFace()


def _ended_the_run(verdict: RequirementVerdict, evidence: ClientEvidence) -> bool:
    """Whether its only failures ended the run: the last deaths of a driver that was given up."""
    given_up = next((note.detail for note in evidence.notes if note.kind == "gave-up"), None)
    if given_up is None or not verdict.failed:
        return False
    deaths = [note.detail["case"] for note in evidence.notes if note.kind == "death"][-given_up["deaths"] :]
    return (
        verdict.requirement.judge == DRIVER_LIVES
        and verdict.failed <= len(deaths)
        and all(finding.case in deaths for finding in verdict.findings)
    )
