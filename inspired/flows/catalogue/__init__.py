"""Calendars the catalogue depends on: the owner's own, and Calendly's event types."""
