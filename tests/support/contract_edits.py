"""Copies of the built-in contract folder with one file of it edited.

json_edited     a member of a schema changed, by a function of the document
text_edited     words of a file replaced
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from importlib.resources import as_file
from pathlib import Path
from typing import Any

from conformance.contract.schemas import built_in


def copy_of_statum(directory: Path) -> Path:
    """The folder as it is, below `directory`."""
    folder = directory / "statum"
    if not folder.exists():
        with as_file(built_in("statum")) as statum:
            shutil.copytree(statum, folder)
    return folder


def json_edited(directory: Path, file: str, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Path:
    """A copy whose `file` holds what `change` makes of it, laid out as it was."""
    folder = copy_of_statum(directory)
    path = folder / file
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8"))), indent=2, ensure_ascii=False), "utf-8")
    return folder


def text_edited(directory: Path, file: str, words: str, others: str) -> Path:
    """A copy whose `file` has `others` where it first had `words`."""
    folder = copy_of_statum(directory)
    path = folder / file
    text = path.read_text("utf-8")
    assert words in text, f"{file} does not hold {words!r}"
    path.write_text(text.replace(words, others, 1), "utf-8")
    return folder
