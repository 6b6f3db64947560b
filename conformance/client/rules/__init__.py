"""The written rules on clients and on receivers of notifications.

calls, evidence         a recorded certification, correlated: calls, reports, requests to receivers
sending                 requests of a client: DRV, SND, ROB
unsent                  calls that never became a request: SND-13, SND-14, RDG-12
answers                 how it understands answers: RDG
resending               requests that it sends again: RTY
receiver_requests, inbox    requests to a receiver, and its client's reports on them
receiving, results      how a receiver answers, and the effect on its client: RCV
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, wraps

from conformance.client.rules import answers, receiving, resending, results, sending, unsent
from conformance.client.rules.evidence import ClientCheck, ClientEvidence, ClientRule, one_of
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, ByPlace, ByRule, Requirement
from conformance.judging.judgement import Inconclusive, Judgement, Reason
from conformance.model.errors import SuiteError

RULES: Mapping[str, ClientRule] = {
    **sending.RULES,
    **unsent.RULES,
    **answers.RULES,
    **resending.RULES,
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
