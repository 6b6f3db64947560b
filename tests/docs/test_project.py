"""The project around the code: versions that agree, targets that are told, a build that runs as promised."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from project_files import CHECKOUT, PATIENCE_S, executable

from conformance import __version__

# What may lie at the top of the checkout, beside what git ignores; a newcomer needs a reason.
TOP_LEVEL = set(
    """
    .ci .git .github .gitignore CHANGELOG.md LICENSE Makefile README.md action.yml benchmarks ci conformance conftest.py
    corpus docs examples pyproject.toml reports schemas tests
    """.split()  # noqa: SIM905 - a line each would be a page
)


def run(*command: str, cwd: Path = CHECKOUT, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as it went, apart from a `make` that this test itself may be running under."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "PYTHON"}
    return subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def tools(folder: Path, **scripts: str) -> None:
    """Programs in a folder: a shell, and these scripts by their names."""
    for name, script in scripts.items():
        executable(folder / name, script)
    for name in ("bash", "dirname", "env", "sh"):
        (folder / name).symlink_to(shutil.which(name) or name)


def test_the_changelog_begins_with_this_version() -> None:
    """The newest entry tells of the version that the code has."""
    headings = re.findall(r"^## \[(.+?)\]", (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert __version__ == headings[0]


def test_the_changelog_holds_one_sentence_a_line() -> None:
    """Every entry is one line that ends as a sentence does, so that a diff shows what became new."""
    lines = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if line and not line.startswith("#")]

    assert [] == [line for line in told if not line.endswith(".") or ". " in line]


def test_make_help_tells_every_target() -> None:
    """What can be made is found by asking, each with a word on what it does."""
    phony = re.search(r"^\.PHONY: (.+)$", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    told = dict(re.findall(r"^make (\S+) +(\S.*)$", run("make", "help").stdout, re.MULTILINE))

    assert phony is not None
    assert set(phony[1].split()) == set(told)


def test_make_without_a_target_helps() -> None:
    """A bare `make` starts nothing, it tells what there is."""
    assert run("make", "help").stdout == run("make").stdout


@pytest.mark.parametrize("python", ["./old-python", "no-such-python"])
def test_make_refuses_a_python_that_is_too_old_or_missing(tmp_path: Path, python: str) -> None:
    """One clear line says what was given and what is expected, and nothing is built."""
    executable(tmp_path / "old-python", "exit 1")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, tmp_path)

    made = run("make", "lint", f"PYTHON={python}", cwd=tmp_path)

    assert 0 != made.returncode
    assert f"make: PYTHON={python} is not Python 3.11 or newer" in made.stderr.splitlines()[0]
    assert not (tmp_path / ".venv").exists()


@dataclass(frozen=True, slots=True)
class Ci:
    """`.ci/run` in a checkout where `make` only says what it was asked for, and Python 3.12 alone is new enough."""

    folder: Path

    def run(self, cwd: Path = CHECKOUT, **environment: str) -> subprocess.CompletedProcess[str]:
        """The script, with no program of the machine but a shell."""
        return run(str(self.folder / ".ci" / "run"), cwd=cwd, **{"PATH": str(self.folder / "bin"), **environment})

    def has_node(self) -> None:
        """From here on there are node and npm."""
        for name in ("node", "npm"):
            executable(self.folder / "bin" / name, "exit 1")


@pytest.fixture
def ci(tmp_path: Path) -> Ci:
    """Without node."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(CHECKOUT / ".ci" / "run", tmp_path / ".ci")
    for name in ("browser", "runtimes"):
        executable(tmp_path / ".ci" / name / "install", "exit 0")
    pythons = dict.fromkeys(("python3", "python3.13", "python3.11", "python"), "exit 1")
    make = 'echo "make $*, bytecode ${PYTHONDONTWRITEBYTECODE-written}"'
    tools(tmp_path / "bin", make=make, **{"python3.12": "exit 0"}, **pythons)
    return Ci(tmp_path)


def targets(done: subprocess.CompletedProcess[str]) -> str:
    """What was made, in order."""
    return " ".join(re.findall("^make PYTHON=python3.12 ([^,]+), bytecode written$", done.stdout, re.MULTILINE))


