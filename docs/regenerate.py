"""Writes the parts of the documentation that say what the code says.

    python docs/regenerate.py       rewrites them in place, and schemas/configuration.json

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; tests/test_documentation.py fails if one
is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from conformance.cli import COMMANDS, cli
from conformance.cli.configuration_schema import NAME, configuration_schema
from conformance.client_under_test.scenarios import SCENARIOS as CLIENT_SCENARIOS
from conformance.contract.schemas import schema
from conformance.mock_gateway.account import SCENARIOS
from conformance.mock_gateway.faults import FAULTS
from conformance.mock_gateway.variants import VARIANTS

# ruff: noqa: INP001 - a script, not a module of a package

HERE = Path(__file__).parent
SCHEMA = HERE.parent / "schemas" / f"{NAME}.json"

# In the order in which they come up.
DRIVER_MESSAGES = ("hello", "hello.answer", "invoke", "invoke.answer", "result", "result.answer", "stop")

_PART = re.compile(r"(?<=<!-- generated: )(?P<name>[a-z-]+) -->\n.*?(?=<!-- end -->)", re.DOTALL)


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = [*headings]
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def options() -> str:
    """The options of each command, as its help tells them."""
    return "\n".join(f"## `{command.name}`\n\n{_usage(command)}\n\n{_options_of(command)}" for command in COMMANDS)


def _usage(command: click.Command) -> str:
    return (command.help or "").partition("\n\n")[0].replace("\n", " ")


def _options_of(command: click.Command) -> str:
    context = click.Context(command, info_name=command.name, max_content_width=10_000)
    arguments = [
        (f"`{(p.name or '').upper()}`", "Required." if p.required else f"Default: {p.default}")
        for p in command.params
        if isinstance(p, click.Argument)
    ]
    records = [p.get_help_record(context) for p in command.params if isinstance(p, click.Option)]
    return table(
        ("option", "meaning"), [*arguments, *((f"`{names}`", meaning) for names, meaning in filter(None, records))]
    )


def scenarios() -> str:
    """What becomes of a request to a chosen phone number."""
    return table(("phone number ends with", "what happens"), ((f"`{end}`", s.summary) for end, s in SCENARIOS.items()))


def faults() -> str:
    """Each fault, and the requirements that fall with it."""
    return table(
        ("fault", "what it does", "breaks"), ((f"`{f.name}`", f.summary, ", ".join(f.breaks)) for f in FAULTS.values())
    )


def variants() -> str:
    """Each lawful variant."""
    return table(("variant", "what it does"), ((f"`{v.name}`", v.summary) for v in VARIANTS.values()))


def requirements() -> str:
    """What the command prints."""
    return CliRunner().invoke(cli, ["requirements", "--format", "markdown"], standalone_mode=False).output


def driver_messages() -> str:
    """The messages of the driver protocol, as their schemas describe them."""
    return "\n".join(_message(schema(f"driver/{name}")) for name in DRIVER_MESSAGES)


def _message(described: Mapping[str, Any]) -> str:
    examples = "\n".join(json.dumps(example, ensure_ascii=False) for example in described["examples"])
    rows = (
        (f"`{name}`", _type(rule), "yes" if name in described["required"] else "no", rule["description"])
        for name, rule in described["properties"].items()
    )
    members = table(("member", "type", "required", "meaning"), rows)
    return f"### {described['title']}\n\n{described['description']}\n\n```\n{examples}\n```\n\n{members}"


def _type(rule: Mapping[str, Any]) -> str:
    values = [rule["const"]] if "const" in rule else rule.get("enum", rule.get("items", {}).get("enum"))
    types = rule.get("type", "string")
    kind = types if isinstance(types, str) else " or ".join(types)
    return kind if values is None else f"{kind}: {', '.join(f'`{json.dumps(v)}`' for v in values if v is not None)}"


def client_scenarios() -> str:
    """What every client is put before."""
    return table(("scenario", "what happens"), ((f"`{s.name}`", s.summary) for s in CLIENT_SCENARIOS))


PARTS: Mapping[str, Callable[[], str]] = {
    "options": options,
    "scenarios": scenarios,
    "faults": faults,
    "variants": variants,
    "requirements": requirements,
    "driver-messages": driver_messages,
    "client-scenarios": client_scenarios,
}


def regenerated(text: str) -> str:
    """The text of a page, its generated parts as they are today. Raises KeyError for a part that nothing makes."""
    return _PART.sub(lambda part: f"{part['name']} -->\n{PARTS[part['name']]()}", text)


def schema_text() -> str:
    """The schema of the configuration file, as it is written."""
    return json.dumps(configuration_schema(COMMANDS), ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Rewrite the pages and the schema."""
    texts = {page: regenerated(page.read_text(encoding="utf-8")) for page in sorted(HERE.glob("*.md"))}
    for path, after in {**texts, SCHEMA: schema_text()}.items():
        if not path.exists() or after != path.read_text(encoding="utf-8"):
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{path.name} rewritten\n")


if __name__ == "__main__":
    main()
