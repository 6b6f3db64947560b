"""Command lines for a POSIX shell that send one request with curl, one case, or a whole run again.

No line has a secret: curl's come from STATUM_CONSUMER_KEY and STATUM_CONSUMER_SECRET. A wrong credential is made of
these two as the row of its probe says, because the journal does not hold it. python3 writes a long body if it repeats
itself, and otherwise reads it from the journal: reports/journal.sqlite, or the one that STATUM_JOURNAL names.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from conformance.client.settings import ClientSettings
from conformance.contract.contract import BASIC, Authentication, Contract
from conformance.contract.tables import Making
from conformance.gateway.settings import DEFAULT_CORPUS, RunLimits, Settings, default_shrink_requests, is_loopback
from conformance.journal import Record
from conformance.judging.objectives import SLO
from conformance.model.traffic import Case, Kind, Request, header
from conformance.options import arguments

KEY, SECRET = "STATUM_CONSUMER_KEY", "STATUM_CONSUMER_SECRET"

# Without the line breaks of some implementations of base64.
_ENCODED = "$(printf %s \"{}\" | base64 | tr -d '\\n')"

# How a probe changes the key or the secret, and how a shell changes the variable. The changed last character is a tilde
# here and a letter in the probe.
_CHANGED: Mapping[str, str] = {
    "last-changed": "${{{}%?}}~",
    "last-missing": "${{{}%?}}",
    "other-case": '$(printf %s "${}" | tr A-Za-z a-zA-Z)',
    "empty": "",
}
_HALVES: Mapping[str, str] = {"the-key": f"${KEY}", "the-secret": f"${SECRET}"}


def spelled(contract: Contract, making: Making) -> str:
    """The argument of curl for the wrong credential of a row of `probes.toml`."""
    authentication = contract.authentication
    if making.by == "credential":
        return _of_halves(authentication, making)
    if "value" not in making.parameters:
        return ""
    template = making.text("value")
    token = _ENCODED.format(f"${KEY}:${SECRET}") if authentication.names_key else f"${SECRET}"
    quoted = template.replace('"', '\\"').format(key=f"${KEY}", user=f"${KEY}", secret=f"${SECRET}", token=token)
    if quoted == template:
        return f"-H {shlex.quote(f'{authentication.header}: {template}')}"
    return f'-H "{authentication.header}: {quoted}"'


def _of_halves(authentication: Authentication, making: Making) -> str:
    key, secret = (_half(name, making.parameters.get(each)) for each, name in (("key", KEY), ("secret", SECRET)))
    how = making.parameters.get("token")
    if authentication == BASIC and how is None:
        return f'-u "{key}:{secret}"'
    token = _ENCODED.format(f"{key}:{secret}") if authentication.names_key else secret
    if how == "other-case":
        token = f"$(printf %s {token} | tr A-Za-z a-zA-Z)"
    return f'-H "{f"{authentication.header}: {authentication.scheme}".rstrip()} {token}"'


def _half(name: str, how: str | None) -> str:
    return f"${name}" if how is None else _HALVES.get(how) or _CHANGED[how].format(name)


# curl adds these headers.
_OWN_HEADERS = ("Accept", "User-Agent")
# curl sends `Expect` with a larger body (1 KiB in old releases, 1 MiB in later ones).
_ASKS_ABOVE = 1024
# Even an empty body of these methods is sent, with its length.
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# A longer body is unreadable, and a report may show a hundred of them.
LONGEST_BODY = 300
# A part that repeats itself at least so often is written once, in a program of at most so many characters.
_LEAST_REPEATS, LONGEST_PROGRAM = 16, 600
_REPEATED = re.compile(rb"(.{1,8}?)\1{%d,}" % (_LEAST_REPEATS - 1), re.DOTALL)
# An argument may have 128 KiB on Linux; a longer body goes through a pipe.
_LONGEST_ARGUMENT = 100_000

_FROM_JOURNAL = """\
import os, sqlite3, sys
journal = sqlite3.connect(os.environ.get("STATUM_JOURNAL", "reports/journal.sqlite"))
sys.stdout.buffer.write(journal.execute("SELECT body FROM sent WHERE number = {}").fetchone()[0])"""

_ASCII = "".join(map(chr, range(0x21, 0x7F)))


def curl(request: Request, contract: Contract, case: Case | None = None, exchange: int | None = None) -> str:
    """One line for `sh` that sends `request` as it was sent; `exchange` is its number in the journal.

    `Authorization`, `Host` and `Content-Length` may be at another position among the headers. Without a `case` the
    credential is the right one.
    """
    piped, data = _body(request, exchange)
    credential = ""
    if case is not None and case.kind is Kind.CREDENTIAL:
        credential = _of_case(contract, case)
    elif header(request.headers, contract.authentication.header) is not None:
        credential = _of_halves(contract.authentication, Making("credential", ""))
    parts = [
        "curl -sSi",
        *_flags(request),
        credential,
        *(f"-H {shlex.quote(text)}" for text in _headers(request, contract)),
        data,
        shlex.quote(quote(request.url, safe=_ASCII)),
    ]
    return piped + " ".join(part for part in parts if part)


def _flags(request: Request) -> Iterator[str]:
    url = request.url
    if header(request.headers, "Accept-Encoding"):
        yield "--compressed"  # so that curl unpacks the answer; the header itself is the request's
    if url.startswith("https:"):
        yield "--http1.1"  # as the suite
    if re.search(r"[\[\]{}]", url):
        yield "--globoff"
    if "/." in url:
        yield "--path-as-is"
    if request.method == "HEAD":
        yield "--head"
    elif request.method != "GET" or request.body:
        yield f"-X {shlex.quote(request.method)}"


def _of_case(contract: Contract, case: Case) -> str:
    """The credential of a case, whose id ends in its number within its probe (`…/wrong-key/2`)."""
    probe = contract.probes.get(f"{case.kind}.{case.aspect}")
    if probe is None:
        return ""
    number = case.id.rpartition("/")[2]
    return spelled(contract, probe.made[(int(number) - 1) % len(probe.made) if number.isdecimal() else 0])


def _headers(request: Request, contract: Contract) -> Iterator[str]:
    """The values for `-H`: the request's headers, and an empty one for each that curl would add."""
    for name, value in request.headers:
        if name.lower() != contract.authentication.header.lower() and not _left_to_curl(name, value, request):
            yield f"{name}: {value}" if value else f"{name};"
    added = [*_OWN_HEADERS, *(["Content-Type"] if _has_data(request) else [])]
    if len(request.body) > _ASKS_ABOVE:
        added.append("Expect")
    yield from (f"{name}:" for name in added if header(request.headers, name) is None)


