"""A pytest plugin that holds the campaign once for all items of the suite, and writes the reports beside pytest's own.

`conformance.pytest_plugin` loads it where the suite is asked for.
"""

from __future__ import annotations

import pytest

from conformance.cli.complaints import Complaints
from conformance.cli.options import settings_from
from conformance.cli.run import run
from conformance.contract.commands import Command, commands_of
from conformance.contract.requirements import Actor, catalogue
from conformance.errors import ConformanceError
from conformance.gateway_under_test import campaign
from conformance.gateway_under_test.settings import Settings
from conformance.journal import read_journal
from conformance.pytest_plugin import arguments
from conformance.reporting.result import Result
from conformance.reporting.writing import write_reports

SETTINGS = pytest.StashKey[Settings]()
RESULT = pytest.StashKey[Result]()


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings as `run` does: options of pytest, then environment, then file. One clear line if that fails."""
    try:
        with run.make_context("run", arguments(config), obj=Complaints()) as context:
            config.stash[SETTINGS] = settings_from(context.params)
    except ConformanceError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item per requirement × command."""
    if "command" not in metafunc.fixturenames:
        return
    commands: tuple[Command, ...] = commands_of(metafunc.config.stash[SETTINGS].products)
    pairs = catalogue().judged(Actor.GATEWAY, commands)
    ids = [f"{requirement.id}-{command}" if command else requirement.id for requirement, command in pairs]
    metafunc.parametrize(("requirement", "command"), pairs, ids=ids)


@pytest.fixture(scope="session")
def gateway_result(pytestconfig: pytest.Config) -> Result:
    """The campaign against the gateway, held once and judged."""
    settings = pytestconfig.stash[SETTINGS]
    result = Result.of(read_journal(campaign.run(settings)))
    write_reports(result, settings.report_dir)
    pytestconfig.stash[RESULT] = result
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The verdict on the gateway, and how to repeat it."""
    result = config.stash.get(RESULT, None)
    if result is not None:
        document = result.document
        terminalreporter.section("conformance")
        terminalreporter.write_line(
            f"{document['verdict']}: {document['subject']['url']} · seed {document['seed']} · "
            f"{config.stash[SETTINGS].report_dir / 'report.json'}"
        )
