"""The driver protocol, version 1: messages as lines, checked by `schemas/formats/driver/` in both directions.

The messages to a driver are ASCII (anything else is escaped), so that no reader of lines takes a character of a text
for the end of one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

from conformance.contract.contract import Contract
from conformance.contract.schemas import FORMATS
from conformance.model.errors import SuiteError, UsageError
from conformance.model.untrusted import parse_json

PROTOCOL = 1

# Characters of an invalid line that are shown, and bytes of it that are redacted before.
SHOWN = 200
LOOKED_AT = 8 << 10

# A valid answer has less than a tenth of this. Comparing the elements of an array with each other takes the square of
# their number.
MOST_ELEMENTS = 1_000

LACKS = ("error-details", "request-id", "timeout")
"""Features that a client's API may lack under every contract, as it may any optional member of a request."""


class ProtocolError(Exception):
    """A line is not a valid answer to the last message; the text says why."""


def encoded(message: Mapping[str, Any]) -> str:
    """The message as a line without its end. Raises SuiteError if the schemas do not describe it."""
    broken = FORMATS.violation(f"driver/{message['cmd']}", dict(message))
    if broken is not None:
        raise SuiteError(f"the message {message!r} to the driver is not valid: {broken.pointer} {broken.message}")
    return json.dumps(message, separators=(",", ":"))


def beginning(line: bytes, redacted: Callable[[str], str]) -> str:
    """The beginning of a line, `redacted` before it is cut, which could leave half a secret."""
    return redacted(line[:LOOKED_AT].decode("utf-8", "backslashreplace"))[:SHOWN]


def parsed(cmd: str, line: bytes, redacted: Callable[[str], str]) -> dict[str, Any]:
    """The answer to a message `cmd`. Raises ProtocolError, `redacted`, for anything else."""
    shown = beginning(line, redacted)
    try:
        answer = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"it wrote {shown!r}, which is no JSON: {error}") from error
    if not isinstance(answer, dict):
        raise ProtocolError(f"it wrote {shown!r}, which is no JSON object")
    if any(isinstance(each, list | dict) and len(each) > MOST_ELEMENTS for each in (answer, *answer.values())):
        raise ProtocolError(f"it wrote {shown!r}, which has more than {MOST_ELEMENTS:,} elements in one place")
    if broken := FORMATS.violation(f"driver/{cmd}.answer", answer):
        message, where = redacted(broken.message), broken.pointer or "the answer"
        if len(message) > SHOWN:  # the fault is named at the end, behind the value
            message = f"{message[: SHOWN // 2]}…{message[-SHOWN // 2 :]}"
        raise ProtocolError(f"it wrote {shown!r}, which is no answer to {cmd}: {where}: {message}")
    return answer


@dataclass(frozen=True, slots=True)
class Hello:
    """A driver's description of its client. `callback_urls`: by product, empty without the feature `callback`."""

    name: str
    version: str | None = None
    language: str | None = None
    commands: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()
    callback_urls: Mapping[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()

    @classmethod
    def of(cls, answer: Mapping[str, Any], contract: Contract) -> Self:
        """Read a valid answer. Raises UsageError if it offers nothing, or has names unknown to the contract."""
        implementation = answer["implementation"]
        _check_names(answer, contract)
        features = frozenset(answer.get("features", ()))
        urls = answer.get("callback_urls", {}) if "callback" in features else {}
        hello = cls(
            implementation["name"],
            implementation.get("version"),
            implementation.get("language"),
            tuple(name for name in contract.commands if name in answer["commands"]),
            features,
            {product: urls[product] for product in contract.callbacks if product in urls},
            frozenset(answer.get("lacks", ())),
        )
        if not hello.commands and not hello.callback_urls:
            raise UsageError(
                f"driver of {hello.name} declares nothing to judge; expected a command, or the feature callback",
                hint='answer hello with "commands", or with "features" and "callback_urls"',
            )
        return hello

    @property
    def subject(self) -> str:
        """The client's name and version."""
        return f"{self.name} {self.version}" if self.version else self.name

    def recorded(self) -> dict[str, Any]:
        """As a note of the journal."""
        return {
            "implementation": {"name": self.name, "version": self.version, "language": self.language},
            "commands": list(self.commands),
            "features": sorted(self.features),
            "callback_urls": dict(self.callback_urls),
            "lacks": sorted(self.lacks),
        }


def _check_names(answer: Mapping[str, Any], contract: Contract) -> None:
    """Raise UsageError for a name that the contract does not know."""
    known: Mapping[str, Sequence[str]] = {
        "commands": tuple(contract.commands),
        "callback_urls": contract.callbacks,
        "lacks": (*LACKS, *optional_members(contract)),
    }
    for member, names in known.items():
        unknown = next((name for name in answer.get(member, ()) if name not in names), None)
        if unknown is not None:
            raise UsageError(
                f"driver of {answer['implementation']['name']} names {unknown[:SHOWN]!r} in {member}, "
                f"which is unknown to the contract {contract.name}; expected any of {', '.join(names)}"
            )


@cache
def optional_members(contract: Contract) -> tuple[str, ...]:
    """The members of requests that a client may leave out, in the order of the commands."""
    schemas = [contract.schemas.resolved(f"{c.folder}/request") for c in contract.commands.values()]
    optional = ((name, name in each.get("required", ())) for each in schemas for name in each.get("properties", ()))
    return tuple(dict.fromkeys(name for name, required in optional if not required))


def check_protocol(line: bytes) -> None:
    """Raise UsageError if a line is the hello of another version of the protocol; leave the rest to `parsed`."""
    try:
        answer = parse_json(line)
    except (ValueError, RecursionError):
        return
    version = answer.get("protocol") if isinstance(answer, dict) else None
    if isinstance(version, int) and version != PROTOCOL:
        raise UsageError(
            f"the driver speaks version {version} of the driver protocol; expected version {PROTOCOL}",
            hint="docs/driver-protocol.md describes it",
        )
