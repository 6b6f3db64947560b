"""`report.html`: one self-contained page that a manager understands in ten seconds and an engineer debugs from.

    rendering       the templates filled in: the page of a result, and that of two results compared
    evidence        exchanges, notifications and timelines of the cases that findings name
    transcript      everything that a client under test was asked, sent and was answered
    markup          bodies of messages and plots
    *.html, style.css, script.js    the templates

Nothing is loaded from anywhere; without JavaScript everything is there but filters and buttons.
"""
