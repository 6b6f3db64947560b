"""Secrets planted wherever a run meets them, a gateway that says them all back, and a search for them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from campaigns import free_address

from conformance.contract.contract import statum
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour, Callback, Moment, Reply
from conformance.mock.serving import serve_mock
from conformance.wire.listening import Address

KEY = "PlantedKey2be989"
SECRET = "pl4nted/S3cret+9Q?xZ"  # noqa: S105 - a canary
TOKEN = "planted-T0ken_77Kq"  # noqa: S105 - a canary
# In the query of the callback URL, without a name.
NAMELESS = "planted-Nam3less-55Wd"
REDACTED = "planted Val-ue 31Hj"
CREDENTIAL = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()


def _within_base64(value: str) -> Iterator[str]:
    """Base64 of any text with `value` in it has one of these in it."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + value.encode() + b"\0\0").decode()
        begin, end = -(-before * 8 // 6), (before + len(value)) * 8 // 6
        yield from (whole[begin:end], whole[begin:end].translate({ord("+"): "-", ord("/"): "_"}))


def forms_of(value: str) -> Iterator[str]:
    """It in plain, as URLs and JSON have it, in either case, and within base64."""
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value), value.upper(), value.lower())
    yield value.replace("/", "\\/")
    yield from _within_base64(value)


SAID = (SECRET, TOKEN, NAMELESS, REDACTED)
FORMS: Mapping[str, str] = {
    **{form: value for value in SAID for form in forms_of(value)},
    CREDENTIAL: "the credential",
    CREDENTIAL.rstrip("="): "the credential",
    quote(CREDENTIAL, safe=""): "the credential",
}
SPOKEN = " ".join(sorted({*FORMS, f"Basic {CREDENTIAL}"}))


def _said_back(reply: Reply, moment: Moment) -> Reply:
    """In the description, in a member of its own, and in headers."""
    sent = next((value for name, value in moment.request.headers if name.lower() == "authorization"), "")
    headers = (*reply.headers, ("X-Echo", sent), ("X-Planted", SPOKEN), (SECRET.translate(_OF_HEADERS), "name"))
    if not isinstance(reply.content, Mapping):
        return replace(reply, headers=headers)
    described = f"{reply.content.get('description', '')} {SPOKEN}"
    echo = {"authorization": sent, "all": SPOKEN.split(" "), SECRET: {"deep": [REDACTED]}}
    return replace(reply, headers=headers, content={**reply.content, "description": described, "echo": echo})


# Of what a header's name may not have.
_OF_HEADERS = {ord(character): "-" for character in "/?"}


def _notified(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
    return tuple(
        replace(
            delivery,
            headers=(*delivery.headers, ("X-Planted", SPOKEN), ("Authorization", f"Basic {CREDENTIAL}")),
            content={**delivery.content, "result_desc": SPOKEN, SECRET: {"echo": SPOKEN}},
        )
        for delivery in deliveries
    )


def echoing(behaviour: Behaviour = BUILT_IN) -> Behaviour:
    """It, with all secrets in whatever it says."""
    return replace(
        behaviour, reply=(*behaviour.reply, _said_back), deliveries=(*behaviour.deliveries, _notified), failure_rate=0.0
    )


@dataclass(frozen=True, slots=True)
class Planted:
    """What the command is told of a gateway: `where` it is, and what has `secrets` in it; both are the `options`.

    `variables` of the environment have the secret itself.
    """

    address: Address
    where: tuple[str, ...]
    secrets: tuple[str, ...]
    variables: Mapping[str, str]

    @property
    def options(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.where, *self.secrets)


@contextmanager
def planted(behaviour: Behaviour = BUILT_IN) -> Iterator[Planted]:
    """A gateway that says everything back."""
    address = free_address()
    public = f"{address.url}/hooks?{NAMELESS}"
    callbacks = {p: f"{address.url}/hooks/callbacks/{p}?{NAMELESS}&token={TOKEN}" for p in statum().products}
    account = replace(Account.sample(callbacks), consumer_key=KEY, consumer_secret=SECRET)
    with serve_mock(account, echoing(behaviour), seed=1) as server:
        yield Planted(
            address,
            ("--gateway", server.url, "--callback-listen", str(address)),
            ("--callback-url", public, "--redact", REDACTED, "--consumer-key", KEY),
            {"STATUM_CONFORMANCE_CONSUMER_SECRET": SECRET, "STATUM_CONFORMANCE_CALLBACK_TOKEN": TOKEN},
        )


QUICK = ("--product=sms", "--max-examples=0", "--seed=7")


def errands(gateway: Planted) -> Iterator[tuple[str, ...]]:
    """What is called in a directory, after `keygen run.key`, and has to end well."""
    yield ("doctor", "--product=sms", *gateway.options)
    yield ("config", "run")
    yield ("run", "--plan", "--format=json", *QUICK, *gateway.options)
    yield ("run", *QUICK, *gateway.options, "--sign-key=run.key")
    yield ("listen", "--for=0.1", *gateway.options)
    yield ("replay", "sms/valid/sample/1", *gateway.options)
    yield ("judge", "reports/journal.sqlite", "--report-dir=again")
    yield ("report", "--from=reports", "--html=page.html")
    yield ("compare", "reports", "again", "--html=compared.html")
    yield ("badge", "reports/certificate.json", "--output=badge.svg")
    yield ("badge", "reports/report.json", "--endpoint", "--output=badge.json")


_DRIVER = """
import json, pathlib, sys
count = pathlib.Path("count")
number = len(count.read_text()) if count.exists() else 0
count.write_text("x" * (number + 1))
url = f"http://{sys.argv[1]}/hook?token=TOKEN"
print("listening at", url.replace("=", "%3D") if ESCAPES else url, file=sys.stderr, flush=True)
calls = 0
for line in sys.stdin:
    message = json.loads(line)
    answer = {"id": message.get("id", ""), "outcome": "accepted", "request_id": url}
    if message["cmd"] == "hello":
        answer = {"protocol": 1, "implementation": {"name": "tiny"}, "commands": ["sms"], "features": ["callback"]}
        answer["callback_urls"] = {"sms": url}
    if message["cmd"] == "stop":
        break
    calls += message["cmd"] == "invoke"
    if number == 0 and calls == 2:
        sys.exit(f"cannot serve {url}")
    print(json.dumps(answer).translate(str.maketrans(ESCAPES)), flush=True)
"""


def dying_driver(token: str, escapes: Mapping[str, str] | None = None) -> str:
    """The program of a driver that dies over its second call, the first time that it is started.

    Its argument is the address of its receivers. `token` of its callback URLs, in which {number} counts the starts;
    `escapes` of characters in its JSON.
    """
    return _DRIVER.replace("TOKEN", token).replace("ESCAPES", repr(dict(escapes or {})))


def leaks(content: bytes | str) -> list[str]:
    """The forms of secrets that are in it, each with what it is a form of."""
    data = content.encode(errors="replace") if isinstance(content, str) else content
    return [f"{form} ({of})" for form, of in FORMS.items() if form.encode() in data]


def leaks_below(directory: Path, *but: Any) -> dict[str, list[str]]:
    """The same for every file in a directory, but for those named so."""
    files = {path: leaks(path.read_bytes()) for path in directory.rglob("*") if path.is_file() and path.name not in but}
    return {str(path.relative_to(directory)): found for path, found in files.items() if found}
