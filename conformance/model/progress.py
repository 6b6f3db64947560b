"""How a run reports its progress: the terminal shows it, tests collect it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """The threads of a run call these methods often; they must be quick and must not raise."""

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins: `prepare`, `preflight`, `send`, `listen`, `shrink`, `judge`.

        Of a client also `deliver` (notifications are sent to it) and `observe`.
        """

    def until(self, at: float) -> None:
        """The phase ends at `at` (seconds of `time.monotonic`) at the latest."""

    def exchanged(self, done: int, planned: int) -> None:
        """`done` of the `planned` cases have their answer."""

    def notified(self, arrived: int, outstanding: int) -> None:
        """`arrived` notifications came, and `outstanding` are still owed."""

    def remark(self, text: str) -> None:
        """A message for the person who watches, such as the reason of a pause."""


class Silent:
    """Reports nothing."""

    def phase(self, name: str, detail: str = "") -> None:
        """Do nothing."""

    def until(self, at: float) -> None:
        """Do nothing."""

    def exchanged(self, done: int, planned: int) -> None:
        """Do nothing."""

    def notified(self, arrived: int, outstanding: int) -> None:
        """Do nothing."""

    def remark(self, text: str) -> None:
        """Do nothing."""
