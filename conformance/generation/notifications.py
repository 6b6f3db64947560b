"""Notifications made from their schemas: what a gateway may post to a receiver, and what no receiver has to take.

    optional_members    those that a notification may lack, in agreement with the request that it is about
    checked             a content, proved to be valid
    incomplete          JSON that is no notification: required members missing or of another type, no object
    unreadable          bodies that are no JSON
    is_complete         whether a value has what every notification has

Which members there are, which of them are required and what they look like stands in the product's
`schemas/<product>/notification.json` alone. The request_id of a content is for the sender to fill in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.errors import SuiteError
from conformance.generation.bodies import JSON_MEDIA_TYPE, malformed_bodies

Members = Mapping[str, Any]

REQUEST_ID, RESULT_CODE, RESULT_DESC = "request_id", "result_code", "result_desc"
SUCCESS = "200"

RECEIPT_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

OTHER_TYPES: tuple[Any, ...] = (None, 200, True, ["200"], {"value": "200"})
"""What stands in the place of a string, where a member is mistyped."""

SPARED = frozenset(
    {
        # Widespread readers take these for members of another type.
        *(f"{name} for a value" for name in ("NaN", "Infinity", "-Infinity")),
        # Widespread readers take them, with a replacement character or a surrogate in their place (RFC 8259, 9).
        "bytes that are no UTF-8",
        # JSON, which `incomplete` has.
        "array",
        "scalar",
    }
)
"""What is no JSON object, and is not sent to receivers as something that is no JSON."""

NO_OBJECTS: tuple[tuple[str, bytes], ...] = (
    ("array", b"[]"),
    ("string", b'"Success"'),
    ("number", b"200"),
    ("null", b"null"),
)


def optional_members(
    contract: Contract, command: Command, about: Members, number: int, chance: Random
) -> dict[str, Any]:
    """The members of a notification of `command`'s product that it may lack, true of the request that it is `about`.

    `about` holds the request's members; where there was no request, the sample's are as good as any. No two
    notifications of one `number` have the same receipt. What the request left out, the notification leaves out.
    """
    schema = _schema(contract, command)
    sample = {name: value for name, value in schema["examples"][0].items() if name not in schema["required"]}
    asked = contract.schemas.resolved(command.request_schema)["properties"]
    told: dict[str, Any] = {}
    for name, value in sample.items():
        if name in TOLD:
            told[name] = TOLD[name](about, value, number, chance)
        elif name not in asked or not about:
            told[name] = value
        elif name in about:
            told[name] = about[name]
    return told


def checked(contract: Contract, command: Command, content: Members) -> dict[str, Any]:
    """The content. SuiteError if it is no valid notification of the product."""
    if broken := contract.schemas.violations(command.notification_schema, dict(content)):
        raise SuiteError(f"a notification of {command.name} is not valid: {broken[0].pointer} {broken[0].message}")
    return dict(content)


def masked(phone_number: str) -> str:
    """A phone number as notifications tell it: `2547*****149`."""
    return f"{phone_number[:4]}{'*' * (len(phone_number) - 7)}{phone_number[-3:]}"


def _charge(about: Members, sample: float, _number: int, _chance: Random) -> float:
    """What the account is charged for airtime: less than its amount, by the discount of the sample (48.5 for 50)."""
    return round(float(about["amount"]) * 0.97, 2) if "amount" in about else sample


def _time(_about: Members, sample: str, number: int, _chance: Random) -> str:
    return str(datetime.fromisoformat(sample) + timedelta(seconds=number))


TOLD: Mapping[str, Callable[[Members, Any, int, Random], Any]] = {
    "phone_number": lambda about, sample, _, __: masked(about["phone_number"]) if "phone_number" in about else sample,
    "charge": _charge,
    "third_party_trans_id": lambda _, __, ___, chance: "".join(chance.choices(RECEIPT_ALPHABET, k=10)),
    "transaction_time": _time,
}
"""Members that are not simply those of the request, or of the sample: how each follows from the two."""


def incomplete(
    contract: Contract, command: Command, next_content: Callable[[], Members]
) -> Iterator[tuple[str, bytes]]:
    """JSON that is no notification, with the name of what it lacks; each made from another content."""
    for name in _schema(contract, command)["required"]:
        yield f"without {name}", _body({key: value for key, value in next_content().items() if key != name})
        for value in OTHER_TYPES:
            yield f"{name} is {json.dumps(value)}", _body({**next_content(), name: value})
    yield "without members", b"{}"
    yield from NO_OBJECTS


def unreadable(
    contract: Contract, command: Command, next_content: Callable[[], Members]
) -> Iterator[tuple[str, bytes]]:
    """Bodies that nobody reads as JSON, with the name of what is wrong; each made from another content."""
    required = _schema(contract, command)["required"]
    for probe in malformed_bodies(contract, lambda: _body({name: next_content()[name] for name in required})):
        if probe.content_type == JSON_MEDIA_TYPE and probe.body.strip() and probe.breakage not in SPARED:
            yield probe.breakage, probe.body


def is_complete(contract: Contract, command: Command, value: Any) -> bool:
    """Whether a JSON value is an object with the required members of a notification, all of them strings."""
    required = _schema(contract, command)["required"]
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in required)


def documented(contract: Contract, command: Command) -> frozenset[str]:
    """The members that a notification of the product is known to have."""
    return frozenset(_schema(contract, command)["properties"])


def _schema(contract: Contract, command: Command) -> dict[str, Any]:
    return contract.schemas.resolved(command.notification_schema)


def _body(content: Members) -> bytes:
    return json.dumps(dict(content)).encode()
