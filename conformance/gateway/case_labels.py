"""Proofs of labels: whether the bytes of a case are as its kind and aspect say.

A case that somebody wrote by hand, or that was saved years ago, is judged by its label: a wrong one would blame a
gateway that is in the right. `conformance.payloads` proves the cases that a run plans itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.contract.contract import Contract
from conformance.gateway.request_templates import RIGHT, RequestTemplate, credential_value
from conformance.gateway.rules.answers import EQUAL
from conformance.model.errors import UsageError
from conformance.model.traffic import JSON_MEDIA_TYPE, Kind, header, media_type
from conformance.model.untrusted import json_object, parse_json
from conformance.payloads.members import documented_range

# Characters of one SMS. Accepting more is a SHOULD of its own (aspect `long`), so that label changes the verdict.
SINGLE_SMS = 160
# An account to make wrong credentials of; any with letters of both cases will do.
SAMPLE_KEY, SAMPLE_SECRET = "SampleKey", "SampleSecret"

Proof = Callable[[Contract, RequestTemplate, RequestTemplate | None], Iterator[str]]


def mislabelled(contract: Contract, step: RequestTemplate, earlier: RequestTemplate | None = None) -> str | None:
    """The first fault of a step's label, None if it has none; `earlier` is the step that goes before it."""
    return next(PROOFS[step.kind](contract, step, earlier), None)


def _content_type(step: RequestTemplate) -> str | None:
    """The declared media type; that of an ordinary request is JSON."""
    return JSON_MEDIA_TYPE if step.headers is None else media_type(step.headers)


def _addressed(contract: Contract, step: RequestTemplate) -> Iterator[str]:
    """The command with its method, the right credential, the body declared as JSON."""
    if step.command is None:
        yield "names no command"
        return
    command = contract.commands[step.command]
    if step.method != command.method:
        yield f"is sent with {step.method}, and {command.name} takes {command.method}"
    if step.path != command.name:
        yield f"is sent to {step.path!r}, not to its command"
    yield from _right_credential(step)


def _right_credential(step: RequestTemplate) -> Iterator[str]:
    if step.credential != RIGHT:
        yield f"is sent with the credential {step.credential!r}, which is not right"


def _declared(step: RequestTemplate) -> Iterator[str]:
    if step.body and _content_type(step) != JSON_MEDIA_TYPE:
        yield f"is declared as {_content_type(step)}, not as {JSON_MEDIA_TYPE}"


def _payload(contract: Contract, step: RequestTemplate) -> Iterator[str]:
    """The body is one that every gateway has to accept."""
    command = contract.commands[step.command or ""]
    if command.method == "GET":
        if step.body:
            yield "has a body, and a GET has none"
        return
    try:
        faults = contract.schemas.violations(command.request_schema, parse_json(step.body))
    except ValueError as error:
        yield f"has a body that cannot be read: {error}"
        return
    if faults:
        yield f"has a body that not every gateway accepts: {faults[0].pointer or 'the whole'}: {faults[0].message}"


def _lawful(contract: Contract, step: RequestTemplate) -> Iterator[str]:
    """Every gateway has to accept it."""
    yield from _addressed(contract, step)
    yield from _declared(step)
    yield from _payload(contract, step)


