"""ci/comment: the summary of a run as one comment on its pull request, by a `gh` whose pull request is a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_gh import LOGIN
from project_files import ACTION, CHECKOUT, executable, read, shell, step

STEP = step(read(ACTION.read_text(encoding="utf-8"))["runs"]["steps"], "comment")
MARKER = "<!-- statum-conformance: tests/client/statum-conformance -->"
LOG = "Commit c0ffee · [log of this run](https://github.com/acme/shop/actions/runs/42)"

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="no jq (hint: .ci/runtimes/install)")


@dataclass
class PullRequest:
    """Number 7 of a project, the step of the action, and the summary of its run."""

    folder: Path

    @property
    def comments(self) -> list[str]:
        """The bodies of its comments."""
        return [each["body"] for each in json.loads((self.folder / "comments.json").read_text(encoding="utf-8"))]

    def has(self, *comments: tuple[str, str]) -> None:
        """From here on it has these, each a login and a body."""
        made = [{"id": number, "user": {"login": login}, "body": body} for number, (login, body) in enumerate(comments)]
        (self.folder / "comments.json").write_text(json.dumps(made), encoding="utf-8")

    def comment(self, summary: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """The step after a run that left that summary."""
        if summary is not None:
            (self.folder / "summary.md").write_text(summary, encoding="utf-8")
        given = {
            "ARTIFACT": "statum-conformance",
            "COMMIT": "c0ffee",
            "EXIT_CODE": "1",
            "GH_COMMENTS": str(self.folder / "comments.json"),
            "GH_TOKEN": "token",
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_JOB": "client",
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_RUN_ID": "42",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_WORKFLOW": "tests",
            "NUMBER": "7",
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.folder),
            "SOURCE": str(CHECKOUT),
            "SUMMARY": str(self.folder / "summary.md"),
        }
        return shell(STEP["run"], self.folder, **{**given, **environment})


@pytest.fixture
def pull_request(tmp_path: Path) -> PullRequest:
    """Without comments."""
    fake = CHECKOUT / "tests" / "support" / "fake_gh.py"
    executable(tmp_path / "bin" / "gh", f"exec '{sys.executable}' '{fake}' \"$@\"")
    made = PullRequest(tmp_path)
    made.has()
    return made


def test_the_summary_is_commented_once(pull_request: PullRequest) -> None:
    """A later run changes the comment, and leaves those of others and of other jobs alone."""
    others = [("stranger", f"{MARKER}\nnot mine"), (LOGIN, "<!-- statum-conformance: tests/gateway/x -->\ngateway")]
    pull_request.has(*others)

    done = [pull_request.comment("# ❌ non-conformant\n"), pull_request.comment("# ✅ conformant\n", EXIT_CODE="0")]

    assert [(0, "", "")] * 2 == [(each.returncode, each.stdout, each.stderr) for each in done]
    artifact = ", whose artifact `statum-conformance` has `report.html`"
    assert [
        *(body for _, body in others),
        f"{MARKER}\n# ✅ conformant\n\n{LOG}{artifact}\n",
    ] == pull_request.comments


@pytest.mark.parametrize(
    ("code", "told"), [("2", "Exit code: 2. The log says why."), ("", "Exit code: none, the run did not begin.")]
)
def test_a_run_that_judged_nothing_replaces_an_earlier_verdict(pull_request: PullRequest, code: str, told: str) -> None:
    """Else the verdict on an earlier commit would be taken for that on this one."""
    pull_request.has((LOGIN, f"{MARKER}\n# ✅ conformant"))

    pull_request.comment(EXIT_CODE=code)

    (body,) = pull_request.comments
    assert body.startswith(f"{MARKER}\n# ⚠️ nothing was judged\n\n{told}")
    assert body.endswith(f"{LOG}\n")


def test_the_name_of_a_workflow_is_only_a_name(pull_request: PullRequest) -> None:
    """Whatever is in it, the comment is found again."""
    for _ in range(2):
        pull_request.comment("x", GITHUB_WORKFLOW='a") or (1 --> $(touch evil) ü')

    assert 1 == len(pull_request.comments)
    assert not (pull_request.folder / "evil").exists()


FORK = (
    "::notice title=no comment on the pull request::the token may not write there: a pull request from a fork has a "
    'token that only reads, any other needs "pull-requests: write"; the summary of the job has the same text\n'
)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"GH_REFUSES": "gh: Resource not accessible by integration (HTTP 403)"}, FORK),
        (
            {"GH_REFUSES": "100% wrong (HTTP 502)\n::error::x"},
            "::warning title=no comment on the pull request::100%25 wrong (HTTP 502)\n",
        ),
        (
            {"NUMBER": "", "GITHUB_EVENT_NAME": "push"},
            "::notice title=no comment on the pull request::the event push has no pull request\n",
        ),
        (
            {"PATH": "/nowhere"},
            "::notice title=no comment on the pull request::this runner has no gh (https://cli.github.com)\n",
        ),
    ],
    ids=["a fork", "GitHub fails", "a push", "no gh"],
)
def test_without_a_comment_one_line_says_why(pull_request: PullRequest, environment: dict[str, str], told: str) -> None:
    """And the job goes on, for the verdict is the run's."""
    if environment.get("PATH"):
        (pull_request.folder / "bin" / "gh").unlink()
        for name in ("bash", "cat"):
            (pull_request.folder / "bin" / name).symlink_to(shutil.which(name) or name)
        environment = {"PATH": str(pull_request.folder / "bin")}

    done = pull_request.comment("x", **environment)

    assert (0, told, []) == (done.returncode, done.stdout, pull_request.comments)
