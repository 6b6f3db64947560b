"""A certified run for the tests of certificates."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from certificates import certified_in

from conformance.cli.configuration import PREFIX


@pytest.fixture(scope="session")
def certified_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with keys, and the reports of a run that was certified with the vendor's."""
    return certified_in(tmp_path_factory.mktemp("certified"))


@pytest.fixture
def here(tmp_path: Path, certified_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, as the current directory."""
    folder = tmp_path / "here"
    shutil.copytree(certified_run, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv(f"{PREFIX}KEY_PASSPHRASE", raising=False)
    return folder
