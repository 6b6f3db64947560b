"""Changes of one message, an answer or a notification: the words of schemas/formats/behaviours.json.

A change of a member does not apply to a message without an object as its content, or whose body was already replaced.
"""

from __future__ import annotations

import hashlib
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from http.client import responses
from random import Random
from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit

from conformance.contract.contract import Contract
from conformance.mock.account import TextShape, failures, shape_of_ids, success_reason
from conformance.mock.behaviour import Callback, Ending, Form, Moment, Reply, json_bytes
from conformance.model.errors import SuiteError
from conformance.model.traffic import Headers

Message = Reply | Callback
Reshape = Callable[[Any, Moment], Any]
Making = Callable[[Any, Moment], Any]

SIGNS = " – ☎ ✓ 👍"
FEE = 3  # whole units of money

# The value of a missing member.
ABSENT: Final = object()

EACH = "*"


def reshaping(actions: Mapping[str, Any]) -> Reshape:
    """Makes a function that applies the words of a change in their order, but those about more than one message."""

    def reshape(message: Any, moment: Moment) -> Any:
        for word, value in actions.items():
            message = _reshaped(word, value, message, moment)
        return message

    return reshape


def _reshaped(word: str, value: Any, message: Any, moment: Moment) -> Any:
    if word in _OF_BODY:
        return replace(message, raw=_OF_BODY[word](value, message.content, moment))
    if word in _OF_MESSAGE:
        return _OF_MESSAGE[word](value, message, moment)
    if message.raw is not None or not isinstance(message.content, Mapping):
        return message
    if word == "twice":
        named = ((name, each) for name, values in value.items() for each in values)
        more = "".join(f", {json.dumps(name.lstrip('/'))}: {json.dumps(each)}" for name, each in named)
        return replace(message, raw=f"{json.dumps(message.content)[:-1]}{more}}}".encode())
    content = _OF_CONTENT[word](value, message, moment) if word in _OF_CONTENT else message.content
    return replace(message, content=content)


# --- The content


def _set(values: Mapping[str, Any] | str, message: Message, moment: Moment) -> Any:
    given: Mapping[str, Any] = json.loads(values) if isinstance(values, str) else values
    content = message.content
    for name, value in given.items():
        content = edited(content, of_message(message, moment, name), lambda _, value=value: value)  # type: ignore[misc]
    return content


def _remove(names: str | list[str], message: Message, moment: Moment) -> Any:
    content = message.content
    for name in [names] if isinstance(names, str) else names:
        content = edited(content, of_message(message, moment, name), lambda _: ABSENT)
    return content


def _keep(names: list[str], message: Message, moment: Moment) -> Any:
    members = {of_message(message, moment, name)[0] for name in names}
    return {name: value for name, value in message.content.items() if name in members}


def _members(changes: Mapping[str, str], makings: Mapping[str, Making], message: Message, moment: Moment) -> Any:
    """Makes new values of the members that are present."""
    content = message.content
    for name, word in changes.items():
        content = edited(content, of_message(message, moment, name), _made_by(makings[word], moment))
    return content


def _made_by(making: Making, moment: Moment) -> Callable[[Any], Any]:
    return lambda held: held if held is ABSENT else making(held, moment)


def _number(value: Any, moment: Moment) -> Any:
    """The number in a text, or that of the request. Digits behind a zero stay text: a number would lose the zero."""
    if not isinstance(value, str) or not value.isdigit():
        return moment.count
    return int(value) if value == str(int(value)) else value


_TYPES: Mapping[str, Making] = {
    "array": lambda value, _: [value],
    "string": lambda value, _: value if isinstance(value, str) else json.dumps(value),
    "number": _number,
    "object": lambda value, _: (
        {str(place): item for place, item in enumerate(value)} if isinstance(value, list) else {"value": value}
    ),
}


def _another(value: Any, moment: Moment) -> Any:
    """Another value of the same kind, always the same one for one value."""
    if not isinstance(value, str):
        return value + 1 if isinstance(value, int | float) else value
    shape = shape_of_ids(moment.contract) if value == moment.request_id else TextShape.of(value)
    return shape.draw(Random(hashlib.sha256(value.encode()).digest()))


def _money(value: str, moment: Moment) -> str:
    currency = moment.asked.money.currency if moment.asked and moment.asked.money else ""
    return f"{currency} {int(value):,}.00" if value.isdigit() else value


