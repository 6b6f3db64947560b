"""Runs through a network that fails, against mock gateways of the test's own.

held_through    holds a run; the path of its journal
told            each verdict of a judged run that is no PASS, by requirement and command
Cut             cuts a network off while a run goes on, and has it work again
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaigns import free_address, settings
from failing_network import FailingNetwork, Weather

from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.gateway.settings import RunLimits, Settings
from conformance.judging.verdicts import Judged, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.mock.serving import serve_mock
from conformance.model.process import Silent
from conformance.wire.listening import Address

FAIR = Weather()
# More than any window meets, so that what got lost can be planned anew.
PHONE_NUMBERS = tuple(f"2547110{number:05}" for number in range(100, 140))
# Beyond this machine a run has limits; these are none.
UNLIMITED = RunLimits(max_accepted=10_000, max_spend=10_000_000, rate_per_s=10_000.0)


@dataclass
class Through:
    """A run that was held: its journal, what happened on the way there and back.

    `delivered`: how many notifications the gateway was told were taken.
    """

    journal: Path
    there: Mapping[str, int] = field(default_factory=dict)
    back: Mapping[str, int] = field(default_factory=dict)
    delivered: int = 0


def held_through(  # noqa: PLR0913 - what may differ
    directory: Path,
    there: Weather = FAIR,
    back: Weather = FAIR,
    behaviour: Behaviour = BUILT_IN,
    *,
    seed: int = 1,
    hold: Callable[[Settings, FailingNetwork, FailingNetwork], Path] = lambda given, *_: campaign.run(given),
    **changes: Any,
) -> Through:
    """A run whose requests go through one such network and whose notifications come through another.

    `hold` is given the settings and both of them, there and back.
    """
    listen = free_address()
    with ExitStack() as stack:
        way_back = stack.enter_context(FailingNetwork(listen, back, seed))
        token = f"?token={changes['callback_token']}" if "callback_token" in changes else ""
        account = Account.sample(
            {product: f"{way_back.url}/callbacks/{product}{token}" for product in statum().products}
        )
        server = stack.enter_context(serve_mock(account, behaviour, seed=1))
        host, _, rest = server.url.removeprefix("http://").partition("/")
        way_there = stack.enter_context(FailingNetwork(Address.parse(host), there, seed + 1))
        given = {
            "gateway": f"{way_there.url}/{rest}",
            "callback_listen": listen,
            "callback_url": way_back.url,
            "consumer_key": account.consumer_key,
            "consumer_secret": account.consumer_secret,
            "phone_numbers": PHONE_NUMBERS,
            "limits": UNLIMITED,
            "over_network": True,
            "products": ("sms", "airtime"),
        }
        journal = hold(settings(directory, **{**given, **changes}), way_there, way_back)
        return Through(journal, way_there.happened, way_back.happened, server.courier.delivered)


def told(judgement: Judged) -> dict[tuple[str, str | None], Verdict]:
    """Each verdict that is no PASS."""
    return {(v.requirement.id, v.command): v.verdict for v in judgement.verdicts if v.verdict is not Verdict.PASS}


class Cut(Silent):
    """Has `network` let nothing through between so many answers and so many."""

    def __init__(self, network: FailingNetwork, begin: int, end: int) -> None:
        self._network, self._begin, self._end = network, begin, end
        self._fair = network.weather

    def exchanged(self, done: int, planned: int) -> None:  # noqa: ARG002 - the protocol's
        """Some answers are there."""
        if done == self._begin:
            self._network.weather = Weather(dropped=1.0)
        elif done == self._end:
            self._network.weather = self._fair
