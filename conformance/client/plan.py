"""Every call of a certification, from one seed, and the time that each may take.

Nonces and ids of messages do not give away the expected outcome. Whatever the client sends, the witness plays the
call's scenario and refuses nothing: so one mistake in sending does not hide all others. The rules judge the requests.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from random import Random

from conformance.client.settings import DEFAULT_TIMEOUT_S, ClientSettings
from conformance.client.witness import OPENING, SENDING, played, says_accepted
from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.contract.requirements import ACCEPTED
from conformance.contract.tables import ScenarioRow
from conformance.mock.account import Account
from conformance.mock.behaviour import Reply
from conformance.mock.gateway import Gateway
from conformance.model.errors import SuiteError
from conformance.model.traffic import Case, Kind, Request
from conformance.payloads.members import Constraints
from conformance.payloads.valid import ValidPayload, fresh_payloads, valid_payloads

FIRST, AGAIN = "first", "first again"
"""Aspects of the first call, and of its repetition at the end."""

NONCE_BYTES = 8

TELLING_TEXTS: Mapping[str, str] = {
    "latin-1": "Señor Ñandú pays £5 for a crème brûlée à la carte",
    "html": '<b>Tom & Jerry\'s "offer"</b> &amp; more &lt; 5',
    "url": "a+b=c&d=100%20%25?e#f;g/h",
    "escapes": 'C:\\new\\table \\u0041 \\\\ "quoted" {"a": [1]}',
    "shell": "$HOME `id` $(id) 'single' !! ~ * | > /dev/null",
    "template": "{0} {name} %s %(x)s ${x} {{y}} #{z}",
    "blanks": "  two before,  two within, two after  ",
    "decomposed": "Cafe\u0301 and Café, \ufb01 and fi",
    "joined": "👩‍👩‍👧‍👦 🇰🇪 👍🏾 ✈️",
    "separators": "one\u2028two\u2029three\u00a0four\u200bfive",
    "right-to-left": "שלום, مرحبا 254",
    "digits": "0012345678901234567890",
    "zero": "0",
    "words": "null",
    "typographic": "“Karibu” – it’s \u2018ours’ … €5 • ½ off ™ «ndiyo» non\u2011breaking",
    "extension of GSM": "^{}\\[~]|€ are two septets each",
    "ends of lines": "\nbefore and after\r\n",
}
"""Texts that some clients change on their way into JSON; each has its own call."""

TELLING_NAMES: Mapping[str, str] = {
    "leading zeros": "001234",
    "exponent": "12e5",
    "zero": "0",
    "true": "true",
}
"""The same for members that name something, such as a short code, where the schema allows them."""

# Accepted calls between two failing ones, where there are as many. Most circuit breakers open when half of the last
# calls failed.
MOST_BETWEEN = 2

_LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def account_of(seed: int, contract: Contract) -> Account:
    """The client's account, made up from the seed; its credential in base64 has a + and a /, which URLs lack."""
    chance = Random(f"{seed}/credential")
    while True:
        key = "".join(chance.choices(_LETTERS, k=32))
        secret = "".join(chance.choices(f"{_LETTERS}~?>", k=40))
        encoded = b64encode(f"{key}:{secret}".encode()).decode()
        if "+" in encoded and "/" in encoded:
            return Account(key, secret, contract=contract)


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call of the client; `case.request`: the request of a lawful client, without headers.

    `opening`: the call directly before it at the same base URL, if any, to leave a connection open.
    """

    contract: Contract
    case: Case
    scenario: ScenarioRow
    nonce: str
    message_id: str
    params: Mapping[str, str]
    opening: PlannedCall | None = None

    @property
    def in_order(self) -> tuple[PlannedCall, ...]:
        """The opening, if there is one, and the call."""
        return (self,) if self.opening is None else (self.opening, self)

    @property
    def command(self) -> Command:
        """The command."""
        return self.contract.commands[self.case.command or ""]

    @property
    def troubles(self) -> bool:
        """Whether the first answer is not an acceptance."""
        return not says_accepted(_first_reply(self.scenario, self.command, self.contract), self.contract)

    @property
    def waits(self) -> bool:
        """Whether the client has to give up by itself."""
        return _first_reply(self.scenario, self.command, self.contract).ending.stays_open


class Cases:
    """Makes the calls of a certification, each with its own number, nonce and ids. `url`: the witness's."""

    def __init__(self, contract: Contract, seed: int, url: str) -> None:
        self.contract = contract
        self._seed = seed
        self._url = url
        self._count = 0

    def name(self, purpose: str) -> str:
        """The seed's next name for `purpose` in hexadecimal digits; all differ."""
        self._count += 1
        return blake2b(f"{self._seed}/{purpose}/{self._count}".encode(), digest_size=NONCE_BYTES).hexdigest()

    def call(
        self,
        command: str,
        scenario: ScenarioRow,
        aspect: str,
        params: Mapping[str, str],
        opening: PlannedCall | None = None,
    ) -> PlannedCall:
        """A call of `command`, to meet `scenario`; at the base URL of `opening`, if there is one."""
        nonce = self.name("nonce") if opening is None else opening.nonce
        method = self.contract.commands[command].method
        body = b"" if method == "GET" else json.dumps(params, ensure_ascii=False).encode()
        url = f"{self._url}/n/{nonce}{self.contract.base_path}/{command}"
        case_id = f"{command}/{aspect.replace(' ', '-')}/{self._count}"
        case = Case(case_id, command, Kind.INVOKE, aspect, case_id, Request(method, url, (), body))
        return PlannedCall(self.contract, case, scenario, nonce, self.name("message"), dict(params), opening)


