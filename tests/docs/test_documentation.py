"""README and docs, tried out: commands are run, tables compared with the code, links and names looked up.

How a page is read is told in `markdown_pages`, how it is run in `shown_sessions`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flawed_clients.table import FLAWS
from markdown_pages import CHECKOUT, PAGES, Block, blocks, broken_links, name_of, prose, sessions, steps
from other_contracts import PARCEL, copied, parcel
from seeded import FAULTS
from shown_sessions import difference, judged_in, run_session

from conformance.cli import COMMANDS
from conformance.cli.configuration import PREFIX, switches, variable
from conformance.contract.contract import Contract, statum
from conformance.contract.schemas import FORMATS
from conformance.gateway import campaign
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.messages import Answer
from conformance.mock.account import Account
from conformance.model.untrusted import parse_json
from conformance.options import options_of


def script(path: str) -> ModuleType:
    """A script of the checkout as a module; their folders are no packages."""
    spec = spec_from_file_location(Path(path).stem, CHECKOUT / path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as surroundings:
        # As where it is called by its path: what lies beside it can be imported.
        surroundings.syspath_prepend((CHECKOUT / path).parent)
        spec.loader.exec_module(module)
    return module


regenerate = script("docs/regenerate.py")
sample_report = script("examples/sample_report.py")

MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class NotRun:
    """A command that is shown and not run, why not, and what of the Makefile shows that it exists all the same."""

    command: str
    reason: str
    proof: str


NOT_RUN = (
    NotRun("make run", "installs; what it then runs is shown, and run, below it", r"^run: .*\n\t\$\(BIN\)/statum-conf"),
    NotRun("make test", "would run this very test", r"^test: .*\n\t\$\(BIN\)/python -m pytest"),
    NotRun("make lint", "is a part of CI of its own, and takes a minute", r"^lint: .*\n\t\$\(BIN\)/ruff"),
    NotRun(". .venv/bin/activate", "sessions have the commands on their path already", r"^VENV := \.venv$"),
)

# Blocks that are no commands and in no session: a piece of configuration for somebody else's machine, a drawing.
SILENT_LANGUAGES = {"yaml", ""}

# Options that the pages name and that are those of other programs.
FOREIGN_OPTIONS = {
    *("--pyargs", "--junitxml", "--alluredir"),  # pytest
    "--data",  # curl
    *("--url", "--token", "--no-autoupdate"),  # ngrok, cloudflared
    "--preserve-status",  # timeout
    "--network",  # docker
    *("--require-hashes", "--only-binary", "--no-deps", "--no-build-isolation", "--extra-index-url"),  # pip
}

SESSIONS = [
    pytest.param(found, id=f"{name_of(page)}: {name}") for page in PAGES for name, found in sessions(page).items()
]

# Pages that a newcomer follows step by step, and perhaps again in the same clone.
TUTORIALS = {
    *("README.md", "getting-started.md", "judge-a-gateway.md", "certify-a-client.md", "certify-a-receiver.md"),
    *("test-your-webhook.md", "register.md"),
}

# Sums of money vary with the seed by a sixth or so; a page that is out of date is further off.
ROUGHLY = 1.5


# --- What is shown is what happens


@pytest.mark.parametrize("session", SESSIONS)
def test_a_session_goes_as_it_is_shown(session: list[Block], tmp_path: Path) -> None:
    """Each command prints what the page shows, and the clone stays clean.

    Tutorials are followed twice; `make run` in their clone is conformant then.
    """
    directory = tmp_path / "here"
    directory.mkdir()
    page = Path(session[0].place.partition(":")[0]).name

    for _ in range(2 if page in TUTORIALS else 1):
        run_session(session, directory, frozenset(unrun.command for unrun in NOT_RUN))
    assert page not in TUTORIALS or judged_in(directory).startswith("conformant: ")


def test_what_is_not_run_exists() -> None:
    """Every command that is left out is shown somewhere, and the Makefile has what it is about."""
    shown = {
        step.command for page in PAGES for block in blocks(page) if block.language == "console" for step in steps(block)
    }

    assert set() == {unrun.command for unrun in NOT_RUN} - shown
    assert [] == [unrun.command for unrun in NOT_RUN if not re.search(unrun.proof, MAKEFILE, re.MULTILINE)]


def test_the_schema_of_the_configuration_file_is_that_of_the_options() -> None:
    """Mend with: python docs/regenerate.py."""
    assert regenerate.configuration_schema() == FORMATS.schema("configuration")


def test_every_block_is_run_or_cannot_be() -> None:
    """A block of code outside any session would be a promise that nobody tries."""
    untried = [
        block.place
        for page in PAGES
        for block in blocks(page)
        if not block.is_tried and block.language not in SILENT_LANGUAGES
    ]

    assert [] == untried


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("$ echo one\ntwo\n", "shown is\n  two\nbut it printed\n  one"),
        ("$ echo one\none\ntwo\n", "shown is\n  two\nbut it printed\n  (the end)"),
        ("$ printf 'one\\ntwo\\n'\none\n", "more was printed than is shown, from\n  two"),
        ("$ printf 'one\\ntwo\\n'\n…\nthree\n…\n", "shown is\n  three"),
        ("$ echo 100 exchanges\n89 exchanges\n", "shown is\n  89 exchanges"),
        ("$ echo status 401\nstatus 422\n", "shown is\n  status 422"),
        ("$ statum-conformance run --no-such-option\n…\n", "ended with 2"),
        ("$ (exit 3)\n$ echo $?\n1\n", "shown is\n  1\nbut it printed\n  3"),
        ("$ test -d reports/no-such-sample\n", "ended with 1"),
        ("$ echo mine > left; rm examples/tiny_gateway.py\n", " D examples/tiny_gateway.py\n?? left"),
    ],
)
def test_a_session_that_goes_otherwise_is_told(text: str, complaint: str, tmp_path: Path) -> None:
    """The function that runs the pages finds a wrong one, and says where and what."""
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n```console\n{text}```\n", encoding="utf-8")
    directory = tmp_path / "here"
    directory.mkdir()
    (session,) = sessions(page).values()

    with pytest.raises(AssertionError, match=re.escape("page.md:3")) as told:
        run_session(session, directory)
    assert complaint in str(told.value)


def test_a_background_command_that_says_something_else_is_told(tmp_path: Path) -> None:
    """It is not waited for when it has ended, and what it said is shown."""
    page = tmp_path / "page.md"
    page.write_text("<!-- session: s, background -->\n```console\n$ echo steady\nready\n```\n", encoding="utf-8")
    directory = tmp_path / "here"
    directory.mkdir()

    with pytest.raises(AssertionError, match=r"shown is\n  ready\nbut it printed\n  steady"):
        run_session(sessions(page)["s"], directory)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["conformant: 90 of 90 MUST passed · seed 7"], ["conformant: 94 of 94 MUST passed · seed 281127"]),
        (["at http://127.0.0.1:40171/api"], ["at http://127.0.0.1:33333/api"]),
        (["one", "…", "four"], ["one", "two", "three", "four"]),
        (["one", "…"], ["one"]),
        (["request_id … · case"], ["request_id abc · case"]),
        (["a table"], ["a table   "]),
    ],
)
def test_what_cannot_be_the_same_twice_is_let_pass(shown: list[str], printed: list[str]) -> None:
    """Seeds, drawn ports, numbers of things within a tenth, and what `…` stands for."""
    assert "" == difference(shown, printed)


# --- What is told is what the code has


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    """Tables of options, faults, variants, scenarios, requirements (mend with: python docs/regenerate.py)."""
    text = page.read_text(encoding="utf-8")

    assert regenerate.regenerated(text) == text


def test_every_generated_part_is_shown() -> None:
    """A table that no page holds would be written for nobody."""
    shown = {
        name
        for page in PAGES
        for name in re.findall(r"<!-- generated: ([a-z-]+) -->", page.read_text(encoding="utf-8"))
    }

    assert set(regenerate.PARTS) == shown


def test_a_stale_part_is_noticed() -> None:
    """The comparison above is with what the code says, not with the page itself."""
    stale = "<!-- generated: variants -->\n| old |\n<!-- end -->\n"

    assert "| old |" not in regenerate.regenerated(stale)
    assert "rate-limited" in regenerate.regenerated(stale)


def test_links_lead_somewhere() -> None:
    """To a file of the checkout, and to a heading of it."""
    assert [] == [(name_of(page), link) for page in PAGES for link in broken_links(page)]


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    """Files and headings alike; other hosts are not asked."""
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[a](#here) [b](#there) [c](none.md) [d](page.md#here) [e](https://x.example)", encoding="utf-8"
    )

    assert ["#there", "none.md"] == broken_links(page)


def test_every_command_is_shown_at_work() -> None:
    """In the README or the docs each command of the command line is run at least once, or its output is kept."""
    run = " ".join(
        step.command
        for page in PAGES
        for found in sessions(page).values()
        for b in found
        if b.language == "console"
        for step in steps(b)
    )
    kept = {"requirements"}  # docs/requirements.md is its output

    assert [] == [c.name for c in COMMANDS if c.name not in kept and f"statum-conformance {c.name}" not in run]


def test_what_a_page_names_exists() -> None:
    """Commands, options, variables and targets of make."""
    texts = {name_of(page): page.read_text(encoding="utf-8") for page in PAGES}

    assert [] == [(page, name) for page, text in texts.items() for name in unknown_names(text)]


def test_files_of_the_code_that_a_page_names_exist() -> None:
    """As paths from `conformance/`, or from the checkout."""
    named = [
        (name_of(page), path)
        for page in PAGES
        for path in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|toml))`", page.read_text(encoding="utf-8"))
    ]
    places = (CHECKOUT, CHECKOUT / "conformance", CHECKOUT / "schemas", CHECKOUT / "reports", Path())

    assert named
    assert [] == [(page, path) for page, path in named if not any((place / path).exists() for place in places)]


def test_a_name_that_does_not_exist_is_noticed() -> None:
    """Each kind of them."""
    text = "`statum-conformance jugde x` `--fautl` STATUM_CONFORMANCE_SEDE `make tset` `make run`"

    assert ["statum-conformance jugde", "--fautl", "STATUM_CONFORMANCE_SEDE", "make tset"] == unknown_names(text)


def unknown_names(text: str) -> list[str]:
    """What `text` names as if it were part of the suite, and is not."""
    options = [switch.name for command in COMMANDS for switch in switches(options_of(command.name or ""))]
    flags = {name for command in COMMANDS for p in command.params for name in (*p.opts, *p.secondary_opts)}
    known = {
        r"statum-conformance [a-z]+": {f"statum-conformance {command.name}" for command in COMMANDS},
        r"(?<![\w-])--[a-z][a-z-]+": flags | FOREIGN_OPTIONS | {"--help", "--version"},
        rf"{PREFIX}[A-Z_]*[A-Z]": {variable(name) for name in (*options, "debug", "env")},
        r"(?<=`)make [a-z-]+": {f"make {target}" for target in re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)},
    }
    return [name for pattern, names in known.items() for name in re.findall(pattern, text) if name not in names]


def test_sections_of_requirements_are_headings_of_the_contract() -> None:
    """A reader of a report finds what `section` names; a note of the page has one of these headings, too."""
    headings = re.findall(r"^## (.+)$", (CHECKOUT / "docs" / "contract.md").read_text(encoding="utf-8"), re.MULTILINE)
    notes = FORMATS.schema("contract")["properties"]["page"]["propertyNames"]["enum"]

    assert set() == {r.section for r in statum().catalogue.requirements if r.section} - set(headings)
    assert [*regenerate.contract_page.HEADINGS] == notes


def test_another_contract_has_a_page_of_its_own_rows() -> None:
    """Roles, commands and every sentence that a requirement rests on, and no name of Statum's contract."""
    told = regenerate.contract_page.page(parcel())

    assert "Sent as JSON by PUT" in told
    assert "`Authorization: Bearer {secret}`" in told
    assert '`state` is `"DELIVERED"`' in told
    assert "the same `depot` and `reference` again within 60 s is refused" in told
    assert [] == [r.id for r in parcel().catalogue.requirements if not r.excluded and r.id not in told]
    assert [] == [name for name in ("Statum", "request_id", "airtime", "KES", "*Note:*") if name in told]


