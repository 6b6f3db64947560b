"""What a request to a receiver is, read off its bytes: a notification, or one of the things that are none."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cache, partial

from conformance.contract.command import Notified
from conformance.contract.contract import Contract
from conformance.judging.reading import Content
from conformance.model.traffic import Request, header
from conformance.payloads.notifications import is_complete

# No notification is a hundredth of this.
HUGE = 1 << 19


class What(StrEnum):
    """What a request to a receiver is, the first that applies."""

    METHOD = "another method"
    EMPTY = "an empty body"
    HUGE = "a body of a mebibyte"
    NO_JSON = "no JSON"
    INCOMPLETE = "JSON that is no notification"
    OTHER_CODE = "a notification with an outcome that no gateway gives"
    OPEN = "something that the contract says nothing of"
    VALID = "a notification"


def what_is(request: Request, content: Content, command: Notified, contract: Contract) -> What:
    """Read off the bytes."""
    declared = (header(request.headers, "content-type") or "").partition(";")[0].strip().lower()
    wrong = cache(partial(contract.schemas.violations, command.notification_schema, content.value))
    signs: tuple[tuple[What, Callable[[], bool]], ...] = (
        (What.METHOD, lambda: request.method != contract.notification.method),
        (What.EMPTY, lambda: not request.body.strip()),
        (What.HUGE, lambda: len(request.body) >= HUGE),
        (What.OPEN, lambda: declared != "application/json"),
        (What.NO_JSON, lambda: content.error is not None),
        (What.INCOMPLETE, lambda: not is_complete(contract, command, wrong())),
        (What.OTHER_CODE, lambda: f"/{contract.notification.outcome}" in {violation.pointer for violation in wrong()}),
        (What.OPEN, lambda: bool(wrong())),
    )
    return next((what for what, shows in signs if shows()), What.VALID)