def _left_to_curl(name: str, value: str, request: Request) -> bool:
    own = {"host": urlsplit(request.url).netloc, "content-length": str(len(request.body))}
    return own.get(name.lower()) == value


def _has_data(request: Request) -> bool:
    return bool(request.body) or request.method in _METHODS_WITH_BODY


def _body(request: Request, exchange: int | None) -> tuple[str, str]:
    """The commands before curl, and its argument for the body."""
    if not _has_data(request):
        return "", ""
    body = request.body
    if len(body) > LONGEST_BODY:
        program = _repeating(body)
        if len(program) > LONGEST_PROGRAM and exchange is not None:
            program = _FROM_JOURNAL.format(exchange).replace("\n", "; ")
        if len(program) <= LONGEST_PROGRAM:
            return f"python3 -c {shlex.quote(program)} | ", "--data-binary @-"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    # An argument that begins with @ would name a file.
    if text is not None and text.isprintable() and not text.startswith("@") and len(body) <= _LONGEST_ARGUMENT:
        return "", f"--data-binary {shlex.quote(text)}"
    return f"printf '{_printf_format(body)}' | ", "--data-binary @-"


def _repeating(body: bytes) -> str:
    """A program for python3 that writes the body, with each repeated part once."""
    parts, end = [], 0
    for found in _REPEATED.finditer(body):
        parts += [repr(body[end : found.start()])] if end < found.start() else []
        parts.append(f"{found[1]!r} * {len(found[0]) // len(found[1])}")
        end = found.end()
        if sum(map(len, parts)) > LONGEST_PROGRAM:
            break
    parts += [repr(body[end:])] if end < len(body) else []
    return f"import sys; sys.stdout.buffer.write({' + '.join(parts)})"


