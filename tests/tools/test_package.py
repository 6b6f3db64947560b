"""The package as people get it: built in isolation, looked over by twine, installed by pipx, used from nowhere near.

And as the action has it, with the versions and digests of ci/*.txt; an SBOM tells what such an install consists of.

`make test-package` installs these tools and reaches for PyPI; without them these tests are skipped. What is in a wheel
is for tests/docs/test_wheel.py, which needs no network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project_files import ACTION, BUILD_CONSTRAINTS, CHECKOUT, CONSTRAINTS, pins, read, step

from conformance import __version__
from conformance.gateway.campaign import JOURNAL
from conformance.reports.files import REPORTS

TOOLS = CHECKOUT / ".venv-package"

pytestmark = pytest.mark.skipif(not (TOOLS / ".ready").exists(), reason="no tools (hint: make test-package)")

# Every library that the suite is built on is fetched and installed anew.
PATIENCE_S = 600.0

Command = Callable[..., str]

# Where the programs of the system are.
SYSTEM = "/usr/local/bin:/usr/bin:/bin"


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
        return run(home / "bin_dir" / "statum-conformance", *arguments, cwd=directory, PATH=SYSTEM)

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


@pytest.mark.parametrize(("language", "program"), [("node", "node"), ("php", "php"), ("java", "javac")])
def test_from_an_empty_directory_to_a_conformant_client(
    installed: Command, tmp_path: Path, language: str, program: str
) -> None:
    """In three commands, in a language other than Python; the source of the suite is nowhere near."""
    if shutil.which(program, path=SYSTEM) is None:
        pytest.skip(f"there is no {program} (hint: .ci/runtimes/install)")
    directory = tmp_path / "my client"
    directory.mkdir()

    begun = installed(directory, "init", "--driver", language)
    checked = installed(directory, "doctor")
    judged = installed(directory, "certify", "--product", "sms", "--max-examples", "0")

    assert begun.endswith("next:\n  statum-conformance doctor\n  statum-conformance certify\n")
    assert "ok      driver says hello: my-client 1.0.0" in checked
    assert judged.splitlines()[-1].startswith("conformant: ")


def test_the_installed_command_signs_and_verifies(installed: Command, tmp_path: Path) -> None:
    """With the cryptographic library that it asked for."""
    installed(tmp_path, "keygen")
    installed(tmp_path, "run", "--product", "sms", "--max-examples", "0", "--sign-key", "signing.key")

    said = installed(tmp_path, "verify", "reports/certificate.json", "--key", "signing.key.pub")

    assert said.splitlines()[-1].startswith("valid: ")


def test_the_installed_command_makes_a_register(installed: Command, tmp_path: Path) -> None:
    """Its pages, styles and scripts came with the wheel."""
    installed(tmp_path, "run", "--product", "sms", "--max-examples", "0", "--report-dir", "kept/monday")

    installed(tmp_path, "site", "kept", "--out", "public")

    (subject,) = (tmp_path / "public" / "subjects").iterdir()
    pages = [tmp_path / "public" / "index.html", subject / "index.html"]
    assert {"register.json", "index.html", "subjects"} <= {path.name for path in (tmp_path / "public").iterdir()}
    assert [True, True] == ["offerThemes" in page.read_text(encoding="utf-8") for page in pages]


def test_the_installed_command_prints_the_contract(installed: Command, tmp_path: Path) -> None:
    """OpenAPI, made of the schemas in the wheel."""
    assert "3.1.0" == json.loads(installed(tmp_path, "openapi"))["openapi"]


def test_the_installed_command_tells_its_version(installed: Command, tmp_path: Path) -> None:
    """That of the code."""
    assert __version__ in installed(tmp_path, "--version")


# --- With the versions and digests of ci/*.txt


@pytest.fixture(scope="module")
def sbom(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What `make sbom` writes of the wheel."""
    folder = tmp_path_factory.mktemp("sbom")
    (wheel,) = built.glob("*.whl")
    run(CHECKOUT / ".ci" / "sbom", wheel, folder, cwd=folder)
    document = json.loads((folder / f"statum_conformance-{__version__}.cdx.json").read_bytes())
    assert isinstance(document, dict)
    return document


