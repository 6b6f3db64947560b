"""What happened, read from the journal's record and correlated once, for all checks.

    Terms       the settings of the run that verdicts depend on
    Answer      an exchange read by the contract: JSON, envelope, outcome, request_id
    Notice      a notification read by the contract, and the answers whose request_id it carries
    Evidence    all answers and notices of a run, indexed by command, product and request_id

Correlation is linear in the number of exchanges and notifications: everything goes through dictionaries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from conformance.contract.commands import COMMANDS, PRODUCTS
from conformance.contract.schemas import parse_json
from conformance.journal import Record
from conformance.traffic import Case, Exchange, Kind, Notification, Response

K = TypeVar("K")
V = TypeVar("V")

OK = 200
UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429

# An altered request_id is recognised only if so much of it is left that chance is ruled out: 12 characters of an
# alphabet of 10 or more. Ids of one length that merely look alike (counters) are never taken for altered ones.
RECOGNISABLE = 12
# How many characters may have been cut off an id, or added, for it to be recognised still.
CUT = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that verdicts depend on, as they stand in the journal.

    `targets`: product → path and query at which its notifications must arrive. `loopback`: no network lies between
    the suite and the gateway, so that a lost answer is the gateway's doing. `settled_at`: until when (monotonic
    seconds) the suite listened, None when it was cut off before. `obstacle`: why the campaign was not held at all.
    """

    commands: tuple[str, ...] = tuple(COMMANDS)
    notify_within_s: float = 10.0
    exclusive_account: bool = False
    targets: Mapping[str, str] = field(default_factory=dict)
    loopback: bool = True
    settled_at: float | None = None
    obstacle: str | None = None

    @classmethod
    def of(cls, record: Record) -> Self:
        """The terms of a recorded run, from its settings and notes."""
        settings = record.settings
        notes = {note.kind: note.detail for note in record.notes}
        return cls(
            commands=tuple(settings["commands"]),
            notify_within_s=float(settings["notify_within_s"]),
            exclusive_account=bool(settings["exclusive_account"]),
            targets=dict(settings["callback_targets"]),
            loopback=bool(settings["loopback"]),
            settled_at=notes.get("settled", {}).get("at"),
            obstacle=notes.get("obstacle", {}).get("message"),
        )


