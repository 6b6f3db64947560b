"""The command `explain`: a requirement with a right exchange beside a wrong one, and how to mend the usual causes.

The exchanges are made, not written: the requests of a plan go to two mock gateways, of which one has the fault that
breaks the requirement. The first request after which the two differ is the example. Of a requirement on a client two
calls are shown that its rule tells apart (`conformance.client.examples`); one on a receiver by the exchange that it is
about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit

import click
from rich.console import Console

from conformance.cli.command import ConformanceCommand, Output
from conformance.cli.parameters import REQUIREMENT
from conformance.cli.printing import entry_of
from conformance.client.examples import example_of
from conformance.client.rules.calls import Call
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, Requirement
from conformance.gateway.plan import Plan
from conformance.gateway.selection import areas_of
from conformance.gateway.settings import Settings
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour, Callback, Ending, Reply, json_bytes
from conformance.mock.faults import NamedBehaviour, faults
from conformance.mock.gateway import Gateway, Reaction
from conformance.model.traffic import Case, Exchange, Headers, header
from conformance.reports.console import print_command, print_json, print_prose, results
from conformance.reports.reproduce import curl
from conformance.reports.text import for_terminal, shortened
from conformance.reports.view import rests_on

# The same exchanges each time.
SEED = 0
# Where the mock gateway of an example would be, and the callbacks of its account.
GATEWAY, CALLBACKS = "http://127.0.0.1:9000", "http://127.0.0.1:9100/callbacks"
# Of a message; a line of a log has no more.
LONGEST_BODY = 400
# Seconds between two requests of an example, so that a notification belongs to the request before it.
STEP_S = 1.0
INDENT = "  "
_USER_AGENT = re.compile(r" -H (?:'User-Agent: statum-conformance[^']*'|User-Agent:)")


@dataclass(frozen=True, slots=True)
class WireMessage:
    """An answer, or a notification: its first line, the headers that matter, and its body as text."""

    line: str
    headers: Headers
    body: str

    @classmethod
    def of_reply(cls, reply: Reply) -> Self:
        """The answer of a mock gateway, as far as it gets."""
        if reply.ending in {Ending.BEFORE, Ending.RESET, Ending.NEVER}:
            return cls(f"no answer: {reply.ending.value}", (), "")
        late = f" after {reply.after_s:g} s" if reply.after_s else ""
        cut = "" if reply.ending is Ending.WHOLE else f", and {reply.ending.value}"
        more = f", and behind it {len(reply.beyond):,} bytes that belong to no request" if reply.beyond else ""
        return cls(f"HTTP {reply.status}{late}{cut}{more}", reply.headers, _text(reply))

    @classmethod
    def of_exchange(cls, exchange: Exchange) -> Self:
        """The answer to a client's request, or why there is none."""
        if exchange.response is None:
            return cls(f"no answer: {exchange.failure}", (), "")
        response = exchange.response
        text = shortened(response.body.decode("utf-8", "backslashreplace"), LONGEST_BODY)
        return cls(f"HTTP {response.status}", response.headers, text)

    @classmethod
    def of_notification(cls, callback: Callback) -> Self:
        """A notification of a mock gateway."""
        late = f" after {callback.after_s:g} s" if callback.after_s else ""
        return cls(f"{callback.method} {callback.url}{late}", callback.headers, _text(callback))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"line": self.line, "headers": [list(pair) for pair in self.headers], "body": self.body}


def _text(message: Reply | Callback) -> str:
    data = json_bytes(message.content) if message.raw is None else message.raw
    return shortened(data.decode("utf-8", "backslashreplace"), LONGEST_BODY)


