"""ci/constraints.txt and ci/build-constraints.txt: every library that an install has, in one version, with its digests.

`make constraints` writes them; whether they can be installed is for `make test-package`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from project_files import BUILD_CONSTRAINTS, CHECKOUT, CONSTRAINTS, pins

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))

# Where an install may be: each Python that is supported, on each system.
SURROUNDINGS = [
    {"python_version": python, "python_full_version": f"{python}.0", **system, "extra": ""}
    for python in ("3.11", "3.12", "3.13")
    for system in (
        {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
        {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
        {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
    )
]


def needed(requirements: Mapping[str, Requirement], versions: Mapping[str, Version]) -> Mapping[str, list[Requirement]]:
    """All that is installed with these, and what is asked of each.

    What a library asks for is known of those that are installed here in the version that is pinned.
    """
    asked: dict[str, list[Requirement]] = {}
    todo = list(requirements.values())
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        known = str(requirement) in map(str, asked.setdefault(name, []))
        asked[name].append(requirement)
        if not known and _is_here(name, versions):
            todo += _below(requirement)
    return asked


def _is_here(name: str, versions: Mapping[str, Version]) -> bool:
    try:
        return Version(metadata.version(name)) == versions.get(name)
    except metadata.PackageNotFoundError:
        return False


def _below(requirement: Requirement) -> Iterator[Requirement]:
    for each in map(Requirement, metadata.requires(requirement.name) or ()):
        extras = requirement.extras or {""}
        if each.marker is None or any(each.marker.evaluate({**s, "extra": e}) for s in SURROUNDINGS for e in extras):
            yield each


@pytest.mark.parametrize(
    ("path", "roots"),
    [
        (CONSTRAINTS, PROJECT["project"]["dependencies"]),
        (BUILD_CONSTRAINTS, PROJECT["build-system"]["requires"]),
    ],
    ids=["what runs", "what builds"],
)
def test_every_library_is_named_with_its_digests(path: Path, roots: list[str]) -> None:
    """Those that others need, too, in a version that suits whoever asks for it."""
    named = pins(path)
    versions = {name: pin.version for name, pin in named.items()}
    asked = needed({root: Requirement(root) for root in roots}, versions)

    assert set() == asked.keys() - named.keys()
    assert [] == [name for name, pin in named.items() if not pin.digests or {64} != {*map(len, pin.digests)}]
    assert [] == [
        f"{each} of {name} {versions[name]}"
        for name, wanted in asked.items()
        for each in wanted
        if not each.specifier.contains(versions[name], prereleases=True)
    ]


def test_a_library_that_is_named_reaches_every_supported_python() -> None:
    """No marker leaves one out; what is for a system alone may say so."""
    left_out = [
        f"{name} on {surroundings['python_version']}"
        for name, pin in pins(CONSTRAINTS).items()
        for surroundings in SURROUNDINGS
        if surroundings["sys_platform"] == ("win32" if name == "colorama" else "linux")
        and pin.requirement.marker is not None
        and not pin.requirement.marker.evaluate(surroundings)
    ]

    assert [] == left_out


def test_both_files_name_one_version() -> None:
    """They are installed side by side."""
    running = {name: pin.version for name, pin in pins(CONSTRAINTS).items()}
    building = {name: pin.version for name, pin in pins(BUILD_CONSTRAINTS).items()}

    assert {name: version for name, version in running.items() if name in building}.items() <= building.items()


def test_the_group_asks_for_what_the_build_does() -> None:
    """`make constraints` is told by it what builds the package."""
    assert PROJECT["build-system"]["requires"] == PROJECT["dependency-groups"]["build"]
