"""The contract as a state machine without I/O, served over HTTP; its faults and its lawful variants."""
