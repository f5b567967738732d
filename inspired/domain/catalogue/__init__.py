"""The catalogue: meeting types, the hours they are offered in, and their refund policies."""
