"""A pytest plugin that runs the campaign once for all items of the suite, and writes the reports beside pytest's own.

    Holder      runs the campaign and writes the reports: pytest in one process, or the controller of pytest-xdist
    Reader      judges the journal of a campaign that another process ran: a worker of pytest-xdist
    Handover    the files between them: whether the campaign is wanted, and its outcome

`conformance.pytest.plugin` loads it where the suite is asked for. Nothing is sent where no item wants the campaign
(`--collect-only`, `-k` without a match, `--setup-plan`).

Under pytest-xdist (`-n 4`) all workers share one campaign, because it costs money and a worker can be killed, replaced,
or be one of several that run everything (`--dist each`). So the controller runs it, in this order:

    worker          collects, and notes in the handover if one of its items wants the campaign
    controller      learns from pytest-xdist that a worker has collected; if the campaign is wanted, runs it there and
                    then, in its main thread, where Ctrl-C arrives, and notes the outcome in the handover
    pytest-xdist    only then hands out items
    worker          reads in the handover where the journal is, or why there is none

Workers do not make the suite faster: the campaign takes the time, judging its journal 0.1 s, and starting a worker
costs 1.1 s of processor time. They are for the other tests of the same session.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self

import click
import pytest

from conformance.cli.command import Messages, in_one_line
from conformance.cli.run import run
from conformance.cli.settings import settings_from
from conformance.contract.command import Notified
from conformance.contract.contract import Contract, contract_at
from conformance.contract.requirements import Actor
from conformance.gateway import campaign
from conformance.gateway.case_files import save_failing
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Verdict
from conformance.model.errors import ConformanceError, EnvironmentFailure
from conformance.model.process import closed_at_second_signal, interrupts_deferred, signals_handled
from conformance.pytest.plugin import HERE, arguments
from conformance.reports.files import REPORT_HTML, write_reports
from conformance.reports.problems import Shortfall, problems
from conformance.reports.result import Result
from conformance.reports.terminal import problem_lines
from conformance.reports.text import counted
from conformance.wire.streams import close_all

EXPECTATIONS_TEST = "test_expectations"
# The files of a handover.
WISH, OUTCOME = "wanted", "outcome.json"
# The suite's key in the input of a worker.
HANDED = "statum_conformance"


class Holder:
    """Runs the campaign when it is asked for its result; `held` is the result, once there is one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.products = settings.products
        self.expecting = settings.expectations is not None
        self.contract = settings.contract
        self.held: Result | None = None

    def result(self) -> Result:
        """Run and judge the campaign, write its reports, and save failing cases where the settings say so.

        Raises UsageError and EnvironmentFailure if it cannot begin, and KeyboardInterrupt if it was interrupted, after
        the reports are written.
        """
        # A second signal closes connections and does not end pytest, which may have other tests to report.
        with signals_handled(hard=False), interrupts_deferred(), closed_at_second_signal(close_all):
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
    """A directory that the controller makes for itself and the workers."""

    directory: Path

    @property
    def is_due(self) -> bool:
        """Whether a worker wants the campaign, which was not run yet."""
        return (self.directory / WISH).exists() and not (self.directory / OUTCOME).exists()

    def want(self) -> None:
        """Note that an item wants the campaign."""
        (self.directory / WISH).touch()

    def hold(self, holder: Holder) -> None:
        """Run the campaign, and note where its journal is, or why there is none."""
        outcome: dict[str, str | None]
        try:
            holder.result()
        except ConformanceError as error:
            outcome = {"error": error.message, "hint": error.hint}
        else:
            outcome = {"journal": str((holder.settings.report_dir / campaign.JOURNAL).absolute())}
        (self.directory / OUTCOME).write_text(json.dumps(outcome), encoding="utf-8")

    def journal(self) -> Path:
        """Where the journal is. Raises EnvironmentFailure with the reason if there is none."""
        try:
            outcome = json.loads((self.directory / OUTCOME).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise EnvironmentFailure(
                "no campaign was held for this worker of pytest-xdist",
                "name the fixture among a test's arguments; workers have to be on this machine",
            ) from error
        if "error" in outcome:
            raise EnvironmentFailure(outcome["error"], outcome["hint"])
        return Path(outcome["journal"])


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the campaign of another process. It does not get the credential."""

    handover: Handover
    products: tuple[str, ...]
    expecting: bool
    contract: Contract

    @classmethod
    def of(cls, handed: Mapping[str, Any]) -> Self:
        """A reader from its `handed` values."""
        contract = contract_at(Path(handed["contract"]) if handed["contract"] else None)
        return cls(Handover(Path(handed["directory"])), tuple(handed["products"]), handed["expecting"], contract)

    def handed(self) -> dict[str, Any]:
        """The values that pytest-xdist sends to a worker."""
        return {
            "directory": str(self.handover.directory),
            "products": list(self.products),
            "expecting": self.expecting,
            "contract": None if self.contract.folder is None else str(self.contract.folder.resolve()),
        }

    def result(self) -> Result:
        """Judge the campaign. Raises EnvironmentFailure if there is none."""
        return Result.of(read_journal(self.handover.journal()), contract=self.contract)


CAMPAIGN = pytest.StashKey[Holder | Reader]()
HANDOVER = pytest.StashKey[Handover]()


class Node(Protocol):
    """A worker of pytest-xdist, as the controller sees it."""

    config: pytest.Config
    workerinput: dict[str, Any]


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings as `run` does, from options, environment and file; once, so that there is one seed."""
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[CAMPAIGN] = Holder(_settings(config)) if workerinput is None else Reader.of(workerinput[HANDED])


def _settings(config: pytest.Config) -> Settings:
    messages = Messages()
    try:
        with run.make_context("run", arguments(config), obj=messages) as context:
            return replace(settings_from(context.params), only=())  # pytest selects its items by itself
    except ConformanceError as error:
        raise pytest.UsageError(messages.redacted("\n".join([str(error), *error.lines]))) from error
    except click.ClickException as error:
        raise pytest.UsageError(messages.redacted(str(in_one_line(error)))) from error


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the test of the expectations where there are none."""
    if not config.stash[CAMPAIGN].expecting:
        here = Path(__file__).parent
        items[:] = [item for item in items if item.name != EXPECTATIONS_TEST or item.path.parent != here]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item per requirement × command."""
    if "command" not in metafunc.fixturenames:
        return
    shared = metafunc.config.stash[CAMPAIGN]
    contract = shared.contract
    asked: list[Notified] = [*contract.commands_of(shared.products), *contract.unsolicited.values()]
    pairs = contract.catalogue.judged(Actor.GATEWAY, asked)
    ids = [f"{requirement.id}-{command}" if command else requirement.id for requirement, command in pairs]
    metafunc.parametrize(("requirement", "command"), pairs, ids=ids)


@pytest.fixture(scope="session")
def gateway_result(pytestconfig: pytest.Config) -> Result:
    """The campaign against the gateway, run once and judged."""
    try:
        return pytestconfig.stash[CAMPAIGN].result()
    except ConformanceError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Node) -> None:
    """In the controller: tell a worker that is about to start where the handover is."""
    stash = node.config.stash
    if HANDOVER not in stash:
        directory = TemporaryDirectory(prefix="statum-conformance-")
        node.config.add_cleanup(directory.cleanup)
        stash[HANDOVER] = Handover(Path(directory.name))
    shared = stash[CAMPAIGN]
    node.workerinput[HANDED] = Reader(stash[HANDOVER], shared.products, shared.expecting, shared.contract).handed()


