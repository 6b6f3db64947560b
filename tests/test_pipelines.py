"""action.yml, the workflows, the template for GitLab and the examples of docs/ci.md: valid, and their steps run.

Whether actionlint has something to say of the workflows is for `make test-formats` (tests/test_formats.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from campaigns import free_address
from command_line import CHECKOUT, CONSOLE_SCRIPT
from pipelines import ACTION, TEMPLATE, WORKFLOWS, read, shell, shown_pipelines, shown_workflows, step

from conformance.cli import COMMANDS
from conformance.cli.configuration import PREFIX

STEPS = read(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
PIN = "OWNER/statum-conformance@COMMIT"
UNREACHABLE = "Tell an unreachable sandbox from a broken one"


def executable(path: Path, script: str) -> Path:
    """A shell script at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def the_command(path: Path) -> Path:
    """The command of this checkout at `path`."""
    return executable(path, f"PYTHONPATH='{CHECKOUT}' exec '{sys.executable}' -c '{CONSOLE_SCRIPT}' \"$@\"")


# --- Valid


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        ("github-workflows", [path.read_text(encoding="utf-8") for path in WORKFLOWS] + [*shown_workflows().values()]),
        ("github-actions", [ACTION.read_text(encoding="utf-8")]),
        ("gitlab-ci", [TEMPLATE.read_text(encoding="utf-8"), *shown_pipelines().values()]),
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


def test_the_examples_give_the_action_what_it_takes() -> None:
    """No input that it does not have."""
    inputs = read(ACTION.read_text(encoding="utf-8"))["inputs"]
    uses = [
        each
        for text in shown_workflows().values()
        for job in read(text)["jobs"].values()
        for each in job["steps"]
        if each.get("uses") == PIN
    ]

    assert 3 == len(uses)
    assert set() == {name for each in uses for name in each["with"]} - set(inputs)


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
    for text in (TEMPLATE.read_text(encoding="utf-8"), *shown_pipelines().values()):
        named |= {name for job in read(text).values() if isinstance(job, dict) for name in job.get("variables", {})}

    assert set() == {name for name in named if name.startswith(PREFIX)} - options


# --- The steps of the examples


# Scripts that no test here runs, and why.
NOT_RUN = {
    ".ci/run": "tests/test_project.py runs it",
    f'python -m pip install "statum-conformance @ git+https://github.com/{PIN}"': "OWNER is a placeholder",
    "make test": "the reader's own",
    "make serve CALLBACKS=http://127.0.0.1:9100/callbacks &": "the reader's own",
    "make driver": "the reader's own",
    'gh release create "$GITHUB_REF_NAME" reports/certificate.json reports/report.html': "it would publish",
}
RUN = {"install", "judge", "Start the mock gateway", "Put the key in a file", UNREACHABLE}


def test_every_script_is_run_or_cannot_be() -> None:
    """What a workflow or the action has a shell do is tried out here, or listed with the reason."""
    texts = [path.read_text(encoding="utf-8") for path in WORKFLOWS] + [*shown_workflows().values()]
    jobs = [job for text in texts for job in read(text)["jobs"].values()]
    steps = [each for each in (*STEPS, *(each for job in jobs for each in job["steps"])) if "run" in each]
    untried = {each["run"].strip() for each in steps if RUN.isdisjoint({each.get("id"), each.get("name")})}

    assert NOT_RUN.keys() == untried


def test_an_unreachable_sandbox_is_noticed(tmp_path: Path) -> None:
    """By a command for the runner."""
    done = shell(step(read(shown_workflows()["sandbox"])["jobs"]["sandbox"]["steps"], UNREACHABLE)["run"], tmp_path)

    assert (0, "::notice::") == (done.returncode, done.stdout[:10])


def scripts_with_a_mock_gateway() -> Mapping[str, str]:
    """What starts it in the examples, for GitHub and for GitLab, whose runner gives all lines to one shell."""
    (pipeline,) = shown_pipelines().values()
    install, *lines, last = read(pipeline)["test"]["script"]
    assert ('python -m pip install "$CONFORMANCE_SOURCE"', "make test") == (install, last)
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
