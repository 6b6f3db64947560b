"""Text from outside, made fit for where it is shown: a gateway may say anything, also what a terminal would obey.

    for_terminal    one line, no control characters, no invisible ones
    for_xml         only what XML 1.0 can hold
    for_markdown    a span of code, in which nothing counts
    fenced          a block of code
    for_runner      nothing that GitHub's runner would obey

What is not shown as it is, is shown as an escape, so that a reader sees that it was there.
"""

from __future__ import annotations

import re

# XML 1.0, production 2 (Char): what it leaves out cannot stand in a document, not even escaped. A carriage return can,
# but comes back as a line feed.
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# To GitHub's runner a line that begins with two colons is a command, and so is what follows ##[ anywhere.
_RUNNER_COMMAND = re.compile(r"(?:^|(?<=[\r\n]))(\s*)(:)(?=:)|(#)(?=#\[)")


def for_terminal(text: str) -> str:
    """`text` with everything that is not printable written as an escape: line breaks, controls, lone surrogates."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def for_xml(text: str) -> str:
    """`text` with every character that XML 1.0 cannot hold, and carriage returns, written as an escape."""
    return _NOT_XML.sub(lambda match: _escaped(match[0]), text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def for_markdown(text: str) -> str:
    """`text` as one span of code in Markdown: neither markup, HTML, links nor mentions in it count. Not for tables."""
    harmless = for_terminal(text)
    fence = "`" * (_longest_run(harmless) + 1)
    pad = " " if harmless.startswith("`") or harmless.endswith("`") or not harmless.strip() else ""
    return f"{fence}{pad}{harmless or ' '}{pad}{fence}"


def fenced(text: str, language: str = "") -> str:
    """`text` as a block of code in Markdown, which nothing in it ends."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def for_runner(text: str) -> str:
    """`text`, of any number of lines, with what GitHub's runner would take for a command written as an escape."""
    return _RUNNER_COMMAND.sub(lambda found: f"{found[1] or ''}\\x{ord(found[2] or found[3]):02x}", text)


def _longest_run(text: str) -> int:
    """How many backticks follow each other at most."""
    return max(map(len, re.findall("`+", text)), default=0)
