"""The settings of a run against a gateway, checked once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.callbacks.address import Address
from conformance.contract.commands import PRODUCTS, commands_of
from conformance.errors import UsageError
from conformance.generation.payloads import Constraints

DEFAULT_NOTIFY_WITHIN_S = 10.0
# Valid payloads drawn at random for each command, on top of the systematic ones. With four products a default run
# has some 300 accepted requests: what goes wrong once in twenty is missed by fewer than one run in a million.
DEFAULT_MAX_EXAMPLES = 40
# Requests by which the failures of a run are looked into, where they cost nothing; what is seen to fail is brought down
# to its simplest form with some forty. On any other gateway an accepted request may cost money, so there it is 0.
DEFAULT_SHRINK_REQUESTS = 200
DEFAULT_SENDER_ID = "Statum"
DEFAULT_SHORT_CODE = "174379"
SEED_BITS = 32


def fresh_seed() -> int:
    """A seed that nobody chose, so that runs in a row do not repeat each other's payloads."""
    return secrets.randbits(SEED_BITS)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is told. `gateway` is the base URL, `/api/v2` included; None: the built-in mock gateway.

    Raises UsageError for a gateway URL that is none, a product that does not exist, and numbers out of range.
    """

    consumer_key: str
    consumer_secret: str = field(repr=False)
    gateway: str | None = None
    callback_listen: Address = field(default_factory=lambda: Address("127.0.0.1", 0))
    callback_url: str | None = None
    products: tuple[str, ...] = PRODUCTS
    sender_ids: tuple[str, ...] = (DEFAULT_SENDER_ID,)
    short_codes: tuple[str, ...] = (DEFAULT_SHORT_CODE,)
    phone_numbers: tuple[str, ...] = ()
    notify_within_s: float = DEFAULT_NOTIFY_WITHIN_S
    max_examples: int = DEFAULT_MAX_EXAMPLES
    seed: int = field(default_factory=fresh_seed)
    exclusive_account: bool = False
    shrink_requests: int | None = None
    report_dir: Path = Path("reports")

    def __post_init__(self) -> None:
        """Refuse what cannot be used, before anything is sent."""
        if self.gateway is not None:
            check_gateway_url(self.gateway)
        unknown = [p for p in self.products if p not in PRODUCTS]
        if unknown or not self.products:
            raise UsageError(f"product {', '.join(unknown) or '(none)'} is not one of {', '.join(PRODUCTS)}")
        if self.max_examples < 0:
            raise UsageError(f"--max-examples is {self.max_examples}; expected 0 or more")
        if self.shrink_requests is not None and self.shrink_requests < 0:
            raise UsageError(f"--shrink-requests is {self.shrink_requests}; expected 0 or more")
        if not self.notify_within_s > 0:
            raise UsageError(f"--notify-within is {self.notify_within_s}; expected more than 0 seconds")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; expected 0 or more")

    @property
    def commands(self) -> tuple[str, ...]:
        """The names of the commands that the run exercises."""
        return tuple(command.name for command in commands_of(self.products))

    @property
    def constraints(self) -> Constraints:
        """What generated payloads may name."""
        return Constraints(self.sender_ids, self.short_codes, self.phone_numbers)

    def shrink_budget(self, gateway: str) -> int:
        """How many requests may be sent to `gateway` in order to look into failures."""
        return default_shrink_requests(gateway) if self.shrink_requests is None else self.shrink_requests

    def recorded(self) -> Mapping[str, Any]:
        """The settings as the journal keeps them: all but the secret."""
        return {
            "consumer_key": self.consumer_key,
            "callback_listen": str(self.callback_listen),
            "callback_url": self.callback_url,
            "products": list(self.products),
            "commands": list(self.commands),
            "sender_ids": list(self.sender_ids),
            "short_codes": list(self.short_codes),
            "phone_numbers": list(self.phone_numbers),
            "notify_within_s": self.notify_within_s,
            "max_examples": self.max_examples,
            "seed": self.seed,
            "exclusive_account": self.exclusive_account,
        }


def check_gateway_url(url: str) -> None:
    """UsageError if `url` is no http or https URL with a host."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"gateway {url!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(
            f"gateway {url!r} is no URL; expected http:// or https://, a host and a path",
            hint=f"try https://{url.removeprefix('//')}"
            if "://" not in url
            else "such as https://api.statum.co.ke/api/v2",
        )


def default_shrink_requests(gateway: str) -> int:
    """How many requests may be sent to look into failures if nothing else is said."""
    return DEFAULT_SHRINK_REQUESTS if is_loopback(gateway) else 0


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine, so that no network lies between."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
