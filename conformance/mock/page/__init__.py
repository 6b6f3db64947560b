"""The page of a mock gateway that people develop against, at its root: how to begin, and what happened.

    page                the page as it is now, in UTF-8
    SECURITY_HEADERS    of its answer
    *.html, *.css, *.js the template, and what it holds

It loads nothing, and whatever a request said is escaped. It refreshes itself without losing what is unfolded; without
JavaScript it lacks that, the buttons and the forms.
"""

from __future__ import annotations

import json
import shlex
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance.contract.command import Command
from conformance.contract.contract import BASIC, Contract
from conformance.mock.account import Account, numbers
from conformance.mock.notifications import kinds
from conformance.mock.partner import MockGateway
from conformance.mock.recent import text_of, without_token
from conformance.model.traffic import JSON_MEDIA_TYPE

# More make the page slow to redraw; GET /_exchanges has all.
MOST_SHOWN = 50

# The variables of a shell line where the secret was given: those of the command line's own options.
KEY, SECRET = "$STATUM_CONFORMANCE_CONSUMER_KEY", "$STATUM_CONFORMANCE_CONSUMER_SECRET"


@cache
def _part(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _digest(name: str) -> str:
    return f"'sha256-{b64encode(sha256(_part(name).encode()).digest()).decode()}'"


_POLICY = (
    "default-src 'none'",
    f"style-src {_digest('style.css')}",
    f"script-src {_digest('script.js')}",
    "connect-src 'self'",
    "img-src data:",
    *(f"{directive} 'none'" for directive in ("base-uri", "form-action", "frame-ancestors")),
)
SECURITY_HEADERS = (
    ("Cache-Control", "no-cache"),
    ("Content-Security-Policy", "; ".join(_POLICY)),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__name__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"body": shown_body, "visible": visible, "clock": clock}
    return environment


def page(gateway: MockGateway, root: str) -> bytes:
    """The page; `root` is the address by which it was asked for, such as `http://127.0.0.1:9000`."""
    server = gateway.server
    contract, account = server.gateway.contract, server.gateway.account
    requests = gateway.requests
    base_url = root + contract.base_path
    return (
        _environment()
        .get_template("page.html")
        .render(
            contract=contract,
            account=account,
            base_url=base_url,
            root=root,
            curl=first_request(account, base_url),
            secret_is_shown=is_sample(account),
            exchanges=requests[: -MOST_SHOWN - 1 : -1],
            earlier=max(0, len(requests) - MOST_SHOWN),
            others=gateway.record.others[::-1],
            unreadable=list(dict.fromkeys(each.error for each in tuple(server.unreadable))),
            callbacks={name: _url_shown(gateway.callbacks, name) for name in contract.callbacks},
            numbers=numbers(contract),
            kinds=kinds().values(),
            unsolicited=tuple(contract.unsolicited),
            style=Markup(_part("style.css")),  # noqa: S704 - a file of this package
            script=Markup(_part("script.js")),  # noqa: S704 - the same
        )
        .encode("utf-8", "backslashreplace")
    )


def _url_shown(callbacks: Mapping[str, str], name: str) -> str | None:
    return without_token(callbacks[name]) if name in callbacks else None


def is_sample(account: Account) -> bool:
    """Whether its credential is the public one of every mock gateway, which is no secret."""
    sample = Account.sample(contract=account.contract)
    return (account.consumer_key, account.consumer_secret) == (sample.consumer_key, sample.consumer_secret)


def first_request(account: Account, base_url: str) -> str:
    """A line for a shell that sends the documented sample of the first command, without a secret that was given."""
    contract = account.contract
    command = next(each for each in contract.commands.values() if each.product is not None)
    payload = json.dumps(_sample(contract, command, account), ensure_ascii=False)
    key, secret = (account.consumer_key, account.consumer_secret) if is_sample(account) else (KEY, SECRET)
    authentication = contract.authentication
    if authentication == BASIC:
        credential = f'-u "{key}:{secret}"'
    else:
        token = f'$(printf %s "{key}:{secret}" | base64)' if authentication.names_key else secret
        credential = f'-H "{authentication.header}: {f"{authentication.scheme} {token}".strip()}"'
    method = "" if command.method == "POST" else f"-X {command.method} "
    lines = (
        f"curl {method}{shlex.quote(f'{base_url}/{command.name}')}",
        credential,
        f"-H 'Content-Type: {JSON_MEDIA_TYPE}'",
        f"-d {shlex.quote(payload)}",
    )
    return " \\\n  ".join(lines)


def _sample(contract: Contract, command: Command, account: Account) -> Mapping[str, Any]:
    """The documented sample of a request, with the registered values of the account."""
    sample = contract.schemas.schema(command.request_schema)["examples"][0]
    own = {name: values[0] for name, values in account.registered.items() if name in sample and values}
    return {**sample, **own}


def shown_body(body: bytes) -> str:
    """A body for people: JSON is indented, all else as it is."""
    text = text_of(body)
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return visible(text)
    return visible(text)


def visible(text: str) -> str:
    """The text, with each character that shows nothing, or turns the line around, as an escape."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else f"\\u{ord(each):04x}" for each in text.replace("\r\n", "\n")
    )


def clock(at: float) -> str:
    """The time of day, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
