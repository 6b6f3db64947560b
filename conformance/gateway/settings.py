"""The settings of a run against a gateway, checked once.

A run against a gateway on this machine costs nothing, so nothing limits it unless the user asks. Any other gateway may
be a real one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from conformance.contract.command import check_callback_paths
from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import Focus
from conformance.gateway.case_files import CaseFolder
from conformance.journal.redaction import check_readable, check_redactable, check_uncommon, is_own_word
from conformance.judging.expectations import Expectations
from conformance.model.errors import UsageError
from conformance.model.traffic import check_http_url, has_userinfo, shown_url
from conformance.payloads.members import Constraints
from conformance.wire.allowance import check_limits
from conformance.wire.asgi import Tls
from conformance.wire.connection import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S
from conformance.wire.listening import Address
from conformance.wire.sender import CONCURRENCY
from conformance.wire.streams import is_this_machine

# A run without --corpus takes this one, where it is in the current directory.
DEFAULT_CORPUS = "corpus"
SEED_BITS = 32
# The subject of a run without --gateway.
MOCK_GATEWAY = "built-in mock gateway"
# Shorter ones are guessed; other characters are escaped in different ways on their way.
SHORTEST_TOKEN = 8
SOUND_TOKEN = re.compile(f"[A-Za-z0-9._~-]{{{SHORTEST_TOKEN},}}")


def fresh_seed() -> int:
    """A random seed, so that runs in a row do not repeat each other's payloads."""
    return secrets.randbits(SEED_BITS)


DEFAULT_NOTIFY_WITHIN_S = 10.0
# A day: longer waits are mistakes, and clocks and timers do not hold much more.
LEAST_NOTIFY_WITHIN_S, MOST_NOTIFY_WITHIN_S = 0.001, 86_400.0
# Payloads in memory: a hundred thousand of them take minutes to plan, and no gateway is judged better by more.
MOST_EXAMPLES = 100_000
# Valid payloads drawn at random for each command, on top of the systematic ones. With four products a default run
# has some 250 notifications: one run in several hundred thousand misses a fault of one notification in twenty.
DEFAULT_MAX_EXAMPLES = 40
# Requests by which the failures of a run are looked into, where they cost nothing; some forty bring a failing request
# down to its simplest form. On any other gateway an accepted request may cost money, so there it is 0.
DEFAULT_SHRINK_REQUESTS = 200

