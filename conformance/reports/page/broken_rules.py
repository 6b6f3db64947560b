"""Which rule of a schema a finding is about: the one that a message breaks, or that a request was made to break.

broken_rule     of the message that a finding names: schema, keyword, and what the validator says
made_to_break   of the request of a case that has to be refused
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.places import answer_to
from conformance.judging.reading import Content
from conformance.model.traffic import Case, Exchange, Notification

REFUSED_FROM = 400


def broken_rule(
    finding: Mapping[str, Any],
    command: str | None,
    exchange: Exchange | None,
    notification: Notification | None,
    contract: Contract,
) -> tuple[str, str, str] | None:
    """Name of the schema, keyword, and words; None where the finding is about nothing that a schema says."""
    if finding["pointer"] is None:
        return None
    if finding["notification"] is not None:
        body = notification.request.body if notification else b""
        known = command is not None and (command in contract.commands or command in contract.unsolicited)
        name = f"{contract.notified(command).folder}/notification" if known and command else None
    else:
        response = exchange.response if exchange else None
        body = response.body if response else b""
        accepted = response is not None and response.status < REFUSED_FROM
        asked = contract.commands.get(command or "")
        name = answer_to(asked, contract.schemas, accepted=accepted).schema if response else None
    content = Content.with_repeats(body)
    if name is None or content.error is not None:
        return None
    found = (each for each in contract.schemas.violations(name, content.value) if each.pointer == finding["pointer"])
    return next(((name, each.keyword, each.message) for each in found), None)


def made_to_break(case: Case | None) -> str | None:
    """`maxLength of /message`; None for a case that was not made to break anything."""
    if case is None or case.keyword is None:
        return None
    return f"{case.keyword} of /{case.member}" if case.member else case.keyword
