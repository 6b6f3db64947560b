"""Lawful variants: other gateways that keep the contract too, and that the suite must not fail.

    VARIANTS    name → Variant
    BUILT_IN    how the mock gateway behaves that a run without a gateway of its own judges

Each changes one thing that the contract leaves open, names as a MAY, or does not mention.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from conformance.mock_gateway.behaviour import Behaviour, Delivery, Form, Moment, Reply
from conformance.mock_gateway.rendering import json_bytes
from conformance.traffic import Headers

BUILT_IN = Behaviour(failure_rate=0.1, unlimited_payments=True)
"""Some transactions fail, so that what is required of a failure's notification is seen too; and a payment of more than
the account holds is refused for lack of funds, not for its amount, so that it is seen what that costs."""

SLOW_ANSWER_S = 0.05
SLOW_NOTIFICATION_S = 1.0

# Seconds. Every fifth notification leaves at once and the four before it wait longer the earlier they were asked for,
# so that their order is turned.
OUT_OF_ORDER_S = (0.4, 0.3, 0.2, 0.1, 0.0)

# Every third notification that is repeated comes a third time.
THRICE_EVERY = 3
REPEAT_AFTER_S = 0.05

# Requests per second: the pace that a client must be able to live with.
RATE_PER_S = 60.0

SOME_FAILING = 0.3


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to keep the contract: its `name`, what it does in one line, and the change that it makes."""

    name: str
    summary: str
    change: Callable[[Behaviour], Behaviour]


# --- Ids


def hex_id(moment: Moment, random: Random) -> str:
    """32 hexadecimal digits, as in a documented sample."""
    return f"{random.getrandbits(128):032x}"


