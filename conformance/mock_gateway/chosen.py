"""What a chosen phone number can have done to the answer of an accepted request, and to its notifications.

    adding, unusable, declared_as, cut_short, disagreeing, lost, dripping   changes of an answer
    twice, contradicted, before_answer, with_extra, none_of     changes of the notifications

Each is made with what it depends on and gives a function as `Behaviour` has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.mock_gateway.behaviour import Delivery, Ending, Moment, Reply

Change = Callable[[Reply, Moment], Reply]
Alteration = Callable[[tuple[Delivery, ...], Moment], tuple[Delivery, ...]]

JSON = "application/json"
HTML = "text/html"
HTML_502 = (
    b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
)

# Of a repeat, or of what comes after a first notification: after the client has dealt with that.
AGAIN_AFTER_S = 0.5


def adding(**members: Any) -> Change:
    """The answer has these members beside its own, or instead of them."""
    return lambda reply, _: replace(reply, content={**reply.content, **members})


def unusable(status: int, content_type: str, body: bytes) -> Change:
    """Something that is not the envelope."""
    return lambda _reply, _moment: Reply(status, (("Content-Type", content_type),), None, body)


def declared_as(content_type: str) -> Change:
    """The envelope, with another Content-Type."""
    return lambda reply, _: replace(reply, headers=(("Content-Type", content_type),))


def cut_short(reply: Reply, moment: Moment) -> Reply:
    """The first half of the JSON text, which says that this is all."""
    text = f'{{"status_code": 200, "description": "Operation successful", "request_id": "{moment.request_id}'
    return replace(reply, raw=text.encode())


def disagreeing(http_status: int, status_code: int, description: str) -> Change:
    """HTTP status and status_code contradict each other."""
    return lambda reply, moment: Reply(
        http_status,
        reply.headers,
        {"status_code": status_code, "description": description, "request_id": moment.request_id},
    )


def lost(ending: Ending) -> Change:
    """The answer does not get through."""
    return lambda reply, _: replace(reply, ending=ending)


def dripping(every_s: float) -> Change:
    """The answer comes a byte at a time, and never to its end."""
    return lambda reply, _: replace(reply, ending=Ending.DRIPPING, drip_every_s=every_s)


def twice(deliveries: tuple[Delivery, ...], _: Moment) -> tuple[Delivery, ...]:
    """Each notification comes again."""
    return (*deliveries, *(replace(each, after_s=each.after_s + AGAIN_AFTER_S) for each in deliveries))


def contradicted(deliveries: tuple[Delivery, ...], _: Moment) -> tuple[Delivery, ...]:
    """After each comes one that tells of a failure."""
    failed = {"result_code": "500", "result_desc": "The operator could not complete the transaction"}
    later = (
        replace(each, content={**each.content, **failed}, after_s=each.after_s + AGAIN_AFTER_S) for each in deliveries
    )
    return (*deliveries, *later)


def before_answer(deliveries: tuple[Delivery, ...], _: Moment) -> tuple[Delivery, ...]:
    """They come before the answer."""
    return tuple(replace(each, before_answer=True) for each in deliveries)


def with_extra(deliveries: tuple[Delivery, ...], _: Moment) -> tuple[Delivery, ...]:
    """They have members that nobody documented."""
    extra = {"x_operator": {"name": "Mfano", "codes": [1, None, True]}}
    return tuple(replace(each, content={**each.content, **extra}) for each in deliveries)


def none_of(_deliveries: tuple[Delivery, ...], _moment: Moment) -> tuple[Delivery, ...]:
    """They never come."""
    return ()
