"""What is done to one message, be it an answer or a notification: the words of `contract.behaviours.ACTIONS`.

    reshaping       makes a function from the words of a change, to be applied in their order

One that changes a member leaves a message alone whose content is no object, or whose body was already replaced.
"""

from __future__ import annotations

import hashlib
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from random import Random
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode, urlsplit

from conformance.mock.account import failures
from conformance.mock.answering import json_bytes
from conformance.mock.behaviour import Callback, Ending, Form, Moment, Reply
from conformance.mock.choosing import ABSENT, edited, of_message
from conformance.mock.transactions import TextShape, shape_of_ids, success_reason
from conformance.model.traffic import Headers

Message = TypeVar("Message", Reply, Callback)
Reshape = Callable[[Any, Moment], Any]
Making = Callable[[Any, Moment], Any]

SIGNS = " – ☎ ✓ 👍"
FEE = 3  # whole units of money


def reshaping(actions: Mapping[str, Any]) -> Reshape:
    """What the words say, one after the other; those that are about more than one message are none of its business."""
    steps = tuple(_RESHAPES[word](value) for word, value in actions.items() if word in _RESHAPES)

    def reshape(message: Message, moment: Moment) -> Message:
        for step in steps:
            message = step(message, moment)
        return message

    return reshape


# --- The content


def _content(edit: Callable[[Any, Message, Moment], Any]) -> Reshape:
    """The content after `edit`."""

    def reshape(message: Message, moment: Moment) -> Message:
        if message.raw is not None or not isinstance(message.content, Mapping):
            return message
        return replace(message, content=edit(message.content, message, moment))

    return reshape


def _set(values: Mapping[str, Any] | str) -> Reshape:
    given: Mapping[str, Any] = json.loads(values) if isinstance(values, str) else values

    def edit(content: Any, message: Message, moment: Moment) -> Any:
        for name, value in given.items():
            content = edited(content, of_message(message, moment, name), _constantly(value))
        return content

    return _content(edit)


def _remove(names: str | list[str]) -> Reshape:
    def edit(content: Any, message: Message, moment: Moment) -> Any:
        for name in [names] if isinstance(names, str) else names:
            content = edited(content, of_message(message, moment, name), lambda _: ABSENT)
        return content

    return _content(edit)


def _keep(names: list[str]) -> Reshape:
    def edit(content: Any, message: Message, moment: Moment) -> Any:
        kept = {of_message(message, moment, name)[0] for name in names}
        return {name: value for name, value in content.items() if name in kept}

    return _content(edit)


def _members(changes: Mapping[str, str], makings: Mapping[str, Making]) -> Reshape:
    """Members that are there are made of their own values."""

    def edit(content: Any, message: Message, moment: Moment) -> Any:
        for name, word in changes.items():
            content = edited(content, of_message(message, moment, name), _made_by(makings[word], moment))
        return content

    return _content(edit)