def uuid_id(moment: Moment, random: Random) -> str:
    """A UUID with hyphens, as in a documented sample."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def digits_id(moment: Moment, random: Random) -> str:
    """A number that counts up: short, all digits, of no fixed length."""
    return str(999_000 + moment.count)


# --- Content and headers


def _with_header(headers: Headers, name: str, value: str) -> Headers:
    return (*(pair for pair in headers if pair[0].lower() != name.lower()), (name, value))


def _extended(content: Any) -> Any:
    """The object with members that the contract does not know, of every JSON type."""
    if not isinstance(content, dict):
        return content
    return {
        "api_version": "2.7",
        **content,
        "trace": {"node": "ke-1", "hops": [1, 2.5, None, True]},
        "statusCode": "OK",
        "": "Karibu ☀",
    }


def _extra_in_reply(reply: Reply, moment: Moment) -> Reply:
    content = _extended(reply.content)
    if isinstance(content, dict) and isinstance(organization := content.get("organization"), dict):
        content["organization"] = {
            **_extended(organization),
            "details": _extended(organization["details"]),
            "accounts": [_extended(account) for account in organization["accounts"]],
        }
    return replace(reply, content=content)


def _extra_in_delivery(delivery: Delivery) -> Delivery:
    return replace(delivery, content=_extended(delivery.content))


CHARSET = "application/json; charset=utf-8"


def _charset_in_reply(reply: Reply, moment: Moment) -> Reply:
    return replace(reply, headers=_with_header(reply.headers, "Content-Type", CHARSET))


def _charset_in_delivery(delivery: Delivery) -> Delivery:
    return replace(delivery, headers=_with_header(delivery.headers, "Content-Type", CHARSET))


def _without_challenge(reply: Reply, moment: Moment) -> Reply:
    return replace(reply, headers=tuple(pair for pair in reply.headers if pair[0].lower() != "www-authenticate"))


ONE_TEXT = "Validation failed."
"""A description that gateways have for whatever they refuse."""


def _one_text(reply: Reply, moment: Moment) -> Reply:
    if moment.refusal is None or not isinstance(reply.content, dict):
        return reply
    return replace(reply, content={**reply.content, "description": ONE_TEXT})


def _ascii(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=True).encode()


def _ascii_reply(reply: Reply, moment: Moment) -> Reply:
    content = reply.content
    if isinstance(content, dict) and isinstance(content.get("description"), str):
        content = {**content, "description": content["description"] + " – ☎ ✓"}
    return replace(reply, content=content, raw=_ascii(content))


def _ascii_delivery(delivery: Delivery) -> Delivery:
    content = delivery.content
    if isinstance(content, dict) and isinstance(content.get("result_desc"), str):
        content = {**content, "result_desc": content["result_desc"] + " – ✉ 👍"}
    return replace(delivery, content=content, raw=_ascii(content))


def _pretty_delivery(delivery: Delivery) -> Delivery:
    return replace(delivery, raw=json_bytes(delivery.content, pretty=True))


# --- Times, repeats, and others on the same callback


def _early(delivery: Delivery) -> Delivery:
    return replace(delivery, before_answer=True, after_s=0.0)


def _turned(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
    delay = OUT_OF_ORDER_S[moment.accepted % len(OUT_OF_ORDER_S)]
    return tuple(replace(delivery, after_s=delivery.after_s + delay) for delivery in deliveries)


def _repeated(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
    times = 3 if moment.accepted % THRICE_EVERY == 0 else 2
    return tuple(
        replace(delivery, after_s=delivery.after_s + repeat * REPEAT_AFTER_S)
        for delivery in deliveries
        for repeat in range(times)
    )


def _told_otherwise(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
    """Each once more: in other forms and words, with the balance of that moment and the number of the attempt."""
    return (*deliveries, *(replace(d, content=_once_more(d.content), after_s=REPEAT_AFTER_S) for d in deliveries))


def _once_more(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    changed = {"result_desc": f"{content['result_desc']} (sent again)", "attempt": 2}
    balance = content.get("account_balance")
    if balance is not None:
        changed["account_balance"] = "99.50" if isinstance(balance, str) else 99.5
    return {**_other_form(content), **changed}


PROBES = ("GET", "HEAD", "OPTIONS")


def _probed(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
    """Before each notification a look whether the callback is there, in one way or another."""
    method = PROBES[moment.accepted % len(PROBES)]
    return (*(replace(delivery, method=method, headers=(), raw=b"") for delivery in deliveries), *deliveries)


def _foreign(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
    """Beside each notification one of another integrator, whose transaction is none of this account's."""
    return deliveries + tuple(
        replace(
            delivery,
            content={"result_code": "200", "result_desc": "Success", "request_id": f"other-integrator-{moment.count}"},
        )
        for delivery in deliveries
    )


def _in_turn(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
    """One notification after the other in another form, and each round one with its URL spelled otherwise."""
    forms = tuple(Form)
    turn = moment.accepted % (len(forms) + 1)
    return tuple(
        replace(delivery, form=forms[turn]) if turn < len(forms) else replace(delivery, url=_escaped(delivery.url))
        for delivery in deliveries
    )


def _escaped(url: str) -> str:
    """A URL that names the same (RFC 3986 §6.2.2): the last character of path and of query is escaped."""
    parts = urlsplit(url)
    path, query = (f"{text[:-1]}%{ord(text[-1]):02x}" if text[-1:].isalnum() else text for text in parts[2:4])
    return parts._replace(path=path, query=query).geturl()


# --- What notifications tell of a payment

FEE = 3  # shillings


def _edited(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Behaviour], Behaviour]:
    """Each notification's content goes through `edit`."""

    def change(delivery: Delivery) -> Delivery:
        return replace(delivery, content=edit(delivery.content)) if isinstance(delivery.content, dict) else delivery

    return _each(change)


