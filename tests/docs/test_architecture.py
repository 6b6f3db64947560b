"""The architecture, kept by reading the code: which part may import which, and what no module may hold.

ORDER            the parts of `conformance`, in the order in which data flows
violations       a source tree → what breaks a rule, one line each
RULES            the rules, one small generator each, and the files that it reads; each is shown to bite
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from source_files import Module, class_places, imports_by_module, module_of, modules

CHECKOUT = Path(__file__).parents[2]

# A part imports only from itself and from the parts before it.
ORDER = (
    "model",
    "options",
    "contract",
    "payloads",
    "journal",
    "wire",
    "mock",
    "judging",
    "diagnosis",
    "gateway",
    "client",
    "load",
    "reports",
    "certificate",
    "register",
    "cli",
    "api",
    "pytest",
    "__main__",
)

# What is judged by the one and by the other.
FACES = {"gateway", "client"}

# A file that outgrows this holds more than one concept.
LONGEST_FILE = 450

# Names that say nothing about what is inside.
EMPTY_NAMES = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}

# Where the rules are, and what they rest on.
PURE = ("conformance/judging/", "conformance/gateway/rules/", "conformance/client/rules/")

# What stands beside the checks: expectations are read from a file, and expire on a day.
NOT_CHECKS = {
    "conformance/judging/verdicts.py",
    "conformance/judging/expectations.py",
}

# What a check would need to depend on anything but the journal: the network, the clock, chance, the machine.
IMPURE = set(
    """
    asyncio concurrent datetime ftplib io logging multiprocessing os pathlib platform queue random sched secrets
    select selectors shutil signal smtplib socket socketserver sqlite3 ssl subprocess sys tempfile threading time
    uuid
    """.split()  # noqa: SIM905 - a line each would be a page
)

# Where the sources that this project was written from lie on its authors' machines; put together here, so that this
# file does not name it either.
FOREIGN = ("../" + "shared", "/work/" + "shared")

# Calls that import by another way than the statement, past the rules.
DYNAMIC_IMPORTS = {"__import__", "import_module"}


# What may be imported late, where it is needed: module and what it imports. For libraries alone that cost every run
# time and are of use to few of them; which parts may import which is judged of these, too.
LATE = {
    # securesystemslib and cryptography: of use to those who sign or verify
    ("conformance/certificate/signing.py", "conformance.certificate.ed25519"),
    # the plugin is loaded into every session of pytest, and most of them want no receiver
    ("conformance/pytest/plugin.py", "conformance.wire.callback_server.CallbackServer"),
    ("conformance/pytest/plugin.py", "conformance.contract.contract.contract_at"),
    ("conformance/pytest/plugin.py", "conformance.mock.account.Account"),
    ("conformance/pytest/plugin.py", "conformance.mock.control.controlled"),
    ("conformance/pytest/plugin.py", "conformance.mock.partner.MockGateway"),
    # the public API, whose names the package has without importing the suite
    ("conformance/__init__.py", "conformance.api"),
    # all that an installation may lack, which is told in one line
    ("conformance/__main__.py", "conformance.cli.outcome"),
    # there is no such module on Windows
    ("conformance/__main__.py", "resource"),
}

Rule = Callable[[Module], Iterator[str]]


def layers(module: Module) -> Iterator[str]:
    """Data flows one way: each part of `conformance` imports only from itself and from the parts before it in ORDER."""
    if not module.is_shipped:
        return
    if module.part and module.part not in ORDER:
        yield module.at(1, f"{module.part!r} is no part that ORDER knows")
        return
    for line, name in module.imported:
        package, _, rest = name.partition(".")
        part = rest.partition(".")[0]
        if package != "conformance" or part not in ORDER:
            continue  # another library, or a name of the package itself, as __version__
        if not module.part and part == "api":
            continue  # the package has the names of the API
        if not module.part or ORDER.index(part) > ORDER.index(module.part):
            yield module.at(line, f"{module.part or 'the package'} imports from {part}, which comes after it")


def faces_apart(module: Module) -> Iterator[str]:
    """Neither face of the suite imports from the other: what both need stands before them."""
    if not module.is_shipped or module.part not in FACES:
        return
    for line, name in module.imported:
        for face in FACES - {module.part}:
            if name.startswith(f"conformance.{face}"):
                yield module.at(line, f"{module.part} imports from {face}, the other face")


def one_way(module: Module) -> Iterator[str]:
    """No two files import each other, not even for their types alone: one of the two stands before the other."""
    shipped = imports_by_module(module.root)
    for line, name in module.imported:
        other = module_of(name, shipped)
        if other != module.dotted and module.dotted in shipped.get(other, ()):
            yield module.at(line, f"imports {other}, which imports it")


def classes_named_once(module: Module) -> Iterator[str]:
    """A class has a name of its own throughout the code, so that a reader who looks for it finds one."""
    if not module.is_shipped:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            first = class_places(module.root)[node.name]
            if first != module.place:
                yield module.at(node.lineno, f"names a class {node.name}, as {first} does")


def imports_in_full(module: Module) -> Iterator[str]:
    """An import names its module in full, so that a reader (and `layers`) sees where it leads."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield module.at(node.lineno, "imports relative to its own place")


