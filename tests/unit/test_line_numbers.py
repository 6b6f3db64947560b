"""The lines of what TOML and JSON files hold."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.folder import Place, json_lines, line_of, toml_lines

CHECKOUT = Path(__file__).parents[2]

TOML = '''\
# a comment with [a.table]
title = "one" # and = signs

[answer]
code = "it # is"
long = """
[not.a.table]
"""
after = 1

[[command]]
name = "a"
window = { seconds = 1, members = [
  "x",
] }

[[command]]
name = "b"
"quoted key" = 2
a.dotted = 3
  [command.money]
  member = "m"
'''


def test_each_key_of_toml_has_its_line() -> None:
    """Also below lists of tables, and behind texts and lists of several lines."""
    assert {
        (): 1,
        ("title",): 2,
        ("answer",): 4,
        ("answer", "code"): 5,
        ("answer", "long"): 6,
        ("answer", "after"): 9,
        ("command", 0): 11,
        ("command", 0, "name"): 12,
        ("command", 0, "window"): 13,
        ("command", 1): 17,
        ("command", 1, "name"): 18,
        ("command", 1, "quoted key"): 19,
        ("command", 1, "a", "dotted"): 20,
        ("command", 1, "money"): 21,
        ("command", 1, "money", "member"): 22,
    } == toml_lines(TOML)


def test_a_key_without_a_line_has_the_line_above() -> None:
    """Such as a member of an inline table."""
    lines = toml_lines(TOML)
    assert 13 == line_of(("command", 0, "window", "seconds"), lines)
    assert 4 == line_of(("answer", "reason"), lines)
    assert 1 == line_of(("nothing",), lines)


def paths(value: Any, above: Place = ()) -> Iterator[Place]:
    """All that lead to something."""
    yield above
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*above, key))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_everything_in_json_has_a_line(value: Any) -> None:
    """Whatever it holds, and nothing else has; the line of a member begins with its name."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    lines = json_lines(text)

    assert list(paths(value)) == list(lines)
    shown = text.split("\n")
    for path, line in lines.items():
        if path and isinstance(path[-1], str):
            assert shown[line - 1].lstrip().startswith(json.dumps(path[-1], ensure_ascii=False) + ":")


def test_the_lines_of_our_own_files_hold_their_keys() -> None:
    """Every table and every key that is read is found, and stands in its line."""
    for file in sorted(CHECKOUT.glob("schemas/**/*.toml")):
        text = file.read_text(encoding="utf-8")
        lines, shown, stated = toml_lines(text), text.splitlines(), tomllib.loads(text)
        keys = {path: line for path, line in lines.items() if path and isinstance(path[-1], str)}
        tables = {(key, n) for key, value in stated.items() if isinstance(value, list) for n in range(len(value))}

        assert [] == [(file, path) for path, line in keys.items() if path[-1] not in shown[line - 1]]
        assert tables <= lines.keys(), file
        assert {(key, n, name) for key, n in tables for name in stated[key][n]} <= lines.keys(), file
