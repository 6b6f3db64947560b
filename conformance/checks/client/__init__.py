"""The checks of clients and of receivers of notifications, as `conformance.checks` has those of gateways.

    terms           what verdicts depend on besides the traffic
    evidence        what happened, correlated: calls, what was seen and said of them, deliveries
    judging         what a check yields
    sending         DRV, SND, ROB
    classes         what calls have in common
    unsent          SND-13, SND-14, RDG-12: calls that never became a request
    answers         RDG
    resending       RTY
    receiving, results, malformed       RCV

`CLIENT_CHECKS` maps each requirement whose actor is a client or a receiver to its check; `UNSEEN` those that watching
a client does not tell to the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps

from conformance.checks.client import answers, inquiries, malformed, receiving, resending, results, sending, unsent
from conformance.checks.client.evidence import ClientEvidence
from conformance.checks.client.judging import ClientCheck
from conformance.checks.judgement import Judgement, Reason, Unobserved

_WORD = "what the client tells its caller cannot be seen without a driver"

UNSEEN: dict[str, str] = {
    "SND-01": _WORD,
    "SND-07": "what the client was asked to send is not known without a driver",
    "SND-09": "how many calls were made is not known without a driver",
    "SND-13": "how many calls were made is not known without a driver",
    "SND-14": "how many calls were made is not known without a driver",
    "RDG-12": _WORD,
    **dict.fromkeys(answers.CHECKS, _WORD),
}
"""What cannot be told of a client that is only watched, and why."""


def _unless_observed(name: str, check: ClientCheck) -> ClientCheck:
    """The check, for clients that are driven; of one that is watched it cannot tell anything."""

    @wraps(check)
    def judged(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        if evidence.terms.observed:
            return iter([Unobserved(Reason.PRECONDITION, UNSEEN[name])])
        return check(evidence, command)

    return judged


_ALL: dict[str, ClientCheck] = {
    **sending.CHECKS,
    **answers.CHECKS,
    **resending.CHECKS,
    **receiving.CHECKS,
    **results.CHECKS,
    **malformed.CHECKS,
    **inquiries.CHECKS,
    **unsent.CHECKS,
}

CLIENT_CHECKS: dict[str, ClientCheck] = {
    name: _unless_observed(name, check) if name in UNSEEN else check for name, check in _ALL.items()
}

__all__ = ["CLIENT_CHECKS", "UNSEEN"]
