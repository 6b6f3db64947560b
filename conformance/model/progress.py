"""What a run tells while it goes on; the terminal shows it, tests collect it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called from the run's own threads, often; must be quick and must not raise."""

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins: `prepare`, `preflight`, `send`, `listen`, `shrink`, `judge`.

        Of a client also `deliver` (notifications are sent to it) and `observe`.
        """

    def until(self, at: float) -> None:
        """The phase ends at `at` (seconds of `time.monotonic`) at the latest: what is awaited has that long."""

    def exchanged(self, done: int, planned: int) -> None:
        """So many of the planned cases have their answer."""

    def notified(self, arrived: int, outstanding: int) -> None:
        """So many notifications came, so many are still owed."""

    def remark(self, text: str) -> None:
        """Something that whoever watches should know now, such as why nothing goes on."""


class Silent:
    """Tells nobody."""

    def phase(self, name: str, detail: str = "") -> None:
        """Say nothing."""

    def until(self, at: float) -> None:
        """Say nothing."""

    def exchanged(self, done: int, planned: int) -> None:
        """Say nothing."""

    def notified(self, arrived: int, outstanding: int) -> None:
        """Say nothing."""

    def remark(self, text: str) -> None:
        """Say nothing."""
