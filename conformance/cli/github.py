"""A run as a step of a workflow on GitHub: annotations for its runner, and its page in the summary of the job."""

from __future__ import annotations

import os
from pathlib import Path

import click

from conformance.cli.complaints import Complaints
from conformance.reports.console import on_github
from conformance.reports.github import workflow_commands
from conformance.reports.result import Result
from conformance.reports.summary import summary

# Where a step leaves what its job's summary shall show; GitHub gives the name of the file.
SUMMARY = "GITHUB_STEP_SUMMARY"


def tell_github(result: Result, complaints: Complaints) -> None:
    """Print annotations, on standard error, and append the summary to that of the job; elsewhere nothing.

    A summary that cannot be written is warned of: the verdict does not depend on it.
    """
    if on_github():
        for line in workflow_commands(result.report):
            click.echo(line, err=True)
    if path := os.environ.get(SUMMARY):
        try:
            with Path(path).open("ab") as file:
                file.write(summary(result))
        except OSError as error:
            complaints.warn(f"{path} (${SUMMARY}) cannot be written: {error.strerror or error}")
