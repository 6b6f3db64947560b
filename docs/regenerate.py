"""Writes the parts of the documentation that say what the code says.

    python docs/regenerate.py       rewrites them in place, and schemas/formats/configuration.json

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; tests/docs/test_documentation.py fails if
one is out of date.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import contract_page
import yaml
from click.testing import CliRunner
from configuration_schema import NAME, configuration_schema
from meanings import (
    CONCLUSIONS,
    EXIT_CODES,
    FILES,
    NOTES,
    OTHER_VARIABLES,
    REASONS,
    SETTINGS,
    TABLES_OF_JOURNAL,
    VERDICTS,
)
from table import table

import conformance
from conformance.certificate.issuing import CERTIFICATE
from conformance.cli import COMMANDS, cli
from conformance.cli.configuration import switches, variable
from conformance.contract.contract import statum
from conformance.contract.schemas import BASE_URI, FORMATS
from conformance.contract.tables import CHOOSING
from conformance.gateway.campaign import JOURNAL
from conformance.journal.rows import CREATE
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.account import numbers
from conformance.mock.faults import faults as faults_of
from conformance.mock.faults import variants as variants_of
from conformance.mock.notifications import kinds
from conformance.model.errors import EnvironmentFailure, SuiteError, UsageError
from conformance.options import options_of
from conformance.reports.files import REPORTS

# ruff: noqa: INP001 - a script, not a module of a package

HERE = Path(__file__).parent
SCHEMA = HERE.parent / "schemas" / "formats" / f"{NAME}.json"

# In the order in which they come up.
DRIVER_MESSAGES = ("hello", "hello.answer", "invoke", "invoke.answer", "result", "result.answer", "stop")
ACTION = HERE.parent / "action.yml"
MAKEFILE = HERE.parent / "Makefile"
CONTRIBUTING = HERE.parent / ".github" / "CONTRIBUTING.md"

_PART = re.compile(r"(?<=<!-- generated: )(?P<name>[a-z-]+) -->\n.*?(?=<!-- end -->)", re.DOTALL)


def options() -> str:
    """The options of each command, as its help tells them."""
    return "\n".join(f"## `{command.name}`\n\n{_usage(command)}\n\n{_options_of(command)}" for command in COMMANDS)


def _usage(command: click.Command) -> str:
    return (command.help or "").partition("\n\n")[0].replace("\n", " ")


def _default(argument: click.Argument) -> str:
    # Without one, click has a mark of its own there.
    return f"Default: {argument.default}" if isinstance(argument.default, str | Path) else "Optional."


def _options_of(command: click.Command) -> str:
    context = click.Context(command, info_name=command.name, max_content_width=10_000)
    arguments = [
        (f"`{(p.name or '').upper()}`", "Required." if p.required else _default(p))
        for p in command.params
        if isinstance(p, click.Argument)
    ]
    records = [p.get_help_record(context) for p in command.params if isinstance(p, click.Option)]
    return table(
        ("option", "meaning"), [*arguments, *((f"`{names}`", meaning) for names, meaning in filter(None, records))]
    )


def scenarios() -> str:
    """What becomes of a request to a chosen phone number."""
    return table(
        ("phone number ends with", "what happens"), ((f"`{end}`", s.summary) for end, s in numbers(statum()).items())
    )


def faults() -> str:
    """Each fault, and the requirements that fall with it."""
    return table(
        ("fault", "what it does", "breaks"),
        ((f"`{f.name}`", f.summary, ", ".join(f.breaks)) for f in faults_of(statum()).values()),
    )


def notification_kinds() -> str:
    """Each kind of notification that can be sent on demand."""
    rows = ((f"`{k.name}`", "yes" if k.lawful else "no", k.summary) for k in kinds().values())
    return table(("kind", "lawful", "the notification"), rows)


def keys(file: str) -> str:
    """The keys of a file of the contract folder, as their schema describes them."""
    return table(("key", "meaning"), _keys(FORMATS.schema(file), ""))


def _keys(described: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for name, rule in described.get("properties", {}).items():
        yield f"`{above}{name}`", rule["description"]
        yield from _keys(rule, f"{above}{name}.")
        yield from _keys(rule.get("items", {}), f"{above}{name}[].")


def words(*, choosing: bool) -> str:
    """The words of a change of messages, and what each means: those that choose messages, or the others."""
    known = FORMATS.schema("behaviours")["$defs"]["change"]["properties"].items()
    rows = ((f"`{word}`", rule["description"]) for word, rule in known if (word in CHOOSING) is choosing)
    return table(("word", "meaning"), rows)


def variants() -> str:
    """Each lawful variant."""
    return table(("variant", "what it does"), ((f"`{v.name}`", v.summary) for v in variants_of(statum()).values()))


def requirements() -> str:
    """What the command prints."""
    return CliRunner().invoke(cli, ["requirements", "--format", "markdown"], standalone_mode=False).output


def driver_messages() -> str:
    """The messages of the driver protocol, as their schemas describe them."""
    return "\n".join(_message(FORMATS.schema(f"driver/{name}")) for name in DRIVER_MESSAGES)


def _message(described: Mapping[str, Any]) -> str:
    examples = "\n".join(json.dumps(example, ensure_ascii=False) for example in described["examples"])
    rows = (
        (f"`{name}`", _type(rule), "yes" if name in described["required"] else "no", rule["description"])
        for name, rule in described["properties"].items()
    )
    members = table(("member", "type", "required", "meaning"), rows)
    return f"### {described['title']}\n\n{described['description']}\n\n```\n{examples}\n```\n\n{members}"


def _type(rule: Mapping[str, Any]) -> str:
    """What a value may be: its type, what it is made of, or the values that there are."""
    if "$ref" in rule:
        return _heading(rule["$ref"])
    made_of = next((held["$ref"] for held in _made_of(rule) if "$ref" in held), None)
    values = [rule["const"]] if "const" in rule else rule.get("enum", rule.get("items", {}).get("enum"))
    types = rule.get("type", "string" if values else "any")
    kind = types if isinstance(types, str) else " or ".join(types)
    if made_of:
        return f"{kind} of {_heading(made_of)}"
    return kind if values is None else f"{kind}: {', '.join(f'`{json.dumps(v)}`' for v in values if v is not None)}"


def _made_of(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What the elements of an array, or the members of an object, are."""
    return (held for name in ("items", "additionalProperties") if isinstance(held := rule.get(name), dict))


