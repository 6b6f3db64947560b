"""What a run will send, all of it, before anything is sent.

    Plan            the groups of cases, made from one seed; those of case files go first
    CommandPlan     the cases of one command, area by area: `AREAS` is the table of them

The same settings give the same bytes. Each negative area begins with its positive twin: the same kind of request, as it
should be. Where a command has an idempotency window, every request that should be judged on its own has a payload of
its own, so that no refusal is mistaken for another.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

from conformance import __version__
from conformance.contract.command import Command, Key
from conformance.contract.contract import Contract
from conformance.gateway.corpus import CASES, CORPUS, Ground, Group, in_order, placed
from conformance.gateway.selection import GROUP_SIZE, selected
from conformance.gateway.sequences import across, balance, sequences
from conformance.gateway.settings import Settings
from conformance.model.errors import UsageError
from conformance.model.traffic import Case, Headers, Kind, Request
from conformance.payloads.addressees import GIVEN_BY, Addressees
from conformance.payloads.invalid import broken_payloads, open_payloads
from conformance.payloads.json_defects import malformed_bodies, open_bodies
from conformance.payloads.labels import PLAIN, aspect_of
from conformance.payloads.probes import credential_probes, header_probes, method_probes, unknown_commands
from conformance.payloads.uniqueness import amount_of, cheap_amounts, recipient_of
from conformance.payloads.valid import ValidPayload, encoded, fresh_payloads, valid_payloads

JSON = "application/json"
USER_AGENT = f"statum-conformance/{__version__}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The groups of a run: cases of a group are sent in order, groups side by side, after those that are sent `alone`.

    `last` are those that are sent when all others are answered. `left_out`: the case files that are not sent, by what
    would be their case's id, and why. `beyond_limits`: how many cases are not, by the option that keeps them out; of
    given phone numbers, where a gateway might find another one in them.
    """

    contract: Contract = field(repr=False)
    groups: tuple[Group, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    alone: tuple[Group, ...] = ()
    last: tuple[Group, ...] = ()
    beyond_limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, base_url: str, taken: Collection[Key] = ()) -> Plan:
        """Plan a run against the gateway at `base_url`, within the limits that hold for it.

        `taken`: what a window might have meet others, as `Window.key` has it.
        Raises UsageError if the phone numbers given do not suffice for payloads that a window does not confuse, and if
        of the case files that alone are to be sent none can be.
        """
        # Nearly all cases have the same headers, which are there once.
        headers: dict[Headers, Headers] = {}
        addressees = Addressees.of(settings.contract, settings.constraints, base_url)
        commands = map(settings.contract.commands.__getitem__, settings.commands)
        plans = [CommandPlan(command, settings, base_url, headers, taken) for command in commands]
        if settings.cases is not None:
            only = placed(settings.cases.files, CASES, _ground(settings, plans), ())
            if not only.groups:
                why = next((f"{name}: {reason}" for name, reason in only.left_out.items()), "none is for its products")
                raise UsageError(f"--cases {settings.cases.path} holds no case that this run can send ({why})")
            # In which words a gateway refuses a repeat tells a lawful refusal of these cases, sent again too soon.
            windowed = [p for p in plans if p.command.window_s is not None and _has_valid(only.groups, p.command)]
            return cls._within(settings, addressees, (), (*only.groups, *map(repeated, windowed)), only.left_out)
        generated = cls._generated(plans)
        # On an account that others use as well, a balance says nothing.
        alone = tuple(balance(plans)) if settings.exclusive_account or settings.gateway is None else ()
        # Drawn last, sent first: what is generated is the same with a corpus and without.
        corpus = settings.corpus.files if settings.corpus is not None else ()
        first = placed(corpus, CORPUS, _ground(settings, plans), chain.from_iterable((*alone, *generated)))
        return cls._within(settings, addressees, alone, (*first.groups, *generated), first.left_out)

    @classmethod
    def _within(
        cls,
        settings: Settings,
        addressees: Addressees,
        alone: Sequence[Group],
        groups: Sequence[Group],
        left_out: Mapping[str, str],
    ) -> Plan:
        first, others = (tuple(filter(None, map(addressees.harmless, part))) for part in (alone, groups))
        chosen = selected(settings.contract, first, others, settings.bounds)
        strangers = sum(map(len, (*alone, *groups))) - sum(map(len, (*first, *others)))
        beyond = {**chosen.left_out, **({GIVEN_BY: strangers} if strangers else {})}
        return cls(settings.contract, chosen.groups, left_out, chosen.alone, chosen.last, beyond)

    @staticmethod
    def _generated(plans: Sequence[CommandPlan]) -> tuple[Group, ...]:
        areas = [plan.groups() for plan in plans]
        areas.append(plans[0].unknown_commands())
        areas.append(list(across(plans)))
        # A group of each command in turn, so that all are under way from the start.
        in_turn = chain.from_iterable(zip_longest(*areas, fillvalue=()))
        return tuple(group for group in in_turn if group)

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases, group after group."""
        return tuple(chain.from_iterable((*self.alone, *self.groups, *self.last)))


def _ground(settings: Settings, plans: Sequence[CommandPlan]) -> Ground:
    """What case files are placed on: requests of the run's own come from the commands' plans."""
    by_command = {plan.command.name: plan for plan in plans}
    return Ground(
        settings.contract,
        settings.constraints,
        plans[0].addressees,
        settings.consumer_key,
        settings.consumer_secret,
        plans[0].base_url,
        settings.seed,
        settings.commands,
        plans[0].headers(),
        lambda command: by_command.get(command or "", plans[0]).twin(),
    )


def _has_valid(groups: Iterable[Group], command: Command) -> bool:
    return any(case.command == command.name and case.kind is Kind.VALID for group in groups for case in group)


def ordinary_headers(contract: Contract, credential: str) -> Headers:
    """The headers of a request with nothing unusual in it."""
    return (
        (contract.authentication.header, credential),
        ("Content-Type", JSON),
        ("Accept", JSON),
        ("Accept-Encoding", "gzip"),
        ("User-Agent", USER_AGENT),
    )


def seed_for(seed: int, *purpose: str) -> int:
    """A seed of its own for each purpose, so that more of one kind does not change the others."""
    digest = hashlib.sha256("/".join((str(seed), *purpose)).encode()).digest()
    return int.from_bytes(digest[:8])


class CommandPlan:
    """Plans the cases of one command; `headers` are those that the plan has so far, each once; `taken` as in `Plan`."""

    def __init__(
        self,
        command: Command,
        settings: Settings,
        base_url: str,
        headers: dict[Headers, Headers],
        taken: Collection[Key] = (),
    ) -> None:
        self.contract = settings.contract
        self.command = command
        self.settings = settings
        self.url = f"{base_url.rstrip('/')}/{command.name}"
        self.base_url = base_url.rstrip("/")
        self._right = self.contract.authentication.value(settings.consumer_key, settings.consumer_secret)
        self._numbers: Counter[str] = Counter()
        self._headers = headers
        self.addressees = Addressees.of(self.contract, settings.constraints, base_url)
        self.rules: Mapping[str, Any] = self.contract.schemas.resolved(command.request_schema).get("properties", {})
        self.recipient = recipient_of(self.contract, command)
        self.amount = amount_of(self.contract, command)
        self._cheap = 0
        self.valid = valid_payloads(
            self.contract, command, settings.constraints, settings.max_examples, self.seed("valid")
        )
        self._stock = self._restocked()
        self._keys = {*taken, *(self._key(payload.members) for payload in self.valid)}
        self.valid = [self._cheaper(payload) if payload.aspect == PLAIN else payload for payload in self.valid]
        # The first request that is a positive twin, for those that have none of their own.
        self.reference: str | None = None

    def groups(self) -> list[Group]:
        """All groups of the command, area after area."""
        return list(chain.from_iterable(area(self) for area in AREAS))

    def seed(self, purpose: str) -> int:
        """The seed for one purpose of this command."""
        return seed_for(self.settings.seed, self.command.folder, purpose)

    def _restocked(self) -> Iterator[ValidPayload]:
        """Payloads that nobody has had yet, as many as are asked for."""
        taken = list(self.valid)
        # A run of another extent must send some that this one does not; see `Settings.extent`.
        purpose = "stock" if self.command.window_s is None else f"stock for {self.settings.extent}"
        for batch in range(1_000):
            fresh = fresh_payloads(
                self.contract,
                self.command,
                self.settings.constraints,
                50,
                self.seed(f"{purpose}-{batch}"),
                tuple(taken),
            )
            taken += fresh
            yield from fresh

    @property
    def told_apart_by(self) -> str | None:
        """The last member that a window looks at and that may be any: not whose a request is, nor the account's."""
        asked_for = self.command.window.members[1:] if self.command.window else ()
        free = [name for name in asked_for if name not in self.contract.members.registered]
        return free[-1] if free else None

    def fresh(self) -> ValidPayload:
        """A valid payload that no other case of the run has, with nothing unusual in it.

        What is judged by something else than its payload shall not fail for its payload.
        """
        harmless = (payload for payload in self._stock if self.addressees.harms_nobody(payload.body))
        return next(map(self._cheaper, (payload for payload in harmless if self.claim(payload.members))))

    def _cheaper(self, payload: ValidPayload) -> ValidPayload:
        """The payload with next to nothing for an amount, where it was said how much may be spent."""
        if self.settings.limits.max_spend is None or self.amount is None or self.amount not in payload.members:
            return payload
        amounts = cheap_amounts(self.contract)
        for step in range(self._cheap, self._cheap + len(amounts)):
            members = {**payload.members, self.amount: str(amounts[step % len(amounts)])}
            if self.claim(members):
                # In turn, so that what is told of one transaction is not told of all others as well.
                self._cheap = step + 1 if self.command.window_s is None else 0
                return ValidPayload(payload.aspect, encoded(members, ascii_only=True), members)
        return payload

    def claim(self, members: Mapping[str, Any]) -> bool:
        """Take a payload made from others for a case of its own; False if a window may have it meet another one."""
        if self.command.window is None:
            return True
        key = self._key(members)
        free = key not in self._keys
        self._keys.add(key)
        return free

    def _key(self, members: Mapping[str, Any]) -> Key | None:
        """What a window goes by."""
        return None if self.command.window is None else self.command.window.key(members)

    def headers(self, changes: Mapping[str, str | None] | None = None) -> Headers:
        """The headers of an ordinary request, changed or left out (None) by name."""
        ordinary: dict[str, str | None] = dict(ordinary_headers(self.contract, self._right))
        ordinary |= changes or {}
        headers = tuple((name, value) for name, value in ordinary.items() if value is not None)
        return self._headers.setdefault(headers, headers)

    def case(self, kind: Kind, aspect: str, body: bytes = b"", *, headers: Headers | None = None, **known: Any) -> Case:
        """A case of this command; `known` are further fields of `Case`, and `method` and `url` of its request."""
        label = aspect.replace(":", "-").lower()
        name = f"{self.command.folder}/{kind}/{label}"
        self._numbers[name] += 1
        request = Request(
            known.pop("method", self.command.method),
            known.pop("url", self.url),
            self.headers() if headers is None else headers,
            body,
        )
        command = known.pop("command", self.command.name)
        case_id = f"{name}/{self._numbers[name]}"
        return Case(case_id, command, kind, aspect, case_id, request, **known)

    def twin(self) -> Case:
        """A request as it should be, for the negative cases that it stands beside."""
        twin = self.case(Kind.VALID, PLAIN, self.fresh().body)
        self.reference = self.reference or twin.id
        return twin

    def unknown_commands(self) -> list[Group]:
        """Requests for what is no command; the positive twin is a request for this one."""
        twin = self.twin()
        cases = [
            self.case(
                Kind.UNKNOWN_COMMAND,
                probe.aspect,
                self.fresh().body if probe.method == "POST" else b"",
                method=probe.method,
                url=f"{self.base_url}/{probe.path}",
                command=None,
                twin=twin.id,
            )
            for probe in unknown_commands(self.contract)
        ]
        return [in_order(twin, *cases)]


