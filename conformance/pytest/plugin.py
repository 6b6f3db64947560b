"""The pytest plugin: the options of the suite, and the `callback_server` fixture for people's own tests.

It is loaded into every pytest session of an environment that the suite is installed in, so it is light, and its options
(`--gateway`, `--seed`, … as for `statum-conformance run`) exist only where the suite is asked for:

    pytest --pyargs conformance.pytest --gateway http://127.0.0.1:9000/api/v2

Under pytest-xdist (`-n 4`) the processes share one campaign: see `conformance.pytest.session`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conformance.wire.callback_server import CallbackServer

SUITE = "conformance.pytest"
SESSION = "conformance.pytest.session"
HERE = Path(__file__).resolve().parent
GROUP = "statum-conformance"


@dataclass(frozen=True, slots=True)
class Option:
    """An option of `run`, as pytest takes it: a value, several of them, or a flag.

    `of_pytest`: pytest has a flag of that name itself, which then means both.
    """

    name: str
    metavar: str | None
    several: bool = False
    of_pytest: bool = False

    @property
    def dest(self) -> str:
        """Under which name pytest keeps its value; no other plugin's."""
        if self.of_pytest:
            return self.name.lstrip("-")
        return "statum_" + self.name.lstrip("-").replace("-", "_")


# Those of `statum-conformance run`, which tells what each means; a test compares the two. But for those about a
# certificate, which is of a whole run: in a session of pytest anything may be left out.
OPTIONS = (
    Option("--gateway", "URL"),
    Option("--over-network", None),
    Option("--no-network", None),
    Option("--consumer-key", "KEY"),
    Option("--consumer-secret", "SECRET"),
    Option("--consumer-secret-file", "FILE"),
    Option("--ca-file", "FILE"),
    Option("--netrc", "FILE"),
    Option("--credential-for", "URL", several=True),
    Option("--redact", "VALUE", several=True),
    Option("--contract", "DIR"),
    Option("--sender-id", "ID", several=True),
    Option("--short-code", "CODE", several=True),
    Option("--phone-number", "NUMBER", several=True),
    Option("--exclusive-account", None),
    Option("--shared-account", None),
    Option("--callback-listen", "HOST:PORT"),
    Option("--callback-url", "URL"),
    Option("--callback-token", "TOKEN"),
    Option("--callback-tls-cert", "FILE"),
    Option("--callback-tls-key", "FILE"),
    Option("--callback-path", "PRODUCT=PRODUCT", several=True),
    Option("--notify-within", "SECONDS"),
    Option("--product", "NAME", several=True),
    Option("--max-examples", "N"),
    Option("--seed", "N"),
    Option("--shrink-requests", "N"),
    Option("--max-accepted", "N"),
    Option("--max-spend", "AMOUNT"),
    Option("--rate", "N"),
    Option("--concurrency", "N"),
    Option("--connect-timeout", "SECONDS"),
    Option("--read-timeout", "SECONDS"),
    Option("--corpus", "DIR"),
    Option("--cases", "FILE"),
    Option("--save-corpus", "DIR"),
    Option("--expectations", "FILE"),
    Option("--strict", None, of_pytest=True),
    Option("--report-dir", "DIR"),
    Option("--env", "NAME"),
    Option("--show-phone-numbers", None),
    Option("--catalogue-url", "URL"),
)


def add_options(parser: pytest.Parser) -> None:
    """Add the suite's options, once."""
    group = parser.getgroup(GROUP, "conformance of a Statum-style gateway (see: statum-conformance run --help)")
    if group.options:
        return
    for option in OPTIONS:
        if option.of_pytest:
            continue
        if option.metavar is None:
            group.addoption(option.name, dest=option.dest, action="store_true", default=False, help="as for `run`")
        else:
            action = "append" if option.several else "store"
            group.addoption(
                option.name, dest=option.dest, action=action, metavar=option.metavar, default=None, help="as for `run`"
            )


def arguments(config: pytest.Config) -> list[str]:
    """The suite's options as they were given to pytest, as arguments for `run`."""
    given: list[str] = []
    for option in OPTIONS:
        value: Any = config.getoption(option.dest, default=None)
        if option.metavar is None:
            given += [option.name] if value else []
        elif value is not None:
            given += [f"{option.name}={each}" for each in (value if option.several else [value])]
    return given


def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Where the suite is among what pytest is to run: add the options, and load what holds the campaign."""
    if any(_asks_for_suite(arg) for arg in args):
        add_options(parser)
        early_config.pluginmanager.import_plugin(SESSION)


def _asks_for_suite(argument: str) -> bool:
    """Whether an argument of pytest names the suite, as a package or as a path."""
    named = argument.partition("::")[0]
    path = Path(named).resolve()
    return named == SUITE or named.startswith(f"{SUITE}.test_") or HERE in (path, path.parent)


@pytest.fixture
def callback_server(pytestconfig: pytest.Config) -> Iterator[CallbackServer]:
    """A callback receiver on a free loopback port, which keeps what arrives and waits for it.

    `callback_server.urls["sms"]` is the address to register, `callback_server.wait_for(request_id)` the notification;
    the products are those of the contract, which --contract or its variable may name.
    """
    from conformance.contract.contract import contract_at  # noqa: PLC0415 - as that
    from conformance.wire.callback_server import CallbackServer  # noqa: PLC0415 - the plugin is light

    folder = pytestconfig.getoption("statum_contract", None) or os.environ.get("STATUM_CONFORMANCE_CONTRACT")
    with CallbackServer(contract=contract_at(Path(folder) if folder else None)) as server:
        yield server
