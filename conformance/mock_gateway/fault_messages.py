"""What a fault does to one message, be it an answer or a notification: both have content, headers and raw bytes.

Each function here makes a reshaping `(message, moment) -> message`. One that changes a member leaves a message alone
whose content is no object or whose body was already replaced by raw bytes.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from conformance.mock_gateway.behaviour import Delivery, Moment, Reply
from conformance.traffic import Headers

Message = TypeVar("Message", Reply, Delivery)


class Reshape(Protocol):
    """A change of one message, of either kind."""

    def __call__(self, message: Message, moment: Moment) -> Message:
        """The message as it is sent instead."""


def edited(edit: Callable[[Mapping[str, Any]], Any]) -> Reshape:
    """The content after `edit`."""

    def reshape(message: Message, moment: Moment) -> Message:
        if message.raw is not None or not isinstance(message.content, Mapping):
            return message
        return replace(message, content=edit(message.content))

    return reshape


def without(member: str) -> Reshape:
    """A member is left out."""
    return edited(lambda content: {name: value for name, value in content.items() if name != member})


def setting(member: str, value: Any) -> Reshape:
    """A member has another value, whether it was there or not."""
    return edited(lambda content: {**content, member: value})


def changing(member: str, change: Callable[[Any], Any]) -> Reshape:
    """A member that is there has a value made from its own."""
    return edited(lambda content: {**content, member: change(content[member])} if member in content else content)


def in_an_array() -> Reshape:
    """The object stands in an array."""
    return edited(lambda content: [content])


def numbered(member: str) -> Reshape:
    """A member is a number, another one for each request."""

    def reshape(message: Message, moment: Moment) -> Message:
        return setting(member, moment.count)(message, moment)

    return reshape


def naming_twice(member: str, *values: Any) -> Reshape:
    """The body names a member twice that it does not have otherwise, with these values."""

    def reshape(message: Message, moment: Moment) -> Message:
        if message.raw is not None or not isinstance(message.content, Mapping):
            return message
        more = "".join(f", {json.dumps(member)}: {json.dumps(value)}" for value in values)
        return replace(message, raw=f"{json.dumps(message.content)[:-1]}{more}}}".encode())

    return reshape


def as_python_text() -> Reshape:
    """The body is the object as Python prints it, which is almost JSON."""

    def reshape(message: Message, moment: Moment) -> Message:
        return replace(message, raw=repr(message.content).encode())

    return reshape


def cut_short() -> Reshape:
    """The body lacks its last byte."""

    def reshape(message: Message, moment: Moment) -> Message:
        return replace(message, raw=json.dumps(message.content).encode()[:-1])

    return reshape


def behind_a_mark() -> Reshape:
    """The body begins with a byte order mark, which JSON must not have (RFC 8259 §8.1)."""

    def reshape(message: Message, moment: Moment) -> Message:
        return replace(message, raw=BOM_UTF8 + json.dumps(message.content).encode())

    return reshape


def declared_as(media_type: str) -> Reshape:
    """The body stays, Content-Type names another media type."""

    def reshape(message: Message, moment: Moment) -> Message:
        return replace(message, headers=declaring(message.headers, media_type))

    return reshape


def falsely_encoded_as(coding: str) -> Reshape:
    """The body stays, Content-Encoding names a coding that it does not have."""

    def reshape(message: Message, moment: Moment) -> Message:
        return replace(message, headers=(*message.headers, ("Content-Encoding", coding)))

    return reshape


def declaring(headers: Headers, media_type: str) -> Headers:
    """The headers with this Content-Type and no other."""
    return (*without_header(headers, "content-type"), ("Content-Type", media_type))


def without_header(headers: Headers, name: str) -> Headers:
    """The headers but for `name` (lower case)."""
    return tuple((key, value) for key, value in headers if key.lower() != name)
