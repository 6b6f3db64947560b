"""Expectations files as tests write them.

FILE        what they are called
written     writes one with one entry
"""

from __future__ import annotations

from pathlib import Path

FILE = Path("expectations.toml")

VALID: dict[str, str] = {
    "requirement": '"ENC-01"',
    "verdict": '"FAIL"',
    "issue": '"#1"',
    "owner": '"us"',
    "expires": "2027-01-31",
}


def written(directory: Path, **changes: str | None) -> Path:
    """A file with one entry, some of its keys changed or (None) left out."""
    path = directory / FILE
    keys = {name: value for name, value in {**VALID, **changes}.items() if value is not None}
    path.write_text("[[expectation]]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()), "utf-8")
    return path
