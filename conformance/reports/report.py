"""A report as frozen values, which are read from `report.json` and written to it, and from which every format is made.

Report          the whole; its fields are the members of the file, in order
Report.read     a report from the value of `report.json`, which `schemas/formats/report.json` describes
Report.written  such a value from a report
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Self, Union, cast, get_args, get_origin, get_type_hints

from conformance.contract.requirements import Actor, Basis, Level
from conformance.judging.coverage import Covered
from conformance.judging.judgement import OneCause, Reason
from conformance.judging.verdicts import Conclusion, Verdict

SCHEMA_VERSION = 1

# For a field whose member is left out when it has its default.
OPTIONAL = {"optional": True}


@dataclass(frozen=True, slots=True)
class Tool:
    """The suite, and the digest of its catalogue."""

    name: str
    version: str
    catalogue: str


@dataclass(frozen=True, slots=True)
class ReportSubject:
    """The subject that was judged; `kind` is gateway or client."""

    kind: str
    name: str
    url: str | None

    @property
    def address(self) -> str:
        """Its URL, else its name."""
        return self.url or self.name


@dataclass(frozen=True, slots=True)
class Counts:
    """The totals of the run."""

    exchanges: int
    accepted: int
    notifications: int


@dataclass(frozen=True, slots=True)
class Shrinking:
    """The requests of a `budget` that were spent on explaining failures; `stopped`: why the search was cut short."""

    budget: int = 0
    requests: int = 0
    rounds: int = 0
    seconds: float = 0.0
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class SpentLimits:
    """The limits of the run, what it may have spent, and how many cases each option prevented."""

    max_accepted: int | None
    max_spend: int | None
    accepted_at_most: int
    spent_at_most: int
    not_planned: Mapping[str, int]
    withheld: Mapping[str, int]

    def kept_back(self, option: str) -> int:
        """The number of cases that an option prevented."""
        return self.not_planned.get(option, 0) + self.withheld.get(option, 0)


@dataclass(frozen=True, slots=True)
class Strangers:
    """Traffic at the suite's own servers that may be anybody's, and what these servers refused."""

    not_judged: int
    not_kept: int
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MinimalRequest:
    """The simplest request that shows a failure; `differs`: its members unlike those of a plain one (None: absent)."""

    case: str
    body: str
    differs: Mapping[str, Any]
    finished: bool
    reproduce: str | None


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """One kind of violation by its first case; `count` cases are like it, `others` names some of them."""

    message: str
    case: str | None = None
    request_id: str | None = None
    pointer: str | None = None
    value: Any = None
    exchange: int | None = None
    notification: int | None = None
    reproduce: str | None = None
    count: int = 1
    others: tuple[str, ...] = ()
    pattern: str | None = field(default=None, metadata=OPTIONAL)
    minimal: MinimalRequest | None = None

    @property
    def cases(self) -> tuple[str, ...]:
        """Its case, and the others that are named."""
        return tuple(case for case in (self.case, *self.others) if case is not None)

    @property
    def simplest(self) -> ReportedFinding | MinimalRequest:
        """The request that is best sent again."""
        return self.minimal or self


@dataclass(frozen=True, slots=True)
class PassedExample:
    """An exchange in which a requirement held, by its number in the journal, and its case."""

    exchange: int
    case: str


@dataclass(frozen=True, slots=True)
class ListedAs:
    """An entry of the expectations file that lists a result as known."""

    entry: int
    message: str | None = field(default=None, metadata=OPTIONAL)
    issue: str = ""
    owner: str = ""
    expires: str = ""


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """A requirement × command with its verdict. `basis` and `fact` are missing in reports of early releases."""

    id: str
    command: str | None
    level: Level
    actor: Actor
    title: str
    source: str
    basis: Basis | None = field(default=None, metadata=OPTIONAL)
    quote: str | None = None
    fact: str | None = None
    section: str | None = None
    verdict: Verdict = Verdict.INCONCLUSIVE
    observations: int = 0
    failed: int = 0
    findings: tuple[ReportedFinding, ...] = ()
    example: PassedExample | None = field(default=None, metadata=OPTIONAL)
    pattern: str | None = field(default=None, metadata=OPTIONAL)
    depends_on: str | None = field(default=None, metadata=OPTIONAL)
    condition: str | None = field(default=None, metadata=OPTIONAL)
    reason: Reason | None = field(default=None, metadata=OPTIONAL)
    reason_detail: str | None = field(default=None, metadata=OPTIONAL)
    not_applicable: str | None = field(default=None, metadata=OPTIONAL)
    expected: tuple[ListedAs, ...] = field(default=(), metadata=OPTIONAL)

    @property
    def name(self) -> str:
        """`RSP-03 sms`."""
        return " ".join(filter(None, (self.id, self.command)))

    @property
    def place(self) -> str:
        """`sms`; `gateway` or `client` without a command."""
        return self.command or ("gateway" if self.actor is Actor.GATEWAY else "client")

    @property
    def column(self) -> str:
        """`sms`; `as a whole` without a command."""
        return self.command or "as a whole"

    @property
    def area(self) -> str:
        """`RSP`."""
        return self.id.partition("-")[0]

    @property
    def why(self) -> str | None:
        """Why it was not exercised, as `reason: detail`."""
        return f"{self.reason}: {self.reason_detail}" if self.reason else None

    @property
    def listed(self) -> str:
        """`https://…/17 · messaging team · until 2027-01-31` for each expectation that lists it; "" for none."""
        return "; ".join(f"{each.issue} · {each.owner} · until {each.expires}" for each in self.expected)


@dataclass(frozen=True, slots=True)
class Connections:
    """On how many connections a client's request got no answer: on kept-alive and on new ones."""

    reused: int = 0
    new: int = 0