def _in_parts(*cases: Case) -> Iterator[Group]:
    """Groups of at most GROUP_SIZE; the first begins with the first, which is the twin where there is one."""
    for start in range(0, len(cases), GROUP_SIZE):
        yield in_order(*cases[start : start + GROUP_SIZE])


def valid_cases(plan: CommandPlan) -> Iterator[Group]:
    """Every valid payload, each on its own."""
    for payload in plan.valid:
        yield (plan.case(Kind.VALID, _labelled(plan, payload), payload.body),)


def _labelled(plan: CommandPlan, payload: ValidPayload) -> str:
    """The payload's aspect; else that of its content, in which line breaks say more than the script around them."""
    content = aspect_of(plan.contract, plan.command, payload.members)
    if payload.aspect in (PLAIN, "class") or (payload.aspect == "unicode" and content == "line-breaks"):
        return content
    return payload.aspect


def lawful_headers(plan: CommandPlan) -> Iterator[Group]:
    """Headers that change nothing."""
    for aspect, changes in header_probes(plan.contract, Kind.HEADERS, plan.command.method):
        yield (plan.case(Kind.HEADERS, aspect, plan.fresh().body, headers=plan.headers(changes)),)


def repeats(plan: CommandPlan) -> Iterator[Group]:
    """The same request again."""
    yield repeated(plan)


