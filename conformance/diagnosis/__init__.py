"""On what a failure depends: read off the run first, then confirmed with few requests, and made small.

follow_ups      what was sent after the run proper to look into its failures, and the causes that it noted
observations    what a check that found something saw, exchange by exchange
traits          what sets the exchanges that failed apart, beyond chance
patterns        on what a failure depends, in words
grouping        findings gathered by what was answered
explanation     all of that for the verdicts of a run, and the causes that several share
attribution     failing payloads beside plain ones, and which cases are put down to what was found
inquiry         which requests one inquiry needs next, and its causes
search          all inquiries of a run, in rounds and within a budget
"""