@dataclass(frozen=True, slots=True)
class DriverDeath:
    """A failure of the driver, with its last lines on standard error."""

    case: str | None
    how: str | None = field(default=None, metadata=OPTIONAL)
    detail: str = ""
    at: float | None = field(default=None, metadata=OPTIONAL)
    stderr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftProcess:
    """A process that the driver left behind; `ended`: whether the suite could end it."""

    pid: int
    command: str
    ended: bool


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What a client declared, and the failures of its driver; `implementation` is None for a receiver alone.

    `left_behind` is None where the system cannot tell, and missing in earlier reports.
    """

    implementation: Mapping[str, Any] | None
    commands: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    deaths: tuple[DriverDeath, ...] = ()
    connections: Connections = Connections()
    waited_s: float | None = None
    stderr: tuple[str, ...] = ()
    left_behind: tuple[LeftProcess, ...] | None = field(default=(), metadata=OPTIONAL)


@dataclass(frozen=True, slots=True)
class Latency:
    """Of `count` answers or notifications, in seconds."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Latencies by command or product, and how often each result code came."""

    answers: Mapping[str, Latency] = field(default_factory=dict)
    notifications: Mapping[str, Latency] = field(default_factory=dict)
    result_codes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadTimes:
    """Of `count` answers or notifications under load, in seconds, each percentile within 1 %."""

    count: int
    p50: float
    p90: float
    p99: float
    p99_9: float
    max: float


@dataclass(frozen=True, slots=True)
class LoadMoment:
    """A part of the time under load, from `at_s` seconds on: requests by outcome, notifications, times of answers."""

    at_s: float
    sent: int
    accepted: int
    refused: int
    failed: int
    notified: int
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """A run under load, for `seconds`.

    `rate`: the requests that a gateway has to accept, asked for per second; `reached`: those that were sent;
    `sent_per_s`: all that were sent.
    `refused` with a 4xx; `failed`: no answer, a 5xx, or one outside the envelope. `notified`: accepted requests with a
    notification. `behind_s`: the most that a request went out after its due time. Moments are `moment_s` long.
    """

    rate: float
    reached: float
    sent_per_s: float
    seconds: float
    workers: int
    receivers: int
    sent: int
    accepted: int
    refused: int
    failed: int
    notified: int
    statuses: Mapping[str, int]
    behind_s: float
    slo: str | None
    answers: LoadTimes | None
    notifications: LoadTimes | None
    moment_s: float
    moments: tuple[LoadMoment, ...] = ()


