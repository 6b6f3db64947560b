"""On what a failure depends: read off the run first, then confirmed with few requests, and made small.

follow_ups      what was sent after the run proper to look into its failures, and the causes that it noted
watching        what a check saw that found something, exchange by exchange
chance          exact tests: what chance alone would show
traits          what sets the exchanges apart that fell short
patterns        on what a failure depends, in words
grouping        findings gathered by what was answered
one_cause       requirements that fall short for one cause
explaining      all of that for the verdicts of a run
attribution     failing payloads beside plain ones, and which cases are put down to what was found
inquiry         which requests one inquiry needs next, and its causes
search          all inquiries of a run, in rounds and within a budget
"""