def imports_on_top(module: Module) -> Iterator[str]:
    """No import hides inside a function, nor in a call that imports."""
    for function in ast.walk(module.tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom) and not _is_late(module, node):
                yield module.at(node.lineno, "imports inside a function")
    if not module.is_shipped:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in DYNAMIC_IMPORTS:
            yield module.at(node.lineno, f"imports by a call of {ast.unparse(node.func)}")


def _is_late(module: Module, node: ast.Import | ast.ImportFrom) -> bool:
    """Whether all that is imported is in LATE."""
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return {(module.place.as_posix(), f"{prefix}{alias.name}") for alias in node.names} <= LATE


def pure_checks(module: Module) -> Iterator[str]:
    """A check sees the journal and nothing else: no network, no clock, no chance, no library that could hide them."""
    if not module.place.as_posix().startswith(PURE) or module.place.as_posix() in NOT_CHECKS:
        return
    for line, name in module.imported:
        package = name.partition(".")[0]
        if package in IMPURE or package not in sys.stdlib_module_names | {"conformance"}:
            yield module.at(line, f"a check imports {package}")


def telling_names(module: Module) -> Iterator[str]:
    """A module or package is named for a concept."""
    for name in module.place.with_suffix("").parts:
        if set(name.lower().split("_")) & EMPTY_NAMES:
            yield module.at(1, f"{name!r} says nothing about what is inside")


def documented(module: Module) -> Iterator[str]:
    """The docstring of a module is its map."""
    if not ast.get_docstring(module.tree):
        yield module.at(1, "has no docstring")


def short(module: Module) -> Iterator[str]:
    """A file can be read in one sitting."""
    lines = len(module.text.splitlines())
    if lines > LONGEST_FILE:
        yield module.at(lines, f"has {lines} lines, more than {LONGEST_FILE}")


def self_contained(module: Module) -> Iterator[str]:
    """Nothing here leans on what only the authors have."""
    for number, line in enumerate(module.text.splitlines(), start=1):
        for foreign in FOREIGN:
            if foreign in line:
                yield module.at(number, f"mentions {foreign}")


RULES: dict[Rule, str] = {
    layers: "*.py",
    faces_apart: "*.py",
    one_way: "*.py",
    classes_named_once: "*.py",
    imports_in_full: "*.py",
    imports_on_top: "*.py",
    pure_checks: "*.py",
    telling_names: "*.py",
    documented: "*.py",
    short: "*.py",
    self_contained: "*",
}


def violations(root: Path, rule: Rule) -> list[str]:
    """What breaks `rule` below `root`, as `file:line: words`."""
    return [line for module in modules(root, RULES[rule]) for line in rule(module)]


@pytest.fixture(scope="module")
def checkout() -> Path:
    """What is judged here. Tests that read all of it stay with one worker, which does so once."""
    return CHECKOUT


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(checkout: Path, rule: Rule) -> None:
    """Every module of the project keeps every rule."""
    found = violations(checkout, rule)

    assert [] == found, "\n".join(found)


def test_order_names_the_parts_that_exist() -> None:
    """ORDER is neither short of a part nor left with one that is gone."""
    assert set(ORDER) == {module.part for module in modules(CHECKOUT) if module.is_shipped} - {""}


def test_the_package_names_the_parts_in_their_order() -> None:
    """A reader begins there, and docs/architecture.md draws the imports by it."""
    told = ast.get_docstring(ast.parse((CHECKOUT / "conformance" / "__init__.py").read_text(encoding="utf-8"))) or ""

    assert [*ORDER[:-1]] == re.findall(r"\w+", told.partition("):\n")[2])


LATER = ", which comes after it"
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from conformance.judging import Verdict"
IN_A_METHOD = "class Sender:\n    def send(self):\n        if self:\n            import httpx"
IN_A_COROUTINE = "async def test_it():\n    from conformance import cli"
BY_A_CALL = "import importlib\nimportlib.import_module('conformance.cli')"
OTHER_FACE = '"""Plans."""\nfrom conformance.gateway.plan import Plan'

