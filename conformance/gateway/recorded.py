"""A recorded case, made ready to be sent again.

    history         what has to go before a case for it to mean the same: its group up to it, its twin, what it repeats
    sent_again      a recorded case with a credential and, if need be, another base URL
    is_redacted     whether the journal keeps something else than was sent

The journal keeps no credential. The right one is given anew, a wrong one is made anew by its aspect and number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.contract.contract import Contract
from conformance.gateway.credentials import credential_label, credential_value, with_credential
from conformance.journal import Record
from conformance.journal.redaction import MARKS
from conformance.model.errors import UsageError
from conformance.model.traffic import Case, Kind, Request, header


def history(record: Record, case: Case) -> tuple[Case, ...]:
    """The cases to send, in the order of the plan; `case` is the last that matters, and the last of them."""
    by_id = {each.id: each for each in record.cases}
    needed: set[str] = set()
    asked = [case]
    while asked:
        one = asked.pop()
        if one.id not in needed:
            needed.add(one.id)
            asked += [by_id[name] for name in (one.twin, one.earlier) if name in by_id]
            asked += _before_in_group(record, one)
    return (*(each for each in record.cases if each.id in needed and each.id != case.id), case)


def _before_in_group(record: Record, case: Case) -> Iterator[Case]:
    """The cases of its group before it; of a burst, which goes out at once, all."""
    for each in record.cases:
        if each.id == case.id and case.kind is not Kind.BURST:
            return
        if each.group == case.group and each.id != case.id:
            yield each


def sent_again(  # noqa: PLR0913, PLR0917 - what it was, and whose it is now
    contract: Contract, case: Case, recorded_base: str, base_url: str, key: str, secret: str
) -> Case:
    """The case for the gateway at `base_url`, with the credential of the account.

    Raises UsageError if its bytes are not known, or if this account has no such wrong credential.
    """
    request = case.request
    if is_redacted(request) or not request.url.startswith(recorded_base):
        raise UsageError(
            f"case {case.id} cannot be sent again: the journal keeps it redacted, so its bytes are not known",
            hint="repeat the run with its seed instead",
        )
    headers = request.headers
    if case.kind is Kind.CREDENTIAL or header(headers, contract.authentication.header) is not None:
        headers = with_credential(contract, headers, credential_value(contract, credential_label(case), key, secret))
    url = base_url.rstrip("/") + request.url.removeprefix(recorded_base.rstrip("/"))
    return replace(case, request=replace(request, url=url, headers=headers))


def is_redacted(request: Request) -> bool:
    """Whether a mark stands where something was taken out, the credential aside."""
    texts = [request.url, *(f"{name}: {value}" for name, value in request.headers if name.lower() != "authorization")]
    return any(mark in text for mark in MARKS for text in texts) or any(mark.encode() in request.body for mark in MARKS)
