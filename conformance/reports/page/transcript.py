"""The certification of a client, scene by scene: requests, answers and messages of the driver, as the clock had them.

A scene is a call with its notifications, or a kind of notifications that belong to no call. Four speak: the suite, the
driver, the client (also as a receiver) and the witness, which plays the gateway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from conformance.client.rules.calls import OBSERVED
from conformance.client.witness import SENDING
from conformance.contract.contract import Contract
from conformance.journal import Record
from conformance.judging.reading import Content
from conformance.model.traffic import Case, Direction, DriverLine, Exchange, Headers, Kind
from conformance.reports.page.markup import body_markup, in_words
from conformance.reports.result import Reportable
from conformance.reports.text import Masking, counted

# Of what has no findings the first ones are shown, as long as a page of 5 MB can hold them with all else.
MOST_BYTES = 1_500_000
MARKUP_BYTES = 400
# A client that sends the same without end, or a crowd of notifications, is seen as such in so many lines.
MOST_LINES = 40

GREETING = "The driver is greeted and stopped"
STRAY = "What arrived at no base URL that was given out"

CLIENT_SENDS, WITNESS_ANSWERS = "The client sends", "The witness answers"
SUITE_NOTIFIES, RECEIVER_ANSWERS = "The suite notifies", "The receiver answers"
DRIVER_SAYS = "The driver says"
SPEAKERS: Mapping[Direction, tuple[str, str]] = {
    Direction.TO: ("suite", "The suite asks the driver"),
    Direction.FROM: ("driver", DRIVER_SAYS),
    Direction.STDERR: ("driver", "The driver writes to standard error"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A message at one moment; `speaker` is suite, driver, client or witness."""

    at: float
    speaker: str
    who: str
    what: str
    headers: Headers = ()
    body: Markup | None = None


@dataclass(slots=True)
class Scene:
    """A scene; `short` are the requirements that failed in it: id, command, verdict, message."""

    title: str
    about: str
    command: str | None
    lines: list[Line] = field(default_factory=list)
    short: list[tuple[str, str | None, str, str]] = field(default_factory=list)
    number: int = 0

    @property
    def begun(self) -> float:
        """The moment of the first line."""
        return self.lines[0].at

    @property
    def shown(self) -> Iterator[tuple[str, Line]]:
        """The lines that are shown, each with the time since the first."""
        for line in self.lines[:MOST_LINES]:
            yield in_words(line.at - self.begun), line

    @property
    def left_out(self) -> int:
        """How many lines are not."""
        return max(0, len(self.lines) - MOST_LINES)

    @property
    def summary(self) -> str:
        """`1 request · the driver says error, http, 402`."""
        requests = sum(line.speaker == "client" and line.who == CLIENT_SENDS for line in self.lines)
        notices = sum(line.speaker == "suite" and line.who == SUITE_NOTIFIES for line in self.lines)
        sent = [counted(number, noun) for number, noun in ((requests, "request"), (notices, "notification")) if number]
        said = next((line.what for line in self.lines if line.who == DRIVER_SAYS), "")
        return " · ".join([*sent, *([f"the driver says {said}"] if said else [])])

    @property
    def size(self) -> int:
        """Its size on the page, in bytes, roughly."""
        lines = self.lines[:MOST_LINES]
        headers = sum(len(name) + len(value) for line in lines for name, value in line.headers)
        return headers + sum(
            MARKUP_BYTES + len((line.body or "").encode("utf-8", "backslashreplace")) for line in lines
        )


@dataclass(frozen=True, slots=True)
class Transcript:
    """The scenes that are shown, in their order, by command; `left_out` is the number of the others."""

    scenes: Sequence[Scene] = ()
    left_out: int = 0
    by_case: Mapping[str, Scene] = field(default_factory=dict, repr=False)
    answers: Mapping[str, Markup] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, result: Reportable, record: Record) -> Transcript:
        """Of a certification; the findings of its report are in the scenes of their cases."""
        masking = result.masking
        order = {name: place for place, name in enumerate((*result.contract.commands, *result.contract.unsolicited))}
        by_case = _staged(record, result.contract, masking)
        for entry in result.report.requirements:
            for finding in entry.findings:
                failure = (entry.id, entry.command, entry.verdict.value, finding.message)
                for scene in filter(None, map(by_case.get, finding.cases)):
                    if failure not in scene.short:
                        scene.short.append(failure)
        scenes = list({id(scene): scene for scene in by_case.values() if scene.lines}.values())
        for scene in scenes:
            scene.lines.sort(key=lambda line: line.at)
        shown = _that_fit(sorted(scenes, key=lambda scene: (order.get(scene.command or "", -1), scene.begun)))
        for number, scene in enumerate(shown, start=1):
            scene.number = number
        return cls(shown, len(scenes) - len(shown), by_case, _answers(record, masking))

    def place(self, case_id: str | None) -> str | None:
        """The anchor of the scene of a case; None if it is not on the page."""
        scene = self.by_case.get(case_id or "")
        return f"scene-{scene.number}" if scene is not None and scene.number else None

    def said(self, case_id: str | None) -> Markup | None:
        """The last answer of the driver in a case."""
        return self.answers.get(case_id or "")


