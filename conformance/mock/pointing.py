"""The members of a message: named by role or by JSON pointer, and changed without touching the rest.

path_of     a name as the steps from the content down to the member
found       whether a message has a member
edited      the content with a member changed, set or left out
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from conformance.contract.contract import Contract
from conformance.mock.behaviour import Delivery, Moment, Reply
from conformance.model.errors import SuiteError

ABSENT: Final = object()
"""Stands for a member that is not there."""

EACH = "*"


@cache
def path_of(contract: Contract, name: str, *, notified: bool) -> tuple[str, ...]:
    """The steps to a member: those of a JSON pointer, or the one of a role that answers or notifications have.

    Raises SuiteError for a role that the contract has no member for.
    """
    if not name or name.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in name.split("/")[1:])
    roles = contract.notification if notified else contract.answer
    stated = getattr(roles, name, None)
    if not isinstance(stated, str):
        kind = "notification" if notified else "answer"
        raise SuiteError(f"a behaviour of {contract.source} names {name!r}, which no {kind} has a member for")
    return (stated,)


def of_message(message: Reply | Delivery, moment: Moment, name: str) -> tuple[str, ...]:
    """The steps to a member of `message`."""
    return path_of(moment.contract, name, notified=isinstance(message, Delivery))


def found(message: Reply | Delivery, moment: Moment, name: str) -> bool:
    """Whether a message has the member."""
    return holds(message.content, of_message(message, moment, name))


def holds(content: Any, path: tuple[str, ...]) -> bool:
    """Whether there is something at `path`; where a step is `*`, below any item or member."""
    if not path:
        return True
    step, rest = path[0], path[1:]
    if step == EACH:
        below = content if isinstance(content, list) else content.values() if isinstance(content, Mapping) else ()
        return any(holds(each, rest) for each in below)
    return isinstance(content, Mapping) and step in content and holds(content[step], rest)


def edited(content: Any, path: tuple[str, ...], edit: Callable[[Any], Any]) -> Any:
    """The content with `edit` of the member at `path` in its place; `edit` is given ABSENT, or gives it, for none.

    A step `*` is each item or member. What has no place for the member stays as it is.
    """
    if not path:
        return edit(content)
    step, rest = path[0], path[1:]
    if step == EACH and isinstance(content, list):
        return [edited(item, rest, edit) for item in content]
    if step == EACH and isinstance(content, Mapping):
        return {name: edited(value, rest, edit) for name, value in content.items()}
    if not isinstance(content, Mapping) or (rest and step not in content):
        return content
    value = edited(content.get(step, ABSENT), rest, edit)
    others = {name: held for name, held in content.items() if name != step or value is not ABSENT}
    return others if value is ABSENT else {**others, step: value}
