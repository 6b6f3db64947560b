"""`init` writes files to begin with, overwrites none, and names the commands to go on with."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from other_contracts import PARCEL, parcel
from project_files import ACTION, CHECKOUT, TEMPLATE, WORKFLOWS, read

from conformance.cli.init import languages
from conformance.contract.contract import statum
from conformance.judging.expectations import read_expectations
from conformance.options import options_of

Capsys = pytest.CaptureFixture[str]

CONFIGURATION = "statum-conformance.toml"
GITHUB = ".github/workflows/conformance.yml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, with a space in its name, that is the current one; it is in no repository."""
    directory = tmp_path / "my client"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def files(directory: Path) -> set[str]:
    """The files below a directory."""
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def configured(directory: str = ".") -> dict[str, Any]:
    """What the configuration in that directory says."""
    return tomllib.loads((Path(directory) / CONFIGURATION).read_text(encoding="utf-8"))


def test_without_options_it_writes_a_configuration(capsys: Capsys, here: Path) -> None:
    """It says nothing yet, so that it changes nothing; `run` judges the built-in mock gateway."""
    called = call(capsys, "init")

    assert (0, "") == (called.code, called.err)
    assert f"wrote {CONFIGURATION}\nnext:\n  statum-conformance run\n" == called.out
    assert {CONFIGURATION} == files(here)
    assert {} == configured()


def test_a_driver_is_written_and_configured(capsys: Capsys, here: Path) -> None:
    """`certify` needs no option then; a driver that has to be built is built first."""
    for name, language in languages().items():
        called = call(capsys, "init", "--driver", name, name)

        assert 0 == called.code
        assert [
            f"wrote {name}/{language.file}: replace `call` by a call of your client",
            f"wrote {name}/{CONFIGURATION}",
            "next:",
            f"  cd {name}",
            *([f"  {language.build}"] if language.build else []),
            "  statum-conformance doctor",
            "  statum-conformance certify",
        ] == called.out.splitlines()
        assert {language.file, CONFIGURATION} == files(here / name)
        assert {"driver": language.start} == configured(name)


def test_everything_at_once(capsys: Capsys, here: Path) -> None:
    """Each file is one that the suite reads: the configuration is accepted, the list of known failures is empty."""
    called = call(
        capsys, "init", "--driver=node", "--receiver", "--ci=github", "--expectations", "--gateway=http://g/v2"
    )

    assert 0 == called.code
    assert {"driver.mjs", GITHUB, CONFIGURATION, "expectations.toml"} == files(here)
    assert {"driver": "node driver.mjs", "gateway": "http://g/v2", "expectations": "expectations.toml"} == configured()
    assert () == read_expectations(Path("expectations.toml"), statum().catalogue).entries
    shown = json.loads(call(capsys, "config", "certify", "--format=json").out)["options"]
    assert {"value": "node driver.mjs", "from": CONFIGURATION} == shown["driver"]


def test_what_the_files_propose_is_accepted(capsys: Capsys) -> None:
    """Each commented line, once it is no comment any more."""
    call(capsys, "init", "--expectations")
    for file, begins in ((CONFIGURATION, "# --- A client"), ("expectations.toml", "# [[expectation]]")):
        head, mark, proposed = Path(file).read_text(encoding="utf-8").partition(begins)
        lines = (f"{mark}{proposed}").splitlines()
        kept = [line.removeprefix("# ") for line in lines if not line.startswith("# ---")]
        Path(file).write_text("\n".join(kept), encoding="utf-8")
        assert head

    assert 0 == call(capsys, "config", "certify").code
    (entry,) = read_expectations(Path("expectations.toml"), statum().catalogue).entries
    assert statum().catalogue.requirements[0].id == entry.requirement


def test_it_writes_into_a_directory_that_it_makes(capsys: Capsys, here: Path) -> None:
    """The first of the next commands goes there."""
    called = call(capsys, "init", "a new/place", "--driver", "shell")

    assert {f"a new/place/{name}" for name in ("driver.sh", CONFIGURATION)} == files(here)
    assert "wrote a new/place/driver.sh: " in called.out
    assert "next:\n  cd 'a new/place'\n" in called.out


# --- Nothing is overwritten


@pytest.mark.parametrize(
    ("taken", "arguments"),
    [
        ("driver.py", ("--driver=python",)),
        ("expectations.toml", ("--driver=python", "--expectations")),
        (GITHUB, ("--ci=github",)),
        (CONFIGURATION, ()),
    ],
)
def test_a_file_that_exists_stays_and_nothing_is_written(
    capsys: Capsys, here: Path, taken: str, arguments: tuple[str, ...]
) -> None:
    """One line names it; no other file is begun."""
    place = here / taken
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("# mine\n", encoding="utf-8")

    called = call(capsys, "init", *arguments)

    hint = "(hint: move it away, or name another directory)"
    assert f"error: {taken} exists, and nothing is overwritten {hint}" == called.only_line
    assert (2, "") == (called.code, called.out)
    assert ({taken}, "# mine\n") == (files(here), place.read_text(encoding="utf-8"))


