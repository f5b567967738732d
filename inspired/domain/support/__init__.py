"""Conversations with customers: tickets, what was promised in them, ready-made answers."""
