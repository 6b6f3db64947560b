"""Where a requirement, with the sentence that it rests on, can be read: on the page that a run was told of.

The project cannot know where its documentation is published; `--catalogue-url` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def published_at(entry: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    """The address of `docs/requirements.md` at the requirement of an `entry`; None where none was given.

    A text fragment leads to the id, which stands once on that page, beside the sentence; a browser that knows none
    shows the page from its top. Its hyphen is escaped, for it would begin something else.
    """
    url: str | None = document["settings"].get("catalogue_url")
    return f"{url}#:~:text={entry['id'].replace('-', '%2D')}" if url else None
