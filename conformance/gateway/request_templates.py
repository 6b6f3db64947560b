"""Requests without the values of an account and the address of a gateway, so that any account can send them again.

No journal and no case file holds a credential, only a label: `right`, or the aspect and number of a wrong one, as in
the id of the case that sends it (`…/wrong-key/2`). Resuming, replaying, case files and the search for causes all use
templates. A template also has the labels by which its answer is judged (kind, aspect), and a wrong one would blame a
gateway that is in the right: `mislabelled` proves those of cases that somebody wrote by hand, or saved years ago.
`conformance.payloads` proves the cases that a run plans itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

from conformance import __version__
from conformance.contract.contract import Contract
from conformance.gateway.rules.acceptance import LAWFUL
from conformance.gateway.rules.answers import EQUAL
from conformance.journal.marks import is_marked
from conformance.model.errors import UsageError
from conformance.model.traffic import JSON_MEDIA_TYPE, Case, Headers, Kind, Request, header, media_type
from conformance.model.untrusted import json_object, parse_json
from conformance.payloads.members import documented_range
from conformance.payloads.probes import credential_probes

RIGHT, NONE = "right", "none"
USER_AGENT = f"statum-conformance/{__version__}"


@cache
def marker(contract: Contract) -> re.Pattern[bytes]:
    """Markers in a body for values of the account: ${sender_id} and other registered ones, and the ${phone_number}.

    That of the recipient may hold its first digits, and a number where there are several.
    """
    names = "|".join(map(re.escape, contract.members.registered))
    recipient = re.escape(contract.members.recipient or "")
    whose = rf"|(?P<recipient>{recipient})(?: (?P<prefix>[0-9]{{1,11}}))?(?: #[2-9])?" if recipient else ""
    return re.compile(rf"\$\{{(?:(?P<registered>{names}){whose})\}}".encode())


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """One request, for any account: `command`, `kind`, `aspect`, `member` and `keyword` as those of a Case.

    `path` follows the base URL. `credential` is a label. `headers` are all but that of the credential, or None for
    those of an ordinary request. `body` may hold markers, unless `as_is`.
    """

    command: str | None
    kind: Kind
    aspect: str
    method: str
    path: str
    credential: str = RIGHT
    headers: Headers | None = None
    body: bytes = b""
    as_is: bool = False
    member: str | None = None
    keyword: str | None = None

    @classmethod
    def of(cls, contract: Contract, case: Case, base_url: str) -> Self:
        """The template of a recorded case; `base_url` is that of its run.

        Raises UsageError if the journal keeps it redacted, so that its bytes are not known.
        """
        request = case.request
        if _is_redacted(contract, request) or not request.url.startswith(base_url):
            raise UsageError(
                f"case {case.id} cannot be sent again: the journal keeps it redacted, so its bytes are not known",
                hint="repeat the run with its seed instead",
            )
        return cls(
            case.command,
            case.kind,
            case.aspect,
            request.method,
            request.url.removeprefix(base_url.rstrip("/") + "/"),
            credential_label(contract, case),
            without_credential(contract, request.headers),
            request.body,
            not _is_text(request.body) or marker(contract).search(request.body) is not None,
            case.member,
            case.keyword,
        )

    def markers(self, contract: Contract) -> tuple[bytes, ...]:
        """The markers in the body, each once."""
        return () if self.as_is else tuple(dict.fromkeys(found[0] for found in marker(contract).finditer(self.body)))

    def filled(self, contract: Contract, values: Mapping[bytes, str]) -> Self:
        """The template with its markers replaced by their values."""
        if self.as_is:
            return self
        return replace(self, body=marker(contract).sub(lambda found: values[found[0]].encode(), self.body), as_is=True)

    def request(self, contract: Contract, base_url: str, key: str, secret: str) -> Request:
        """The request of the account with that credential, to the gateway at `base_url`.

        Raises UsageError if this account has no such wrong credential.
        """
        value = credential_value(contract, self.credential, key, secret)
        headers = ordinary_headers(contract, "") if self.headers is None else self.headers
        url = f"{base_url.rstrip('/')}/{self.path}"
        return Request(self.method, url, with_credential(contract, headers, value), self.body)


def sent_again(  # noqa: PLR0913, PLR0917 - the case as recorded, and its new address and account
    contract: Contract, case: Case, recorded_base: str, base_url: str, key: str, secret: str
) -> Case:
    """The recorded case for the gateway at `base_url`, with the credential of the account.

    Raises UsageError if its bytes are not known, or if this account has no such wrong credential.
    """
    template = RequestTemplate.of(contract, case, recorded_base)
    return replace(case, request=template.request(contract, base_url, key, secret))


def ordinary_headers(contract: Contract, credential: str) -> Headers:
    """The headers of a request with nothing unusual in it."""
    return (
        (contract.authentication.header, credential),
        ("Content-Type", JSON_MEDIA_TYPE),
        ("Accept", JSON_MEDIA_TYPE),
        ("Accept-Encoding", "gzip"),
        ("User-Agent", USER_AGENT),
    )


# --- Credentials by label


def credential_label(contract: Contract, case: Case) -> str:
    """The label of the credential of a case."""
    if case.kind is Kind.CREDENTIAL:
        number = case.id.rpartition("/")[2]
        return f"{case.aspect}/{number if number.isdecimal() and int(number) else 1}"
    return RIGHT if header(case.request.headers, contract.authentication.header) is not None else NONE


def credential_value(contract: Contract, label: str, key: str, secret: str) -> str | None:
    """The value of the header for an account; None for no header.

    Numbers go round: a follow-up of a probe has one beyond the last. Raises UsageError for an aspect that no wrong
    credential of this account has.
    """
    if label in (RIGHT, NONE):
        return contract.authentication.value(key, secret) if label == RIGHT else None
    aspect, _, number = label.rpartition("/")
    probes = credential_probes(contract, key, secret)
    of_aspect = [probe.header_value for probe in probes if probe.aspect == aspect]
    if not of_aspect:
        known = dict.fromkeys(probe.aspect for probe in probes)
        raise UsageError(
            f"credential {label!r} is none that this account can be probed with; expected {RIGHT}, "
            f"or {', '.join(known)} with a number, such as wrong-key/1"
        )
    return of_aspect[(int(number) - 1) % len(of_aspect)]


def with_credential(contract: Contract, headers: Headers, value: str | None) -> Headers:
    """`headers` with that credential: in the place of the old one, or else as the first."""
    others, name = without_credential(contract, headers), contract.authentication.header
    if value is None:
        return others
    place = next((i for i, (each, _) in enumerate(headers) if each.lower() == name.lower()), 0)
    return (*others[:place], (name, value), *others[place:])


def without_credential(contract: Contract, headers: Headers) -> Headers:
    """`headers` without the one that holds a credential."""
    return tuple(pair for pair in headers if pair[0].lower() != contract.authentication.header.lower())


def _is_redacted(contract: Contract, request: Request) -> bool:
    """Whether a part other than the credential is redacted."""
    headers = without_credential(contract, request.headers)
    texts = [request.url, *(f"{name}: {value}" for name, value in headers)]
    return is_marked("\n".join(texts).encode(errors="surrogatepass")) or is_marked(request.body)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- Proofs of labels

# Characters of one SMS. Accepting more is a SHOULD of its own (aspect `long`), so that label changes the verdict.
SINGLE_SMS = 160
# An account to make wrong credentials of; any with letters of both cases will do.
SAMPLE_KEY, SAMPLE_SECRET = "SampleKey", "SampleSecret"


def mislabelled(contract: Contract, step: RequestTemplate, earlier: RequestTemplate | None = None) -> str | None:
    """The first fault of a step's label, None if it has none; `earlier` is the step that goes before it."""
    return next(_faults(contract, step, earlier), None)


