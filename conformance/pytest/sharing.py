"""Who holds the campaign, and how the other processes of one pytest run come to its result.

    Holder      holds the campaign and writes the reports: pytest in one process, or the controller of pytest-xdist
    Reader      judges the journal of a campaign that another process holds: a worker of pytest-xdist
    Handover    what passes between them: that the campaign is wanted, and what became of it

A campaign costs money and must be held once, while a worker can be killed, replaced, or be one of several that run
everything (`--dist each`). So the controller holds it. Nobody waits and nobody polls, for pytest-xdist does one thing
after the other:

    worker          has collected, and says in the handover if an item of it wants the campaign
    controller      is told by pytest-xdist that a worker has collected; if the campaign is wanted, holds it there and
                    then, in its main thread, where Ctrl-C arrives, and says in the handover what became of it
    pytest-xdist    only then hands out items
    worker          knows from the handover where the journal is, or why there is none
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from conformance.contract.contract import Contract, contract_at
from conformance.gateway import campaign
from conformance.gateway.case_files import save_failing
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.model.errors import ConformanceError, EnvironmentFailure
from conformance.model.interruption import Closing, heeded, held_back
from conformance.reports.files import write_reports
from conformance.reports.result import Result
from conformance.wire.streams import close_all


class SharedCampaign(Protocol):
    """The one campaign of a pytest run, as each of its processes sees it."""

    @property
    def products(self) -> tuple[str, ...]:
        """What is exercised."""

    @property
    def expecting(self) -> bool:
        """Whether there is an expectations file."""

    @property
    def contract(self) -> Contract:
        """What is judged by."""

    def result(self) -> Result:
        """What came of it; ConformanceError, in one line, if it could not be held."""


class Holder:
    """Holds the campaign when it is asked for its result; `held` is the result, once there is one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.held: Result | None = None

    @property
    def products(self) -> tuple[str, ...]:
        """What is exercised."""
        return self.settings.products

    @property
    def expecting(self) -> bool:
        """Whether there is an expectations file."""
        return self.settings.expectations is not None

    @property
    def contract(self) -> Contract:
        """What is judged by."""
        return self.settings.contract

    def result(self) -> Result:
        """The campaign, judged; the reports are written, and failing cases kept where the settings say so.

        Raises UsageError and EnvironmentFailure for what keeps it from beginning, and KeyboardInterrupt if it was
        interrupted: the reports tell how far it went, and pytest ends as it does elsewhere.
        """
        # A second signal closes connections; pytest, which may have other tests to tell of, is not ended by it.
        with heeded(hard=False), held_back(), Closing(close_all):
            journal = read_journal(campaign.run(self.settings))
            self.held = Result.of(journal, contract=self.settings.contract)
            write_reports(self.held, self.settings.report_dir)
            if self.settings.save_corpus is not None:
                save_failing(self.held.record, self.held.judged, self.settings.save_corpus, self.settings.contract)
        if any(note.kind == "interrupted" for note in self.held.record.notes):
            raise KeyboardInterrupt
        return self.held


@dataclass(frozen=True, slots=True)
class Handover:
    """A directory that the controller makes and the workers are told of."""

    directory: Path

    @property
    def wanted(self) -> bool:
        """Whether a worker has an item that needs the campaign."""
        return self._wish.exists()

    @property
    def settled(self) -> bool:
        """Whether it has been said what became of the campaign."""
        return self._outcome.exists()

    def want(self) -> None:
        """Say that an item needs the campaign."""
        self._wish.touch()

    def hold(self, holder: Holder) -> None:
        """Hold the campaign, and say what became of it."""
        outcome: dict[str, str | None]
        try:
            holder.result()
        except ConformanceError as error:
            outcome = {"error": error.message, "hint": error.hint}
        else:
            outcome = {"journal": str((holder.settings.report_dir / campaign.JOURNAL).absolute())}
        self._outcome.write_text(json.dumps(outcome), encoding="utf-8")

    def journal(self) -> Path:
        """Where the journal is. Raises EnvironmentFailure, with what kept the campaign from being held."""
        try:
            outcome = json.loads(self._outcome.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise EnvironmentFailure(
                "no campaign was held for this worker of pytest-xdist",
                "name the fixture among a test's arguments; workers have to be on this machine",
            ) from error
        if "error" in outcome:
            raise EnvironmentFailure(outcome["error"], outcome["hint"])
        return Path(outcome["journal"])

    @property
    def _wish(self) -> Path:
        return self.directory / "wanted"

    @property
    def _outcome(self) -> Path:
        return self.directory / "outcome.json"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what another process holds. It is told neither the credential nor what else it does not need."""

    handover: Handover
    products: tuple[str, ...]
    expecting: bool
    contract: Contract

    @classmethod
    def of(cls, handed: Mapping[str, Any]) -> Self:
        """From what `handed` made."""
        contract = contract_at(Path(handed["contract"]) if handed["contract"] else None)
        return cls(Handover(Path(handed["directory"])), tuple(handed["products"]), handed["expecting"], contract)

    def handed(self) -> dict[str, Any]:
        """Itself, in the values that pytest-xdist can send to a worker."""
        return {
            "directory": str(self.handover.directory),
            "products": list(self.products),
            "expecting": self.expecting,
            "contract": None if self.contract.folder is None else str(self.contract.folder.resolve()),
        }

    def result(self) -> Result:
        """The campaign, judged here. Raises EnvironmentFailure if there is none."""
        return Result.of(read_journal(self.handover.journal()), contract=self.contract)
