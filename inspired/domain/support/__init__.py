"""Support: tickets, what was promised in them, ready-made answers."""