def repeated(plan: CommandPlan) -> Group:
    """A request and the same once more."""
    first = plan.twin()
    aspect = "equal" if plan.command.window_s is None else "window"
    return in_order(first, plan.case(Kind.REPEAT, aspect, first.request.body, earlier=first.id))


def wrong_credentials(plan: CommandPlan) -> Iterator[Group]:
    """Every wrong credential; then the very request that was refused, with the right one."""
    twin = plan.twin()
    probes = [
        plan.case(
            Kind.CREDENTIAL,
            probe.aspect,
            plan.fresh().body,
            headers=plan.headers({plan.contract.authentication.header: probe.header_value}),
            twin=twin.id,
        )
        for probe in credential_probes(plan.contract, plan.settings.consumer_key, plan.settings.consumer_secret)
    ]
    yield from _in_parts(twin, *probes)
    if plan.command.product is None:
        return
    for row in plan.contract.probes.of(Kind.CREDENTIAL):
        probe = next((case for case in probes if case.aspect == row.aspect), None)
        if row.again is not None and probe is not None:
            headers = probe.request.headers
            refused = plan.case(Kind.CREDENTIAL, row.aspect, plan.fresh().body, headers=headers, twin=twin.id)
            after = plan.case(Kind.REPEAT, row.again, refused.request.body, twin=twin.id, earlier=refused.id)
            yield in_order(refused, after)