def test_a_link_that_leads_nowhere_is_not_written_through(capsys: Capsys, here: Path) -> None:
    """The file behind it is not made."""
    (here / "driver.py").symlink_to(here.parent / "elsewhere.py")

    assert 2 == call(capsys, "init", "--driver", "python").code
    assert set() == files(here)
    assert not (here.parent / "elsewhere.py").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (CONFIGURATION, 'product = ["sms"]\n'),
        ("pyproject.toml", '[tool.statum-conformance]\nproduct = ["sms"]\n'),
    ],
)
def test_a_configuration_that_exists_is_kept_and_the_commands_say_the_rest(
    capsys: Capsys, here: Path, file: str, content: str
) -> None:
    """A second file would hide that of pyproject.toml."""
    (here / file).write_text(content, encoding="utf-8")

    called = call(capsys, "init", "--driver", "php", "--expectations")

    assert {file, "driver.php", "expectations.toml"} == files(here)
    assert content == (here / file).read_text(encoding="utf-8")
    assert called.out.endswith(
        "next:\n"
        "  statum-conformance doctor '--driver=php driver.php'\n"
        "  statum-conformance certify '--driver=php driver.php' --expectations=expectations.toml\n"
    )


def test_a_project_without_a_configuration_gets_one(capsys: Capsys, here: Path) -> None:
    """A pyproject.toml that says nothing of the suite is no configuration."""
    (here / "pyproject.toml").write_text("[project]\nname = 'mine'\n", encoding="utf-8")

    assert 0 == call(capsys, "init").code
    assert {CONFIGURATION, "pyproject.toml"} == files(here)


# --- What cannot be done is one line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--receiver",), "error: --receiver is a part of a driver, and --driver is missing"),
        (
            ("--driver=shell", "--receiver"),
            "error: a driver in shell has no receiver; expected one in python, node, php, go, java",
        ),
        (("--driver=cobol",), "'python', 'node', 'php', 'go', 'java', 'shell'"),
        (("--ci=jenkins",), "'github', 'gitlab'"),
    ],
)
def test_a_wrong_option_is_one_line(capsys: Capsys, here: Path, arguments: tuple[str, ...], said: str) -> None:
    """With what is expected; nothing is written."""
    called = call(capsys, "init", *arguments)

    assert (2, "") == (called.code, called.out)
    assert said in called.only_line
    assert set() == files(here)


def test_a_place_that_cannot_be_written_to_is_one_line(capsys: Capsys, here: Path) -> None:
    """As a folder without the right to write is, or a file where a folder has to be."""
    (here / "taken").write_text("", encoding="utf-8")

    called = call(capsys, "init", "taken/below")

    assert 3 == called.code
    assert f"error: taken/below/{CONFIGURATION} cannot be written: Not a directory" == called.only_line


def test_a_missing_runtime_is_a_warning(capsys: Capsys, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver is written all the same: it may be for another machine."""
    monkeypatch.setenv("PATH", str(here))

    called = call(capsys, "init", "--driver", "node")

    assert (0, "warning: there is no node here, and the driver needs it") == (called.code, called.only_line)


# --- Made from the contract


def test_a_driver_of_another_contract_has_its_names(capsys: Capsys, here: Path) -> None:
    """And none of Statum's; the configuration names the folder."""
    wanted = (*parcel().commands, "waybill", "Bearer", parcel().title)
    foreign = ("Statum", "airtime", "sender_id", "account-details", "Basic")
    wrong = []
    for name, language in languages().items():
        assert 0 == call(capsys, "init", "--driver", name, "--contract", str(PARCEL), name).code
        text = (here / name / language.file).read_text(encoding="utf-8")
        wrong += [(name, word) for word in wanted if word not in text]
        wrong += [(name, word) for word in foreign if word in text]
        assert PARCEL == (here / name / configured(name)["contract"]).resolve()

    assert [] == wrong


def test_the_languages_are_those_of_the_option() -> None:
    """A row, a template and a choice each."""
    (option,) = [option for option in options_of("init") if option.name == "driver"]

    assert option.choices == tuple(languages())


# --- CI jobs


def written_job(capsys: Capsys, ci: str, *arguments: str, directory: str = ".") -> tuple[str, str]:
    """The job that `init` writes, and what it prints."""
    called = call(capsys, "init", f"--ci={ci}", *arguments, directory)
    assert 0 == called.code, called.err
    file = Path(directory) / {"github": GITHUB, "gitlab": ".gitlab-ci.yml"}[ci]
    return file.read_text(encoding="utf-8"), called.out


@pytest.mark.parametrize(("ci", "schema"), [("github", "github-workflows"), ("gitlab", "gitlab-ci")])
def test_a_job_is_valid(capsys: Capsys, here: Path, ci: str, schema: str) -> None:
    """By the schemas that editors use for them: for the mock gateway, for one's own, for a client in each language."""
    for number, option in enumerate(
        ("", "--gateway=http://127.0.0.1:8080/api/v2", *(f"--driver={n}" for n in languages()))
    ):
        text, _ = written_job(capsys, ci, "--expectations", *filter(None, [option]), directory=str(number))
        (here / f"{number}.yml").write_text(text, encoding="utf-8")

    jobs = sorted(here.glob("*.yml"))
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, jobs))
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 2 + len(languages()) == len(jobs)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_job_for_github_uses_the_action_as_it_is(capsys: Capsys) -> None:
    """Its inputs, and the actions that this repository uses, at the same commits."""
    text, out = written_job(capsys, "github", "--driver=python", "--expectations")

    steps = read(text)["jobs"]["client"]["steps"]
    (judged,) = [step for step in steps if step.get("with", {}).get("command") == "certify"]
    pinned = {line.strip("- ") for path in (ACTION, *WORKFLOWS) for line in path.read_text("utf-8").splitlines()}
    assert set() == set(judged["with"]) - set(read(ACTION.read_text(encoding="utf-8"))["inputs"])
    assert "--seed=1\n--expectations=expectations.toml\n" == judged["with"]["arguments"]
    used = [line.strip("- ") for line in text.splitlines() if "uses: actions/" in line]
    assert used
    assert [] == [line for line in used if line.strip() not in {each.strip() for each in pinned}]
    assert f"wrote {GITHUB}: replace OWNER and COMMIT in it\n" in out