def _constantly(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def _made_by(making: Making, moment: Moment) -> Callable[[Any], Any]:
    return lambda held: held if held is ABSENT else making(held, moment)


def _number(value: Any, moment: Moment) -> Any:
    """The number that a text is; that of the request where it is none.

    Digits that begin with a zero stay a text: no number tells them from others.
    """
    if not isinstance(value, str) or not value.isdigit():
        return moment.count
    return int(value) if value == str(int(value)) else value


def _text(value: Any, _: Moment) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _object(value: Any, _: Moment) -> dict[str, Any]:
    return {str(place): item for place, item in enumerate(value)} if isinstance(value, list) else {"value": value}


_TYPES: Mapping[str, Making] = {
    "array": lambda value, _: [value],
    "string": _text,
    "number": _number,
    "object": _object,
}


def _another(value: Any, moment: Moment) -> Any:
    """Another value of the same kind, always the same one for one value."""
    if not isinstance(value, str):
        return value + 1 if isinstance(value, int | float) else value
    chance = Random(hashlib.sha256(value.encode()).digest())
    return (
        shape_of_ids(moment.contract).draw(chance) if value == moment.request_id else TextShape.of(value).draw(chance)
    )


def _money(value: str, moment: Moment) -> str:
    currency = moment.asked.money.currency if moment.asked and moment.asked.money else ""
    return f"{currency} {int(value):,}.00" if value.isdigit() else value


_SPELLINGS: Mapping[str, Making] = {
    "upper": lambda value, _: value.upper(),
    "cut": lambda value, _: value[:-1],
    "padded": lambda value, _: f"{value} ",
    "zero": lambda value, _: f"0{value}",
    "again": lambda value, _: f"{value} (sent again)",
    "signs": lambda value, _: value + SIGNS,
    "fraction": lambda value, _: f"{value}.00",
    "money": _money,
    "masked": lambda value, _: f"xxxxxx{value[-3:]}",
    "tenfold": lambda value, _: f"{value}0",
    "less": lambda value, _: str(int(value) - FEE) if value.isdigit() else value,
}


def _respell(changes: Mapping[str, str]) -> Reshape:
    return _members(changes, {"another": _another, **{word: _of_text(making) for word, making in _SPELLINGS.items()}})


def _of_text(making: Making) -> Making:
    return lambda value, moment: making(value, moment) if isinstance(value, str) else value


def _rename(names: Mapping[str, str]) -> Reshape:
    def edit(content: Any, message: Message, moment: Moment) -> Any:
        for old, new in names.items():
            before, after = of_message(message, moment, old)[-1], of_message(message, moment, new)[-1]
            content = {after if name == before else name: value for name, value in content.items()}
        return content

    return _content(edit)


def _contradict(_: bool) -> Reshape:  # noqa: FBT001 - as a row has it
    def edit(content: Any, _message: Message, moment: Moment) -> Any:
        roles = moment.contract.notification
        if content.get(roles.outcome) != roles.success:
            return {**content, **success_told(moment)}
        command = moment.asked
        failure = next(iter(failures(moment.contract, command)), None) if command else None
        return {**content, roles.outcome: failure.code, roles.reason: failure.reason} if failure else content

    return _content(edit)


def success_told(moment: Moment) -> dict[str, Any]:
    """What a notification tells of a success, whatever it is about."""
    roles = moment.contract.notification
    return {roles.outcome: roles.success, roles.reason: success_reason(moment.contract)}


# --- The bytes


def _raw(make: Callable[[Any, Moment], bytes]) -> Reshape:
    return lambda message, moment: replace(message, raw=make(message.content, moment))


def _twice(members: Mapping[str, list[Any]]) -> Reshape:
    def raw(content: Any, _: Moment) -> bytes:
        named = ((name, value) for name, values in members.items() for value in values)
        more = "".join(f", {json.dumps(name.lstrip('/'))}: {json.dumps(value)}" for name, value in named)
        return f"{json.dumps(content)[:-1]}{more}}}".encode()

    def reshape(message: Message, moment: Moment) -> Message:
        if message.raw is not None or not isinstance(message.content, Mapping):
            return message
        return replace(message, raw=raw(message.content, moment))

    return reshape


def _cut(how: str) -> Reshape:
    def raw(content: Any, _: Moment) -> bytes:
        text = json_bytes(content)
        return text[:-1] if how == "end" else text[: len(text) // 2]

    return _raw(raw)


def _layout(how: str) -> Reshape:
    if how == "ascii":
        return _raw(lambda content, _: json.dumps(content, ensure_ascii=True).encode())
    return _raw(lambda content, _: json_bytes(content, pretty=True))


def _page(_: bool) -> Reshape:  # noqa: FBT001 - as a row has it
    def reshape(reply: Reply, _moment: Moment) -> Reply:
        said = f"{reply.status} {_phrase(reply.status)}"
        page = f"<!DOCTYPE html>\n<html><head><title>{said}</title></head><body><h1>{said}</h1></body></html>\n"
        return replace(reply, headers=declaring(reply.headers, "text/html"), raw=page.encode())

    return reshape


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


# --- What is around the body


def declaring(headers: Headers, media_type: str) -> Headers:
    """The headers with this Content-Type and no other."""
    return (*without_header(headers, "content-type"), ("Content-Type", media_type))


def without_header(headers: Headers, name: str) -> Headers:
    """The headers but for `name` (lower case)."""
    return tuple((key, value) for key, value in headers if key.lower() != name)


def _header(values: Mapping[str, str]) -> Reshape:
    def reshape(message: Message, _: Moment) -> Message:
        headers = message.headers
        for name, value in values.items():
            headers = without_header(headers, name.lower())
            headers += ((name, value),) if value else ()
        return replace(message, headers=headers)

    return reshape


def _ending(word: str) -> Reshape:
    return lambda reply, _: replace(reply, ending=Ending[word.upper()])


def _followed(_: bool) -> Reshape:  # noqa: FBT001 - as a row has it
    """A second answer comes behind it on the same connection, whole and right, to nobody's request."""

    def reshape(reply: Reply, moment: Moment) -> Reply:
        roles = moment.contract.answer
        said = {roles.code: roles.success, roles.reason: "Request processed", roles.id: f"second-{moment.count}"}
        body = json_bytes(said)
        status = f"{roles.success} {_phrase(roles.success)}".encode()
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        return replace(reply, beyond=head + body)

    return reshape


def _after_s(seconds: float) -> Reshape:
    return lambda message, _: replace(message, after_s=message.after_s + seconds)


# --- Where a notification goes


def _in_query(_: bool) -> Reshape:  # noqa: FBT001 - as a row has it
    def reshape(delivery: Callback, _moment: Moment) -> Callback:
        mark = "&" if "?" in delivery.url else "?"
        url = f"{delivery.url}{mark}{urlencode(delivery.content)}"
        return replace(delivery, method="GET", url=url, headers=(), raw=b"")

    return reshape


def _callback(where: str) -> Reshape:
    return {"another product": _to_another_product, "unsolicited": _to_unsolicited}.get(where, _to_another_query)


def _to_another_product(delivery: Callback, moment: Moment) -> Callback:
    """To the callback of another product, if the account has one."""
    return _to_first_of(moment.contract.products, delivery, moment)


def _to_unsolicited(delivery: Callback, moment: Moment) -> Callback:
    """To where what no request precedes comes to."""
    return _to_first_of(moment.contract.unsolicited, delivery, moment)


def _to_first_of(products: Iterable[str], delivery: Callback, moment: Moment) -> Callback:
    others = (moment.callbacks[each] for each in products if each != delivery.product and each in moment.callbacks)
    return replace(delivery, url=next(others, delivery.url))


def _to_another_query(delivery: Callback, _: Moment) -> Callback:
    """The query of the callback URL is dropped; where there is none, one is added."""
    parts = urlsplit(delivery.url)
    return replace(delivery, url=parts._replace(query="" if parts.query else "source=gateway").geturl())


def _inquiry(actions: Mapping[str, Any] | Literal[False]) -> Reshape:
    """The inquiry before a notification is changed, or is not made."""
    reshape = reshaping(actions) if actions else None

    def reshaped(delivery: Callback, moment: Moment) -> Callback:
        asked = delivery.inquiry
        return replace(delivery, inquiry=reshape(asked, moment) if reshape and asked else None)

    return reshaped


def _form(word: str) -> Reshape:
    if word == "escaped":
        return lambda delivery, _: replace(delivery, url=_escaped(delivery.url))
    return lambda delivery, _: replace(delivery, form=Form[word.upper()])


def _escaped(url: str) -> str:
    """A URL that names the same (RFC 3986 §6.2.2): the last character of path and of query is escaped."""
    parts = urlsplit(url)
    path, query = (f"{text[:-1]}%{ord(text[-1]):02x}" if text[-1:].isalnum() else text for text in parts[2:4])
    return parts._replace(path=path, query=query).geturl()


_RESHAPES: Mapping[str, Callable[[Any], Reshape]] = {
    "set": _set,
    "remove": _remove,
    "keep": _keep,
    "retype": lambda changes: _members(changes, _TYPES),
    "respell": _respell,
    "rename": _rename,
    "wrap": lambda _: _content(lambda content, _message, _moment: [content]),
    "empty": lambda _: _content(lambda _content, _message, _moment: {}),
    "contradict": _contradict,
    "twice": _twice,
    "body": lambda text: _raw(lambda _, moment: text.replace("{id}", moment.request_id).encode()),
    "cut": _cut,
    "quotes": lambda _: _raw(lambda content, _moment: repr(content).encode()),
    "mark": lambda _: _raw(lambda content, _moment: BOM_UTF8 + json.dumps(content).encode()),
    "layout": _layout,
    "page": _page,
    "media_type": lambda value: lambda message, _: replace(message, headers=declaring(message.headers, value)),
    "header": _header,
    "status": lambda value: lambda reply, _: replace(reply, status=value),
    "ending": _ending,
    "drip_every_s": lambda value: lambda reply, _: replace(reply, drip_every_s=value),
    "followed": _followed,
    "after_s": _after_s,
    "before_answer": lambda value: lambda delivery, _: replace(delivery, before_answer=value, after_s=0.0),
    "method": lambda value: lambda delivery, _: replace(delivery, method=value),
    "in_query": _in_query,
    "callback": _callback,
    "inquiry": _inquiry,
    "form": _form,
}