# First, because pytest-xdist then tells the controller that this worker has collected.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """In a worker: note whether one of its items wants the campaign."""
    shared = session.config.stash[CAMPAIGN]
    if not isinstance(shared, Reader) or session.config.getoption("setupplan", default=False):
        return
    if any(gateway_result.__name__ in getattr(item, "fixturenames", ()) for item in session.items):
        shared.handover.want()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Node) -> None:
    """In the controller, before it hands out items: run the campaign once it is wanted."""
    handover, holder = node.config.stash[HANDOVER], node.config.stash[CAMPAIGN]
    if isinstance(holder, Holder) and handover.is_due:
        handover.hold(holder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leave the name of pytest's exception out of the summary, which has little room for the cause."""
    report = yield
    crash = getattr(report.longrepr, "reprcrash", None)
    if item.path.parent == HERE and crash is not None:
        crash.message = crash.message.removeprefix("Failed: ")
    return report


def _fails(shortfall: Shortfall) -> bool:
    """Whether its items fail; those of a warning pass."""
    return shortfall.verdict is not Verdict.WARN


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The problems of the gateway by cause, the verdict, and how to repeat it."""
    holder = config.stash[CAMPAIGN]
    if isinstance(holder, Holder) and holder.held is not None:
        report, directory = holder.held.report, holder.settings.report_dir
        terminalreporter.section("conformance")
        failed = [problem for problem in problems(report) if not problem[0].listed and _fails(problem[0])]
        items = sum(len(each.entries) for problem in failed for each in problem if _fails(each))
        if items:
            terminalreporter.write_line(f"{counted(items, 'failed item')}, {counted(len(failed), 'cause')}:")
        for line, command in problem_lines(holder.held, directory / REPORT_HTML, directory / campaign.JOURNAL):
            terminalreporter.write_line(f"{line.plain} {command}".rstrip())
        terminalreporter.write_line(
            f"{report.verdict}: {report.subject.url} · seed {report.seed} · {directory / REPORT_HTML}"
        )
