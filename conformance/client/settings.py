"""The settings of a certification, checked once."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.client.driver_messages import secrets_of, tokens_in
from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import Focus
from conformance.journal.redaction import check_readable, check_redactable, check_uncommon
from conformance.judging.expectations import Expectations
from conformance.mock.account import Account
from conformance.model.errors import UsageError
from conformance.model.traffic import check_http_url, has_userinfo, shown_url
from conformance.wire.listening import Address

JOURNAL = "journal.sqlite"

SEED_BITS = 32

# Random valid payloads for each command, beside the systematic ones. Each costs the client a call.
DEFAULT_MAX_EXAMPLES = 8

# Long enough for a client on a busy machine, short enough to wait for it once per command.
DEFAULT_TIMEOUT_S = 2.0
LEAST_TIMEOUT_S, MOST_TIMEOUT_S = 0.001, 3600.0
# More calls than anybody waits for.
MOST_EXAMPLES = 100_000
# To observe for longer than a year, leave the option out.
MOST_OBSERVED_S = 365 * 86_400.0

# A request that is sent again within this time of a 500 or a lost answer was sent again at once: people are advised to
# wait 5 to 10 seconds, and nobody can have looked into it in less than two.
DEFAULT_RESEND_WINDOW_S = 2.0

# A request that moves money is not sent again within this time of a 500 or a lost answer: 5 to 10 seconds are advised
# (contract, "Responses").
DEFAULT_ADVISED_DELAY_S = 5.0

# A certification ends within 90 s whatever the client does, so that it fits into a job of CI and nobody takes it for
# stuck. Calls are made for 70 s of them; watching for repeated requests, ending the driver and judging take the rest.
CALLS_WITHIN_S = 70.0

# Each further example may take so long for each command.
EXAMPLE_WITHIN_S = 0.25

# How much longer than its time-out a client may take for a call: time to wait and ask again where that is lawful.
DEFAULT_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The settings of a certification.

    `products`: of the `contract`, by default all. `driver`: the command line that starts a driver. `callback_url`: a
    receiver that is judged without one. `observe`: the address for a client that is run by hand, until `observe_for_s`,
    or `observe_idle_s` after the last request (None: until interrupted). `timeout_s`: the client's for each call;
    `resend_window_s`: a request within this after a lost answer was sent again at once; `advised_delay_s`: the advised
    wait before that; `patience_s`: the client's time beyond its time-out. `expectations`: known failures; `strict`: a
    broken SHOULD counts as a failure. `redact`: values that are never written down. `catalogue_url`: for links in
    reports. `ca_file`: further trusted certificates. `only`: the requirements that are judged, with the calls and
    notifications that they need (see `Focus`); none: all. `failed_by`: the calls by which they failed before. Raises
    UsageError for unusable values.
    """

    driver: str | None = None
    callback_url: str | None = field(default=None, repr=False)
    observe: Address | None = None
    observe_for_s: float | None = None
    observe_idle_s: float | None = None
    products: tuple[str, ...] = ()
    contract: Contract = field(default_factory=statum, repr=False)
    max_examples: int = DEFAULT_MAX_EXAMPLES
    seed: int = field(default_factory=lambda: secrets.randbits(SEED_BITS))
    report_dir: Path = Path("reports")
    timeout_s: float = DEFAULT_TIMEOUT_S
    resend_window_s: float = DEFAULT_RESEND_WINDOW_S
    advised_delay_s: float = DEFAULT_ADVISED_DELAY_S
    patience_s: float = DEFAULT_PATIENCE_S
    expectations: Expectations | None = None
    strict: bool = False
    redact: tuple[str, ...] = field(default=(), repr=False)
    catalogue_url: str | None = None
    ca_file: Path | None = None
    only: tuple[str, ...] = ()
    failed_by: Mapping[tuple[str, str | None], tuple[str, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse unusable values before anything is started."""
        if self.driver is not None:
            program_of(self.driver)
        if self.callback_url is not None:
            check_callback_url(self.callback_url)
        for option, seconds in (("--observe-for", self.observe_for_s), ("--observe-idle", self.observe_idle_s)):
            if seconds is not None and not seconds > 0:
                raise UsageError(f"{option} is {seconds:g}; expected more than 0 seconds")
            if seconds is not None and seconds > MOST_OBSERVED_S:
                raise UsageError(f"{option} is {seconds:g}; expected at most {MOST_OBSERVED_S:g} seconds, a year")
        if self.observe is not None and (self.driver is not None or self.callback_url is not None):
            raise UsageError(
                "--observe watches a client that is run by hand; give it without --driver and --callback-url",
                hint="certify them one after the other",
            )
        products = self.contract.callbacks
        if unknown := [product for product in self.products if product not in products]:
            raise UsageError(f"product {', '.join(unknown)} is not one of {', '.join(products)}")
        object.__setattr__(self, "products", self.products or self.contract.products)
        check_redactable(self.redact, self.contract)
        check_uncommon(self.redact, self.contract)
        check_readable(self.redact, self.recorded(), self.callback_url)
        self._check_numbers()

    def _check_numbers(self) -> None:
        if self.max_examples < 0:
            raise UsageError(f"--max-examples is {self.max_examples}; expected 0 or more")
        if self.max_examples > MOST_EXAMPLES:
            raise UsageError(f"--max-examples is {self.max_examples}; expected at most {MOST_EXAMPLES:,}")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; expected 0 or more")
        if not self.timeout_s > 0:
            raise UsageError(f"--timeout is {self.timeout_s:g}; expected more than 0 seconds")
        if not LEAST_TIMEOUT_S <= self.timeout_s <= MOST_TIMEOUT_S:
            raise UsageError(f"--timeout is {self.timeout_s:g}; expected from 0.001 to 3600 seconds")

    @property
    def commands(self) -> tuple[str, ...]:
        """The names of the commands that are judged."""
        return tuple(command.name for command in self.contract.commands_of(self.products))

    @property
    def focus(self) -> Focus:
        """The requirements that are judged."""
        return replace(Focus.of(self.only), failed_by=self.failed_by)

    @property
    def within_s(self) -> float:
        """The time for all calls together, in proportion to the time-out and the number of examples."""
        further = max(0, self.max_examples - DEFAULT_MAX_EXAMPLES) * len(self.commands)
        return CALLS_WITHIN_S * max(1.0, self.timeout_s / DEFAULT_TIMEOUT_S) + EXAMPLE_WITHIN_S * further

    @property
    def protected(self) -> tuple[str, ...]:
        """The secret values: the user's, and those in URLs and command lines."""
        return (
            *self.redact,
            *secrets_of(self.contract, self.driver or ""),
            *tokens_in(self.contract, self.callback_url or ""),
        )

    def recorded(self) -> Mapping[str, Any]:
        """The settings as a journal records them."""
        return {
            "subject_kind": "client",
            "driver": self.driver,
            "callback_url": self.callback_url,
            "observe": str(self.observe) if self.observe else None,
            "contract": self.contract.recorded(),
            "products": list(self.products),
            "phone_numbers": [],  # those of the calls are made up
            "commands": list(self.commands),
            "max_examples": self.max_examples,
            "seed": self.seed,
            "expectations": self.expectations.recorded() if self.expectations else None,
            "strict": self.strict,
            "timeout_s": self.timeout_s,
            "resend_window_s": self.resend_window_s,
            "advised_delay_s": self.advised_delay_s,
            "patience_s": self.patience_s,
            "catalogue_url": self.catalogue_url,
            **({"only": list(self.only)} if self.only else {}),
        }

    def of_run(self, subject: str, account: Account) -> dict[str, Any]:
        """The settings as a journal records them, with the facts of the run.

        The account is made up, or the sample one: its credential opens nothing outside the run, so it is not secret.
        """
        return {
            **self.recorded(),
            "subject_name": subject,
            "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "credential": {"key": account.consumer_key, "secret": account.consumer_secret},
        }


def check_callback_url(url: str) -> None:
    """Raise UsageError unless `url` is an http or https URL with a host and without a password, which is never sent.

    The message shows neither the password nor the query, which may hold a token.
    """
    if has_userinfo(url):
        raise UsageError(
            f"callback URL {shown_url(url)!r} holds a password, and notifications carry none",
            hint="have the receiver take a token in the query",
        )
    check_http_url(url, "callback URL", "such as http://127.0.0.1:8080/hooks/sms?token=s3cret")


def program_of(command_line: str) -> tuple[str, ...]:
    """The words of a driver's command line, without a shell; the first is a program.

    Raises UsageError for a malformed line, or a program that does not exist or is not executable.
    """
    try:
        words = shlex.split(command_line)
    except ValueError as error:
        raise UsageError(f"driver {command_line!r} is not a command line: {error}") from error
    if not words:
        raise UsageError("--driver is empty; expected a command line", hint="such as --driver 'python driver.py'")
    program = words[0]
    if shutil.which(program) is not None:
        return tuple(words)
    if Path(program).is_dir():
        raise UsageError(f"driver {program} is a directory; expected a program")
    if os.sep in program and Path(program).exists():
        raise UsageError(f"driver {program} is not executable", hint=f"chmod +x {program}, or name what runs it")
    raise UsageError(
        f"driver {program} was not found; expected a program on PATH, or a path to one",
        hint="relative paths are looked up from the current directory",
    )
