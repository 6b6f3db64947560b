"""The steps of action.yml and the job of ci/gitlab.yml, run as runners do: what they judge, refuse, and upload."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from project_files import ACTION, executable, read, shell, step, template, the_command

from conformance.certificate.issuing import CERTIFICATE
from conformance.gateway.campaign import JOURNAL
from conformance.reports.files import REPORTS, TRAFFIC_HAR

STEPS = read(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
INPUTS, JOBS = template(source="git+https://one.example/two@3", constraints="https://one.example/ci")
JOB = JOBS[".statum-conformance"]

EVIDENCE = {JOURNAL, f"{JOURNAL}-wal", TRAFFIC_HAR}
QUICK = "--product=sms\n--max-examples=0\n\n--seed=7\n"


@dataclass
class Runner:
    """A machine that runs the steps in `workspace`, one after the other."""

    workspace: Path
    temp: Path
    outputs: dict[str, str] = field(default_factory=dict)

    def run(self, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One step, whose outputs are kept."""
        output = self.temp / f"{name}-output"
        output.write_text("", encoding="utf-8")
        done = shell(
            step(STEPS, name)["run"],
            self.workspace,
            RUNNER_TEMP=str(self.temp),
            GITHUB_OUTPUT=str(output),
            **environment,
        )
        self.outputs |= dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())
        return done

    def judge(
        self, arguments: str = QUICK, report_dir: str = "reports", command: str = "run", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The step that judges."""
        given = {"COMMAND": command, "ARGUMENTS": arguments, "STATUM_CONFORMANCE_REPORT_DIR": report_dir}
        return self.run("judge", **given, **environment)

    def collect(self, report_dir: str = "reports", evidence: str = "false") -> set[str]:
        """The step that chooses what is uploaded; the names of that."""
        done = self.run("collect", BEGUN=self.outputs["begun"], EVIDENCE=evidence, REPORT_DIR=report_dir)
        assert 0 == done.returncode, done.stderr
        return {path.name for path in Path(self.outputs["reports"]).iterdir()}


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """With the command of this checkout, and a Python."""
    bin_folder = tmp_path / "runner temp" / "statum-conformance" / "bin"
    the_command(bin_folder / "statum-conformance")
    executable(bin_folder / "python", f"exec '{sys.executable}' \"$@\"")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Runner(workspace, tmp_path / "runner temp")


@pytest.fixture
def pretending(runner: Runner) -> Runner:
    """With a command that only writes what a run does."""
    names = " ".join(sorted({*REPORTS, CERTIFICATE, *EVIDENCE} - {"allure-results"}))
    executable(
        runner.temp / "statum-conformance" / "bin" / "statum-conformance",
        'mkdir -p -- "$STATUM_CONFORMANCE_REPORT_DIR" && cd -- "$STATUM_CONFORMANCE_REPORT_DIR"\n'
        "mkdir -p allure-results; touch allure-results allure-results/1.json\n"
        f'for name in {names}; do echo >"$name"; done',
    )
    return runner


# --- Judging


def test_the_action_judges(runner: Runner) -> None:
    """The arguments go one a line, empty inputs count as none, and the outputs tell how it went."""
    done = runner.judge(STATUM_CONFORMANCE_GATEWAY="")

    assert 0 == done.returncode, done.stderr
    assert ("0", "conformant") == (runner.outputs["exit-code"], runner.outputs["verdict"])
    assert {*REPORTS} - EVIDENCE == runner.collect()
    assert Path(runner.outputs["sarif"]).is_file()


def test_the_action_fails_as_the_run_does(runner: Runner) -> None:
    """An argument is one, whatever is in it; a report of an earlier run tells no verdict of this one, and stays."""
    report = runner.workspace / "reports" / "report.json"
    report.parent.mkdir()
    report.write_text('{\n  "verdict": "conformant",\n}', encoding="utf-8")
    os.utime(report, (1, 1))

    done = runner.judge("--product=a b; touch evil $(touch evil)")

    assert (2, "2", None) == (done.returncode, runner.outputs["exit-code"], runner.outputs.get("verdict"))
    assert "a b; touch evil $(touch evil)" in done.stderr
    assert set() == runner.collect()
    assert [report] == [path for path in runner.workspace.rglob("*") if path.is_file()]


REFUSED = {
    "empty": ("", "''"),
    "an option": ("-rf", "-rf"),
    "the workspace": (".", "."),
    "the workspace by a detour": ("reports/..", "reports/.."),
    "above it": ("..", ".."),
    "beside it": ("../other", "../other"),
    "the root": ("/", "/"),
    "the system's": ("/etc", "/etc"),
    "two lines": ("reports\nexit-code=0", r"$'reports\nexit-code=0'"),
    "a link that leads out": ("link/reports", "link/reports"),
}


@pytest.mark.parametrize(("folder", "shown"), REFUSED.values(), ids=REFUSED)
def test_a_folder_outside_is_refused(folder: str, shown: str, pretending: Runner, tmp_path: Path) -> None:
    """One line; nothing is run, written, removed, collected or taken for an output."""
    (tmp_path / "other").mkdir()
    (pretending.workspace / "link").symlink_to(tmp_path / "other")
    kept = pretending.workspace / "report.json"
    kept.write_text("mine", encoding="utf-8")

    done = pretending.judge(report_dir=folder)

    expected = "expected a folder in the workspace or in the runner's temporary folder, such as reports"
    assert (2, f"error: report-dir is {shown}; {expected}\n") == (done.returncode, done.stderr)
    assert {"exit-code": "2"} == pretending.outputs
    assert {"link", "report.json"} == {path.name for path in pretending.workspace.iterdir()}
    assert [] == [*(tmp_path / "other").iterdir()]
    assert "mine" == kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["my reports", "$(touch evil)", "`touch evil`", "a;b", "*", "!x", "out/-rf", "ü 💡"])
def test_any_other_folder_is_only_a_name(folder: str, pretending: Runner) -> None:
    """Nothing in it is run or taken for a pattern."""
    done = pretending.judge(report_dir=folder)

    assert 0 == done.returncode, done.stderr
    assert {*REPORTS, CERTIFICATE} - EVIDENCE == pretending.collect(folder)
    assert [pretending.workspace / Path(folder).parts[0]] == [*pretending.workspace.iterdir()]


def test_the_temporary_folder_of_the_runner_will_do(pretending: Runner) -> None:
    """Many keep what they make out of the checkout."""
    folder = str(pretending.temp / "reports")

    assert 0 == pretending.judge(report_dir=folder).returncode
    assert "report.html" in pretending.collect(folder)


@pytest.mark.parametrize("line", ["--report-dir=/", "--report-dir"])
def test_the_folder_is_not_named_twice(line: str, pretending: Runner) -> None:
    """What is collected would be another's."""
    done = pretending.judge(f"--seed=1\n{line}\n/")

    assert (2, f"error: a line of arguments is {line}; expected the input report-dir instead\n") == (
        done.returncode,
        done.stderr,
    )


@pytest.mark.parametrize("command", ["mock", "", "--help", "run certify"])
def test_another_command_is_refused(command: str, pretending: Runner) -> None:
    """The mock gateway would run until the job's time is up."""
    done = pretending.judge(command=command)

    assert (2, 1, True) == (
        done.returncode,
        len(done.stderr.splitlines()),
        done.stderr.endswith("expected run, certify or doctor\n"),
    )


# --- What is uploaded


def test_the_traffic_is_uploaded_when_it_is_asked_for(pretending: Runner) -> None:
    """The journal holds phone numbers whole."""
    pretending.judge()

    assert {*REPORTS, CERTIFICATE} - EVIDENCE == pretending.collect()
    assert {*REPORTS, CERTIFICATE} | EVIDENCE == pretending.collect(evidence="true")
    assert {*REPORTS, CERTIFICATE} - EVIDENCE == pretending.collect(evidence="True")


def test_nothing_is_uploaded_by_a_link_nor_from_before(pretending: Runner, tmp_path: Path) -> None:
    """What a pull request put there, and what an earlier run left."""
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    reports = pretending.workspace / "reports"
    (reports / "allure-results").mkdir(parents=True)
    (reports / "allure-results" / "link.json").symlink_to(secret)
    (reports / ".git").mkdir()
    (reports / "notes.txt").write_text("mine", encoding="utf-8")
    old = reports / "summary.md"
    pretending.judge()
    (reports / "junit.xml").unlink()
    (reports / "junit.xml").symlink_to(secret)
    os.utime(old, (1, 1))

    collected = pretending.collect()

    assert {*REPORTS, CERTIFICATE} - EVIDENCE - {"junit.xml", "summary.md"} == collected
    assert ["1.json"] == [path.name for path in (Path(pretending.outputs["reports"]) / "allure-results").iterdir()]
    assert "secret" == secret.read_text(encoding="utf-8")


def test_only_what_was_collected_is_uploaded() -> None:
    """No input is taken for a pattern of files."""
    uploads = [each["with"] for each in STEPS if "upload" in each.get("uses", "")]

    assert [
        {
            "name": "${{ inputs.artifact }}",
            "path": "${{ steps.collect.outputs.reports }}",
            "if-no-files-found": "ignore",
        },
        {"sarif_file": "${{ steps.collect.outputs.sarif }}", "category": "statum-conformance"},
    ] == uploads


# --- Installing


def test_the_action_installs_into_an_environment_of_its_own(tmp_path: Path) -> None:
    """From where the action is, with what has its digest there; no module of the workspace is in the way."""
    script = '[ "$2" = -c ] && exit; mkdir -p "$5/bin" && cp "$0" "$5/bin/python"; echo "$@" >>calls'
    executable(tmp_path / "bin" / "python", script)

    done = shell(
        step(STEPS, "install")["run"],
        tmp_path,
        PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        RUNNER_TEMP=str(tmp_path / "runner temp"),
        SOURCE="/actions/statum conformance",
    )

    assert 0 == done.returncode, done.stderr
    pip, ci = "-I -m pip install --quiet --disable-pip-version-check", "/actions/statum conformance/ci"
    assert [
        f"-I -m venv --clear {tmp_path}/runner temp/statum-conformance",
        f"{pip} --require-hashes --only-binary :all: -r {ci}/constraints.txt -r {ci}/build-constraints.txt",
        f"{pip} --no-deps --no-build-isolation -- /actions/statum conformance",
    ] == (tmp_path / "calls").read_text(encoding="utf-8").splitlines()


def test_a_python_that_is_too_old_is_told_in_one_line(tmp_path: Path) -> None:
    """Where the input says that the one of the machine will do; nothing is installed."""
    executable(tmp_path / "bin" / "python", '[ "$1" = --version ] && echo Python 3.9.2; exit 1')
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"

    done = shell(step(STEPS, "install")["run"], tmp_path, PATH=path, RUNNER_TEMP=str(tmp_path), SOURCE="/actions")

    told = "error: there is Python 3.9.2; expected Python 3.11 or newer (hint: python-version)\n"
    assert (2, told) == (done.returncode, done.stderr)


def test_inputs_are_never_part_of_a_script() -> None:
    """An expression in a script would be run by the shell."""
    assert [] == [each["id"] for each in STEPS if "${{" in each.get("run", "")]


# --- The template


def run_job(directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the job of the template, with a Python that only says what it was asked for."""
    executable(directory / "bin" / "python", 'echo "$@"')
    return shell(
        "\n".join(JOB["before_script"] + JOB["script"]),
        directory,
        PATH=f"{directory / 'bin'}:{os.environ['PATH']}",
        **{**JOB["variables"], **variables},
    )


def test_the_job_of_the_template_judges(tmp_path: Path) -> None:
    """It installs from the source that it is told, with digests, and what it keeps is there in the end."""
    the_command(tmp_path / "bin" / "statum-conformance")

    done = run_job(tmp_path, CONFORMANCE_COMMAND="run --product sms --max-examples 0 --seed 7")

    assert 0 == done.returncode, done.stderr
    libraries, suite = done.stdout.splitlines()[:2]
    digests = "-r https://one.example/ci/constraints.txt -r https://one.example/ci/build-constraints.txt"
    assert libraries.endswith(f"--require-hashes --only-binary :all: {digests}")
    assert suite.endswith("--no-cache-dir --no-deps --no-build-isolation -- git+https://one.example/two@3")
    kept = {tmp_path / each for each in JOB["artifacts"]["paths"]}
    assert {tmp_path / "reports" / CERTIFICATE} == {path for path in kept if not path.exists()}


def test_the_template_keeps_no_traffic() -> None:
    """Whoever wants it says so in a job of their own; the rest is for developers, not for all who see the project."""
    kept = {Path(each).name for each in JOB["artifacts"]["paths"]}

    assert {*REPORTS, CERTIFICATE} - EVIDENCE == kept
    assert "developer" == JOB["artifacts"]["access"]


def test_the_template_installs_nothing_by_its_name_alone() -> None:
    """In an index anybody may claim a name. GitLab refuses a pipeline without an input that has no default."""
    assert {"source", "constraints"} == set(INPUTS)
    assert [] == [name for name, each in INPUTS.items() if "default" in each or re.search(each["regex"], "")]


def test_a_command_in_the_template_is_split_and_no_more(tmp_path: Path) -> None:
    """Neither patterns nor substitutions; the reports stay where the artifacts are taken from."""
    executable(tmp_path / "bin" / "statum-conformance", 'for each in "$@"; do echo "<$each>"; done')

    done = run_job(
        tmp_path, CONFORMANCE_COMMAND="run --redact * $(touch${IFS}evil)", STATUM_CONFORMANCE_REPORT_DIR="-rf"
    )

    assert ["<run>", "<--redact>", "<*>", "<$(touch${IFS}evil)>", "<--report-dir>", "<reports>"] == (
        done.stdout.splitlines()[2:]
    )
