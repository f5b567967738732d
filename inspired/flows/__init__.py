"""One file per journey: gather, decide, save, ring the queue."""
