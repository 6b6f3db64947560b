"""The rows of `behaviours.toml` as changes of a `Behaviour`.

A change that counts or remembers begins anew for each behaviour that it is applied to: its state is in the functions
that it adds, never in the table. The gateway answers one request at a time, so no lock is needed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from conformance.contract.tables import Change, Which, copies
from conformance.mock.account import failures
from conformance.mock.behaviour import (
    Behaviour,
    Callback,
    DeliveriesChange,
    Effect,
    Moment,
    Reply,
    ReplyChange,
    remembering,
)
from conformance.mock.choosing import bare, choice
from conformance.mock.memories import MEMORIES
from conformance.mock.message_changes import reshaping, success_outcome
from conformance.mock.windows import WINDOWS
from conformance.model.errors import SuiteError

# The behaviours that take code, by their names in `written` of a row.
WRITTEN: Mapping[str, Callable[..., Effect]] = {**MEMORIES, **WINDOWS}


def changed_by(changes: Iterable[Change], texts: Mapping[str, str] | None = None) -> Effect:
    """One change after the other. `texts`: name → the text that replaces `{name}` in the values of the changes."""
    effects = [_effect(change, texts or {}) for change in changes]

    def change(behaviour: Behaviour) -> Behaviour:
        for effect in effects:
            behaviour = effect(behaviour)
        return behaviour

    return change


def _effect(change: Change, texts: Mapping[str, str]) -> Effect:
    actions: Mapping[str, Any] = _filled(change.actions, texts)
    change = replace(change, actions=actions)
    if "written" in actions:
        name = actions["written"]
        if name not in WRITTEN:
            raise SuiteError(f"there is no written behaviour {name!r}; expected one of {', '.join(sorted(WRITTEN))}")
        return WRITTEN[name](**actions.get("with", {}))
    for word, effect in _OF_GATEWAY.items():
        if word in actions:
            return lambda behaviour: replace(behaviour, **effect(behaviour, actions[word]))
    if "refuse" in actions:
        return remembering(lambda: _Refusing(change.which), actions["refuse"])
    if change.which.to.startswith("notification") or "notify" in actions:
        return lambda behaviour: replace(behaviour, deliveries=(*behaviour.deliveries, _of_deliveries(change)))
    return lambda behaviour: replace(behaviour, reply=(*behaviour.reply, _of_replies(change)))


def _filled(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in texts.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, Mapping):
        return {name: _filled(held, texts) for name, held in value.items()}
    return [_filled(held, texts) for held in value] if isinstance(value, list) else value


# --- Requests, and the gateway


class _Refusing:
    """Refuses requests that `which` chooses by a rule that they keep.

    Ordinary requests are new and not bare: repeats, and requests whose credential was refused before, belong to other
    requirements.
    """

    def __init__(self, which: Which) -> None:
        self._ordinary = which.ordinary
        self._chooses = choice(replace(which, to="request"))
        self._seen: set[tuple[str | None, bytes]] = set()

    def refuses(self, moment: Moment) -> bool:
        if self._ordinary and ((moment.command, moment.request.body) in self._seen or bare(moment)):
            return False
        return self._chooses(moment, None)

    def remember(self, moment: Moment) -> None:
        if self._ordinary:
            self._seen.add((moment.command, moment.request.body))


_IDS: Mapping[str, Callable[[Moment, Random], str]] = {
    "hex": lambda _, random: f"{random.getrandbits(128):032x}",
    "uuid": lambda _, random: str(uuid.UUID(int=random.getrandbits(128), version=4)),
    "digits": lambda moment, _: str(999_000 + moment.count),
}

_OF_GATEWAY: Mapping[str, Callable[[Behaviour, Any], Mapping[str, Any]]] = {
    "waive": lambda behaviour, tags: {"waived": behaviour.waived | set(tags)},
    "crash": lambda behaviour, tags: {"crashes": behaviour.crashes | set(tags)},
    "ids": lambda _, form: {"new_id": _IDS.get(form, lambda _moment, _random: form)},
    "switch": lambda behaviour, switches: {
        **switches,
        "failure_rate": max(behaviour.failure_rate, switches.get("failure_rate", 0.0)),
    },
    "wire": lambda behaviour, wire: {"wire": replace(behaviour.wire, **wire)},
}


# --- Messages


def _of_replies(change: Change) -> ReplyChange:
    """Changes the chosen answers, with a count of its own."""
    chooses, reshape = choice(change.which), reshaping(change.actions)
    return lambda reply, moment: reshape(reply, moment) if chooses(moment, reply) else reply


def _of_deliveries(change: Change) -> DeliveriesChange:
    """The same of the notifications of one request, which may become more or fewer."""
    if "notify" in change.actions:
        return _notifying(change)
    chooses, reshape = choice(change.which), reshaping(change.actions)
    also, before = (
        [reshaping(actions) for actions in copies(change.actions.get(word, ()))] for word in ("also", "before")
    )
    drop = bool(change.actions.get("drop"))

    def changed(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        choices = [(delivery, chooses(moment, delivery)) for delivery in sent]
        chosen = [delivery for delivery, is_chosen in choices if is_chosen]
        remaining = [
            reshape(delivery, moment) if is_chosen else delivery
            for delivery, is_chosen in choices
            if not (is_chosen and drop)
        ]
        first = [make(delivery, moment) for delivery in chosen for make in before]
        again = [make(delivery, moment) for delivery in chosen for make in also]
        # Later notifications do not come before the answer, though the first may.
        return (*first, *remaining, *(replace(delivery, before_answer=False) for delivery in again))

    return changed


def _notifying(change: Change) -> DeliveriesChange:
    """Adds a notification of a request, though it was refused."""
    chooses = choice(change.which)

    def changed(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        product = moment.asked.product if moment.asked else None
        if product is None or product not in moment.callbacks or not chooses(moment, None):
            return sent
        roles = moment.contract.notification
        outcome = success_outcome(moment)
        if change.actions["notify"] == "failure" and moment.asked:
            failure = failures(moment.contract, moment.asked)[0]
            outcome = {roles.outcome: failure.code, roles.reason: failure.reason}
        content = {**outcome, roles.id: moment.request_id}
        return (*sent, Callback(product, moment.callbacks[product], content, roles.method))

    return changed


def on_number(
    changes: Iterable[Change], moment: Moment, reply: Reply, sent: tuple[Callback, ...]
) -> tuple[Reply, tuple[Callback, ...]]:
    """The answer to a request and its notifications as `changes` have them."""
    for change in changes:
        if change.which.to.startswith("notification"):
            sent = _of_deliveries(change)(sent, moment)
        else:
            reply = _of_replies(change)(reply, moment)
    return reply, sent
