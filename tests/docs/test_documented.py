"""Whatever the suite has stands on a page: commands, options, requirements, files, codes, verdicts, targets, variables.

    KINDS           each kind of thing, where its names are taken from, and the page that has to tell them
    undocumented    names and a page → those that the page does not tell

Names are asked of the code, never of what writes the pages, so that what is forgotten there is found here.
"""

from __future__ import annotations

import ast
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from markdown_pages import CHECKOUT, prose
from seeded import FAULTS, LOAD_FAULTS, LOAD_VARIANTS, NUMBERS, VARIANTS

from conformance.certificate.issuing import CERTIFICATE
from conformance.cli import COMMANDS, outcome
from conformance.cli.configuration import PREFIX, switches, variable
from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.gateway.campaign import JOURNAL
from conformance.journal.rows import CREATE
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.notifications import kinds
from conformance.model.errors import ConformanceError
from conformance.model.traffic import Kind
from conformance.model.untrusted import parse_json
from conformance.options import options_of
from conformance.reports.files import REPORTS

DOCS = CHECKOUT / "docs"
OPTIONS, FILES = DOCS / "options.md", DOCS / "files.md"
READING, DRIVER, FOLDER = DOCS / "reading-a-report.md", DOCS / "driver-protocol.md", DOCS / "contract-folder.md"
CONTRIBUTING = CHECKOUT / ".github" / "CONTRIBUTING.md"


# --- What there is


def errors(of: type[ConformanceError] = ConformanceError) -> Iterator[type[ConformanceError]]:
    """The suite's errors, the tree gone through from its root."""
    yield of
    for below in of.__subclasses__():
        yield from errors(below)


def exit_codes() -> set[str]:
    """Of verdicts and errors."""
    return {str(c.exit_code) for c in Conclusion} | {str(e.exit_code) for e in errors()}


