"""Notifications made from their schemas: what a gateway may post to a receiver, and what no receiver has to take.

    notifications       valid contents of a product, as many as are asked for
    incomplete          JSON that is no notification: required members missing or of another type, no object
    unreadable          bodies that are no JSON
    is_complete         whether a value has what every notification has

Which members there are, which of them are required and what they look like stands in the product's
`schemas/<product>/notification.json` alone. The request_id of a content is for the sender to fill in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.contract.commands import Command
from conformance.contract.schemas import resolved, violations
from conformance.errors import SuiteError
from conformance.generation.alphabets import ALPHABETS
from conformance.generation.bodies import JSON_MEDIA_TYPE, malformed_bodies
from conformance.generation.draws import draw
from conformance.generation.strategies import strategy_for, text

Members = Mapping[str, Any]

REQUEST_ID, RESULT_CODE, RESULT_DESC = "request_id", "result_code", "result_desc"
SUCCESS = "200"

# Of texts that have no limit.
LONGEST_TEXT = 160

OTHER_TYPES: tuple[Any, ...] = (None, 200, True, ["200"], {"value": "200"})
"""What stands in the place of a string, where a member is mistyped."""

SPARED = frozenset(
    {
        # Widespread readers take these for members of another type.
        *(f"{name} for a value" for name in ("NaN", "Infinity", "-Infinity")),
        # Widespread readers put a replacement character in their place.
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


def notifications(command: Command, count: int, seed: int) -> list[dict[str, Any]]:
    """`count` valid contents of `command`'s product: the schema's own samples, then random ones.

    Those have the required members at random, and some of the others as the sample has them: of their form too little
    is documented to make one up. SuiteError if one does not prove to be valid.
    """
    schema = _schema(command)
    required = set(schema["required"])
    contents: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {name: _strategy(schema["properties"][name]) for name in schema["required"]},
        optional={name: st.just(value) for name, value in schema["examples"][0].items() if name not in required},
    )
    drawn = [*schema["examples"], *draw(contents, count, seed)][:count]
    for content in drawn:
        if broken := violations(f"{command.folder}/notification", content):
            raise SuiteError(f"a notification of {command.name} is not valid: {broken[0].pointer} {broken[0].message}")
    return drawn


def incomplete(command: Command, next_content: Callable[[], Members]) -> Iterator[tuple[str, bytes]]:
    """JSON that is no notification, with the name of what it lacks; each made from another content."""
    for name in _schema(command)["required"]:
        yield f"without {name}", _body({key: value for key, value in next_content().items() if key != name})
        for value in OTHER_TYPES:
            yield f"{name} is {json.dumps(value)}", _body({**next_content(), name: value})
    yield "without members", b"{}"
    yield from NO_OBJECTS


def unreadable(command: Command, next_content: Callable[[], Members]) -> Iterator[tuple[str, bytes]]:
    """Bodies that nobody reads as JSON, with the name of what is wrong; each made from another content."""
    required = _schema(command)["required"]
    for probe in malformed_bodies(lambda: _body({name: next_content()[name] for name in required})):
        if probe.content_type == JSON_MEDIA_TYPE and probe.body.strip() and probe.breakage not in SPARED:
            yield probe.breakage, probe.body


def is_complete(command: Command, value: Any) -> bool:
    """Whether a JSON value is an object with the required members of a notification, all of them strings."""
    required = _schema(command)["required"]
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in required)


def documented(command: Command) -> frozenset[str]:
    """The members that a notification of the product is known to have."""
    return frozenset(_schema(command)["properties"])


def _strategy(rule: Mapping[str, Any]) -> SearchStrategy[Any]:
    if "pattern" in rule:
        return strategy_for(rule)
    return text(ALPHABETS.values(), max(1, rule.get("minLength", 1)), rule.get("maxLength", LONGEST_TEXT))


def _schema(command: Command) -> dict[str, Any]:
    return resolved(f"{command.folder}/notification")


def _body(content: Members) -> bytes:
    return json.dumps(dict(content)).encode()
