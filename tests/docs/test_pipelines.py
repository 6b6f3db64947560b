"""action.yml, the workflows, the template for GitLab and the examples of docs/ci.md: valid, and their steps run.

Whether actionlint has something to say of the workflows is for `make test-formats` (tests/tools/test_formats.py).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from campaigns import free_address
from project_files import (
    ACTION,
    CHECKOUT,
    TEMPLATE,
    WORKFLOWS,
    executable,
    read,
    shell,
    shown_pipelines,
    shown_workflows,
    step,
    template,
    the_command,
)

from conformance.cli import COMMANDS
from conformance.cli.configuration import PREFIX

STEPS = read(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
PINNED = "OWNER/statum-conformance@COMMIT"
UNREACHABLE = "Tell an unreachable sandbox from a broken one"


# --- Valid


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        ("github-workflows", [path.read_text(encoding="utf-8") for path in WORKFLOWS] + [*shown_workflows().values()]),
        ("dependabot", [(CHECKOUT / ".github" / "dependabot.yml").read_text(encoding="utf-8")]),
        ("github-actions", [ACTION.read_text(encoding="utf-8")]),
        ("gitlab-ci", [*TEMPLATE.read_text(encoding="utf-8").split("\n---\n"), *shown_pipelines().values()]),
    ],
)
def test_they_are_valid(schema: str, texts: list[str], tmp_path: Path) -> None:
    """By the schemas that editors use for them."""
    files = [tmp_path / f"{number}.yml" for number, _ in enumerate(texts)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")

    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files))
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert files
    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_examples_give_the_action_and_the_template_what_they_take() -> None:
    """No input that they do not have, and each that has to be given."""
    inputs = read(ACTION.read_text(encoding="utf-8"))["inputs"]
    uses = [
        each
        for text in shown_workflows().values()
        for job in read(text)["jobs"].values()
        for each in job["steps"]
        if each.get("uses") == PINNED
    ]

    (pipeline,) = shown_pipelines().values()
    (included,) = read(pipeline)["include"]
    assert 4 == len(uses)
    assert set() == {name for each in uses for name in each["with"]} - set(inputs)
    assert set(template()[0]) == set(included["inputs"])


def test_variables_are_those_of_options() -> None:
    """In the action and the pipelines: a variable that no option has would say nothing."""
    options = {
        PREFIX + name[2:].upper().replace("-", "_")
        for command in COMMANDS
        for parameter in command.params
        for name in parameter.opts
        if name.startswith("--")
    }
    named = {name for each in STEPS for name in each.get("env", {})}
    for jobs in (template()[1], *map(read, shown_pipelines().values())):
        named |= {name for job in jobs.values() if isinstance(job, dict) for name in job.get("variables", {})}

    assert set() == {name for name in named if name.startswith(PREFIX)} - options


# --- Whom they trust


def every_use() -> list[tuple[str, str, str]]:
    """File, action and comment of whatever is used, in the files and on the pages that people copy from."""
    pages = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
    found = []
    for path in (*WORKFLOWS, ACTION, *pages):
        for used, comment in re.findall(r"^[ -]*uses: +(\S+)(?: +# (\S+))?$", path.read_text("utf-8"), re.MULTILINE):
            found.append((path.name, used, comment))
    return found


def test_every_action_is_pinned_by_its_commit() -> None:
    """With the version beside it; what lies in this repository, and a placeholder for it, need none."""
    loose = [
        (path, used)
        for path, used, comment in every_use()
        if not used.startswith("./")
        and (used, comment) != (PINNED, "v0.1.0")
        and not (re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used) and re.fullmatch(r"v\d+\.\d+\.\d+", comment))
    ]

    assert len(every_use()) > 15
    assert [] == loose


def test_an_action_has_one_version_everywhere() -> None:
    """What was looked at once counts for all."""
    versions: dict[str, set[tuple[str, str]]] = {}
    for _, used, comment in every_use():
        versions.setdefault(used.partition("@")[0], set()).add((used, comment))

    assert {} == {action: found for action, found in versions.items() if len(found) > 1}


def workflows() -> dict[str, Any]:
    """Those of this repository and those that are shown."""
    own = {path.name: read(path.read_text(encoding="utf-8")) for path in WORKFLOWS}
    return own | {name: read(text) for name, text in shown_workflows().items()}


@pytest.mark.parametrize("workflow", workflows().values(), ids=workflows())
def test_a_workflow_may_do_no_more_than_it_must(workflow: dict[str, Any]) -> None:
    """It says what it may do, and a job that writes says so; it hands no token to what a stranger sends."""
    triggers = workflow["on"]
    steps = [each for job in workflow["jobs"].values() for each in job.get("steps", [])]

    assert set() == {"pull_request_target", "workflow_run", "issue_comment"} & {
        *([triggers] if isinstance(triggers, str) else triggers)
    }
    assert "permissions" in workflow
    assert [] == [each for each in steps if "${{" in each.get("run", "")]
    assert [] == [
        each
        for each in steps
        if each.get("uses", "").startswith("actions/checkout@") and each["with"]["persist-credentials"] != "false"
    ]


def test_no_secret_is_put_where_everybody_reads() -> None:
    """Secrets come from those of the repository; what is written out is of the mock gateway or a test."""
    written = {
        value
        for text in shown_workflows().values()
        for name, value in re.findall(r"(consumer-secret|CONSUMER_SECRET|TOKEN|KEY): (.+)", text)
        if "${{" not in value
    }

    assert {"test-secret", "Sample2be989703d6dKey", "Sample3P0R4qSecret"} == written


@pytest.mark.parametrize(
    "path", sorted((CHECKOUT / ".ci").glob("*/package-lock.json")), ids=lambda path: path.parent.name
)
def test_packages_of_npm_have_digests(path: Path) -> None:
    """`npm ci` refuses a file with another one."""
    packages = {name: each for name, each in json.loads(path.read_bytes())["packages"].items() if name}

    assert packages
    assert [] == [name for name, each in packages.items() if not each.get("integrity", "").startswith("sha512-")]


def test_no_package_of_npm_runs_anything_by_its_install() -> None:
    """What is run of it is what a test calls."""
    scripts = [
        CHECKOUT / "Makefile",
        *(path for path in (CHECKOUT / ".ci").rglob("*") if path.name in {"run", "install"}),
    ]
    installs = [line for path in scripts for line in path.read_text("utf-8").splitlines() if "npm ci " in line]

    assert installs
    assert [] == [line for line in installs if "--ignore-scripts" not in line]


# --- The steps of the examples


# Scripts that no test here runs, and why.
NOT_RUN = {
    ".ci/run": "tests/docs/test_project.py runs it",
    '.ci/version "$GITHUB_REF_NAME"': "tests/docs/test_project.py runs it",
    'pipx run --spec "uv~=0.13.9" uv publish --trusted-publishing always dist/*.whl dist/*.tar.gz': "it would publish",
    "make sbom": "tests/tools/test_package.py runs what it does",
    "make test-beyond": "it installs anew; newest.yml is for it",
    "cp ci/constraints.txt ci/build-constraints.txt dist/": "it is a copy",
    'gh release create "$GITHUB_REF_NAME" --repo "$GITHUB_REPOSITORY" --verify-tag --generate-notes -- dist/*': (
        "it would publish"
    ),
    "make test": "the reader's own",
    "make serve CALLBACKS=http://127.0.0.1:9100/callbacks &": "the reader's own",
    "make driver": "the reader's own",
    'gh release create "$GITHUB_REF_NAME" reports/certificate.json reports/report.html': "it would publish",
}
RUN = {
    "install",
    "judge",
    "collect",
    "comment",
    "Install the suite",
    "Start the mock gateway",
    "Put the key in a file",
    UNREACHABLE,
}


def test_every_script_is_run_or_cannot_be() -> None:
    """What a workflow or the action has a shell do is tried out here, or listed with the reason."""
    texts = [path.read_text(encoding="utf-8") for path in WORKFLOWS] + [*shown_workflows().values()]
    jobs = [job for text in texts for job in read(text)["jobs"].values()]
    steps = [each for each in (*STEPS, *(each for job in jobs for each in job.get("steps", []))) if "run" in each]
    untried = {each["run"].strip() for each in steps if RUN.isdisjoint({each.get("id"), each.get("name")})}

    assert NOT_RUN.keys() == untried


def test_an_unreachable_sandbox_is_noticed(tmp_path: Path) -> None:
    """By a command for the runner."""
    done = shell(step(read(shown_workflows()["sandbox"])["jobs"]["sandbox"]["steps"], UNREACHABLE)["run"], tmp_path)

    assert (0, "::notice::") == (done.returncode, done.stdout[:10])


def test_the_suite_of_an_example_is_installed_with_digests(tmp_path: Path) -> None:
    """As the action does it."""
    step_ = step(read(shown_workflows()["tests"])["jobs"]["test"]["steps"], "Install the suite")
    executable(tmp_path / "bin" / "python", 'echo "$@"')

    done = shell(step_["run"], tmp_path, **{**step_["env"], "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})

    libraries, suite = done.stdout.splitlines()
    ci = "https://raw.githubusercontent.com/OWNER/statum-conformance/COMMIT/ci"
    assert (
        f"-m pip install --require-hashes --only-binary :all: -r {ci}/constraints.txt -r {ci}/build-constraints.txt"
        == (libraries)
    )
    assert f"-m pip install --no-deps --no-build-isolation git+https://github.com/{PINNED}" == suite


def scripts_with_a_mock_gateway() -> Mapping[str, str]:
    """What starts it in the examples, for GitHub and for GitLab, whose runner gives all lines to one shell."""
    (pipeline,) = shown_pipelines().values()
    *lines, last = read(pipeline)["test"]["script"]
    assert "make test" == last
    steps = read(shown_workflows()["tests"])["jobs"]["test"]["steps"]
    return {"GitHub": step(steps, "Start the mock gateway")["run"], "GitLab": "\n".join(lines)}


@pytest.mark.parametrize("script", scripts_with_a_mock_gateway().values(), ids=scripts_with_a_mock_gateway())
def test_the_mock_gateway_of_an_example_is_ready_when_its_script_ends(script: str, tmp_path: Path) -> None:
    """The client's tests come next."""
    address = f"127.0.0.1:{free_address().port}"
    the_command(tmp_path / "bin" / "statum-conformance")

    done = shell(
        script.replace("127.0.0.1:9000", address) + "\necho $!",
        tmp_path,
        PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    )
    os.kill(int(done.stdout.splitlines()[-1]), signal.SIGTERM)

    assert 0 == done.returncode, done.stderr
    assert f"mock gateway at http://{address}/api/v2" in (tmp_path / "mock.log").read_text(encoding="utf-8")


def test_a_mock_gateway_that_does_not_start_fails_its_step(tmp_path: Path) -> None:
    """And says what it said."""
    executable(tmp_path / "bin" / "statum-conformance", "echo no such port")
    script = step(read(shown_workflows()["tests"])["jobs"]["test"]["steps"], "Start the mock gateway")["run"]

    done = shell(script.replace("timeout 30", "timeout 0.5"), tmp_path, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    assert (1, "no such port\n") == (done.returncode, done.stdout)


def test_the_key_of_a_release_is_for_nobody_else(tmp_path: Path) -> None:
    """Its file cannot be read by others."""
    script = step(read(shown_workflows()["release"])["jobs"]["certify"]["steps"], "Put the key in a file")["run"]

    assert 0 == shell(script, tmp_path, RUNNER_TEMP=str(tmp_path), SIGN_KEY="one\ntwo").returncode
    assert "one\ntwo\n" == (tmp_path / "vendor.key").read_text(encoding="utf-8")
    assert 0o600 == (tmp_path / "vendor.key").stat().st_mode & 0o777
