"""`report.html`: one self-contained page that a manager understands in ten seconds and an engineer debugs from.

    html            the page, made from the result's document and, where it is there, its record
    comparison_html two such documents side by side
    matrix          requirement × command
    findings        what was observed: exchange, notification and timeline of the cases that findings name
    broken_rules    which keyword of which schema that is about
    transcript      what was put before a client, and all that was said, sent and answered
    markup          bodies as pretty JSON, with the place that a finding names marked
    differences     what differs between messages that tell of the same
    plots           latencies, coverage and result codes as inline SVG
    *.html, style.css, script.js    what it is put into

Nothing is loaded from anywhere; without JavaScript everything is there, only filters and buttons are not.
"""

from __future__ import annotations

from conformance.reports.page.rendering import comparison_html, html

__all__ = ["comparison_html", "html"]