def make_targets() -> Iterator[str]:
    """The targets that a person calls: those that are no file."""
    phony = re.search(r"^\.PHONY: (.+)$", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    return (f"make {target}" for target in phony[1].split())


def make_variables() -> list[str]:
    """Those that a person may set."""
    return re.findall(r"^([A-Z_]+) \?=", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def gitlab_settings() -> Iterable[str]:
    """The inputs of the template, and the variables of the job that judges."""
    header, jobs = yaml.safe_load_all((CHECKOUT / "ci" / "gitlab.yml").read_text(encoding="utf-8"))
    return [*header["spec"]["inputs"], *jobs[".statum-conformance"]["variables"]]


def variables() -> Iterator[str]:
    """Those of the options, and whatever else the code looks up in the environment."""
    for command in COMMANDS:
        yield from (variable(switch.name) for switch in switches(options_of(command.name or "")))
    for module in modules():
        yield from looked_up(module)


@cache
def modules() -> tuple[Path, ...]:
    """The files of the suite."""
    return tuple(sorted((CHECKOUT / "conformance").rglob("*.py")))


def looked_up(module: Path) -> Iterator[str]:
    """The variables of the environment that a module names: in `os.environ.get`, `os.environ[…]` and `os.getenv`."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv"):
            yield value_of(node.args[0], module)
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            yield value_of(node.slice, module)


@cache
def tree_of(module: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(module.read_text(encoding="utf-8"))


def value_of(expression: ast.expr, module: Path) -> str:
    """What an expression of that module is, which rests on constants alone."""
    if isinstance(expression, ast.Constant):
        return str(expression.value)
    dotted = ".".join(module.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
    compiled = compile(ast.Expression(expression), str(module), "eval")
    return str(eval(compiled, vars(import_module(dotted))))  # noqa: S307 - our own code, read from our own file


def kinds_of_notes() -> Iterator[str]:
    """What the suite notes in a journal: the first argument of each call of `note` that has two."""
    for module in modules():
        for node in ast.walk(tree_of(module)):
            if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] != "note":
                continue
            if len(node.args) == 2:
                yield value_of(node.args[0], module)


def journal_columns() -> Iterator[str]:
    """Tables and columns, as SQLite has them."""
    journal = sqlite3.connect(":memory:")
    for statement in CREATE:
        journal.execute(statement)
    for (table,) in journal.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        yield table
        yield from (column for _, column, *_ in journal.execute(f'PRAGMA table_info("{table}")'))
    journal.close()


def members(described: Any, above: str = "") -> Iterator[str]:
    """The members that a schema knows, in whatever depth, as the reference writes them."""
    for name, rule in described.get("properties", {}).items():
        yield f"{above}{name}"
        yield from members(rule, f"{above}{name}.")
        yield from members(rule.get("items", {}), f"{above}{name}[].")
    for part in described.get("$defs", {}).values():
        yield from members(part)


def driver_messages() -> Iterator[str]:
    """The headings of the messages, and their members."""
    for name in FORMATS.names:
        if name.startswith("driver/"):
            yield FORMATS.schema(name)["title"]
            yield from FORMATS.schema(name)["properties"]


def requirements() -> set[str]:
    """Every id, those that are not judged included."""
    return {requirement.id for requirement in statum().catalogue.requirements}


def inputs_and_outputs() -> Iterator[str]:
    """Of the action for GitHub."""
    action = yaml.safe_load((CHECKOUT / "action.yml").read_text(encoding="utf-8"))
    return iter((*action["inputs"], *action["outputs"]))


@dataclass(frozen=True, slots=True)
class Told:
    """Things of one kind that a page has to tell; `names` asks the code for them."""

    kind: str
    page: Path
    names: Callable[[], Iterable[str]]


KINDS = (
    Told("commands", OPTIONS, lambda: (command.name or "" for command in COMMANDS)),
    Told("variables", OPTIONS, variables),
    Told("requirements", DOCS / "requirements.md", requirements),
    Told("files", FILES, lambda: (*REPORTS, JOURNAL, CERTIFICATE)),
    Told("files", READING, lambda: (*REPORTS, JOURNAL)),
    Told("files", CHECKOUT / "reports" / "README.md", lambda: (*REPORTS, JOURNAL, CERTIFICATE)),
    Told("members of report.json", FILES, lambda: members(FORMATS.schema("report"))),
    Told("members of certificate.json", FILES, lambda: members(FORMATS.schema("certificate"))),
    Told("tables of the journal", FILES, journal_columns),
    Told("notes of the journal", FILES, kinds_of_notes),
    Told("exit codes", READING, exit_codes),
    Told("exit codes", DOCS / "ci.md", exit_codes),
    Told("verdicts", READING, lambda: Verdict),
    Told("verdicts of the whole", READING, lambda: Conclusion),
    Told("reasons", READING, lambda: Reason),
    Told("kinds of cases", READING, lambda: Kind),
    Told("targets of make", CONTRIBUTING, make_targets),
    Told("variables of make", CONTRIBUTING, make_variables),
    Told("tables of contract.toml", FOLDER, lambda: FORMATS.schema("contract")["properties"]),
    Told("keys of a requirement", FOLDER, lambda: FORMATS.schema("requirement")["properties"]),
    Told("words of a change", FOLDER, lambda: FORMATS.schema("behaviours")["$defs"]["change"]["properties"]),
    Told("variables for GitLab", DOCS / "ci.md", gitlab_settings),
    Told("driver messages", DRIVER, driver_messages),
    Told("scenarios of clients", DRIVER, lambda: (scenario.name for scenario in statum().behaviours.scenarios)),
    Told("phone numbers", DOCS / "mock.md", lambda: NUMBERS),
    Told("faults", DOCS / "mock.md", lambda: FAULTS | LOAD_FAULTS),
    Told("kinds of notifications", DOCS / "test-your-webhook.md", kinds),
    Told("variants", DOCS / "mock.md", lambda: VARIANTS | LOAD_VARIANTS),
    Told("inputs and outputs of the action", DOCS / "ci.md", inputs_and_outputs),
)


# --- What is told


def undocumented(names: Iterable[str], page: Path) -> list[str]:
    """Those of `names` that stand neither in the first cell of a table of `page` nor in a heading."""
    text = prose(page)
    cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    headings = {heading.replace("`", "") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    told = {cell for row in cells for cell in (row, *re.findall(r"`([^`]+)`", row))} | headings
    return [name for name in dict.fromkeys(map(str, names)) if name not in told]


def test_everything_of_a_kind_is_documented() -> None:
    """On the page where one looks for it; and there is something to look for."""
    names = [(each, list(each.names())) for each in KINDS]

    assert [] == [each.kind for each, found in names if not found]
    assert [] == [(t.kind, t.page.name, name) for t, found in names for name in undocumented(found, t.page)]


def test_every_maker_of_probes_is_documented() -> None:
    """In a cell of the table of makers, by kind."""
    probe = FORMATS.schema("probes")["properties"]["probe"]["items"]["properties"]
    told = set(re.findall(r"`([^`]+)`", prose(FOLDER)))

    assert [] == [maker for maker in probe["made"]["items"]["properties"]["by"]["enum"] if maker not in told]
    assert [] == [kind for kind in probe["kind"]["enum"] if kind not in told]


def test_what_is_not_documented_is_noticed(tmp_path: Path) -> None:
    """Prose and blocks of code tell nothing; a cell and a heading do."""
    page = tmp_path / "page.md"
    page.write_text("# `run`\n\nSay `walk`.\n\n```\n| `crawl` | x |\n```\n\n| a |\n| `hop` |\n| 3 | three |\n", "utf-8")

    assert ["walk", "crawl", "4"] == undocumented(["run", "walk", "crawl", "hop", "3", "4"], page)


def test_every_option_of_a_command_is_documented() -> None:
    """In the section of the command; also an option that its help does not show."""
    sections = dict(re.findall(r"^## `(.+)`\n((?:(?!## ).*\n)*)", OPTIONS.read_text("utf-8"), re.MULTILINE))
    missing = []
    for command in COMMANDS:
        rows = re.findall(r"^\| `(.+?)` \|", sections[command.name], re.MULTILINE)
        known = {name for row in rows for name in re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*|[A-Z_]{2,}", row)}
        options = {name for p in command.params if isinstance(p, click.Option) for name in (*p.opts, *p.secondary_opts)}
        arguments = {(p.name or "").upper() for p in command.params if isinstance(p, click.Argument)}
        missing += [(command.name, name) for name in sorted((options | arguments) - known)]

    assert [] == missing


def test_a_variable_that_the_code_looks_up_is_seen(tmp_path: Path) -> None:
    """In each way in which one can."""
    module = tmp_path / "module.py"
    module.write_text('import os\nos.environ.get("ONE")\nos.environ["TWO"]\nos.getenv("THREE", "")\n', "utf-8")

    assert ["ONE", "TWO", "THREE"] == list(looked_up(module))
    assert {f"{PREFIX}DEBUG", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"} <= set(variables())


@pytest.mark.parametrize(
    ("arguments", "code", "beside"),
    [
        pytest.param("run --product sms --max-examples 0 --sign-key vendor.key", 0, {CERTIFICATE}, id="run"),
        pytest.param("certify --observe --observe-for 0.2 --product sms", 3, set(), id="certify"),
    ],
)
def test_nothing_is_left_behind_that_no_page_tells(
    arguments: str, code: int, beside: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what a user calls: the reports, the journal, and a certificate where there is one."""
    monkeypatch.chdir(tmp_path)
    assert outcome(["keygen", "vendor.key"]) == 0
    assert outcome(arguments.split()) == code

    left = {path.name for path in (tmp_path / "reports").iterdir()}
    assert {*REPORTS, JOURNAL} | beside == left
    assert [] == undocumented(left, FILES)


def test_members_that_the_sample_has_are_documented() -> None:
    """Also those that the schema leaves room for without naming them."""
    sample = json.loads((CHECKOUT / "reports" / "sample" / "report.json").read_text(encoding="utf-8"))
    findings = [finding for entry in sample["requirements"] for finding in entry["findings"]]

    assert findings
    assert [] == undocumented((name for held in (sample, *sample["requirements"], *findings) for name in held), FILES)


# --- Driver messages that a page shows


def messages_in(page: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each message that `page` shows, with the name of its schema: under the heading of its kind, or by an arrow."""
    titles = {FORMATS.schema(name)["title"]: name for name in FORMATS.names if name.startswith("driver/")}
    text = page.read_text(encoding="utf-8")
    for title, block in re.findall(r"^### ([^\n]+)\n(?:(?!^#|^```).)*^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield from ((titles[title], parse_json(line.encode())) for line in block.splitlines())
    asked = ""
    for arrow, line in re.findall(r"^([→←]) (\{.*\n(?:   .*\n)*)", text, re.MULTILINE):
        message = parse_json(line.encode())
        asked = message["cmd"] if arrow == "→" else asked
        yield f"driver/{asked}" + (".answer" if arrow == "←" else ""), message


def test_a_driver_message_that_is_shown_is_valid() -> None:
    """Against the schema of its kind."""
    shown = [
        (page, name, message)
        for page in ("driver-protocol.md", "certify-a-client.md")
        for name, message in messages_in(DOCS / page)
    ]

    assert shown
    assert [] == [(page, message, v) for page, name, message in shown for v in FORMATS.violations(name, message)]


def test_every_driver_message_is_shown_alone_and_in_a_conversation() -> None:
    """As an example below its heading, and among others."""
    shown = [name for name, _ in messages_in(DRIVER)]
    kinds = {name for name in FORMATS.names if name.startswith("driver/")}

    assert kinds == {name for name in shown if shown.count(name) > 1}


def test_a_driver_message_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    """By the message that it answers."""
    page = tmp_path / "page.md"
    page.write_text('```\n→ {"cmd":"hello",\n   "protocol":1}\n← {"protocol":"1"}\n```\n', "utf-8")
    (greeting, answer) = messages_in(page)

    assert ("driver/hello", {"cmd": "hello", "protocol": 1}) == greeting
    assert [] != FORMATS.violations(*answer)
