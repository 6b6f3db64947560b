"""`report.json`: the result's document, in the order in which it was made."""

from __future__ import annotations

import json

from conformance.reports.result import Reportable


def json_report(result: Reportable) -> bytes:
    """The document as UTF-8, indented by two; the same result gives the same bytes.

    A lone surrogate, which a gateway's answer may hold and UTF-8 cannot, is written as JSON's own escape for it.
    """
    text = json.dumps(dict(result.document), ensure_ascii=False, indent=2, allow_nan=False)
    return f"{text}\n".encode("utf-8", "backslashreplace")
