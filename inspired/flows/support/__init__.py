"""Tickets, and what customers were promised."""