# Fields whose member has another name.
RENAMED: Mapping[tuple[type, str], str] = {(Covered, "name"): "class", (LoadTimes, "p99_9"): "p99.9"}


@dataclass(frozen=True, slots=True)
class StaleEntry:
    """An entry of the expectations file that no longer holds."""

    entry: int
    requirement: str
    command: str | None
    verdict: str
    why: str
    detail: str
    advice: str

    @property
    def name(self) -> str:
        """`RSP-03 sms`."""
        return " ".join(filter(None, (self.requirement, self.command)))


@dataclass(frozen=True, slots=True)
class UsedExpectations:
    """The expectations file of the run."""

    file: str
    digest: str | None
    entries: tuple[Mapping[str, Any], ...] = ()
    stale: tuple[StaleEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A judged run. `settings` are as the run recorded them, with the options of its release."""

    tool: Tool
    subject: ReportSubject
    verdict: Conclusion
    started_at: str
    duration_s: float
    seed: int
    settings: Mapping[str, Any]
    counts: Counts
    shrinking: Shrinking | None = field(default=None, metadata=OPTIONAL)
    limits: SpentLimits | None = field(default=None, metadata=OPTIONAL)
    strangers: Strangers | None = field(default=None, metadata=OPTIONAL)
    requirements: tuple[ReportEntry, ...] = ()
    one_causes: tuple[OneCause, ...] = ()
    coverage: tuple[Covered, ...] = ()
    client: ClientFacts | None = field(default=None, metadata=OPTIONAL)
    figures: Measured = Measured()
    load: LoadReport | None = field(default=None, metadata=OPTIONAL)
    expectations: UsedExpectations | None = field(default=None, metadata=OPTIONAL)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """The report of a valid document; unknown members are ignored.

        Raises TypeError, ValueError or LookupError for a value that the schema allows and no run writes.
        """
        return cast("Self", _read(cls, document))

    def written(self) -> dict[str, Any]:
        """The value of `report.json`."""
        return {"schema_version": SCHEMA_VERSION, **written(self)}

    @property
    def findings(self) -> tuple[ReportedFinding, ...]:
        """The findings of all requirements."""
        return tuple(finding for entry in self.requirements for finding in entry.findings)

    @property
    def stale(self) -> tuple[StaleEntry, ...]:
        """The expectations that no longer hold."""
        return self.expectations.stale if self.expectations else ()


@cache
def _members(kind: type) -> tuple[tuple[str, str, Any, bool, Any], ...]:
    """Of each field: name, name of the member, type, whether the member may be left out, and default."""
    hints = get_type_hints(kind)
    return tuple(
        (each.name, RENAMED.get((kind, each.name), each.name), hints[each.name], bool(each.metadata), each.default)
        for each in fields(kind)
    )


def written(value: Any) -> Any:
    """A value of this module as JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            member: written(getattr(value, name))
            for name, member, _, may_lack, default in _members(type(value))
            if not (may_lack and getattr(value, name) == default)
        }
    if isinstance(value, Mapping):
        return {name: written(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [written(element) for element in value]
    return value.value if isinstance(value, Enum) else value


def _read(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return None if value is None else _read(next(each for each in get_args(kind) if each is not type(None)), value)
    if origin is tuple:
        return tuple(_read(get_args(kind)[0], element) for element in value)
    if origin is Mapping:
        return {name: _read(get_args(kind)[1], member) for name, member in value.items()}
    if is_dataclass(kind):
        made: Any = kind
        return made(**{name: _read(its, value[member]) for name, member, its, *_ in _members(made) if member in value})
    return kind(value) if isinstance(kind, type) and issubclass(kind, Enum) else value