def _heading(reference: str) -> str:
    """A link to the table of what a reference leads to; out of the schema, to the schema that it leads to."""
    file, _, name = reference.removeprefix(BASE_URI).partition("#/$defs/")
    return f"[{name}]({f'../schemas/{file}' if file else f'#{name}'})"


def client_scenarios() -> str:
    """What every client is put before."""
    return table(("scenario", "what happens"), ((f"`{s.name}`", s.summary) for s in statum().behaviours.scenarios))


def action() -> str:
    """What the action for GitHub takes and gives."""
    described = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    inputs = table(
        ("input", "meaning", "default"),
        (
            (f"`{name}`", told["description"], f"`{told['default']}`" * bool(told["default"]))
            for name, told in described["inputs"].items()
        ),
    )
    outputs = table(
        ("output", "meaning"), ((f"`{name}`", o["description"]) for name, o in described["outputs"].items())
    )
    return f"{inputs}\n{outputs}"


def variables() -> str:
    """Every variable of the environment that something is taken from."""
    commands: dict[str, list[str]] = {}
    for command in COMMANDS:
        for switch in switches(options_of(command.name or "")):
            commands.setdefault(switch.name, []).append(f"`{command.name}`")
    of_options = ((f"`{variable(name)}`", f"`--{name}` of {', '.join(of)}") for name, of in commands.items())
    return table(
        ("variable", "stands for"), (*of_options, *((f"`{name}`", told) for name, told in OTHER_VARIABLES.items()))
    )


def exit_codes() -> str:
    """Each exit code of the commands that judge."""
    codes = {error.exit_code for error in (UsageError, EnvironmentFailure, SuiteError)}
    codes |= {conclusion.exit_code for conclusion in Conclusion}
    return table(("exit code", "means"), ((str(code), EXIT_CODES[code]) for code in sorted(codes)))


def verdicts() -> str:
    """Each verdict on a requirement."""
    return table(("verdict", "means"), ((f"`{verdict}`", VERDICTS[verdict]) for verdict in Verdict))


def conclusions() -> str:
    """Each verdict on the subject, in the order in which they are tried."""
    tried = sorted(Conclusion, key=[*CONCLUSIONS].index)
    return table(("the whole is", "if", "exit code"), ((f"`{c}`", CONCLUSIONS[c], str(c.exit_code)) for c in tried))


def reasons() -> str:
    """Each reason why something could not be judged."""
    return table(("reason", "means", "what to do"), ((f"`{reason}`", *REASONS[reason]) for reason in Reason))


def files() -> str:
    """Each file that a run or a certification leaves in the report directory."""
    return table(("file", "what", "more"), ((f"`{name}`", *FILES[name]) for name in (*REPORTS, JOURNAL, CERTIFICATE)))


def report_members() -> str:
    """The members of report.json."""
    return _with_parts(FORMATS.schema("report"))


def certificate_members() -> str:
    """The members of certificate.json, and of the statement that its payload is."""
    return _with_parts(FORMATS.schema("certificate"))


def _with_parts(described: Mapping[str, Any]) -> str:
    parts = described["$defs"]
    tables = (f"### {name}\n\n{part['description']}\n\n{_members(part, parts)}" for name, part in parts.items())
    return "\n".join((_members(described, parts), *tables))