@dataclass(frozen=True, slots=True)
class ExampleExchange:
    """A request, as curl sends it, its answer, and the notifications that follow; `report`: what a client says."""

    case: str
    command: str
    answer: WireMessage
    notifications: tuple[WireMessage, ...] = ()
    report: str | None = None

    @classmethod
    def of(cls, case: Case, reaction: Reaction, contract: Contract) -> Self:
        """The exchange of a case with a mock gateway."""
        notifications = tuple(map(WireMessage.of_notification, reaction.deliveries))
        # Its own User-Agent says nothing about the requirement, and makes the line longer.
        command = _USER_AGENT.sub("", curl(case.request, contract, case))
        return cls(case.id, command, WireMessage.of_reply(reaction.reply), notifications)

    @classmethod
    def of_call(cls, call: Call, case: str, contract: Contract) -> Self:
        """The last exchange of a client's call, or that there is none, and the client's report."""
        said = None
        if call.report is not None:
            handed_back = f", {contract.answer.id} {call.report.request_id}" if call.report.accepted else ""
            said = f"the client says {call.report.in_its_words}{handed_back}"
        if not call.sent:
            return cls(case, "no request", WireMessage("no answer", (), ""), report=said)
        exchange = call.sent[-1].exchange
        request = replace(exchange.request, url=f"{GATEWAY}{exchange.request.url}")
        again = f"{len(call.sent)} requests" if len(call.sent) > 1 else None
        report = "; ".join(filter(None, (again, said))) or None
        command = _USER_AGENT.sub("", curl(request, contract))
        return cls(case, command, WireMessage.of_exchange(exchange), report=report)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "case": self.case,
            "curl": self.command,
            "answer": self.answer.document(),
            "notifications": [each.document() for each in self.notifications],
            **({} if self.report is None else {"report": self.report}),
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """A requirement in full.

    `twin`: the request beside `right` that has to be accepted, where `right` has to be refused. `wrong`: the exchange
    with a gateway that has the `fault`; `mistake`: what a client does wrong in it.
    """

    requirement: Requirement
    twin: ExampleExchange | None = None
    right: ExampleExchange | None = None
    wrong: ExampleExchange | None = None
    fault: NamedBehaviour | None = None
    mistake: str | None = None

    @classmethod
    def of(cls, requirement: Requirement, contract: Contract) -> Self:
        """Explain a requirement by the behaviours of its contract."""
        if requirement.actor is Actor.CLIENT and (example := example_of(requirement, contract)) is not None:
            name = example.scenario.name
            right_call = ExampleExchange.of_call(example.right, name, contract)
            wrong_call = ExampleExchange.of_call(example.wrong, name, contract)
            return cls(requirement, right=right_call, wrong=wrong_call, mistake=example.message)
        if requirement.actor is not Actor.GATEWAY:
            return cls(requirement, right=_usual(requirement, contract))
        if requirement.excluded is not None:
            return cls(requirement)
        known = [each for each in faults(contract).values() if requirement.id in each.breaks]
        fault = min(known, key=lambda each: len(each.breaks), default=None)
        if fault is None:
            return cls(requirement, right=_usual(requirement, contract))
        found = _first_difference(requirement, fault, contract)
        if found is None:
            return cls(requirement, right=_usual(requirement, contract), fault=fault)
        case, right, wrong, twin = found
        return cls(
            requirement,
            twin and ExampleExchange.of(*twin, contract),
            ExampleExchange.of(case, right, contract),
            ExampleExchange.of(case, wrong, contract),
            fault,
        )

    def document(self, contract: Contract) -> dict[str, Any]:
        """As JSON: the entry of `requirements --format json`, with the examples."""
        shown = {"twin": self.twin, "right": self.right, "wrong": self.wrong}
        return {
            **entry_of(self.requirement, contract),
            "rests_on": rests_on(self.requirement, contract),
            **{name: each and each.document() for name, each in shown.items()},
            "fault": None if self.fault is None else {"name": self.fault.name, "summary": self.fault.summary},
            "mistake": self.mistake,
        }


def _account(contract: Contract) -> Account:
    callbacks = {name: f"{CALLBACKS}/{name}" for name in contract.callbacks}
    return replace(Account.sample(contract=contract), callbacks=callbacks)


@cache
def _plan(contract: Contract) -> Plan:
    sample = Account.sample(contract=contract)
    settings = Settings(sample.consumer_key, sample.consumer_secret, contract=contract, max_examples=0, seed=SEED)
    return Plan.of(settings, f"{GATEWAY}{contract.base_path}")


def _first_difference(
    requirement: Requirement, fault: NamedBehaviour, contract: Contract
) -> tuple[Case, Reaction, Reaction, tuple[Case, Reaction] | None] | None:
    """The first case over which a lawful gateway and the one with the fault differ, and its twin with its answer.

    A case that is there for the requirement comes before any other, and then one of a command that it is judged for.
    """
    lawful, faulty = (Gateway(_account(contract), each, SEED) for each in (Behaviour(), fault.change(Behaviour())))
    answered: dict[str, tuple[Case, Reaction]] = {}
    found: list[tuple[Case, Reaction, Reaction]] = []
    for number, case in enumerate(_plan(contract).cases):
        now = number * STEP_S
        parts = urlsplit(case.request.url)
        request = replace(case.request, url=f"{parts.path}?{parts.query}" if parts.query else parts.path)
        right, wrong = lawful.answer(request, now), faulty.answer(request, now)
        answered[case.id] = (case, right)
        if right != wrong:
            found.append((case, right, wrong))
    if not found:
        return None

    def rank(each: tuple[Case, Reaction, Reaction]) -> tuple[bool, bool]:
        case, _, _ = each
        is_for_it = requirement.id in {name for name, _ in areas_of(contract, case)}
        return not is_for_it, case.command not in requirement.commands

    case, right, wrong = min(found, key=rank)
    return case, right, wrong, answered.get(case.twin or "")


