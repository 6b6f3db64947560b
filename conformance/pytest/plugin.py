"""The pytest plugin: the options of the suite, and two fixtures for people's own tests.

    callback_server     receives notifications
    statum_gateway      the mock gateway, for tests of a client and its webhook

Every pytest session of an environment that has the suite loads it, so it is light, and its options (`--gateway`,
`--seed`, … as for `statum-conformance run`) exist only where the suite is asked for:

    pytest --pyargs conformance.pytest --gateway http://127.0.0.1:9000/api/v2

Under pytest-xdist (`-n 4`) the processes share one campaign: see `conformance.pytest.session`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance import NOT_ON_WINDOWS
from conformance.options import Option, options_of, spelled

if TYPE_CHECKING:
    from conformance.contract.contract import Contract
    from conformance.mock.partner import MockGateway
    from conformance.wire.callback_server import CallbackServer

SUITE = "conformance.pytest"
SESSION = "conformance.pytest.session"
HERE = Path(__file__).resolve().parent
GROUP = "statum-conformance"

# Certificates and plans are of a whole run, and a session of pytest may leave out any part; pytest has its own output.
LEFT_OUT = frozenset({"Certificate", "Plan", "Output"})
# Of commands alone: they write about a whole run.
OF_COMMANDS = frozenset({"write-expectations"})
# A flag of pytest, which means both.
OF_PYTEST = frozenset({"strict"})


def options() -> Iterator[tuple[str, Option]]:
    """The long names of the suite's options, and their rows in the table of options."""
    for option in options_of("run"):
        if option.section not in LEFT_OUT and option.name not in OF_COMMANDS:
            yield from ((name, option) for name in (option.name, option.opposite) if name)


def destination(name: str) -> str:
    """The name by which pytest keeps the value of an option; no other plugin has it."""
    return name if name in OF_PYTEST else "statum_" + name.replace("-", "_")


def add_options(parser: pytest.Parser) -> None:
    """Add the suite's options, once."""
    group = parser.getgroup(GROUP, "conformance of a Statum-style gateway (see: statum-conformance run --help)")
    if group.options:
        return
    for name, option in options():
        if name in OF_PYTEST:
            continue
        attributes: dict[str, Any] = {"action": "store_true", "default": False}
        if not option.is_flag:
            metavar = option.metavar or "VALUE"
            attributes = {"action": "append" if option.repeatable else "store", "metavar": metavar, "default": None}
        group.addoption(f"--{name}", dest=destination(name), help="as for `run`", **attributes)


def arguments(config: pytest.Config) -> list[str]:
    """The suite's options that pytest was given, as arguments for `run`."""
    given = ((name, config.getoption(destination(name), default=None)) for name, _ in options())
    return [argument for name, value in given for argument in spelled(name, value)]


def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Where pytest is to run the suite: add its options, and load the plugin that runs the campaign."""
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
    """A callback receiver on a free loopback port, which keeps notifications and waits for them.

    `callback_server.urls["sms"]` is the address to register, `callback_server.wait_for(request_id)` the notification.
    The products are those of the contract, which --contract or its variable may name.
    """
    contract = _contract(pytestconfig)
    from conformance.wire.callback_server import CallbackServer  # noqa: PLC0415 - the plugin is light

    with CallbackServer(contract=contract) as server:
        yield server


@pytest.fixture
def statum_gateway(pytestconfig: pytest.Config) -> Iterator[MockGateway]:
    """The mock gateway on a free loopback port, fresh for each test, for a client and its webhook.

    `statum_gateway.base_url` and `.credentials` are for the client, `statum_gateway.callbacks["sms"] = url` registers
    the webhook, `statum_gateway.notify(request_id)` notifies it. It notifies by itself only with
    `statum_gateway.automatic = True`. The contract is that of `callback_server`.
    """
    contract = _contract(pytestconfig)
    from conformance.mock.account import Account  # noqa: PLC0415 - the plugin is light
    from conformance.mock.control import controlled  # noqa: PLC0415 - as that
    from conformance.mock.partner import MockGateway  # noqa: PLC0415 - as that

    gateway = MockGateway(Account.sample(contract=contract), automatic=False)
    with controlled(gateway):
        yield gateway
    if errors := gateway.server.errors:
        raise errors[0]


def _contract(config: pytest.Config) -> Contract:
    """The contract that --contract or its variable names; the built-in one by default."""
    if sys.platform == "win32":
        pytest.fail(NOT_ON_WINDOWS, pytrace=False)
    from conformance.contract.contract import contract_at  # noqa: PLC0415 - the plugin is light

    folder = config.getoption("statum_contract", None) or os.environ.get("STATUM_CONFORMANCE_CONTRACT")
    return contract_at(Path(folder) if folder else None)
