"""`report.html`: one self-contained page that a manager understands in ten seconds and an engineer debugs from.

    html            the page, made from the result's document and, where it is there, its record
    comparison_html two such documents side by side
    matrix          requirement × command
    findings        what was observed: exchange, notification and timeline of the cases that findings name
    markup          bodies as pretty JSON, with the place that a finding names marked
    plots           latencies, coverage and result codes as inline SVG
    template.html, style.css, script.js     what it is put into

Nothing is loaded from anywhere; without JavaScript everything is there, only filters and buttons are not.
"""

from __future__ import annotations

from conformance.reporting.page.rendering import comparison_html, html

__all__ = ["comparison_html", "html"]
