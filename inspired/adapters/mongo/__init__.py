"""MongoDB: one file per kind of document."""
