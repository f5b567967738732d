"""The flows, one file per use case: load, decide, save, enqueue."""
