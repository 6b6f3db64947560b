"""The contract, read in: commands, requirements, schemas."""