def _that_fit(scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes with findings, and the first of the others as long as there is room, in the given order."""
    room = MOST_BYTES
    kept: set[int] = set()
    for scene in sorted(scenes, key=lambda scene: not scene.short):
        room -= scene.size
        if room < 0:
            break
        kept.add(id(scene))
    return [scene for scene in scenes if id(scene) in kept]


def _staged(record: Record, contract: Contract, masking: Masking) -> dict[str, Scene]:
    """Case → its scene, with all lines in it, not yet in their order."""
    summaries = {each.name: each.summary for each in contract.behaviours.scenarios}
    summaries[OBSERVED] = "a call that was observed"
    scenes = {case.id: _scene(case, summaries) for case in record.cases if case.kind is Kind.INVOKE}
    kinds: dict[tuple[str | None, str], Scene] = {}
    cases: dict[str, Case] = {}
    for case in record.cases:
        cases[case.id] = case
        if case.kind is not Kind.INVOKE:
            own = scenes.get(case.earlier or "")
            scenes[case.id] = own or kinds.setdefault((case.command, case.aspect), _scene(case, summaries))
    greeting = Scene(GREETING, "", None)
    for exchange in record.exchanges:
        if exchange.case_id in scenes:
            scenes[exchange.case_id].lines += _exchanged(exchange, cases[exchange.case_id], masking)
    for message in record.messages:
        scenes.get(message.case_id or "", greeting).lines.append(_said(message, masking))
    for note in record.notes:
        if note.kind == "death":
            words = masking.text(str(note.detail["detail"]))
            death = Line(note.noted_at, "driver", "The driver failed", words)
            scenes.get(note.detail["case"] or "", greeting).lines.append(death)
    return {"": greeting, **scenes}


def _scene(case: Case, summaries: Mapping[str, str]) -> Scene:
    if case.command is None:
        return Scene(STRAY, "", None)
    about = case.aspect.replace("-", " ")
    if case.kind is not Kind.INVOKE:
        return Scene(f"notifications of no call: {about}", "", case.command)
    summary = summaries.get(case.aspect)
    return Scene(summary or f"{SENDING.summary}: {about}", case.id, case.command)


def _exchanged(exchange: Exchange, case: Case, masking: Masking) -> Iterator[Line]:
    """A request and its answer: sent by the client to the witness, or by the suite to a receiver."""
    notice = case.kind is not Kind.INVOKE
    request, response = exchange.request, exchange.response
    yield _line(
        exchange.sent_at,
        ("suite", SUITE_NOTIFIES) if notice else ("client", CLIENT_SENDS),
        f"{request.method} {request.url}",
        (request.headers, request.body),
        masking,
    )
    answers = ("client", RECEIVER_ANSWERS) if notice else ("witness", WITNESS_ANSWERS)
    at = exchange.sent_at if exchange.answered_at is None else exchange.answered_at
    if response is not None:
        yield _line(
            at, answers, f"{response.http_version} {response.status}", (response.headers, response.body), masking
        )
    else:
        yield _line(at, answers, f"nothing: {exchange.failure or 'the run was cut off'}", ((), b""), masking)


def _line(at: float, speaker: tuple[str, str], what: str, content: tuple[Headers, bytes], masking: Masking) -> Line:
    headers, body = content
    shown = body_markup(masking.data(body)) if body else None
    return Line(at, *speaker, masking.text(what), masking.headers(headers), shown)


def _said(message: DriverLine, masking: Masking) -> Line:
    said = Content.of(message.line.encode("utf-8", "surrogateescape")).members
    if said is None:
        what = "" if message.direction is Direction.STDERR else "what is no message"
    elif message.direction is Direction.TO:
        what = " ".join(filter(None, (_text(said.get("cmd")), _text(said.get("command")))))
    else:
        what = _outcome(said)
    body = masking.text(message.line).encode("utf-8", "surrogateescape")
    return Line(message.at, *SPEAKERS[message.direction], masking.text(what), (), body_markup(body))


def _outcome(said: Mapping[str, Any]) -> str:
    """`accepted`, `error, http, 402`, `unsupported`, `succeeded`; `hello` for any other message."""
    if said.get("unsupported") is True:
        return "unsupported"
    words = [_text(said.get(name)) for name in ("outcome", "error", "state")]
    code = [_text(said.get("status_code"))] if said.get("outcome") == "error" else []
    return ", ".join(filter(None, [*words, *code])) or ("hello" if "protocol" in said else "")


def _answers(record: Record, masking: Masking) -> dict[str, Markup]:
    last: dict[str, str] = defaultdict(str)
    for message in record.messages:
        if message.case_id and message.direction is Direction.FROM:
            last[message.case_id] = message.line
    return {
        case_id: body_markup(masking.text(line).encode("utf-8", "surrogateescape")) for case_id, line in last.items()
    }


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:60]
