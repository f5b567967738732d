"""The adapters, one file per outside system: domain types inside, wire formats outside; no wire format leaks in."""
