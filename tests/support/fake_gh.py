"""`gh api` as ci/comment calls it, on a pull request whose comments are a file: GH_COMMENTS, a list in JSON.

With GH_REFUSES, a text, it prints that and changes nothing. `--jq` is jq's, as in gh.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LOGIN = "github-actions[bot]"
ISSUE, COMMENT = "repos/acme/shop/issues/7/comments", "repos/acme/shop/issues/comments/"


def answer(given: argparse.Namespace, comments: list[dict[str, Any]]) -> Any:
    """The document that GitHub answers with; a comment that is made or changed is so in `comments`."""
    text = Path(given.field.removeprefix("body=@")).read_text(encoding="utf-8") if given.field else ""
    if given.endpoint == "graphql":
        return {"data": {"viewer": {"login": LOGIN}}}
    if given.endpoint == f"{ISSUE}?per_page=100":
        return comments
    if (given.method, given.endpoint) == ("POST", ISSUE):
        comments.append({"id": len(comments) + 1, "user": {"login": LOGIN}, "body": text})
        return comments[-1]
    (comment,) = [each for each in comments if given.endpoint == f"{COMMENT}{each['id']}" and given.method == "PATCH"]
    comment["body"] = text
    return comment


def main() -> None:
    """Answer to the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["api"])
    parser.add_argument("endpoint")
    for option in ("--method", "--field", "--raw-field", "--jq"):
        parser.add_argument(option, default="")
    for option in ("--paginate", "--silent"):
        parser.add_argument(option, action="store_true")
    given = parser.parse_args()
    if refusal := os.environ.get("GH_REFUSES"):
        sys.exit(refusal)
    file = Path(os.environ["GH_COMMENTS"])
    comments = json.loads(file.read_text(encoding="utf-8"))
    document = json.dumps(answer(given, comments))
    file.write_text(json.dumps(comments), encoding="utf-8")
    if given.jq:
        subprocess.run(["jq", "--raw-output", given.jq], input=document, text=True, check=True)  # noqa: S607


if __name__ == "__main__":
    main()
