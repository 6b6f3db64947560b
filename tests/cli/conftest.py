"""The current directory of tests of the command line, and the settings that options make there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.cli.configuration import ENV, switches, variable
from conformance.cli.run import run
from conformance.cli.settings import settings_from
from conformance.gateway.settings import Settings
from conformance.options import table


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, where reports go, and no variable of the suite in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [ENV, *(switch.name for switch in switches(table()))]:
        monkeypatch.delenv(variable(name), raising=False)
    return tmp_path


@pytest.fixture
def settings_of(here: Path) -> Callable[..., Settings]:  # noqa: ARG001 - the current directory
    """The settings that `run` makes of arguments, here and now."""

    def made(*arguments: str) -> Settings:
        with run.make_context("run", list(arguments)) as context:
            return settings_from(context.params)

    return made
