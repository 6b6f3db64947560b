"""What the suite is built on: declared, and bounded where a library does not promise to stay as it is.

`make test-lowest` tries the lower bounds. A fresh .venv has the newest version below each upper bound, so `make test`
tries that one.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project_files import CHECKOUT, CONSTRAINTS, pins

import conformance

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
DECLARED = {canonicalize_name(each.name): each for each in map(Requirement, PROJECT["project"]["dependencies"])}
LOAD = {canonicalize_name(each.name) for each in map(Requirement, PROJECT["project"]["optional-dependencies"]["load"])}
# What Locust runs, and the suite never: by an import Locust would patch this process.
OF_LOCUST = "conformance.load.locustfile"


@dataclass(frozen=True, slots=True)
class Unpromised:
    """What we use of a library though it may change: name → why there is no other way.

    `until` names the releases by which it may change: each "minor" one, or the next "major" one.
    """

    until: str
    names: Mapping[str, str]


_PROTOCOL = "the way out of uvicorn's protocol is kept, the way in is ours: no setting of uvicorn has another parser"
_SERVER = "uvicorn's server looks ten times a second whether it should stop, and has no event for having started"
_PLUGIN = "pytest-httpserver serves one connection at a time, closes each, and keeps every request for ever"

UNPROMISED = {
    "hypothesis": Unpromised(
        "minor",
        {
            "hypothesis.internal.conjecture.providers.AVAILABLE_PROVIDERS": "where its guide has a backend registered",
            "hypothesis.internal.conjecture.providers.PrimitiveProvider": "what its guide has a backend inherit from",
            "hypothesis.internal.intervalsets.IntervalSet": "the type of an argument of a backend",
        },
    ),
    "uvicorn": Unpromised(
        "minor",
        {
            "uvicorn.protocols.http.httptools_impl.HttpToolsProtocol": _PROTOCOL,
            "uvicorn.protocols.http.flow_control.FlowControl": f"{_PROTOCOL}; its reading on fails after a reset",
            "uvicorn.protocols.http.flow_control.FlowControl.resume_reading": _PROTOCOL,
            "uvicorn.protocols.http.httptools_impl.RequestResponseCycle": _PROTOCOL,
            "self._unset_keepalive_if_required": f"{_PROTOCOL}; it is what data_received does first",
            **{
                f"uvicorn.protocols.http.httptools_impl.HttpToolsProtocol.{name}": _PROTOCOL
                for name in (
                    "connection_lost",
                    "connection_made",
                    "data_received",
                    "eof_received",
                    "on_headers_complete",
                    "on_message_begin",
                    "on_message_complete",
                    "on_response_complete",
                )
            },
            "uvicorn.server.Server.main_loop": _SERVER,
            "uvicorn.server.Server.shutdown": _SERVER,
            "uvicorn.server.Server.startup": "asyncio's server says nothing of a connection that it cannot take",
        },
    ),
    "pytest-httpserver": Unpromised(
        "major",
        {
            f"pytest_httpserver.httpserver.{name}": _PLUGIN
            for name in (
                "HTTPServer.dispatch",
                "HTTPServer.start",
                "HTTPServerBase.application",
                "HTTPServerBase.dispatch",
                "HTTPServerBase.start",
                "HTTPServerBase.stop",
            )
        },
    ),
    "werkzeug": Unpromised(
        "major",
        {
            "werkzeug.serving.BaseWSGIServer.handle_error": "as in socketserver; it would print",
            "werkzeug.serving.BaseWSGIServer.request_queue_size": "as in socketserver; its own is 128",
            "werkzeug.serving.WSGIRequestHandler.log": "it would write a line for each request",
        },
    ),
}

# What no walk through names can find: what stands in these files.
UNSEEN = {
    "h11": Unpromised(
        "minor",
        {
            "wire/connection.py: peer closed connection": "a body cut short and broken HTTP are one error",
            "wire/listening.py: : bytearray": "its words quote what was received, which may be a credential",
        },
    ),
    "allure-python-commons": Unpromised(
        "major",
        {"reports/allure_results.py: allure_commons.model2": "it is for adaptors, and documented by its code alone"},
    ),
}

# What these libraries tell people to inherit from and to override.
MADE_TO_BE_EXTENDED = {"click": "types, commands, groups", "rich": "on_broken_pipe"}

# Documented, though it begins with an underscore.
PUBLIC = {"_exit", "_replace"}


# --- What is used


@cache
def sources() -> Mapping[Path, ast.Module]:
    """Each module that is shipped."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in (CHECKOUT / "conformance").rglob("*.py")}


def is_foreign(module: str) -> bool:
    """Whether it is neither ours nor Python's."""
    top = module.partition(".")[0]
    return top != "conformance" and top not in sys.stdlib_module_names


def imports() -> Iterator[str]:
    """The full name of whatever is imported from others; what is for type checkers alone is not."""
    for tree in sources().values():
        for_types = {below for node in ast.walk(tree) if _for_types(node) for below in ast.walk(node)}
        for node in ast.walk(tree):
            if node in for_types:
                continue
            if isinstance(node, ast.Import):
                yield from (each.name for each in node.names if is_foreign(each.name))
            elif isinstance(node, ast.ImportFrom) and node.module and is_foreign(node.module):
                yield from (f"{node.module}.{each.name}" for each in node.names)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def distributions() -> Mapping[str, list[str]]:
    """What each package comes with; it is a look at every file that is installed."""
    return metadata.packages_distributions()


def distribution(module: str) -> str:
    """What installs it."""
    return canonicalize_name(distributions()[module.partition(".")[0]][0])


