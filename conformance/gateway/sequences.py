"""Requests whose history matters, planned before anything is sent: named sequences, walks drawn at random, and bursts.

The model (`conformance.contract.command`) forecasts the outcome of each step, and its label is the model's reason: a
step that no rule concerns is an ordinary valid request. So a walk can take any way, and every step of it is judged. The
seed decides all draws. Each group is small, complete in itself, and begins with a lawful request: where the gateway
refuses that one, an earlier run with the same seed is to blame, and nothing is concluded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from conformance.contract.command import Asked, Flow, History, Outcome, Rule
from conformance.contract.contract import Contract
from conformance.gateway.command_plan import NEGATIVE, CommandPlan, Group, in_order
from conformance.gateway.rules.answers import EQUAL
from conformance.judging.evidence import BALANCE
from conformance.model.traffic import Case, Kind
from conformance.payloads.members import cheap_amounts, near
from conformance.payloads.valid import encoded

Members = Mapping[str, Any]

# Each accepted request may cost money: walks are as short as they can be and still repeat something.
WINDOW_STEPS = 6
REPEATABLE_STEPS = 4
ACROSS_STEPS = 4
# Two requests are enough to be taken for each other.
AT_ONCE = 2
# Of equal ones within a window one is accepted, however many there are. Several bursts of several catch a gateway that
# looks first and writes later. Where a run has limits, it is one burst of two: a gateway may accept them all.
EQUAL_AT_ONCE, EQUAL_BURSTS = 4, 2

# A digit of a phone number that a mask of its middle hides, and one that it shows: the sixth from behind, and the last.
MASKED_DIGIT, SHOWN_DIGIT = -6, -1

# More than any account holds: a gateway that would pay it out must refuse it for lack of funds.
UNAFFORDABLE = "999999999999"

# A byte after the end of its JSON object spoils a request, so that the gateway has to reject it. The payload itself is
# whole, for a gateway that looks at it too soon. No gateway is lenient about that byte.
SPOILT, SPOILT_BY, SPOILT_BREAKAGE = "not-json", b"}", "something behind the end"
SPOILT_IN = 4  # one of so many steps of a walk


def sequences(plan: CommandPlan) -> Iterator[Group]:
    """The groups of one command; none for one without a payload."""
    if plan.command.product is None:
        return
    if plan.command.window is not None:
        yield _similar(plan)
        # Payloads that are similar to each other in part.
        base, *others = _nearly_alike(plan)
        pool = [base, *others, *_to_others(plan, base)][:4]
        yield _walk(plan, WINDOW_STEPS, pool, Random(plan.seed("walk")))
    elif plan.command.repeatable:
        first, second = plan.fresh().members, plan.fresh().members
        yield _walk(plan, REPEATABLE_STEPS, [first, second], Random(plan.seed("walk")))
    yield _burst("same-product", [(plan, members) for members in _at_once(plan)])
    if plan.command.window is not None:
        limited = plan.settings.bounds.any
        for _ in range(1 if limited else EQUAL_BURSTS):
            yield _equal_burst(plan, AT_ONCE if limited else EQUAL_AT_ONCE)


# --- Payloads that no other request has, and similar ones


def _cheap(plan: CommandPlan, recipient: str | None = None) -> Members:
    """A payload that no other request has, of a small amount if any; to that recipient, if one is given."""
    fresh = plan.fresh().members
    members = {**fresh, plan.recipient: recipient} if plan.recipient and recipient else fresh
    if plan.amount is None or plan.amount not in members:
        return members if members is fresh or plan.claim(members) else fresh
    cheap = cheap_amounts(plan.contract)
    amounts = (cheap[(int(fresh[plan.amount]) + step) % len(cheap)] for step in range(len(cheap)))
    return next(filter(plan.claim, ({**members, plan.amount: str(amount)} for amount in amounts)), fresh)


def _nearly_alike(plan: CommandPlan) -> tuple[Members, ...]:
    """Two payloads that differ in the last free member of the window, such as an amount; no other request is like them.

    Only one if the window has no free member but the recipient: values that are registered to the account are not free.
    """
    asked_for = plan.command.window.members[1:] if plan.command.window else ()
    free = [name for name in asked_for if name not in plan.contract.members.registered]
    if not free:
        return (_cheap(plan),)
    last = free[-1]
    while True:
        base = _cheap(plan)
        for value in near(plan.rules[last], base[last]):
            if plan.claim(other := {**base, last: value}):
                return base, other


def _to_others(plan: CommandPlan, base: Members) -> Iterator[Members]:
    """The same to others, if the run may reach any: of phone numbers, first to one that a mask would not tell apart.

    Of given values, whichever there are.
    """
    if plan.command.window is None:
        return
    whose = plan.command.window.members[0]
    value, given = base[whose], plan.settings.constraints.values(plan.contract).get(whose, ())
    if given or whose in plan.contract.members.registered:
        others = [other for other in given if other != value][:2]
    elif whose == plan.recipient:
        others = [_turned(value, at) for at in (MASKED_DIGIT, SHOWN_DIGIT)]
    else:
        others = list(near(plan.rules[whose], value))
    for other in others:
        if plan.claim(members := {**base, whose: other}):
            yield members


def _turned(number: str, at: int) -> str:
    """The phone number with another digit in that place."""
    digits = list(number)
    digits[at] = str((int(digits[at]) + 5) % 10)
    return "".join(digits)


def _at_once(plan: CommandPlan) -> Iterator[Members]:
    """Different payloads to one recipient; within a window to any, so that none is like another in part."""
    first = _cheap(plan)
    yield first
    same = first.get(plan.recipient or "") if plan.command.window is None else None
    for _ in range(AT_ONCE - 1):
        yield _cheap(plan, same)


# --- Steps with their forecasts


class _Steps:
    """The cases of a sequence as it is planned, and the history that they make for those after them."""

    def __init__(self, contract: Contract) -> None:
        self.cases: list[Case] = []
        self._history = History(contract.commands)
        self._first: dict[str, str] = {}

    def ask(self, plan: CommandPlan, members: Members, *, spoilt: bool = False) -> None:
        """Add the next step, labelled by its forecast."""
        command, body = plan.command.name, encoded(members, ascii_only=False) + (SPOILT_BY if spoilt else b"")
        forecast = self._history.forecast(_asked("", command, body, lawful=not spoilt), 0.0)
        twin = self._first.get(command)
        # An earlier run may be to blame for a refusal, unless a request of this run shows otherwise.
        unproven = plan.command.window is not None and twin is None
        if forecast.rule is Rule.UNLAWFUL:
            case = _spoilt(plan, body, twin or plan.reference)
        elif forecast.because is None or unproven:
            case = plan.case(Kind.VALID, "random", body)
        else:
            case = plan.case(Kind.REPEAT, forecast.rule.value, body, twin=twin, earlier=forecast.because.name)
        self.cases.append(case)
        accepted = forecast.outcome is not Outcome.REFUSED
        if accepted:
            self._first.setdefault(command, case.id)
        self._history.answered(asked(case), 0.0, accepted=accepted)


def _spoilt(plan: CommandPlan, body: bytes, twin: str | None) -> Case:
    return plan.case(Kind.MALFORMED, SPOILT, body, keyword=SPOILT_BREAKAGE, twin=twin)


def asked(case: Case) -> Asked:
    """A planned case as the model sees it; KeyError if it is of no command."""
    return _asked(case.id, case.command or "", case.request.body, lawful=case.kind not in NEGATIVE)


def _asked(name: str, command: str, body: bytes, *, lawful: bool) -> Asked:
    try:
        members, _ = json.JSONDecoder().raw_decode(body.decode())  # a spoilt one has more behind its end
    except (ValueError, RecursionError):
        members = None
    return Asked(name, command, members if isinstance(members, dict) else {}, body, lawful)


def _similar(plan: CommandPlan) -> Group:
    """By name: nearly alike, to others, after a rejection, and both windows that are then open."""
    steps = _Steps(plan.contract)
    base, *apart = _nearly_alike(plan)
    for members in (base, *apart, *_to_others(plan, base)):
        steps.ask(plan, members)
    rejected = _cheap(plan)
    steps.ask(plan, rejected, spoilt=True)
    steps.ask(plan, rejected)
    steps.ask(plan, base)
    return in_order(*steps.cases)


def _walk(plan: CommandPlan, length: int, pool: Sequence[Members], chance: Random) -> Group:
    """So many steps among the payloads of a pool; the first of these comes three times at least."""
    between = [pool[0], *chance.choices(pool, k=length - 3)]
    chance.shuffle(between)
    steps = _Steps(plan.contract)
    steps.ask(plan, pool[0])
    for members in between:
        spoilt = plan.command.window is not None and chance.randrange(SPOILT_IN) == 0
        steps.ask(plan, members, spoilt=spoilt)
    steps.ask(plan, pool[0])
    return in_order(*steps.cases)


# --- Several products


def across(plans: Sequence[CommandPlan]) -> Iterator[Group]:
    """The groups in which several products take part, if several are exercised."""
    posting = [plan for plan in plans if plan.command.product is not None]
    if not posting[1:]:
        return
    chance = Random(plans[0].seed("across"))
    others = [plan for plan in posting if plan.command.window is None]
    for plan in posting:
        if plan.command.window is not None:
            # Requests that a gateway may confuse: they have all members that the window goes by.
            alike = [other for other in others if other.valid[0].members.keys() >= {*plan.command.window.members}]
            if alike:
                yield _with_other_products(plan, chance.sample(alike, len(alike)))
    yield _walk_across(posting, chance)
    yield _burst("all-products", _one_each(posting))


def _with_other_products(plan: CommandPlan, others: Sequence[CommandPlan]) -> Group:
    """Payments like the top-up before them, and a top-up like a payment before it: neither repeats the other."""
    steps = _Steps(plan.contract)
    before, after = _cheap(plan), _cheap(plan)
    steps.ask(plan, before)
    for other in others:
        steps.ask(other, _like(other.fresh().members, before, plan))
    steps.ask(others[0], _like(others[0].fresh().members, after, plan))
    steps.ask(plan, after)
    return in_order(*steps.cases)


def _walk_across(plans: Sequence[CommandPlan], chance: Random) -> Group:
    """Some of the products in an order of their own, then any of them: to two recipients, of two amounts."""
    steps = _Steps(plans[0].contract)
    windowed = next((plan for plan in plans if plan.command.window is not None), None)
    lead = windowed or plans[0]
    pairs = [_cheap(lead) if windowed else lead.fresh().members for _ in range(2)]
    pool = {plan.command.name: [_like(_cheap(plan), pair, lead) for pair in pairs] for plan in plans}
    order = chance.sample(plans, min(len(plans), ACROSS_STEPS - 1))
    for plan in (*order, *chance.choices(plans, k=ACROSS_STEPS - len(order))):
        steps.ask(plan, chance.choice(pool[plan.command.name]))
    return in_order(*steps.cases)


def _like(members: Members, pair: Members, plan: CommandPlan) -> Members:
    """The members with those of a pair by which requests of `plan` are known, as far as they have such."""
    window = plan.command.window.members if plan.command.window else ()
    known = {*window, plan.recipient}
    return {name: pair.get(name, value) if name in known else value for name, value in members.items()}


# --- At once


def _burst(aspect: str, requests: Iterable[tuple[CommandPlan, Members]]) -> Group:
    """Ordinary requests to one phone number that are sent at the same moment."""
    cases: list[Case] = []
    for plan, members in requests:
        earlier = cases[0].id if cases else None
        cases.append(plan.case(Kind.BURST, aspect, encoded(members, ascii_only=False), earlier=earlier))
    return in_order(*cases)


def _equal_burst(plan: CommandPlan, count: int) -> Group:
    """The same request so many times at the same moment, of which one has to be accepted; and once more after them."""
    members = _cheap(plan)
    burst = _burst(EQUAL, [(plan, members)] * count)
    after = plan.case(Kind.REPEAT, Rule.WINDOW.value, encoded(members, ascii_only=False), earlier=burst[0].id)
    return in_order(*burst, after)


def _one_each(plans: Sequence[CommandPlan]) -> Iterator[tuple[CommandPlan, Members]]:
    """A request of each command, all to the recipient of the first."""
    recipient: str | None = None
    for plan in plans:
        members = _cheap(plan, recipient)
        recipient = members.get(plan.recipient or "", recipient)
        yield plan, members


# --- The balance of the account


def balance(plans: Sequence[CommandPlan]) -> Iterator[Group]:
    """The account before and after requests that have to be refused, for every product and for lack of funds.

    Nothing is accepted in it, so that nothing may be spent; it has to be sent while nothing else is. The unaffordable
    payment is left out where it would be one to a real phone number.
    """
    account = next((plan for plan in plans if plan.command.product is None), None)
    posting = [plan for plan in plans if plan.command.product is not None]
    if account is None or not posting:
        return
    looks = [account.case(Kind.VALID, BALANCE)]
    refused = [_spoilt(plan, encoded(_cheap(plan), ascii_only=False) + SPOILT_BY, plan.reference) for plan in posting]
    looks.append(account.case(Kind.VALID, BALANCE, earlier=looks[-1].id))
    group = [looks[0], *refused, looks[1]]
    for plan in posting:
        if _pays_whatever_is_asked_for(plan) and not plan.settings.phone_numbers:
            body = encoded({**plan.fresh().members, plan.amount or "": UNAFFORDABLE}, ascii_only=False)
            group.append(plan.case(Kind.OPEN, "open", body, keyword="unaffordable"))
            group.append(account.case(Kind.VALID, BALANCE, earlier=looks[-1].id))
    yield in_order(*group)


def _pays_whatever_is_asked_for(plan: CommandPlan) -> bool:
    """Whether the account pays by it, and only its balance limits the amount."""
    if plan.command.money is None or plan.command.money.flow is not Flow.OUT or plan.amount is None:
        return False
    asked_for = {**plan.valid[0].members, plan.amount: UNAFFORDABLE}
    return not plan.contract.schemas.violations(plan.command.tolerated_schema, asked_for)
