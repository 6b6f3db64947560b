"""The contract as data: a folder, read in and cross-checked."""
