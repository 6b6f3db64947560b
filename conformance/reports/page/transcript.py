"""The transcript of a certification, scene by scene: requests, answers and messages of the driver in order of time.

A scene is a call with its notifications, or the notifications of one kind that belong to no call. The speakers are the
suite, the driver, the client (also as a receiver) and the witness, which plays the gateway.

    Transcript.of       the scenes of a record
    body_markup         the body of a message as HTML, for all of the page
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from markupsafe import Markup, escape

from conformance.client.rules.calls import OBSERVED
from conformance.client.witness import SENDING
from conformance.contract.contract import Contract
from conformance.journal import Record
from conformance.judging.reading import Content
from conformance.model.traffic import Case, Direction, DriverLine, Exchange, Headers, Kind, last_lines
from conformance.reports.figures import in_words
from conformance.reports.result import Reportable
from conformance.reports.text import Masking, counted, for_terminal

# Of scenes without findings, so that the page stays below 5 MB.
MOST_BYTES = 1_500_000
MARKUP_BYTES = 400
# Of a scene: a client may send the same request without end.
MOST_LINES = 40
# Longer bodies are cut; the journal and traffic.har have them whole.
LONGEST_BODY = 6_000
# A message of a contract is less deeply nested.
DEEPEST = 30

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
    """A message; `speaker` is suite, driver, client or witness, `who` the heading."""

    at: float
    speaker: str
    who: str
    what: str
    headers: Headers = ()
    body: Markup | None = None


@dataclass(slots=True)
class Scene:
    """A call with its notifications; of each failure id, command, verdict and message."""

    title: str
    about: str
    command: str | None
    lines: list[Line] = field(default_factory=list)
    failures: list[tuple[str, str | None, str, str]] = field(default_factory=list)
    number: int = 0

    @property
    def begun(self) -> float:
        """The time of the first line."""
        return self.lines[0].at

    @property
    def shown(self) -> Iterator[tuple[str, Line]]:
        """The first lines, each with the time since the first one."""
        for line in self.lines[:MOST_LINES]:
            yield in_words(line.at - self.begun), line

    @property
    def left_out(self) -> int:
        """The number of the other lines."""
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
        """Roughly, on the page, in bytes."""
        return sum(
            MARKUP_BYTES
            + sum(len(name) + len(value) for name, value in line.headers)
            + len((line.body or "").encode("utf-8", "backslashreplace"))
            for line in self.lines[:MOST_LINES]
        )


@dataclass(frozen=True, slots=True)
class Transcript:
    """The scenes that are shown, by command and time; `left_out` is the number of the others.

    `answers`: the last answer of the driver in each case. `stderr`: what it wrote to standard error meanwhile.
    """

    scenes: Sequence[Scene] = ()
    left_out: int = 0
    by_case: Mapping[str, Scene] = field(default_factory=dict, repr=False)
    answers: Mapping[str, Markup] = field(default_factory=dict, repr=False)
    stderr: Mapping[str, Markup] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, result: Reportable, record: Record) -> Transcript:
        """The transcript of a certification, with the findings of its report in the scenes of their cases."""
        masking = result.masking
        order = {name: place for place, name in enumerate((*result.contract.commands, *result.contract.unsolicited))}
        by_case = _staged(record, result.contract, masking)
        for entry in result.report.requirements:
            for finding in entry.findings:
                failure = (entry.id, entry.command, entry.verdict.value, finding.message)
                for scene in filter(None, map(by_case.get, finding.cases)):
                    if failure not in scene.failures:
                        scene.failures.append(failure)
        scenes = list({id(scene): scene for scene in by_case.values() if scene.lines}.values())
        for scene in scenes:
            scene.lines.sort(key=lambda line: line.at)
        shown = _that_fit(
            sorted(scenes, key=lambda each: (not each.failures, order.get(each.command or "", -1), each.begun))
        )
        for number, scene in enumerate(shown, start=1):
            scene.number = number
        answers = {m.case_id: m.line for m in record.messages if m.case_id and m.direction is Direction.FROM}
        bodies = {case_id: _driver_line(line, masking) for case_id, line in answers.items()}
        return cls(shown, len(scenes) - len(shown), by_case, bodies, _stderr(record, masking))

    @property
    def groups(self) -> Iterator[tuple[str, Sequence[Scene], bool]]:
        """Title, scenes, and whether they are folded: those with failures, then the others."""
        failed = [scene for scene in self.scenes if scene.failures]
        if failed:
            yield f"{counted(len(failed), 'scene')} with failures", failed, False
        if others := [scene for scene in self.scenes if not scene.failures]:
            yield f"{counted(len(others), 'scene')} without failures", others, True

    def place(self, case_id: str | None) -> str | None:
        """The anchor of the scene of a case; None if it is not on the page."""
        scene = self.by_case.get(case_id or "")
        return f"scene-{scene.number}" if scene is not None and scene.number else None


def _that_fit(scenes: Sequence[Scene]) -> Sequence[Scene]:
    """The first scenes, while there is room."""
    sizes = accumulate(scene.size for scene in scenes)
    return scenes[: sum(size <= MOST_BYTES for size in sizes)]


def _stderr(record: Record, masking: Masking) -> Mapping[str, Markup]:
    """Case → the last lines that the driver wrote to standard error meanwhile."""
    lines: dict[str, list[str]] = {}
    for message in record.messages:
        if message.case_id and message.direction is Direction.STDERR:
            lines.setdefault(message.case_id, []).append(masking.text(message.line))
    texts = {case_id: "\n".join(last_lines(written)) for case_id, written in lines.items()}
    return {case_id: body_markup(text.encode("utf-8", "surrogateescape")) for case_id, text in texts.items()}


def _staged(record: Record, contract: Contract, masking: Masking) -> dict[str, Scene]:
    """Case → its scene, with all of its lines, not yet sorted."""
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
    """A request and its answer: from the client to the witness, or from the suite to a receiver."""
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
        what = "" if message.direction is Direction.STDERR else "not a message"
    elif message.direction is Direction.TO:
        what = " ".join(filter(None, (_text(said.get("cmd")), _text(said.get("command")))))
    else:
        what = _outcome(said)
    return Line(message.at, *SPEAKERS[message.direction], masking.text(what), (), _driver_line(message.line, masking))


def _driver_line(line: str, masking: Masking) -> Markup:
    return body_markup(masking.text(line).encode("utf-8", "surrogateescape"))


def _outcome(said: Mapping[str, Any]) -> str:
    """`accepted`, `error, http, 402`, `unsupported`, `succeeded`; `hello` for any other message."""
    if said.get("unsupported") is True:
        return "unsupported"
    words = [_text(said.get(name)) for name in ("outcome", "error", "state")]
    code = [_text(said.get("status_code"))] if said.get("outcome") == "error" else []
    return ", ".join(filter(None, [*words, *code])) or ("hello" if "protocol" in said else "")


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:60]


# --- Bodies

FOUND = Markup("<mark>")
DIFFERS = Markup('<mark class="differs">')


def body_markup(body: bytes, pointers: frozenset[str] = frozenset(), differing: frozenset[str] = frozenset()) -> Markup:
    """A body as HTML, with the values at the JSON `pointers` and at the `differing` ones marked; the former win."""
    marks = {**dict.fromkeys(differing, DIFFERS), **dict.fromkeys(pointers, FOUND)}
    with suppress(ValueError, RecursionError):
        if len(body) <= LONGEST_BODY:
            pretty = Markup("").join(_pretty(json.loads(body), "", 0, marks))
            if len(pretty) <= LONGEST_BODY:
                return pretty
    shown = body[:LONGEST_BODY].decode("utf-8", "backslashreplace")
    lines = Markup("\n").join(escape(for_terminal(line)) for line in shown.split("\n"))
    cut = len(body) - LONGEST_BODY
    return lines + Markup("\n… {} bytes more").format(cut) if cut > 0 else lines


def _pretty(value: Any, pointer: str, depth: int, marks: Mapping[str, Markup]) -> Iterator[Markup]:
    mark = marks.get(pointer) if pointer else None
    if mark:
        yield mark
    if isinstance(value, dict | list) and value and depth < DEEPEST:
        members = value.items() if isinstance(value, dict) else enumerate(value)
        yield Markup("{}").format("{" if isinstance(value, dict) else "[")
        for number, (name, member) in enumerate(members):
            yield _new_line(depth + 1, separated=number > 0)
            if isinstance(value, dict):
                yield Markup('<span class="k">{}</span>: ').format(_json(name))
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _pretty(member, f"{pointer}/{escaped}", depth + 1, marks)
        yield _new_line(depth) + ("}" if isinstance(value, dict) else "]")
    else:
        kind = "s" if isinstance(value, str) else "n"
        yield Markup('<span class="{}">{}</span>').format(kind, _json(value))
    if mark:
        yield Markup("</mark>")


def _new_line(depth: int, *, separated: bool = False) -> Markup:
    return Markup("{}\n{}").format("," if separated else "", "  " * depth)


def _json(value: Any) -> str:
    return for_terminal(json.dumps(value, ensure_ascii=False))