def malformed(plan: CommandPlan) -> Iterator[Group]:
    """Bodies that are no JSON object, and JSON that is not declared as such; each from a payload of its own."""
    if plan.command.method == "GET":
        return
    twin = plan.twin()
    cases = []
    for probe in malformed_bodies(plan.contract, lambda: plan.fresh().body):
        headers = plan.headers({"Content-Type": probe.content_type})
        cases.append(
            plan.case(Kind.MALFORMED, probe.aspect, probe.body, headers=headers, keyword=probe.breakage, twin=twin.id)
        )
    for aspect, changes in header_probes(plan.contract, Kind.MALFORMED, plan.command.method):
        headers = plan.headers(changes)
        cases.append(plan.case(Kind.MALFORMED, aspect, plan.fresh().body, headers=headers, twin=twin.id))
    yield from _in_parts(twin, *cases)


def broken(plan: CommandPlan) -> Iterator[Group]:
    """Payloads that break the schema in one place: all systematic ones, and random ones on top."""
    if plan.command.method == "GET":
        return
    base = plan.fresh()
    twin = plan.case(Kind.VALID, PLAIN, base.body)
    extra = plan.settings.max_examples // 2
    harmless = plan.addressees.harms_nobody if plan.settings.phone_numbers else None
    cases = [
        plan.case(
            Kind.BROKEN, payload.aspect, payload.body, member=payload.member, keyword=payload.keyword, twin=twin.id
        )
        for payload in broken_payloads(plan.contract, plan.command, base.members, extra, plan.seed("broken"), harmless)
    ]
    yield from _in_parts(twin, *cases)


def left_open(plan: CommandPlan) -> Iterator[Group]:
    """Payloads and bodies of which the contract does not say whether they are accepted."""
    if plan.command.method == "GET":
        return
    careful = bool(plan.settings.phone_numbers)  # then no number may be reached that was not given
    payloads = open_payloads(plan.contract, plan.command, plan.fresh().members, careful=careful)
    cases = [plan.case(Kind.OPEN, aspect, body) for aspect, body in payloads]
    bodies = open_bodies(plan.contract, plan.command, lambda: plan.fresh().members, careful=careful)
    cases += [plan.case(Kind.OPEN, each.aspect, each.body, keyword=each.breakage) for each in bodies]
    yield from _in_parts(*cases)


def wrong_methods(plan: CommandPlan) -> Iterator[Group]:
    """Methods that the command does not have; GET and DELETE go without a body."""
    twin = plan.twin()
    cases = []
    for aspect, method in method_probes(plan.contract, plan.command):
        body = (plan.fresh().body or b"{}") if method in ("POST", "PUT") else b""
        cases.append(plan.case(Kind.METHOD, aspect, body, method=method, twin=twin.id))
    yield in_order(twin, *cases)


AREAS: Sequence[Callable[[CommandPlan], Iterator[Group]]] = (
    repeats,
    wrong_credentials,
    malformed,
    wrong_methods,
    broken,
    left_open,
    lawful_headers,
    valid_cases,
    sequences,
)