# Enough for a request of each kind that shows most, few enough to be paid for without a thought.
DEFAULT_MAX_ACCEPTED = 25
# Requests per second: any gateway bears that, and a person who watches can follow.
DEFAULT_RATE_PER_S = 5.0
# More would be a load test, which this is not; each is a thread with a connection of its own.
MOST_CONCURRENCY = 256
# A request in a quarter of an hour, and more than any machine sends: a rate beyond either is a typing error.
LEAST_RATE, MOST_RATE = 0.001, 100_000.0
# A millisecond, and an hour: nobody waits longer.
LEAST_TIMEOUT_S, MOST_TIMEOUT_S = 0.001, 3600.0


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The limits given by options; None: the default for the gateway at hand. UsageError for unusable values."""

    max_accepted: int | None = None
    max_spend: int | None = None
    rate_per_s: float | None = None
    concurrency: int = CONCURRENCY
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    read_timeout_s: float = ANSWER_TIMEOUT_S

    def __post_init__(self) -> None:
        """Refuse unusable values."""
        check_limits(self.max_accepted, self.max_spend)
        if self.rate_per_s is not None and not self.rate_per_s > 0:
            raise UsageError(f"--rate is {self.rate_per_s:g}; expected more than 0 requests per second")
        if self.rate_per_s is not None and not LEAST_RATE <= self.rate_per_s <= MOST_RATE:
            raise UsageError(
                f"--rate is {self.rate_per_s:g}; expected from {LEAST_RATE:g} to {MOST_RATE:,.0f} requests per second"
            )
        if not 1 <= self.concurrency <= MOST_CONCURRENCY:
            raise UsageError(f"--concurrency is {self.concurrency}; expected 1 to {MOST_CONCURRENCY}")
        for name, seconds in (("--connect-timeout", self.connect_timeout_s), ("--read-timeout", self.read_timeout_s)):
            if 0 < seconds < LEAST_TIMEOUT_S:
                raise UsageError(f"{name} is {seconds:g}; expected a millisecond (0.001) or more")
            if not 0 < seconds <= MOST_TIMEOUT_S:
                raise UsageError(f"{name} is {seconds:g}; expected more than 0 and at most an hour (3600 seconds)")

    def within(self, *, beyond: bool) -> Self:
        """The limits that hold for a gateway; `beyond`: it is not on this machine."""
        if not beyond:
            return self
        accepted = DEFAULT_MAX_ACCEPTED if self.max_accepted is None else self.max_accepted
        return replace(self, max_accepted=accepted, rate_per_s=self.rate_per_s or DEFAULT_RATE_PER_S)

    @property
    def any(self) -> bool:
        """Whether there is anything that an accepted request counts against."""
        return self.max_accepted is not None or self.max_spend is not None


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a run. `gateway` is the base URL, its path included; None: the built-in mock gateway.

    `products`: those that are exercised; by default all of the `contract`. `callback_paths`: product → the one at whose
    callback its results arrive, where that is not its own. `callback_token` is part of the query of callback URLs, and
    the receiver refuses requests without it; `callback_tls`: the receiver speaks https. `ca_file`: certificates to
    trust beside the usual ones. `limits`: the given ones; `bounds` has the defaults, too. `redact`: values that are
    never written down, beside the secret; `show_phone_numbers`: reports have the given ones whole. `corpus`: case files
    that go first; `cases`: those that alone are sent; `save_corpus`: where failing ones are written. `expectations`:
    known failures; `strict`: a broken SHOULD counts as a failure. `catalogue_url`: where reports link to. `looks_only`:
    only account-details is sent. `over_network`: whether a network may lose requests and notifications; None: as the
    URLs say. `recorded_cases`: the cases are those of an earlier run. `only`: the requirements that are judged, by the
    cases that they need (see `Focus`); none: all. `failed_by`: the cases by which they failed before.
    Raises UsageError for a gateway URL that is none, one beyond this machine without phone numbers that may be called
    or without a limit to the money that may be moved, a product that does not exist, and numbers out of range.
    """

    consumer_key: str
    consumer_secret: str = field(repr=False)
    contract: Contract = field(default_factory=statum, repr=False, kw_only=True)
    gateway: str | None = None
    callback_listen: Address = field(default_factory=lambda: Address("127.0.0.1", 0))
    callback_url: str | None = None
    products: tuple[str, ...] = ()
    callback_paths: Mapping[str, str] = field(default_factory=dict)
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    phone_numbers: tuple[str, ...] = ()
    notify_within_s: float = DEFAULT_NOTIFY_WITHIN_S
    max_examples: int = DEFAULT_MAX_EXAMPLES
    seed: int = field(default_factory=fresh_seed)
    exclusive_account: bool = False
    shrink_requests: int | None = None
    limits: RunLimits = field(default_factory=RunLimits)
    report_dir: Path = Path("reports")
    corpus: CaseFolder | None = None
    cases: CaseFolder | None = None
    save_corpus: Path | None = None
    expectations: Expectations | None = None
    strict: bool = False
    callback_token: str | None = field(default=None, repr=False)
    callback_tls: Tls | None = None
    ca_file: Path | None = None
    redact: tuple[str, ...] = field(default=(), repr=False)
    show_phone_numbers: bool = False
    catalogue_url: str | None = None
    looks_only: bool = False
    over_network: bool | None = None
    recorded_cases: bool = False
    only: tuple[str, ...] = ()
    failed_by: Mapping[tuple[str, str | None], tuple[str, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse unusable values, before anything is sent."""
        if self.gateway is not None:
            check_gateway_url(self.gateway)
        if not self.products:
            object.__setattr__(self, "products", self.contract.products)
        if unknown := [product for product in self.products if product not in self.contract.products]:
            raise UsageError(f"product {', '.join(unknown)} is not one of {', '.join(self.contract.products)}")
        check_callback_paths(self.callback_paths, self.contract.products, self.contract.callbacks)
        self._check_permitted()
        if self.callback_tls is not None and self.gateway is None:
            raise UsageError(
                "--callback-tls-cert is given without --gateway; the built-in mock gateway notifies over plain HTTP"
            )
        if self.callback_token is not None and not SOUND_TOKEN.fullmatch(self.callback_token):
            raise UsageError(
                f"--callback-token has {len(self.callback_token)} characters; expected {SHORTEST_TOKEN} or more of "
                "A-Z a-z 0-9 . _ ~ -",
                hint='such as the output of: python -c "import secrets; print(secrets.token_urlsafe())"',
            )
        self._check_protected()
        self._check_numbers()

    def _check_numbers(self) -> None:
        """UsageError for numbers out of range."""
        counts = {"max-examples": self.max_examples, "shrink-requests": self.shrink_requests or 0, "seed": self.seed}
        for name, value in counts.items():
            if value < 0:
                raise UsageError(f"--{name} is {value}; expected 0 or more")
        if self.max_examples > MOST_EXAMPLES:
            raise UsageError(f"--max-examples is {self.max_examples}; expected at most {MOST_EXAMPLES:,}")
        if not self.notify_within_s > 0:
            raise UsageError(f"--notify-within is {self.notify_within_s}; expected more than 0 seconds")
        if self.notify_within_s < LEAST_NOTIFY_WITHIN_S:
            raise UsageError(f"--notify-within is {self.notify_within_s:g}; expected a millisecond (0.001) or more")
        if self.notify_within_s > MOST_NOTIFY_WITHIN_S:
            raise UsageError(f"--notify-within is {self.notify_within_s:g}; expected at most a day (86400 seconds)")

    def _check_permitted(self) -> None:
        """UsageError if requests may reach people or move money, and the user did not say whom and how much."""
        if self.gateway is None:
            if self.over_network is not None:
                raise UsageError(
                    "--over-network or --no-network is given without --gateway; the built-in mock gateway is here"
                )
            return
        if self.looks_only or not self.beyond:
            return
        if not self.phone_numbers:
            example = next(iter(self.contract.examples_of(self.contract.members.recipient or "")), "NUMBER")
            raise UsageError(
                f"--phone-number is missing; {self.gateway} is not on this machine, so messages may reach people",
                hint=f"name the numbers that may be called, as in --phone-number {example}",
            )
        # A message costs something as well, but the API does not say how much: --max-accepted limits that.
        moving = ", ".join(c.name for c in self.contract.commands_of(self.products) if c.moves_money)
        if self.limits.max_spend is None and moving:
            raise UsageError(
                f"--max-spend is missing; {self.gateway} is not on this machine, and {moving} may move money",
                hint="say how many shillings a run may move, as in --max-spend 500, or leave them out: --product sms",
            )

    def _check_protected(self) -> None:
        """UsageError for values that cannot be redacted without destroying the evidence."""
        secret = self.consumer_secret
        if self.consumer_key == secret:
            raise UsageError(
                "--consumer-key and --consumer-secret are the same, and the key is not secret",
                hint="is one of the two given in place of the other?",
            )
        # A credential probe sends the secret without its last character, so that is redacted, too.
        protected = {
            "--consumer-secret": ((secret, secret[:-1]), "have the gateway issue another secret"),
            "--callback-token": (filter(None, [self.callback_token]), "take another one"),
            "--redact": (self.redact, "leave it out: it tells nobody anything"),
        }
        for option, (given, hint) in protected.items():
            check_redactable(values := tuple(given), self.contract, option, hint)
            if option != "--consumer-secret":  # it is the gateway's; a common one is not redacted in texts
                check_uncommon(values, self.contract, option, hint)
            redacted = tuple(value for value in values if not is_own_word(value, self.contract))
            check_readable(redacted, self.recorded(), self.gateway, self.callback_url, option=option)

    @property
    def commands(self) -> tuple[str, ...]:
        """The names of the commands that the run exercises."""
        return tuple(command.name for command in self.contract.commands_of(self.products))

    @property
    def callbacks(self) -> tuple[str, ...]:
        """The callbacks that are registered: of the products, and of unsolicited notifications."""
        contract = self.contract
        return tuple(name for name in contract.callbacks if name in self.products or contract.unsolicited_at(name))

    def callback_of(self, product: str) -> str:
        """The product at whose callback the results of `product` arrive; mostly itself."""
        return self.callback_paths.get(product, product)

    @property
    def extent(self) -> str:
        """Tells apart runs with one seed of which one sends more than the other.

        Within its window a gateway refuses requests of the earlier run. A repeat that it refuses in the same words,
        where it accepted the first, proves this reason: so each run must have requests that the other has not.
        """
        focus = "".join(f", {each}" for each in (*self.only, *chain.from_iterable(self.failed_by.values())))
        return f"{self.max_examples}, {self.limits.max_accepted}, {self.limits.max_spend}{focus}"

    @property
    def focus(self) -> Focus:
        """The requirements that are judged."""
        return replace(Focus.of(self.only), failed_by=self.failed_by)

    @property
    def bounds(self) -> RunLimits:
        """The limits that hold for the gateway at hand."""
        return self.limits.within(beyond=self.beyond)

    @property
    def replaceable(self) -> bool:
        """Whether lost cases can be replaced.

        A case of a file has no replacement, and on a connection that was used before nobody can tell whether a lost one
        was read. So each of them has a connection of its own, and a missing answer counts.
        """
        return self.corpus is None and self.cases is None and not self.recorded_cases

    @property
    def beyond(self) -> bool:
        """Whether the gateway may be a real one: it is not on this machine, or only its near end is."""
        return self.gateway is not None and (self.over_network is True or not is_loopback(self.gateway))

    @property
    def network_there(self) -> bool:
        """Whether a network may lose requests on the way to the gateway."""
        return self.beyond if self.over_network is None else self.over_network

    @property
    def network_back(self) -> bool:
        """Whether a network may lose notifications on their way."""
        if self.over_network is not None:
            return self.over_network
        return self.beyond or (self.callback_url is not None and not is_loopback(self.callback_url))

    @property
    def way_back_to_be_watched(self) -> bool:
        """Whether notifications come by a way that may be cut for a while: over a network, or through another program.

        The way between a gateway and a receiver on this machine cannot be cut, nor where the user says so.
        """
        between = self.network_back or self.callback_url is not None
        return self.gateway is not None and self.over_network is not False and between

    @property
    def constraints(self) -> Constraints:
        """The values that payloads may name: the given ones, and by default all of the built-in mock gateway."""
        every = self.contract.members.registered
        own = {
            member: every[member] if self.gateway is None and values == every[member][:1] else values
            for member, values in self.account_values.items()
        }
        return Constraints(own, self.phone_numbers)

    @property
    def account_values(self) -> dict[str, tuple[str, ...]]:
        """By member, the values that are registered to the account: those that were given, or the contract's first."""
        every = self.contract.members.registered
        return {member: self.registered.get(member) or values[:1] for member, values in every.items()}

    def shrink_budget(self, gateway: str) -> int:
        """How many requests may be sent to `gateway` in order to look into failures."""
        if self.shrink_requests is not None:
            return self.shrink_requests
        return 0 if self.beyond else default_shrink_requests(gateway)

    def recorded(self) -> Mapping[str, Any]:
        """The settings as the journal keeps them: all but the secret."""
        return {
            "consumer_key": self.consumer_key,
            "callback_listen": str(self.callback_listen),
            "callback_url": self.callback_url,
            "callback_tls": self.callback_tls is not None,
            "contract": self.contract.recorded(),
            "products": list(self.products),
            **({"callback_paths": dict(self.callback_paths)} if self.callback_paths else {}),
            "commands": list(self.commands),
            **{f"{member}s": list(values) for member, values in self.account_values.items()},
            "phone_numbers": list(self.phone_numbers),
            "notify_within_s": self.notify_within_s,
            "max_examples": self.max_examples,
            "seed": self.seed,
            "exclusive_account": self.exclusive_account,
            "own_gateway": self.gateway is None,
            "over_network": self.over_network,
            "loopback": not self.network_there,
            "network_back": self.network_back,
            "show_phone_numbers": self.show_phone_numbers,
            "catalogue_url": self.catalogue_url,
            "corpus": str(self.corpus.path) if self.corpus else None,
            "cases": str(self.cases.path) if self.cases else None,
            **({"only": list(self.only)} if self.only else {}),
            **asdict(self.bounds),
            "expectations": self.expectations.recorded() if self.expectations else None,
            "strict": self.strict,
        }


def check_gateway_url(url: str) -> None:
    """UsageError if `url` is not an http or https URL with a host, or commands cannot be appended to it."""
    if has_userinfo(url):
        # The part before the @ may be the secret, so the URL is not shown.
        raise UsageError("the gateway URL holds a credential", "give it as --consumer-key and --consumer-secret")
    shown, example = shown_url(url), "such as https://gateway.example/api"
    if "?" in url or "#" in url:
        raise UsageError(
            f"gateway {shown!r} has a query or fragment; expected the base URL that commands are put behind", example
        )
    check_http_url(url, "gateway", example if "://" in url else f"try https://{shown.removeprefix('//')}")


def default_shrink_requests(gateway: str) -> int:
    """The default number of requests that may be sent to look into failures."""
    return DEFAULT_SHRINK_REQUESTS if is_loopback(gateway) else 0


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine, so that no network lies between."""
    host = urlsplit(url).hostname or ""
    return is_this_machine(host) or host.endswith(".localhost")