def _members(described: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    rows = [*_rows(described, parts, "")]
    return table(("member", "type", "meaning"), rows) if rows else ""


def _rows(described: Mapping[str, Any], parts: Mapping[str, Any], above: str) -> Iterator[tuple[str, str, str]]:
    """The members of an object, each followed by its own; those of what is defined apart have a table of their own."""
    for name, rule in described.get("properties", {}).items():
        told = rule if "description" in rule else parts[rule["$ref"].rpartition("/")[2]]
        yield f"`{above}{name}`", _type(rule), told["description"]
        yield from _rows(rule, parts, f"{above}{name}.")
        yield from _rows(rule.get("items", {}), parts, f"{above}{name}[].")


def journal_tables() -> str:
    """The tables of the journal, as SQLite has them, in the words of its schema."""
    described = FORMATS.schema("journal")["$defs"]
    journal = sqlite3.connect(":memory:")
    for statement in CREATE:
        journal.execute(statement)
    found = journal.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rootpage").fetchall()
    parts = []
    for (name,) in found:
        words, row = TABLES_OF_JOURNAL[name]
        rules = described[row]["properties"] if row else SETTINGS
        columns = journal.execute(f'PRAGMA table_info("{name}")')
        cells = ((f"`{column}`", kind, _of_column(rules[column], described)) for _, column, kind, *_ in columns)
        parts.append(f"### {name}\n\n{words}\n\n{table(('column', 'type', 'meaning'), cells)}")
    journal.close()
    return "\n".join(parts)


def _of_column(rule: Mapping[str, Any], described: Mapping[str, Any]) -> str:
    told = described[rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule
    # The schema is that of a row as JSON; in the file, bytes are bytes, and what is no text is JSON.
    types = told.get("type", ())
    is_json = not {"array", "object"}.isdisjoint([types] if isinstance(types, str) else types)
    return told["description"].replace(", in base64", "") + " As JSON." * is_json


def notes() -> str:
    """The kinds of notes in a journal."""
    return table(("kind", "tells"), ((f"`{kind}`", told) for kind, told in NOTES.items()))


def make_targets() -> str:
    """The targets of the Makefile that a person calls."""
    targets = re.findall(r"^([a-z][a-z-]*):.*?  ## (.*)$", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)
    return table(("target", "what it does"), ((f"`make {name}`", told) for name, told in targets))


def imports() -> str:
    """Which part of the code imports from which, read off the code: ● in the column of each part that a row needs."""
    order = re.findall(r"\w+", (conformance.__doc__ or "").partition("):\n")[2])
    code = HERE.parent / "conformance"
    lines = [" " * 16 + " ".join(f"{number:2}" for number in range(1, len(order)))]
    for number, part in enumerate(order, start=1):
        files = sorted((code / part).rglob("*.py")) or [code / f"{part}.py"]
        text = "\n".join(path.read_text(encoding="utf-8") for path in files)
        needed = set(re.findall(r"^\s*(?:from|import) conformance\.(\w+)", text, re.MULTILINE))
        dots = "  ".join("●" if earlier in needed else "·" for earlier in order[: number - 1])
        lines.append(f"{number:2} {part:13} {dots}".rstrip())
    return "```\n" + "\n".join(lines) + "\n```\n"


PARTS: Mapping[str, Callable[[], str]] = {
    "imports": imports,
    "options": options,
    "variables": variables,
    "exit-codes": exit_codes,
    "verdicts": verdicts,
    "conclusions": conclusions,
    "reasons": reasons,
    "files": files,
    "report-members": report_members,
    "certificate-members": certificate_members,
    "journal-tables": journal_tables,
    "notes": notes,
    "make-targets": make_targets,
    "scenarios": scenarios,
    "faults": faults,
    "variants": variants,
    "notification-kinds": notification_kinds,
    "requirements": requirements,
    "contract": lambda: contract_page.page(statum()),
    "contract-keys": lambda: keys("contract"),
    "requirement-keys": lambda: keys("requirement"),
    "probe-keys": lambda: keys("probes"),
    "behaviour-keys": lambda: keys("behaviours"),
    "driver-messages": driver_messages,
    "client-scenarios": client_scenarios,
    "choosing-words": lambda: words(choosing=True),
    "changing-words": lambda: words(choosing=False),
    "action": action,
}


def regenerated(text: str) -> str:
    """The text of a page, its generated parts as they are today. Raises KeyError for a part that nothing makes."""
    return _PART.sub(lambda part: f"{part['name']} -->\n{PARTS[part['name']]()}", text)


def schema_text() -> str:
    """The schema of the configuration file, as it is written."""
    return json.dumps(configuration_schema(), ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Rewrite the pages and the schema."""
    texts = {page: regenerated(page.read_text(encoding="utf-8")) for page in (*sorted(HERE.glob("*.md")), CONTRIBUTING)}
    for path, after in {**texts, SCHEMA: schema_text()}.items():
        if not path.exists() or after != path.read_text(encoding="utf-8"):
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{path.name} rewritten\n")


if __name__ == "__main__":
    main()
