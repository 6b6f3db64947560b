"""Two reports side by side: what is fixed, broken, new, gone and slower.

    Comparison.of       of two documents as `report.json` holds them, the earlier one first
    told                the same in one line
    .worse              whether the later one is worse: the exit code of `compare` rests on it

A verdict is better or worse by its weight: PASS and NOT_APPLICABLE are well; INCONCLUSIVE, WARN, KNOWN and FAIL weigh
more and more. What is slower is told and makes nothing worse, for two machines are seldom equally busy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.verdicts import Verdict

WEIGHTS: Mapping[str, int] = {
    Verdict.PASS: 0,
    Verdict.NOT_APPLICABLE: 0,
    Verdict.INCONCLUSIVE: 1,
    Verdict.WARN: 2,
    Verdict.KNOWN: 3,
    Verdict.FAIL: 4,
}
# Smaller differences are the machine's: twice as long, and at least so much longer.
SLOWER_BY = 2.0
SLOWER_BY_S = 0.05

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a requirement × command: `before` or `after` is None where it was not judged."""

    id: str
    command: str | None
    title: str
    before: str | None
    after: str | None
    message: str | None = None

    @property
    def place(self) -> str:
        """`RSP-03 sms`."""
        return " ".join(filter(None, (self.id, self.command)))


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A p95 latency, in seconds, that has grown: of the `answers` or `notifications` of `name`."""

    what: str
    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two reports; `verdicts` are the conclusions of both."""

    verdicts: tuple[str, str]
    broken: tuple[Change, ...]
    fixed: tuple[Change, ...]
    new: tuple[Change, ...]
    gone: tuple[Change, ...]
    slower: tuple[Slowdown, ...]

    @classmethod
    def of(cls, before: Mapping[str, Any], after: Mapping[str, Any]) -> Comparison:
        """Compare two documents."""
        earlier, later = _by_key(before), _by_key(after)
        both = [(key, earlier[key], later[key]) for key in later if key in earlier]
        return cls(
            verdicts=(before["verdict"], after["verdict"]),
            broken=tuple(_change(old, new) for _, old, new in both if _weight(new) > _weight(old)),
            fixed=tuple(_change(old, new) for _, old, new in both if _weight(new) < _weight(old)),
            new=tuple(_change(None, entry) for key, entry in later.items() if key not in earlier),
            gone=tuple(_change(entry, None) for key, entry in earlier.items() if key not in later),
            slower=tuple(_slower(before.get("figures", {}), after.get("figures", {}))),
        )

    @property
    def worse(self) -> bool:
        """Whether anything is broken that was not, or that is new and broken."""
        return bool(self.broken) or any(WEIGHTS[change.after or ""] for change in self.new)


def _by_key(document: Mapping[str, Any]) -> dict[Key, Mapping[str, Any]]:
    return {(entry["id"], entry["command"]): entry for entry in document["requirements"]}


def _weight(entry: Mapping[str, Any]) -> int:
    return WEIGHTS[entry["verdict"]]


def _change(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Change:
    entry = new or old or {}
    findings = (new or {}).get("findings") or []
    return Change(
        entry["id"],
        entry["command"],
        entry["title"],
        None if old is None else old["verdict"],
        None if new is None else new["verdict"],
        findings[0]["message"] if findings else (new or {}).get("reason_detail"),
    )


def _slower(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Slowdown]:
    for what in ("answers", "notifications"):
        for name, measured in after.get(what, {}).items():
            old = before.get(what, {}).get(name)
            if old is None:
                continue
            least = max(old["p95"] * SLOWER_BY, old["p95"] + SLOWER_BY_S)
            if measured["p95"] > least:
                yield Slowdown(what, name, old["p95"], measured["p95"])


def told(comparison: Comparison) -> str:
    """`2 broken, 1 fixed, 3 new`; or that nothing differs."""
    counted = (
        ("broken", comparison.broken),
        ("fixed", comparison.fixed),
        ("new", comparison.new),
        ("gone", comparison.gone),
        ("slower", comparison.slower),
    )
    parts = [f"{len(changes)} {name}" for name, changes in counted if changes]
    return ", ".join(parts) or "no verdict differs"