def test_ci_lints_then_tests_with_the_first_python_that_is_new_enough(ci: Ci) -> None:
    """The tests come last, so pytest's own closing line does; bytecode is written, whatever the surroundings say."""
    ci.has_node()

    done = ci.run(cwd=ci.folder / "bin", PYTHONDONTWRITEBYTECODE="1")

    tools_ = "test-lowest test-schemathesis test-package site test-prism test-formats test-allure test-ordinary"
    assert f"lint {tools_} test-browser test-kill test-docs test-runs test" == targets(done)
    assert (0, 14) == (done.returncode, len(done.stdout.splitlines()))


def test_ci_says_what_it_leaves_out_without_node(ci: Ci) -> None:
    """One line says so; the rest is done."""
    done = ci.run()

    assert "lint test-lowest test-schemathesis test-package site test-kill test-docs test-runs test" == targets(done)
    skipped = "test-prism, test-formats, test-allure, test-ordinary, test-browser"
    assert (0, f".ci/run: skipped {skipped}: there is no node and npm\n") == (done.returncode, done.stderr)


def test_ci_says_what_it_leaves_out_without_a_browser(ci: Ci) -> None:
    """Where there is none and none can be installed; what that said is shown."""
    ci.has_node()
    executable(ci.folder / ".ci" / "browser" / "install", "echo no network; exit 1")

    done = ci.run()

    assert "test-browser" not in targets(done)
    skipped = ".ci/run: skipped test-browser: there is no Chromium, and it cannot be installed"
    assert f"no network\n{skipped}\n" == done.stderr


def test_ci_says_which_runtimes_cannot_be_had(ci: Ci) -> None:
    """The tests that need them are skipped, the rest is done."""
    executable(ci.folder / ".ci" / "runtimes" / "install", "echo missing: golang-go; exit 1")

    done = ci.run()

    assert [
        "missing: golang-go",
        ".ci/run: tests that need a runtime which is missing here skip themselves (tests/wire, tests/tools)",
    ] == done.stderr.splitlines()[:2]
    assert "test" in targets(done).split()


ALL_BUT_GO = ("javac", "node", "curl", "jq", "php")
APT = "apt-get update\napt-get install -y --no-install-recommends"
LACKING = "missing: golang-go php-curl\n"


@pytest.mark.parametrize(
    ("there", "user", "expected"),
    [
        ((*ALL_BUT_GO[:-1], "go", "php with curl"), 0, ("", 0)),
        ((*ALL_BUT_GO[:-1], "go", "php with curl"), 1000, ("", 0)),
        (ALL_BUT_GO, 1000, (LACKING, 1)),
        (ALL_BUT_GO, 0, (f"{APT} golang-go\n{APT.partition(chr(10))[2]} php-curl\n{LACKING}", 1)),
    ],
)
def test_runtimes_are_installed_where_they_are_missing(
    tmp_path: Path, there: tuple[str, ...], user: int, expected: tuple[str, int]
) -> None:
    """Debian's, for who may install them; one that has them all is not asked for anything."""
    programs = {name.partition(" ")[0]: f"echo {name}" for name in there}
    tools(tmp_path, id=f"echo {user}", **{"apt-get": 'echo "apt-get $*"'}, **programs)

    done = run(str(CHECKOUT / ".ci" / "runtimes" / "install"), PATH=str(tmp_path))

    assert expected == (done.stdout, done.returncode)


OWN_CHROMIUM = "npm ci --ignore-scripts --no-audit --no-fund\nplaywright-core install chromium\n"


@pytest.mark.parametrize(
    ("there", "user", "expected"),
    [
        (("chromium", "apt-get", "npm"), 0, ""),
        (("google-chrome", "npm"), 1000, ""),
        (("apt-get", "npm"), 0, f"{APT} chromium\n"),
        (("apt-get", "npm"), 1000, OWN_CHROMIUM),
        (("npm",), 0, OWN_CHROMIUM),
    ],
)
def test_a_browser_is_installed_where_there_is_none(
    tmp_path: Path, there: tuple[str, ...], user: int, expected: str
) -> None:
    """Debian's for who may install it, else the one that playwright-core downloads."""
    executable(tmp_path / "node_modules" / ".bin" / "playwright-core", 'echo "playwright-core $*"')
    shutil.copy(CHECKOUT / ".ci" / "browser" / "install", tmp_path)
    tools(tmp_path / "bin", id=f"echo {user}", **{name: f'echo "{name} $*"' for name in there})

    done = run(str(tmp_path / "install"), PATH=str(tmp_path / "bin"))

    assert (expected, 0) == (done.stdout, done.returncode)