@dataclass(frozen=True, slots=True)
class Content:
    """A body read as JSON: `value`, or in `error` the words why it is none. `members`: the value, if an object."""

    value: Any = None
    error: str | None = None

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Read `body`; nothing is raised, whatever it holds."""
        try:
            return cls(value=parse_json(body))
        except (ValueError, RecursionError) as error:
            return cls(error=str(error) or type(error).__name__)

    @property
    def members(self) -> Mapping[str, Any] | None:
        """The members of the object, None if the body is no JSON object."""
        return self.value if isinstance(self.value, dict) else None


def is_number(value: object) -> bool:
    """Whether a JSON value is a number (a boolean is none)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Answer:
    """One exchange as the contract reads it.

    `status` is the outcome: the envelope's `status_code` where it can be read (seed: it "can be used to determine
    whether your API call request was successful or not"), else the HTTP status; None without a response. `final` is
    False for an attempt that was told to slow down and repeated.
    """

    case: Case
    exchange: Exchange
    content: Content
    status: int | None
    request_id: str | None
    final: bool = True

    @classmethod
    def of(cls, case: Case, exchange: Exchange, *, final: bool = True) -> Self:
        """Read one exchange."""
        if exchange.response is None:
            return cls(case, exchange, Content(error="there is no answer"), None, None, final)
        content = Content.of(exchange.response.body)
        members = content.members or {}
        code, request_id = members.get("status_code"), members.get("request_id")
        return cls(
            case,
            exchange,
            content,
            int(code) if isinstance(code, int | float) and is_number(code) else exchange.response.status,
            request_id if isinstance(request_id, str) and request_id.strip() else None,
            final,
        )

    @property
    def response(self) -> Response | None:
        """The HTTP response, None if there was none."""
        return self.exchange.response

    @property
    def accepted(self) -> bool:
        """Whether the gateway says that it took the request on."""
        return self.status == OK

    @property
    def rejected(self) -> bool:
        """Whether the gateway refused the request (4xx): no transaction, hence no notification."""
        return self.status is not None and 400 <= self.status <= 499

    @property
    def product(self) -> str | None:
        """The product whose callback a notification belongs to."""
        return COMMANDS[self.case.command].product if self.case.command else None

    @property
    def owes_notification(self) -> bool:
        """Whether a notification with a known id must follow."""
        return self.accepted and self.product is not None and self.request_id is not None

    @property
    def identity(self) -> tuple[str | None, str, str, bytes]:
        """Equal for equal requests, whatever their headers."""
        request = self.exchange.request
        return self.case.command, request.method, request.url, request.body


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as the contract reads it.

    `answers`: those whose request_id it carries exactly (several if the gateway gave one id twice). `altered`: the
    answer whose request_id it evidently means but does not carry exactly.
    """

    notification: Notification
    content: Content
    request_id: str | None
    answers: tuple[Answer, ...] = ()
    altered: Answer | None = None

    @property
    def answer(self) -> Answer | None:
        """The answer it belongs to, exactly or evidently; None for an orphan."""
        return self.answers[0] if self.answers else self.altered

    @property
    def product(self) -> str | None:
        """The product at whose callback it arrived."""
        return self.notification.product

    @property
    def result_code(self) -> str | None:
        """The result code as text, whatever its type; None if there is none."""
        code = (self.content.members or {}).get("result_code")
        return None if code is None else str(code)

    @property
    def orphan(self) -> bool:
        """Whether it carries an id that no answer of the run gave."""
        return self.request_id is not None and self.answer is None


def _carried_id(content: Content) -> str | None:
    """The request_id of a notification as text: one of the wrong type still tells whose it is."""
    carried = (content.members or {}).get("request_id")
    if isinstance(carried, str):
        return carried or None
    return str(carried) if is_number(carried) else None


def _bare(request_id: str) -> str:
    return "".join(character for character in request_id.casefold() if character.isalnum())


class _Altered:
    """Finds the accepted answer that an unknown id evidently means: same letters, or a little cut off or added."""

    def __init__(self, owed: Iterable[Answer]) -> None:
        self._exactly: dict[str, Answer] = {}
        for answer in owed:
            if answer.request_id is not None:
                self._exactly.setdefault(_bare(answer.request_id), answer)
        self._cut: dict[str, Answer] = {}
        for bare, answer in self._exactly.items():
            for part in _cuts(bare):
                self._cut.setdefault(part, answer)

    def meant_by(self, request_id: str) -> Answer | None:
        bare = _bare(request_id)
        found = self._exactly.get(bare) or self._cut.get(bare)
        return found or next((self._exactly[part] for part in _cuts(bare) if part in self._exactly), None)


def _cuts(bare: str) -> Iterator[str]:
    for length in range(1, CUT + 1):
        if len(bare) - length >= RECOGNISABLE:
            yield bare[:-length]
            yield bare[length:]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run, correlated. `answers` are those of all attempts, in the order in which they were sent."""

    terms: Terms
    cases: Mapping[str, Case]
    answers: tuple[Answer, ...]
    notices: tuple[Notice, ...]
    final: Mapping[str, Answer]
    by_command: Mapping[str | None, tuple[Answer, ...]]
    by_request_id: Mapping[str, tuple[Answer, ...]]
    notices_of: Mapping[str, tuple[Notice, ...]]
    notices_by_command: Mapping[str | None, tuple[Notice, ...]]

    @classmethod
    def of(cls, record: Record, terms: Terms | None = None) -> Self:
        """Correlate a recorded run."""
        terms = terms or Terms.of(record)
        cases = {case.id: case for case in record.cases}
        answers = tuple(_answers(cases, record.exchanges))
        final = {answer.case.id: answer for answer in answers if answer.final}
        by_command: dict[str | None, list[Answer]] = defaultdict(list)
        by_request_id: dict[str, list[Answer]] = defaultdict(list)
        for answer in answers:
            by_command[answer.case.command].append(answer)
            if answer.request_id is not None:
                by_request_id[answer.request_id].append(answer)
        notices = tuple(_notices(record.notifications, by_request_id, final.values()))
        notices_of: dict[str, list[Notice]] = defaultdict(list)
        notices_by_command: dict[str | None, list[Notice]] = defaultdict(list)
        for notice in notices:
            notices_by_command[_command_of(notice)].append(notice)
            for answer in notice.answers or ((notice.altered,) if notice.altered else ()):
                notices_of[answer.case.id].append(notice)
        return cls(
            terms,
            cases,
            answers,
            notices,
            final,
            _frozen(by_command),
            _frozen(by_request_id),
            _frozen(notices_of),
            _frozen(notices_by_command),
        )

    def of_command(self, command: str | None) -> tuple[Answer, ...]:
        """All answers to a command's requests."""
        return self.by_command.get(command, ())

    def final_of(self, command: str | None) -> Iterator[Answer]:
        """The answers that count, one a case."""
        return (answer for answer in self.of_command(command) if answer.final)

    def notices_about(self, answer: Answer) -> tuple[Notice, ...]:
        """The notifications that belong to an answer."""
        return self.notices_of.get(answer.case.id, ())

    def notices_for(self, command: str | None) -> tuple[Notice, ...]:
        """The notifications of a command: of its requests, and unattributable ones on its product's callback."""
        return self.notices_by_command.get(command, ())

    def shares_id(self, answer: Answer) -> bool:
        """Whether the gateway gave the answer's request_id to another case, too."""
        return len({a.case.id for a in self.by_request_id.get(answer.request_id or "", ())}) > 1

    def twin_of(self, answer: Answer) -> Answer | None:
        """The answer of the case's positive twin."""
        return self.final.get(answer.case.twin) if answer.case.twin else None

    def owed(self, command: str | None) -> Iterator[Answer]:
        """The accepted requests of a command that a notification with a known id must follow."""
        return (answer for answer in self.final_of(command) if answer.owes_notification)

    def unreadable_answers(self, product: str | None) -> int:
        """How many requests of a product may have been accepted under an id that the suite could not read."""
        return sum(
            1
            for answer in self.answers
            if answer.product == product
            and answer.request_id is None
            and (answer.accepted or answer.status is None or answer.content.members is None)
        )

    def unreadable_notices(self, product: str | None) -> int:
        """How many notifications came to a product's callback that cannot be attributed to any request."""
        return sum(1 for notice in self.notices if notice.product == product and notice.request_id is None)


