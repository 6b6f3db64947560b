"""On what a failure depends: read off the run first, then confirmed by follow-up requests.

follow_ups      what was sent after the run proper to look into its failures, and the causes that it noted
watching        what a check saw that found something, exchange by exchange
chance          exact tests: what chance alone would show
traits          what sets the exchanges apart that fell short
patterns        on what a failure depends, in words
grouping        findings gathered by what was answered
one_cause       requirements that fall short for one cause
explaining      all of that for the verdicts of a run
"""
