"""MongoDB: one file for each kind of document."""
