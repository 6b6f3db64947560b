"""The rows of `behaviours.toml` as changes of a `Behaviour`.

    changed_by      an effect, of the changes of a row
    on_number       the messages of one request to a number that has a row
    WRITTEN         the behaviours that take code

A change that counts or remembers begins anew for each behaviour that it is applied to: what it knows lives in the
functions that it puts there, never in the table. The gateway answers one request at a time, so no lock is needed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from conformance.contract.behaviours import Change, copies
from conformance.mock.account import failures
from conformance.mock.behaviour import Behaviour, Callback, DeliveriesChange, Effect, Moment, Reply, ReplyChange
from conformance.mock.choosing import bare, choice
from conformance.mock.memories import MEMORIES, unasked_for
from conformance.mock.message_changes import Reshape, reshaping, success_told
from conformance.mock.windows import WINDOWS
from conformance.model.errors import SuiteError

WRITTEN: Mapping[str, Callable[..., Effect]] = {**MEMORIES, **WINDOWS, "unsolicited": unasked_for}
"""The behaviours that take code, by the names that rows have for them in `written`."""


def changed_by(changes: Iterable[Change], texts: Mapping[str, str] | None = None) -> Effect:
    """One change after the other. `texts`: name → the text that `{name}` stands for in the values of the changes."""
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
        return _written(actions)
    for word, effect in _OF_GATEWAY.items():
        if word in actions:
            return effect(actions[word])
    if "refuse" in actions:
        return _refusing(change)
    if change.which.to.startswith("notification") or "notify" in actions:
        return lambda behaviour: replace(behaviour, deliveries=(*behaviour.deliveries, of_deliveries(change)))
    return lambda behaviour: replace(behaviour, reply=(*behaviour.reply, of_replies(change)))


def _filled(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in texts.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, Mapping):
        return {name: _filled(held, texts) for name, held in value.items()}
    return [_filled(held, texts) for held in value] if isinstance(value, list) else value


def _written(actions: Mapping[str, Any]) -> Effect:
    name = actions["written"]
    if name not in WRITTEN:
        raise SuiteError(f"there is no written behaviour {name!r}; expected one of {', '.join(sorted(WRITTEN))}")
    return WRITTEN[name](**actions.get("with", {}))


# --- Requests, and the gateway


def _refusing(change: Change) -> Effect:
    """Requests that would be accepted are refused by a rule that they keep.

    `ordinary` ones are those that are sent for the first time, and not bare: repeats, and requests whose credential
    was refused before, belong to other requirements.
    """
    tag, which = change.actions["refuse"], replace(change.which, to="request")

    def effect(behaviour: Behaviour) -> Behaviour:
        chooses = choice(which)
        seen: set[tuple[str | None, bytes]] = set()

        def refusal(moment: Moment) -> str | None:
            if which.ordinary and ((moment.command, moment.request.body) in seen or bare(moment)):
                return None
            return tag if chooses(moment, None) else None

        def remember(reply: Reply, moment: Moment) -> Reply:
            if which.ordinary:
                seen.add((moment.command, moment.request.body))
            return reply

        return replace(
            behaviour,
            additional_refusals=(*behaviour.additional_refusals, refusal),
            reply=(*behaviour.reply, remember),
        )

    return effect


def _switched(switches: Mapping[str, Any]) -> Effect:
    def effect(behaviour: Behaviour) -> Behaviour:
        rate = max(behaviour.failure_rate, switches.get("failure_rate", 0.0))
        return replace(behaviour, **{**switches, "failure_rate": rate})

    return effect


def _waived(tags: list[str]) -> Effect:
    return lambda behaviour: replace(behaviour, waived=behaviour.waived | set(tags))


def _crashing(tags: list[str]) -> Effect:
    return lambda behaviour: replace(behaviour, crashes=behaviour.crashes | set(tags))


def _identified(form: str) -> Effect:
    make = _IDS.get(form, lambda _moment, _random: form)
    return lambda behaviour: replace(behaviour, new_id=make)


_IDS: Mapping[str, Callable[[Moment, Random], str]] = {
    "hex": lambda _, random: f"{random.getrandbits(128):032x}",
    "uuid": lambda _, random: str(uuid.UUID(int=random.getrandbits(128), version=4)),
    "digits": lambda moment, _: str(999_000 + moment.count),
}

_OF_GATEWAY: Mapping[str, Callable[[Any], Effect]] = {
    "waive": _waived,
    "crash": _crashing,
    "ids": _identified,
    "switch": _switched,
    "wire": lambda wire: lambda behaviour: replace(behaviour, wire=replace(behaviour.wire, **wire)),
}


def of_replies(change: Change) -> ReplyChange:
    """A function of answers that does to those meant what `change` says, with a count of its own."""
    chooses, reshape = choice(change.which), reshaping(change.actions)
    return lambda reply, moment: reshape(reply, moment) if chooses(moment, reply) else reply


def of_deliveries(change: Change) -> DeliveriesChange:
    """The same of the notifications of one request, which may become more or fewer."""
    if "notify" in change.actions:
        return _notifying(change)
    chooses, reshape = choice(change.which), reshaping(change.actions)
    also, before = (_reshapings(change.actions.get(word, ())) for word in ("also", "before"))
    drop = bool(change.actions.get("drop"))

    def changed(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        chosen = [chooses(moment, delivery) for delivery in sent]
        meant = [delivery for delivery, is_chosen in zip(sent, chosen, strict=True) if is_chosen]
        kept = [
            reshape(delivery, moment) if is_chosen else delivery
            for delivery, is_chosen in zip(sent, chosen, strict=True)
            if not (is_chosen and drop)
        ]
        first = [make(delivery, moment) for delivery in meant for make in before]
        again = [make(delivery, moment) for delivery in meant for make in also]
        # What follows a notification does not come before the answer, though the notification may.
        return (*first, *kept, *(replace(delivery, before_answer=False) for delivery in again))

    return changed


def _reshapings(stated: Any) -> list[Reshape]:
    return [reshaping(actions) for actions in copies(stated)]


def _notifying(change: Change) -> DeliveriesChange:
    """A refused request is notified of all the same."""
    chooses = choice(change.which)

    def changed(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        product = moment.asked.product if moment.asked else None
        if product is None or product not in moment.callbacks or not chooses(moment, None):
            return sent
        roles = moment.contract.notification
        told = success_told(moment)
        if change.actions["notify"] == "failure" and moment.asked:
            failure = failures(moment.contract, moment.asked)[0]
            told = {roles.outcome: failure.code, roles.reason: failure.reason}
        content = {**told, roles.id: moment.request_id}
        return (*sent, Callback(product, moment.callbacks[product], content, roles.method))

    return changed


def on_number(
    changes: Iterable[Change], moment: Moment, reply: Reply, sent: tuple[Callback, ...]
) -> tuple[Reply, tuple[Callback, ...]]:
    """The answer to a request and its notifications as `changes` have them."""
    for change in changes:
        if change.which.to.startswith("notification"):
            sent = of_deliveries(change)(sent, moment)
        else:
            reply = of_replies(change)(reply, moment)
    return reply, sent