def test_ci_stops_at_the_first_failure(ci: Ci) -> None:
    """What does not lint is not tested, and the exit code says so."""
    executable(ci.folder / "bin" / "make", 'echo "$*"; exit 2')

    done = ci.run()

    assert (2, "PYTHON=python3.12 lint\n") == (done.returncode, done.stdout)


def test_ci_says_that_no_python_is_new_enough(ci: Ci) -> None:
    """One clear line with what was tried."""
    done = ci.run(PYTHON="python3.13")

    hint = "(hint: PYTHON=/path/to/python3.11 .ci/run)"
    expected = f".ci/run: no Python 3.11 or newer among: python3.13 {hint}\n"
    assert (1, "", expected) == (done.returncode, done.stdout, done.stderr)


def test_ci_does_the_parts_that_it_is_asked_for(ci: Ci) -> None:
    """So that jobs can share them; one that there is not is named."""
    refused = ci.run(PARTS="lint dosc")

    assert "lint test-docs" == targets(ci.run(PARTS="lint docs"))
    expected = ".ci/run: there is no part dosc; expected some of: lint tools kill docs runs tests\n"
    assert (1, "", expected) == (refused.returncode, refused.stdout, refused.stderr)


def test_the_jobs_of_ci_do_all_parts() -> None:
    """What the script does without being asked for a part, some job asks for."""
    workflow = (CHECKOUT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    parts = re.search(r'parts="\$\{PARTS:-(.+)\}"', (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8"))
    assert parts is not None

    shared = re.search(r"parts: \[(.+)\]", workflow)
    assert shared is not None
    alone = re.findall(r"parts: (\w+)$", workflow, re.MULTILINE)
    assert set(parts[1].split()) == {*shared[1].split(", "), *alone}


@pytest.mark.parametrize(
    ("tag", "code", "told"),
    [
        ("v0.2.0rc1", 0, ""),
        ("v0.3.0", 1, ".ci/version: the tag is v0.3.0, and the changelog begins with 0.2.0rc1\n"),
        ("0.2.0rc1", 1, ".ci/version: 0.2.0rc1 is no tag of a release; expected one such as v1.2.3\n"),
    ],
)
def test_the_tag_says_the_version(tmp_path: Path, tag: str, code: int, told: str) -> None:
    """It is written where the build reads it; one that the changelog does not begin with is refused."""
    for name in (".ci", "conformance"):
        (tmp_path / name).mkdir()
    shutil.copy(CHECKOUT / ".ci" / "version", tmp_path / ".ci")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [0.2.0rc1] - soon\n\n## [0.1.0]\n", encoding="utf-8")
    module = tmp_path / "conformance" / "__init__.py"
    module.write_text('"""A suite."""\n\n__version__ = "0.1.0"\n', encoding="utf-8")

    done = run(str(tmp_path / ".ci" / "version"), tag, cwd=tmp_path)

    written = "0.1.0" if code else tag.removeprefix("v")
    assert (code, told) == (done.returncode, done.stderr)
    assert f'"""A suite."""\n\n__version__ = "{written}"\n' == module.read_text(encoding="utf-8")


def test_the_repository_has_one_address() -> None:
    """That of pyproject.toml, wherever it is named; OWNER stands in all of them until it is settled."""
    address = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    owner = address.removeprefix("https://github.com/").partition("/")[0]
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")]
    names = re.compile(r"([\w-]+)/statum-conformance(?=@|/-|/COMMIT| #)")
    named = {found for page in pages for found in names.findall(page.read_text(encoding="utf-8"))}

    assert {owner} == named


def test_ci_is_what_the_hosted_build_runs() -> None:
    """The workflow has no steps of its own that a developer could not run: it calls `.ci/run`, which is executable."""
    workflow = (CHECKOUT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")

    assert ["- run: .ci/run"] == [line.strip() for line in workflow.splitlines() if "run:" in line]
    assert os.access(CHECKOUT / ".ci" / "run", os.X_OK)


def ignored(name: str) -> bool:
    """Whether git ignores `name` at the top of the checkout."""
    lines = (CHECKOUT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return any(fnmatchcase(name, line.strip("/")) for line in lines if line and not line.startswith("#"))


def test_the_top_level_stays_tidy() -> None:
    """What lies at the top of the checkout was meant to be there."""
    found = {path.name for path in CHECKOUT.iterdir()}

    assert set() == {name for name in found - TOP_LEVEL if not ignored(name)}
