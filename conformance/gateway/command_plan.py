"""The cases of one command, area by area: each with an id, a payload and headers of its own.

Each negative area begins with its positive twin: the same kind of request, as it should be. Requests whose history
matters are in `conformance.gateway.sequences`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from conformance.contract.command import Command, Key
from conformance.gateway.request_templates import ordinary_headers
from conformance.gateway.settings import Settings
from conformance.model.traffic import Case, Headers, Kind, Request
from conformance.payloads.addressees import Addressees
from conformance.payloads.invalid import broken_payloads, open_payloads
from conformance.payloads.json_defects import malformed_bodies, open_bodies
from conformance.payloads.members import PLAIN, amount_of, aspect_of, cheap_amounts, recipient_of
from conformance.payloads.probes import credential_probes, header_probes, method_probes, unknown_commands
from conformance.payloads.valid import ValidPayload, encoded, fresh_payloads, valid_payloads

Group = tuple[Case, ...]

# Independent cases that follow each other on one connection.
GROUP_SIZE = 8

NEGATIVE = frozenset({Kind.BROKEN, Kind.MALFORMED, Kind.CREDENTIAL, Kind.METHOD, Kind.UNKNOWN_COMMAND})


def in_order(*cases: Case) -> Group:
    """One group of cases, named after its first."""
    return tuple(replace(case, group=cases[0].id) for case in cases)


def seed_for(seed: int, *purpose: str) -> int:
    """A seed of its own for each purpose, so that more of one kind does not change the others."""
    digest = hashlib.sha256("/".join((str(seed), *purpose)).encode()).digest()
    return int.from_bytes(digest[:8])


class CommandPlan:
    """Makes the cases of one command; `headers` are those that the plan has so far, each once; `taken` as in `Plan`."""

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

    def seed(self, purpose: str) -> int:
        """The seed for one purpose of this command."""
        return seed_for(self.settings.seed, self.command.folder, purpose)

    def _restocked(self) -> Iterator[ValidPayload]:
        """Payloads that no case has yet, without end."""
        taken = list(self.valid)
        # A run of another extent must send some that this one does not; see `Settings.extent`.
        purpose = "stock" if self.command.window is None else f"stock for {self.settings.extent}"
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

    def fresh(self) -> ValidPayload:
        """A valid payload that no other case of the run has, and an ordinary one: no case shall fail for it."""
        harmless = (payload for payload in self._stock if self.addressees.harms_nobody(payload.body))
        return next(map(self._cheaper, (payload for payload in harmless if self.claim(payload.members))))

    def _cheaper(self, payload: ValidPayload) -> ValidPayload:
        """The payload with one of the smallest amounts, if the run has a limit to spend."""
        if self.settings.limits.max_spend is None or self.amount is None or self.amount not in payload.members:
            return payload
        amounts = cheap_amounts(self.contract)
        for step in range(self._cheap, self._cheap + len(amounts)):
            members = {**payload.members, self.amount: str(amounts[step % len(amounts)])}
            if self.claim(members):
                # In turn, so that notifications of different transactions differ.
                self._cheap = step + 1 if self.command.window is None else 0
                return ValidPayload(payload.aspect, encoded(members, ascii_only=True), members)
        return payload

    def claim(self, members: Mapping[str, Any]) -> bool:
        """Take a payload made from others for a case of its own; False if a window may confuse it with another."""
        if self.command.window is None:
            return True
        key = self._key(members)
        free = key not in self._keys
        self._keys.add(key)
        return free

    def _key(self, members: Mapping[str, Any]) -> Key | None:
        """The key by which a window refuses similar requests."""
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
        """A lawful request beside negative cases."""
        twin = self.case(Kind.VALID, PLAIN, self.fresh().body)
        self.reference = self.reference or twin.id
        return twin


# --- Areas


def _in_parts(*cases: Case) -> Iterator[Group]:
    """Groups of at most GROUP_SIZE; the first begins with the twin, if there is one."""
    for start in range(0, len(cases), GROUP_SIZE):
        yield in_order(*cases[start : start + GROUP_SIZE])


def valid_cases(plan: CommandPlan) -> Iterator[Group]:
    """Every valid payload, each on its own."""
    for payload in plan.valid:
        yield (plan.case(Kind.VALID, _labelled(plan, payload), payload.body),)


def _labelled(plan: CommandPlan, payload: ValidPayload) -> str:
    """The aspect of a payload, or that of its content; of a text with line breaks, the breaks and not the script."""
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
