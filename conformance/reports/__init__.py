"""Reports: each a function of the same result."""