def _usual(requirement: Requirement, contract: Contract) -> ExampleExchange | None:
    """The usual exchange of a command that it is judged for; of a product without a command its notification."""
    if set(requirement.commands) <= {*contract.unsolicited}:
        return None
    command = next((name for name in requirement.commands if name in contract.commands), next(iter(contract.commands)))
    case = next((each for each in _plan(contract).cases if each.command == command and each.aspect == "sample"), None)
    if case is None:
        return None
    gateway, path = Gateway(_account(contract), Behaviour(), SEED), urlsplit(case.request.url).path
    return ExampleExchange.of(case, gateway.answer(replace(case.request, url=path), 0.0), contract)


@click.command("explain", cls=ConformanceCommand, short_help="Explain a requirement, and how to mend its failure.")
@click.argument("requirement_id", metavar="ID", type=REQUIREMENT)
def explain(requirement_id: str, contract: Contract, **options: Any) -> int:
    """Explain the requirement ID: its source, a right exchange beside a wrong one, how to mend the usual causes.

    The exchanges are those of the built-in mock gateway, once as it should be and once with a fault that breaks this
    requirement; `mock --fault NAME` serves the same.
    """
    output = Output.of(options)
    explanation = Explanation.of(contract.catalogue[requirement_id], contract)
    if output.as_json:
        print_json(explanation.document(contract))
    else:
        _show(explanation, contract, results())
    return 0


def _show(explanation: Explanation, contract: Contract, console: Console) -> None:
    requirement = explanation.requirement
    print_prose(console, f"{requirement.id} {requirement.title}", "bold")
    for line in _facts(requirement, contract):
        print_prose(console, line)
    for heading, text in (("To mend:", requirement.mend), ("Not judged:", requirement.excluded)):
        if text:
            print_prose(console, "")
            print_prose(console, heading, "bold green")
            print_prose(console, f"{INDENT}{text}")
    if explanation.right is not None:
        print_prose(console, "")
        print_prose(console, "Right:", "bold green")
        if explanation.twin is not None:
            _print_exchange(console, explanation.twin)
            print_prose(console, f"{INDENT}and beside it:")
        _print_exchange(console, explanation.right)
    if explanation.fault is not None:
        print_prose(console, "")
        print_prose(console, f"Wrong: {explanation.fault.summary}", "bold red")
        _print_differences(explanation, console)
    if explanation.mistake is not None:
        print_prose(console, "")
        print_prose(console, f"Wrong: {for_terminal(explanation.mistake)}", "bold red")
        _print_mistake(explanation, console)
    print_prose(console, "")
    if explanation.fault is not None:
        print_command(console, "to see it:", f"statum-conformance mock --fault {explanation.fault.name}")
    if requirement.excluded is None:
        command = "run" if requirement.actor is Actor.GATEWAY else "certify --driver 'CMD ARGS'"
        print_command(console, "to judge it alone:", f"statum-conformance {command} --only {requirement.id}")


def _print_differences(explanation: Explanation, console: Console) -> None:
    """The messages of the wrong exchange that differ from those of the right one."""
    right, wrong = explanation.right, explanation.wrong
    if right is None or wrong is None:
        return
    if wrong.answer != right.answer:
        _print_message(console, wrong.answer)
    if wrong.notifications == right.notifications:
        return
    for each in wrong.notifications:
        _print_message(console, each)
    if not wrong.notifications:
        print_prose(console, f"{INDENT}no notification")


def _print_mistake(explanation: Explanation, console: Console) -> None:
    """The request or the report of the wrong call, whichever differs from the right one."""
    right, wrong = explanation.right, explanation.wrong
    if right is None or wrong is None:
        return
    if wrong.command != right.command:
        print_command(console, " ", wrong.command)
    if wrong.report is not None and wrong.report != right.report:
        print_prose(console, f"{INDENT}{for_terminal(wrong.report)}")


def _facts(requirement: Requirement, contract: Contract) -> Iterator[str]:
    """Level, actor and commands; the source; when it applies; how it is judged."""
    commands = ", ".join(filter(None, requirement.commands)) or "no command of its own"
    lower = requirement.shared_level
    shared = f" ({lower} on an account that others use, too)" if lower and lower is not requirement.level else ""
    yield f"{requirement.level}{shared} · {requirement.actor} · {commands}"
    yield rests_on(requirement, contract)
    if requirement.condition:
        yield f"applies where {requirement.condition}"
    if requirement.needs:
        yield f"applies to a client that offers {', '.join(sorted(requirement.needs))}"
    if requirement.judge is not None:
        yield f"judged by {requirement.judge}"


def _print_exchange(console: Console, exchange: ExampleExchange) -> None:
    print_command(console, " ", exchange.command)
    _print_message(console, exchange.answer)
    for each in exchange.notifications:
        _print_message(console, each)
    if exchange.report is not None:
        print_prose(console, f"{INDENT}{for_terminal(exchange.report)}")


def _print_message(console: Console, message: WireMessage) -> None:
    declared = header(message.headers, "Content-Type")
    print_prose(console, f"{INDENT}{message.line}{f' · {declared}' if declared else ''}")
    if message.body:
        print_prose(console, f"{INDENT}{message.body}")