# rule, file, its content, and what is said about it
BREAKS = (
    (layers, "conformance/model/errors.py", "import conformance.cli", f"1: model imports from cli{LATER}"),
    (
        layers,
        "conformance/contract/a.py",
        "\nfrom conformance import journal",
        f"2: contract imports from journal{LATER}",
    ),
    (layers, "conformance/mock/errors.py", FOR_TYPES, f"3: mock imports from judging{LATER}"),
    (layers, "conformance/__init__.py", "import conformance.model.a", f"1: the package imports from model{LATER}"),
    (layers, "conformance/stray.py", "", "1: 'stray' is no part that ORDER knows"),
    (imports_in_full, "conformance/journal/a.py", "from . import rows", "1: imports relative to its own place"),
    (imports_on_top, "conformance/wire/sender.py", IN_A_METHOD, "4: imports inside a function"),
    (imports_on_top, "tests/wire/test_sender.py", IN_A_COROUTINE, "2: imports inside a function"),
    (imports_on_top, "conformance/pytest/a.py", BY_A_CALL, "2: imports by a call of importlib.import_module"),
    (faces_apart, "conformance/client/plan.py", OTHER_FACE, "2: client imports from gateway, the other face"),
    (pure_checks, "conformance/gateway/rules/a.py", "import time", "1: a check imports time"),
    (pure_checks, "conformance/gateway/rules/a.py", "from os import environ", "1: a check imports os"),
    (pure_checks, "conformance/gateway/rules/a.py", "import httpx", "1: a check imports httpx"),
    (telling_names, "conformance/journal/utils.py", "", "1: 'utils' says nothing about what is inside"),
    (telling_names, "tests/test_helpers.py", "", "1: 'test_helpers' says nothing about what is inside"),
    (telling_names, "conformance/misc/rows.py", "", "1: 'misc' says nothing about what is inside"),
    (documented, "conformance/journal/__init__.py", "", "1: has no docstring"),
    (documented, "tests/test_rows.py", "# no docstring", "1: has no docstring"),
    (short, "conformance/cli/run.py", "#\n" * (LONGEST_FILE + 1), "451: has 451 lines, more than 450"),
    (self_contained, "tests/test_seed.py", f"\nopen('{FOREIGN[0]}/seed')", f"2: mentions {FOREIGN[0]}"),
    (self_contained, "conformance/contract/seed.toml", f"# see {FOREIGN[1]}", f"1: mentions {FOREIGN[1]}"),
)


def test_a_rule_bites(tmp_path: Path) -> None:
    """A file that breaks a rule is named with its line, and nothing else is."""
    wrong = []
    for number, (rule, file, content, said) in enumerate(BREAKS):
        path = tmp_path / str(number) / file
        path.parent.mkdir(parents=True)
        path.write_text(content, encoding="utf-8")
        found = violations(tmp_path / str(number), rule)
        if found != [f"{file}:{said}"]:
            wrong.append((rule.__name__, file, found))

    assert [] == wrong


def test_every_rule_is_seen_to_bite() -> None:
    """No rule is in the table that nothing could break; those that take two files have tests of their own."""
    assert set(RULES) == {rule for rule, *_ in BREAKS} | {one_way, classes_named_once}


def test_two_files_that_import_each_other_are_both_named(tmp_path: Path) -> None:
    """With the line of either import, though one of the two is for types alone."""
    folder = tmp_path / "conformance" / "wire"
    folder.mkdir(parents=True)
    sender, pacing = folder / "sender.py", folder / "pacing.py"
    sender.write_text("import json\nfrom conformance.wire.pacing import Pace", encoding="utf-8")
    pacing.write_text("if TYPE_CHECKING:\n    from conformance.wire.sender import Sender", encoding="utf-8")

    expected = [
        "conformance/wire/pacing.py:2: imports conformance.wire.sender, which imports it",
        "conformance/wire/sender.py:2: imports conformance.wire.pacing, which imports it",
    ]
    assert expected == violations(tmp_path, one_way)


def test_a_class_that_is_named_twice_is_named_at_its_second_place(tmp_path: Path) -> None:
    """The later of the two is the one to be renamed."""
    for part in ("model", "wire"):
        (tmp_path / "conformance" / part).mkdir(parents=True)
        (tmp_path / "conformance" / part / "sending.py").write_text("class Sent: pass", encoding="utf-8")

    expected = ["conformance/wire/sending.py:1: names a class Sent, as conformance/model/sending.py does"]
    assert expected == violations(tmp_path, classes_named_once)


KEPT = '''"""A module that keeps every rule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from conformance import __version__
from conformance.judging.reading import check
from conformance.model.traffic import Case

if TYPE_CHECKING:
    from conformance.journal.rows import Record


def important(case: Case) -> str:
    """Mentions importing in words alone: import time."""
    return json.dumps("shared")
'''


def test_no_rule_cries_wolf(tmp_path: Path) -> None:
    """What keeps the rules is left alone: earlier parts, the part itself, type-only imports, pure libraries."""
    path = tmp_path / "conformance" / "judging" / "notices.py"
    path.parent.mkdir(parents=True)
    path.write_text(KEPT, encoding="utf-8")

    assert [] == [found for rule in RULES for found in violations(tmp_path, rule)]