def test_a_note_stands_below_its_heading(tmp_path: Path) -> None:
    """It is the folder's, like all else of the page."""
    folder = copied(tmp_path, PARCEL)
    stated = folder / "contract.toml"
    stated.write_text(f"{stated.read_text('utf-8')}\n[page]\nSequences = 'Ask twice.'\n", encoding="utf-8")

    assert "## Sequences\n\n*Note:* Ask twice.\n" in regenerate.contract_page.page(Contract.load(folder))


# --- Numbers that somebody relies on


@cache
def in_one_line(page: str) -> str:
    """The text of a page below `docs/`, for sentences that are broken over lines."""
    return " ".join(prose(CHECKOUT / "docs" / page).split())


def test_the_money_that_is_warned_of_is_what_a_run_moves(tmp_path: Path) -> None:
    """Shillings by command, of the accepted requests of a default run."""
    account = Account.sample()
    record = read_journal(campaign.run(Settings(account.consumer_key, account.consumer_secret, report_dir=tmp_path)))
    cases = {case.id: case for case in record.cases}
    moved: dict[str, int] = {}
    for exchange in record.exchanges:
        case = cases[exchange.case_id]
        if case.command in ("airtime", "mpesa/online", "mpesa-wallet") and Answer.of(case, exchange, statum()).accepted:
            amount = int(parse_json(exchange.request.body)["amount"])
            moved[case.command] = moved.get(case.command, 0) + amount

    for command, words in (("airtime", "of airtime"), ("mpesa/online", "asked of"), ("mpesa-wallet", "paid to")):
        told = int(sum_before(words).replace(",", ""))
        assert told / ROUGHLY < moved[command] < told * ROUGHLY, f"{command}: {moved[command]}, the page says {told}"


