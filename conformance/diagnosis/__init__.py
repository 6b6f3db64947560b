"""The causes of failures: read off the run first, then confirmed with few requests, and made small.

follow_ups      requests after the run proper to look into its failures, and the causes that they showed
patterns        patterns of failures, and the traits that set the failed exchanges apart, beyond chance
observations    observations of a check that found something, exchange by exchange; its findings in groups
explanation     all of that for the verdicts of a run, and the causes that several share
inquiry         which requests one inquiry needs next, and its causes
search          all inquiries of a run, in rounds and within a budget
"""