def _of_text(making: Making) -> Making:
    return lambda value, moment: making(value, moment) if isinstance(value, str) else value


_SPELLINGS: Mapping[str, Making] = {
    "another": _another,
    "upper": _of_text(lambda value, _: value.upper()),
    "cut": _of_text(lambda value, _: value[:-1]),
    "padded": _of_text(lambda value, _: f"{value} "),
    "zero": _of_text(lambda value, _: f"0{value}"),
    "again": _of_text(lambda value, _: f"{value} (sent again)"),
    "signs": _of_text(lambda value, _: value + SIGNS),
    "fraction": _of_text(lambda value, _: f"{value}.00"),
    "money": _of_text(_money),
    "masked": _of_text(lambda value, _: f"xxxxxx{value[-3:]}"),
    "tenfold": _of_text(lambda value, _: f"{value}0"),
    "less": _of_text(lambda value, _: str(int(value) - FEE) if value.isdigit() else value),
}


def _rename(names: Mapping[str, str], message: Message, moment: Moment) -> Any:
    content = message.content
    for old, new in names.items():
        before, after = of_message(message, moment, old)[-1], of_message(message, moment, new)[-1]
        content = {after if name == before else name: value for name, value in content.items()}
    return content


def _contradict(_: bool, message: Message, moment: Moment) -> Any:  # noqa: FBT001 - as a row has it
    content, roles = message.content, moment.contract.notification
    if content.get(roles.outcome) != roles.success:
        return {**content, **success_outcome(moment)}
    failure = next(iter(failures(moment.contract, moment.asked)), None) if moment.asked else None
    return {**content, roles.outcome: failure.code, roles.reason: failure.reason} if failure else content


def success_outcome(moment: Moment) -> dict[str, Any]:
    """Outcome and reason in the notification of a success."""
    roles = moment.contract.notification
    return {roles.outcome: roles.success, roles.reason: success_reason(moment.contract)}


_OF_CONTENT: Mapping[str, Callable[[Any, Any, Moment], Any]] = {
    "set": _set,
    "remove": _remove,
    "keep": _keep,
    "retype": lambda changes, message, moment: _members(changes, _TYPES, message, moment),
    "respell": lambda changes, message, moment: _members(changes, _SPELLINGS, message, moment),
    "rename": _rename,
    "wrap": lambda _, message, _moment: [message.content],
    "empty": lambda *_: {},
    "contradict": _contradict,
}


# --- The bytes


