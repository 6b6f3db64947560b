"""What people install: the wheel, built by way of the sdist, looked into and used away from the checkout.

Nothing here needs a network: hatchling is in the environment, and what the project depends on is too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from configparser import ConfigParser
from email.parser import BytesParser
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from conformance import __version__
from conformance.certificate.digests import suite_digest

CHECKOUT = Path(__file__).parents[2]

# Longer than any of these commands takes on a busy machine; one that hangs must not hang the build.
PATIENCE_S = 120.0

Installed = Callable[..., str]


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Standard output of the command, run without what the surroundings say about Python; fails if it fails."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert 0 == done.returncode, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the sdist, and the wheel that was built from the sdist."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(CHECKOUT), cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def members(wheel: Path) -> dict[str, bytes]:
    """What the wheel holds, by name."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Runs Python with the installed wheel before all else on its path, in a folder away from the checkout."""
    target = tmp_path_factory.mktemp("installed")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--target", str(target), str(wheel), cwd=elsewhere)

    def python(*arguments: str) -> str:
        return run(
            sys.executable,
            *(argument.replace("{target}", str(target)) for argument in arguments),
            cwd=elsewhere,
            PYTHONPATH=str(target),
        )

    return python


def test_the_wheel_holds_contract_and_formats_as_they_are_in_the_checkout(members: dict[str, bytes]) -> None:
    """`conformance/schemas` is the checkout's `schemas`, byte for byte."""
    schemas = {
        f"conformance/schemas/{path.relative_to(CHECKOUT / 'schemas').as_posix()}": path.read_bytes()
        for path in (CHECKOUT / "schemas").rglob("*")
        if path.is_file()
    }

    assert schemas
    assert schemas == {name: data for name, data in members.items() if name.startswith("conformance/schemas/")}


def test_the_wheel_holds_the_pages_and_the_job_as_they_are_in_the_checkout(members: dict[str, bytes]) -> None:
    """For `docs` and `init`; no script that makes pages, and no picture."""
    shipped = (*(CHECKOUT / "docs").glob("*.md"), CHECKOUT / "ci" / "gitlab.yml")
    held = {name: data for name, data in members.items() if name.startswith(("conformance/docs/", "conformance/ci/"))}

    assert {f"conformance/{path.relative_to(CHECKOUT).as_posix()}": path.read_bytes() for path in shipped} == held


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path, members: dict[str, bytes]) -> None:
    """Every module, the mark for type checkers, and what describes it; no tests, no benchmarks; for every platform."""
    modules = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "conformance").rglob("*.py")}

    assert f"statum_conformance-{__version__}-py3-none-any.whl" == wheel.name
    assert modules == {name for name in members if name.endswith(".py")}
    assert (CHECKOUT / "conformance/py.typed").read_bytes() == members["conformance/py.typed"]
    assert {"conformance", f"statum_conformance-{__version__}.dist-info"} == {name.split("/")[0] for name in members}


def test_the_wheel_registers_the_command_and_the_plugin(members: dict[str, bytes]) -> None:
    """The console script and the pytest plugin, the latter under the name of its module."""
    entry_points = ConfigParser()
    entry_points.read_string(members[f"statum_conformance-{__version__}.dist-info/entry_points.txt"].decode())

    assert {"statum-conformance": "conformance.__main__:main"} == dict(entry_points["console_scripts"])
    assert {"conformance.pytest.plugin": "conformance.pytest.plugin"} == dict(entry_points["pytest11"])


def test_the_wheel_says_what_it_needs(members: dict[str, bytes]) -> None:
    """Python 3.11, the licence, and at least the libraries that the suite is built on."""
    metadata = BytesParser().parsebytes(members[f"statum_conformance-{__version__}.dist-info/METADATA"])
    named = [Requirement(line) for line in metadata.get_all("Requires-Dist") or () if "extra ==" not in line]
    required = {requirement.name for requirement in named}

    assert ">=3.11" == metadata["Requires-Python"]
    assert "MIT" == metadata["License-Expression"]
    built_on = "pytest hypothesis jsonschema httpx pytest-httpserver allure-pytest"
    assert set(built_on.split()) <= required
    assert f"statum_conformance-{__version__}.dist-info/licenses/LICENSE" in members


@pytest.mark.parametrize(
    "name", ["tests/docs/test_wheel.py", "schemas/formats/report.json", "Makefile", "conftest.py", ".ci/run"]
)
def test_the_sdist_holds_what_the_tests_need(built: Path, name: str) -> None:
    """Who has only the sdist can run the tests of the suite."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        assert f"statum_conformance-{__version__}/{name}" in archive.getnames()


def test_the_installed_suite_has_the_digest_of_the_checkout(installed: Installed) -> None:
    """A certificate says the same of it, wherever it was installed from."""
    digest = "from conformance.certificate.digests import suite_digest; print(suite_digest().value)"

    assert suite_digest().value == installed("-c", digest).strip()


LOAD = """
import json
import conformance
from conformance.contract.contract import statum
contract = statum()
title = contract.schemas.schema("sms/request")["title"]
print(json.dumps([conformance.__file__, title, len(contract.catalogue.requirements)]))
"""


def test_the_installed_package_finds_schemas_and_catalogue(installed: Installed) -> None:
    """Away from the checkout, what the suite judges by comes out of the installed package."""
    place, title, requirements = json.loads(installed("-c", LOAD))
    expected = json.loads((CHECKOUT / "schemas/statum/sms/request.json").read_bytes())["title"]

    assert not Path(place).is_relative_to(CHECKOUT)
    assert expected == title
    assert requirements > 0


def test_the_installed_command_answers(installed: Installed) -> None:
    """The console script that pip made runs, and tells the commands."""
    assert "requirements" in installed("{target}/bin/statum-conformance", "--help")


def test_the_installed_command_shows_pages_and_writes_files(installed: Installed) -> None:
    """Without a network and away from the checkout: a page, a driver and a CI job."""
    command = "{target}/bin/statum-conformance"

    assert installed(command, "docs", "driver-protocol").startswith("# The driver protocol, version 1\n")
    written = installed(command, "init", "--driver=node", "--receiver", "--ci=gitlab", "begun")
    names = ("driver.mjs", ".gitlab/statum-conformance.yml", ".gitlab-ci.yml", "statum-conformance.toml")
    assert [f"begun/{name}" for name in names] == [
        line.removeprefix("wrote ").partition(":")[0] for line in written.splitlines() if line.startswith("wrote ")
    ]


def test_pytest_finds_the_installed_plugin(installed: Installed) -> None:
    """Without a conftest.py: the fixture is there once it is installed, the options where the suite is asked for."""
    assert "callback_server" in installed("-m", "pytest", "--fixtures")
    assert "--gateway" in installed("-m", "pytest", "--pyargs", "conformance.pytest", "--help")