def test_the_sbom_is_of_this_package(sbom: Mapping[str, Any]) -> None:
    """Its name, version and licence; the tool has checked the document by CycloneDX's own schema."""
    package = sbom["metadata"]["component"]

    assert ("CycloneDX", "statum-conformance", __version__) == (sbom["bomFormat"], package["name"], package["version"])
    assert ["MIT"] == [each["license"]["id"] for each in package["licenses"]]


def test_the_sbom_lists_what_an_install_consists_of(sbom: Mapping[str, Any]) -> None:
    """What ci/constraints.txt names for this system, and nothing of ours or of the tool's; each by its licence."""
    components = {canonicalize_name(each["name"]): each for each in sbom["components"]}
    named = {
        name: str(pin.version)
        for name, pin in pins(CONSTRAINTS).items()
        if pin.requirement.marker is None or pin.requirement.marker.evaluate()
    }

    assert named == {name: each["version"] for name, each in components.items()}
    assert [] == [name for name, each in components.items() if not each.get("licenses")]
    assert [] == [name for name, each in components.items() if each["purl"] != f"pkg:pypi/{name}@{named[name]}"]


def test_the_sbom_tells_what_the_package_rests_on(sbom: Mapping[str, Any]) -> None:
    """As the wheel's metadata does."""
    root = sbom["metadata"]["component"]["bom-ref"]
    (direct,) = [each["dependsOn"] for each in sbom["dependencies"] if each["ref"] == root]
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    named = {canonicalize_name(each.partition("==")[0]) for each in direct}
    # The tool also names what an extra asks for, if it is installed for another reason.
    of_extras = {
        canonicalize_name(Requirement(each).name) for each in chain(*project["optional-dependencies"].values())
    }
    required = {canonicalize_name(Requirement(each).name) for each in project["dependencies"]}
    assert required == named - (of_extras - required)


def install(source: Path, temp: Path) -> None:
    """Run the step of the action that installs, from `source`."""
    script = step(read(ACTION.read_text(encoding="utf-8"))["runs"]["steps"], "install")["run"]
    executables = temp / "bin"
    executables.mkdir()
    (executables / "python").symlink_to(sys.executable)
    path = f"{executables}:/usr/bin:/bin"
    run("bash", "-e", "-o", "pipefail", "-c", script, cwd=temp, PATH=path, RUNNER_TEMP=str(temp), SOURCE=str(source))


def test_the_action_installs_what_was_tried(tmp_path: Path) -> None:
    """Those versions and no others, whatever has come out since; and then it runs."""
    (tmp_path / "pip.py").write_text("raise SystemExit('a module of the workspace was run')", encoding="utf-8")
    install(CHECKOUT, tmp_path)

    environment = tmp_path / "statum-conformance" / "bin"
    said = json.loads(run(environment / "python", "-m", "pip", "list", "--format=json", cwd=CHECKOUT / "ci"))
    installed = {canonicalize_name(each["name"]): each["version"] for each in said}
    wanted = {name: str(pin.version) for path in (CONSTRAINTS, BUILD_CONSTRAINTS) for name, pin in pins(path).items()}
    assert {} == {
        name: version
        for name, version in installed.items()
        if wanted.get(name) != version and name not in {"pip", "setuptools", "statum-conformance"}
    }
    assert __version__ in run(environment / "statum-conformance", "--version", cwd=tmp_path)


def test_the_action_refuses_a_file_with_another_digest(tmp_path: Path) -> None:
    """Whoever serves it."""
    ci = tmp_path / "source" / "ci"
    ci.mkdir(parents=True)
    (ci / "build-constraints.txt").write_text("", encoding="utf-8")
    (ci / "constraints.txt").write_text(f"mdurl==0.1.2 --hash=sha256:{'0' * 64}\n", encoding="utf-8")

    with pytest.raises(AssertionError, match="DO NOT MATCH THE HASHES"):
        install(ci.parent, tmp_path)
