"""The package as people get it: built in isolation, looked over by twine, installed by pipx, used from nowhere near.

`make test-package` installs these tools and reaches for PyPI; without them these tests are skipped. What is in a wheel
is for tests/test_wheel.py, which needs no network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import __version__
from conformance.gateway_under_test.campaign import JOURNAL
from conformance.reporting.writing import REPORTS

CHECKOUT = Path(__file__).parents[1]
TOOLS = CHECKOUT / ".venv-package"

pytestmark = pytest.mark.skipif(not (TOOLS / ".ready").exists(), reason="no tools (hint: make test-package)")

# Every library that the suite is built on is fetched and installed anew.
PATIENCE_S = 600.0

Command = Callable[..., str]


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What the command printed, both streams, run without what the surroundings say about Python; fails if it fails."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL_ENV", "STATUM_CONFORMANCE"))
    }
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**inherited, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert 0 == done.returncode, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with sdist and wheel, built in isolation with what pyproject.toml says that it takes."""
    folder = tmp_path_factory.mktemp("built")
    run(TOOLS / "bin" / "python", "-m", "build", "--outdir", folder, CHECKOUT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Calls the command that pipx installed, in a directory; nothing of this checkout or its environment is near."""
    home = tmp_path_factory.mktemp("pipx")
    (wheel,) = built.glob("*.whl")
    places = {f"PIPX_{name}": str(home / name.lower()) for name in ("HOME", "BIN_DIR", "MAN_DIR")}
    run(TOOLS / "bin" / "pipx", "install", "--python", sys.executable, wheel, cwd=home, **places)

    def command(directory: Path, *arguments: str) -> str:
        return run(home / "bin_dir" / "statum-conformance", *arguments, cwd=directory, PATH="/usr/bin:/bin")

    return command


def test_sdist_and_wheel_are_built(built: Path) -> None:
    """Both, under the version of the code."""
    assert {
        f"statum_conformance-{__version__}.tar.gz",
        f"statum_conformance-{__version__}-py3-none-any.whl",
    } == {path.name for path in built.iterdir()}


def test_twine_has_nothing_to_say(built: Path) -> None:
    """Of the metadata, and of the README as PyPI would show it; a warning counts."""
    said = run(TOOLS / "bin" / "twine", "check", "--strict", *built.iterdir(), cwd=built)

    assert (2, 0) == (said.count("PASSED"), said.count("WARNING"))


def test_the_installed_command_judges_in_an_empty_directory(installed: Command, tmp_path: Path) -> None:
    """A whole run over real HTTP with every report, from schemas and catalogue that came with the wheel."""
    said = installed(tmp_path, "run", "--product", "sms", "--max-examples", "0", "--seed", "7")

    assert said.splitlines()[-1].startswith("conformant: ")
    assert [tmp_path / "reports"] == list(tmp_path.iterdir())
    assert {*REPORTS, JOURNAL} == {path.name for path in (tmp_path / "reports").iterdir()}
    assert __version__ == json.loads((tmp_path / "reports" / "report.json").read_bytes())["tool"]["version"]


def test_the_installed_command_signs_and_verifies(installed: Command, tmp_path: Path) -> None:
    """With the cryptographic library that it asked for."""
    installed(tmp_path, "keygen")
    installed(tmp_path, "run", "--product", "sms", "--max-examples", "0", "--sign-key", "signing.key")

    said = installed(tmp_path, "verify", "reports/certificate.json", "--key", "signing.key.pub")

    assert said.splitlines()[-1].startswith("valid: ")


def test_the_installed_command_prints_the_contract(installed: Command, tmp_path: Path) -> None:
    """OpenAPI, made of the schemas in the wheel."""
    assert "3.1.0" == json.loads(installed(tmp_path, "openapi"))["openapi"]


def test_the_installed_command_tells_its_version(installed: Command, tmp_path: Path) -> None:
    """That of the code."""
    assert __version__ in installed(tmp_path, "--version")
