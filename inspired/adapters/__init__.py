"""One file per outside thing: domain types inwards, wire format outwards, nothing in between leaks."""