def _cut(how: str, content: Any, _: Moment) -> bytes:
    text = json_bytes(content)
    return text[:-1] if how == "end" else text[: len(text) // 2]


_OF_BODY: Mapping[str, Callable[[Any, Any, Moment], bytes]] = {
    "body": lambda text, _, moment: text.replace("{id}", moment.request_id).encode(),
    "cut": _cut,
    "quotes": lambda _, content, _moment: repr(content).encode(),
    "mark": lambda _, content, _moment: BOM_UTF8 + json.dumps(content).encode(),
    "layout": lambda how, content, _: (
        json.dumps(content).encode() if how == "ascii" else json_bytes(content, pretty=True)
    ),
}


# --- The message as a whole


def _page(_: bool, reply: Reply, _moment: Moment) -> Reply:  # noqa: FBT001 - as a row has it
    title = f"{reply.status} {responses.get(reply.status, '')}"
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return replace(reply, headers=_declaring(reply.headers, "text/html"), raw=page.encode())


def _declaring(headers: Headers, media_type: str) -> Headers:
    return (*_without(headers, "content-type"), ("Content-Type", media_type))


def _without(headers: Headers, name: str) -> Headers:
    return tuple((key, value) for key, value in headers if key.lower() != name)


def _header(values: Mapping[str, str], message: Message, _: Moment) -> Message:
    headers = message.headers
    for name, value in values.items():
        headers = _without(headers, name.lower())
        headers += ((name, value),) if value else ()
    return replace(message, headers=headers)


def _followed(_: bool, reply: Reply, moment: Moment) -> Reply:  # noqa: FBT001 - as a row has it
    """A second, valid answer follows on the same connection, to nobody's request."""
    roles = moment.contract.answer
    body = json_bytes(
        {roles.code: roles.success, roles.reason: "Request processed", roles.id: f"second-{moment.count}"}
    )
    status = f"{roles.success} {responses.get(roles.success, '')}".encode()
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return replace(reply, beyond=head + body)


def _in_query(_: bool, delivery: Callback, _moment: Moment) -> Callback:  # noqa: FBT001 - as a row has it
    mark = "&" if "?" in delivery.url else "?"
    return replace(
        delivery, method="GET", url=f"{delivery.url}{mark}{urlencode(delivery.content)}", headers=(), raw=b""
    )


def _callback(where: str, delivery: Callback, moment: Moment) -> Callback:
    """To the callback of another product, to one for unsolicited notifications, or with another query."""
    if where == "another product":
        return _to_first_of(moment.contract.products, delivery, moment)
    if where == "unsolicited":
        return _to_first_of(moment.contract.unsolicited, delivery, moment)
    parts = urlsplit(delivery.url)
    return replace(delivery, url=parts._replace(query="" if parts.query else "source=gateway").geturl())


def _to_first_of(products: Iterable[str], delivery: Callback, moment: Moment) -> Callback:
    others = (moment.callbacks[each] for each in products if each != delivery.product and each in moment.callbacks)
    return replace(delivery, url=next(others, delivery.url))


def _inquiry(actions: Mapping[str, Any] | Literal[False], delivery: Callback, moment: Moment) -> Callback:
    """Changes the inquiry before a notification, or leaves it out."""
    asked = delivery.inquiry
    return replace(delivery, inquiry=reshaping(actions)(asked, moment) if actions and asked else None)


def _form(word: str, delivery: Callback, _: Moment) -> Callback:
    if word != "escaped":
        return replace(delivery, form=Form[word.upper()])
    # A URL that names the same (RFC 3986 §6.2.2): the last character of path and of query is escaped.
    parts = urlsplit(delivery.url)
    path, query = (f"{text[:-1]}%{ord(text[-1]):02x}" if text[-1:].isalnum() else text for text in parts[2:4])
    return replace(delivery, url=parts._replace(path=path, query=query).geturl())


_OF_MESSAGE: Mapping[str, Callable[[Any, Any, Moment], Any]] = {
    "page": _page,
    "media_type": lambda value, message, _: replace(message, headers=_declaring(message.headers, value)),
    "header": _header,
    "status": lambda value, reply, _: replace(reply, status=value),
    "ending": lambda word, reply, _: replace(reply, ending=Ending[word.upper()]),
    "drip_every_s": lambda value, reply, _: replace(reply, drip_every_s=value),
    "followed": _followed,
    "after_s": lambda seconds, message, _: replace(message, after_s=message.after_s + seconds),
    "before_answer": lambda value, delivery, _: replace(delivery, before_answer=value, after_s=0.0),
    "method": lambda value, delivery, _: replace(delivery, method=value),
    "in_query": _in_query,
    "callback": _callback,
    "inquiry": _inquiry,
    "form": _form,
}


# --- The place of a member


@cache
def path_of(contract: Contract, name: str, *, notified: bool) -> tuple[str, ...]:
    """The steps to a member, by JSON pointer or by role of answers or notifications.

    Raises SuiteError for a role without a member in the contract.
    """
    if not name or name.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in name.split("/")[1:])
    roles = contract.notification if notified else contract.answer
    stated = getattr(roles, name, None)
    if not isinstance(stated, str):
        kind = "notification" if notified else "answer"
        raise SuiteError(f"a behaviour of {contract.source} names {name!r}, which no {kind} has a member for")
    return (stated,)


def of_message(message: Reply | Callback, moment: Moment, name: str) -> tuple[str, ...]:
    """The steps to a member of `message`."""
    return path_of(moment.contract, name, notified=isinstance(message, Callback))


def holds(content: Any, path: tuple[str, ...]) -> bool:
    """Whether there is a member at `path`; a step `*` is any item or member."""
    if not path:
        return True
    step, rest = path[0], path[1:]
    if step == EACH:
        below = content if isinstance(content, list) else content.values() if isinstance(content, Mapping) else ()
        return any(holds(each, rest) for each in below)
    return isinstance(content, Mapping) and step in content and holds(content[step], rest)


def edited(content: Any, path: tuple[str, ...], edit: Callable[[Any], Any]) -> Any:
    """The content with `edit` applied to the member at `path`; ABSENT is the value of a missing or deleted member.

    A step `*` is each item or member. Content without a place for the member stays as it is.
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