def _valid(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
    yield from _lawful(contract, step)
    command = contract.commands[step.command or ""]
    if command.method == "GET":
        return
    members = json_object(step.body) or {}
    rules: Mapping[str, Mapping[str, Any]] = contract.schemas.resolved(command.request_schema)["properties"]
    texts = [members[name] for name, rule in rules.items() if "x-characters" in rule and name in members]
    if (longest := max(map(len, texts), default=0)) > SINGLE_SMS and step.aspect != "long":
        yield f"has a text of {longest} characters, which is long"
    claim = CLAIMS.get(step.aspect)
    if claim is not None and not claim(rules, members, texts):
        yield f"has nothing {step.aspect} in it"


def _on_boundary(rules: Mapping[str, Mapping[str, Any]], members: Mapping[str, Any], _: list[str]) -> bool:
    """Whether an amount is at, or next to, an end of a documented range."""
    ends = {name: documented_range(rule) for name, rule in rules.items()}
    return any(
        int(members[name]) in (low, low + 1, high - 1, high)
        for name, (low, high) in ((name, end) for name, end in ends.items() if end and name in members)
    )


Claim = Callable[[Mapping[str, Mapping[str, Any]], Mapping[str, Any], list[str]], bool]

CLAIMS: Mapping[str, Claim] = {
    "line-breaks": lambda _, __, texts: any(character in text for text in texts for character in "\n\r\t"),
    "long": lambda _, __, texts: any(len(text) > SINGLE_SMS for text in texts),
    "boundary": _on_boundary,
}
"""Aspects of valid payloads → whether the payload has them.

Not `unicode` and `optional`: a run tries the alphabet of ASCII and the payload with every member under these as well.
"""


def _headers(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
    yield from _lawful(contract, step)
    probe = contract.probes.get(f"{step.kind}.{step.aspect}")
    if probe is None:
        yield f"is none of {', '.join(contract.probes.aspects(step.kind))}"
        return
    for making in probe.made:
        name, methods = making.text("name"), making.parameters.get("methods", (step.method,))
        if step.method not in methods:
            yield f"is no {' or '.join(methods)}"
        elif header(step.headers or (), name) != making.parameters.get("value"):
            yield f"has {name} {header(step.headers or (), name)!r}"


def _repeat(contract: Contract, step: RequestTemplate, earlier: RequestTemplate | None) -> Iterator[str]:
    yield from _lawful(contract, step)
    if step.aspect == "other-product":
        yield from _similar_but_for_the_product(contract, step, earlier)
        return
    if earlier is None or earlier.command != step.command:
        yield "has no request of its command before it, which it could repeat"
        return
    windowed = contract.commands[step.command or ""].window is not None
    if step.aspect in ("equal", "window", "after-refusal") and earlier.body != step.body:
        yield "has another body than the request before it"
    if step.aspect == "after-rejection" and not earlier.body.startswith(step.body):
        yield "has another payload than the request before it"
    if step.aspect in ("equal", "window") and (step.aspect == "window") != windowed:
        yield f"does not go with {step.command}"
    if step.aspect == "after-refusal" and earlier.kind is not Kind.CREDENTIAL:
        yield "does not follow a wrong credential"
    if step.aspect == "after-rejection" and earlier.kind is not Kind.MALFORMED:
        yield "does not follow a request that had to be rejected for its body or its Content-Type"
    if step.aspect in ("other-amount", "other-phone"):
        yield from _similar_in_part(contract, step, earlier)


def _similar_but_for_the_product(
    contract: Contract, step: RequestTemplate, earlier: RequestTemplate | None
) -> Iterator[str]:
    """It would be similar to the request before it, were that not of another product."""
    if earlier is None or earlier.command == step.command:
        yield "has no request of another product before it"
        return
    one, other = json_object(step.body) or {}, json_object(earlier.body) or {}
    named = (step.command, earlier.command)
    windows = [window for name in named if name is not None and (window := contract.commands[name].window)]
    if not windows:
        yield f"does not go with {step.command} and {earlier.command}"
    elif not any(window.joins(one, other) for window in windows):
        names = " or ".join(name.replace("_", " ") for name in windows[0].members)
        yield f"has another {names} than the request before it"


def _burst(contract: Contract, step: RequestTemplate, earlier: RequestTemplate | None) -> Iterator[str]:
    yield from _lawful(contract, step)
    if earlier is not None and earlier.kind is not Kind.BURST:
        yield "is not sent together with the request before it"
    if step.aspect == EQUAL:
        if contract.commands[step.command or ""].window is None:
            yield f"does not go with {step.command}"
        if earlier is not None and earlier.body != step.body:
            yield "has another body than the request before it"


def _similar_in_part(contract: Contract, step: RequestTemplate, earlier: RequestTemplate) -> Iterator[str]:
    one, other = json_object(step.body) or {}, json_object(earlier.body) or {}
    window = contract.commands[step.command or ""].window
    whose, *asked_for = window.members if window else ("",)
    differing = {name for name in (whose, *asked_for) if one.get(name) != other.get(name)}
    if not differing or not differing <= ({*asked_for} if step.aspect == "other-amount" else {whose}):
        yield f"differs from the request before it in {', '.join(sorted(differing)) or 'nothing'}"


def _broken(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
    yield from _addressed(contract, step)
    yield from _declared(step)
    if step.member is None or step.keyword is None:
        yield "does not name the member and the keyword that it breaks"
        return
    probe = contract.probes.get(f"{step.kind}.{step.aspect}")
    if probe is None:
        yield f"is none of {', '.join(contract.probes.aspects(step.kind))}"
    elif step.keyword not in probe.keywords:
        yield f"is never a matter of {step.keyword}"
    try:
        command = contract.commands[step.command or ""]
        faults = contract.schemas.violations(command.tolerated_schema, parse_json(step.body))
    except ValueError as error:
        yield f"has a body that cannot be read: {error}"
        return
    if not faults:
        yield "has a body that a gateway may accept"
    elif any(fault.pointer != f"/{step.member}" for fault in faults):
        yield f"breaks {', '.join(sorted({fault.pointer or 'the whole' for fault in faults}))}, not {step.member} alone"
    elif step.keyword not in {fault.keyword for fault in faults}:
        yield f"breaks {faults[0].keyword}, not {step.keyword}"


def _malformed(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
    yield from _addressed(contract, step)
    declared = _content_type(step)
    probe = contract.probes.get(f"{step.kind}.{step.aspect}")
    if probe is None:
        yield f"is none of {', '.join(sorted(contract.probes.aspects(step.kind)))}"
    elif all(making.by == "header" for making in probe.made):
        absent = not any("value" in making.parameters for making in probe.made)
        if declared == JSON_MEDIA_TYPE or absent != (declared is None):
            yield f"is declared as {declared}"
    elif json_object(step.body) is not None:
        yield "has a body that is a JSON object"


def _credential(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
    if step.credential.rpartition("/")[0] != step.aspect:
        yield f"is sent with the credential {step.credential!r}"
        return
    try:
        credential_value(contract, step.credential, SAMPLE_KEY, SAMPLE_SECRET)
    except UsageError as error:
        yield f"cannot be: {error.message}"
    if step.command is None:
        yield "names no command"
    elif (step.method, step.path) != (contract.commands[step.command].method, step.command):
        yield f"is sent with {step.method} to {step.path!r}"
    else:
        yield from _declared(step)
        yield from _payload(contract, step)


def _method(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
    if step.command is None or step.path != step.command:
        yield "names no command"
    elif step.method == contract.commands[step.command].method:
        yield f"is sent with {step.method}, which the command takes"
    yield from _right_credential(step)


def _unknown_command(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
    if step.command is not None or step.path.strip("/") in contract.commands:
        yield f"is sent to {step.path!r}, which is a command"
    yield from _right_credential(step)


def _open(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
    """Either answer is lawful, so the label claims nothing of the body."""
    yield from _addressed(contract, step)


PROOFS: Mapping[Kind, Proof] = {
    Kind.VALID: _valid,
    Kind.HEADERS: _headers,
    Kind.REPEAT: _repeat,
    Kind.BURST: _burst,
    Kind.BROKEN: _broken,
    Kind.MALFORMED: _malformed,
    Kind.CREDENTIAL: _credential,
    Kind.METHOD: _method,
    Kind.UNKNOWN_COMMAND: _unknown_command,
    Kind.OPEN: _open,
}