def _faults(contract: Contract, step: RequestTemplate, earlier: RequestTemplate | None) -> Iterator[str]:
    """The faults of a label; those after the first may come of it."""
    if step.kind in LAWFUL:
        yield from _lawful(contract, step)
    elif step.kind in (Kind.BROKEN, Kind.MALFORMED, Kind.OPEN):  # of an open one either answer is right
        yield from _addressed(contract, step)
    if step.kind in PROOFS:
        yield from PROOFS[step.kind](contract, step, earlier)
    if step.kind in (Kind.METHOD, Kind.UNKNOWN_COMMAND):
        yield from _right_credential(step)


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
    command = contract.commands[step.command or ""]
    if command.method == "GET":
        return
    members = json_object(step.body) or {}
    rules: Mapping[str, Mapping[str, Any]] = contract.schemas.resolved(command.request_schema)["properties"]
    texts = [members[name] for name, rule in rules.items() if "x-characters" in rule and name in members]
    if (longest := max(map(len, texts), default=0)) > SINGLE_SMS and step.aspect != "long":
        yield f"has a text of {longest} characters, which is long"
    if not _shows(step.aspect, rules, members, texts):
        yield f"has nothing {step.aspect} in it"


def _shows(
    aspect: str, rules: Mapping[str, Mapping[str, Any]], members: Mapping[str, Any], texts: Sequence[str]
) -> bool:
    """Whether a valid payload is as its aspect says.

    True of `unicode` and `optional`: a run tries the alphabet of ASCII and the payload with every member under these.
    """
    if aspect == "line-breaks":
        return any(character in text for text in texts for character in "\n\r\t")
    if aspect == "long":
        return any(len(text) > SINGLE_SMS for text in texts)
    if aspect == "boundary":  # an amount is at, or next to, an end of a documented range
        ends = [(members[name], documented_range(rule)) for name, rule in rules.items() if name in members]
        return any(end and int(value) in (end[0], end[0] + 1, end[1] - 1, end[1]) for value, end in ends)
    return True


def _headers(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
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


def _unknown_command(contract: Contract, step: RequestTemplate, _: RequestTemplate | None) -> Iterator[str]:
    if step.command is not None or step.path.strip("/") in contract.commands:
        yield f"is sent to {step.path!r}, which is a command"


Proof = Callable[[Contract, RequestTemplate, RequestTemplate | None], Iterator[str]]

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
}
"""Kinds with more to prove than that they are lawful, or go to their command with the right credential."""
