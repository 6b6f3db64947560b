"""A pytest plugin that holds the campaign once for all items of the suite, and writes the reports beside pytest's own.

`conformance.pytest.plugin` loads it where the suite is asked for. Under pytest-xdist (`-n 4`) all workers share one
campaign, one receiver and one journal, which `conformance.pytest.sharing` explains; other tests of the same run begin
after the campaign. Nothing is sent where no item wants it (`--collect-only`, `-k` without a match, `--setup-plan`).

Workers do not make the suite faster, for the campaign is what takes time, and judging its journal takes 0.1 s. Default
run against the built-in mock gateway on 2 busy cores: 2.9 s in one process, 5 to 9 s with `-n 4` (starting a worker
costs 1.1 s of processor time). They are for the other tests that the suite is run with.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import click
import pytest

from conformance.cli.complaints import Complaints, in_one_line
from conformance.cli.options import settings_from
from conformance.cli.run import run
from conformance.contract.command import Notified
from conformance.contract.requirements import Actor
from conformance.gateway.settings import Settings
from conformance.model.errors import ConformanceError
from conformance.pytest.plugin import arguments
from conformance.pytest.sharing import Handover, Holder, Reader, SharedCampaign
from conformance.reports.files import REPORT_HTML
from conformance.reports.result import Result

CAMPAIGN = pytest.StashKey[SharedCampaign]()
HANDOVER = pytest.StashKey[Handover]()

EXPECTATIONS_TEST = Path(__file__).with_name("test_expectations.py")

# Under which name a worker finds what it is told, among what other plugins tell it.
HANDED = "statum_conformance"


class Node(Protocol):
    """A worker of pytest-xdist, as the controller sees it."""

    config: pytest.Config
    workerinput: dict[str, Any]


def pytest_configure(config: pytest.Config) -> None:
    """Settle who holds the campaign; with settings as `run` has them: options, then environment, then file.

    Only the controller reads settings, so that a seed is drawn once. One clear line if that fails.
    """
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[CAMPAIGN] = Holder(_settings(config)) if workerinput is None else Reader.of(workerinput[HANDED])


def _settings(config: pytest.Config) -> Settings:
    complaints = Complaints()
    try:
        with run.make_context("run", arguments(config), obj=complaints) as context:
            return settings_from(context.params)
    except ConformanceError as error:
        raise pytest.UsageError(complaints.redacted("\n".join([str(error), *error.lines]))) from error
    except click.ClickException as error:
        raise pytest.UsageError(complaints.redacted(str(in_one_line(error)))) from error


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the test of the expectations where none are listed."""
    return True if collection_path == EXPECTATIONS_TEST and not config.stash[CAMPAIGN].expecting else None


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
    """The campaign against the gateway, held once and judged."""
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


# First: after it, pytest-xdist tells the controller that this worker has collected.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """In a worker: say so if an item that it collected wants the campaign."""
    shared = session.config.stash[CAMPAIGN]
    if not isinstance(shared, Reader) or session.config.getoption("setupplan", default=False):
        return
    if any(gateway_result.__name__ in getattr(item, "fixturenames", ()) for item in session.items):
        shared.handover.want()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Node) -> None:
    """In the controller, before it hands out items: hold the campaign once it is wanted."""
    handover, holder = node.config.stash[HANDOVER], node.config.stash[CAMPAIGN]
    if isinstance(holder, Holder) and handover.wanted and not handover.settled:
        handover.hold(holder)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The verdict on the gateway, and how to repeat it."""
    holder = config.stash[CAMPAIGN]
    if isinstance(holder, Holder) and holder.held is not None:
        report = holder.held.report
        terminalreporter.section("conformance")
        terminalreporter.write_line(
            f"{report.verdict}: {report.subject.url} · seed {report.seed} · {holder.settings.report_dir / REPORT_HTML}"
        )
