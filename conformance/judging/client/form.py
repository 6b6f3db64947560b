"""What a client sends, by the schema of its command's request.

request_keeps       the check of a place in that schema
"""

from __future__ import annotations

from collections.abc import Iterator

from conformance.contract.requirements import REQUEST, ByPlace
from conformance.judging.client.evidence import Call, ClientEvidence
from conformance.judging.client.judging import ClientCheck
from conformance.judging.client.sending import each_request
from conformance.judging.reading import Content
from conformance.model.traffic import Request


def request_keeps(place: ByPlace) -> ClientCheck:
    """A check that no request breaks the schema of its command at that place.

    A body that is no JSON is not of the type that the whole has to be. Members that were not asked for are for another
    requirement. Raises ValueError for a place in another message.
    """
    if place.messages != (REQUEST,) or not place.at:
        raise ValueError(f"its place is {place}; expected one in the message {REQUEST!r}")
    of_the_whole = place.names("", "type")

    def rule(evidence: ClientEvidence, call: Call, request: Request) -> Iterator[str]:
        contract, content = evidence.terms.contract, Content.of(request.body)
        command = contract.commands[call.case.command or ""]
        if content.error is not None:
            if of_the_whole:
                yield f"the body is unreadable: {content.error}"
            return
        for violation in contract.schemas.violations(f"{command.folder}/request", content.value):
            member = violation.pointer.partition("/")[2].partition("/")[0]
            if place.names(violation.pointer, violation.keyword) and (not member or member in call.params):
                yield f"{member or 'the body'}: {violation.message}"

    return each_request(rule)
