"""AUT, CTY, BOD, CMD, VAL: what the contract forbids is refused, in the way that the contract says.

A refusal counts only beside a positive twin: a gateway that refuses everything has not been seen to tell right from
wrong. So each rule looks at the twin first, and says `precondition` where that was not accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from conformance.checks.envelope import envelope_problems
from conformance.checks.evidence import ABSENT, UNAUTHORIZED, Answer, Evidence, Outcome
from conformance.checks.excuses import Excuses, unjudgeable
from conformance.checks.judgement import (
    Check,
    Finding,
    Judgement,
    Reason,
    Unobserved,
    answers_where,
    shown,
    verdict_of,
)
from conformance.traffic import Kind, header

# Codes that blame something else than the input: credential, funds, access, path, rate (contract: "Responses").
BLAMES_SOMETHING_ELSE = frozenset({401, 402, 403, 404, 429})
# A name that breaks its pattern is by that also not registered to the account, which is what a 403 says.
REGISTERED_NAMES = frozenset({"sender_id", "short_code"})
ACCESS_DENIED = 403
UNPROCESSABLE = 422

# Stands for every aspect of a kind.
ANY = "*"

Rule = Callable[[Outcome], Iterator[Finding]]


def beside_twin(kind: Kind, aspects: str | Collection[str], rule: Rule) -> Check:
    """A check of `rule` on the cases of `kind` and these aspects (or ANY) whose twin was seen to be accepted."""
    wanted = {aspects} if isinstance(aspects, str) else set(aspects)

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        for answer in evidence.final_of(command, kind):
            if wanted.isdisjoint((answer.aspect, ANY)):
                continue
            obstacle = unjudgeable(answer) or twin_obstacle(evidence, answer)
            if obstacle:
                yield obstacle
            else:
                yield from verdict_of(answer, rule(answer))

    return check


def twin_obstacle(evidence: Evidence, answer: Outcome) -> Unobserved | None:
    """Why an answer says nothing: the request that has to be accepted beside it was not."""
    if answer.purpose.twin is None:
        return None
    twin = evidence.twin_of(answer)
    if twin is None:
        return Unobserved(Reason.PRECONDITION, "its positive twin was not sent", answer.number)
    if not twin.accepted:
        return Unobserved(
            Reason.PRECONDITION,
            f"its positive twin {answer.purpose.twin} was not accepted ({_told(twin)}), so a refusal tells nothing",
            answer.number,
        )
    return None


def _told(answer: Outcome) -> str:
    said = f": {shown(answer.said)}" if answer.said is not None else ""
    return f"answered {answer.status}{said}" if answer.status is not None else "no answer"


def refused_with_401(answer: Outcome) -> Iterator[Finding]:
    """A wrong credential is 401, nothing else."""
    if answer.status != UNAUTHORIZED:
        yield Finding.in_answer(
            answer, f"{_what(answer)} was {_told(answer)}, not 401", pointer="/status_code", value=_code(answer)
        )


def refused(answer: Outcome) -> Iterator[Finding]:
    """Any 4xx will do. A 401 is left to AUT-01."""
    if not answer.rejected:
        yield Finding.in_answer(
            answer,
            f"{_what(answer)} was {_told(answer)}, not refused with a 4xx",
            pointer="/status_code",
            value=_code(answer),
        )


def not_accepted(answer: Outcome) -> Iterator[Finding]:
    """The request was not taken on, whatever else became of it: a 5xx is another requirement's affair."""
    if not answer.rejected and not _crashed(answer):
        yield from refused(answer)


def no_5xx(answer: Outcome) -> Iterator[Finding]:
    """The gateway did not fall over."""
    if _crashed(answer):
        yield Finding.in_answer(
            answer, f"{_what(answer)} was {_told(answer)}", pointer="/status_code", value=_code(answer)
        )


def _crashed(answer: Outcome) -> bool:
    return answer.status is not None and answer.status >= 500


