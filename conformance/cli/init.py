"""`init`: files to begin with: a configuration, the driver of a client, a CI job, known failures.

    Language        a row of `starters/languages.toml`: the driver of a client, which is made from a template beside it
    Source          where a CI job gets the suite
    Starter         a file to write
    rendered        a template of `starters/`, filled in

A driver, and whatever else names commands and members, is made from the contract.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, distribution
from os import path as paths
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from conformance.cli.command import ConformanceCommand, Messages
from conformance.cli.configuration import FILE, file_values
from conformance.cli.pages import shipped
from conformance.contract.contract import Contract
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.traffic import has_userinfo
from conformance.options import spelled
from conformance.reports.console import print_line, results
from conformance.reports.expectations_file import GRANTED

STARTERS = Path(__file__).with_name("starters")

EXPECTATIONS = "expectations.toml"
GITHUB = ".github/workflows/conformance.yml"
PLACEHOLDER = "OWNER/statum-conformance@COMMIT # v0.1.0"
GITLAB, GITLAB_PART = ".gitlab-ci.yml", ".gitlab/conformance.yml"
GITLAB_TEMPLATE = ".gitlab/statum-conformance.yml"


@dataclass(frozen=True, slots=True)
class Language:
    """A language that drivers are written in: the columns of its row, which `starters/languages.toml` describes."""

    file: str
    start: str
    programs: tuple[str, ...]
    build: str | None = None
    client: str | None = None
    packages: str | None = None
    receiver: bool = True


@cache
def languages() -> Mapping[str, Language]:
    """The languages by their names, in the order of the table."""
    table = tomllib.loads((STARTERS / "languages.toml").read_text(encoding="utf-8"))
    return {name: Language(**{**row, "programs": tuple(row["programs"])}) for name, row in table.items()}


@dataclass(frozen=True, slots=True)
class Source:
    """The repository and commit that the suite was installed from (PEP 610)."""

    url: str
    commit: str

    @classmethod
    def installed(cls) -> Self | None:
        """That of this installation; None if it is from elsewhere, or its URL may hold a password."""
        try:
            stated = json.loads(distribution("statum-conformance").read_text("direct_url.json") or "{}")
        except PackageNotFoundError:
            return None
        commit, url = stated.get("vcs_info", {}).get("commit_id"), stated.get("url", "")
        return cls(url.removesuffix("/").removesuffix(".git"), commit) if commit and not has_userinfo(url) else None

    @property
    def _on_github(self) -> bool:
        return urlsplit(self.url).hostname == "github.com"

    @property
    def action(self) -> str | None:
        """The action for GitHub; None if the repository is elsewhere."""
        return f"{urlsplit(self.url).path.strip('/')}@{self.commit}" if self._on_github else None

    @property
    def raw(self) -> str:
        """Where its files are, as GitHub and GitLab serve them."""
        if self._on_github:
            return f"https://raw.githubusercontent.com{urlsplit(self.url).path}/{self.commit}"
        return f"{self.url}/-/raw/{self.commit}"


@dataclass(frozen=True, slots=True)
class Starter:
    """A file to write, at a path below the directory; `note`: the change that its user still has to make."""

    path: str
    content: str
    note: str = ""

    def write(self, directory: Path) -> None:
        """Write it, and say so. Raises UsageError if there is such a file, EnvironmentFailure if it cannot be."""
        place = directory / self.path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8") as file:
                file.write(self.content)
        except FileExistsError:
            raise _taken(place) from None
        except OSError as error:
            raise EnvironmentFailure(f"{place} cannot be written: {error.strerror or error}") from error
        print_line(results(), f"wrote {place}" + (f": {self.note}" if self.note else ""))


def _taken(place: Path) -> UsageError:
    return UsageError(f"{place} exists, and nothing is overwritten", "move it away, or name another directory")


def rendered(template: str, /, **values: Any) -> str:
    """The template of that name in `starters/`, filled in; its marks « and » are in no language here."""
    environment = Environment(
        loader=FileSystemLoader(STARTERS),
        block_start_string="«%",
        block_end_string="%»",
        variable_start_string="«",
        variable_end_string="»",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - the files are programs and configuration, not HTML
    )
    environment.filters["json"] = partial(json.dumps, ensure_ascii=False)
    return environment.get_template(f"{template}.jinja").render(values)


def driver_of(language: Language, contract: Contract, *, receiver: bool = False) -> str:
    """The driver of a client of that contract; with a `receiver` it also takes notifications and reports results."""
    authentication, answer = contract.authentication, contract.answer
    return rendered(
        language.file,
        file=language.file,
        start=language.start,
        build=language.build,
        receiver=receiver,
        title=contract.title,
        header=authentication.header,
        scheme=f"{authentication.scheme} " if authentication.scheme else "",
        basic=authentication.names_key,
        code=answer.code,
        success=answer.success,
        reason=answer.reason,
        id=answer.id,
        notification=contract.notification,
        products=contract.products,
        commands=[
            {
                "name": command.name,
                "method": command.method,
                "required": contract.schemas.resolved(command.request_schema).get("required", []),
            }
            for command in contract.commands.values()
        ],
    )


@click.command("init", cls=ConformanceCommand, short_help="Write files to begin with.")
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default=Path())
def init(directory: Path, contract: Contract, **options: Any) -> int:
    """Write files to begin with into DIR (default: the current directory), and print the commands to go on with.

    It writes statum-conformance.toml, unless there is a configuration, and what the options ask for. A driver is ready
    to be certified: replace its client by yours. Nothing is overwritten.
    """
    language = languages().get(options["driver"])
    _check_receiver(language, options)
    is_configured = (directory / FILE).exists() or bool(file_values(directory)[0])
    starters = [*_asked_for(directory, contract, language, options)]
    if not is_configured:
        starters.append(_configuration(directory, contract, language, options))
    elif not starters:
        raise _taken(directory / FILE)
    for starter in starters:
        if paths.lexists(directory / starter.path):
            raise _taken(directory / starter.path)
    for starter in starters:
        starter.write(directory)
    for program in language.programs if language else ():
        if shutil.which(program) is None:
            Messages.of().warn(f"there is no {program} here, and the driver needs it")
    print_line(results(), "next:")
    for command in _next(directory, contract, language, options, is_configured=is_configured):
        print_line(results(), f"  {command}")
    return 0


def _check_receiver(language: Language | None, options: Mapping[str, Any]) -> None:
    if options["receiver"] and language is None:
        raise UsageError("--receiver is a part of a driver, and --driver is missing")
    if options["receiver"] and language and not language.receiver:
        able = ", ".join(name for name, each in languages().items() if each.receiver)
        raise UsageError(f"a driver in {options['driver']} has no receiver; expected one in {able}")


def _asked_for(
    directory: Path, contract: Contract, language: Language | None, options: Mapping[str, Any]
) -> Iterator[Starter]:
    """The files that the options ask for."""
    if language:
        driver = driver_of(language, contract, receiver=options["receiver"])
        yield Starter(language.file, driver, "replace `call` by a call of your client")
    if options["expectations"]:
        example = contract.catalogue.requirements[0].id
        expires = datetime.now(UTC).date() + GRANTED
        yield Starter(EXPECTATIONS, rendered(EXPECTATIONS, requirement=example, expires=expires))
    if options["ci"]:
        yield from _ci_job(directory, language, options)


def _ci_job(directory: Path, language: Language | None, options: Mapping[str, Any]) -> Iterator[Starter]:
    """The job, and for GitLab the template that it extends, as `docs/ci.md` explains both."""
    source = Source.installed()
    values = {
        "subject": "client" if language else "gateway",
        "driver": language and language.start,
        "client": language and language.client,
        "build": language and language.build,
        "packages": language and language.packages,
        "gateway": options["gateway"],
        "expectations": options["expectations"],
        "expectations_file": EXPECTATIONS,
    }
    notes = ["replace OWNER and COMMIT in it"]
    if options["ci"] == "github":
        action = source and source.action
        job = rendered("github.yml", source=action, action=action or PLACEHOLDER, **values)
        yield Starter(GITHUB, job, *notes * (action is None))
        return
    yield Starter(GITLAB_TEMPLATE, shipped("ci/gitlab.yml").read_text(encoding="utf-8"))
    job = rendered(
        "gitlab.yml",
        template=GITLAB_TEMPLATE,
        source=source and f"git+{source.url}@{source.commit}",
        constraints=source and f"{source.raw}/ci",
        **values,
    )
    if source:
        notes.clear()
    if paths.lexists(directory / GITLAB):
        notes.append(f"include it in {GITLAB} (local: {GITLAB_PART})")
        yield Starter(GITLAB_PART, job, " and ".join(notes))
    else:
        yield Starter(GITLAB, job, *notes)


def _configuration(
    directory: Path, contract: Contract, language: Language | None, options: Mapping[str, Any]
) -> Starter:
    content = rendered(
        "configuration.toml",
        contract=contract.folder and paths.relpath(contract.folder, directory),
        driver=language and language.start,
        gateway=options["gateway"],
        base_url=contract.base_url,
        products=contract.products,
        expectations=options["expectations"],
        expectations_file=EXPECTATIONS,
    )
    return Starter(FILE, content)


def _next(
    directory: Path, contract: Contract, language: Language | None, options: Mapping[str, Any], *, is_configured: bool
) -> Iterator[str]:
    """The commands to run next, with the options of a configuration that was not written here."""
    if directory != Path():
        yield shlex.join(["cd", str(directory)])
    if language and language.build:
        yield language.build
    given: dict[str, Any] = {}
    if is_configured:
        given = {
            "contract": contract.folder and paths.relpath(contract.folder, directory),
            "driver": language and language.start,
            "gateway": options["gateway"],
        }
    checked = [word for name, value in given.items() for word in spelled(name, value)]
    judged = [*checked, *spelled("expectations", EXPECTATIONS if is_configured and options["expectations"] else None)]
    if language or options["gateway"]:
        yield shlex.join(["statum-conformance", "doctor", *checked])
    yield shlex.join(["statum-conformance", "certify" if language else "run", *judged])
