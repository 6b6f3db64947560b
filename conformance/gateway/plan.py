"""The plan of a run: all its requests, before anything is sent.

The same settings give the same bytes. Each negative area begins with its positive twin: the same kind of request, as it
should be. Where a command has an idempotency window, every request that should be judged on its own has a payload of
its own, so that no refusal is mistaken for another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from conformance.contract.command import Key
from conformance.contract.contract import Contract
from conformance.gateway.case_files import CASES, CORPUS
from conformance.gateway.command_plan import CommandPlan, Group, in_order
from conformance.gateway.corpus import placed
from conformance.gateway.selection import GROUP_SIZE, selected
from conformance.gateway.sequences import across, balance, sequences
from conformance.gateway.settings import Settings
from conformance.model.errors import UsageError
from conformance.model.traffic import Case, Headers, Kind
from conformance.payloads.addressees import GIVEN_BY, Addressees
from conformance.payloads.invalid import broken_payloads, open_payloads
from conformance.payloads.json_defects import malformed_bodies, open_bodies
from conformance.payloads.members import PLAIN, aspect_of
from conformance.payloads.probes import credential_probes, header_probes, method_probes, unknown_commands
from conformance.payloads.valid import ValidPayload


@dataclass(frozen=True, slots=True)
class Plan:
    """The groups of a run: cases of a group are sent in order, groups side by side, after those that are sent `alone`.

    `last` are those that are sent when all others are answered. `left_out`: the ids that the cases of files would have
    that are not sent → why. `beyond_limits`: the option that keeps cases out → how many; with given phone numbers, also
    those in which a gateway might find another number.
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

        `taken`: the keys (`Window.key`) of earlier requests, which a window might confuse with those of the plan.
        Raises UsageError if the phone numbers given do not suffice for payloads that a window does not confuse, and if
        of the case files that alone are to be sent none can be.
        """
        # Nearly all cases have the same headers, which are there once.
        headers: dict[Headers, Headers] = {}
        addressees = Addressees.of(settings.contract, settings.constraints, base_url)
        commands = map(settings.contract.commands.__getitem__, settings.commands)
        plans = [CommandPlan(command, settings, base_url, headers, taken) for command in commands]
        if settings.cases is not None:
            only, left_out = placed(settings.cases.files, CASES, plans, ())
            if not only:
                why = next((f"{name}: {reason}" for name, reason in left_out.items()), "none is for its products")
                raise UsageError(f"--cases {settings.cases.path} holds no case that this run can send ({why})")
            # The words in which a gateway refuses a repeat show a lawful refusal of these cases, sent again too soon.
            valid = {case.command for group in only for case in group if case.kind is Kind.VALID}
            windowed = [plan for plan in plans if plan.command.window is not None and plan.command.name in valid]
            return cls._within(
                settings, addressees, (), (*only, *chain.from_iterable(map(repeats, windowed))), left_out
            )
        areas = [list(chain.from_iterable(area(plan) for area in AREAS)) for plan in plans]
        areas += [[unknown_paths(plans[0])], list(across(plans))]
        # A group of each command in turn, so that all are under way from the start.
        generated = tuple(filter(None, chain.from_iterable(zip_longest(*areas, fillvalue=()))))
        # On an account that others use as well, a balance shows nothing.
        alone = tuple(balance(plans)) if settings.exclusive_account or settings.gateway is None else ()
        # Drawn last, sent first: the generated cases are the same with a corpus and without.
        corpus = settings.corpus.files if settings.corpus is not None else ()
        first, left_out = placed(corpus, CORPUS, plans, chain.from_iterable((*alone, *generated)))
        return cls._within(settings, addressees, alone, (*first, *generated), left_out)

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

    @property
    def all_groups(self) -> tuple[Group, ...]:
        """All groups, in the order of their sending."""
        return (*self.alone, *self.groups, *self.last)

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases, group after group."""
        return tuple(chain.from_iterable(self.all_groups))


def _in_parts(*cases: Case) -> Iterator[Group]:
    """Groups of at most GROUP_SIZE; the first begins with the twin, if there is one."""
    for start in range(0, len(cases), GROUP_SIZE):
        yield in_order(*cases[start : start + GROUP_SIZE])


def valid_cases(plan: CommandPlan) -> Iterator[Group]:
    """Every valid payload, each on its own."""
    for payload in plan.valid:
        yield (plan.case(Kind.VALID, _labelled(plan, payload), payload.body),)


def _labelled(plan: CommandPlan, payload: ValidPayload) -> str:
    """The payload's aspect, or that of its content, where line breaks count more than the script around them."""
    content = aspect_of(plan.contract, plan.command, payload.members)
    if payload.aspect in (PLAIN, "class") or (payload.aspect == "unicode" and content == "line-breaks"):
        return content
    return payload.aspect


def lawful_headers(plan: CommandPlan) -> Iterator[Group]:
    """Headers that change nothing."""
    for aspect, changes in header_probes(plan.contract, Kind.HEADERS, plan.command.method):
        yield (plan.case(Kind.HEADERS, aspect, plan.fresh().body, headers=plan.headers(changes)),)


def repeats(plan: CommandPlan) -> Iterator[Group]:
    """A request and the same once more."""
    first = plan.twin()
    aspect = "equal" if plan.command.window is None else "window"
    yield in_order(first, plan.case(Kind.REPEAT, aspect, first.request.body, earlier=first.id))


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
    """Bodies that are not a JSON object, and JSON that is not declared as such; each from a payload of its own."""
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
    """Payloads and bodies that the contract neither accepts nor refuses."""
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


def unknown_paths(plan: CommandPlan) -> Group:
    """Requests for unknown commands; the positive twin is a request for this one."""
    twin = plan.twin()
    cases = [
        plan.case(
            Kind.UNKNOWN_COMMAND,
            probe.aspect,
            plan.fresh().body if probe.method == "POST" else b"",
            method=probe.method,
            url=f"{plan.base_url}/{probe.path}",
            command=None,
            twin=twin.id,
        )
        for probe in unknown_commands(plan.contract)
    ]
    return in_order(twin, *cases)


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