COMMAND_OF: Mapping[str | None, str] = {c.product: c.name for c in COMMANDS.values() if c.product}


def _command_of(notice: Notice) -> str | None:
    return notice.answer.case.command if notice.answer else COMMAND_OF.get(notice.product)


def _frozen(index: Mapping[K, Sequence[V]]) -> dict[K, tuple[V, ...]]:
    return {key: tuple(values) for key, values in index.items()}


def _answers(cases: Mapping[str, Case], exchanges: Sequence[Exchange]) -> Iterator[Answer]:
    last = {exchange.case_id: exchange.number for exchange in exchanges}
    for exchange in exchanges:
        yield Answer.of(cases[exchange.case_id], exchange, final=last[exchange.case_id] == exchange.number)


def _notices(
    notifications: Sequence[Notification], by_request_id: Mapping[str, list[Answer]], final: Iterable[Answer]
) -> Iterator[Notice]:
    read = [(notification, Content.of(notification.request.body)) for notification in notifications]
    told = {_carried_id(content) for _, content in read}
    altered = _Altered(answer for answer in final if answer.accepted and answer.request_id not in told)
    for notification, content in read:
        request_id = _carried_id(content)
        answers = tuple(by_request_id.get(request_id, ())) if request_id is not None else ()
        meant = altered.meant_by(request_id) if request_id is not None and not answers else None
        yield Notice(notification, content, request_id, answers, meant)


def is_probe_of_path(answer: Answer) -> bool:
    """Whether the request asked for a command or method that does not exist: judged by CMD alone."""
    return answer.case.kind in (Kind.METHOD, Kind.UNKNOWN_COMMAND)


__all__ = [
    "OK",
    "PRODUCTS",
    "TOO_MANY_REQUESTS",
    "UNAUTHORIZED",
    "Answer",
    "Content",
    "Evidence",
    "Notice",
    "Terms",
    "is_number",
    "is_probe_of_path",
]