def sum_before(words: str) -> str:
    """The sum that stands before those words in docs/sandbox.md."""
    found = re.search(rf"KES ([\d,]+) {words}", in_one_line("sandbox.md"))
    assert found, f"the page names no sum {words}"
    return found[1]


def test_there_are_as_many_faults_as_is_said() -> None:
    """It says: over a hundred, and over a hundred flawed clients and receivers."""
    assert "over a hundred seeded faults" in in_one_line("why.md")
    assert "over a hundred flawed clients and receivers" in in_one_line("why.md")
    assert len(FAULTS) > 100
    assert len(FLAWS) > 100


# --- The sample


def test_the_sample_is_what_its_script_makes(tmp_path: Path) -> None:
    """The same verdicts for the same requirements (mend with: python examples/sample_report.py)."""
    kept = json.loads((sample_report.SAMPLE / "report.json").read_text(encoding="utf-8"))

    assert outline(sample_report.make(tmp_path).document) == outline(kept)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in sample_report.SAMPLE.iterdir()}
    assert [] == FORMATS.violations("report", kept)


def outline(document: Any) -> list[tuple[str, ...]]:
    """What stays the same from run to run of the same seed."""
    told = ("id", "command", "level", "title", "verdict")
    return [tuple(str(entry[name]) for name in told) for entry in document["requirements"]]
