"""A run in parts: each can be judged by itself, by the facts of the whole.

A part is closed: it holds all cases of a group, all exchanges with one request_id, and their notifications. What
belongs to no exchange is in one part, which leads. `conformance.gateway.division` cuts a journal, and has its parts
judged, each maybe by a process of its own.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from conformance.journal import Record
from conformance.judging.facts import Share
from conformance.judging.terms import Terms

Result_co = TypeVar("Result_co", covariant=True)
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Part:
    """The numbers of the exchanges and notifications of a part, in their order, and its share of the run."""

    exchanges: array[int]
    notifications: array[int]
    share: Share


class PartTask(Protocol[Result_co]):
    """A task on one part; it can be pickled, and so can its result."""

    def __call__(self, record: Record, terms: Terms, share: Share) -> Result_co:
        """Do it, by the record of the part."""


class Division(Protocol):
    """A run that is cut into parts. `leading` is the part with all that belongs to no exchange."""

    @property
    def leading(self) -> Part:
        """The part with all that belongs to no exchange, and without any."""

    @property
    def others(self) -> Sequence[Part]:
        """The parts with exchanges, by the numbers of their first ones."""

    def each(self, tasks: Iterable[tuple[Part, PartTask[Outcome]]]) -> Iterator[Outcome]:
        """The results of tasks, in their order; only some are asked for before the first is done."""