def is_private(name: str) -> bool:
    """Whether a part of it says so, or it lies where uvicorn has what it does not export."""
    parts = name.split(".")
    return any(part.startswith("_") or part == "internal" for part in parts) or name.startswith("uvicorn.protocols.")


def private_attributes() -> Iterator[str]:
    """What is looked up with an underscore and defined nowhere among ours."""
    ours = {name for tree in sources().values() for node in ast.walk(tree) for name in _defined(node)}
    for tree in sources().values():
        for node in ast.walk(tree):
            name = _looked_up(node)
            if name.startswith("_") and not name.startswith("__") and name not in ours | PUBLIC:
                yield ast.unparse(node)


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
        yield node.attr


def _looked_up(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"getattr", "hasattr", "setattr", "delattr"}:
        return str(node.args[1].value) if isinstance(node.args[1], ast.Constant) else ""
    return ""


def overridden() -> Iterator[str]:
    """Each attribute of a class of others that a class of ours has in its place; abstract ones are there for that."""
    for module in [importlib.import_module(name) for name in _modules()]:
        for _, ours in inspect.getmembers(module, inspect.isclass):
            if ours.__module__ != module.__name__:
                continue
            for base in ours.__mro__[1:]:
                for name in vars(ours).keys() & vars(base).keys():
                    if not name.startswith(("__", "_abc_")) and is_foreign(base.__module__):
                        yield f"{base.__module__}.{base.__qualname__}.{name}"


def _modules() -> list[str]:
    found = pkgutil.walk_packages(conformance.__path__, "conformance.")
    return [each.name for each in found if each.name != OF_LOCUST and not each.name.endswith("__main__")]


# --- Declared, and bounded


def test_what_is_imported_is_declared() -> None:
    """What is only there because another library needs it goes when that one does; an extra names what load needs."""
    assert LOAD == {distribution(name) for name in imports()} - DECLARED.keys()


def test_what_is_declared_is_imported() -> None:
    """Or has a reason to be there."""
    others = {
        "allure-pytest": "has people's own tests write results beside ours, of the same version",
        "uvloop": "uvicorn takes it where it is there",
    }

    assert others.keys() == DECLARED.keys() - {distribution(name) for name in imports()}


def test_each_use_of_what_is_not_promised_has_its_reason() -> None:
    """Private modules and attributes, and what is overridden though nobody is told to; no reason outlives its use."""
    of_backends = "hypothesis.internal.conjecture.providers.PrimitiveProvider."  # all of them: it is there for that
    found = {name for name in imports() if is_private(name)} | set(private_attributes())
    found |= {
        name
        for name in overridden()
        if name.partition(".")[0] not in MADE_TO_BE_EXTENDED and not name.startswith(of_backends)
    }

    assert {name for each in UNPROMISED.values() for name in each.names} == found


def test_what_a_walk_cannot_see_is_still_there() -> None:
    """A use that has gone takes its bound along."""
    places = [name.split(": ", 1) for each in UNSEEN.values() for name in each.names]

    assert [] == [place for place in places if place[1] not in (CHECKOUT / "conformance" / place[0]).read_text("utf-8")]


@pytest.mark.parametrize(("name", "use"), sorted({**UNPROMISED, **UNSEEN}.items()))
def test_what_is_not_promised_has_an_upper_bound(name: str, use: Unpromised) -> None:
    """It lies right above the version that ci/constraints.txt names, which is the newest that was tried."""
    major, minor = pins(CONSTRAINTS)[name].version.release[:2]
    bound = f"{major + 1}" if use.until == "major" else f"{major}.{minor + 1}"

    assert [bound] == [each.version for each in DECLARED[name].specifier if each.operator == "<"]


def test_nothing_else_has_one() -> None:
    """An upper bound without a reason keeps people from what they need."""
    bounded = {name for name, each in DECLARED.items() if any(bound.operator != ">=" for bound in each.specifier)}

    assert {*UNPROMISED, *UNSEEN} == bounded


def test_the_lowest_versions_are_those_of_the_bounds() -> None:
    """Of each library, exactly one."""
    script = (sys.executable, str(CHECKOUT / ".ci" / "bounds.py"), "lowest")
    said = subprocess.run(script, capture_output=True, text=True, check=True).stdout.splitlines()
    lowest = {canonicalize_name(each.name): each.specifier for each in map(Requirement, said)}

    assert DECLARED.keys() == lowest.keys()
    assert {"=="} == {bound.operator for specifier in lowest.values() for bound in specifier}
    assert [] == [
        name
        for name, specifier in lowest.items()
        if not all(DECLARED[name].specifier.contains(bound.version) for bound in specifier)
    ]


def test_without_upper_bounds_the_lower_ones_remain() -> None:
    """For `make test-beyond`."""
    script = (sys.executable, str(CHECKOUT / ".ci" / "bounds.py"), "open")
    said = subprocess.run(script, capture_output=True, text=True, check=True).stdout.splitlines()

    assert {">="} == {bound.operator for each in map(Requirement, said) for bound in each.specifier}
    assert len(DECLARED) == len(said)


def test_nobody_is_told_to_install_a_name_that_is_not_ours() -> None:
    """It is not on PyPI: whoever claims it there would be installed. From a URL, a wheel or a folder it is."""
    told = [
        f"{path.relative_to(CHECKOUT)}: {line.strip()}"
        for folder, kind in (("conformance", "*.py"), ("docs", "*.md"), ("ci", "*.yml"), (".", "*.md"), (".", "*.yml"))
        for path in (CHECKOUT / folder).glob(kind if folder == "." else f"**/{kind}")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\b(?:install|add|uvx|pipx run)\b[^`]*[ \"']statum-conformance(?! @|/)\b", line)
        and re.search(r"\b(?:pip|pipx|uv|uvx|poetry)\b", line)
    ]

    assert [] == told