def refused_as_invalid(answer: Outcome) -> Iterator[Finding]:
    """A 4xx that blames the input (contract: "any 4xx other than 401/402/403/404/429")."""
    allowed = BLAMES_SOMETHING_ELSE - ({ACCESS_DENIED} if answer.purpose.member in REGISTERED_NAMES else set())
    if answer.status == UNAUTHORIZED:
        return
    if not answer.rejected or answer.status in allowed:
        yield Finding.in_answer(
            answer,
            f"{_what(answer)} was {_told(answer)}, not refused as invalid with a 4xx",
            pointer="/status_code",
            value=_code(answer),
        )


def _what(answer: Outcome) -> str:
    shows = answer.purpose
    if shows.member:
        return f"{shows.member} ({shows.aspect}, breaks {shows.keyword})"
    return shows.aspect.replace("-", " ") + (f" ({shows.keyword})" if shows.keyword else "")


def _code(answer: Outcome) -> Any:
    return answer.http_status if answer.code is ABSENT else answer.code


def in_envelope(answer: Outcome) -> Iterator[Finding]:
    """All three fields, of their types, in a JSON object."""
    problems = envelope_problems(answer.whole) if answer.whole else []
    if problems:
        body = answer.whole.response.body if answer.whole and answer.whole.response else b""
        yield Finding.in_answer(
            answer, f"{_what(answer)} was answered outside the envelope: {'; '.join(problems)}", pointer="", value=body
        )


def right_credential_is_not_refused(answer: Answer) -> Iterator[Finding]:
    """AUT-01."""
    if answer.status == UNAUTHORIZED:
        yield Finding.in_answer(answer, "the right credential was refused with 401", pointer="/status_code", value=401)


def has_www_authenticate(answer: Answer) -> Iterator[Finding]:
    """AUT-11 (RFC 2616, 10.4.2)."""
    if answer.response is not None and header(answer.response.headers, "www-authenticate") is None:
        yield Finding.in_answer(answer, "the 401 carries no WWW-Authenticate")


