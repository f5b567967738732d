"""Tickets, and promises to customers."""
