"""Results → subjects with their history and a stable address, in groups by contract and kind.

    RegisteredSubject   all results of one subject, the earliest first
    HistoryRow          one of them, compared with the one before
    SubjectGroup        the subjects of one contract and kind, with the columns of their matrix
    Register            everything

A subject is a contract, a kind and a name, without regard to case and spaces. Its address is made of these alone, so it
stays the same whatever other subjects come and go.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from conformance.contract.contract import Contract, statum
from conformance.judging.verdicts import Conclusion
from conformance.register.certificates import CheckedCertificate
from conformance.register.reading import ReadResults
from conformance.register.results import KINDS, RegisteredResult, Standing, by_area, by_requirement, folded
from conformance.reports.comparing import ReportComparison, in_one_line

SUBJECTS = "subjects"

# Of an address: characters of the name, and hexadecimal digits of what makes it unlike any other.
LONGEST_READABLE, DIGITS = 48, 16
_PLAIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WITH_DIGITS = re.compile(rf".*-[0-9a-f]{{{DIGITS}}}")


def slug_of(contract: str, kind: str, name: str) -> str:
    """The name of a subject's folder: ASCII letters, digits and hyphens, at most 75 characters.

    `client-acme-sdk`. A name that cannot be written so is followed by the beginning of a SHA-256, so that no two names
    have one address.
    """
    key = folded(name)
    is_plain = _PLAIN.fullmatch(key) and len(key) <= LONGEST_READABLE and not _WITH_DIGITS.fullmatch(key)
    if is_plain and contract == statum().name:
        return f"{kind}-{key}"
    decomposed = unicodedata.normalize("NFKD", re.sub(r"^[a-z]+://", "", key)).encode("ascii", "ignore").decode()
    readable = re.sub("[^a-z0-9]+", "-", decomposed).strip("-")[:LONGEST_READABLE].strip("-")
    digest = hashlib.sha256(f"{contract}\0{kind}\0{key}".encode("utf-8", "backslashreplace")).hexdigest()
    return "-".join(filter(None, (kind, readable, digest[:DIGITS])))


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A result, and what changed since the one before; None for the first one."""

    result: RegisteredResult
    change: ReportComparison | None

    @property
    def in_one_line(self) -> str:
        """`2 broken, 1 fixed`."""
        return "first result" if self.change is None else in_one_line(self.change)

    @property
    def direction(self) -> str:
        """`worse`, `better`, or `""`."""
        if self.change is None:
            return ""
        if self.change.worse:
            return "worse"
        return "better" if any(self.change.became[name] for name in ("fixed", "relaxed", "no_longer_warned")) else ""


@dataclass(frozen=True)
class RegisteredSubject:
    """A subject with at least one result; `history` is in the order of time."""

    slug: str
    history: tuple[HistoryRow, ...]

    @classmethod
    def of(cls, results: Iterable[RegisteredResult]) -> RegisteredSubject:
        """The subject of these results. Of two that began at one moment the first comes first."""
        ordered = sorted(results, key=lambda result: result.began)
        compared = [None, *(ReportComparison.of(a.report, b.report) for a, b in pairwise(ordered))]
        latest = ordered[-1]
        rows = tuple(HistoryRow(result, change) for result, change in zip(ordered, compared, strict=True))
        return cls(slug_of(latest.contract.name, latest.kind, latest.name), rows)

    @property
    def latest(self) -> RegisteredResult:
        """The last result."""
        return self.history[-1].result

    @property
    def name(self) -> str:
        """Its name in the last result."""
        return self.latest.name

    @cached_property
    def areas(self) -> dict[str, Standing]:
        """The last standing of each area."""
        return by_area(self.latest.report)

    @cached_property
    def requirements(self) -> dict[str, Standing]:
        """The last standing of each requirement."""
        return by_requirement(self.latest.report)

    @property
    def certified(self) -> RegisteredResult | None:
        """The last result with a certificate that counts, unless a later one is not conformant."""
        for row in reversed(self.history):
            if row.result.is_certified:
                return row.result
            if row.result.verdict is not Conclusion.CONFORMANT:
                return None
        return None

    @property
    def certificate(self) -> CheckedCertificate | None:
        """The certificate to show: the one that counts, else that of the last result, which says why it does not."""
        shown = self.certified or self.latest
        return shown.certificate

    @property
    def badge(self) -> bytes:
        """The badge as SVG: of the result that is certified, else of the last one."""
        return (self.certified or self.latest).badge().svg()


@dataclass(frozen=True)
class SubjectGroup:
    """The subjects of one kind that were judged by one contract, by name."""

    contract: Contract
    kind: str
    subjects: tuple[RegisteredSubject, ...]

    @cached_property
    def requirements(self) -> dict[str, str]:
        """Id → title of each requirement that any of them was judged by, in the order of the catalogue."""
        titles = {entry.id: entry.title for subject in self.subjects for entry in subject.latest.report.requirements}
        order = {requirement.id: number for number, requirement in enumerate(self.contract.catalogue.requirements)}
        return {id_: titles[id_] for id_ in sorted(titles, key=lambda id_: (order.get(id_, len(order)), id_))}

    @cached_property
    def areas(self) -> dict[str, list[str]]:
        """Area → its requirements."""
        areas: dict[str, list[str]] = {}
        for id_ in self.requirements:
            areas.setdefault(id_.partition("-")[0], []).append(id_)
        return areas

    @cached_property
    def editions(self) -> Counter[str]:
        """How many of the last results each edition of the catalogue judged."""
        return Counter(subject.latest.report.tool.catalogue for subject in self.subjects)


@dataclass(frozen=True)
class Register:
    """All groups, those of one contract together, in the order of the contracts."""

    groups: tuple[SubjectGroup, ...]
    reading: ReadResults

    @classmethod
    def of(cls, reading: ReadResults, contracts: Sequence[Contract]) -> Register:
        """Sort the results into subjects, and those into groups."""
        by_subject: dict[tuple[str, str, str], list[RegisteredResult]] = {}
        for result in reading.results:
            key = (result.contract.name, result.kind, folded(result.name))
            by_subject.setdefault(key, []).append(result)
        subjects = {key: RegisteredSubject.of(results) for key, results in sorted(by_subject.items())}
        return cls(tuple(_groups(subjects.items(), contracts)), reading)

    @property
    def subjects(self) -> list[RegisteredSubject]:
        """All subjects."""
        return [subject for group in self.groups for subject in group.subjects]

    @property
    def verdicts(self) -> Counter[Conclusion]:
        """How many subjects have each verdict."""
        return Counter(subject.latest.verdict for subject in self.subjects)

    @property
    def number_certified(self) -> int:
        """How many subjects have a certificate that counts."""
        return sum(subject.certified is not None for subject in self.subjects)


def _groups(
    subjects: Iterable[tuple[tuple[str, str, str], RegisteredSubject]], contracts: Sequence[Contract]
) -> Iterator[SubjectGroup]:
    together: dict[tuple[str, str], list[RegisteredSubject]] = {}
    for (name, kind, _), subject in subjects:
        together.setdefault((name, kind), []).append(subject)
    for contract in contracts:
        for kind in KINDS:
            if of_kind := together.get((contract.name, kind)):
                yield SubjectGroup(contract, kind, tuple(of_kind))