def calls_of(
    cases: Cases, commands: Sequence[str], max_examples: int, seed: int, lacks: Collection[str] = ()
) -> list[PlannedCall]:
    """All calls of a certification but the last, in their order; none without commands.

    Openings are with their calls (`PlannedCall.in_order`). No call has an optional member that the client `lacks`.
    Calls whose requests may be repeated come early, so that the others are made while the witness watches.
    """
    asked = [cases.contract.commands[name] for name in commands]
    calls = [
        call
        for command in asked
        for call in _calls_of(cases, command, max_examples, seed, lacks, _scenarios_of(command, asked, cases.contract))
    ]
    if not calls:
        return []
    first = replace(calls[0], case=replace(calls[0].case, aspect=FIRST))
    watched_first = sorted(calls[1:], key=lambda call: (not call.scenario.watched, not call.command.moves_money))
    return [first, *spread(watched_first)]


def spread(calls: Iterable[PlannedCall]) -> list[PlannedCall]:
    """The calls with the failing ones one by one among the others, both in their own order.

    A circuit breaker opens after some failures in a row, or when too many of its last calls have failed, and then the
    client sends nothing.
    """
    troubled: list[PlannedCall] = []
    others: list[PlannedCall] = []
    for call in calls:
        (troubled if call.troubles else others).append(call)
    if not troubled:
        return others
    ordered: list[PlannedCall] = []
    taken = 0
    for number, call in enumerate(troubled, start=1):
        due = min(MOST_BETWEEN * number, number * len(others) // len(troubled))
        ordered += [*others[taken:due], call]
        taken = due
    return [*ordered, *others[taken:]]


@cache
def _first_reply(scenario: ScenarioRow, command: Command, contract: Contract) -> Reply:
    """The first answer of a gateway in that scenario."""
    behaviour = played(scenario, "0", "http://localhost", DEFAULT_TIMEOUT_S)
    gateway = Gateway(Account.sample(contract=contract), behaviour, 0)
    body = b""
    if command.method != "GET":
        body = json.dumps(contract.schemas.resolved(f"{command.folder}/request")["examples"][0]).encode()
    request = Request(command.method, f"{contract.base_path}/{command.name}", (), body)
    return gateway.answer(request, 0.0).reply


def again(cases: Cases, first: PlannedCall) -> PlannedCall:
    """The last call, which repeats the first one."""
    call = cases.call(first.case.command or "", first.scenario, AGAIN, first.params)
    return replace(call, case=replace(call.case, earlier=first.case.id))


def _scenarios_of(command: Command, commands: Sequence[Command], contract: Contract) -> list[ScenarioRow]:
    """The scenarios of a command whose accepting answer, if any, is valid by the contract, which may restrict ids.

    Scenarios that are played once belong to a payment, if the client makes any, where most is at stake. A GET may be
    sent again whenever its connection dies.
    """

    def is_lawful(reply: Reply) -> bool:
        return not says_accepted(reply, contract) or not contract.schemas.violation(ACCEPTED, reply.content)

    dearest = max(reversed(commands), key=lambda each: (each.moves_money, each.method != "GET"))
    return [
        each
        for each in contract.behaviours.scenarios
        if (command == dearest or not each.once)
        and (command.method != "GET" or not each.reuses)
        and (command.moves_money or not each.for_payments)
        and is_lawful(_first_reply(each, command, contract))
    ]


def _calls_of(  # noqa: PLR0913, PLR0917 - each is a setting of its own
    cases: Cases,
    command: Command,
    max_examples: int,
    seed: int,
    lacks: Collection[str],
    scenarios: Sequence[ScenarioRow],
) -> Iterator[PlannedCall]:
    payloads = valid_payloads(cases.contract, command, Constraints(), max_examples, seed)
    made: list[Mapping[str, str]] = []
    asked = [(payload.aspect, params_of(payload, lacks)) for payload in payloads]
    for aspect, params in (*asked, *_telling(command, asked[0][1], lacks, cases.contract)):
        if params not in made:  # two may differ only in members that the client lacks
            made.append(params)
            yield cases.call(command.name, SENDING, aspect, params)
    wanted = len(scenarios) + sum(scenario.reuses for scenario in scenarios)
    fresh = fresh_payloads(cases.contract, command, Constraints(), wanted, seed, payloads)
    others = iter([params_of(payload, lacks) for payload in fresh])
    for scenario in scenarios:
        opening = cases.call(command.name, OPENING, OPENING.name, next(others)) if scenario.reuses else None
        yield cases.call(command.name, scenario, scenario.name, next(others), opening)


def params_of(payload: ValidPayload, lacks: Collection[str]) -> dict[str, str]:
    """The parameters of a call of a client that `lacks` some members."""
    return {name: str(value) for name, value in payload.members.items() if name not in lacks}


def _telling(
    command: Command, sample: Mapping[str, str], lacks: Collection[str], contract: Contract
) -> Iterator[tuple[str, dict[str, str]]]:
    """The sample with each telling text in each member that may hold any text; names likewise."""
    rules = contract.schemas.resolved(command.request_schema).get("properties", {})
    for member, rule in ((member, rule) for member, rule in rules.items() if member not in lacks):
        is_text = "x-characters" in rule
        for aspect, text in (TELLING_TEXTS if is_text else TELLING_NAMES).items():
            params = {**sample, member: text}
            broken = contract.schemas.violation(command.request_schema, params)
            if broken and is_text:
                raise SuiteError(f"the {aspect} text of {command.name} is not valid: {broken.message}")
            if not broken:
                yield aspect, params


# --- The time for each call

# Time to give up for a client whose time-out cannot be set (interfaces, "Driver protocol").
OWN_TIMEOUT_S = 90.0

# A request without an answer is held open for these time-outs and seconds, for a busy machine and for time-outs in
# whole seconds. A client that has not given up by then waits for ever.
HELD_TIMEOUTS, HELD_AFTER_S = 2, 1.0

# Once a client has waited for ever, it gets this beyond its time-out where it would do so again, or where there is
# nothing to wait for; after the second time less.
AFTER_A_HANG_S = 3.0
AFTER_HANGS_S = 1.0

# Where it may lawfully wait and ask again it gets more, but not for ever.
AFTER_HANGS_IN_TROUBLE_S = 5.0

# A client that has waited for its whole time-out once gets half of it where it would do so again, but not less than
# this: enough to send a request on a busy machine.
SHORTEST_TIMEOUT_S = 0.5

# After this number of calls that took their whole time-out and never became a request, the rest fail sooner.
SLOW_LOSSES = 3

# In the second half of the time, slow calls come last. A fifth is reserved for receivers; without any, enough for the
# first call again.
HURRIES_AT = 0.5
RESERVED_FOR_RECEIVERS = 0.2
RESERVED = 0.05


class OutOfTime(Exception):
    """The time that a certification may take is used up."""


@dataclass(slots=True)
class Patience:
    """The time for calls, which is shorter for a client that has waited for ever before.

    `lacks`: the features that the client's API does not expose.
    """

    settings: ClientSettings
    lacks: Collection[str] = ()
    begun: float = field(default_factory=time.monotonic)
    _hung: list[str] = field(default_factory=list)
    _waited: set[str] = field(default_factory=set)
    _longest_s: dict[str, float] = field(default_factory=dict)
    _slow_losses: int = 0

    @property
    def hurries(self) -> bool:
        """Whether the time is getting short."""
        return self.left_s < HURRIES_AT * self.settings.within_s

    def expects_s(self, call: PlannedCall) -> float:
        """The expected time of a call: the longest of its scenario."""
        return self._longest_s.get(call.scenario.name, 0.0)

    def spares(self, call: PlannedCall, *, receives: bool) -> bool:
        """Whether there is time for a call and the parts after the calls, with receivers if the client `receives`."""
        reserved = RESERVED_FOR_RECEIVERS if receives else RESERVED
        return self.left_s - self.expects_s(call) > reserved * self.settings.within_s

    @property
    def left_s(self) -> float:
        """The rest of the certification's time. Raises OutOfTime if there is none."""
        left = self.begun + self.settings.within_s - time.monotonic()
        if left <= 0:
            raise self.out_of_time
        return left

    @property
    def out_of_time(self) -> OutOfTime:
        """To be raised when no time is left."""
        return OutOfTime(f"the {self.settings.within_s:g} s for calls were used up; with --product there are fewer")

    def timeout_s(self, call: PlannedCall) -> float:
        """The client's time-out for a call."""
        whole = self.settings.timeout_s
        if call.scenario.name in self._waited:
            return max(whole / 2, min(whole, SHORTEST_TIMEOUT_S))
        if not call.troubles and self._slow_losses >= SLOW_LOSSES:
            return min(whole, SHORTEST_TIMEOUT_S)
        return whole

    def holds_s(self, call: PlannedCall) -> float:
        """The time after which the connection of a client that waits for the end of an answer is closed."""
        if "timeout" in self.lacks:
            return OWN_TIMEOUT_S
        return HELD_TIMEOUTS * self.timeout_s(call) + HELD_AFTER_S

    def allows_s(self, call: PlannedCall) -> float:
        """The driver's time for a call, if the certification had no end."""
        hangs, more_s = len(self._hung), self.settings.patience_s
        if call.waits and "timeout" in self.lacks:
            return OWN_TIMEOUT_S + more_s
        if hangs and (call.waits or not call.troubles or call.scenario.name in self._hung):
            more_s = min(more_s, AFTER_A_HANG_S if hangs == 1 else AFTER_HANGS_S)
        elif hangs > 1:
            more_s = min(more_s, AFTER_HANGS_IN_TROUBLE_S)
        return self.timeout_s(call) + more_s

    def took(self, call: PlannedCall, seconds: float, *, sent: bool) -> None:
        """Note the time of a call; `sent`: it led to a request."""
        self._longest_s[call.scenario.name] = max(seconds, self.expects_s(call))
        if seconds < 0.9 * self.timeout_s(call):
            return
        if not sent:
            self._slow_losses += 1
        elif call.waits:
            self._waited.add(call.scenario.name)

    def hung(self, call: PlannedCall) -> None:
        """Note that the client did not answer at all."""
        self._longest_s[call.scenario.name] = self.allows_s(call)
        self._hung.append(call.scenario.name)
        if call.waits:
            self._waited.add(call.scenario.name)