def refused_credential_has_no_effect(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """AUT-10: no notification for a request refused with 401, and the same request is accepted afterwards."""
    excuses = Excuses(evidence, command)
    for answer in evidence.final_of(command, Kind.CREDENTIAL, Kind.REPEAT):
        if answer.kind is Kind.CREDENTIAL and answer.status == UNAUTHORIZED and answer.request_id is not None:
            yield from verdict_of(answer, _without_effect(evidence, answer))
        elif answer.kind is Kind.REPEAT and answer.aspect == "after-refusal":
            probe = evidence.earlier_of(answer)
            obstacle = unjudgeable(answer) or twin_obstacle(evidence, answer)
            if obstacle:
                yield obstacle
            elif probe is None or probe.status != UNAUTHORIZED:
                yield Unobserved(
                    Reason.PRECONDITION, "the credential probe before it was not refused with 401", answer.number
                )
            elif obstacle := excuses.of_account(answer) or excuses.as_ordinary_ones(answer, crashes=True):
                yield obstacle
            else:
                yield from verdict_of(answer, _accepted_after(answer))


def _without_effect(evidence: Evidence, answer: Outcome) -> Iterator[Finding]:
    for arrival in () if evidence.shares_id(answer) else evidence.arrivals_about(answer):
        yield Finding.in_notice(
            arrival, f"a request refused for its credential ({answer.aspect}) was followed by a notification"
        )


def _accepted_after(answer: Outcome) -> Iterator[Finding]:
    if not answer.accepted:
        yield Finding.in_answer(
            answer,
            f"the request that had been refused for its credential was {_told(answer)} when sent with the right one",
            pointer="/status_code",
            value=_code(answer),
        )


def _unprocessable(answer: Answer) -> bool:
    return (
        answer.status == UNPROCESSABLE
        and answer.kind is Kind.BROKEN
        and answer.final
        and answer.content.members is not None
    )


def _validation_errors(answer: Answer) -> Any:
    return (answer.content.members or {}).get("validation_errors")


def _well_formed(errors: Any) -> bool:
    return isinstance(errors, dict) and all(
        isinstance(messages, list) and all(isinstance(m, str) for m in messages) for messages in errors.values()
    )


def carries_validation_errors(answer: Answer) -> Iterator[Finding]:
    """VAL-07."""
    members = answer.content.members or {}
    if "validation_errors" not in members:
        yield Finding.in_answer(answer, "the 422 carries no validation_errors", pointer="", value=dict(members))
    elif not _well_formed(members["validation_errors"]):
        yield Finding.in_answer(
            answer,
            "validation_errors is no object of field to array of messages",
            pointer="/validation_errors",
            value=members["validation_errors"],
        )


def names_the_field(answer: Answer) -> Iterator[Finding]:
    """VAL-08, where VAL-07 holds."""
    errors = _validation_errors(answer)
    if _well_formed(errors) and answer.case.member not in errors:
        yield Finding.in_answer(
            answer, f"validation_errors does not name {answer.case.member}", pointer="/validation_errors", value=errors
        )


def _with_right_credential(answer: Answer) -> bool:
    return answer.final and answer.status is not None and answer.kind is not Kind.CREDENTIAL


def _refused_probe(answer: Answer) -> bool:
    return answer.status == UNAUTHORIZED and answer.kind is Kind.CREDENTIAL


CREDENTIAL_ASPECTS = {
    "AUT-02": "absent",
    "AUT-03": "wrong-key",
    "AUT-04": "wrong-secret",
    "AUT-05": "swapped",
    "AUT-06": "other-case",
    "AUT-07": "empty",
    "AUT-08": "not-base64",
    "AUT-09": "other-scheme",
}
# A JSON body that is not declared as JSON, and bytes that lenient readers of UTF-8 replace. A gateway that reads such a
# body all the same does what a client meant: refusing it is a SHOULD. Not to fall over it is a MUST.
LENIENT_ASPECTS = {
    "CTY-01": "absent-content-type",
    "CTY-02": "other-content-type",
    "BOD-07": "not-utf8",
}
STURDY_ASPECTS = {
    "CTY-03": ("absent-content-type", "other-content-type"),
    "BOD-08": ("not-utf8",),
}
BODY_ASPECTS = {
    "BOD-01": "not-json",
    "BOD-02": "cut-short",
    "BOD-03": "empty-body",
    "BOD-04": "array",
    "BOD-05": "scalar",
    "BOD-06": "form-encoded",
}
MALFORMED_ASPECTS = frozenset({*BODY_ASPECTS.values(), *LENIENT_ASPECTS.values()})
BROKEN_ASPECTS = {
    "VAL-01": "missing",
    "VAL-02": "null",
    "VAL-03": "type",
    "VAL-04": "empty",
    "VAL-05": "pattern",
    "VAL-06": "range",
}

CHECKS: dict[str, Check] = {
    "AUT-01": answers_where(_with_right_credential, rule=right_credential_is_not_refused),
    **{id_: beside_twin(Kind.CREDENTIAL, aspect, refused_with_401) for id_, aspect in CREDENTIAL_ASPECTS.items()},
    "AUT-10": refused_credential_has_no_effect,
    "AUT-11": answers_where(_refused_probe, rule=has_www_authenticate),
    **{id_: beside_twin(Kind.MALFORMED, aspect, refused) for id_, aspect in BODY_ASPECTS.items()},
    **{id_: beside_twin(Kind.MALFORMED, aspect, not_accepted) for id_, aspect in LENIENT_ASPECTS.items()},
    **{id_: beside_twin(Kind.MALFORMED, aspects, no_5xx) for id_, aspects in STURDY_ASPECTS.items()},
    "CMD-01": beside_twin(Kind.UNKNOWN_COMMAND, ANY, refused),
    "CMD-02": beside_twin(Kind.UNKNOWN_COMMAND, ANY, in_envelope),
    "CMD-03": beside_twin(Kind.METHOD, ANY, refused),
    "CMD-04": beside_twin(Kind.METHOD, ANY, in_envelope),
    **{id_: beside_twin(Kind.BROKEN, aspect, refused_as_invalid) for id_, aspect in BROKEN_ASPECTS.items()},
    "VAL-07": answers_where(_unprocessable, rule=carries_validation_errors),
    "VAL-08": answers_where(_unprocessable, rule=names_the_field),
}