def test_the_job_for_gitlab_extends_the_template_of_the_suite(capsys: Capsys, here: Path) -> None:
    """Which is beside it as the suite has it, so that nothing is fetched but what is installed; with its inputs."""
    text, out = written_job(capsys, "gitlab", "--driver=go")

    job = read(text)["conformance"]
    (included,) = read(text)["include"]
    template = (here / included["local"]).read_bytes()
    assert TEMPLATE.read_bytes() == template
    assert [] == [name for name in included["inputs"] if f"$[[ inputs.{name} ]]" not in template.decode()]
    assert f"\n{job['extends']}:\n" in template.decode()
    assert ["go build -o driver driver.go", "statum-conformance certify --report-dir reports"] == job["script"][1:]
    assert "wrote .gitlab-ci.yml: replace OWNER and COMMIT in it\n" in out


def test_a_pipeline_that_exists_includes_the_job(capsys: Capsys, here: Path) -> None:
    """It is written beside it."""
    (here / ".gitlab-ci.yml").write_text("stages: [test]\n", encoding="utf-8")

    called = call(capsys, "init", "--ci=gitlab")

    written = {".gitlab/conformance.yml", ".gitlab/statum-conformance.yml", CONFIGURATION}
    assert {".gitlab-ci.yml"} | written == files(here)
    assert "include it in .gitlab-ci.yml (local: .gitlab/conformance.yml)" in called.out


class Installed:
    """A distribution that pip installed from a repository, as PEP 610 has it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read_text(self, name: str) -> str | None:
        """What pip has noted."""
        assert "direct_url.json" == name
        return json.dumps({"url": self._url, "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}})


@pytest.mark.parametrize(
    ("url", "ci", "expected"),
    [
        ("https://github.com/acme/suite.git", "github", "- uses: acme/suite@c0ffee\n"),
        (
            "https://gitlab.example/acme/suite",
            "gitlab",
            "source: git+https://gitlab.example/acme/suite@c0ffee\n",
        ),
        (
            "https://gitlab.example/acme/suite",
            "gitlab",
            "constraints: https://gitlab.example/acme/suite/-/raw/c0ffee/ci\n",
        ),
        (
            "https://github.com/acme/suite",
            "gitlab",
            "constraints: https://raw.githubusercontent.com/acme/suite/c0ffee/ci\n",
        ),
        ("https://gitlab.example/acme/suite", "github", "- uses: OWNER/statum-conformance@COMMIT # v0.1.0\n"),
        ("https://me:secret@github.com/acme/suite", "github", "- uses: OWNER/statum-conformance@COMMIT # v0.1.0\n"),
    ],
)
def test_a_job_takes_the_suite_from_where_it_was_installed(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch, url: str, ci: str, expected: str
) -> None:
    """A repository and a commit, if pip has noted them; a password gets into no file."""
    # The package has the command of that name in the place of the module.
    monkeypatch.setattr(sys.modules["conformance.cli.init"], "distribution", lambda _: Installed(url))

    text, out = written_job(capsys, ci)

    assert expected in text
    assert ("OWNER" in expected) == ("replace OWNER and COMMIT" in out)
    assert "secret@" not in text


def test_the_checkout_has_no_driver_beside_those() -> None:
    """One source of truth: the examples are what `init` writes. Bytecode of old ones may still be there."""
    assert [] == list((CHECKOUT / "examples" / "drivers").glob("*.*"))