def _printf_format(body: bytes) -> str:
    """`body` as a format of POSIX `printf`, with a backslash and three octal digits for a byte."""
    pieces = []
    for index, character in enumerate(body.decode("utf-8", "surrogateescape")):
        if character == "%":
            pieces.append("%%")
        elif character.isprintable() and character not in "\\'" and (index or character != "-"):
            pieces.append(character)
        else:
            pieces += [f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape")]
    return "".join(pieces)


# Not for the built-in mock gateway.
OF_A_GATEWAY = ("gateway", "consumer_key", "callback_listen", "callback_url", "over_network")


def repeat_command(settings: Mapping[str, Any], contract: Contract) -> str:
    """A line for a shell that sends the same requests at the same pace.

    It has the seed and the recorded settings that differ from the defaults. The secret comes from
    STATUM_CONFORMANCE_CONSUMER_SECRET; redacted values have to be filled in.
    """
    load = settings.get("load")
    command = "certify" if settings.get("subject_kind") == "client" else "run" if load is None else "load"
    recorded = {**settings, "contract": settings.get("contract", {}).get("folder")}
    kinds = (ClientSettings,) if command == "certify" else (Settings, RunLimits)
    defaults: dict[str, Any] = {each.name: each.default for kind in kinds for each in fields(kind)}
    defaults["products"] = list(contract.products)
    if command != "certify":
        if settings["subject_name"] != settings["gateway"]:
            recorded |= dict.fromkeys(OF_A_GATEWAY)
        if settings.get("cases"):
            recorded["corpus"] = None
        away = settings.get("over_network")
        defaults |= {f"{member}s": list(values[:1]) for member, values in contract.members.registered.items()}
        defaults |= {"phone_numbers": [], "corpus": DEFAULT_CORPUS}
        defaults["shrink_requests"] = 0 if away else default_shrink_requests(settings["gateway"])
    given = arguments(command, recorded, defaults)
    return shlex.join(["statum-conformance", command, *given, *([] if load is None else _of_load(load))])


def _of_load(load: Mapping[str, Any]) -> Iterator[str]:
    """The options of a load; all workers are on this machine then."""
    yield from ("--rate", f"{load['rate']:g}", "--for", f"{load['for_s']:g}")
    yield from ("--workers", str(load["workers"]), "--receivers", str(load["receivers"]))
    if load.get("slo"):
        yield from ("--slo", str(SLO.of(load["slo"])))


def replay_command(case_id: str, journal: Path, settings: Mapping[str, Any]) -> str:
    """A line for a shell that sends one recorded case again, to the same gateway."""
    return shlex.join(["statum-conformance", "replay", case_id, "--journal", str(journal), *_of_journal(settings)])


def resume_command(journal: Path, settings: Mapping[str, Any]) -> str:
    """A line for a shell that goes on with a run that was cut off."""
    return shlex.join(["statum-conformance", "run", "--resume", str(journal), *_of_journal(settings)])


def explain_command(requirement: str, settings: Mapping[str, Any]) -> str:
    """A line for a shell that explains a requirement, and how to mend the usual causes of its failure."""
    folder = settings.get("contract", {}).get("folder")
    return shlex.join(["statum-conformance", "explain", requirement, *(("--contract", folder) if folder else ())])


def was_cut_off(record: Record) -> bool:
    """Whether a run ended after it had begun to send, and before it had listened."""
    kinds = {note.kind for note in record.latest_notes}
    return "settled" not in kinds and any(note.kind == "planned" for note in record.notes)


def _of_journal(settings: Mapping[str, Any]) -> Iterator[str]:
    """The contract, if it is not built in; the gateway, if a credential is sent there only when it is named."""
    if folder := settings.get("contract", {}).get("folder"):
        yield from ("--contract", folder)
    if settings["subject_name"] == settings["gateway"] and not is_loopback(settings["gateway"]):
        yield from ("--gateway", settings["gateway"])
