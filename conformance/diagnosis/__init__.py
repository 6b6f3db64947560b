"""On what a failure depends: read off the run, confirmed with few requests, and made small."""