def _bare(content: dict[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in ("result_code", "result_desc", "request_id")}


def _other_form(content: dict[str, Any]) -> dict[str, Any]:
    """Amounts with decimals and a currency, numbers masked in another way, references in capitals."""
    forms: Mapping[str, Callable[[str], str]] = {
        "amount": lambda amount: f"KES {int(amount):,}.00",
        "phone_number": lambda number: f"xxxxxx{number[-3:]}",
        "bill_ref_number": str.upper,
        "account_balance": lambda balance: f"{balance}.00",
    }
    return {
        name: forms[name](value) if name in forms and isinstance(value, str) else value
        for name, value in content.items()
    }


def _less_a_fee(content: dict[str, Any]) -> dict[str, Any]:
    amount = content.get("amount")
    return {**content, "amount": str(int(amount) - FEE)} if isinstance(amount, str) else content


def _equal_payments_refused(behaviour: Behaviour) -> Behaviour:
    accepted: set[tuple[str | None, bytes]] = set()

    def refusal(moment: Moment) -> str | None:
        payment = moment.command in ("mpesa/online", "mpesa-wallet")
        return "window" if payment and (moment.command, moment.request.body) in accepted else None

    def remember(reply: Reply, moment: Moment) -> Reply:
        if moment.refusal is None:
            accepted.add((moment.command, moment.request.body))
        return reply

    return replace(
        behaviour,
        additional_refusals=(*behaviour.additional_refusals, refusal),
        reply=(*behaviour.reply, remember),
    )


# --- How changes are made


def _reply(change: Callable[[Reply, Moment], Reply]) -> Callable[[Behaviour], Behaviour]:
    return lambda behaviour: replace(behaviour, reply=(*behaviour.reply, change))


def _deliveries(
    change: Callable[[tuple[Delivery, ...], Moment], tuple[Delivery, ...]],
) -> Callable[[Behaviour], Behaviour]:
    return lambda behaviour: replace(behaviour, deliveries=(*behaviour.deliveries, change))


def _each(change: Callable[[Delivery], Delivery]) -> Callable[[Behaviour], Behaviour]:
    return _deliveries(lambda deliveries, _: tuple(change(delivery) for delivery in deliveries))


def _wire(**switches: bool) -> Callable[[Behaviour], Behaviour]:
    return lambda behaviour: replace(behaviour, wire=replace(behaviour.wire, **switches))


def _set(**switches: Any) -> Callable[[Behaviour], Behaviour]:
    return lambda behaviour: replace(behaviour, **switches)


def _waived(*tags: str) -> Callable[[Behaviour], Behaviour]:
    return lambda behaviour: replace(behaviour, waived=behaviour.waived | set(tags))


def _all(*changes: Callable[[Behaviour], Behaviour]) -> Callable[[Behaviour], Behaviour]:
    def change(behaviour: Behaviour) -> Behaviour:
        for each in changes:
            behaviour = each(behaviour)
        return behaviour

    return change


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        variant.name: variant
        for variant in (
            Variant("ids-hex", "request ids are 32 hexadecimal digits", _set(new_id=hex_id)),
            Variant("ids-uuid", "request ids are UUIDs with hyphens", _set(new_id=uuid_id)),
            Variant("ids-digits", "request ids are numbers that count up", _set(new_id=digits_id)),
            Variant("status-400", "invalid input is answered 400 instead of 422", _set(validation_status=400)),
            Variant(
                "extra-fields",
                "answers, organization and notifications have members that are not documented",
                _all(_reply(_extra_in_reply), _each(_extra_in_delivery)),
            ),
            Variant(
                "charset",
                "Content-Type names the charset, in answers and notifications",
                _all(_reply(_charset_in_reply), _each(_charset_in_delivery)),
            ),
            Variant("slow-answers", "each answer takes 50 ms", _set(answer_after_s=SLOW_ANSWER_S)),
            Variant("early-notification", "notifications arrive before the answer", _each(_early)),
            Variant("slow-notification", "notifications take 1 s", _set(notify_after_s=SLOW_NOTIFICATION_S)),
            Variant("out-of-order", "later notifications overtake earlier ones", _deliveries(_turned)),
            Variant("identical-repeats", "each notification comes twice, some three times", _deliveries(_repeated)),
            Variant(
                "repeats-in-other-words",
                "each notification comes again in other words and forms, with the balance of that moment",
                _deliveries(_told_otherwise),
            ),
            Variant("failing-results", "every transaction fails, with a reason", _set(failure_rate=1.0)),
            Variant("failing-some", "three transactions in ten fail", _set(failure_rate=SOME_FAILING)),
            Variant("coerces-numbers", "JSON numbers are taken for strings of digits", _set(coerces_numbers=True)),
            Variant("refuses-unknown-fields", "unknown members are refused", _set(refuses_unknown_fields=True)),
            Variant(
                "lenient-phone-numbers",
                "phone numbers of 10 to 15 digits are accepted, with or without a plus sign",
                _set(lenient_phone_numbers=True),
            ),
            Variant("connection-close", "every answer closes its connection", _wire(close=True)),
            Variant(
                "closes-untold",
                "the connection is closed after each answer, which does not say so",
                _wire(closes_untold=True),
            ),
            Variant(
                "closes-with-408",
                "each answer is followed by a 408 that nobody asked for, and the connection is closed",
                _wire(closes_with_408=True),
            ),
            Variant("line-break-after", "a line break follows the body of each answer", _wire(line_break=True)),
            Variant("early-hints", "a 103 comes before each answer", _wire(early_hints=True)),
            Variant("http-1.0", "answers are HTTP/1.0", _wire(http_1_0=True)),
            Variant("chunked", "answers come in chunks, without a Content-Length", _wire(chunked=True)),
            Variant("gzip", "answers are compressed for clients that take it", _wire(gzip=True)),
            Variant(
                "gzip-in-members",
                "answers are compressed in two members of gzip, under the name x-gzip",
                _wire(gzip_in_members=True),
            ),
            Variant("pretty-json", "all JSON is indented", _all(_wire(pretty=True), _each(_pretty_delivery))),
            Variant(
                "ascii-json", "all but ASCII is escaped in JSON", _all(_reply(_ascii_reply), _each(_ascii_delivery))
            ),
            Variant("one-text-for-refusals", "all that is refused is described in the same words", _reply(_one_text)),
            Variant(
                "reads-undeclared-json",
                "a JSON body is read whatever it is declared as",
                _waived("malformed.absent-content-type", "malformed.other-content-type"),
            ),
            Variant(
                "replaces-stray-bytes",
                "bytes that are not UTF-8 are read as something else, as many frameworks do",
                _waived("malformed.not-utf8"),
            ),
            Variant("no-www-authenticate", "a 401 has no WWW-Authenticate", _reply(_without_challenge)),
            Variant("rate-limited", "60 requests a second, 429 with Retry-After beyond", _set(rate_per_s=RATE_PER_S)),
            Variant("no-extras", "notifications have the three members that all have, and no other", _edited(_bare)),
            Variant(
                "extras-of-other-form",
                "notifications tell amounts with decimals, and phone numbers masked in another way",
                _edited(_other_form),
            ),
            Variant(
                "amounts-less-a-fee", "notifications tell what is left of an amount after a fee", _edited(_less_a_fee)
            ),
            Variant("refuses-equal-payments", "a payment that was accepted is refused again", _equal_payments_refused),
            Variant(
                "limited-payments",
                "a payment above 70000 shillings is invalid, whatever the balance",
                _set(unlimited_payments=False),
            ),
            Variant(
                "forms-of-http",
                "notifications offer an upgrade, come in chunks, over HTTP/1.0, with Expect, to the whole URL, escaped",
                _deliveries(_in_turn),
            ),
            Variant(
                "probes-before-notifications",
                "the callback is tried with GET, HEAD or OPTIONS before each notification",
                _deliveries(_probed),
            ),
            Variant("foreign-notifications", "another integrator's notifications come as well", _deliveries(_foreign)),
        )
    }
)
